"""An agent's skills as MCP tools: streamable HTTP on loopback; who asks, Host and Origin checked.

Who has the token calls under the limits that its owner gave the server; a guest signs each request,
and calls under the terms of his own ask (mcp_guests). A report is the tool's text. There is no
session state to keep, bodies are bounded, and what a client sends is data.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offchain.agents.adapters.mcp_guests import HEADER, TERMS, McpGuests
from offchain.agents.envelope import Envelope
from offchain.agents.runtime_errors import ToolForbidden
from offchain.agents.skills import Skill
from offchain.agents.tool_schema import check_arguments
from offchain.core.errors import ApogeeError

PATH: Final = "/mcp"
MAX_BYTES: Final = 1 << 18
MAX_INPUT: Final = 16_384
GUEST: Final = "apogee.guest"  # in a request's scope: the envelope that it came in
REFUSED: Final = -32_001  # of JSON-RPC: a server's own
Work = Callable[[str, Mapping[str, str]], Awaitable[str]]  # (skill, inputs) -> report


@dataclass(frozen=True, slots=True)
class McpFace:
    """What is served, and to whom: who has `token`, and guests who sign."""

    name: str
    skills: Mapping[str, Skill]
    work: Work
    token: str = field(repr=False)
    guests: McpGuests | None = None


def mcp_app(face: McpFace, port: int) -> Starlette:
    """The face as an application for one port of this machine."""

    async def list_tools(context: Any, params: object) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=[_tool(one) for _, one in sorted(face.skills.items())])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        guest = None if context.request is None else context.request.scope.get(GUEST)
        try:
            if guest is not None:
                return await _guest_called(face, guest, params)
            said, is_error = await _called(face, params.name, params.arguments or {}), False
        except ApogeeError as error:
            said, is_error = str(error), True
        content: list[types.ContentBlock] = [types.TextContent(type="text", text=said)]
        return types.CallToolResult(content=content, is_error=is_error)

    server: Server[dict[str, Any]] = Server(
        face.name, on_list_tools=list_tools, on_call_tool=call_tool
    )
    here = [f"127.0.0.1:{port}", f"localhost:{port}"]
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BYTES,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=here,
            allowed_origins=[f"http://{one}" for one in here],
        ),
    )
    app.add_middleware(Entrance, token=face.token, guests=face.guests)
    return app


class Entrance:
    """Refuses requests that neither have the token nor are signed by a guest."""

    def __init__(self, app: ASGIApp, token: str, guests: McpGuests | None = None) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()
        self._guests = guests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        given = headers.get(b"authorization", b"")
        if scope["type"] != "http" or hmac.compare_digest(given, self._wanted):
            await self._app(scope, receive, send)
            return
        signed = headers.get(HEADER.lower().encode())
        if signed is None or self._guests is None:
            refusal = JSONResponse({"error": "a token is required"}, status_code=401)
            await refusal(scope, receive, send)
            return
        body = await _whole(receive)
        try:
            guest = await self._guests.take(signed.decode("latin-1"), body)
        except ApogeeError as error:
            told = {"code": REFUSED, "message": str(error), "data": error.as_json()}
            rpc = {"jsonrpc": "2.0", "id": None, "error": told}
            await JSONResponse(rpc, status_code=403)(scope, receive, send)
            return
        await self._app({**scope, GUEST: guest}, _again(body, receive), send)


async def _whole(receive: Receive) -> bytes:
    raw = bytearray()
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if len(raw) > MAX_BYTES or not message.get("more_body", False):
            return bytes(raw)


def _again(body: bytes, receive: Receive) -> Receive:
    rest = [body]

    async def told() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        return await receive()

    return told


async def _called(face: McpFace, name: str, arguments: Mapping[str, object]) -> str:
    """A skill's report. Raises: InvalidInput kinds, and what the run raises."""
    _require(face, name, arguments)
    return await face.work(name, {key: str(value) for key, value in arguments.items()})


async def _guest_called(
    face: McpFace, guest: Envelope, params: types.CallToolRequestParams
) -> types.CallToolResult:
    """A guest's ask. Raises: as `_called`."""
    assert face.guests is not None
    inputs = params.arguments or {}
    _require(face, params.name, inputs)
    call = {"terms": dict(params.meta or {}).get(TERMS), "inputs": inputs}
    said = await face.guests.call(guest, params.name, call)
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=said.text)]
    return types.CallToolResult(content=content, is_error=said.is_error, _meta=dict(said.told))


def _require(face: McpFace, name: str, arguments: Mapping[str, object]) -> None:
    skill = face.skills.get(name)
    if skill is None:
        raise ToolForbidden(tool=name[:64])
    check_arguments(_schema(skill), arguments)


def _tool(skill: Skill) -> types.Tool:
    return types.Tool(
        name=skill.name, description=skill.about or skill.name, input_schema=_schema(skill)
    )


def _schema(skill: Skill) -> dict[str, Any]:
    text = {"type": "string", "maxLength": MAX_INPUT}
    return {
        "type": "object",
        "properties": dict.fromkeys(skill.inputs, text),
        "required": list(skill.inputs),
        "additionalProperties": False,
    }
