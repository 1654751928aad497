"""Other replicas over HTTP: their word for roots, and their snapshots; nothing is believed here."""

from collections.abc import Sequence
from pathlib import Path

from offchain.core.bls import Signature
from offchain.storage.kv.adapters.http_client import HttpKvClient


class HttpPeers:
    """An `AsksRoots` and `SnapshotPeers` that connects anew for each question."""

    async def signature(
        self, endpoint: str, stream: bytes, *, group: int, seq: int, epoch: int
    ) -> Signature:
        async with HttpKvClient(endpoint) as client:
            claim = await client.signed_root(stream, group=group, seq=seq, epoch=epoch)
        return claim.signature

    async def streams(self, endpoint: str) -> Sequence[bytes]:
        async with HttpKvClient(endpoint) as client:
            return await client.streams()

    async def snapshot(self, endpoint: str, stream: bytes, path: Path, *, most: int) -> None:
        async with HttpKvClient(endpoint) as client:
            await client.snapshot(stream, path, most=most)
