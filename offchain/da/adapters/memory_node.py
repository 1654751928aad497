"""Nodes in this very process, reached by endpoint without a socket."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from offchain.core.errors import ApogeeError
from offchain.da.accept import AcceptRows
from offchain.da.authenticate import SignedRequest
from offchain.da.refusals import AnswerInvalid, NodeRefused, NodeUnreachable
from offchain.da.serve import RowServer
from offchain.node.body import Body

PIECE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class MemoryNode:
    """One node's use cases."""

    accept: AcceptRows
    serve: RowServer


class MemoryNodeClient:
    """A `NodeClient` over nodes in a table; an endpoint that is not in it is unreachable."""

    def __init__(self, nodes: dict[str, MemoryNode]) -> None:
        self.nodes = nodes

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
    ) -> bytes:
        accept = self._node(endpoint).accept
        try:
            signature = await accept.accept(
                blob_id, request, _pieces(body), declared_bytes=body.size
            )
        except ApogeeError as error:
            raise _refused(endpoint, error) from error
        return signature.compressed

    async def signature(self, endpoint: str, blob_id: bytes) -> bytes:
        accept = self._node(endpoint).accept
        try:
            return (await accept.signature(blob_id)).compressed
        except ApogeeError as error:
            raise _refused(endpoint, error) from error

    async def have(self, endpoint: str, blob_id: bytes) -> bytes:
        return await self._node(endpoint).serve.have(blob_id)

    async def header(self, endpoint: str, blob_id: bytes) -> bytes:
        serve = self._node(endpoint).serve
        try:
            return await serve.header(blob_id)
        except ApogeeError as error:
            raise _refused(endpoint, error) from error

    async def rows(
        self, endpoint: str, blob_id: bytes, indices: Sequence[int], *, max_bytes: int
    ) -> bytes:
        serve = self._node(endpoint).serve
        try:
            raw = await serve.rows(blob_id, indices)
        except ApogeeError as error:
            raise _refused(endpoint, error) from error
        if len(raw) > max_bytes:
            raise AnswerInvalid(endpoint=endpoint, reason="oversize", maximum=max_bytes)
        return raw

    async def leaf(self, endpoint: str, blob_id: bytes, row: int, leaf: int) -> bytes:
        serve = self._node(endpoint).serve
        try:
            return await serve.leaf(blob_id, row, leaf)
        except ApogeeError as error:
            raise _refused(endpoint, error) from error

    def _node(self, endpoint: str) -> MemoryNode:
        if endpoint not in self.nodes:
            raise NodeUnreachable(endpoint=endpoint)
        return self.nodes[endpoint]


async def _pieces(body: Body) -> AsyncIterator[bytes]:
    for chunk in body.chunks(PIECE_BYTES):
        yield chunk


def _refused(endpoint: str, error: ApogeeError) -> NodeRefused:
    return NodeRefused(endpoint=endpoint, remote_code=error.code)
