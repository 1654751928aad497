"""Making a home's operators members: funded, registered with a BLS key, staked, joined.

An operator with a node serves DA, STORAGE, RELAYER, which fills the seats of the random beacon, and
ALIGNMENT, which audits; the disperser only stakes in DA. Its ask says for how much and until when
its storage node keeps.

Each step looks at the chain first, so running it again continues where it stopped. Transactions of
different accounts wait together, so nine operators take four blocks, not thirty-six.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from offchain.apps.home import Home
from offchain.apps.keystore import AccountKey, Keystore, devnet_account
from offchain.apps.network import Network, address_of, open_sender
from offchain.chain.due import execute_due, next_key
from offchain.chain.errors import SettledLost
from offchain.chain.model import BlockHash, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.units import WEI_PER_COIN
from offchain.staking.model import Service, pool_id

FUND_WEI: Final = 2_000 * WEI_PER_COIN
STAKE_WEI: Final = 1_000 * WEI_PER_COIN
RELAYER_STAKE_WEI: Final = 200 * WEI_PER_COIN  # twice the least: room for a missed seat
STORAGE_STAKE_WEI: Final = 200 * WEI_PER_COIN  # the least, and collateral for many seats
ALIGNMENT_STAKE_WEI: Final = 20 * WEI_PER_COIN  # twice the least: room for a missed ballot
COMMISSION_BPS: Final = 1_000
ASK_WEI: Final = 409_600_000  # for 2^30 byte-seconds: about one coin for a terabyte and month
ASK_BYTES: Final = 1 << 40
ASK_EPOCHS: Final = 10_950  # five years of four-hour epochs, the most there is

Wanted = tuple[str, TypedCall]  # what tells it from an operator's other calls of one function


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of this home: its keys, its stake and, for each node, where it answers."""

    role: str
    account: AccountKey
    bls: SecretKey
    stake_wei: int
    endpoint: str | None  # None: staked, but no node (a disperser)
    storage_endpoint: str | None = None  # of its storage node


def pool_of(operator_id: int) -> int:
    """The id of an operator's DA pool."""
    return pool_id(operator_id, Service.DA)


def node_role(index: int) -> str:
    return f"operator-{index}"


def operators_of(
    home: Home, endpoints: Sequence[str], storage_endpoints: Sequence[str] = ()
) -> list[Operator]:
    """One operator per node and the disperser, keys made on first use."""
    keystore = Keystore(home.keys)
    named: list[tuple[str, str | None, str | None]] = [
        (node_role(index), endpoint, storage)
        for index, (endpoint, storage) in enumerate(zip_longest(endpoints, storage_endpoints))
    ]
    named.append(("disperser", None, None))
    return [
        Operator(role, keystore.account(role), keystore.bls(role), STAKE_WEI, endpoint, storage)
        for role, endpoint, storage in named
    ]


