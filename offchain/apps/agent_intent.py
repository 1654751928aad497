"""What was typed for `apogee agent run` as an intent: amounts, times, tools, who may be paid."""

import re
from dataclasses import dataclass
from typing import Final

from offchain.agents.intent import NATIVE, Intent, Limits
from offchain.agents.manifest import Manifest
from offchain.agents.runtime_errors import IntentInvalid, ToolForbidden
from offchain.agents.skills import Skill, parse_skill
from offchain.apps.amounts import parse_amount
from offchain.chain.model import parse_address

_TIME: Final = re.compile(r"^([0-9]{1,6})([smhd])$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
MOST_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class IntentFlags:
    """As typed. `skill` "": the only one whose inputs were given, else the model plans by itself;
    `tools` empty: those of the skill, or all of the bundle.
    """

    goal: str
    budget: str
    deadline: str
    skill: str = ""
    inputs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    pays: tuple[str, ...] = ()
    service: str | None = None
    run: str | None = None


def duration(text: str) -> int:
    """Seconds of `90s`, `30m`, `1h`, `2d`. Raises: IntentInvalid."""
    match = _TIME.match(text.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= MOST_SECONDS:
        raise IntentInvalid(field="deadline", deadline=text[:20], example="1h")
    return seconds


def skill_of(flags: IntentFlags, manifest: Manifest) -> Skill | None:
    """The plan to follow; None: the model plans. Raises: IntentInvalid, PlanInvalid."""
    given = set(inputs_of(flags))
    known = {name: parse_skill(name, raw) for name, raw in manifest.skills.items()}
    if flags.skill:
        if flags.skill not in known:
            raise IntentInvalid(field="skill", known=", ".join(sorted(known)) or "none")
        return known[flags.skill]
    fitting = [one for one in known.values() if given and set(one.inputs) == given]
    return fitting[0] if len(fitting) == 1 else None


def intent_of(
    flags: IntentFlags,
    manifest: Manifest,
    *,
    now: int,
    payees: frozenset[bytes],
    refused: frozenset[str] = frozenset(),
) -> Intent:
    """`payees`: who is paid for what the tools and thoughts need; `refused`: tools that who asks
    may not use, whatever the bundle names. Raises: IntentInvalid, ToolForbidden.
    """
    skill = skill_of(flags, manifest)
    beyond = refused & (set(flags.tools) | (set() if skill is None else skill.tools))
    if beyond:
        raise ToolForbidden(tools=", ".join(sorted(beyond)), skill=flags.skill or None)
    usual = {one.name for one in manifest.tools} - refused if skill is None else skill.tools
    limits = Limits(
        budget=parse_amount(flags.budget),
        deadline=now + duration(flags.deadline),
        currency=NATIVE,
        tools=frozenset(flags.tools or usual),
        counterparties=payees | {bytes(parse_address(one)) for one in flags.pays},
    )
    return Intent(flags.goal, limits, "" if skill is None else skill.name, inputs_of(flags))


def inputs_of(flags: IntentFlags) -> dict[str, str]:
    found = {}
    for one in flags.inputs:
        name, mark, value = one.partition("=")
        if not mark or not name:
            raise IntentInvalid(field="input", input=one[:40], example="file=0x..")
        found[name] = value
    return found
