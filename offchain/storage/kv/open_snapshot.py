"""Opening a new replica from other replicas' snapshots: what lies under a posted root is taken.

Whoever gives a snapshot is not trusted: its cells are hashed to the root that it names, and that
root must be the one posted on the chain for its entry. What no peer has is replayed from the log.
Source: docs/protocol/storage.md#key-value-streams, INV-KV-2.
"""

import asyncio
import logging
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from offchain.core.errors import ApogeeError
from offchain.storage.kv.errors import RootMismatch
from offchain.storage.kv.follow import Replica
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.kv.snapshot import Snapshot, snapshot_root

MAX_SNAPSHOT_BYTES: Final = 8 << 30
HEAD_BYTES: Final = 128
log = logging.getLogger(__name__)


class SnapshotPeers(Protocol):
    """Other replicas."""

    async def streams(self, endpoint: str) -> Sequence[bytes]:
        """What a replica says that it holds. Raises: ApogeeError."""
        ...

    async def snapshot(self, endpoint: str, stream: bytes, path: Path, *, most: int) -> None:
        """Its newest snapshot of a stream, into a file. Raises: ApogeeError."""
        ...


@dataclass(frozen=True, slots=True)
class OpeningParts:
    """`root_of`: the stream root posted for exactly an entry; `folder` for what is fetched."""

    replica: Replica
    peers: SnapshotPeers
    root_of: Callable[[bytes, int], bytes]
    folder: Path
    wants: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class _Fetched:
    root: StreamRoot
    path: Path


async def open_from_peers(parts: OpeningParts, endpoints: Sequence[str]) -> int:
    """Load every wanted stream that a peer has a snapshot of; how many."""
    await asyncio.to_thread(parts.folder.mkdir, parents=True, exist_ok=True)
    places = await _places(parts, endpoints)
    found = [one for stream, where in places.items() if (one := await _fetch(parts, stream, where))]
    loaded = 0
    # The newest first: an empty replica begins there, and the others are caught up to it.
    for one in sorted(found, key=lambda fetched: -fetched.root.seq):
        loaded += await asyncio.to_thread(_load, parts, one)
    return loaded


async def _places(parts: OpeningParts, endpoints: Sequence[str]) -> dict[bytes, list[str]]:
    """Which peers say that they hold which stream."""
    places: dict[bytes, list[str]] = {}
    for endpoint in endpoints:
        try:
            streams = await parts.peers.streams(endpoint)
        except ApogeeError as error:
            log.info("peer_silent", extra={"endpoint": endpoint, "code": error.code})
            continue
        for stream in streams:
            if parts.wants(stream):
                places.setdefault(stream, []).append(endpoint)
    return places


async def _fetch(parts: OpeningParts, stream: bytes, endpoints: Sequence[str]) -> _Fetched | None:
    path = parts.folder / f"{stream.hex()}.fetched"
    for endpoint in endpoints:
        try:
            await parts.peers.snapshot(endpoint, stream, path, most=MAX_SNAPSHOT_BYTES)
            root = await asyncio.to_thread(_posted_root, parts, stream, path)
        except ApogeeError as error:
            extra = {"endpoint": endpoint, "stream": stream.hex(), "code": error.code}
            log.info("peer_gave_no_snapshot", extra=extra)
            continue
        return _Fetched(root, path)
    path.unlink(missing_ok=True)
    return None


def _posted_root(parts: OpeningParts, stream: bytes, path: Path) -> StreamRoot:
    """The root a snapshot names, when it was posted. Raises: RootMismatch, Unavailable."""
    with path.open("rb") as file:
        root = snapshot_root(file.read(HEAD_BYTES))
    if root.stream != stream or parts.root_of(stream, root.seq) != root.digest:
        raise RootMismatch(seq=root.seq, digest=root.digest.hex())
    return root


def _load(parts: OpeningParts, one: _Fetched) -> bool:
    try:
        with one.path.open("rb") as file:
            raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        parts.replica.load(Snapshot(memoryview(raw)), lambda root: root == one.root)
    except ApogeeError as error:
        extra = {"stream": one.root.stream.hex(), "code": error.code}
        log.warning("snapshot_refused", extra=extra)
        return False
    finally:
        one.path.unlink(missing_ok=True)
    told = {"stream": one.root.stream.hex(), "seq": one.root.seq, "keys": one.root.keys}
    log.info("stream_opened_from_snapshot", extra=told)
    return True
