"""`apogee stake ...`: register a key, lock stake, delegate, leave and take the money out.

Each command acts as one role of this home (`--as`); a role's keys are made on first use, and on a
devnet its account is filled by the faucet. Everything is read at one block before it is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.da import network_of
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import DEVNET_POLICY, Network, address_of, open_sender
from offchain.apps.operators import COMMISSION_BPS, Enrolment, Operator
from offchain.apps.output import print_json, print_result, print_table
from offchain.chain.due import execute_due
from offchain.chain.errors import CallReverted
from offchain.chain.fees import first_offer
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.chain.model import Address, BlockHash, Receipt, TypedCall, show_address
from offchain.chain.reverts import typed_error
from offchain.core.errors import Conflict, InvalidInput, NotFound
from offchain.staking.events import Claimed, Withdrawn
from offchain.staking.model import Service, pool_id


class ServiceUnknown(InvalidInput):
    """There is no service of that name."""

    code = "stake.service_unknown"
    next_step = "Choose " + ", ".join(one.name.lower() for one in Service) + "."


class OperatorUnknown(NotFound):
    """The role is no operator on this chain."""

    code = "stake.operator_unknown"
    next_step = "Run `apogee stake register --as ROLE` first."


class NothingDelegated(NotFound):
    """The role has no shares of this pool."""

    code = "stake.nothing_delegated"
    next_step = "Run `apogee stake status` for the pools; `--as ROLE` names who delegated."


class NothingToClaim(Conflict):
    """The pool owes this role no rewards."""

    code = "stake.nothing_to_claim"
    next_step = "Rewards come when somebody pays into the pool; try again after that."


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a role of this home on a network, and how it is told what came of it."""

    home: Home
    network: Network
    role: str
    as_json: bool = False
    is_dry: bool = False  # only say what would be sent

    @property
    def address(self) -> Address:
        return address_of(Keystore(self.home.keys).account(self.role))

    @property
    def at(self) -> BlockHash:
        return self.network.node.block().hash

    def close(self) -> None:
        """Let go of the connection to the chain."""
        self.network.node.close()

    def send(self, call: TypedCall, key: str) -> Receipt:
        """Send one call and wait until it is mined."""
        self.fill()
        account = Keystore(self.home.keys).account(self.role)
        with open_sender(self.network, self.home, self.role, account) as sender:
            return execute_due(sender, call, key=key)

    def fill(self) -> None:
        """Devnet only: coins from the faucet account."""
        if self.network.chain_id in DEVNET_CHAIN_IDS:
            account = Keystore(self.home.keys).account(self.role)
            Enrolment(self.network, self.home).fund([account])

    def unique_key(self, name: str) -> str:
        """A key for an effect that may be wanted again: bound to the block it was asked at."""
        return f"{name}:{self.role}:{self.at.hex()}"

    def say(self, told: dict[str, object]) -> int:
        print_result(told, as_json=self.as_json)
        return ExitCode.DONE


Told = Callable[[Receipt], dict[str, object]]  # what a mined call has to say


def actor(
    home: Home, rpc_url: str | None, role: str, *, as_json: bool, is_dry: bool = False
) -> Actor:
    return Actor(home, network_of(home, rpc_url), role, as_json=as_json, is_dry=is_dry)


def register(one: Actor) -> int:
    """Make keys, prove possession of the BLS key, become an operator; again: nothing happens."""
    operator = one.network.stake.operator_of(one.address, at=one.at)
    if operator:
        return one.say({"operator": operator, "role": one.role, **_cost(None)})
    keystore = Keystore(one.home.keys)
    account, bls = keystore.account(one.role), keystore.bls(one.role)
    call = Enrolment(one.network, one.home).registration(Operator(one.role, account, bls, 0, None))

    def told(_: Receipt) -> dict[str, object]:
        found = one.network.stake.operator_of(one.address, at=one.at)
        return {"operator": found, "role": one.role}

    return perform(one, call, f"stake.register:{account.address}", told)


