"""Other nodes over HTTP: one pool of connections, every answer bounded in size and time.

No redirects, no proxies from the environment, no endpoint that is more than scheme, host and port:
endpoints are written by operators and are not trusted. Whatever a node says, or names itself, only
an `ApogeeError` leaves here: one operator must not end the work with all the others.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from offchain.core.bls import SIGNATURE_BYTES
from offchain.core.layout import LEAF_BYTES
from offchain.core.wire import HEADER_BYTES
from offchain.da.authenticate import SignedRequest
from offchain.da.duties import BITMAP_BYTES
from offchain.da.refusals import AnswerInvalid, NodeRefused, NodeSlow, NodeUnreachable
from offchain.node.body import Body
from offchain.node.bounded_answer import json_object, read_bounded

MAX_PROBLEM_BYTES: Final = 16_384
MAX_LEAF_BYTES: Final = LEAF_BYTES + 8 + 20 * 32
MAX_ENDPOINT_BYTES: Final = 96
# Names in their ASCII form only: what libraries make of other ones differs.
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds for one read and one upload as a whole, and for connecting; connections kept.

    A third of a quorum of 1,023 may keep its connections as long as an upload lasts.
    """

    read_seconds: float = 5.0
    upload_seconds: float = 120.0
    connect_seconds: float = 2.0
    connections: int = 512


@dataclass(frozen=True, slots=True)
class _Call:
    """One request and how much of an answer it may have."""

    method: str
    path: str
    max_bytes: int
    seconds: float
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = field(default=None, repr=False)


class HttpNodeClient:
    """A `NodeClient` over httpx; use it as an asynchronous context manager."""

    def __init__(self, limits: HttpLimits | None = None) -> None:
        self._limits = limits or HttpLimits()
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=self._limits.connect_seconds),
            limits=httpx.Limits(
                max_connections=self._limits.connections,
                max_keepalive_connections=self._limits.connections,
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send_rows(
        self, endpoint: str, blob_id: bytes, request: SignedRequest, body: Body
    ) -> bytes:
        call = _Call(
            "POST",
            f"/v1/blobs/{blob_id.hex()}/rows",
            SIGNATURE_BYTES,
            self._limits.upload_seconds,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(body.size),
                "Content-Digest": f"sha-256=:{base64.b64encode(request.body_digest).decode()}:",
                "Apogee-Expiry": str(request.expiry),
                "Apogee-Signature": request.signature.hex(),
            },
            body=body,
        )
        return await self._call(endpoint, call)

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
        call = _Call("GET", path, max_bytes, self._limits.read_seconds, query=query or {})
        return await self._call(endpoint, call)

    async def _call(self, endpoint: str, call: _Call) -> bytes:
        url = origin_of(endpoint) + call.path
        try:
            async with (
                asyncio.timeout(call.seconds),
                self._http.stream(
                    call.method,
                    url,
                    params=call.query,
                    headers=call.headers,
                    content=None if call.body is None else _sent(call.body),
                ) as answer,
            ):
                is_good = answer.status_code == httpx.codes.OK
                raw = await _read(answer, endpoint, call.max_bytes if is_good else None)
        except TimeoutError as error:
            raise NodeSlow(endpoint=endpoint, seconds=call.seconds) from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ValueError) as error:
            # A ValueError is a name that a resolver or a codec below cannot stand.
            raise NodeUnreachable(endpoint=endpoint, reason=type(error).__name__) from error
        if is_good:
            return raw
        raise _refusal(endpoint, answer.status_code, raw)


async def _sent(body: Body) -> AsyncIterator[bytes]:
    for chunk in body.chunks():
        yield chunk


def origin_of(endpoint: str) -> str:
    """`scheme://host[:port]` of an endpoint. Raises: NodeUnreachable for anything else."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise NodeUnreachable(endpoint=endpoint[:MAX_ENDPOINT_BYTES]) from error
    name = parts.hostname or ""
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if (
        len(endpoint) > MAX_ENDPOINT_BYTES
        or parts.scheme not in ("http", "https")
        or _HOST.fullmatch(name) is None
        or parts.path not in ("", "/")
        or not is_plain
    ):
        raise NodeUnreachable(endpoint=endpoint[:MAX_ENDPOINT_BYTES], reason="malformed")
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


async def _read(answer: httpx.Response, endpoint: str, max_bytes: int | None) -> bytes:
    """The body, at most `max_bytes` long; an error's body is cut instead of refused."""
    raw, is_all = await read_bounded(answer, MAX_PROBLEM_BYTES if max_bytes is None else max_bytes)
    if not is_all and max_bytes is not None:
        raise AnswerInvalid(endpoint=endpoint, reason="oversize", maximum=max_bytes)
    return raw


def _refusal(endpoint: str, status: int, raw: bytes) -> NodeRefused:
    """The refusal with the node's own code, when it named one."""
    code = json_object(raw).get("code")
    named = code[:80] if isinstance(code, str) else ""
    return NodeRefused(endpoint=endpoint, status=status, remote_code=named)
