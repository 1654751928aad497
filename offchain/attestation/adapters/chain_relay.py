"""Relaying over the contracts: who sits, what is registered, and what relayers and subjects send.

One reader serves every relayer of a process: what belongs to one block is read once.
Source: docs/protocol/attestation.md#relayers.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from offchain.attestation.draw import QUORUM, candidates_of, draw_relayers, seed_of
from offchain.attestation.model import MeasurementClass, Verdict
from offchain.attestation.notice import NoticePosting
from offchain.attestation.onchain_registry import AttestationRegistryClient
from offchain.attestation.onchain_registry import Registered as VerdictRegistered
from offchain.attestation.relay_ports import (
    Bench,
    Committee,
    Posting,
    Registered,
    SubjectPlace,
    VerdictState,
)
from offchain.attestation.report_data import Domain
from offchain.chain.due import execute_due
from offchain.chain.followed import Followed
from offchain.chain.model import Block, TypedCall
from offchain.chain.ports import ChainReader
from offchain.node.leased_sender import Sends
from offchain.staking.frozen_tree import TreeSources, frozen_tree
from offchain.staking.model import Service, pool_id
from offchain.staking.onchain import RandomBeaconClient

NOBODY: Final = -1  # no operator has this id, and no account
HEAD_SECONDS: Final = 0.25  # how long all relayers of a process look at one head

# Which services there are at a block: of another layer, so it is handed in.
FindSubjects = Callable[[Block], Sequence[SubjectPlace]]


@dataclass(frozen=True, slots=True)
class RelayClients:
    """The contracts that relaying touches; `depth`: blocks after which nothing is taken back."""

    node: ChainReader
    registry: AttestationRegistryClient
    beacon: RandomBeaconClient
    tree: TreeSources
    domain: Domain
    depth: int


class ChainRelay:
    """A `RelayLedger`; any thread may call."""

    def __init__(self, clients: RelayClients, subjects: FindSubjects) -> None:
        self._clients = clients
        self._find = subjects
        self._lock = Lock()
        self._head: tuple[float, Block] | None = None
        self._bench: Bench | None = None
        self._places: tuple[bytes, Sequence[SubjectPlace]] | None = None
        self._operators: tuple[bytes, dict[bytes, int]] = (b"", {})
        self._registered = Followed(
            clients.node,
            clients.registry,
            VerdictRegistered,
            indexed={},
            first_block=clients.tree.first_block,
            depth=clients.depth,
        )

    def head(self) -> Block:
        with self._lock:
            now = time.monotonic()
            if self._head is None or now - self._head[0] > HEAD_SECONDS:
                self._head = now, self._clients.node.block()
            return self._head[1]

    def domain(self) -> Domain:
        return self._clients.domain

    def bench(self, block: Block) -> Bench:
        with self._lock:
            if self._bench is None or self._bench.block.hash != block.hash:
                self._bench = self._read_bench(block)
            return self._bench

    def operator_of(self, account: bytes, block: Block) -> int:
        with self._lock:
            seen, known = self._operators
            if seen != block.hash:
                known = {}
                self._operators = block.hash, known
            if account not in known:
                found = self._clients.tree.registry.operator_of(account, at=block.hash)
                known[account] = int(found)
            return known[account]

    def subjects(self, block: Block) -> Sequence[SubjectPlace]:
        with self._lock:
            if self._places is None or self._places[0] != block.hash:
                self._places = block.hash, self._find(block)
            return self._places[1]

    def live(self, signer: bytes, block: Block) -> Registered | None:
        found = self._clients.registry.live(signer, block.timestamp, at=block.hash)
        return self._of(found.attestation_id, block) if any(found.attestation_id) else None

    def registered(self, evidence_id: bytes, block: Block) -> Registered | None:
        found = self._clients.registry.attestation_of(evidence_id, at=block.hash)
        return self._of(found, block) if any(found) else None

    def all_registered(self, block: Block) -> list[tuple[bytes, Verdict]]:
        """Every verdict that was ever made to count, by its attestation id, oldest first."""
        return [(one.attestation_id, one.verdict) for one in self._registered.upto(block)]

    def _of(self, attestation_id: bytes, block: Block) -> Registered | None:
        """What the registry says now, with the verdict that its event carried."""
        events = self._registered.upto(block)
        verdict = next(
            (one.verdict for one in reversed(events) if one.attestation_id == attestation_id), None
        )
        if verdict is None:
            return None
        registry = self._clients.registry
        record = registry.verdict(attestation_id, at=block.hash)
        return Registered(
            attestation_id=attestation_id,
            verdict=verdict,
            state=VerdictState(int(record.state)),
            measurement_class=MeasurementClass(record.measurement_class),
            signers=tuple(registry.relayers_of(attestation_id, at=block.hash)),
            block=block.number,
        )

    def _living(self, epoch: int, block: Block) -> tuple[int, ...]:
        """Who can sign by seat; NOBODY on the seat of an operator that is no relayer any more.

        The registry refuses a posting with such a seat in it.
        """
        stake, at = self._clients.tree.stake, block.hash
        return tuple(
            one if stake.is_member(pool_id(one, Service.RELAYER), at=at) else NOBODY
            for one in self._clients.registry.committee(epoch, at=at)
        )

    def _read_bench(self, block: Block) -> Bench:
        clients, at = self._clients, block.hash
        clock = clients.tree.registry.clock(at=at)
        current = clock.current_epoch(block.timestamp)
        epochs = range(max(0, current - 1), current + 1)
        seated = [Committee(one, self._living(one, block)) for one in epochs]
        return Bench(
            block=block,
            domain=clients.domain,
            committees=tuple(one for one in seated if one.members),
            nonces={one: clients.registry.nonce_of(one, at=at) for one in epochs},
            epoch_starts={one: clock.start_of(one) for one in epochs},
            life=clients.registry.life(at=at),
        )


class ChainRegistryActs:
    """`RegistryActs` of one account."""

    def __init__(self, clients: RelayClients, sender: Sends) -> None:
        self._clients = clients
        self._sender = sender

    def register(self, posting: Posting) -> None:
        call = self._clients.registry.register(
            posting.verdict, posting.epoch, posting.seats, b"".join(posting.signatures)
        )
        key = f"attestation.register:{posting.verdict.evidence_id.hex()}"
        execute_due(self._sender, call, key=key)

    def notify(self, posting: NoticePosting) -> None:
        """Make a notice count."""
        registry, notice = self._clients.registry, posting.notice
        signed = (posting.epoch, posting.seats, b"".join(posting.signatures))
        if isinstance(notice.what, int):
            call = registry.raise_evaluation(notice.what, *signed)
        else:
            call = registry.revoke_collateral(notice.what, *signed)
        execute_due(self._sender, call, key=f"attestation.{notice.kind.value}:{notice.text()}")

    def draw(self, epoch: int) -> bool:
        block = self._clients.node.block()
        call = draw_call(self._clients, epoch, block)
        if call is None:
            return False
        execute_due(self._sender, call, key=f"attestation.draw:{epoch}")
        return True


def draw_call(clients: RelayClients, epoch: int, block: Block) -> TypedCall | None:
    """What seats an epoch's relayers; None while nobody can or need. Raises: TreeMismatch."""
    current = clients.tree.registry.clock(at=block.hash).current_epoch(block.timestamp)
    if not current - 1 <= epoch <= current or clients.registry.committee(epoch, at=block.hash):
        return None
    tree = frozen_tree(clients.tree, Service.RELAYER, epoch, at=block)
    random = clients.beacon.randomness(epoch, at=block.hash)
    drawn = draw_relayers(seed_of(random), tree)
    if len(drawn.members) < QUORUM:
        return None
    return clients.registry.draw(epoch, candidates_of(drawn, tree))
