"""A guest of another agent's MCP server: each request signed, each answer the agent's own.

`EnvelopeAuth` is given to the HTTP client of any MCP client. Requests of one conversation are sent
one after the other, because envelopes count.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from offchain.agents.adapters.mcp_guests import HEADER, TERMS
from offchain.agents.ask import MAX_ANSWER_BYTES, Ask
from offchain.agents.envelope import Conversation, Mailbox, SignedEnvelope
from offchain.agents.runtime_errors import EnvelopeRefused, ToolFailed

SECONDS: Final = 90.0
MAX_EVENT_BYTES: Final = 2 * MAX_ANSWER_BYTES


class EnvelopeAuth(httpx2.Auth):
    """Signs each request as the next envelope of a conversation."""

    def __init__(self, talk: Conversation, clock: Callable[[], int]) -> None:
        self._talk = talk
        self._clock = clock
        self._turn = asyncio.Lock()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        async with self._turn:
            signed = self._talk.say(await request.aread(), self._clock())
            request.headers[HEADER] = json.dumps(signed.as_json(), separators=(",", ":"))
            yield request


@dataclass(frozen=True, slots=True)
class McpGuest:
    """Says asks to an agent at a URL, each in a conversation and a mailbox of its own."""

    url: str
    talk_of: Callable[[], Conversation]
    mailbox_of: Callable[[], Mailbox]
    clock: Callable[[], int]

    async def say(self, body: bytes) -> bytes:
        """The answer to an ask. Raises: ToolFailed, EnvelopeRefused."""
        ask, talk = Ask.from_bytes(body), self.talk_of()
        terms = {name: json.loads(body)[name] for name in ("run", "goal", "budget", "deadline")}
        place = self.url.rstrip("/") + "/mcp"
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(
                    auth=EnvelopeAuth(talk, self.clock), timeout=SECONDS, trust_env=False
                ) as http,
                Client(
                    streamable_http_client(
                        place, http_client=http, max_sse_event_size=MAX_EVENT_BYTES
                    ),
                    read_timeout_seconds=SECONDS,
                ) as client,
            ):
                found = await client.call_tool(ask.skill, dict(ask.inputs), meta={TERMS: terms})  # type: ignore[arg-type]  # an open map
        except* (httpx2.HTTPError, TimeoutError, OSError, MCPError) as group:
            reason = str(group.exceptions[0])[:400]
            raise ToolFailed(agent=self.url[:120], reason=reason) from group
        return await self._answer(found, talk)

    async def _answer(self, found: CallToolResult, talk: Conversation) -> bytes:
        told = dict(found.meta or {}).get(TERMS)
        if not isinstance(told, dict):
            text = "".join(one.text for one in found.content if isinstance(one, TextContent))
            raise ToolFailed("The agent refuses.", agent=self.url[:120], reason=text[:400])
        signed, body = (
            SignedEnvelope.from_json(told.get("envelope")),
            str(told.get("body")).encode(),
        )
        if (signed.envelope.sender, signed.envelope.conversation) != (talk.to, talk.id):
            raise EnvelopeRefused(reason="another speaker")
        await self.mailbox_of().take(signed, body)
        return body
