"""Standing orders in the contract, set and ended by the account that owns the files.

Each transaction's key is bound to how often the order was set before, so a repetition after a kill
finds the one that is on its way, and never pays twice.
"""

from offchain.chain.due import execute_due
from offchain.chain.model import TypedCall
from offchain.chain.ports import ChainReader
from offchain.node.leased_sender import Sends
from offchain.storage.client_ports import Paid, StandingOrder
from offchain.storage.onchain_market import OrderSet, StandingOrdersClient


class ChainOrderTill:
    """An `OrderTill` over StandingOrders; `first_block` of the deployment."""

    def __init__(
        self,
        reader: ChainReader,
        orders: StandingOrdersClient,
        sender: Sends,
        *,
        first_block: int = 0,
    ) -> None:
        self._reader = reader
        self._orders = orders
        self._sender = sender
        self._first_block = first_block

    def order(self, file_id: bytes) -> StandingOrder | None:
        found = self._orders.order(file_id, at=self._reader.block().hash)
        if not found.epochs:
            return None
        return StandingOrder(found.epochs, found.limit, found.tip, found.funds)

    def set_order(self, file_id: bytes, order: StandingOrder) -> Paid:
        stands = self.order(file_id)
        value = max(order.funds_wei - (stands.funds_wei if stands else 0), 0)
        terms = (order.epochs, order.limit_wei, order.tip_wei)
        if stands and not value and terms == (stands.epochs, stands.limit_wei, stands.tip_wei):
            return Paid(b"", 0)
        call = self._orders.set_order(
            file_id,
            epochs=order.epochs,
            limit_wei=order.limit_wei,
            tip_wei=order.tip_wei,
            value_wei=value,
        )
        return self._send(call, file_id, value)

    def end_order(self, file_id: bytes) -> Paid:
        paid = Paid(b"", 0)
        if self.order(file_id):
            call = self._orders.set_order(file_id, epochs=0, limit_wei=0, tip_wei=0, value_wei=0)
            paid = self._send(call, file_id, 0)
        owner = self._sender.account
        credit = self._orders.credit_of(owner, at=self._reader.block().hash)
        if not credit:
            return paid
        taken = self._send(self._orders.withdraw(owner), file_id, credit)
        return Paid(taken.transaction, paid.gas_used + taken.gas_used, credit)

    def _send(self, call: TypedCall, file_id: bytes, value: int) -> Paid:
        key = f"storage.order:{call.function}:{file_id.hex()}:{self._times_set(file_id)}"
        receipt = execute_due(self._sender, call, key=key)
        return Paid(receipt.transaction_hash, receipt.gas_used, value)

    def _times_set(self, file_id: bytes) -> int:
        wanted = self._orders.event_filter(
            OrderSet,
            first_block=self._first_block,
            last_block=self._reader.block().number,
            indexed={"id": file_id},
        )
        return len(self._reader.logs(wanted))
