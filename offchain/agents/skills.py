"""Skills: plans written down beforehand, for models that cannot plan; typed, parsed once; pure.

  {"version": 1, "about": "..", "inputs": ["file"], "steps": [
    {"do": "tool", "tool": "storage.read", "arguments": {"file": "{file}"}, "as": "text"},
    {"do": "tool", "tool": "text.split", "arguments": {"text": "{text}"}, "as": "part"},
    {"do": "think", "each": "part", "prompt": "Summarise: {part}", "max_tokens": 64, "as": "notes"},
    {"do": "think", "prompt": "Combine: {notes}", "max_tokens": 96, "as": "summary"},
    {"do": "report", "text": "{summary}"}]}

A value is a text or a list of texts. `{name}` in a prompt is put in as marked data; an argument
that is `{name}` alone keeps its type. Names have to be defined by an input or an earlier step, so a
plan that parses cannot end in a missing name. Source: docs/protocol/agents.md#runtime.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import from_json

from offchain.agents.runtime_errors import PlanInvalid

VERSION: Final = 1
MAX_STEPS: Final = 32
MAX_EACH: Final = 64
MAX_TOKENS: Final = 4_096
MAX_BYTES: Final = 65_536
_SLOT: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")
_NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,31}$")
Value = str | list[str]


@dataclass(frozen=True, slots=True)
class ToolStep:
    """Call a tool; its text, or list of texts, becomes `into`."""

    tool: str
    arguments: Mapping[str, object]
    into: str


@dataclass(frozen=True, slots=True)
class ThinkStep:
    """One inference, or one for each text of `each`."""

    prompt: str = field(repr=False)
    max_tokens: int
    into: str
    each: str | None = None


@dataclass(frozen=True, slots=True)
class ReportStep:
    """What the run says at its end."""

    text: str = field(repr=False)


Step = ToolStep | ThinkStep | ReportStep


@dataclass(frozen=True, slots=True)
class Skill:
    """A plan with its inputs."""

    name: str
    about: str
    inputs: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def tools(self) -> frozenset[str]:
        """What an intent has to allow for it."""
        return frozenset(step.tool for step in self.steps if isinstance(step, ToolStep))

    @property
    def thinks(self) -> bool:
        """Whether it buys thoughts."""
        return any(isinstance(step, ThinkStep) for step in self.steps)


def parse_skill(name: str, raw: bytes) -> Skill:
    """Raises: PlanInvalid, which names the step."""
    try:
        body = from_json(raw) if len(raw) <= MAX_BYTES else None
    except ValueError as error:
        raise PlanInvalid(skill=name, reason="no JSON") from error
    if not isinstance(body, dict) or body.get("version") != VERSION:
        raise PlanInvalid(skill=name, reason="version")
    inputs, steps = body.get("inputs", []), body.get("steps")
    if not isinstance(inputs, list) or not all(_is_name(one) for one in inputs):
        raise PlanInvalid(skill=name, reason="inputs")
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        raise PlanInvalid(skill=name, reason="steps")
    defined = set(inputs)
    parsed: list[Step] = []
    for place, one in enumerate(steps):
        step = _parse_step(one, defined, place)
        if not isinstance(step, ReportStep):
            defined.add(step.into)
        parsed.append(step)
    if not isinstance(parsed[-1], ReportStep):
        raise PlanInvalid(skill=name, reason="the last step reports")
    return Skill(name, str(body.get("about", ""))[:1_024], tuple(inputs), tuple(parsed))


def filled(template: object, values: Mapping[str, Value]) -> object:
    """An argument with its slots filled; a slot alone keeps its type."""
    if isinstance(template, str):
        alone = _SLOT.fullmatch(template)
        return (
            values[alone[1]] if alone else _SLOT.sub(lambda one: joined(values[one[1]]), template)
        )
    if isinstance(template, Mapping):
        return {str(name): filled(one, values) for name, one in template.items()}
    if isinstance(template, list):
        return [filled(one, values) for one in template]
    return template


def prompted(template: str, values: Mapping[str, str]) -> str:
    """A prompt with its slots filled by texts that are marked already."""
    return _SLOT.sub(lambda one: values[one[1]], template)


def slots_of(template: object) -> set[str]:
    """The names a template uses."""
    if isinstance(template, str):
        return set(_SLOT.findall(template))
    parts: Sequence[object] = ()
    if isinstance(template, Mapping):
        parts = list(template.values())
    elif isinstance(template, list):
        parts = template
    return set().union(*(slots_of(one) for one in parts))


def joined(value: Value) -> str:
    """A list as one text."""
    return value if isinstance(value, str) else "\n\n".join(value)


def _parse_step(found: object, defined: set[str], place: int) -> Step:
    if not isinstance(found, dict):
        raise PlanInvalid(step=place)
    match found.get("do"):
        case "tool":
            _only(found, {"do", "tool", "arguments", "as"}, place)
            arguments = found.get("arguments", {})
            if not isinstance(arguments, dict) or not isinstance(found.get("tool"), str):
                raise PlanInvalid(step=place, reason="tool")
            _known(slots_of(arguments), defined, place)
            return ToolStep(found["tool"], arguments, _into(found, place))
        case "think":
            _only(found, {"do", "prompt", "max_tokens", "as", "each"}, place)
            return _think(found, defined, place)
        case "report":
            _only(found, {"do", "text"}, place)
            text = _text(found.get("text"), place)
            _known(slots_of(text), defined, place)
            return ReportStep(text)
    raise PlanInvalid(step=place, reason="do")


def _think(found: Mapping[str, object], defined: set[str], place: int) -> ThinkStep:
    prompt, tokens, each = _text(found.get("prompt"), place), found.get("max_tokens"), None
    if isinstance(tokens, bool) or not isinstance(tokens, int) or not 0 < tokens <= MAX_TOKENS:
        raise PlanInvalid(step=place, reason="max_tokens")
    if "each" in found:
        each = str(found["each"])
        _known({each}, defined, place)
    _known(slots_of(prompt), defined, place)
    return ThinkStep(prompt, tokens, _into(found, place), each)


def _into(found: Mapping[str, object], place: int) -> str:
    name = found.get("as")
    if not isinstance(name, str) or not _is_name(name):
        raise PlanInvalid(step=place, reason="as")
    return name


def _text(found: object, place: int) -> str:
    if not isinstance(found, str) or not found:
        raise PlanInvalid(step=place, reason="text")
    return found


def _is_name(found: object) -> bool:
    return isinstance(found, str) and _NAME.fullmatch(found) is not None


def _only(found: Mapping[str, object], names: set[str], place: int) -> None:
    if set(found) - names:
        raise PlanInvalid(step=place, unknown=min(set(found) - names)[:40])


def _known(used: set[str], defined: set[str], place: int) -> None:
    if used - defined:
        raise PlanInvalid(step=place, undefined=min(used - defined))