def join(one: Actor, service: str, amount: str) -> int:
    """Lock own stake in a service's pool, and be a member of it."""
    wei, number = parse_amount(amount), _service(service)
    _operator(one)
    call = one.network.stake.join(number, COMMISSION_BPS, stake_wei=wei)
    told: dict[str, object] = {"staked": show_amount(wei), "service": service}
    return perform(one, call, one.unique_key(f"stake.join:{service}"), lambda _: told)


def deposit(one: Actor, service: str, amount: str) -> int:
    """Add to the own stake of a pool that stands."""
    wei, number = parse_amount(amount), _service(service)
    _operator(one)
    call = one.network.stake.deposit(number, amount_wei=wei)
    told: dict[str, object] = {"deposited": show_amount(wei), "service": service}
    return perform(one, call, one.unique_key(f"stake.deposit:{service}"), lambda _: told)


def delegate(one: Actor, pool: int, amount: str) -> int:
    """Put money behind somebody's pool; it may be slashed after the operator's own."""
    wei = parse_amount(amount)
    call = one.network.stake.delegate(pool, 0, amount_wei=wei)
    told: dict[str, object] = {"delegated": show_amount(wei), "pool": pool}
    return perform(one, call, one.unique_key(f"stake.delegate:{pool}"), lambda _: told)


def undelegate(one: Actor, pool: int, shares: int | None) -> int:
    """Ask for delegated money back, all shares by default; it stays slashable until it matures."""
    held, _ = one.network.stake.shares_of(one.address, pool, at=one.at)
    if not held:
        raise NothingDelegated(pool=pool, role=one.role)
    call = one.network.stake.request_exit(pool, held if shares is None else shares)
    return perform(one, call, one.unique_key(f"stake.undelegate:{pool}"), partial(_tickets, one))


def redelegate(one: Actor, ticket: int) -> int:
    """Move what a ticket holds into the pool it names, once it has matured."""
    call = one.network.stake.redelegate(ticket)
    return perform(one, call, f"stake.redelegate:{ticket}", lambda _: {"ticket": ticket})


def exit_pool(one: Actor, service: str, amount: str) -> int:
    """Ask for own stake back; it stays slashable until it matures."""
    wei, number = parse_amount(amount), _service(service)
    operator = _operator(one)
    call = one.network.stake.exit_own(number, wei)
    return perform(one, call, one.unique_key(f"stake.exit:{operator}"), partial(_tickets, one))


def leave(one: Actor, service: str) -> int:
    """Give up the seat in a service; all own stake begins to unbond."""
    number = _service(service)
    _operator(one)
    call = one.network.stake.leave(number)
    return perform(one, call, one.unique_key(f"stake.leave:{service}"), partial(_tickets, one))


def unjail(one: Actor, service: str) -> int:
    """Take the seat again after the jail's time."""
    number = _service(service)
    _operator(one)
    call = one.network.stake.unjail(number)
    return perform(
        one, call, one.unique_key(f"stake.unjail:{service}"), lambda _: {"service": service}
    )


def commission(one: Actor, service: str, bps: int) -> int:
    """Name the share of delegators' rewards; a higher one binds only later."""
    number = _service(service)
    _operator(one)
    call = one.network.stake.set_commission(number, bps)
    told: dict[str, object] = {"service": service, "commission_bps": bps}
    return perform(one, call, one.unique_key(f"stake.commission:{service}"), lambda _: told)


def withdraw(one: Actor, ticket: int) -> int:
    """Take out a matured ticket."""
    call = one.network.stake.withdraw(ticket, one.address)

    def told(receipt: Receipt) -> dict[str, object]:
        [event] = one.network.stake.events_in(Withdrawn, receipt.logs)
        return {"ticket": ticket, "withdrawn": show_amount(event.amount)}

    return perform(one, call, f"stake.withdraw:{ticket}", told)


