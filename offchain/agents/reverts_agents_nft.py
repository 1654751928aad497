"""What the refusals of AgentNFT mean: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/agents.md#token.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, NotFound, Rejected


class TokenNotEntitled(Rejected):
    """The call belongs to the token's owner, its locker, or a contract that the caller is not."""

    code = "agents.token.not_entitled"


class NoSuchToken(NotFound):
    """No token has this id."""

    code = "agents.token.unknown"


class TokenLocked(Conflict):
    """Somebody holds the token still; a lock lapses within two days."""

    code = "agents.token.locked"
    next_step = "Wait for the sale to end, or for the lock's last second."


class NeedsDelivery(Rejected):
    """The token has data: it moves only with proofs of delivery."""

    code = "agents.token.needs_delivery"
    next_step = "Use `apogee agent transfer`, or sell it."


class DeliveryOfOtherData(Rejected):
    """The proofs are not of the token's present data, or not what was prepared."""

    code = "agents.token.other_data"
    next_step = "Ask the oracles for a delivery of the data that the token has now."


class DataRefused(InvalidInput):
    """Entries, roots, keys, threshold or royalty are not what a token may have."""

    code = "agents.token.data_refused"


class FileNotKept(Conflict):
    """Storage does not keep the file with this root now."""

    code = "agents.token.file_not_kept"
    next_step = "Store the encrypted file first, and renew it before it ends."


class UsageRefused(Conflict):
    """The user has no right, has a lease that still runs, or no place is left."""

    code = "agents.usage.refused"


class ReceiverRefused(InvalidInput):
    """The receiver takes no tokens, or is the token's own account."""

    code = "agents.token.receiver_refused"


class CloneRefused(Rejected):
    """The token has no data, or was cloned under a licence that ends here."""

    code = "agents.clone.refused"


NFT: Final[Mapping[str, type[ApogeeError]]] = {
    "agent_nft: not its owner": TokenNotEntitled,
    "agent_nft: not approved": TokenNotEntitled,
    "agent_nft: not the locker": TokenNotEntitled,
    "agent_nft: not AgentLeases": TokenNotEntitled,
    "agent_nft: governance, once": TokenNotEntitled,
    "erc721: transfer from incorrect owner": TokenNotEntitled,
    "erc721: approve to caller": InvalidInput,
    "erc721: invalid token ID": NoSuchToken,
    "erc721: owner index out of bounds": NoSuchToken,
    "agent_nft: locked": TokenLocked,
    "agent_nft: 48 hours at most": InvalidInput,
    "agent_nft: use iTransfer": NeedsDelivery,
    "agent_nft: one proof an entry": DeliveryOfOtherData,
    "agent_nft: other data": DeliveryOfOtherData,
    "agent_nft: other roots": DeliveryOfOtherData,
    "agent_nft: not prepared": DeliveryOfOtherData,
    "agent_nft: 1 to 5 oracles": DataRefused,
    "agent_nft: no data": DataRefused,
    "agent_nft: lengths differ": DataRefused,
    "agent_nft: no sealed key": DataRefused,
    "agent_nft: not printable": DataRefused,
    "agent_nft: royalty > 10%": DataRefused,
    "agent_nft: file is not kept": FileNotKept,
    "agent_nft: no user": UsageRefused,
    "agent_nft: 32 users": UsageRefused,
    "agent_nft: not authorised": UsageRefused,
    "agent_nft: leased": UsageRefused,
    "agent_nft: its own account": ReceiverRefused,
    "erc721: mint to the zero address": ReceiverRefused,
    "erc721: transfer to the zero address": ReceiverRefused,
    "erc721: transfer to non-IERC721Receiver implementer": ReceiverRefused,
    "erc721: the zero address is not a valid owner": InvalidInput,
    "agent_nft: may not clone": CloneRefused,
}
