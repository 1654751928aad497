"""Build small networks of real data-availability nodes: memory chain, real keys, any transport."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn

from offchain.chain.devnet.ports import free_ports
from offchain.core.bls import SecretKey, Signature
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.disk_journal import DiskJournal
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.http_node import NodeFace, build_node_app, node_server
from offchain.da.adapters.memory_chain import ChainRules, MemoryChain, MemoryMember
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.adapters.memory_journal import MemoryJournal
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.adapters.memory_rows import MemoryRows
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.authenticate import SignedRequest, body_digest, request_digest
from offchain.da.deliver import DeliverRows, DeliveryRules
from offchain.da.dispersals import DispersalJournal
from offchain.da.disperse import DispersalRules, DisperseBlob, DisperserParts
from offchain.da.duties import BlobTerms, BlobView, Duty
from offchain.da.ports import DecisionJournal, NodeClient, RowStore
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.serve import ServeLimits, ServeRows
from offchain.node.disk import LocalDisk
from offchain.node.peer_http import HttpLimits
from offchain.node.peer_limits import PeerLimits, PeerRate

QUICK = DeliveryRules(retry_seconds=0.02, grace_seconds=0.3, poll_seconds=0.02, margin_seconds=0)
_engine: list[ErasureEngine] = []


def the_engine() -> ErasureEngine:
    """The fastest engine, self-tested once for all tests."""
    if not _engine:
        _engine.append(choose_engine())
    return _engine[0]


def a_secret(number: int) -> SecretKey:
    return SecretKey.from_seed(b"data availability node %9d" % number)


@dataclass
class Site:
    """One chain and its signers; `nodes` are filled in by the transports below."""

    chain: MemoryChain
    secrets: dict[int, SecretKey]
    disperser: LocalRequestSigner
    parts: dict[int, NodeParts] = field(default_factory=dict)
    accepts: dict[int, AcceptRows] = field(default_factory=dict)

    def disperse_with(
        self,
        client: NodeClient,
        *,
        journal: DispersalJournal | None = None,
        rules: DeliveryRules = QUICK,
        watch: Callable[..., None] = lambda _: None,
    ) -> DisperseBlob:
        deliver = DeliverRows(self.chain, client, self.disperser, rules=rules)
        address = self.disperser.address
        parts = DisperserParts(
            ledger=self.chain,
            till=self.chain,
            deliver=deliver,
            journal=journal or MemoryDispersals(),
            engine=the_engine(),
            payer=address,
            disperser=address,
        )
        quick = DispersalRules(poll_seconds=0.01, again_seconds=0.05)
        return DisperseBlob(parts, quick, watch)

    def retrieve_with(
        self, client: NodeClient, *, rules: RetrievalRules | None = None
    ) -> RetrieveBlob:
        chosen = rules or RetrievalRules(deadline_seconds=20)
        return RetrieveBlob(self.chain, client, the_engine(), rules=chosen)


def a_site(nodes: int = 4, *, rules: ChainRules | None = None, port: int = 0) -> Site:
    """A chain whose signers are operators 1..nodes at http://127.0.0.1:<port + operator>."""
    secrets = {operator: a_secret(operator) for operator in range(1, nodes + 1)}
    members = [
        MemoryMember(operator, f"http://127.0.0.1:{port + operator}", secret.public_key())
        for operator, secret in secrets.items()
    ]
    chain = MemoryChain(members, rules or ChainRules())
    return Site(chain, secrets, LocalRequestSigner(b"\x07" * 32))


def a_node(
    site: Site,
    operator: int,
    *,
    store: RowStore | None = None,
    journal: DecisionJournal | None = None,
    limits: NodeLimits | None = None,
) -> MemoryNode:
    """One node's use cases over the given store and journal, or over memory."""
    parts = NodeParts(
        operator=operator,
        ledger=site.chain,
        store=store or MemoryRows(),
        journal=journal or MemoryJournal(),
        signer=BlsSigner(site.secrets[operator]),
        engine=the_engine(),
    )
    site.parts[operator] = parts
    site.accepts[operator] = AcceptRows(parts, limits or NodeLimits())
    return MemoryNode(site.accepts[operator], ServeRows(parts.store, ServeLimits(readers=16)))


def memory_network(site: Site, *, absent: Sequence[int] = ()) -> MemoryNodeClient:
    """All nodes in this process, reached without sockets."""
    return MemoryNodeClient(
        {
            f"http://127.0.0.1:{operator}": a_node(site, operator)
            for operator in site.secrets
            if operator not in absent
        }
    )


def a_disk_node(site: Site, operator: int, folder: Path) -> MemoryNode:
    """One node on a real disk."""
    disk = LocalDisk()
    store = DiskRows(disk, folder / "rows", the_engine().row_roots)
    store.open()
    journal = DiskJournal(disk, folder / "journal")
    journal.open()
    return a_node(site, operator, store=store, journal=journal)


