"""HTTP/1.1 for large bodies between our own processes: no copies that the sockets do not need.

A request goes out in the body's own pieces, an answer of known length is read into the memory it
stays in; there is no transport with buffers of its own between. Plain `http://` only, one answer a
request, connections kept and used again; whatever is not exactly that is refused. An answer that
comes before the body is sent (a refusal) ends the sending.
Source: https://www.rfc-editor.org/rfc/rfc9112.
"""

import asyncio
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

import numpy as np

from offchain.node.body import Body

MAX_HEAD_BYTES: Final = 16_384
SMALL_BYTES: Final = 1 << 16  # pieces up to here go out together
WAKE_BYTES: Final = 1 << 18  # a large body wakes its reader for so much at once
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
    raw: memoryview = field(repr=False)
    is_all: bool


@dataclass(slots=True, eq=False)
class _Line:
    """One connection."""

    socket: socket.socket
    is_used: bool = False

    def is_open(self) -> bool:
        """Whether the peer keeps an idle connection, and has said nothing on it."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


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
                line.socket.close()
        self._idle.clear()

    async def _on(
        self, line: _Line, request: DirectRequest, most: int, most_refusal: int
    ) -> DirectAnswer:
        is_kept = False
        try:
            answer, is_kept = await _exchange(line, request, most, most_refusal)
        except (OSError, EOFError) as error:
            if line.is_used:
                raise _Stale from error
            raise DirectFault(type(error).__name__) from error
        finally:
            if is_kept:
                line.is_used = True
                self._idle.setdefault(request.origin, []).append(line)
            else:
                line.socket.close()
        return answer

    def _kept(self, origin: str) -> _Line | None:
        lines = self._idle.get(origin)
        while lines:
            line = lines.pop()
            if line.is_open():
                return line
            line.socket.close()
        return None

    async def _new(self, origin: str) -> _Line:
        parts = urlsplit(origin)
        try:
            async with asyncio.timeout(self._connect_seconds):
                return _Line(await _connected(parts.hostname or "", parts.port or 80))
        except (TimeoutError, OSError, ValueError) as error:
            raise DirectFault(type(error).__name__) from error


class _Stale(Exception):
    """A kept connection did not last."""


async def _connected(host: str, port: int) -> socket.socket:
    """A connection to the first address that takes one. Raises: OSError, ValueError."""
    loop = asyncio.get_running_loop()
    failure = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        own = socket.socket(family, kind, protocol)
        try:
            own.setblocking(False)
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(own, address)
        except OSError as error:
            own.close()
            failure = error
        except BaseException:
            own.close()
            raise
        else:
            return own
    raise failure


async def _exchange(
    line: _Line, request: DirectRequest, most: int, most_refusal: int
) -> tuple[DirectAnswer, bool]:
    """The answer, and whether the connection may be used again."""
    sending = asyncio.create_task(_send(line.socket, request))
    try:
        head, start = await _read_head(line.socket)
        status, length, is_kept = _parsed(head)
        is_good = 200 <= status < 300
        allowed = most if is_good else most_refusal
        if length > allowed and is_good:
            return DirectAnswer(status, memoryview(b""), is_all=False), False
        raw = await _read_body(line.socket, start, min(length, allowed))
        if is_good:
            await asyncio.wait({sending}, timeout=SENT_SECONDS)
        is_sent = sending.done() and sending.exception() is None
        is_clean = is_sent and length <= allowed and len(start) <= length
        return DirectAnswer(status, raw, is_all=True), is_kept and is_clean
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _read_head(own: socket.socket) -> tuple[bytes, bytes]:
    """The head of an answer, and what came with it of the body. Raises: DirectFault."""
    loop, got = asyncio.get_running_loop(), b""
    while (end := got.find(b"\r\n\r\n")) < 0:
        if len(got) > MAX_HEAD_BYTES:
            raise DirectFault("head")
        piece = await loop.sock_recv(own, MAX_HEAD_BYTES)
        if not piece:
            raise EOFError
        got += piece
    return got[: end + 4], got[end + 4 :]


def _wake_for(own: socket.socket, least: int) -> None:
    """Be called when so much is there at once, or the peer is gone."""
    with suppress(OSError):  # a system without it: only slower
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)


async def _read_body(own: socket.socket, start: bytes, size: int) -> memoryview:
    """So many bytes, of which the first are here already. Raises: EOFError."""
    loop, filled = asyncio.get_running_loop(), min(len(start), size)
    view = np.empty(size, np.uint8).data  # not zeroed: every byte is received or nothing is
    view[:filled] = start[:filled]
    least = 1
    while filled < size:
        if size - filled < least or (least == 1 and size - filled >= WAKE_BYTES):
            least = min(WAKE_BYTES, size - filled)
            _wake_for(own, least)
        count = await loop.sock_recv_into(own, view[filled:])
        if not count:
            raise EOFError
        filled += count
    if least > 1:
        _wake_for(own, 1)
    return view


async def _send(own: socket.socket, request: DirectRequest) -> None:
    loop = asyncio.get_running_loop()
    for piece in _pieces(request):
        await loop.sock_sendall(own, piece)


def _pieces(request: DirectRequest) -> Iterator[bytes | memoryview]:
    """Head and body as they go out: small pieces together, large ones as they lie."""
    target = request.path + (f"?{urlencode(request.query)}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {urlsplit(request.origin).netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body is None and request.method == "POST":
        lines.append("Content-Length: 0")
    waiting = bytearray(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    for piece in request.body.pieces if request.body is not None else ():
        view = memoryview(piece).cast("B")
        if len(view) <= SMALL_BYTES:
            waiting += view
            continue
        yield bytes(waiting)
        waiting.clear()
        yield view
    if waiting:
        yield bytes(waiting)


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
