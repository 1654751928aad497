"""`apogee compute delegate`: let another key sign vouchers for this account, up to a cap.

A gateway of somebody else pays from this account's deposits that way: `apogee gateway --payer`.
"""

from dataclasses import dataclass
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.stake import Actor, perform
from offchain.chain.model import Address, parse_address, show_address
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_escrow import DelegateTerms
from offchain.core.errors import InvalidInput
from offchain.core.units import DAY

ANY_PROVIDER: Final = bytes(20)
ANY_SERVICE: Final = bytes(32)


class DelegateWishInvalid(InvalidInput):
    """A key is given a cap, or taken back: one of both."""

    code = "compute.delegate_wish"
    next_step = "Pass a cap such as 0.5eth, or `--revoke`; `--help` has examples."


@dataclass(frozen=True, slots=True)
class DelegateWish:
    """What was typed. `provider` None: any."""

    key: str
    cap: str | None
    days: int
    provider: str | None = None
    is_revoked: bool = False


def delegate(one: Actor, wish: DelegateWish) -> int:
    """Give, widen or take back. Raises: DelegateWishInvalid, what the escrow refuses."""
    if wish.is_revoked == (wish.cap is not None):
        raise DelegateWishInvalid
    key, escrow = parse_address(wish.key), one.network.escrow
    name = f"compute.delegate:{key.hex()}"
    if wish.cap is None:
        call = escrow.revoke_delegate(key)
    else:
        head = one.network.node.block(one.at)
        provider = ANY_PROVIDER if wish.provider is None else parse_address(wish.provider)
        terms = DelegateTerms(
            token=NATIVE_COIN,
            cap=parse_amount(wish.cap),
            expiry=head.timestamp + wish.days * DAY,
            provider=provider,
            service=ANY_SERVICE,
        )
        call = escrow.set_delegate(key, terms)
    return perform(one, call, one.unique_key(name), lambda _: _told(one, key))


def _told(one: Actor, key: Address) -> dict[str, object]:
    found = one.network.escrow.delegation(one.address, key, at=one.at)
    return {
        "payer": show_address(one.address),
        "key": show_address(key),
        "cap": show_amount(found.cap),
        "spent": show_amount(found.spent),
        "expiry": found.expiry,
        "revoked": found.is_revoked,
    }
