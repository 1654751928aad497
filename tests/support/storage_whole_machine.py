"""Everything that may happen to log, market, seats and proofs, predicted and then done for real.

Every step is predicted by the models: the contracts do it, or refuse it for the model's reason.
"""

from collections.abc import Callable
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.storage.challenge_draw import MAX_ATTEMPTS, place_of
from offchain.storage.group_book import BookedSeat, GroupBook
from offchain.storage.market_book import GroupOffer
from offchain.storage.model import FileState, Segment, file_root, profile_of, segment_path
from offchain.storage.onchain_proofs import Wanted
from offchain.storage.proof_book import Clock, Holder, ProofBook
from offchain.storage.reverts_market import MARKET
from offchain.storage.reverts_proofs import PROOFS
from offchain.storage.reverts_seats import SEATS as SEAT_REASONS
from tests.support.da import raw
from tests.support.da_encoding import frame_of, honest
from tests.support.staking import DAY, EPOCH, STORAGE, a_wallet
from tests.support.storage import LOCAL, opening_of
from tests.support.storage_log import a_submission
from tests.support.storage_proofs import ANSWER, EVIDENCE, MIN_BOND
from tests.support.storage_seats import LONGEST, PRICE, draw_successor, took
from tests.support.storage_whole import WholeSite
from tests.support.storage_whole_model import Facts, WholeModel

