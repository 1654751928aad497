"""The clients of the ledger against its contracts on a real EVM in this process."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from vyper.cli.vyper_compile import compile_files

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import creation_call
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.model import Address, TransactionHash
from offchain.chain.node import Node
from offchain.chain.ports import Question
from offchain.chain.sender import TransactionSender
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN, BlockNumber
from offchain.staking.errors import (
    CannotJoin,
    EpochNotFinal,
    ExceedsShares,
    KeySeenBefore,
    NotMatured,
    PoolInOrder,
    PossessionNotProven,
    WeightTold,
)
from offchain.staking.events import Deposited, ExitRequested, Joined, Registered, WeightSet
from offchain.staking.model import Clock, PoolState, Service, Status, Terms, pool_id
from offchain.staking.onchain import OperatorRegistryClient, StakeManagerClient
from offchain.staking.tree import Leaf, StakeTree
from tests.support.probe import a_funded_key, ticking
from tests.support.staking import CONTRACTS, CUTOFF, DAY, EPOCH, TERMS

DA = Service.DA
POOL = pool_id(1, DA)
KEY = SecretKey.from_seed(b"k" * 32)
RAW_KEY = KEY.public_key().eip2537()


@functools.cache
def creation_code(name: str) -> bytes:
    path = CONTRACTS / "staking" / f"{name}.vy"
    [built] = compile_files([path], ["bytecode"], paths=[str(CONTRACTS.parent)]).values()
    return bytes.fromhex(built["bytecode"].removeprefix("0x"))


class Bench:
    """A chain with the ledger on it, one account that owns and sends everything."""

    def __init__(self, transport: EmbeddedTransport, outbox: Path) -> None:
        self.transport = transport
        self.node = Node(transport)
        signer = a_funded_key()
        self.owner = signer.address
        self.sender = TransactionSender.open(self.node, signer, outbox, clock=ticking(self.node))
        registry = self.create("OperatorRegistry", self.owner, EPOCH, CUTOFF, DAY, 4_096)
        stake = self.create("StakeManager", registry.address, self.owner, Terms(*TERMS))
        deployments = Deployments("test", self.node.chain_id()).including(registry, stake)
        self.registry = OperatorRegistryClient(deployments, self.node)
        self.stake = StakeManagerClient(deployments, self.node)
        self.count = 0

    def create(self, name: str, *arguments: object) -> Deployment:
        call = creation_call(name, creation_code(name), *arguments)
        receipt = self.sender.execute(call, key=name)
        assert receipt.contract_address is not None
        return Deployment(
            name,
            receipt.contract_address,
            BlockNumber(receipt.block_number),
            TransactionHash(receipt.transaction_hash),
            (),
            "",
            "",
        )

    def execute(self, call):
        self.count += 1
        return self.sender.execute(call, key=f"call {self.count}")

    def pass_seconds(self, seconds: int) -> None:
        for method, values in (("evm_increaseTime", (seconds,)), ("evm_mine", ())):
            [answer] = self.transport.ask([Question(method, values)])
            assert answer.fault is None, answer.fault

    @property
    def at(self) -> bytes:
        return self.node.block().hash

    def prove(self, owner: Address) -> bytes:
        digest = self.registry.possession_digest(owner, RAW_KEY, at=self.at)
        return KEY.sign(digest, DST_POSSESSION).eip2537()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    transport = EmbeddedTransport()
    bench = Bench(transport, tmp_path / "outbox.db")
    wire = bench.registry._build("wire_stake", bench.stake.address)
    bench.execute(wire)
    yield bench
    bench.sender.close()
    transport.close()


def test_clients__an_operators_life__is_told_in_their_words(bench: Bench) -> None:
    registered = bench.execute(bench.registry.register(RAW_KEY, bench.prove(bench.owner)))
    joined = bench.execute(bench.stake.join(DA, 500, stake_wei=100 * WEI_PER_COIN))
    deposited = bench.execute(bench.stake.delegate(POOL, 1, amount_wei=7 * WEI_PER_COIN))
    bench.pass_seconds(2 * EPOCH)

    at, key_hash = bench.at, keccak(RAW_KEY)
    epoch = bench.stake.current_epoch(at=at)
    assert bench.registry.events_in(Registered, registered.logs) == [
        Registered(1, bench.owner, key_hash)
    ]
    assert bench.stake.events_in(Joined, joined.logs) == [Joined(POOL, 100 * WEI_PER_COIN, 500)]
    assert bench.stake.events_in(Deposited, deposited.logs) == [
        Deposited(POOL, bench.owner, 7 * WEI_PER_COIN, 7 * WEI_PER_COIN)
    ]
    assert bench.stake.operator(1, at=at).key_hash == key_hash
    assert bench.stake.operator_of(bench.owner, at=at) == 1
    assert bench.stake.operator_of_key(key_hash, at=at) == 1
    assert bench.stake.key_at(1, epoch, at=at) == RAW_KEY == bench.registry.key_of(1, at=at)
    assert bench.stake.pool_state(POOL, at=at) == PoolState(
        status=Status.ACTIVE,
        own=100 * WEI_PER_COIN,
        delegated=7 * WEI_PER_COIN,
        shares=7 * WEI_PER_COIN,
        generation=0,
        open_cases=0,
        jailed_until=0,
        below_since=0,
        reserved=0,
    )
    assert bench.stake.weights_at([POOL, pool_id(2, DA)], epoch, at=at) == [107 * WEI_PER_COIN, 0]
    assert bench.stake.shares_of(bench.owner, POOL, at=at) == (7 * WEI_PER_COIN, 0)


def test_clients__weight_events__rebuild_the_frozen_tree(bench: Bench) -> None:
    bench.execute(bench.registry.register(RAW_KEY, bench.prove(bench.owner)))
    receipt = bench.execute(bench.stake.join(DA, 0, stake_wei=100 * WEI_PER_COIN))
    bench.pass_seconds(2 * EPOCH)

    [weight] = bench.registry.events_in(WeightSet, receipt.logs)
    tree = StakeTree({weight.seat: Leaf(1, weight.weight, keccak(RAW_KEY))})

    epoch = bench.stake.current_epoch(at=bench.at)
    assert tree.root == bench.stake.tree_root_at(DA, epoch, at=bench.at)
    assert tree.total_wei == bench.stake.total_weight_at(DA, epoch, at=bench.at)
    assert bench.registry.aggregate_key_hash_at(DA, epoch, at=bench.at) == keccak(RAW_KEY)


def test_clients__exit__ticket_matures_when_the_clock_says(bench: Bench) -> None:
    bench.execute(bench.registry.register(RAW_KEY, bench.prove(bench.owner)))
    bench.execute(bench.stake.join(DA, 0, stake_wei=100 * WEI_PER_COIN))
    receipt = bench.execute(bench.stake.exit_own(DA, WEI_PER_COIN))

    [ticket] = bench.stake.exit_tickets(receipt.logs)
    [exit_event] = bench.stake.events_in(ExitRequested, receipt.logs)
    clock: Clock = bench.registry.clock(at=bench.at)
    due = clock.end_of_day(exit_event.day) + 28 * DAY
    assert due == bench.stake.matures_at(ticket, at=bench.at)
    with pytest.raises(NotMatured):
        bench.execute(bench.stake.withdraw(ticket, bench.owner))
    bench.pass_seconds(due - bench.node.block().timestamp + EPOCH)
    paid = bench.execute(bench.stake.withdraw(ticket, bench.owner))

    assert paid.succeeded
    assert bench.stake.ticket(ticket, at=bench.at).owner == bytes(20)


def test_clients__refusals__come_as_the_class_of_their_reason(bench: Bench) -> None:
    proof = bench.prove(bench.owner)
    with pytest.raises(PossessionNotProven):
        bench.execute(bench.registry.register(RAW_KEY, bench.prove(Address(b"\x01" * 20))))
    bench.execute(bench.registry.register(RAW_KEY, proof))
    bench.execute(bench.stake.join(DA, 0, stake_wei=100 * WEI_PER_COIN))

    with pytest.raises(CannotJoin):
        bench.execute(bench.stake.join(DA, 0, stake_wei=100 * WEI_PER_COIN))
    with pytest.raises(KeySeenBefore):
        bench.execute(bench.registry.rotate_key(RAW_KEY, proof))
    with pytest.raises(ExceedsShares):
        bench.execute(bench.stake.request_exit(POOL, 1))
    with pytest.raises(PoolInOrder):
        bench.execute(bench.stake.force_exit(POOL))
    with pytest.raises(WeightTold):
        bench.execute(bench.stake.reweigh(POOL))
    with pytest.raises(EpochNotFinal):
        bench.stake.snapshot(bench.stake.current_epoch(at=bench.at) + 2, at=bench.at)
