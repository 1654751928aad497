# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Agents for a time, and clones under a licence
@license AGPL-3.0-only
@author Apogee
@notice Owners offer; renters prepay and get back what they do not use; buyers of clones pay when oracles have delivered.
        It holds other people's money by its own count and nothing else; there is no fee and no role.
@custom:kill Nothing stops it. Leases end by themselves, orders that nobody delivers are refunded.
@custom:security Oracles that lie together deliver garbage, which its buyer proves to KeyDeliveryVerifier within his time; a
                 buyer who looks away pays. Whoever used an agent knows what it told him.
"""
from ..interfaces import IAgentLeases
from . import clone_licences
from . import clone_orders
from . import collection
from . import credits
from . import rentals

implements: IAgentLeases
initializes: collection
initializes: credits
initializes: rentals[credits := credits, collection := collection]
initializes: clone_licences[collection := collection]
initializes: clone_orders[clone_licences := clone_licences, collection := collection, credits := credits]
exports: (collection.NFT, collection.VERIFIER)
exports: (credits.credit_of, credits.deposit, credits.withdraw)
exports: (
    rentals.set_rent,
    rentals.rent,
    rentals.collect,
    rentals.end_lease,
    rentals.rent_of,
    rentals.lease,
    rentals.lease_count,
)
exports: (clone_licences.set_licence, clone_licences.licence_of, clone_licences.clones_of)
exports: (
    clone_orders.order_clone,
    clone_orders.deliver_clone,
    clone_orders.settle_clone,
    clone_orders.refund_clone,
    clone_orders.refund_false_clone,
    clone_orders.order,
    clone_orders.order_count,
    clone_orders.windows,
)


@deploy
def __init__(nft: address, deliver_seconds: uint256, object_seconds: uint256):
    """
    @param nft AgentNFT, which names this contract as its leases.
    @param deliver_seconds From an order of a clone to its delivery.
    @param object_seconds And from there to its payment, unless the buyer says so before.
    """
    collection.__init__(nft)
    clone_orders.__init__(deliver_seconds, object_seconds)
