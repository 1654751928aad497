"""An agent's bundle once it is open: manifest.json and the files it names; in memory only.

  manifest.json {"version": 1, "name", "description", "charter": file, "prompt": file,
    "model": {"hash": 0x.., "level": "NONE", "simulated": false, "input": n, "output": n},
    "tools": [{"name", "hosts": [..], "read": [..], "write": [..]}], "skills": [file, ..],
    "memory": {"stream": 0x.., "keys": [{"epoch": n, "key": hex}]},
    "evals": [file, ..], "public": [0x.., ..]}

`tools` is all that the agent can ever do; an intent narrows it further. `memory.keys` are those of
closed epochs and of the first one (memory.py). `public`: hashes that are no secrets (linter.py).
Source: docs/protocol/agents.md#runtime.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import from_json

from offchain.agents.runtime_errors import BundleMalformed
from offchain.compute.model import Level
from offchain.core.hashing import Digest, keccak

MANIFEST: Final = "manifest.json"
VERSION: Final = 1
KEY_BYTES: Final = 32
MAX_FILES: Final = 256
MAX_TEXT_BYTES: Final = 65_536
MAX_LIST: Final = 64
MAX_NAME: Final = 120
Files = Mapping[str, bytes]
_FIELDS: Final = {
    "version",
    "name",
    "description",
    "charter",
    "prompt",
    "model",
    "tools",
    "skills",
    "memory",
    "evals",
    "public",
}


@dataclass(frozen=True, slots=True)
class ModelWish:
    """Which model the agent thinks with, and how it has to be bought."""

    model_hash: bytes
    level: Level
    is_simulated_allowed: bool
    max_input: int
    max_output: int


@dataclass(frozen=True, slots=True)
class Capability:
    """A tool the bundle names, and what it may reach: `host:port`, folders. Empty: nothing."""

    name: str
    hosts: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """The key of one epoch's entries."""

    epoch: int
    key: bytes = field(repr=False)

    @property
    def id(self) -> bytes:
        """What entries name it by."""
        return keccak(b"apogee/memory key id", self.key)[:8]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A bundle's manifest with the texts it names."""

    name: str
    description: str
    charter: str = field(repr=False)
    prompt: str = field(repr=False)
    model: ModelWish
    tools: tuple[Capability, ...]
    skills: Mapping[str, bytes] = field(repr=False)
    stream: bytes
    memory_keys: tuple[MemoryKey, ...]
    evals: Mapping[str, bytes] = field(repr=False)
    public: tuple[bytes, ...] = ()

    @property
    def charter_hash(self) -> Digest:
        return keccak(self.charter.encode())


def new_memory_key() -> MemoryKey:
    """The key of the epoch an agent is minted in."""
    return MemoryKey(0, secrets.token_bytes(KEY_BYTES))


def parse_manifest(files: Files) -> Manifest:
    """Raises: BundleMalformed, which names the field."""
    if len(files) > MAX_FILES or MANIFEST not in files:
        raise BundleMalformed(field=MANIFEST, files=len(files))
    body = _object(files[MANIFEST])
    _require(set(body) <= _FIELDS, "unknown", min(set(body) - _FIELDS, default=""))
    _require(body.get("version") == VERSION, "version")
    memory = _mapping(body.get("memory"), "memory")
    skills = _texts(body.get("skills", []), "skills")
    return Manifest(
        name=_text(body.get("name"), "name", MAX_NAME),
        description=_text(body.get("description", ""), "description", 1_024, least=0),
        charter=_file(files, body.get("charter"), "charter"),
        prompt=_file(files, body.get("prompt"), "prompt"),
        model=_model(_mapping(body.get("model"), "model")),
        tools=_capabilities(body.get("tools", [])),
        skills={_skill_name(name): _file(files, name, "skills").encode() for name in skills},
        stream=_hex(memory.get("stream"), "memory.stream"),
        memory_keys=_memory_keys(memory.get("keys")),
        evals={name: _file(files, name, "evals").encode() for name in _names(body, "evals")},
        public=tuple(_hex(one, "public") for one in _names(body, "public")),
    )


