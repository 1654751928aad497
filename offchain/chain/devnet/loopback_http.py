"""A small HTTP/1.1 client for one server on this machine: keep-alive, one POST at a time each.

A general client costs more time for a request than Anvil needs to answer it. Anvil always sends a
content-length; anything else is refused.
"""

import asyncio
from typing import Final

from offchain.chain.devnet.faults import BackendGone

MAX_CONNECTIONS: Final = 32
ANSWER_SECONDS: Final = 120.0
_LENGTH: Final = b"content-length:"

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class LoopbackHttp:
    """Connections to 127.0.0.1:`port`, made as needed and kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def post(self, body: bytes) -> bytes:
        """The body of the answer. Raises: BackendGone."""
        async with self._free:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await self._post(body)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                raise BackendGone(f"the node behind this address failed: {error}") from error

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _post(self, body: bytes) -> bytes:
        while self._idle:
            connection = self._idle.pop()
            if connection[0].at_eof() or connection[1].is_closing():
                connection[1].close()
                continue
            return await self._exchange(connection, body)
        connection = await asyncio.open_connection("127.0.0.1", self._port)
        return await self._exchange(connection, body)

    async def _exchange(self, connection: _Connection, body: bytes) -> bytes:
        reader, writer = connection
        is_reusable = False
        try:
            writer.write(
                b"POST / HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n" % (self._port, len(body)) + body
            )
            await writer.drain()
            answer = await reader.readexactly(_content_length(await reader.readuntil(b"\r\n\r\n")))
            is_reusable = True
            return answer
        finally:
            if is_reusable:
                self._idle.append(connection)
            else:
                writer.close()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    raise ValueError("an answer without content-length")
