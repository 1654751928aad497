"""Tools of MCP servers that a bundle names: asked over streamable HTTP, answers bounded and texts.

A tool is `mcp.<server>.<tool>` and its capability's one host is where the server is. Tools whose
schema cannot be enforced here are not offered. A server may describe a tool as it likes: the
description reaches the model as text, and grants nothing.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from offchain.agents.manifest import Capability
from offchain.agents.runtime_errors import ToolArgumentsWrong, ToolFailed, ToolForbidden
from offchain.agents.skills import Value
from offchain.agents.tools import Call, Place, Tool

PREFIX: Final = "mcp."
SECONDS: Final = 30.0
MAX_TOOLS: Final = 64
MAX_EVENT_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"^[A-Za-z0-9_.-]{1,48}$")


@dataclass(frozen=True, slots=True)
class McpServer:
    """Where a server is and what it wants to see."""

    name: str
    place: str
    token: str = field(default="", repr=False)


class McpTools:
    """A `ToolRunner` for tools elsewhere."""

    def __init__(self, servers: Mapping[str, McpServer]) -> None:
        self._servers = servers

    async def tools(self, capabilities: tuple[Capability, ...]) -> list[Tool]:
        """What the named servers offer of what the bundle names. Raises: ToolFailed."""
        wanted = {one.name: one for one in capabilities if one.name.startswith(PREFIX)}
        out = []
        for server in {name.split(".")[1] for name in wanted}:
            for found in await self._listed(server, wanted):
                name = f"{PREFIX}{server}.{found.name}"
                if name not in wanted or not _NAME.fullmatch(found.name):
                    continue
                try:
                    about = (found.description or "")[:400]
                    out.append(Tool(name, about, found.input_schema, Place.REMOTE))
                except ToolArgumentsWrong:
                    continue  # what cannot be checked is not offered
        return out

    async def run(self, call: Call) -> Value:
        """Raises: ToolFailed, ToolForbidden."""
        _, server, name = call.tool.name.split(".", 2)
        async with self._open(server, call.reach) as client:
            try:
                found = await client.call_tool(name, dict(call.arguments))
            except MCPError as error:
                raise ToolFailed(tool=call.tool.name, reason=str(error)[:200]) from error
        texts = [one.text for one in found.content if isinstance(one, types.TextContent)]
        if found.is_error:
            raise ToolFailed(tool=call.tool.name, reason="\n".join(texts)[:200])
        return "\n".join(texts)

    async def _listed(self, server: str, wanted: Mapping[str, Capability]) -> list[types.Tool]:
        reach = next(one for name, one in wanted.items() if name.split(".")[1] == server)
        async with self._open(server, reach) as client:
            return (await client.list_tools()).tools[:MAX_TOOLS]

    @asynccontextmanager
    async def _open(self, server: str, reach: Capability) -> AsyncIterator[Client]:
        known = self._servers.get(server)
        if known is None or reach.hosts != (known.place,):
            raise ToolForbidden(server=server[:64])
        headers = {"Authorization": f"Bearer {known.token}"} if known.token else {}
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False) as http,
                Client(
                    streamable_http_client(
                        f"http://{known.place}/mcp",
                        http_client=http,
                        max_sse_event_size=MAX_EVENT_BYTES,
                    ),
                    read_timeout_seconds=SECONDS,
                ) as client,
            ):
                yield client
        except* (httpx2.HTTPError, TimeoutError, OSError, MCPError) as group:
            raise ToolFailed(server=server[:64], reason=str(group.exceptions[0])[:200]) from group
