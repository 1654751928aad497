"""Other nodes over HTTP: one pool of connections, every answer bounded in size and time.

No redirects, no proxies from the environment, no endpoint that is more than scheme, host and port:
endpoints are written by operators and are not trusted. Whatever a node says, or names itself, only
an `ApogeeError` leaves here: one operator must not end the work with all the others. Which errors
they are, the domain says that owns the node.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from offchain.core.errors import ApogeeError
from offchain.node.body import Body
from offchain.node.bounded_answer import json_object, read_bounded

MAX_PROBLEM_BYTES: Final = 16_384
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
class PeerErrors:
    """What a domain calls a node that cannot be reached, is slow, refuses, or answers nonsense."""

    unreachable: type[ApogeeError]
    slow: type[ApogeeError]
    refused: type[ApogeeError]
    invalid: type[ApogeeError]


@dataclass(frozen=True, slots=True)
class PeerCall:
    """One request and how much of an answer it may have."""

    method: str
    path: str
    max_bytes: int
    seconds: float
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = field(default=None, repr=False)


class PeerHttp:
    """Calls over httpx; use it as an asynchronous context manager."""

    def __init__(self, errors: PeerErrors, limits: HttpLimits | None = None) -> None:
        self.limits = limits or HttpLimits()
        self._errors = errors
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=self.limits.connect_seconds),
            limits=httpx.Limits(
                max_connections=self.limits.connections,
                max_keepalive_connections=self.limits.connections,
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

    async def call(self, endpoint: str, call: PeerCall) -> bytes:
        """The body of a good answer. Raises: the domain's four errors."""
        async with self.open(endpoint, call) as answer:
            raw, is_all = await read_bounded(answer, call.max_bytes)
        if not is_all:
            raise self.oversize(endpoint, call.max_bytes)
        return raw

    @asynccontextmanager
    async def open(self, endpoint: str, call: PeerCall) -> AsyncIterator[httpx.Response]:
        """A good answer whose body comes; only read it inside, and count what is read.

        Raises: the domain's four errors, also while the body is read.
        """
        origin = origin_in(endpoint)
        if origin is None:
            raise self._errors.unreachable(endpoint=endpoint[:MAX_ENDPOINT_BYTES])
        try:
            async with (
                asyncio.timeout(call.seconds),
                self._http.stream(
                    call.method,
                    origin + call.path,
                    params=call.query,
                    headers=_headers(call),
                    content=None if call.body is None else _sent(call.body),
                ) as answer,
            ):
                if not answer.is_success:
                    raw, _ = await read_bounded(answer, MAX_PROBLEM_BYTES)
                    raise self.refusal(endpoint, answer.status_code, raw)
                yield answer
        except TimeoutError as error:
            raise self._errors.slow(endpoint=endpoint, seconds=call.seconds) from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ValueError) as error:
            # A ValueError is a name that a resolver or a codec below cannot stand.
            reason = type(error).__name__
            raise self._errors.unreachable(endpoint=endpoint, reason=reason) from error

    def oversize(self, endpoint: str, most: int) -> ApogeeError:
        """An answer that is longer than it may be."""
        return self._errors.invalid(endpoint=endpoint, reason="oversize", maximum=most)

    def refusal(self, endpoint: str, status: int, raw: bytes) -> ApogeeError:
        """The refusal with the node's own code, when it named one."""
        code = json_object(raw).get("code")
        named = code[:80] if isinstance(code, str) else ""
        return self._errors.refused(endpoint=endpoint, status=status, remote_code=named)


def origin_in(endpoint: str) -> str | None:
    """`scheme://host[:port]` of an endpoint; None for anything else."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return None
    name = parts.hostname or ""
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if (
        len(endpoint) > MAX_ENDPOINT_BYTES
        or parts.scheme not in ("http", "https")
        or _HOST.fullmatch(name) is None
        or parts.path not in ("", "/")
        or not is_plain
    ):
        return None
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _headers(call: PeerCall) -> dict[str, str]:
    """Answers are read as they come, so no encoding is asked for; a body says how long it is."""
    size = {} if call.body is None else {"Content-Length": str(call.body.size)}
    return {"Accept-Encoding": "identity", **size, **call.headers}


async def _sent(body: Body) -> AsyncIterator[bytes]:
    for chunk in body.chunks():
        yield chunk
