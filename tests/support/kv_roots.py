"""Seats of a replica group over logs in memory, and a chain that checks what they post."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offchain.core.bls import SecretKey, Signature, aggregate_keys, verify
from offchain.storage.false_root import root_digest
from offchain.storage.kv.adapters.memory_log import Log, MemoryLog
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.adapters.root_book import MemoryRootBook
from offchain.storage.kv.errors import ReplicaUnreachable
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.post_root import Now, PostParts, PostRoots, ReplicaGroup, RootVotes, Seat
from offchain.storage.kv.sign_root import FinalRoots, SignedRoots, SignerParts, SignRoots
from offchain.storage.kv.snapshot_shelf import SnapshotShelf
from offchain.storage.reverts_log import RootNotNewer
from tests.support.kv import DOMAIN, STREAM
from tests.support.staking import a_key

GROUP = 65_536
SEATS = 5
EPOCH = 7


@dataclass
class MemoryRoots:
    """A `RootLedger` that judges a post as the contract does."""

    seats: tuple[Seat, ...]
    passed: float = 1.0
    posted: dict[bytes, list[RootVotes]] = field(default_factory=dict)
    posted_at: int = 0

    def now(self) -> Now:
        return Now(EPOCH, 1_000, self.passed)

    def groups(self) -> Sequence[ReplicaGroup]:
        return [ReplicaGroup(GROUP, SEATS, self.seats)]

    def newest(self, stream: bytes) -> tuple[int, int]:
        posted = self.posted.get(stream)
        return (posted[-1].root.seq + 1, self.posted_at) if posted else (0, 0)

    def root_of(self, stream: bytes, seq: int) -> bytes:
        posted = self.posted.get(stream, [])
        return next((one.root.digest for one in posted if one.root.seq == seq), bytes(32))

    def post(self, votes: RootVotes) -> None:
        if votes.root.seq < self.newest(votes.root.stream)[0]:
            raise RootNotNewer(seq=votes.root.seq)
        signers = [seat.key for seat in self.seats if seat not in votes.absent]
        digest = root_digest(DOMAIN, votes.root, votes.group, votes.epoch)
        assert verify(aggregate_keys(signers), digest, votes.signature)
        self.posted.setdefault(votes.root.stream, []).append(votes)


@dataclass
class SeatNode:
    """One seat's replica and its word."""

    replica: Replica
    roots: FinalRoots
    signer: SignRoots
    secret: SecretKey
    is_absent: bool = False

    def advance(self) -> None:
        self.replica.advance()
        self.roots.look()


class InProcess:
    """An `AsksRoots` over nodes in this process; endpoints are their numbers."""

    def __init__(self, nodes: dict[str, SeatNode]) -> None:
        self._nodes = nodes

    async def signature(
        self, endpoint: str, stream: bytes, *, group: int, seq: int, epoch: int
    ) -> Signature:
        node = self._nodes[endpoint]
        if node.is_absent:
            raise ReplicaUnreachable(endpoint=endpoint)
        return node.signer.sign(stream, group, seq=seq, epoch=epoch).signature


def a_seat_node(log: Log, number: int, *, book: SignedRoots | None = None) -> SeatNode:
    """A replica of one stream; every entry of its log is final."""
    source = MemoryLog(log, final=1 << 30)
    replica = Replica(ReplicaParts(MemoryStore(), source, source, DOMAIN))
    replica.follow(STREAM)
    roots, secret = FinalRoots(replica), a_key(number)
    signer = SignRoots(
        SignerParts(
            roots=roots,
            book=book or MemoryRootBook(),
            key=secret.public_key(),
            sign=secret.sign,
            domain=DOMAIN,
            epoch=lambda: EPOCH,
            is_ours=lambda group: group == GROUP,
        )
    )
    node = SeatNode(replica, roots, signer, secret)
    node.advance()
    return node


def a_ledger(nodes: Sequence[SeatNode]) -> MemoryRoots:
    """The chain's view of these seats; operator n + 1 holds seat n."""
    return MemoryRoots(
        tuple(
            Seat(number, number + 1, str(number), node.secret.public_key())
            for number, node in enumerate(nodes)
        )
    )


def posting(
    nodes: Sequence[SeatNode], ledger: MemoryRoots, seat: int, *, shelf: SnapshotShelf | None = None
) -> PostRoots:
    """The chore of one seat."""
    asks = InProcess({str(number): node for number, node in enumerate(nodes)})
    node = nodes[seat]
    return PostRoots(PostParts(seat + 1, ledger, node.roots, node.signer, asks, DOMAIN, shelf))


class SharedShelves:
    """A `SnapshotPeers` over shelves in this process; endpoints are names."""

    def __init__(self, shelves: dict[str, SnapshotShelf], *, asked: list[str]) -> None:
        self._shelves = shelves
        self.asked = asked

    async def streams(self, endpoint: str) -> Sequence[bytes]:
        if endpoint not in self._shelves:
            raise ReplicaUnreachable(endpoint=endpoint)
        return [STREAM]

    async def snapshot(self, endpoint: str, stream: bytes, path: Path, *, most: int) -> None:
        self.asked.append(endpoint)
        _, kept = self._shelves[endpoint].newest(stream)
        content = await asyncio.to_thread(kept.read_bytes)
        assert len(content) <= most
        await asyncio.to_thread(path.write_bytes, content)
