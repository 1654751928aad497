"""A server's side of large uploads: the socket writes into the memory in which a body stays.

The ordinary way of a body is five copies and a pause of the line for each 64 KiB. An application
that knows how long a body must be asks for it in one piece: what has come already is copied, the
rest is received where it stays. Everything else about HTTP is uvicorn's: heads, framing, limits,
answers; only a body of stated length can be had this way, and never a byte behind it.
Source: https://asgi.readthedocs.io/en/latest/extensions.html.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import httptools
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

EXTENSION: Final = "apogee.whole_body"
WAKE_BYTES: Final = 1 << 18  # a line that fills fast wakes its reader for so much at once


class WholeBody(Protocol):
    """The body of one request."""

    async def read_into(self, room: memoryview) -> None:
        """Fill `room`, which is as long as the request says its body is.

        Raises: ClientDisconnect when the sender goes first.
        """
        ...


def whole_body_of(scope: Mapping[str, Any], size: int) -> WholeBody | None:
    """The body of a request, if it states exactly this size and can be had in one piece."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, _WholeBody) and found.size == size else None


class BodyProtocol(HttpToolsProtocol):
    """uvicorn's protocol, whose requests carry `WholeBody` where their body has a length."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        size = _stated_length(self.headers)
        if size is not None and self.cycle is not None and self.cycle.scope is self.scope:
            extensions: dict[str, Any] = {EXTENSION: _WholeBody(self, self.cycle, size)}
            self.scope["extensions"] = extensions

    def begin_again(self) -> None:
        """The next byte is the first of a request."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)


class _WholeBody:
    """A `WholeBody` of one request of a line."""

    def __init__(self, line: BodyProtocol, cycle: RequestResponseCycle, size: int) -> None:
        self._line = line
        self._cycle = cycle
        self.size = size

    async def read_into(self, room: memoryview) -> None:
        assert len(room) == self.size
        line, cycle = self._line, self._cycle
        if cycle.disconnected or line.transport.is_closing():
            raise ClientDisconnect
        if cycle.waiting_for_100_continue:
            line.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        come, cycle.body = cycle.body, bytearray()
        cycle.message_event.clear()
        room[: len(come)] = come
        if len(come) < self.size:
            await self._receive(room[len(come) :])
        cycle.more_body = False
        cycle.message_event.set()

    async def _receive(self, room: memoryview) -> None:
        line, cycle = self._line, self._cycle
        if line.cycle is not cycle or not cycle.more_body:
            raise ClientDisconnect  # the parser took another end of the body than the head stated
        receiver = _Receiver(line, room)
        line.transport.set_protocol(receiver)
        line.flow.resume_reading()
        try:
            await receiver.done
        except BaseException:
            cycle.keep_alive = False  # the parser does not know where the next request begins
            raise
        finally:
            receiver.leave()
        line.begin_again()


class _Receiver(asyncio.BufferedProtocol):
    """What a transport writes to while a body comes; the rest of its life goes to the line."""

    def __init__(self, line: BodyProtocol, room: memoryview) -> None:
        self._line = line
        self._room = room
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._socket: socket.socket = line.transport.get_extra_info("socket")
        self._least = 1
        self._wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._room = self._room[nbytes:]
        if self._room:
            self._wake()
            return
        self.leave()
        if not self.done.done():
            self.done.set_result(None)

    def leave(self) -> None:
        """Let the line have its transport again."""
        transport = self._line.transport
        if transport.get_protocol() is self:
            self._room = self._room[:0]
            self._wake()
            transport.set_protocol(self._line)

    def eof_received(self) -> None:
        self._line.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ClientDisconnect())
        self._line.connection_lost(exc)

    def pause_writing(self) -> None:
        self._line.pause_writing()

    def resume_writing(self) -> None:
        self._line.resume_writing()

    def _wake(self) -> None:
        """Be called for much at once, and for less only where less is left."""
        least = max(1, min(WAKE_BYTES, len(self._room)))
        if least != self._least:
            with suppress(OSError):  # gone meanwhile, or a system without it: only slower
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            self._least = least


def _stated_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """What `Content-Length` says, where nothing else frames the body."""
    names = [name for name, _ in headers]
    if names.count(b"content-length") != 1 or b"transfer-encoding" in names:
        return None
    text = dict(headers)[b"content-length"]
    return int(text) if text.isdigit() and len(text) <= 12 else None
