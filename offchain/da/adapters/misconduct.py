"""Adversaries: nodes that sign, and then do not keep what they signed for.

A drill starts real node processes with one of these; they answer no challenge. A node takes such a
flag on a devnet only. Readers must not be harmed by them and the court must take their stake.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from enum import Enum
from typing import Any, Final

from offchain.da.adapters.lying_server import Lie, LyingServer
from offchain.da.refusals import RowNotHeld
from offchain.da.serve import RowServer

FRIEND: Final = b"apogee-friend"  # the request header that friends send

Scope = MutableMapping[str, Any]
Channel = Callable[..., Awaitable[Any]]
App = Callable[[Scope, Channel, Channel], Awaitable[None]]


class Misconduct(Enum):
    """What a node does after it has signed."""

    WITHHOLD = "withhold"
    FRIENDS_ONLY = "friends-only"
    WRONG_BYTES = "wrong-bytes"
    WRONG_INDEX = "wrong-index"


def misbehaving(honest: RowServer, misconduct: Misconduct) -> RowServer:
    """What answers readers in place of the honest server."""
    match misconduct:
        case Misconduct.WITHHOLD:
            return _WithholdingServer(honest)
        case Misconduct.WRONG_BYTES:
            return LyingServer(honest, Lie.WRONG_BYTES)
        case Misconduct.WRONG_INDEX:
            return LyingServer(honest, Lie.SWAPPED)
        case Misconduct.FRIENDS_ONLY:
            return honest


class OnlyFriends:
    """ASGI middleware: rows only for those who send the friends' header."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        is_read = scope["type"] == "http" and scope["path"].endswith(("/rows", "/leaf"))
        is_friend = any(name == FRIEND for name, _ in scope.get("headers", ()))
        if not is_read or is_friend or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class _WithholdingServer:
    """A `RowServer` that shows that it holds rows, and none of them."""

    def __init__(self, honest: RowServer) -> None:
        self._honest = honest

    async def have(self, blob_id: bytes) -> bytes:
        return await self._honest.have(blob_id)

    async def header(self, blob_id: bytes) -> bytes:
        return await self._honest.header(blob_id)

    async def rows(self, blob_id: bytes, indices: Sequence[int]) -> bytes:
        raise RowNotHeld(blob_id=blob_id.hex(), row=min(indices, default=0))

    async def leaf(self, blob_id: bytes, row: int, leaf: int) -> bytes:
        del leaf
        raise RowNotHeld(blob_id=blob_id.hex(), row=row)