async def _is_ready() -> str | None:
    return None


@dataclass(frozen=True)
class Upload:
    """Everything one operator is sent for one paid blob."""

    blob_id: bytes
    terms: BlobTerms
    encoded: EncodedBlob
    view: BlobView
    duty: Duty
    body: bytes


def some_bytes(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def pay_for(site: Site, payload: bytes, *, salt: bytes = bytes(32)) -> tuple[BlobTerms, bytes]:
    """Encode and pay on the memory chain; the terms and the blob id."""
    encoded = encode(payload, the_engine())
    address = site.disperser.address
    terms = BlobTerms(
        payer=address,
        disperser=address,
        data_root=encoded.header.data_root,
        commitment=encoded.header.commitment,
        shape=encoded.shape,
        days=1,
        salt=salt,
    )
    site.chain.pay(terms)
    return terms, site.chain.blob_id(terms)


def an_upload(
    site: Site, operator: int = 1, *, payload: bytes = b"seven words are enough here"
) -> Upload:
    """Pay for a small payload and make the body for one operator."""
    encoded = encode(payload, the_engine())
    terms, blob_id = pay_for(site, payload)
    view = site.chain.view(blob_id, at=site.chain.head().block)
    assert view.duties is not None
    duty = view.duties.of(operator)
    assert duty is not None
    body = encoded.header.to_bytes() + encoded.rows_frame(blob_id, duty.rows)
    return Upload(blob_id, terms, encoded, view, duty, body)


def a_request(
    site: Site,
    blob_id: bytes,
    body: bytes,
    *,
    operator: int = 1,
    expiry: int | None = None,
    signer: LocalRequestSigner | None = None,
) -> SignedRequest:
    """A request signed as the disperser signs it, unless told otherwise."""
    until = site.chain.head().time + 60 if expiry is None else expiry
    hashed = body_digest(body)
    digest = request_digest(
        site.chain.domain(), operator=operator, blob_id=blob_id, body=hashed, expiry=until
    )
    return SignedRequest(hashed, until, (signer or site.disperser).sign_digest(digest))


async def pieces(body: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def send(node: MemoryNode, upload: Upload, request: SignedRequest, body: bytes) -> Signature:
    """Deliver a body with a truthful length."""
    return await node.accept.accept(upload.blob_id, request, pieces(body), declared_bytes=len(body))


def face_of(node: MemoryNode, rate: PeerRate | None = None) -> NodeFace:
    loop = asyncio.get_running_loop()
    return NodeFace(node.accept, node.serve, _is_ready, PeerLimits(rate or PeerRate(), loop.time))


@dataclass
class HttpNetwork:
    """Nodes behind real sockets; `stop(operator)` is a dead machine."""

    site: Site
    client: HttpNodeClient
    servers: dict[int, tuple[uvicorn.Server, asyncio.Task[None]]]

    async def stop(self, operator: int) -> None:
        server, task = self.servers.pop(operator)
        server.should_exit = True
        await task


def with_endpoints(site: Site, ports: Sequence[int]) -> Site:
    """The same site with its members at these ports."""
    members = [
        replace(member, endpoint=f"http://127.0.0.1:{port}")
        for member, port in zip(site.chain.members, ports, strict=True)
    ]
    return Site(MemoryChain(members, site.chain.rules), site.secrets, site.disperser)


@asynccontextmanager
async def http_network(
    site: Site,
    build: Callable[[Site, int], object] = a_node,
    *,
    limits: HttpLimits | None = None,
) -> AsyncIterator[HttpNetwork]:
    """Serve every node over HTTP; `build` makes a MemoryNode or a whole ASGI application."""
    site = with_endpoints(site, free_ports(len(site.secrets)))
    async with HttpNodeClient(limits) as client:
        network = HttpNetwork(site, client, {})
        for member in site.chain.members:
            node = build(site, member.operator)
            app = build_node_app(face_of(node)) if isinstance(node, MemoryNode) else node
            server = node_server(app, int(member.endpoint.rsplit(":", 1)[1]))
            task = asyncio.create_task(server.serve())
            network.servers[member.operator] = (server, task)
        for server, _ in network.servers.values():
            while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
                await asyncio.sleep(0.01)
        try:
            yield network
        finally:
            for operator in list(network.servers):
                await network.stop(operator)


def agreed_site(port: int, blobs: int) -> tuple[Site, list[Upload]]:
    """The chain that a test and its child processes agree on: nodes at `port`.., paid blobs."""
    site = with_endpoints(a_site(4), [port + place for place in range(4)])
    return site, [an_upload(site, payload=b"blob %d" % number) for number in range(blobs)]
