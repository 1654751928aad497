"""The tools there are, and what of them a run may use: intent and bundle both have to allow it.

A tool that reads foreign bytes runs in a process of its own, with what it may reach; what holds
keys (storage, memory) runs in the runtime behind the purse. Every tool may be asked again under the
same act: it reads, or the same act has the same effect once. What a tool says is data, bounded and
marked; it cannot grant anything. Source: docs/protocol/agents.md#runtime.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from offchain.agents.manifest import Capability
from offchain.agents.runtime_errors import ToolFailed, ToolForbidden
from offchain.agents.skills import Value
from offchain.agents.tool_schema import Json, check_arguments, check_schema
from offchain.core.hashing import keccak

OUTPUT_BYTES: Final = 65_536
SECONDS: Final = 20


class Place(Enum):
    """Where a tool runs."""

    PROCESS = "process"  # of its own, shut in
    RUNTIME = "runtime"  # behind the purse, for it holds keys
    REMOTE = "remote"  # an MCP server that the bundle names


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with the schema of its arguments."""

    name: str
    about: str
    schema: Json
    place: Place = Place.PROCESS
    seconds: int = SECONDS
    output_bytes: int = OUTPUT_BYTES

    def __post_init__(self) -> None:
        """Raises: ToolArgumentsWrong for a schema that cannot be enforced."""
        check_schema(self.schema)


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a tool. `act`: its name in the run, under which it may be asked again."""

    act: str
    tool: Tool
    arguments: Mapping[str, object] = field(repr=False)
    reach: Capability


class ToolRunner(Protocol):
    """Runs one place's tools. Raises: ToolFailed, ToolForbidden, OverBudget."""

    async def run(self, call: Call) -> Value: ...


def _object(required: Sequence[str], **properties: object) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT: Final[Json] = {"type": "string", "maxLength": 1 << 20}
_SHORT: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 1_024}
BUILT_IN: Final = (
    Tool(
        "text.split",
        "Cut a text into pieces of about the same length.",
        _object(["text"], text=_TEXT, pieces={"type": "integer", "minimum": 1, "maximum": 64}),
    ),
    Tool("text.count", "Count characters and words.", _object(["text"], text=_TEXT)),
    Tool(
        "calculate",
        "Work out an expression of numbers.",
        _object(["expression"], expression={"type": "string", "maxLength": 400}),
    ),
    Tool(
        "file.read",
        "Read a text file of an allowed folder.",
        _object(
            ["path"],
            path=_SHORT,
            start={"type": "integer", "minimum": 0},
            bytes={"type": "integer", "minimum": 1, "maximum": OUTPUT_BYTES},
        ),
    ),
    Tool(
        "file.write",
        "Write a text file into an allowed folder.",
        _object(["path", "text"], path=_SHORT, text=_TEXT),
    ),
    Tool("web.get", "Read a page of an allowed host.", _object(["url"], url=_SHORT)),
    Tool(
        "storage.read",
        "Read a file of Apogee storage as text.",
        _object(
            ["file"],
            file={"type": "string", "pattern": "^(0x)?[0-9a-f]{64}$"},
            bytes={"type": "integer", "minimum": 1, "maximum": 1 << 20},
        ),
        Place.RUNTIME,
        output_bytes=1 << 20,
    ),
    Tool(
        "storage.put",
        "Store a text in Apogee storage; answers its file.",
        _object(["text"], text=_TEXT),
        Place.RUNTIME,
    ),
    Tool(
        "memory.recall",
        "What was remembered under a name.",
        _object(["name"], name=_SHORT),
        Place.RUNTIME,
    ),
    Tool(
        "memory.remember",
        "Remember a text under a name.",
        _object(["name", "text"], name=_SHORT, text={"type": "string", "maxLength": 32_768}),
        Place.RUNTIME,
    ),
)


class ToolBox:
    """What one run may use."""

    def __init__(
        self,
        capabilities: Sequence[Capability],
        allowed: frozenset[str],
        runners: Mapping[Place, ToolRunner],
        *,
        known: Sequence[Tool] = BUILT_IN,
    ) -> None:
        """`capabilities`: the bundle's; `allowed`: the intent's."""
        self._reach = {one.name: one for one in capabilities}
        self._allowed = allowed
        self._runners = runners
        self._known = {one.name: one for one in known}

    def offered(self) -> list[Tool]:
        """What may be asked for, in order of names."""
        return [one for name, one in sorted(self._known.items()) if self._may(name)]

    async def call(self, act: str, name: str, arguments: Mapping[str, object]) -> Value:
        """Use a tool. Raises: ToolForbidden, ToolArgumentsWrong, ToolFailed, OverBudget."""
        tool = self._known.get(name)
        if tool is None or not self._may(name):
            raise ToolForbidden(tool=name[:64])
        check_arguments(tool.schema, arguments)
        found = await self._runners[tool.place].run(Call(act, tool, arguments, self._reach[name]))
        return bounded(tool, found)

    def _may(self, name: str) -> bool:
        tool = self._known.get(name)
        is_named = name in self._allowed and name in self._reach
        return is_named and tool is not None and tool.place in self._runners


def bounded(tool: Tool, found: object) -> Value:
    """A tool's answer in its form. Raises: ToolFailed when it is larger, or no text."""
    parts = found if isinstance(found, list) else [found]
    texts = [one for one in parts if isinstance(one, str)]
    if len(texts) != len(parts):
        raise ToolFailed(tool=tool.name, reason="no text")
    if sum(len(one.encode()) for one in texts) > tool.output_bytes:
        raise ToolFailed(tool=tool.name, reason="too much", most=tool.output_bytes)
    return texts if isinstance(found, list) else texts[0]


def marked(act: str, text: str) -> str:
    """Foreign text for a prompt, between marks that it cannot write itself."""
    mark = keccak(act.encode(), text.encode()).hex()[:8]
    return f"[data {mark}]\n{text}\n[end {mark}]"


def arguments_hash(name: str, arguments: Mapping[str, object]) -> bytes:
    """What run logs say of a call."""
    return keccak(name.encode(), b"\n", json.dumps(arguments, sort_keys=True).encode())
