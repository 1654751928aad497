"""Orders, files, prices and time under any order: contract and model agree, no wei is lost."""

from collections.abc import Callable, Iterator
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.storage.client_ports import StandingOrder
from offchain.storage.model import FileState
from offchain.storage.order_book import OrderBook
from offchain.storage.reverts_market import MARKET, ORDERS
from tests.support.da import raw
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage import (
    LOCAL,
    PRICE,
    MarketSite,
    a_file,
    deploy_market,
    mine_entropy,
    offer_of,
    open_group,
    opening_of,
    randomness_of,
    receipts,
)
from tests.support.storage_log import storage_deployer, submission_tuple

KEPT = 512 * 32 * 8 * 4  # of a file of a million bytes
PER_EPOCH = -(-KEPT * 3 * PRICE * EPOCH // 2**30)
TERMS = st.sampled_from([1, 4, 30])
LIMITS = st.sampled_from([0, PER_EPOCH - 1, PER_EPOCH, 2 * PER_EPOCH, 2**88])
FUNDS = st.sampled_from([0, PER_EPOCH, 20 * PER_EPOCH, 10**16])
TIPS = st.sampled_from([0, 7, 10**15])
PRICES = st.sampled_from([0, 1, PRICE, 2 * PRICE])
WAITS = st.sampled_from([1, EPOCH, 3 * EPOCH, 12 * EPOCH])
SITES: list[tuple[MarketSite, Any]] = []


@pytest.fixture(scope="module", autouse=True)
def deployed(native_evm: None) -> Iterator[None]:
    """One deployment for all runs; each run undoes what it did."""
    boa.env.set_random_seed("orders that stand")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_market()
            orders = storage_deployer("StandingOrders").deploy(site.market.address, EPOCH)
        SITES.append((site, orders))
        yield


class Orders(RuleBasedStateMachine):
    """An owner, whoever renews for the tip, seats whose prices move, and time."""

    @initialize()
    def begin(self) -> None:
        self.site, self.contract = SITES[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.market, self.book = self.site.market, self.site.book()
        self.model = OrderBook(self.book)
        self.owner, self.relayer = a_wallet("owner"), a_wallet("relayer")
        seats = open_group(self.site)
        self.book.open_group(1, LOCAL, seats, terms=offer_of(2 * PRICE, len(seats), 600))
        self.files: list[bytes] = []
        self.store(4)

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    @precondition(lambda self: len(self.files) < 4)
    @rule(term=TERMS)
    def store(self, term: int) -> None:
        """A file that is stored at once, unless the group is short of paid seats."""
        submission = a_file(self.owner, nonce=len(self.files), term_epochs=term)
        file_id = self.site.id_of(submission)
        value, book, now = submission.max_cost, self.book, self.now
        book.open(file_id, opening_of(submission), value=value, now=now)
        log = self.site.base.log
        log.submit(submission_tuple(submission), b"", value=value, sender=self.owner)
        self.files.append(file_id)
        entropy, randomness = mine_entropy(self.site, file_id), randomness_of(self.site, file_id)
        self.agree(
            lambda: book.place(file_id, randomness=randomness, entropy=entropy, now=now),
            lambda: self.market.place(file_id, sender=self.relayer),
        )
        if book.files[file_id].state is FileState.PLACED:
            self.agree(
                lambda: book.confirm(file_id, now=now),
                lambda: self.market.confirm(*receipts(self.site, file_id), sender=self.relayer),
            )

    @rule(data=st.data(), is_owner=st.integers(0, 4), epochs=st.sampled_from([0, 1, 9, 2**16]),
          limit=LIMITS, tip=TIPS, value=FUNDS)  # fmt: skip
    def set_order(
        self, data: st.DataObject, is_owner: int, epochs: int, limit: int, tip: int, value: int
    ) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        sender = self.owner if is_owner else self.relayer
        self.agree(
            lambda: self.model.set_order(
                file_id, raw(sender), StandingOrder(epochs, limit, tip, 0), value=value
            ),
            lambda: self.contract.set_order(
                file_id, epochs, limit, tip, value=value, sender=sender
            ),
        )

    @rule(data=st.data())
    def renew_due(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: self.model.renew_due(file_id, raw(self.relayer), now=self.now),
            lambda: self.contract.renew_due(file_id, sender=self.relayer),
        )

    @rule(term=st.sampled_from([1, 9]))
    def order_and_wait_until_it_is_due(self, term: int) -> None:
        """What random steps rarely reach: funds enough, a limit that holds, the last fifth."""
        stored = [one for one in self.files if self.book.files[one].state is FileState.STORED]
        if not stored:
            return
        order = StandingOrder(term, 2 * PER_EPOCH, 7, 0)
        self.agree(
            lambda: self.model.set_order(stored[0], raw(self.owner), order, value=10**16),
            lambda: self.contract.set_order(
                stored[0], term, 2 * PER_EPOCH, 7, value=10**16, sender=self.owner
            ),
        )
        ahead = self.book.files[stored[0]].end - term * EPOCH // 5 - self.now
        boa.env.time_travel(seconds=max(ahead, 0))
        self.agree(
            lambda: self.model.renew_due(stored[0], raw(self.relayer), now=self.now),
            lambda: self.contract.renew_due(stored[0], sender=self.relayer),
        )

    @rule(data=st.data())
    def end_order(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: self.model.end_order(file_id),
            lambda: self.contract.end_order(file_id, sender=self.relayer),
        )

    @rule(who=st.sampled_from(["owner", "relayer"]))
    def withdraw(self, who: str) -> None:
        account = getattr(self, who)
        before = boa.env.get_balance(account)
        paid = self.agree(
            lambda: self.model.withdraw(raw(account)),
            lambda: self.contract.withdraw(account, sender=account),
        )
        assert boa.env.get_balance(account) == before + (paid or 0)

    @rule(data=st.data(), act=st.sampled_from(["close", "refund", "declare_lost"]))
    def end_file(self, data: st.DataObject, act: str) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: getattr(self.book, act)(file_id, now=self.now),
            lambda: getattr(self.market, act)(file_id, sender=self.relayer),
        )

    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        file_id = data.draw(st.sampled_from(self.files))
        self.agree(
            lambda: self.book.void(file_id, now=self.now),
            lambda: self.market.void(file_id, sender=self.site.proofs),
        )

    @rule(seat=st.integers(0, 2), price=PRICES)
    def change_price(self, seat: int, price: int) -> None:
        operator = self.site.operators[seat].operator_id
        self.agree(
            lambda: self.book.change_seat(1, seat, operator, price, now=self.now),
            lambda: self.site.seats.change(1, seat, operator, price),
        )

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @invariant()
    def invariant_sto_2_orders_keep_what_they_were_given(self) -> None:
        balance = boa.env.get_balance(self.contract.address)
        assert self.model.owed == self.model.balance == balance
        for account in (self.owner, self.relayer):
            assert self.model.credits.get(raw(account), 0) == self.contract.credit_of(account)
        for file_id in self.files:
            order = self.model.orders.get(file_id, StandingOrder(0, 0, 0, 0))
            found = self.contract.order(file_id)
            kept = (order.epochs, order.limit_wei, order.tip_wei, order.funds_wei)
            assert kept == (found.epochs, found.limit, found.tip, found.funds)

    @invariant()
    def invariant_sto_2_the_market_under_them_loses_nothing(self) -> None:
        assert self.book.owed == self.book.balance == boa.env.get_balance(self.market.address)

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def agree(self, predict: Callable[[], Any], act: Callable[[], Any]) -> Any:
        """Model and contract both do it, or both refuse for the same reason."""
        try:
            expected = predict()
        except ApogeeError as fault:
            with pytest.raises(boa.BoaError) as caught:
                act()
            reason = str(caught.value.stack_trace.last_frame.pretty_vm_reason)
            assert type(fault) in {ORDERS.get(reason), MARKET.get(reason)}, (reason, fault)
            return None
        answer = act()
        assert expected in (None, answer)
        return expected


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=max(settings.default.max_examples // 2, 2), stateful_step_count=20
)
