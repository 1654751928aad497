"""An agent's skills as MCP tools: streamable HTTP on loopback; token, Host and Origin checked.

A call is an intent under the limits its owner gave the server; its report is the tool's text. There
is no session state to keep, bodies are bounded, and what a client sends is data.
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
from starlette.types import ASGIApp, Receive, Scope, Send

from offchain.agents.runtime_errors import ToolForbidden
from offchain.agents.skills import Skill
from offchain.agents.tool_schema import check_arguments
from offchain.core.errors import ApogeeError

PATH: Final = "/mcp"
MAX_BYTES: Final = 1 << 18
MAX_INPUT: Final = 16_384
Work = Callable[[str, Mapping[str, str]], Awaitable[str]]  # (skill, inputs) -> report


@dataclass(frozen=True, slots=True)
class McpFace:
    """What is served, and to whom: who has `token`."""

    name: str
    skills: Mapping[str, Skill]
    work: Work
    token: str = field(repr=False)


def mcp_app(face: McpFace, port: int) -> Starlette:
    """The face as an application for one port of this machine."""

    async def list_tools(context: Any, params: object) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=[_tool(one) for _, one in sorted(face.skills.items())])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        del context
        try:
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
    app.add_middleware(TokenRequired, token=face.token)
    return app


class TokenRequired:
    """Refuses requests without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._wanted):
                refusal = JSONResponse({"error": "a token is required"}, status_code=401)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _called(face: McpFace, name: str, arguments: Mapping[str, object]) -> str:
    """A skill's report. Raises: InvalidInput kinds, and what the run raises."""
    skill = face.skills.get(name)
    if skill is None:
        raise ToolForbidden(tool=name[:64])
    check_arguments(_schema(skill), arguments)
    return await face.work(name, {key: str(value) for key, value in arguments.items()})


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
