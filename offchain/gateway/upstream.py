"""HTTP/1.1 to providers: bodies go out as they came in, answers come piece by piece.

Connections are kept and used again. An answer must say how long it is or come in chunks; one that
just ends is a fault. Heads, bodies and read-ahead are bounded; no redirects, no proxies.
Source: https://www.rfc-editor.org/rfc/rfc9112.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

from offchain.core.errors import Unavailable

MAX_HEAD_BYTES: Final = 32_768
READ_AHEAD_BYTES: Final = 1 << 18
IDLE_SECONDS: Final = 20.0  # a kept connection is not used after so long


class ProviderUnreachable(Unavailable):
    """The provider does not answer, or does not speak HTTP."""

    code = "compute.provider_unreachable"
    next_step = "Ask again: the gateway goes on with another provider when there is one."


class Unsent(ProviderUnreachable):
    """The provider cannot be reached: nothing was sent."""

    code = "compute.provider_unsent"


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Seconds to connect, until the head of an answer and between its pieces; of the whole.

    `connections`: kept for each provider.
    """

    connect_seconds: float = 2.0
    first_seconds: float = 35.0
    idle_seconds: float = 20.0
    total_seconds: float = 310.0
    connections: int = 256


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


class Upstream:
    """Connections to providers by origin; close it when done."""

    def __init__(self, limits: UpstreamLimits | None = None) -> None:
        self.limits = limits or UpstreamLimits()
        self._idle: dict[str, deque[tuple[_Line, float]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def close(self) -> None:
        """End idle connections."""
        for lines in self._idle.values():
            for line, _ in lines:
                line.end()
        self._idle.clear()

    async def open(self, origin: str, call: UpstreamCall) -> "UpstreamAnswer":
        """The head of the answer. Raises: Unsent, ProviderUnreachable."""
        raw = _request_bytes(origin, call)
        while (line := self._kept(origin)) is not None:
            with suppress(_Gone):  # closed while it was idle: nothing was answered
                return await self._answer(origin, line, raw)
        line = await self._connect(origin)
        try:
            return await self._answer(origin, line, raw)
        except _Gone as error:
            raise ProviderUnreachable(reason="hung up") from error

    async def _answer(self, origin: str, line: "_Line", raw: bytes) -> "UpstreamAnswer":
        try:
            async with asyncio.timeout(self.limits.first_seconds):
                await line.send(raw)
        except BaseException as error:
            line.end()
            if isinstance(error, TimeoutError):
                seconds = self.limits.first_seconds
                raise ProviderUnreachable(reason="slow", seconds=seconds) from error
            raise
        return UpstreamAnswer(line, self, origin)

    def keep(self, origin: str, line: "_Line") -> None:
        """For the next request, or not."""
        lines = self._idle.setdefault(origin, deque())
        if line.is_reusable and len(lines) < self.limits.connections:
            lines.append((line, asyncio.get_running_loop().time()))
        else:
            line.end()

    def _kept(self, origin: str) -> "_Line | None":
        lines = self._idle.get(origin)
        while lines:
            line, since = lines.pop()
            if line.is_reusable and asyncio.get_running_loop().time() - since < IDLE_SECONDS:
                return line
            line.end()
        return None

    async def _connect(self, origin: str) -> "_Line":
        parts = urlsplit(origin)
        is_tls = parts.scheme == "https"
        if is_tls and self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                _, line = await asyncio.get_running_loop().create_connection(
                    _Line,
                    parts.hostname or "",
                    parts.port or (443 if is_tls else 80),
                    ssl=self._tls if is_tls else None,
                )
        except (TimeoutError, OSError, ValueError) as error:
            raise Unsent(reason=type(error).__name__) from error
        return line


class UpstreamAnswer:
    """Status, headers and the body as it comes; read to the end or `abort`."""

    def __init__(self, line: "_Line", upstream: Upstream, origin: str) -> None:
        self._line = line
        self._upstream = upstream
        self._origin = origin
        self._is_read = False  # then the connection may be another answer's
        self.status = line.status
        self.headers: Mapping[str, str] = dict(line.headers)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body; the connection is kept when it is read to its end.

        Raises: ProviderUnreachable when it does not come to one.
        """
        limits = self._upstream.limits
        try:
            while True:
                if not self._line.has_piece:
                    try:
                        async with asyncio.timeout(limits.idle_seconds):
                            await self._line.wait_for_piece()
                    except (TimeoutError, _Gone) as error:
                        raise ProviderUnreachable(reason="answer broke off") from error
                piece = self._line.take()
                if not piece:
                    break
                yield piece
        except BaseException:
            self.abort()
            raise
        self._is_read = True
        self._upstream.keep(self._origin, self._line)

    async def read(self, most: int) -> bytes:
        """The whole body. Raises: ProviderUnreachable when it breaks off or is too long."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > most:
                self.abort()
                raise ProviderUnreachable(reason="answer too long", maximum=most)
        return bytes(found)

    def abort(self) -> None:
        """Hang up: the provider stops, and no more is paid for. Of one read to its end: nothing."""
        if not self._is_read:
            self._line.end()


class _Gone(Exception):
    """The connection ended before the answer did."""


class _Line(asyncio.Protocol):
    """One connection; one answer at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._wake: asyncio.Future[None] | None = None
        self._is_lost = False
        self._is_keeping = True
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._head_bytes = 0
        self._is_headed = False
        self._is_over = False
        self._is_framed = False
        self.status = 0
        self.headers: dict[str, str] = {}

    @property
    def is_reusable(self) -> bool:
        transport = self._transport
        is_open = transport is not None and not transport.is_closing()
        return is_open and not self._is_lost and self._is_over and self._is_keeping

    async def send(self, raw: bytes) -> None:
        """Send a request and wait for the head of its answer. Raises: _Gone."""
        assert self._transport is not None
        self._reset()
        self._transport.write(raw)
        while not self._is_headed:
            await self._more()

    @property
    def has_piece(self) -> bool:
        """Whether bytes of the body, or its end, are here."""
        return bool(self._pieces) or self._is_over

    async def wait_for_piece(self) -> None:
        """Raises: _Gone."""
        while not self.has_piece:
            await self._more()

    def take(self) -> bytes:
        """The next bytes of the body; empty at its end."""
        if not self._pieces:
            return b""
        found = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._waiting_bytes > READ_AHEAD_BYTES and self._transport is not None:
            self._transport.resume_reading()
        self._waiting_bytes = 0
        return found

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self._is_lost:
            raise _Gone
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_lost = True
            self.end()
        self._rouse()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._is_lost = True
        self._rouse()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("head too long")
        lower = name.decode("latin-1").lower()
        self._is_framed |= lower in ("content-length", "transfer-encoding")
        self.headers[lower] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if not self._is_framed and self.status not in (204, 304):
            raise httptools.HttpParserError("an answer without an end")
        self._is_keeping = self._parser.should_keep_alive()
        self._is_headed = True

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes + len(body)
        if before <= READ_AHEAD_BYTES < self._waiting_bytes and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self._is_over = True


def _request_bytes(origin: str, call: UpstreamCall) -> bytes:
    lines = [f"{call.method} {call.path} HTTP/1.1", f"Host: {urlsplit(origin).netloc}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    if call.method == "POST":
        lines.append(f"Content-Length: {len(call.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + call.body
