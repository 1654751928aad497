"""The faces of one hosted agent on one port: card and messages at /, MCP at /mcp."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from offchain.agents.adapters.a2a_face import MAX_BYTES
from offchain.agents.adapters.host_door import Door, keep_bodies_out_of_logs
from offchain.agents.adapters.mcp_face import PATH as MCP_PATH
from offchain.agents.adapters.paid_desk import PaidDesk
from offchain.agents.envelope import NO_VOUCHER, Envelope
from offchain.agents.host import Host
from offchain.agents.runtime_errors import EnvelopeRefused

LIFESPAN: Final = "lifespan"


@dataclass(frozen=True, slots=True)
class HostDesk:
    """A `Desk`: owner and renters ask the host, who brings a voucher buys from the service."""

    host: Host
    paid: PaidDesk | None = None

    async def admit(self, one: Envelope, voucher: str) -> None:
        """Strangers are refused before anything is kept.

        Raises: NotAllowedToRun, AgentStopped, and as `PaidDesk.admit`.
        """
        if not voucher and one.voucher == NO_VOUCHER:
            await self.host.admit(one.sender)
            return
        await self.host.check()
        await self._sells().admit(one, voucher)

    async def answer(self, one: Envelope, body: bytes, voucher: str) -> bytes:
        """Raises: as `Host.answer` and `PaidDesk.answer`."""
        if voucher:
            return await self._sells().answer(one, body, voucher)
        if one.voucher != NO_VOUCHER:
            return (await self.host.sold(one.voucher.hex())).to_bytes()
        return (await self.host.answer(one.sender, body)).to_bytes()

    def _sells(self) -> PaidDesk:
        if self.paid is None:
            raise EnvelopeRefused(reason="the agent sells nothing")
        return self.paid


class Faces:
    """One application of two; the MCP one has a life of its own, which is kept."""

    def __init__(self, talk: Starlette, mcp: Starlette, hosts: Sequence[str]) -> None:
        """`hosts`: how requests may name this machine."""
        keep_bodies_out_of_logs()
        self._talk: ASGIApp = Door(talk, hosts=hosts, most=MAX_BYTES)
        self._mcp: ASGIApp = Door(mcp, hosts=hosts, most=MAX_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_mcp = scope["type"] == LIFESPAN or scope["path"] == MCP_PATH
        await (self._mcp if is_mcp else self._talk)(scope, receive, send)
