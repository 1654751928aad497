"""One node process of the scaling measurement: real use cases and face behind a shaped link.

  python -m benchmarks.da_scale_node FOLDER PLACE

FOLDER/spec.json names the ports, the link's speed and the networks: each is a number of nodes (the
first ones) and the blobs it was paid for. A node of several networks answers for all of them, so
the processes start once. The chain is the memory adapter, built alike in every process.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offchain.core.bls import SecretKey
from offchain.core.erasure.choose import choose_engine
from offchain.core.layout import Shape
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.disk_journal import DiskJournal
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.http_node import NodeFace, build_node_app, node_server
from offchain.da.adapters.memory_chain import MemoryChain, MemoryMember
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.duties import BlobTerms, BlobView, Moment
from offchain.da.serve import ServeLimits, ServeRows
from offchain.node.disk import LocalDisk
from offchain.node.peer_limits import PeerLimits, PeerRate

BURST_SECONDS = 0.02
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PaidFor:
    """What a spec says of one paid blob."""

    data_root: str
    commitment: str
    length: int
    salt: str


class TokenBucket:
    """Lets `rate` bytes a second through, all connections together."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def take(self, size: int) -> None:
        """Wait until these bytes have passed."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - BURST_SECONDS) + size / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


def shaped(app: App, bucket: TokenBucket) -> App:
    """The application behind a link: a request's body comes no faster than the bucket lets it."""

    async def behind(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def slowly() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                await bucket.take(len(message.get("body", b"")))
            return message

        await app(scope, slowly, send)

    return behind


class ManyChains:
    """The ledger of a node that serves several networks: each blob is known to one of them."""

    def __init__(self, chains: list["PaidChain"]) -> None:
        self._chains = chains

    def head(self) -> Moment:
        return self._chains[0].head()

    def moment(self, block: int) -> Moment:
        return self._chains[0].moment(block)

    def domain(self) -> bytes:
        return self._chains[0].domain()

    def view(self, blob_id: bytes, *, at: int) -> BlobView:
        """Chains of one length are asked at the same block; nothing is mined on them here."""
        *others, last = self._chains
        chain = next((one for one in others if one.knows(blob_id)), last)
        return chain.view(blob_id, at=max(at, chain.head().block))


class PaidChain(MemoryChain):
    """A chain on which everything in a spec is paid for already."""

    def __init__(self, ports: list[int], blobs: list[PaidFor]) -> None:
        super().__init__(
            [
                MemoryMember(place, f"http://127.0.0.1:{port}", node_secret(place).public_key())
                for place, port in enumerate(ports, 1)
            ]
        )
        self._known = set()
        for blob in blobs:
            terms = terms_of(blob)
            self.pay(terms)
            self._known.add(self.blob_id(terms))

    def knows(self, blob_id: bytes) -> bool:
        return blob_id in self._known


def chains_of(spec: dict[str, Any]) -> dict[int, PaidChain]:
    """The chain of each network of a spec, by its number of nodes."""
    return {
        int(nodes): PaidChain(spec["ports"][: int(nodes)], [PaidFor(**one) for one in blobs])
        for nodes, blobs in spec["networks"].items()
    }


def terms_of(blob: PaidFor) -> BlobTerms:
    payer = the_disperser().address
    return BlobTerms(
        payer=payer,
        disperser=payer,
        data_root=bytes.fromhex(blob.data_root),
        commitment=bytes.fromhex(blob.commitment),
        shape=Shape.of(blob.length),
        days=1,
        salt=bytes.fromhex(blob.salt),
    )


def node_secret(place: int) -> SecretKey:
    return SecretKey.from_seed(b"scaling benchmark node %16d" % place)


def the_disperser() -> LocalRequestSigner:
    return LocalRequestSigner(b"\x07" * 32)


async def _is_ready() -> str | None:
    return None


async def serve(folder: Path, place: int) -> None:
    """Serve until killed."""
    spec = json.loads((folder / "spec.json").read_text())
    ledger = ManyChains([c for n, c in chains_of(spec).items() if place <= n])
    engine, disk, home = choose_engine(), LocalDisk(), folder / str(place)
    store = DiskRows(disk, home / "rows", engine.row_roots)
    store.open()
    journal = DiskJournal(disk, home / "journal")
    journal.open()
    signer = BlsSigner(node_secret(place))
    accept = AcceptRows(NodeParts(place, ledger, store, journal, signer, engine), NodeLimits())
    await accept.restore()
    limits = PeerLimits(PeerRate(), time.monotonic)
    app = build_node_app(NodeFace(accept, ServeRows(store, ServeLimits()), _is_ready, limits))
    server = node_server(app, spec["ports"][place - 1])
    server.config.app = shaped(app, TokenBucket(spec["link_bytes_s"]))
    await server.serve()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
