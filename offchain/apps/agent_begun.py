"""Commands that move money as often as they are typed: what was begun and not told is gone on with.

<home>/agents/begun/<role>-<digest>.json    {"key": "..", "block": 17, "parts": {"market": 5}}

A file is written before anything is sent, and taken away once its command has said how it ended.
Killed between, the same words find it: they send under the same key, which is sent once.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from offchain.apps.files import FileUnreadable, read_json, write_bytes
from offchain.apps.output import say
from offchain.apps.stake import Actor
from offchain.core.errors import Conflict, InvalidInput, Rejected
from offchain.core.hashing import keccak


@dataclass(frozen=True, slots=True)
class Begun:
    """A command's effect. `parts`: base units by place; `block`: before anything was sent."""

    key: str
    block: int
    parts: Mapping[str, int]
    is_old: bool


def begun_before(one: Actor, words: str) -> Begun | None:
    """What the same words began, if nobody was told how it ended. Raises: FileUnreadable."""
    path = _path(one, words)
    if not path.exists():
        return None
    match read_json(path):
        case {"key": str(key), "block": int(block), "parts": dict(parts)}:
            return Begun(
                key, block, {name: int(units) for name, units in parts.items()}, is_old=True
            )
    raise FileUnreadable(path=path, reason="not what a command has begun")


@contextmanager
def once(one: Actor, words: str, parts: Mapping[str, int]) -> Iterator[Begun]:
    """Inside, an effect is sent under one key, until it is told or refused."""
    path, begun = _path(one, words), begun_before(one, words)
    if begun is None:
        begun = Begun(one.unique_key(words), one.network.node.block().number, parts, is_old=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        told = {"key": begun.key, "block": begun.block, "parts": dict(parts)}
        write_bytes(path, json.dumps(told).encode())
    else:
        say(f"     begun before, after block {begun.block}: this goes on with it")
    try:
        yield begun
    except (Conflict, InvalidInput, Rejected):
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def _path(one: Actor, words: str) -> Path:
    name = keccak(words.encode()).hex()[:24]
    return one.home.root / "agents" / "begun" / f"{one.role}-{name}.json"