def claim(one: Actor, pool: int) -> int:
    """Take out the rewards that a pool owes this role, as its operator or as a delegator."""
    if not one.network.stake.claimable(one.address, pool, at=one.at):
        raise NothingToClaim(pool=pool, role=one.role)
    call = one.network.stake.claim(pool, one.address)

    def told(receipt: Receipt) -> dict[str, object]:
        events = one.network.stake.events_in(Claimed, receipt.logs)
        return {"pool": pool, "claimed": show_amount(sum(event.amount for event in events))}

    return perform(one, call, one.unique_key(f"stake.claim:{pool}"), told)


def print_stakes(home: Home, rpc_url: str | None, *, as_json: bool) -> int:
    """Every role of this home that is an operator, with its pools, at one block."""
    network = network_of(home, rpc_url)
    at = network.node.block().hash
    keystore = Keystore(home.keys)
    rows: list[dict[str, object]] = []
    for role in keystore.roles():
        operator = network.stake.operator_of(address_of(keystore.account(role)), at=at)
        for service in Service if operator else ():
            number = pool_id(operator, service)
            pool = network.stake.pool_state(number, at=at)
            is_member = network.stake.is_member(number, at=at)
            if is_member or pool.own or pool.delegated or service is Service.DA:
                rows.append(
                    {
                        "role": role,
                        "operator": operator,
                        "service": service.name.lower(),
                        "pool": number,
                        "own": show_amount(pool.own),
                        "delegated": show_amount(pool.delegated),
                        "member": is_member,
                    }
                )
    if as_json:
        print_json(rows)
    else:
        columns = ("role", "operator", "service", "pool", "own", "delegated", "member")
        print_table("stake in coins", columns, [list(row.values()) for row in rows])
    return 0


def perform(one: Actor, call: TypedCall, key: str, told: Told) -> int:
    """Send a call and say what came of it; a dry one is only estimated.

    Raises: what the contract refuses, dry or not.
    """
    if one.is_dry:
        return one.say(_estimate(one, call))
    receipt = one.send(call, key)
    return one.say({**told(receipt), **_cost(receipt)})


def _estimate(one: Actor, call: TypedCall) -> dict[str, object]:
    """What sending would move and cost at most; nothing is sent but a devnet's test coins."""
    one.fill()
    try:
        [gas] = one.network.node.estimate([call.call_from(one.address)])
    except CallReverted as failure:
        raise typed_error(failure, call.contract, call.function, call.reverts) from failure
    most = first_offer(one.network.node.fees(), DEVNET_POLICY.fees).max_fee_wei
    return {
        "dry_run": True,
        "from": show_address(one.address),
        "contract": call.contract,
        "function": call.function,
        "sends": show_amount(call.value_wei),
        "gas": gas,
        "costs_at_most": show_amount(gas * most),
    }


def _tickets(one: Actor, receipt: Receipt) -> dict[str, object]:
    """The tickets that an exit opened, and when each may be withdrawn."""
    block = one.network.node.block()
    tickets = one.network.stake.exit_tickets(receipt.logs)
    matures = [one.network.stake.matures_at(ticket, at=block.hash) for ticket in tickets]
    return {"tickets": tickets, "mature_at": matures, "chain_time": block.timestamp}


def _operator(one: Actor) -> int:
    operator = one.network.stake.operator_of(one.address, at=one.network.node.block().hash)
    if not operator:
        raise OperatorUnknown(role=one.role)
    return operator


def _service(name: str) -> Service:
    try:
        return Service[name.upper()]
    except KeyError as error:
        raise ServiceUnknown(service=name) from error


def _cost(receipt: Receipt | None) -> dict[str, object]:
    if receipt is None:
        return {"transaction": None, "gas": 0}
    return {"transaction": "0x" + receipt.transaction_hash.hex(), "gas": receipt.gas_used}
