"""DA nodes over HTTP: which routes there are, and what their failures are called."""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from offchain.core.bls import SIGNATURE_BYTES
from offchain.core.layout import LEAF_BYTES
from offchain.core.wire import HEADER_BYTES
from offchain.da.authenticate import SignedRequest
from offchain.da.duties import BITMAP_BYTES
from offchain.da.refusals import AnswerInvalid, NodeRefused, NodeSlow, NodeUnreachable
from offchain.node.body import Body
from offchain.node.peer_http import HttpLimits, PeerCall, PeerErrors, PeerHttp

MAX_LEAF_BYTES: Final = LEAF_BYTES + 8 + 20 * 32
ERRORS: Final = PeerErrors(NodeUnreachable, NodeSlow, NodeRefused, AnswerInvalid)


class HttpNodeClient(PeerHttp):
    """A `NodeClient`; use it as an asynchronous context manager."""

    def __init__(self, limits: HttpLimits | None = None) -> None:
        super().__init__(ERRORS, limits)

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
    ) -> bytes:
        call = PeerCall(
            "POST",
            f"/v1/blobs/{blob_id.hex()}/rows",
            SIGNATURE_BYTES,
            self.limits.upload_seconds,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Digest": f"sha-256=:{base64.b64encode(request.body_digest).decode()}:",
                "Apogee-Expiry": str(request.expiry),
                "Apogee-Signature": request.signature.hex(),
            },
            body=body,
        )
        return await self.call(endpoint, call)

    async def signature(self, endpoint: str, blob_id: bytes) -> bytes:
        return await self._get(endpoint, blob_id, "signature", SIGNATURE_BYTES)

    async def have(self, endpoint: str, blob_id: bytes) -> bytes:
        bitmap = await self._get(endpoint, blob_id, "have", BITMAP_BYTES)
        if len(bitmap) != BITMAP_BYTES:
            raise AnswerInvalid(endpoint=endpoint, bytes=len(bitmap))
        return bitmap

    async def header(self, endpoint: str, blob_id: bytes) -> bytes:
        return await self._get(endpoint, blob_id, "header", HEADER_BYTES)

    async def rows(
        self, endpoint: str, blob_id: bytes, indices: Sequence[int], *, max_bytes: int
    ) -> bytes:
        query = {"i": ",".join(map(str, indices))}
        return await self._get(endpoint, blob_id, "rows", max_bytes, query)

    async def leaf(self, endpoint: str, blob_id: bytes, row: int, leaf: int) -> bytes:
        query = {"row": str(row), "leaf": str(leaf)}
        return await self._get(endpoint, blob_id, "leaf", MAX_LEAF_BYTES, query)

    async def _get(
        self,
        endpoint: str,
        blob_id: bytes,
        what: str,
        max_bytes: int,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        path = f"/v1/blobs/{blob_id.hex()}/{what}"
        call = PeerCall("GET", path, max_bytes, self.limits.read_seconds, query=query or {})
        return await self.call(endpoint, call)
