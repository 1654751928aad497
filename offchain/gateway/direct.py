"""Doors that are asked most often, opened without the framework's steps around a route.

A request of such a route passes the same guard, the same table of access and the same handler as
any other; what it skips is the search for a route and the solving of dependencies that it has none
of. FastAPI keeps the routes, and documents them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from offchain.core.errors import ApogeeError

Door = Callable[[Request], Awaitable[Response]]


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class OpenedAt:
    """Where a request came in, as the guard counts it."""

    path: str


@dataclass(frozen=True, slots=True)
class Direct:
    """Stands before the application. `doors`: handlers of POST by path; `admit` is asked first."""

    app: ASGIApp
    doors: Mapping[str, Door]
    admit: Callable[[Request, str], Awaitable[None]]
    refuse: Callable[[Request, ApogeeError], Response]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self.doors.get(scope["path"]) if scope["type"] == "http" else None
        if door is None or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        scope["route"] = OpenedAt(path)
        request = Request(scope, receive, send)
        try:
            await self.admit(request, path)
            response = await door(request)
        except ClientLeft:
            return
        except ApogeeError as error:
            response = self.refuse(request, error)
        await response(scope, receive, send)


@asynccontextmanager
async def while_there(receive: Receive) -> AsyncIterator[None]:
    """Cancel what runs inside when the client hangs up; his body must be read. Raises: ClientLeft.

    What is under way ends as it does for any who leave: the provider is hung up on, and what it
    sold until then its receipt says.
    """
    here = asyncio.current_task()
    assert here is not None
    watching = asyncio.create_task(_left(receive))
    is_over = False

    def leave(_: asyncio.Task[None]) -> None:
        if not is_over:
            here.cancel()

    watching.add_done_callback(leave)
    try:
        yield
    except asyncio.CancelledError:
        if watching.done() and not watching.cancelled() and here.uncancel() == 0:
            raise ClientLeft from None
        raise
    finally:
        is_over = True
        watching.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
