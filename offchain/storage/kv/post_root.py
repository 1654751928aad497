"""Posting roots: seats of a replica group take turns and show the chain what enough of them sign.

Once an epoch for a stream that has changed since its newest posted root. The seat whose turn it is
begins at once, each next one a sixth of the epoch later, so one absent seat delays a root and does
not stop it. What the others sign is checked against their keys before it is added up; a node adds
its own word only to a root that it has computed. Source: docs/protocol/storage.md#false-roots.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from offchain.core.bls import PublicKey, Signature, aggregate_signatures, verify
from offchain.core.errors import ApogeeError, Conflict
from offchain.core.hashing import keccak
from offchain.storage.false_root import SignedRoot, root_digest
from offchain.storage.kv.errors import RootChanged, RootNotHere
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.kv.sign_root import FinalRoots, SignRoots
from offchain.storage.stream_book import NEEDED_SEATS

TURNS: Final = 6  # of an epoch
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seat:
    """Who holds a seat of a replica group; vacant ones are not named."""

    seat: int
    operator: int
    endpoint: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class ReplicaGroup:
    """A group that may post, of `size` seats; `seats` that somebody holds, rising."""

    number: int
    size: int
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Now:
    """The chain's epoch, and how much of it is over, 0 to 1."""

    epoch: int
    start: int
    passed: float


@dataclass(frozen=True, slots=True)
class RootVotes:
    """A root with the word of enough seats."""

    root: StreamRoot
    group: int
    epoch: int
    absent: tuple[Seat, ...]
    signature: Signature


class RootLedger(Protocol):
    """What the chain says of roots and groups, and a way to post; blocking."""

    def now(self) -> Now:
        """Raises: Unavailable."""
        ...

    def groups(self) -> Sequence[ReplicaGroup]:
        """Open groups of the profile `replica`. Raises: Unavailable."""
        ...

    def newest(self, stream: bytes) -> tuple[int, int]:
        """Entries that the newest posted root covers, and when it was posted; 0: none."""
        ...

    def root_of(self, stream: bytes, seq: int) -> bytes:
        """The stream root posted for exactly this entry; zero when none was."""
        ...

    def post(self, votes: RootVotes) -> None:
        """Raises: RootNotNewer, RootRefused, Unavailable."""
        ...


class AsksRoots(Protocol):
    """Asks another seat for its word."""

    async def signature(
        self, endpoint: str, stream: bytes, *, group: int, seq: int, epoch: int
    ) -> Signature:
        """Raises: ApogeeError."""
        ...


class KeepsSnapshot(Protocol):
    """Keeps a snapshot at the root that is about to be posted."""

    async def keep(self, root: StreamRoot) -> None: ...


@dataclass(frozen=True, slots=True)
class PostParts:
    """What posting works with; `operator` is this node's."""

    operator: int
    ledger: RootLedger
    roots: FinalRoots
    signer: SignRoots
    asks: AsksRoots
    domain: bytes
    shelf: KeepsSnapshot | None = None


class PostRoots:
    """The chore of one node."""

    def __init__(self, parts: PostParts) -> None:
        self._parts = parts

    async def post(self, streams: Sequence[bytes]) -> int:
        """Post what is due and this node's turn; how many roots."""
        parts, posted = self._parts, 0
        now = await asyncio.to_thread(parts.ledger.now)
        for group in await asyncio.to_thread(parts.ledger.groups):
            mine = next((one for one in group.seats if one.operator == parts.operator), None)
            for stream in streams if mine is not None else ():
                if mine is None or now.passed < turn_of(stream, now.epoch, mine.seat, group.size):
                    continue
                try:
                    posted += await self._post(stream, group, now)
                except (RootNotHere, RootChanged):
                    continue  # the next pass finds a newer one
                except Conflict as error:
                    log.info("root_not_posted", extra={"code": error.code})
        return posted

    async def _post(self, stream: bytes, group: ReplicaGroup, now: Now) -> bool:
        parts = self._parts
        covered, posted_at = await asyncio.to_thread(parts.ledger.newest, stream)
        if posted_at >= now.start and covered:
            return False  # once an epoch
        root = parts.roots.find(stream)
        if covered and parts.roots.touched(stream) < covered:
            return False  # nothing has changed
        if parts.shelf is not None:
            await parts.shelf.keep(root)
        votes = await self._collect(root, group, now.epoch)
        if votes is None:
            return False
        await asyncio.to_thread(parts.ledger.post, votes)
        told = {"stream": stream.hex(), "seq": root.seq, "absent": len(votes.absent)}
        log.info("root_posted", extra=told)
        return True

    async def _collect(self, root: StreamRoot, group: ReplicaGroup, epoch: int) -> RootVotes | None:
        """The word of enough seats; None when too few give it."""
        answers = await asyncio.gather(*(self._ask(one, root, group, epoch) for one in group.seats))
        given = [one for one in answers if one is not None]
        if len(given) < NEEDED_SEATS:
            extra = {"stream": root.stream.hex(), "seq": root.seq, "signed": len(given)}
            log.warning("root_lacks_seats", extra=extra)
            return None
        absent = tuple(seat for seat, one in zip(group.seats, answers, strict=True) if one is None)
        signature = aggregate_signatures(given)
        return RootVotes(root, group.number, epoch, absent, signature)

    async def _ask(
        self, seat: Seat, root: StreamRoot, group: ReplicaGroup, epoch: int
    ) -> Signature | None:
        parts = self._parts
        if seat.operator == parts.operator:
            mine: SignedRoot = await asyncio.to_thread(
                parts.signer.sign, root.stream, group.number, seq=root.seq, epoch=epoch
            )
            return mine.signature
        try:
            signature = await parts.asks.signature(
                seat.endpoint, root.stream, group=group.number, seq=root.seq, epoch=epoch
            )
        except ApogeeError as error:
            log.info("seat_gave_no_root", extra={"operator": seat.operator, "code": error.code})
            return None
        digest = root_digest(parts.domain, root, group.number, epoch)
        if not await asyncio.to_thread(verify, seat.key, digest, signature):
            told = {"operator": seat.operator, "stream": root.stream.hex(), "seq": root.seq}
            log.error("seat_signed_another_root", extra=told)
            return None
        return signature


def turn_of(stream: bytes, epoch: int, seat: int, size: int) -> float:
    """The part of an epoch after which a seat posts a stream's root; the first one at once."""
    first = int.from_bytes(keccak(stream, epoch.to_bytes(8, "big"))[:8], "big") % size
    return (seat - first) % size / TURNS
