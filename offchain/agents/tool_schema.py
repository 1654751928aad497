"""JSON schemas of tools' arguments: the part of JSON Schema that is enforced here; pure.

A schema with any other keyword is refused, so that nothing is offered that is not checked.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from offchain.agents.runtime_errors import ToolArgumentsWrong

Json = Mapping[str, object]
_NOTES: Final = {"title", "description", "default", "examples", "$schema"}
_OF_TYPE: Final[dict[str, set[str]]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "enum", "pattern"},
    "integer": {"minimum", "maximum", "enum"},
    "number": {"minimum", "maximum"},
    "boolean": set(),
}
MAX_DEPTH: Final = 8
MAX_STRING: Final = 1 << 20
MAX_ITEMS: Final = 4_096


def check_schema(schema: object, *, depth: int = 0) -> None:
    """Whether arguments can be checked by it. Raises: ToolArgumentsWrong."""
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        raise ToolArgumentsWrong(schema="form")
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _OF_TYPE:
        raise ToolArgumentsWrong(schema="type", type=str(kind)[:40])
    other = set(schema) - _NOTES - {"type"} - _OF_TYPE[kind]
    if other:
        raise ToolArgumentsWrong(schema="keyword", keyword=min(map(str, other))[:40])
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise ToolArgumentsWrong(schema="properties")
    for one in properties.values():
        check_schema(one, depth=depth + 1)
    if "items" in schema:
        check_schema(schema["items"], depth=depth + 1)
    if isinstance(pattern := schema.get("pattern"), str):
        try:
            re.compile(pattern)
        except re.error as error:
            raise ToolArgumentsWrong(schema="pattern") from error


def check_arguments(schema: Json, value: object, *, at: str = "arguments") -> None:
    """Whether a value is of a checked schema. Raises: ToolArgumentsWrong, which names where."""
    kind = schema["type"]
    if kind == "object":
        _check_object(schema, value, at)
    elif kind == "array":
        _check_array(schema, value, at)
    elif kind == "string":
        _check_string(schema, value, at)
    elif kind == "boolean":
        _require(isinstance(value, bool), at, "boolean")
    else:
        _check_number(schema, value, at, is_whole=kind == "integer")


def _check_object(schema: Json, value: object, at: str) -> None:
    if not isinstance(value, Mapping):
        raise ToolArgumentsWrong(at=at, wanted="object")
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    assert isinstance(properties, Mapping)
    for name in required if isinstance(required, Sequence) else []:
        _require(name in value, f"{at}.{name}", "a value")
    for name, one in value.items():
        where = f"{at}.{str(name)[:40]}"
        if name not in properties:
            _require(schema.get("additionalProperties") is True, where, "nothing of this name")
            continue
        check_arguments(properties[name], one, at=where)


def _check_array(schema: Json, value: object, at: str) -> None:
    if not isinstance(value, list):
        raise ToolArgumentsWrong(at=at, wanted="array")
    least, most = _whole(schema, "minItems", 0), _whole(schema, "maxItems", MAX_ITEMS)
    _require(least <= len(value) <= min(most, MAX_ITEMS), at, f"{least} to {most} items")
    items = schema.get("items")
    if isinstance(items, Mapping):
        for place, one in enumerate(value):
            check_arguments(items, one, at=f"{at}[{place}]")


def _check_string(schema: Json, value: object, at: str) -> None:
    if not isinstance(value, str):
        raise ToolArgumentsWrong(at=at, wanted="string")
    least, most = _whole(schema, "minLength", 0), _whole(schema, "maxLength", MAX_STRING)
    _require(least <= len(value) <= min(most, MAX_STRING), at, f"{least} to {most} characters")
    _check_enum(schema, value, at)
    if isinstance(pattern := schema.get("pattern"), str):
        _require(len(value) <= MAX_ITEMS and re.search(pattern, value) is not None, at, pattern)


def _check_number(schema: Json, value: object, at: str, *, is_whole: bool) -> None:
    kinds = int if is_whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ToolArgumentsWrong(at=at, wanted="integer" if is_whole else "number")
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int | float):
        _require(value >= least, at, f"at least {least}")
    if isinstance(most, int | float):
        _require(value <= most, at, f"at most {most}")
    _check_enum(schema, value, at)


def _check_enum(schema: Json, value: object, at: str) -> None:
    allowed = schema.get("enum")
    if isinstance(allowed, Sequence):
        _require(value in allowed, at, "one of " + ", ".join(map(str, allowed))[:80])


def _whole(schema: Json, name: str, default: int) -> int:
    found = schema.get(name, default)
    return found if isinstance(found, int) else default


def _require(holds: bool, at: str, wanted: str) -> None:
    if not holds:
        raise ToolArgumentsWrong(at=at, wanted=wanted)