def with_memory_key(files: Files, key: MemoryKey) -> dict[str, bytes]:
    """The files with one more memory key: what the next owner reads this epoch's entries with."""
    parse_manifest(files)
    body = dict(_object(files[MANIFEST]))
    memory = dict(_mapping(body["memory"], "memory"))
    known = memory["keys"]
    assert isinstance(known, list)
    said = {"epoch": key.epoch, "key": key.key.hex()}
    memory["keys"] = [*known, *([] if said in known else [said])]
    body["memory"] = memory
    made = {**files, MANIFEST: json.dumps(body, indent=1).encode()}
    parse_manifest(made)
    return made


def _model(body: Mapping[str, object]) -> ModelWish:
    level, simulated = body.get("level", "NONE"), body.get("simulated", False)
    if not isinstance(level, str) or level not in Level.__members__:
        raise BundleMalformed(field="model.level")
    if not isinstance(simulated, bool):
        raise BundleMalformed(field="model.simulated")
    return ModelWish(
        _hex(body.get("hash"), "model.hash"),
        Level[level],
        simulated,
        _number(body.get("input", 4_096), "model.input"),
        _number(body.get("output", 256), "model.output"),
    )


def _capabilities(found: object) -> tuple[Capability, ...]:
    out = []
    for one in _list(found, "tools"):
        body = _mapping(one, "tools")
        _require(set(body) <= {"name", "hosts", "read", "write"}, "tools")
        reach = [tuple(_texts(body.get(part, []), part)) for part in ("hosts", "read", "write")]
        out.append(Capability(_text(body.get("name"), "tools.name", 64), *reach))
    _require(len({one.name for one in out}) == len(out), "tools", "a name twice")
    return tuple(out)


def _memory_keys(found: object) -> tuple[MemoryKey, ...]:
    keys = []
    for one in _list(found, "memory.keys"):
        body = _mapping(one, "memory.keys")
        epoch = _number(body.get("epoch"), "memory.keys.epoch", least=0)
        keys.append(MemoryKey(epoch, _hex(body.get("key"), "memory.keys.key")))
    _require(bool(keys), "memory.keys")
    return tuple(keys)


def _skill_name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _file(files: Files, name: object, where: str) -> str:
    """A text file that the manifest names."""
    raw = files.get(name) if isinstance(name, str) else None
    if raw is None or len(raw) > MAX_TEXT_BYTES:
        raise BundleMalformed(field=where, file=str(name)[:MAX_NAME])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BundleMalformed(field=where, file=str(name)[:MAX_NAME], reason="no text") from error


def _object(raw: bytes) -> Mapping[str, object]:
    try:
        return _mapping(from_json(raw) if len(raw) <= MAX_TEXT_BYTES else None, MANIFEST)
    except ValueError as error:
        raise BundleMalformed(field=MANIFEST, reason="no JSON") from error


def _mapping(found: object, where: str) -> Mapping[str, object]:
    if not isinstance(found, dict):
        raise BundleMalformed(field=where)
    return found


def _list(found: object, where: str) -> Sequence[object]:
    if not isinstance(found, list) or len(found) > MAX_LIST:
        raise BundleMalformed(field=where)
    return found


def _names(body: Mapping[str, object], part: str) -> list[str]:
    return _texts(body.get(part, []), part)


def _texts(found: object, where: str) -> list[str]:
    return [_text(one, where, 256) for one in _list(found, where)]


def _text(found: object, where: str, most: int, *, least: int = 1) -> str:
    if not isinstance(found, str) or not least <= len(found.encode(errors="replace")) <= most:
        raise BundleMalformed(field=where)
    _require(found.replace("\n", " ").isprintable(), where, "not printable")
    return found


def _number(found: object, where: str, *, least: int = 1) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found < 1 << 32:
        raise BundleMalformed(field=where)
    return found


def _hex(found: object, where: str) -> bytes:
    try:
        raw = bytes.fromhex(str(found).removeprefix("0x"))
    except ValueError as error:
        raise BundleMalformed(field=where) from error
    _require(len(raw) == KEY_BYTES, where)
    return raw


def _require(holds: bool, where: str, found: str = "") -> None:
    if not holds:
        raise BundleMalformed(field=where, found=found[:MAX_NAME])
