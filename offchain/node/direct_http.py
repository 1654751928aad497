"""HTTP/1.1 for large bodies between our own processes: no copies that the sockets do not need.

A request goes out in the body's own pieces, an answer of known length is read in one piece. Plain
`http://` only, one answer a request, connections kept and used again; whatever is not exactly that
is refused. An answer that comes before the body is sent (a refusal) ends the sending.
Source: https://www.rfc-editor.org/rfc/rfc9112.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from offchain.node.body import Body

MAX_HEAD_BYTES: Final = 16_384
READ_AHEAD_BYTES: Final = 1 << 22
WRITE_BYTES: Final = 1 << 18
SENT_SECONDS: Final = 1.0  # a good answer comes when the body was read; its sender ends by then
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})(?: [^\r\n]*)?")
_DIGITS: Final = re.compile(rb"[0-9]{1,12}")
_BODILESS: Final = frozenset({204, 304})


class DirectFault(Exception):
    """The peer cannot be reached, or does not speak this much HTTP."""


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """One request to an origin `http://host[:port]`."""

    origin: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """Status and body; `is_all` False when the body was longer than allowed and left unread."""

    status: int
    raw: bytes = field(repr=False)
    is_all: bool


@dataclass(slots=True, eq=False)
class _Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_used: bool = False


class DirectHttp:
    """A pool of connections by origin; close it when done."""

    def __init__(self, *, connect_seconds: float, connections: int) -> None:
        self._connect_seconds = connect_seconds
        self._places = asyncio.Semaphore(connections)
        self._idle: dict[str, list[_Line]] = {}

    async def ask(self, request: DirectRequest, *, most: int, most_refusal: int) -> DirectAnswer:
        """The answer; at most `most` bytes of a good one. Raises: DirectFault."""
        async with self._places:
            line = self._kept(request.origin)
            while line is not None:
                try:
                    return await self._on(line, request, most, most_refusal)
                except _Stale:  # closed while it was idle: nothing was answered
                    line = self._kept(request.origin)
            return await self._on(await self._new(request.origin), request, most, most_refusal)

    async def close(self) -> None:
        """End idle connections."""
        for lines in self._idle.values():
            for line in lines:
                line.writer.close()
                with suppress(OSError):
                    await line.writer.wait_closed()
        self._idle.clear()

    async def _on(
        self, line: _Line, request: DirectRequest, most: int, most_refusal: int
    ) -> DirectAnswer:
        is_kept = False
        try:
            answer, is_kept = await _exchange(line, request, most, most_refusal)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            if line.is_used:
                raise _Stale from error
            raise DirectFault(type(error).__name__) from error
        finally:
            if is_kept:
                line.is_used = True
                self._idle.setdefault(request.origin, []).append(line)
            else:
                line.writer.close()
        return answer

    def _kept(self, origin: str) -> _Line | None:
        lines = self._idle.get(origin)
        while lines:
            line = lines.pop()
            if not line.writer.is_closing() and not line.reader.at_eof():
                return line
            line.writer.close()
        return None

    async def _new(self, origin: str) -> _Line:
        parts = urlsplit(origin)
        try:
            async with asyncio.timeout(self._connect_seconds):
                reader, writer = await asyncio.open_connection(
                    parts.hostname, parts.port or 80, limit=READ_AHEAD_BYTES
                )
        except (TimeoutError, OSError, ValueError) as error:
            raise DirectFault(type(error).__name__) from error
        return _Line(reader, writer)


class _Stale(Exception):
    """A kept connection did not last."""


async def _exchange(
    line: _Line, request: DirectRequest, most: int, most_refusal: int
) -> tuple[DirectAnswer, bool]:
    """The answer, and whether the connection may be used again."""
    sending = asyncio.create_task(_send(line.writer, request))
    try:
        head = await line.reader.readuntil(b"\r\n\r\n")
        status, length, is_kept = _parsed(head)
        is_good = 200 <= status < 300
        allowed = most if is_good else most_refusal
        if length > allowed and is_good:
            return DirectAnswer(status, b"", is_all=False), False
        raw = await line.reader.readexactly(min(length, allowed))
        if is_good:
            await asyncio.wait({sending}, timeout=SENT_SECONDS)
        is_sent = sending.done() and sending.exception() is None
        is_clean = is_sent and length <= allowed
        return DirectAnswer(status, raw, is_all=True), is_kept and is_clean
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(writer: asyncio.StreamWriter, request: DirectRequest) -> None:
    target = request.path + (f"?{urlencode(request.query)}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {urlsplit(request.origin).netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body is None and request.method == "POST":
        lines.append("Content-Length: 0")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    if request.body is not None:
        for piece in request.body.pieces:
            view = memoryview(piece).cast("B")
            for start in range(0, len(view), WRITE_BYTES):
                writer.write(view[start : start + WRITE_BYTES])
                await writer.drain()
    await writer.drain()


def _parsed(head: bytes) -> tuple[int, int, bool]:
    """Status, length of the body, whether the connection stays. Raises: DirectFault."""
    first, *rest = head[:-4].split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if len(head) > MAX_HEAD_BYTES or status is None:
        raise DirectFault("status")
    fields: dict[bytes, bytes] = {}
    for one in rest:
        name, colon, value = one.partition(b":")
        if not colon or (name.lower() == b"content-length" and b"content-length" in fields):
            raise DirectFault("fields")
        fields[name.lower()] = value.strip()
    code = int(status[1])
    if b"transfer-encoding" in fields or code < 200:
        raise DirectFault("framing")
    length = fields.get(b"content-length", b"0" if code in _BODILESS else b"")
    if _DIGITS.fullmatch(length) is None:
        raise DirectFault("length")
    return code, int(length), fields.get(b"connection", b"").lower() != b"close"
