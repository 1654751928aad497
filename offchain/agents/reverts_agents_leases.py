"""What the refusals of AgentLeases mean: revert reasons and their errors.

Source: docs/protocol/agents.md#leases.
"""

from collections.abc import Mapping
from typing import Final

from offchain.agents.reverts_agents_nft import NFT
from offchain.core.errors import ApogeeError, Conflict, InvalidInput, Rejected


class LeaseNotEntitled(Rejected):
    """The call belongs to the token's owner or to the renter."""

    code = "agents.lease.not_entitled"


class NotOffered(Conflict):
    """The agent is not for rent, or no clones of it are sold, on these terms now."""

    code = "agents.lease.not_offered"
    next_step = "Look at the terms again with `apogee agent show`."


class LeaseStateRefused(Conflict):
    """The lease or order is not in the state for this, or its time has not come."""

    code = "agents.lease.state"


class LeaseTokenLocked(Conflict):
    """The token is being sold: nothing about it changes now."""

    code = "agents.lease.token_locked"


class LeaseInputRefused(InvalidInput):
    """Terms, key or amount that nobody can take."""

    code = "agents.lease.input"


class CreditTooSmall(Conflict):
    """The value sent and the caller's credit do not pay for it."""

    code = "agents.lease.credit_too_small"
    next_step = "Deposit the difference first."


class LeaseCurrencyRefused(Rejected):
    """The token would not move, or arrived short."""

    code = "agents.lease.currency_refused"
    next_step = "Deal in a token that moves what it is told to."


LEASES: Final[Mapping[str, type[ApogeeError]]] = {
    **NFT,
    "leases: not its owner": LeaseNotEntitled,
    "leases: not the renter": LeaseNotEntitled,
    "leases: token is locked": LeaseTokenLocked,
    "leases: shortest > longest": LeaseInputRefused,
    "leases: royalty > 10%": LeaseInputRefused,
    "leases: may not clone": LeaseNotEntitled,
    "leases: not for rent": NotOffered,
    "leases: terms changed": NotOffered,
    "leases: licence changed": NotOffered,
    "leases: data changed": NotOffered,
    "leases: too short or long": NotOffered,
    "leases: no licence": NotOffered,
    "leases: licence used up": NotOffered,
    "leases: runs already": LeaseStateRefused,
    "leases: no such lease": LeaseStateRefused,
    "leases: over already": LeaseStateRefused,
    "leases: not ordered": LeaseStateRefused,
    "leases: too late": LeaseStateRefused,
    "leases: token has moved": LeaseStateRefused,
    "leases: not delivered": LeaseStateRefused,
    "leases: buyer's time runs": LeaseStateRefused,
    "leases: may still come": LeaseStateRefused,
    "leases: other digests": LeaseInputRefused,
    "leases: not proven false": LeaseStateRefused,
    "delivery_key: not 64 bytes": LeaseInputRefused,
    "delivery_key: not on the curve": LeaseInputRefused,
    "credits: no account": LeaseInputRefused,
    "credits: nothing to pay": LeaseInputRefused,
    "credits: wrong value": LeaseInputRefused,
    "credits: token refused": LeaseCurrencyRefused,
    "credits: another amount came": LeaseCurrencyRefused,
    "credits: no receiver": LeaseInputRefused,
    "credits: receiver refused": Conflict,
    "credits: not that much": CreditTooSmall,
}