class Enrolment:
    """Brings operators from unknown to member."""

    def __init__(self, network: Network, home: Home) -> None:
        self._network = network
        self._home = home

    def fund(self, accounts: list[AccountKey], amount_wei: int = FUND_WEI) -> int:
        """Devnet only: fill accounts from the faucet account; how many got coins."""
        network = self._network
        at = network.node.block().hash
        poor = [
            account
            for account in accounts
            if network.node.balance(address_of(account), at=at) < amount_wei // 2
        ]
        if poor:
            with open_sender(network, self._home, "faucet", devnet_account(0)) as faucet:
                handles = faucet.send_many(
                    [
                        (f"faucet:{account.address}:{at.hex()}", _transfer(account, amount_wei))
                        for account in poor
                    ]
                )
                faucet.wait_all(handles)
        return len(poor)

    def enrol(self, operators: list[Operator], tell: Callable[[str], None]) -> dict[str, int]:
        """Register, stake and join; each operator's id by role."""
        with ExitStack() as stack:
            senders = {
                one.role: stack.enter_context(
                    open_sender(self._network, self._home, one.role, one.account)
                )
                for one in operators
            }
            for name, step in (
                ("registered", self._register),
                ("staked", self._stake),
                ("joined", self._join),
            ):
                sent = self._send_all(operators, senders, step)
                tell(f"{name}: {sent} operators")
        at = self._network.node.block().hash
        return {
            one.role: self._network.stake.operator_of(address_of(one.account), at=at)
            for one in operators
        }

    def registration(self, one: Operator) -> TypedCall:
        """Register the BLS key with a proof that whoever registers has its secret."""
        network, key = self._network, one.bls.public_key().eip2537()
        at = network.node.block().hash
        digest = network.registry.possession_digest(address_of(one.account), key, at=at)
        return network.registry.register(key, one.bls.sign(digest, DST_POSSESSION).eip2537())

    def _send_all(
        self,
        operators: list[Operator],
        senders: dict[str, TransactionSender],
        step: Callable[[Operator, BlockHash], Iterator[Wanted]],
    ) -> int:
        """Send one step of every operator, then wait for all of them; how many had to act."""
        at = self._network.node.block().hash
        waiting = []
        for one in operators:
            for what, call in step(one, at):
                name = f"enrol.{call.contract}.{call.function}"
                key = f"{name}:{one.account.address}:{what}"
                waiting.append((one.role, key, call, senders[one.role].send(call, key=key)))
        for role, key, call, handle in waiting:
            try:
                senders[role].wait(handle)
            except SettledLost as lost:
                execute_due(senders[role], call, key=next_key(key, lost))
        return len({role for role, *_ in waiting})

    def _register(self, one: Operator, at: BlockHash) -> Iterator[Wanted]:
        if not self._operator_id(one, at):
            yield one.endpoint or "", self.registration(one)

    def _stake(self, one: Operator, at: BlockHash) -> Iterator[Wanted]:
        stake, operator_id = self._network.stake, self._operator_id(one, at)
        if not stake.is_member(pool_of(operator_id), at=at):
            call = stake.join(Service.DA, COMMISSION_BPS, stake_wei=one.stake_wei)
            yield one.endpoint or "", call
        relays = pool_id(operator_id, Service.RELAYER)
        if one.endpoint is not None and not stake.is_member(relays, at=at):
            call = stake.join(Service.RELAYER, COMMISSION_BPS, stake_wei=RELAYER_STAKE_WEI)
            yield "relayer", call
        audits = pool_id(operator_id, Service.ALIGNMENT)
        if one.endpoint is not None and not stake.is_member(audits, at=at):
            call = stake.join(Service.ALIGNMENT, COMMISSION_BPS, stake_wei=ALIGNMENT_STAKE_WEI)
            yield "alignment", call
        keeps = pool_id(operator_id, Service.STORAGE)
        if one.storage_endpoint is not None and not stake.is_member(keeps, at=at):
            call = stake.join(Service.STORAGE, COMMISSION_BPS, stake_wei=STORAGE_STAKE_WEI)
            yield "storage", call

    def _join(self, one: Operator, at: BlockHash) -> Iterator[Wanted]:
        if one.endpoint is None:
            return
        signers, operator_id = self._network.signers, self._operator_id(one, at)
        if not signers.is_member(operator_id, at=at):
            yield one.endpoint, signers.join(one.endpoint)
        elif signers.endpoint(operator_id, at=at) != one.endpoint:
            yield one.endpoint, signers.update_endpoint(one.endpoint)
        storage = one.storage_endpoint
        if storage is not None and self._network.draws.endpoint(operator_id, at=at) != storage:
            call = self._network.draws.set_ask(ASK_WEI, ASK_BYTES, ASK_EPOCHS, storage)
            yield storage, call

    def _operator_id(self, one: Operator, at: BlockHash) -> int:
        return self._network.stake.operator_of(address_of(one.account), at=at)


def _transfer(account: AccountKey, amount_wei: int) -> TypedCall:
    """A plain transfer of coins."""
    return TypedCall(
        to=address_of(account),
        data=b"",
        value_wei=amount_wei,
        gas_hint=21_000,
        contract="account",
        function="transfer",
    )
