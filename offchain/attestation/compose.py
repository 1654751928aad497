"""What a TD composes: the text whose hash is in mr_config_id, and whether images are pinned.

  mr_config_id  0x01 || sha256(text) || 15 zero bytes
  text          JSON or YAML; every `image` of it, at any depth, ends in `@sha256:` and 64 hex
                digits, nothing is built when it starts, and there is at least one image; a YAML
                text inside it (`docker_compose_file`) is read in the same way

Source: docs/protocol/attestation.md#policy.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import yaml  # type: ignore[import-untyped]  # no stubs are installed

from offchain.attestation.bounded_json import TooManyBrackets, loads_bounded
from offchain.attestation.reasons import Reason, Refusal

CONFIG_VERSION: Final = b"\x01"
INNER_TEXT: Final = "docker_compose_file"
MAX_DEPTH: Final = 32
_PINNED: Final = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


def compose_hash(text: str) -> bytes:
    """sha256 of the compose text."""
    return hashlib.sha256(text.encode()).digest()


def config_id_of(text: str) -> bytes:
    """The mr_config_id of a TD that runs this text."""
    return CONFIG_VERSION + compose_hash(text) + bytes(15)


@lru_cache(maxsize=64)
def judge_compose(text: str) -> Refusal | None:
    """Why the text is refused, None when every image is pinned."""
    images = 0
    try:
        for name, value in _entries(_load(text), 0):
            if name == "build":
                return Refusal(Reason.COMPOSE_NOT_PINNED, "something is built when it starts")
            if name == "image":
                images += 1
                if not isinstance(value, str) or not _PINNED.fullmatch(value):
                    return Refusal(Reason.COMPOSE_NOT_PINNED, f"image {str(value)[:100]!r}")
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        return Refusal(
            Reason.COMPOSE_NOT_PINNED, f"the text cannot be read: {type(error).__name__}"
        )
    return None if images else Refusal(Reason.COMPOSE_NOT_PINNED, "no image is named")


def _load(text: str) -> object:
    try:
        return loads_bounded(text)
    except TooManyBrackets:
        raise
    except ValueError:
        if "&" in text or "*" in text:  # aliases can make a short text a huge one
            raise
        return yaml.safe_load(text)


def _entries(found: object, depth: int) -> Iterator[tuple[str, object]]:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(found, dict):
        for name, value in found.items():
            yield str(name), value
            inner = _load(value) if name == INNER_TEXT and isinstance(value, str) else value
            yield from _entries(inner, depth + 1)
    elif isinstance(found, list):
        for one in found:
            yield from _entries(one, depth + 1)
