"""Large uploads over a real socket: received in one piece, and never a byte behind the body."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from offchain.apps.home import choose_ports
from offchain.node.body_protocol import WAKE_BYTES, whole_body_of
from offchain.node.http_face import loopback_server

LARGE = 5 * WAKE_BYTES + 17


def head_of(size: int | str, *more: str) -> bytes:
    lines = ["PUT /b HTTP/1.1", "Host: localhost", f"Content-Length: {size}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def bytes_of(size: int, start: int = 0) -> bytes:
    return bytes((start + place * 7) % 251 for place in range(size))


@dataclass(slots=True)
class Taker:
    """An application that takes bodies of known size whole, and others in pieces."""

    size: int
    seconds: float | None = None
    bodies: list[bytes] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = whole_body_of(scope, self.size)
        status = 201
        try:
            if body is None:
                self.ways.append("pieces")
                self.bodies.append(await request.body())
            else:
                self.ways.append("whole")
                room = memoryview(bytearray(self.size))
                async with asyncio.timeout(self.seconds):
                    await body.read_into(room)
                self.bodies.append(bytes(room))
                assert await request.body() == b""  # nothing is left of it
        except TimeoutError:
            status = 503
        except ClientDisconnect:
            self.ways.append("gone")
            return
        await Response(b"ok", status)(scope, receive, send)


@asynccontextmanager
async def a_line(
    taker: Taker,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = choose_ports(["taker"])["taker"]
    server = loopback_server(taker, port, connections=8, takes_large=True)
    running = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer
        writer.close()
    finally:
        server.should_exit = True
        await running


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen within ten seconds")


async def status_in(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"content-length: 2" in head.lower():
        await reader.readexactly(2)
    return int(head.split()[1])


@pytest.mark.parametrize("size", [1, 1_000, WAKE_BYTES, WAKE_BYTES + 1, LARGE])
@pytest.mark.parametrize("split", [0, 1, 700])
def test_whole_body__come_in_two_parts__is_whole_and_the_line_goes_on(
    size: int, split: int
) -> None:
    async def story() -> Taker:
        taker = Taker(size)
        async with a_line(taker) as (reader, writer):
            for turn in range(2):
                body = bytes_of(size, turn)
                writer.write(head_of(size) + body[:split])
                await writer.drain()
                await asyncio.sleep(0.01)
                writer.write(body[split:])
                assert await status_in(reader) == 201
        return taker

    taker = asyncio.run(story())

    assert [bytes_of(size, 0), bytes_of(size, 1)] == taker.bodies
    assert taker.ways == ["whole"] * 2


def test_whole_body__two_requests_at_once__each_gets_its_own_bytes() -> None:
    async def story() -> Taker:
        taker = Taker(LARGE)
        async with a_line(taker) as (reader, writer):
            first, second = bytes_of(LARGE, 1), bytes_of(LARGE, 2)
            writer.write(head_of(LARGE) + first + head_of(LARGE) + second)
            assert [await status_in(reader), await status_in(reader)] == [201, 201]
        return taker

    taker = asyncio.run(story())

    assert [bytes_of(LARGE, 1), bytes_of(LARGE, 2)] == taker.bodies


def test_whole_body__sender_waits_to_be_asked__is_asked() -> None:
    async def story() -> Taker:
        taker = Taker(LARGE)
        async with a_line(taker) as (reader, writer):
            writer.write(head_of(LARGE, "Expect: 100-continue"))
            assert await status_in(reader) == 100
            writer.write(bytes_of(LARGE))
            assert await status_in(reader) == 201
        return taker

    assert [bytes_of(LARGE)] == asyncio.run(story()).bodies


@pytest.mark.parametrize("sent", [0, 100, LARGE - 1])
def test_whole_body__sender_hangs_up__nothing_was_taken(sent: int) -> None:
    async def story() -> Taker:
        taker = Taker(LARGE)
        async with a_line(taker) as (_, writer):
            writer.write(head_of(LARGE) + bytes_of(sent))
            await writer.drain()
            await until(lambda: bool(taker.ways))
            writer.close()
            await until(lambda: "gone" in taker.ways)
        return taker

    assert asyncio.run(story()).bodies == []


def test_whole_body__sender_is_too_slow__refused_and_the_line_ends() -> None:
    async def story() -> tuple[int, bytes]:
        taker = Taker(LARGE, seconds=0.2)
        async with a_line(taker) as (reader, writer):
            writer.write(head_of(LARGE) + bytes_of(LARGE // 2))
            status = await status_in(reader)
            return status, await reader.read()

    assert asyncio.run(story()) == (503, b"")


@pytest.mark.parametrize(
    "head",
    [
        head_of(LARGE + 1),
        head_of(f"0{LARGE}", "X-Other: 1").replace(b"Content-Length", b"X-Length"),
        head_of("").replace(b"Content-Length: ", b"Transfer-Encoding: chunked"),
    ],
)
def test_whole_body__no_length_or_another_one__not_offered(head: bytes) -> None:
    async def story() -> Taker:
        taker = Taker(LARGE)
        async with a_line(taker) as (_, writer):
            writer.write(head)
            await until(lambda: bool(taker.ways))
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        return taker

    assert asyncio.run(story()).ways[0] == "pieces"


@pytest.mark.parametrize("more", ["Transfer-Encoding: chunked", f"Content-Length: {LARGE}"])
def test_whole_body__two_ways_to_frame_it__refused_before_the_application(more: str) -> None:
    async def story() -> tuple[int, Taker]:
        taker = Taker(LARGE)
        async with a_line(taker) as (reader, writer):
            writer.write(head_of(LARGE, more) + bytes_of(10))
            return await status_in(reader), taker

    status, taker = asyncio.run(story())

    assert (status, taker.bodies) == (400, [])
