"""The loop of a model that plans by itself: strict JSON in turns, bounded, repaired at most twice.

Each turn the model says either {"tool": name, "arguments": {..}} or {"report": text}. What it may
use is told to it; what it may not is refused by the permissions whatever it says, and the refusal
is told to it as data. It never sees a key, and no text of it moves money: the purse does, for the
thoughts themselves. Source: docs/protocol/agents.md#runtime.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json

from offchain.agents.plan import system_message
from offchain.agents.run import Report, Run, stop_of
from offchain.agents.runtime_errors import (
    ToolArgumentsWrong,
    ToolFailed,
    ToolForbidden,
)
from offchain.agents.skills import joined
from offchain.agents.standing import Stop
from offchain.agents.think import Message
from offchain.agents.tools import Tool, marked
from offchain.core.errors import ApogeeError

TURNS: Final = 16
REPAIRS: Final = 2
SAID_CHARACTERS: Final = 8_192  # of a tool's answer that the model is shown
RULES: Final = (
    "You reach the goal step by step. Answer with one JSON object and nothing else:\n"
    '{"tool": "<name>", "arguments": {...}} to use a tool, or {"report": "<text>"} when done.\n'
    "Tools:\n"
)


class TurnMalformed(ToolArgumentsWrong):
    """A model's turn is no JSON object of one of the two forms."""

    code = "agents.turn.malformed"
    next_step = "Use a skill: this model does not keep to the form."


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model wants: a tool, or to report."""

    tool: str = ""
    arguments: Mapping[str, object] | None = None
    report: str | None = None


async def pursue(run: Run) -> Report:
    """Let the model plan until it reports or a limit is reached. Raises: as `follow`."""
    await run.begin()
    if run.ended is not None:
        return run.ended
    try:
        text, reason = await _turns(run)
    except ApogeeError as error:
        stop = stop_of(error)
        if stop is None or not stop.is_final:
            raise
        return await run.finish(stop, str(error))
    return await run.finish(reason, text)


def parse_turn(text: str) -> Turn:
    """Raises: TurnMalformed."""
    try:
        found = from_json(text.strip())
    except ValueError as error:
        raise TurnMalformed(reason="no JSON") from error
    if isinstance(found, dict) and set(found) == {"report"} and isinstance(found["report"], str):
        return Turn(report=found["report"])
    if isinstance(found, dict) and set(found) == {"tool", "arguments"}:
        name, arguments = found["tool"], found["arguments"]
        if isinstance(name, str) and isinstance(arguments, dict):
            return Turn(name, arguments)
    raise TurnMalformed(reason="neither of the two forms")


def offer(tools: list[Tool]) -> str:
    """What the model is told about tools."""
    lines = [f"- {one.name}: {one.about} {json.dumps(one.schema)}" for one in tools]
    return RULES + "\n".join(lines or ["(none)"])


async def _turns(run: Run) -> tuple[str, Stop]:
    first = system_message(run.parts.manifest)
    rules = {
        "role": "system",
        "content": f"{first['content']}\n\n{offer(run.parts.tools.offered())}",
    }
    given = "".join(
        f"\n{name}: {marked(f'input/{name}', text)}" for name, text in run.intent.inputs.items()
    )
    talk: list[Message] = [rules, {"role": "user", "content": f"Goal: {run.intent.goal}{given}"}]
    repairs = 0
    for number in range(TURNS):
        said = await run.think(f"t{number}", talk, run.parts.manifest.model.max_output)
        talk.append({"role": "assistant", "content": said})
        try:
            turn = parse_turn(said)
        except TurnMalformed as error:
            repairs += 1
            if repairs > REPAIRS:
                return f"The model does not keep to the form: {error}", Stop.OUT_OF_FORM
            talk.append({"role": "user", "content": f"Not taken: {error}. Answer in the form."})
            continue
        if turn.report is not None:
            return turn.report, Stop.GOAL
        answer = await _act(run, f"a{number}", turn)
        talk.append({"role": "user", "content": marked(f"a{number}", answer[:SAID_CHARACTERS])})
    return f"{TURNS} turns did not reach the goal.", Stop.TURNS


async def _act(run: Run, act: str, turn: Turn) -> str:
    """A tool's answer, or why it was refused, for the model to read."""
    try:
        return joined(await run.use(act, turn.tool, turn.arguments or {}))
    except (ToolForbidden, ToolArgumentsWrong, ToolFailed) as error:
        return f"refused: {error}"
