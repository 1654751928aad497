"""The large-body transport against servers that say anything: an answer, or one kind of fault."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from offchain.node.body import Body
from offchain.node.direct_http import DirectAnswer, DirectFault, DirectHttp, DirectRequest

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _saying(*answers: bytes, is_closed: bool = False) -> Talk:
    """Reads a head and says the next answer, again and again."""
    waiting = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while waiting:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(waiting.pop(0))
                await writer.drain()
                if is_closed:
                    break
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    return talk


async def _asked(talk: Talk, times: int = 1, **changes: object) -> list[DirectAnswer]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    http = DirectHttp(connect_seconds=2.0, connections=4)
    request = DirectRequest(f"http://127.0.0.1:{port}", **{"method": "GET", "path": "/", **changes})
    try:
        return [
            await asyncio.wait_for(http.ask(request, most=100, most_refusal=50), 20)
            for _ in range(times)
        ]
    finally:
        await http.close()
        server.close()
        await server.wait_closed()


def test_answer__of_known_length__is_read_and_the_connection_used_again() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

    found = asyncio.run(_asked(_saying(good, good), times=2))

    assert [(one.status, one.raw, one.is_all) for one in found] == [(200, b"abc", True)] * 2


def test_answer__connection_closed_while_idle__is_asked_again() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

    found = asyncio.run(_asked(_saying(good, good, is_closed=True), times=2))

    assert [one.raw for one in found] == [b"abc", b"abc"]


def test_answer__longer_than_allowed__is_left_unread_and_a_refusal_is_cut() -> None:
    (good,) = asyncio.run(
        _asked(_saying(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + bytes(101)))
    )
    (bad,) = asyncio.run(
        _asked(_saying(b"HTTP/1.1 404 No\r\nContent-Length: 90\r\n\r\n" + bytes(90)))
    )

    assert (good.is_all, good.raw) == (False, b"")
    assert (bad.status, len(bad.raw)) == (404, 50)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        b"\xff" * 20_000 + b"\r\n\r\n",
    ],
)
def test_answer__that_is_not_exactly_this_much_http__is_a_fault(answer: bytes) -> None:
    with pytest.raises(DirectFault):
        asyncio.run(_asked(_saying(answer, is_closed=True)))


def test_nobody_there__is_a_fault() -> None:
    async def story() -> None:
        http = DirectHttp(connect_seconds=1.0, connections=1)
        request = DirectRequest("http://127.0.0.1:1", "GET", "/")
        await http.ask(request, most=1, most_refusal=1)

    with pytest.raises(DirectFault):
        asyncio.run(story())


def test_upload__refused_before_its_body_was_read__is_the_refusal() -> None:
    body = Body.of(bytes(40 << 20))

    (found,) = asyncio.run(
        _asked(
            _saying(b"HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno"),
            method="PUT",
            body=body,
            headers={"Content-Length": str(body.size)},
        )
    )

    assert (found.status, found.raw) == (422, b"no")


def test_upload__of_many_pieces__arrives_whole() -> None:
    arrived: list[bytes] = []
    body = Body.of(b"abc", memoryview(bytes(700_000)), b"end")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.append(await reader.readexactly(body.size))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    headers = {"Content-Length": str(body.size)}
    (found,) = asyncio.run(_asked(talk, method="PUT", body=body, headers=headers))

    assert (found.status, found.raw) == (204, b"")
    assert arrived == [b"abc" + bytes(700_000) + b"end"]
