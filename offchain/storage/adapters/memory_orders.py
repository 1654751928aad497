"""Standing orders over a market in memory."""

from offchain.core.errors import Conflict
from offchain.storage.adapters.memory_market import MemoryMarket
from offchain.storage.client_ports import Paid, StandingOrder


class MemoryOrders:
    """An `OrderTill`; `renew_due` is what anybody may do once the term runs out."""

    def __init__(self, market: MemoryMarket) -> None:
        self._market = market
        self._orders: dict[bytes, StandingOrder] = {}
        self.paid_in = 0

    def order(self, file_id: bytes) -> StandingOrder | None:
        return self._orders.get(file_id)

    def set_order(self, file_id: bytes, order: StandingOrder) -> Paid:
        self._market.renewal_price(file_id, order.epochs)  # the file has to be there
        stands = self._orders.get(file_id)
        held = stands.funds_wei if stands else 0
        value = max(order.funds_wei - held, 0)
        funds = held + value
        self._orders[file_id] = StandingOrder(order.epochs, order.limit_wei, order.tip_wei, funds)
        self.paid_in += value
        return Paid(b"order", 0, value)

    def end_order(self, file_id: bytes) -> Paid:
        stands = self._orders.pop(file_id, None)
        return Paid(b"order", 0, stands.funds_wei if stands else 0)

    def renew_due(self, file_id: bytes) -> int:
        """Renew out of the order's funds; the tip. Raises: Conflict when they do not allow it."""
        stands = self._orders.get(file_id)
        if stands is None:
            raise Conflict("no order stands")
        price = self._market.renewal_price(file_id, stands.epochs)
        left = stands.funds_wei - stands.tip_wei - price
        if price > stands.limit_wei * stands.epochs or left < 0:
            raise Conflict("the order does not allow it", price_wei=price)
        self._market.renew(file_id, stands.epochs, value_wei=price)
        self._orders[file_id] = StandingOrder(stands.epochs, stands.limit_wei, stands.tip_wei, left)
        return stands.tip_wei
