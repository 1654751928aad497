"""A server in the loop of a test, ended with its block."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def serving(server: uvicorn.Server) -> AsyncIterator[str]:
    """It answers from here on; where."""
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def listening(app_of: Callable[[int], ASGIApp]) -> AsyncIterator[int]:
    """An application that is told its port, on a free one."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    config = uvicorn.Config(app_of(port), host="127.0.0.1", port=port, log_level="error")
    async with serving(uvicorn.Server(config)):
        yield port
