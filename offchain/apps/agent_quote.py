"""What is shown before anything about an agent is signed, and the question whether to sign.

Whatever a stranger wrote is shown escaped and never fetched. What comes from the chain was read at
one block; moments are told as clock times of UTC, because windows are minutes and not blocks.
"""

import datetime as dt
import sys
from typing import Final

from offchain.agents.onchain_leases import Lease, Rented
from offchain.agents.onchain_nft import Rooted
from offchain.agents.orders import NOBODY
from offchain.agents.token_view import AgentToken
from offchain.agents.trade_errors import NotYours
from offchain.apps.amounts import show_amount
from offchain.apps.network import DEVNET_POLICY, Network
from offchain.apps.oracles import chain_oracles
from offchain.apps.output import say
from offchain.apps.shown_text import shown
from offchain.apps.stake import Actor
from offchain.chain.errors import CallReverted, InsufficientFunds
from offchain.chain.event_ranges import events_between
from offchain.chain.fees import first_offer
from offchain.chain.model import Address, TypedCall, show_address
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_escrow import Deposited, Funded
from offchain.core.errors import Conflict

MAX_SEEN: Final = 256  # rentals and buckets of one agent that are looked at
MOVES: Final = (
    "the token, its wallet with what is in it, the right to write its memory, its future versions"
)
NOT_MOVED: Final = (
    "what the seller has read he can remember: a copy of the bundle's text cannot be taken back",
    "answers, payments and feedback of the past stay where they are",
)
CANNOT: Final = "; ".join(NOT_MOVED)
Told = dict[str, object]


class NotAgreed(Conflict):
    """Nothing was signed."""

    code = "agents.not_agreed"
    next_step = "Repeat with --yes after reading the quote."


def require_agreed(one: Actor, act: str, quote: Told, *, is_agreed: bool) -> None:
    """Show what will be signed; without --yes a person is asked. Raises: NotAgreed."""
    say(f"{act}: this is what will be signed for")
    for name, value in quote.items():
        say(f"     {name:<26} {value}")
    if is_agreed:
        return
    if one.as_json or not sys.stdin.isatty():
        raise NotAgreed(act=act)
    sys.stderr.write(f"{act}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotAgreed(act=act)


def clock(seconds: int) -> str:
    """A moment of the chain's clock."""
    try:
        at = dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def require_own(one: Actor, view: AgentToken) -> None:
    """Raises: NotYours, before anything is quoted."""
    if view.owner != one.address:
        raise NotYours(token=view.id, owner=show_address(Address(view.owner)), role=one.role)


def token_told(view: AgentToken) -> Told:
    """A token for people and programs."""
    return {
        "token": view.id,
        "owner": show_address(Address(view.owner)),
        "description": shown(", ".join(view.descriptions)),
        "epoch": view.epoch,
        "threshold": view.threshold,
        "content_roots": ", ".join("0x" + one.content_root.hex() for one in view.entries),
        "locked": f"until {clock(view.locked_until)}" if view.locker else False,
        "parent": view.parent or None,
        "block": view.block.number,
    }


def goods_told(one: Actor, view: AgentToken) -> Told:
    """A token with all that whoever gets it should know."""
    network = one.network
    rents = open_rentals(network, view)
    licence = network.agent_leases.licence_of(view.id, at=view.block.hash)
    clones = network.agent_leases.clones_of(view.id, at=view.block.hash)
    last = max((lease.until for _, lease in rents), default=0)
    return {
        **token_told(view),
        "same_content_since_mint": is_unchanged(network, view),
        **wallet_told(network, view),
        "rentals_open": f"{len(rents)}, the last until {clock(last)}" if rents else 0,
        "clone_licence": f"{licence.max_clones} at most" if licence.max_clones else None,
        "clones_made": clones,
        "oracles": oracles_told(network, view.threshold),
    }


def wallet_told(network: Network, view: AgentToken) -> Told:
    """What is in the agent's wallet now, and what of it others may still draw."""
    at = view.block.hash
    account = Address(network.agents.account_of(view.id, at=at))
    free = network.escrow.free_of(account, NATIVE_COIN, at=at)
    held = [
        network.escrow.bucket(account, provider, NATIVE_COIN, at=at)
        for provider in _providers(network, view, account)
    ]
    exposed = sum(bucket.balance for bucket in held)
    return {
        "wallet": show_address(account),
        "wallet_is_made": bool(network.node.code(account, at=at)),
        "wallet_holds": show_amount(network.node.balance(account, at=at)),
        "wallet_in_escrow": show_amount(free),
        "wallet_exposed": f"{show_amount(exposed)} in {len(held)} buckets: vouchers that were "
        "signed before may still draw it; count it as nothing",
    }


def open_rentals(network: Network, view: AgentToken) -> list[tuple[int, Lease]]:
    """Leases of a token that run now."""
    leases, block = network.agent_leases, view.block
    span = (network.deployments.first_block(), block.number)
    told = events_between(network.node, leases, Rented, span, {"token": view.id})
    numbers = [one.lease for one in told][-MAX_SEEN:]
    found = zip(numbers, leases.leases(numbers, at=block.hash), strict=True)
    return [
        (number, lease)
        for number, lease in found
        if lease.until > block.timestamp and lease.epoch == view.epoch
    ]


def is_unchanged(network: Network, view: AgentToken) -> bool:
    """Whether no other content was ever told of this token than it has now."""
    span = (network.deployments.first_block(), view.block.number)
    told = events_between(network.node, network.agents, Rooted, span, {"token": view.id})
    return {one.content_root for one in told} == {one.content_root for one in view.entries}


def oracles_told(network: Network, threshold: int) -> str:
    """How many sign, how many stand, and whether that is only played."""
    standing = chain_oracles(network).standing()
    label = ", SIMULATED" if any(each.is_simulated for each in standing) else ""
    few = "" if len(standing) >= threshold else ": TOO FEW, nothing can be delivered now"
    return f"{threshold} have to sign; {len(standing)} stand{label}{few}"


def cost_told(one: Actor, *calls: TypedCall) -> Told:
    """What calls would use and cost at most; the wallet is filled first, on a devnet."""
    one.fill()
    most = first_offer(one.network.node.fees(), DEVNET_POLICY.fees).max_fee_wei
    try:
        gas = sum(one.network.node.estimate([call.call_from(one.address) for call in calls]))
    except (CallReverted, InsufficientFunds):
        return {"gas": "unknown: as things are now it would be refused"}
    return {"gas": gas, "gas_costs_at_most": show_amount(gas * most)}


def _providers(network: Network, view: AgentToken, account: bytes) -> list[bytes]:
    """Whoever the agent's wallet ever had a bucket at."""
    span = (network.deployments.first_block(), view.block.number)
    node, escrow = network.node, network.escrow
    paid = events_between(node, escrow, Deposited, span, {"account": account})
    moved = events_between(node, escrow, Funded, span, {"payer": account})
    found = dict.fromkeys([*(one.provider for one in paid), *(one.provider for one in moved)])
    return [one for one in found if one != NOBODY][-MAX_SEEN:]
