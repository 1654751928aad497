"""Why a trade stops, beside what the contracts refuse.

NotFound  SaleNotHere      agents.sale.not_here       no such sale, or not in this state
          CloneNotHere     agents.clone.not_here      no such order of a clone, or not so
Conflict  NotYours         agents.token.not_yours     another wallet owns the token
          OrderElsewhere   agents.order.elsewhere     signed for another chain or market
          GoodsMoved       agents.order.goods_moved   the token is not what the order signs
          OtherCurrency    agents.order.currency      in another currency than was meant
          PriceTooHigh     agents.order.price         above what the buyer allowed
          NothingWrong     agents.delivery.right      what came is what was sold
          OfferUnpaid      agents.offer.unpaid        its buyer's price is not in any more
          FundsShort       agents.money.short         the wallet has too little of a token
          AllowanceStuck   agents.money.allowance     a token that is not let be taken
Corrupt   GoodsUnusable    agents.order.unusable      the file on sale is not there, or not whole
          DeliveredWrong   agents.delivery.wrong      what came is not what was sold

Source: docs/protocol/agents.md#trading.
"""

from offchain.core.errors import Conflict, Corrupt, NotFound


class SaleNotHere(NotFound):
    """There is no such sale, or it does not wait for this now."""

    code = "agents.sale.not_here"
    next_step = "`apogee agent show --sale SALE` tells its state and what it waits for."


class CloneNotHere(SaleNotHere):
    """There is no such order of a clone, or it does not wait for this now."""

    code = "agents.clone.not_here"
    next_step = "`apogee agent show --order ORDER` tells its state and what it waits for."


class NotYours(Conflict):
    """Another wallet owns this token."""

    code = "agents.token.not_yours"
    next_step = "Act as the owner with --as ROLE."


class OrderElsewhere(Conflict):
    """The order was signed for another chain or market."""

    code = "agents.order.elsewhere"
    next_step = "Ask the seller for an order of this network."


class GoodsMoved(Conflict):
    """The token is not what the order signs any more."""

    code = "agents.order.goods_moved"
    next_step = "Ask the seller for a new order; do not pay for this one."


class OtherCurrency(Conflict):
    """The order or offer is in another currency than was meant."""

    code = "agents.order.currency"
    next_step = "Name its currency to deal in it: units of another token are not units of the coin."


class PriceTooHigh(Conflict):
    """The price is above what was allowed."""

    code = "agents.order.price"
    next_step = "Allow more with --max-price, or wait while a Dutch auction falls."


class NothingWrong(Conflict):
    """What was delivered is what was sold."""

    code = "agents.delivery.right"
    next_step = "Take it with `apogee agent confirm SALE`."


class OfferUnpaid(Conflict):
    """The price of the offer is not in: whoever made it has taken it out, or spent it."""

    code = "agents.offer.unpaid"
    next_step = "Ask the buyer to put it in again: `apogee agent deposit`, or a new offer."


class FundsShort(Conflict):
    """The wallet has less of the token than is missing."""

    code = "agents.money.short"
    next_step = "Send the wallet more of this token; nothing was sent yet."


class AllowanceStuck(Conflict):
    """The token took the approval, and does not let the contract take the money."""

    code = "agents.money.allowance"
    next_step = "Look at the allowance in the token's contract; deal in another token if it stays."


class GoodsUnusable(Corrupt):
    """The file on sale is not in storage, or its content cannot be proven."""

    code = "agents.order.unusable"
    next_step = "Do not buy: what cannot be read before cannot be disputed after."


class DeliveredWrong(Corrupt):
    """What was delivered is not what was sold."""

    code = "agents.delivery.wrong"
    next_step = "Run `apogee agent dispute SALE`: the proof is made of what you hold."
