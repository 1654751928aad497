"""StandingOrders without a chain: orders, what they spent, and whose the rest is, to the wei.

The tests run it beside the contract, over the market's model.
Source: docs/protocol/storage.md#market.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from offchain.storage.client_ports import StandingOrder
from offchain.storage.market_book import PRICE_UNIT, BookedFile, MarketBook
from offchain.storage.model import FileState
from offchain.storage.reverts_market import (
    ActionEarly,
    FileStateWrong,
    NoOrder,
    NotEntitled,
    NothingToWithdraw,
    OrderInvalid,
    OrderTooLow,
)

DUE_PART: Final = 5  # an order acts in the last fifth of what it buys
NOT_THE_OWNER: Final = b""  # to the market the contract is one payer among all
MOST_EPOCHS: Final = 2**16 - 1
MOST_TIP: Final = 2**64 - 1
MOST_WEI: Final = 2**88 - 1  # of a limit, and of an order's funds


@dataclass(slots=True)
class OrderBook:
    """Orders by file, credits by account; `deposited - spent - withdrawn` is the balance."""

    market: MarketBook
    orders: dict[bytes, StandingOrder] = field(default_factory=dict)
    credits: dict[bytes, int] = field(default_factory=dict)
    deposited: int = 0
    spent: int = 0
    withdrawn: int = 0

    def set_order(self, file_id: bytes, sender: bytes, order: StandingOrder, *, value: int) -> None:
        """What is sent is added to the funds, which `order` does not say; 0 epochs end it.

        Raises: FileStateWrong, NotEntitled, OrderInvalid.
        """
        file = self._stored(file_id)
        if sender != file.opening.owner:
            raise NotEntitled(owner=file.opening.owner.hex())
        stands = self.orders.get(file_id)
        funds = (stands.funds_wei if stands else 0) + value
        if order.epochs == 0:
            self.deposited += value
            self._end(file_id, sender, funds)
            return
        is_small = order.epochs <= MOST_EPOCHS and order.tip_wei <= MOST_TIP
        if not is_small or max(order.limit_wei, funds) > MOST_WEI:
            raise OrderInvalid(epochs=order.epochs)
        self.deposited += value
        self.orders[file_id] = replace(order, funds_wei=funds)

    def renew_due(self, file_id: bytes, account: bytes, *, now: int) -> int:
        """The tip. Raises: NoOrder, FileStateWrong, ActionEarly, OrderTooLow, and as `renew`."""
        order = self._order(file_id)
        file = self._stored(file_id)
        epoch = self.market.clock.epoch
        if now + order.epochs * epoch // DUE_PART < file.end:
            raise ActionEarly(until=file.end, now=now)
        rate = self.market.groups[file.group].rate
        if file.kept * rate * epoch > order.limit_wei * PRICE_UNIT:
            raise OrderTooLow(limit_wei=order.limit_wei)
        if order.funds_wei < order.tip_wei:
            raise OrderTooLow(funds_wei=order.funds_wei)
        most = order.funds_wei - order.tip_wei
        paid = self.market.renew(file_id, order.epochs, NOT_THE_OWNER, value=most, now=now)
        self.spent += paid
        self.orders[file_id] = replace(order, funds_wei=most - paid)
        self._credit(account, order.tip_wei)
        return order.tip_wei

    def end_order(self, file_id: bytes) -> None:
        """Of a file that is over. Raises: NoOrder, FileStateWrong."""
        order = self._order(file_id)
        file = self.market.files[file_id]
        if file.state is FileState.STORED:
            raise FileStateWrong(file_id=file_id.hex(), state=str(file.state))
        self._end(file_id, file.opening.owner, order.funds_wei)

    def withdraw(self, account: bytes) -> int:
        """Raises: NothingToWithdraw."""
        amount = self.credits.pop(account, 0)
        if not amount:
            raise NothingToWithdraw(account=account.hex())
        self.withdrawn += amount
        return amount

    @property
    def balance(self) -> int:
        """What the contract must have."""
        return self.deposited - self.spent - self.withdrawn

    @property
    def owed(self) -> int:
        """What somebody owns of the balance; equal to it."""
        return sum(one.funds_wei for one in self.orders.values()) + sum(self.credits.values())

    def _stored(self, file_id: bytes) -> BookedFile:
        file = self.market.files.get(file_id)
        if file is None or file.state is not FileState.STORED:
            raise FileStateWrong(file_id=file_id.hex(), state=str(file and file.state))
        return file

    def _order(self, file_id: bytes) -> StandingOrder:
        if file_id not in self.orders:
            raise NoOrder(file_id=file_id.hex())
        return self.orders[file_id]

    def _end(self, file_id: bytes, owner: bytes, funds: int) -> None:
        self.orders.pop(file_id, None)
        self._credit(owner, funds)

    def _credit(self, account: bytes, amount: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
