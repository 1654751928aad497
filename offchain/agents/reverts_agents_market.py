"""What AgentMarket's refusals mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/agents.md#market.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, NotFound, Rejected


class MarketMisbuilt(Rejected):
    """The market cannot be deployed so."""

    code = "agents.market.misbuilt"


class OrderInvalid(Rejected):
    """The order or offer is not one that this market takes."""

    code = "agents.market.order_invalid"
    next_step = "Compare its fields with docs/protocol/agents.md#market."


class OrderNotSigned(Rejected):
    """The signature is not its seller's or buyer's."""

    code = "agents.market.order_not_signed"
    next_step = "Ask for it again; it may have been changed on the way."


class OrderNotYours(Rejected):
    """The order is for another buyer, or the caller's own."""

    code = "agents.market.order_not_yours"


class OrderSpent(Conflict):
    """Its nonce has served, or was cancelled."""

    code = "agents.market.order_spent"
    next_step = "Look for another order: apogee agent list"


class OrderNotNow(Conflict):
    """Its time has not come, or is over."""

    code = "agents.market.order_not_now"


class GoodsChanged(Conflict):
    """Owner, data, wallet or royalty are not as they were signed."""

    code = "agents.market.goods_changed"
    next_step = "Look at the agent anew: apogee agent show"


class DeliveryKeyInvalid(Rejected):
    """The delivery key is no point of secp256k1, or not the one the buyer has signed."""

    code = "agents.market.key_invalid"


class BidTooLow(Conflict):
    """Somebody has bid as much, or the order asks for more."""

    code = "agents.market.bid_too_low"
    next_step = "Bid at least what `least_bid` says."


class SaleUnknown(NotFound):
    """No sale of this number."""

    code = "agents.market.unknown"


class SaleStateWrong(Conflict):
    """The sale is not in the state that this call needs."""

    code = "agents.market.wrong_state"
    next_step = "Read the sale's state and go on from it: apogee agent show"


class SaleTooEarly(Conflict):
    """Somebody may still act."""

    code = "agents.market.too_early"
    next_step = "Wait until the time that the sale shows."


class SaleTooLate(Conflict):
    """The time for this is over."""

    code = "agents.market.too_late"


class NotTheBuyer(Rejected):
    """Only the sale's buyer may."""

    code = "agents.market.not_the_buyer"


class SaleDetailsWrong(Rejected):
    """The order or the digests shown are not the sale's."""

    code = "agents.market.details_wrong"
    next_step = "Take them from the sale's own events."


class DeliveryProvenFalse(Rejected):
    """What was delivered is proven false: the sale can only be refunded."""

    code = "agents.market.proven_false"
    next_step = "Call refund_false."


class DeliveryNotProvenFalse(Conflict):
    """Nobody has proven the delivery false."""

    code = "agents.market.not_proven_false"
    next_step = "Prove it at KeyDeliveryVerifier first."


class CreditTooLow(Conflict):
    """The account's credit does not cover it."""

    code = "agents.market.credit_too_low"
    next_step = "Deposit first: a seller needs a hundredth of the price, an offer its price."


class PaymentInvalid(Rejected):
    """The value sent is not what the call names."""

    code = "agents.market.payment_invalid"


class CurrencyRefused(Rejected):
    """The token would not move, or arrived short."""

    code = "agents.market.currency_refused"
    next_step = "Trade in a token that moves what it is told to."


class PayoutRefused(Rejected):
    """There is no receiver, or it takes no money."""

    code = "agents.market.payout_refused"
    next_step = "Withdraw to another address."


MARKET: Final[Mapping[str, type[ApogeeError]]] = {
    "goods: no contract": MarketMisbuilt,
    "payouts: no treasury": MarketMisbuilt,
    "payouts: fee too high": MarketMisbuilt,
    "market: windows out of range": MarketMisbuilt,
    "orders: another collection": OrderInvalid,
    "orders: another token": OrderInvalid,
    "orders: unknown kind": OrderInvalid,
    "orders: malformed": OrderInvalid,
    "market: is an auction": OrderInvalid,
    "market: no auction": OrderInvalid,
    "orders: not signed": OrderNotSigned,
    "orders: for another buyer": OrderNotYours,
    "orders: own order": OrderNotYours,
    "orders: nonce used": OrderSpent,
    "orders: not yet": OrderNotNow,
    "orders: expired": OrderNotNow,
    "goods: not the owner's": GoodsChanged,
    "goods: data changed": GoodsChanged,
    "goods: wallet changed": GoodsChanged,
    "goods: royalty too high": GoodsChanged,
    "market: another key": DeliveryKeyInvalid,
    "delivery_key: not 64 bytes": DeliveryKeyInvalid,
    "delivery_key: not on the curve": DeliveryKeyInvalid,
    "market: bid too low": BidTooLow,
    "sale_book: no such sale": SaleUnknown,
    "sale_book: another state": SaleStateWrong,
    "market: too early": SaleTooEarly,
    "market: time is over": SaleTooLate,
    "market: lock has lapsed": SaleTooLate,
    "market: not the buyer": NotTheBuyer,
    "market: another order": SaleDetailsWrong,
    "sale_book: other digests": SaleDetailsWrong,
    "market: proven false": DeliveryProvenFalse,
    "market: not proven false": DeliveryNotProvenFalse,
    "credits: not that much": CreditTooLow,
    "credits: wrong value": PaymentInvalid,
    "credits: nothing to pay": PaymentInvalid,
    "credits: no account": PaymentInvalid,
    "credits: token refused": CurrencyRefused,
    "credits: another amount came": CurrencyRefused,
    "credits: no receiver": PayoutRefused,
    "credits: receiver refused": PayoutRefused,
}
