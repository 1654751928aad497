"""MCP servers that this home lets its agents use: <home>/agents/mcp.json.

  {"scribe": {"place": "127.0.0.1:8123", "token_file": "/path/to/token"}}

A bundle names `mcp.scribe.TOOL` with that very place as its one host; the intent has to allow it.
"""

import json
from pathlib import Path
from typing import Final

from offchain.agents.adapters.mcp_tools import McpServer, McpTools
from offchain.core.errors import InvalidInput

FILE: Final = "mcp.json"
MAX_BYTES: Final = 65_536


class ServersMalformed(InvalidInput):
    """The list of MCP servers is not of the form."""

    code = "agents.servers.malformed"
    next_step = "See docs/how-to/build-an-agent.md: a name, a place, and perhaps a token file."


def mcp_tools(folder: Path) -> McpTools | None:
    """None when this home names no server. Raises: ServersMalformed."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        raw = path.read_bytes()[:MAX_BYTES]
        return McpTools({name: _server(name, said) for name, said in json.loads(raw).items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServersMalformed(file=FILE, reason=str(error)[:80]) from error


def _server(name: str, said: dict[str, str]) -> McpServer:
    token = Path(said["token_file"]).read_text().strip() if "token_file" in said else ""
    return McpServer(name, str(said["place"]), token)
