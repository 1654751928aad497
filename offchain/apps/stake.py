"""`apogee stake ...`: register a key, lock stake, delegate, leave and take the money out.

Each command acts as one role of this home (`--as`); a role's keys are made on first use, and on a
devnet its account is filled by the faucet. Everything is read at one block before it is sent.
"""

from dataclasses import dataclass
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.da import network_of
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import COMMISSION_BPS, Enrolment, Operator, pool_of
from offchain.apps.output import print_json, print_result, print_table
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.chain.model import Address, Receipt, TypedCall
from offchain.core.errors import InvalidInput, NotFound

DA: Final = 1
SERVICES: Final = {"da": 1, "storage": 2, "compute": 3, "relayer": 4, "alignment": 5}


class ServiceUnknown(InvalidInput):
    """There is no service of that name."""

    code = "stake.service_unknown"
    next_step = "Choose " + ", ".join(SERVICES) + "."


class OperatorUnknown(NotFound):
    """The role is no operator on this chain."""

    code = "stake.operator_unknown"
    next_step = "Run `apogee stake register --as ROLE` first."


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a role of this home on a network."""

    home: Home
    network: Network
    role: str

    @property
    def address(self) -> Address:
        return address_of(Keystore(self.home.keys).account(self.role))

    def send(self, call: TypedCall, key: str) -> Receipt:
        """Send one call and wait until it is mined."""
        account = Keystore(self.home.keys).account(self.role)
        if self.network.chain_id in DEVNET_CHAIN_IDS:
            Enrolment(self.network, self.home).fund([account])
        with open_sender(self.network, self.home, self.role, account) as sender:
            return sender.execute(call, key=key)

    def unique_key(self, name: str) -> str:
        """A key for an effect that may be wanted again: bound to the block it was asked at."""
        return f"{name}:{self.role}:{self.network.node.block().hash.hex()}"


def actor(home: Home, rpc_url: str | None, role: str) -> Actor:
    return Actor(home, network_of(home, rpc_url), role)


def register(one: Actor, *, as_json: bool) -> int:
    """Make keys, prove possession of the BLS key, become an operator; again: nothing happens."""
    at = one.network.node.block().hash
    operator = one.network.stake.operator_of(one.address, at=at)
    receipt = None
    if not operator:
        keystore = Keystore(one.home.keys)
        account, bls = keystore.account(one.role), keystore.bls(one.role)
        described = Operator(one.role, account, bls, 0, None)
        enrolment = Enrolment(one.network, one.home)
        call = enrolment.registration(described)
        receipt = one.send(call, f"stake.register:{account.address}")
        at = one.network.node.block().hash
        operator = one.network.stake.operator_of(one.address, at=at)
    print_result({"operator": operator, "role": one.role, **_cost(receipt)}, as_json=as_json)
    return 0


def join(one: Actor, service: str, amount: str, *, as_json: bool) -> int:
    """Lock own stake in a service's pool."""
    wei = parse_amount(amount)
    _operator(one)
    call = one.network.stake.join(_service(service), COMMISSION_BPS, stake_wei=wei)
    receipt = one.send(call, one.unique_key(f"stake.join:{service}"))
    print_result(
        {"staked": show_amount(wei), "service": service, **_cost(receipt)}, as_json=as_json
    )
    return 0


def delegate(one: Actor, pool: int, amount: str, *, as_json: bool) -> int:
    """Put money behind somebody's pool; it may be slashed after the operator's own."""
    wei = parse_amount(amount)
    call = one.network.stake.delegate(pool, 0, amount_wei=wei)
    receipt = one.send(call, one.unique_key(f"stake.delegate:{pool}"))
    print_result({"delegated": show_amount(wei), "pool": pool, **_cost(receipt)}, as_json=as_json)
    return 0


def exit_pool(one: Actor, service: str, amount: str, *, as_json: bool) -> int:
    """Ask for own stake back; it stays slashable until it matures."""
    wei = parse_amount(amount)
    operator = _operator(one)
    call = one.network.stake.exit_own(_service(service), wei)
    receipt = one.send(call, one.unique_key(f"stake.exit:{operator}"))
    tickets = one.network.stake.exit_tickets(receipt.logs)
    at = one.network.node.block().hash
    matures = [one.network.stake.matures_at(ticket, at=at) for ticket in tickets]
    print_result(
        {"tickets": tickets, "mature_at": matures, "chain_time": one.network.node.block().timestamp}
        | _cost(receipt),
        as_json=as_json,
    )
    return 0


def withdraw(one: Actor, ticket: int, *, as_json: bool) -> int:
    """Take out a matured ticket."""
    call = one.network.stake.withdraw(ticket, one.address)
    receipt = one.send(call, f"stake.withdraw:{ticket}")
    print_result({"ticket": ticket, **_cost(receipt)}, as_json=as_json)
    return 0


def print_stakes(home: Home, rpc_url: str | None, *, as_json: bool) -> int:
    """Every role of this home that is an operator, with its DA pool, at one block."""
    network = network_of(home, rpc_url)
    at = network.node.block().hash
    keystore = Keystore(home.keys)
    rows: list[dict[str, object]] = []
    for role in keystore.roles():
        address = address_of(keystore.account(role))
        operator = network.stake.operator_of(address, at=at)
        if operator:
            pool = network.stake.pool_state(pool_of(operator), at=at)
            rows.append(
                {
                    "role": role,
                    "operator": operator,
                    "pool": pool_of(operator),
                    "own": show_amount(pool.own),
                    "delegated": show_amount(pool.delegated),
                    "member": network.stake.is_member(pool_of(operator), at=at),
                }
            )
    if as_json:
        print_json(rows)
    else:
        columns = ("role", "operator", "pool", "own", "delegated", "member")
        print_table("stake in coins", columns, [list(row.values()) for row in rows])
    return 0


def _operator(one: Actor) -> int:
    operator = one.network.stake.operator_of(one.address, at=one.network.node.block().hash)
    if not operator:
        raise OperatorUnknown(role=one.role)
    return operator


def _service(name: str) -> int:
    if name not in SERVICES:
        raise ServiceUnknown(service=name)
    return SERVICES[name]


def _cost(receipt: Receipt | None) -> dict[str, object]:
    if receipt is None:
        return {"transaction": None, "gas": 0}
    return {"transaction": "0x" + receipt.transaction_hash.hex(), "gas": receipt.gas_used}
