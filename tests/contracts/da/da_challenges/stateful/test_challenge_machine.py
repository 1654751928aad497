"""Challenges under any order of actions: contract and model agree, no wei is lost or made."""

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.core.layout import N
from offchain.da.challenge_book import Asked, Caller, ChallengeBook, Duty
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW
from offchain.da.reverts import CHALLENGES
from tests.support.da import EVIDENCE_SECONDS, MIN_BOND, WINDOWS, DaSite, draw, raw
from tests.support.da_challenges import PaidBlob, confirmed, wire_court
from tests.support.da_encoding import frame_of, honest
from tests.support.native_evm import return_to
from tests.support.staking import DA, AnOperator, a_wallet

LENGTH = 600_000  # three leaves a row
LEAVES = st.sampled_from([0, 1, 2, 3, WHOLE_ROW])
EXTRA = st.sampled_from([-1, 0, 0, 7, 10**17])
WAITS = st.sampled_from(
    [1, WINDOWS.answer // 2, WINDOWS.answer // 2 + 1, WINDOWS.answer, 15 * WINDOWS.day]
)
STORED: list[tuple[DaSite, list[PaidBlob]]] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(undrawn_site: DaSite) -> Iterator[None]:
    """Two confirmed blobs for all runs, made before any; each run undoes what it did."""
    with boa.env.anchor():
        return_to("data availability")
        site = undrawn_site
        draw(site)
        wire_court(site)
        absent = [spared(site)]
        STORED.append((site, [a_confirmed(site, absent, 14), a_confirmed(site, [], 21)]))
        yield


def spared(site: DaSite) -> int:
    """A signer without whom enough slices are left."""
    epoch = site.signers.serving_epoch()
    first = site.operators[0].operator_id
    return next(i for i in range(5) if site.signers.signer_at(epoch, 0, i)[0] != first)


def a_confirmed(site: DaSite, absent: list[int], days: int) -> PaidBlob:
    matrix, payer = honest(LENGTH), site.operators[0]
    return confirmed(site, matrix, payer=payer, absent=absent, retention_days=days)


class Challenges(RuleBasedStateMachine):
    """People who doubt, signers who answer or do not, proofs that void, and time."""

    @initialize()
    def begin(self) -> None:
        self.site, self.blobs = STORED[-1]
        site = self.site
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.people = [a_wallet("doubter"), a_wallet("griefer"), site.operators[1].owner]
        self.model = ChallengeBook(WINDOWS.answer, MIN_BOND)
        self.void: set[bytes] = set()
        self.asked: list[tuple[PaidBlob, Asked]] = []

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # What the chain says

    def state(self, blob: PaidBlob) -> BlobState:
        return BlobState.VOID if blob.identifier in self.void else BlobState.CONFIRMED

    def signer(self, blob: PaidBlob, row: int) -> AnOperator | None:
        """Who signed for a row."""
        if row >= N:
            return None
        owner = blob.owner(row)
        ids = [signer.operator_id for signer in blob.ballot.quorum.signers]
        is_absent = blob.absent[0] >> ids.index(owner.operator_id) & 1
        return None if is_absent else owner

    def duty(self, blob: PaidBlob, row: int) -> Duty:
        signer = self.signer(blob, row)
        return Duty(
            self.state(blob),
            blob.ballot.record.expiry,
            blob.blob.columns,
            blob.ballot.record.epoch,
            signer.operator_id if signer else 0,
        )

    # Actions

    @rule(
        which=st.integers(0, 1),
        operator=st.integers(0, 4),
        number=st.integers(0, 2),
        leaf=LEAVES,
        who=st.integers(0, 2),
        extra=EXTRA,
    )
    def challenge(
        self, which: int, operator: int, number: int, leaf: int, who: int, extra: int
    ) -> None:
        blob = self.blobs[which]
        row = blob.row_of(self.site.operators[operator], number)
        self._challenge(blob, row, leaf, self.people[who], extra)

    @rule(which=st.integers(0, 1), row=st.sampled_from([N, 2**32]))
    def challenge_no_such_row(self, which: int, row: int) -> None:
        self._challenge(self.blobs[which], row, 0, self.people[0], 0)

    def _challenge(self, blob: PaidBlob, row: int, leaf: int, who: str, extra: int) -> None:
        asked = Asked(blob.identifier, row, leaf)
        duty = self.duty(blob, row)
        bond = self.site.challenges.bond(duty.operator_id, blob.blob.columns, leaf)
        self.agree(
            lambda: self.model.challenge(
                asked,
                duty,
                raw(who),
                value=bond + extra,
                base_fee=boa.env.evm.vm.state.execution_context.base_fee_per_gas,
                now=boa.env.timestamp,
            ),
            lambda: self.site.challenges.challenge(
                blob.fields, row, leaf, blob.seed, blob.absent, value=bond + extra, sender=who
            ),
        )
        if (blob, asked) not in self.asked:
            self.asked.append((blob, asked))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), who=st.integers(0, 3))
    def answer(self, data: st.DataObject, who: int) -> None:
        blob, asked = data.draw(st.sampled_from(self.asked))
        if asked.row >= N or (asked.leaf != WHOLE_ROW and asked.leaf >= 3):
            return
        owner = blob.owner(asked.row)
        account = [*self.people, owner.owner][who]
        operator_id = self.site.stake.operator_of(account)
        self.agree(
            lambda: self.model.answer(
                asked,
                Caller(raw(account), operator_id),
                raw(owner.owner),
                now=boa.env.timestamp,
            ),
            lambda: blob.answer(account, asked.row, asked.leaf),
        )

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), place=st.integers(8, 599))
    def forge_answer(self, data: st.DataObject, place: int) -> None:
        """No other bytes ever clear a challenge."""
        blob, asked = data.draw(st.sampled_from(self.asked))
        if asked.row >= N or asked.leaf >= 3:
            return
        frame = bytearray(frame_of(blob.encoded, asked.row, asked.leaf))
        frame[place] ^= 1
        with boa.reverts("row_path: not under the root"):
            self.site.challenges.answer_leaf(blob.fields, bytes(frame), sender=self.people[1])

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        blob, asked = data.draw(st.sampled_from(self.asked))
        if boa.env.timestamp > self.barred_at(blob):
            return
        signer = self.signer(blob, asked.row)
        before = self.taken(signer, blob)
        was_punished = (asked.blob_id, asked.row) in self.model.punished
        self.agree(
            lambda: self.model.close(asked, self.state(blob), now=boa.env.timestamp),
            lambda: blob.close(asked.row, asked.leaf),
        )
        if was_punished or self.state(blob) is BlobState.VOID:
            assert before == self.taken(signer, blob)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def reclaim(self, data: st.DataObject) -> None:
        blob, asked = data.draw(st.sampled_from(self.asked))
        self.agree(
            lambda: self.model.reclaim(
                asked, barred_at=self.barred_at(blob), now=boa.env.timestamp
            ),
            lambda: self.site.challenges.reclaim(asked.blob_id, asked.row, asked.leaf),
        )

    @rule(who=st.integers(0, 7))
    def withdraw(self, who: int) -> None:
        account = self.accounts()[who]
        before = boa.env.get_balance(account)
        credit = self.model.credits.get(raw(account), 0)
        self.agree(
            lambda: self.model.withdraw(raw(account)),
            lambda: self.site.challenges.withdraw(account, sender=account),
        )
        assert boa.env.get_balance(account) == before + credit

    @precondition(lambda self: len(self.void) == 0 and len(self.asked) > 2)
    @rule(which=st.integers(0, 1))
    def prove_encoding_bad(self, which: int) -> None:
        blob = self.blobs[which]
        self.site.entrance.void(blob.fields, sender=self.site.fraud_proofs.address)
        self.void.add(blob.identifier)

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # What always holds

    @invariant()
    def invariant_da_16_every_bond_belongs_to_somebody(self) -> None:
        challenges = self.site.challenges
        assert self.model.owed == self.model.balance
        assert self.model.balance == boa.env.get_balance(challenges.address)
        for account in self.accounts():
            credit = self.model.credits.get(raw(account), 0)
            assert credit == challenges.credit_of(account)
        for operator in self.site.operators:
            waiting = self.model.waiting(operator.operator_id)
            assert waiting == challenges.open_of(operator.operator_id)

    @invariant()
    def invariant_da_15_who_was_never_silent_loses_nothing(self) -> None:
        guilty = {
            self.signer(blob, asked.row)
            for blob, asked in self.asked
            if (asked.blob_id, asked.row) in self.model.punished
        }
        for operator in self.site.operators:
            taken = max(self.taken(operator, blob) for blob in self.blobs)
            assert operator in guilty or taken == 0

    # Support

    def accounts(self) -> list[str]:
        return [*self.people[:2], *(one.owner for one in self.site.operators), self.site.treasury]

    def barred_at(self, blob: PaidBlob) -> int:
        start = self.site.stake.epoch_start(blob.ballot.record.epoch + 1)
        return int(start) + EVIDENCE_SECONDS

    def taken(self, operator: AnOperator | None, blob: PaidBlob) -> int:
        if operator is None:
            return 0
        return int(self.site.stake.slashed_at(operator.pool(DA), blob.ballot.record.epoch))

    def agree(self, model: Callable[[], Any], contract: Callable[[], Any]) -> None:
        """Both do it, or both refuse for the same reason."""
        try:
            expected = model()
        except ApogeeError as error:
            reasons = [reason for reason, kind in CHALLENGES.items() if kind is type(error)]
            with pytest.raises(boa.BoaError) as refused:
                contract()
            assert any(reason in str(refused.value) for reason in reasons)
        else:
            answer = contract()
            assert answer is None or isinstance(answer, bytes) or expected == answer


TestChallenges = Challenges.TestCase