SEATS = 3
SEAT = st.integers(0, SEATS - 1)
BOND = 10**17
WAITS = st.sampled_from([1, ANSWER + 1, EPOCH, 3 * EPOCH, 9 * EPOCH])
HONEST = (1, 1_000_000)  # lengths of files whose bytes the test has
LENGTHS = st.sampled_from([*HONEST, 40_000_000_000 // 2])
TABLES = (MARKET, PROOFS, SEAT_REASONS)
STORED: list[tuple[WholeSite, int]] = []


class AllOfStorage(RuleBasedStateMachine):
    """Owners, operators that lose bytes or stay silent, successors, demanders, and time."""

    @initialize()
    def begin(self) -> None:
        self.site, self.group = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.market, self.proofs = self.site.market, self.site.proofs
        self.seats = self.site.seats.seats
        self.owner, self.relayer = a_wallet("owner"), a_wallet("relayer")
        self.book = self.site.book()
        held = [self.paid(seat) for seat in range(SEATS)]
        offer = GroupOffer(2 * PRICE * SEATS, LONGEST, self.market.group(self.group).moved)
        self.book.open_group(self.group, LOCAL, held, terms=offer)
        clock = Clock(self.book.clock.genesis, EPOCH, ANSWER)
        self.model = WholeModel(
            self.group,
            self.book,
            GroupBook([BookedSeat(*one) for one in held]),
            ProofBook(clock, MIN_BOND),
            self.facts(),
            EVIDENCE,
        )
        self.files: list[bytes] = []
        self.nonce = 0

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Files

    @rule(length=LENGTHS, term=st.sampled_from([1, 4, 30]))
    def store(self, length: int, term: int) -> None:
        self.nonce += 1
        changes = {} if length not in HONEST else {"root": file_root(self.segments(length))}
        submission = a_submission(
            self.owner, nonce=self.nonce, profile=LOCAL, length=length,
            segments=-(-length // 32_505_856), term_epochs=term, **changes,
        )  # fmt: skip
        file_id, entropy = self.site.submit(submission)
        self.book.open(file_id, opening_of(submission), value=submission.max_cost, now=self.now)
        self.files.append(file_id)
        epoch = self.book.clock.epoch_of(self.now)
        randomness = bytes(self.site.seats.beacon.randomness(epoch))
        self.agree(
            lambda: self.book.place(file_id, randomness=randomness, entropy=entropy, now=self.now),
            lambda: self.market.place(file_id, sender=self.relayer),
        )
        if self.book.files[file_id].state is FileState.PLACED:
            self.agree(
                lambda: self.book.confirm(file_id, now=self.now),
                lambda: self.site.confirm(file_id),
            )

    @precondition(lambda self: self.files)
    @rule(data=st.data(), act=st.sampled_from(["refund", "close", "declare_lost"]))
    def end(self, data: st.DataObject, act: str) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: getattr(self.book, act)(file_id, now=self.now),
            lambda: getattr(self.market, act)(file_id, sender=self.relayer),
        )

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: self.book.release(file_id, raw(self.owner), now=self.now),
            lambda: self.market.release(file_id, sender=self.owner),
        )

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: self.book.renew(file_id, 3, raw(self.relayer), value=10**15, now=self.now),
            lambda: self.market.renew(file_id, 3, value=10**15, sender=self.relayer),
        )

    @rule(seat=SEAT)
    def collect(self, seat: int) -> None:
        self.agree(
            lambda: self.book.collect(self.group, seat, now=self.now),
            lambda: self.market.collect(self.group, seat, sender=self.relayer),
        )

    @rule(who=st.integers(0, 7))
    def withdraw(self, who: int) -> None:
        account = self.accounts()[who]
        for book, contract in ((self.book, self.market), (self.model.proofs, self.proofs)):
            self.agree(
                lambda book=book: book.withdraw(raw(account)),
                lambda contract=contract: contract.withdraw(account, sender=account),
            )

    # Seats

    @rule(seat=SEAT)
    def lose(self, seat: int) -> None:
        """Its operator gives a seat up: fined, vacant."""
        owner = self.owner_of(seat)
        self.agree(
            lambda: self.model.declare_loss(seat, now=self.now),
            lambda: self.proofs.declare_loss(self.group, seat, sender=owner),
        )
        self.tell_the_tree()

    @rule(seat=SEAT)
    def leave(self, seat: int) -> None:
        owner = self.owner_of(seat)
        self.agree(
            lambda: self.model.leave(seat),
            lambda: self.seats.leave(self.group, seat, sender=owner),
        )

    @rule(seat=SEAT)
    def let_go(self, seat: int) -> None:
        until = self.seats.seat(self.group, seat).leaves_at
        self.agree(
            lambda: self.model.let_go(seat, until=until, now=self.now),
            lambda: self.seats.let_go(self.group, seat, sender=self.relayer),
        )

    @rule()
    def draw_a_successor(self) -> None:
        """The seat that is sought gets the operator that the beacon names."""
        for seat, one in enumerate(self.model.seats.seats):
            if one.is_sought and not one.successor:
                operator = draw_successor(self.site.seats, self.group, seat, "local")
                if operator:
                    self.model.seats.name(seat, operator, PRICE)
                return

    @rule()
    def take_over(self) -> None:
        for seat, one in enumerate(self.model.seats.seats):
            if one.successor:
                call = self.group, seat, self.market.group(self.group).segments
                signature = took(self.site.seats, *call)
                self.agree(
                    lambda seat=seat: self.model.take_over(seat, now=self.now),
                    lambda call=call, signature=signature: self.seats.take_over(
                        *call, signature, sender=self.relayer
                    ),
                )
                return

    @rule(seat=SEAT, days=st.integers(0, 1))
    def lapse(self, seat: int, days: int) -> None:
        boa.env.time_travel(seconds=days * (DAY + 1))
        until = self.seats.seat(self.group, seat).successor_until
        self.agree(
            lambda: self.model.lapse(seat, until=until, now=self.now),
            lambda: self.seats.lapse(self.group, seat, sender=self.relayer),
        )

    # Proofs

    @rule(seat=SEAT)
    def prove(self, seat: int) -> None:
        """What its seat is asked for, if the test has the bytes; also unasked."""
        epoch = self.epoch
        is_suspect = self.model.proofs.record(self.group, seat).is_suspect
        found = self.model.fallen(epoch, seat, tries=MAX_ATTEMPTS if is_suspect else 1)
        if found is None or found.file.length not in HONEST:
            return
        profile, length = profile_of(LOCAL), found.file.length
        place = place_of(found.offset, length, profile, seat)
        segments = self.segments(length)
        one = segments[place.segment]
        shown = (
            one.data_root,
            one.commitment_hash,
            b"".join(segment_path(segments, place.segment)),
            frame_of(honest(length), place.row, place.leaf),
        )
        skipped, file_id = list(found.skipped), found.file.id
        self.agree(
            lambda: self.model.prove(epoch, seat, now=self.now),
            lambda: self.proofs.prove(
                epoch, self.group, seat, skipped, file_id, *shown, sender=self.relayer
            ),
        )

    @rule(seat=SEAT, back=st.integers(0, 1))
    def default(self, seat: int, back: int) -> None:
        """A miss is shown; a seat that is suspect is drawn each epoch."""
        epoch = self.epoch - back
        holder = self.model.holder_at(seat, self.model.proofs.clock.start_of(epoch))
        tries = self.model.tries(epoch, seat, holder)
        found = self.model.fallen(epoch, seat, tries=tries)
        skipped = list(found.skipped) if found else []
        file_id = found.file.id if found else self.file_at(epoch, seat)
        verdict = self.agree(
            lambda: self.model.default(epoch, seat, now=self.now),
            lambda: self.proofs.default_(
                epoch, self.group, seat, skipped, file_id, sender=self.relayer
            ),
            same=lambda expected, misses: expected.misses == misses,
        )
        if verdict is not None:
            self.tell_the_tree()

    @precondition(lambda self: self.files)
    @rule(data=st.data(), seat=SEAT)
    def demand(self, data: st.DataObject, seat: int) -> None:
        wanted = Wanted(data.draw(st.sampled_from(self.files)), 0, seat, 512 * seat, 0)
        base_fee = int(boa.env.evm.vm.state.execution_context._base_fee_per_gas)
        self.agree(
            lambda: self.model.demand(
                wanted, raw(self.relayer), value=BOND, base_fee=base_fee, now=self.now
            ),
            lambda: self.proofs.demand(fields(wanted), value=BOND, sender=self.relayer),
        )

    @precondition(lambda self: self.model.proofs.demands)
    @rule(data=st.data(), seconds=st.sampled_from([0, ANSWER + 1]))
    def close_demand(self, data: st.DataObject, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)
        wanted = data.draw(st.sampled_from(list(self.model.proofs.demands)))
        self.agree(
            lambda: self.model.close_demand(wanted, now=self.now),
            lambda: self.proofs.close(fields(wanted), sender=self.relayer),
            same=lambda expected, is_convicted: (expected is not None) == is_convicted,
        )
        self.tell_the_tree()

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)
        self.proofs.measure(sender=self.relayer)

    # What always holds

    @invariant()
    def invariant_sto_2_no_wei_is_lost_between_the_contracts(self) -> None:
        balance = boa.env.get_balance(self.market.address)
        assert self.book.owed == self.book.balance == balance
        for account in self.accounts():
            assert self.book.credits.get(raw(account), 0) == self.market.credit_of(account)
            assert self.model.proofs.credits.get(raw(account), 0) == self.proofs.credit_of(account)
        for address in (self.site.seats.log.address, self.seats.address):
            assert boa.env.get_balance(address) == 0
        balance = boa.env.get_balance(self.proofs.address)
        assert self.model.proofs.owed == self.model.proofs.balance == balance

    @invariant()
    def invariant_sto_7_seats_that_serve_and_only_they_are_paid(self) -> None:
        group, flow = self.market.group(self.group), self.book.groups[self.group]
        assert (group.rate, group.bytes, group.escrow) == (flow.rate, flow.bytes, flow.escrow)
        assert (group.cost_integral, group.byte_integral) == (flow.cost, flow.byte_seconds)
        for seat, one in enumerate(self.model.seats.seats):
            kept = self.seats.seat(self.group, seat)
            assert (one.operator, one.state, one.successor, one.generation) == (
                kept.operator_id,
                int(kept.state),
                kept.successor,
                kept.generation,
            )
            assert self.paid(seat) == (one.operator, one.paid)

    @invariant()
    def invariant_sto_9_who_failed_pays_and_nobody_else(self) -> None:
        for operator in self.site.seats.operators:
            pool = operator.pool(STORAGE)
            for epoch in range(max(self.epoch - 4, 0), self.epoch + 1):
                taken = self.model.taken[operator.operator_id, epoch]
                assert self.site.seats.stake.slashed_at(pool, epoch) == taken

    @invariant()
    def invariant_sto_16_files_of_any_state_can_be_wound_up(self) -> None:
        with boa.env.anchor():
            boa.env.time_travel(seconds=100 * EPOCH)
            self.market.advance(self.group)
            for file_id, file in self.book.files.items():
                if file.state in {FileState.SUBMITTED, FileState.PLACED}:
                    self.market.refund(file_id)
                elif file.state is FileState.STORED:
                    self.market.close(file_id)
            for seat in range(SEATS):
                if self.paid(seat)[1]:
                    self.market.collect(self.group, seat)
            assert self.market.group(self.group).escrow <= len(self.files) + SEATS

    # Parts

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    @property
    def epoch(self) -> int:
        return self.book.clock.epoch_of(self.now)

    def agree(
        self,
        predict: Callable[[], Any],
        act: Callable[[], Any],
        *,
        same: Callable[[Any, Any], bool] = lambda expected, answer: expected in (None, answer),
    ) -> Any:
        """Models and contracts both do it, or both refuse for the same reason."""
        try:
            expected = predict()
        except ApogeeError as fault:
            with pytest.raises(boa.BoaError) as caught:
                act()
            reason = str(caught.value.stack_trace.last_frame.pretty_vm_reason)
            assert type(fault) in {table.get(reason) for table in TABLES}, (reason, fault)
            return None
        answer = act()
        assert same(expected, answer), (expected, answer)
        return expected

    def facts(self) -> Facts:
        seats, group = self.seats, self.group
        return Facts(
            lambda epoch: bytes(self.site.seats.beacon.randomness(epoch)),
            lambda epoch: int(self.proofs.bytes_per_challenge(epoch)),
            lambda seat, time: Holder(*map(int, seats.holder_at(group, seat, time))),
            lambda seat: int(seats.seat(group, seat).since),
        )

    def tell_the_tree(self) -> None:
        """Whoever was slashed weighs less in the tree once anyone says so; here at once."""
        stake = self.site.seats.stake
        for operator in self.site.seats.operators if stake.untold(STORAGE) else ():
            if not stake.untold(STORAGE):
                return
            try:
                stake.reweigh(operator.pool(STORAGE))
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert reason == "stake: weight is told", reason
        assert not stake.untold(STORAGE)

    def segments(self, length: int) -> tuple[Segment, ...]:
        return (Segment.of(0, honest(length).header),)

    def file_at(self, epoch: int, seat: int) -> bytes:
        """The file that the first attempt falls on, owed or not; any id where nothing is kept."""
        kept = self.model.kept(epoch)
        place = self.proofs.position(epoch, self.group, seat, 0) if kept else 0
        for file_id, one in self.book.files.items():
            if one.started and one.first_byte <= place < one.first_byte + one.kept:
                return file_id
        return bytes(32)

    def accounts(self) -> list[str]:
        operators = [operator.owner for operator in self.site.seats.operators]
        return [self.owner, self.relayer, *operators]

    def owner_of(self, seat: int) -> str:
        return str(self.site.seats.operator(self.model.seats.seats[seat].operator).owner)

    def paid(self, seat: int) -> tuple[int, int]:
        operator, price = self.seats.paid_price(self.group, seat)
        return int(operator), int(price)


def fields(wanted: Wanted) -> tuple[bytes, int, int, int, int]:
    return wanted.id, wanted.segment, wanted.seat, wanted.row, wanted.leaf
