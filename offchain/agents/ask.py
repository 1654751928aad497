"""What is said to an agent's host, and what it answers: JSON bodies of envelopes; pure.

  ask      {"version": 1, "run", "goal", "budget": wei, "deadline": seconds, "skill", "inputs"}
  log      {"version": 1, "log": run}                                    the log of a run that ended
  answer   {"version": 1, "state": "pay", "key", "provider", "service"}   let this key pay so much
           {"version": 1, "state": "working"}                             ask the same again
           {"version": 1, "state": "ended", "reason", "report", "log"}    how it ended, its run log

The same asker and `run` is the same run: it is begun, paid and done once, however often it is asked
for. Source: docs/protocol/agents.md#serving.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from pydantic_core import from_json

from offchain.agents.intent import MAX_BUDGET
from offchain.agents.run import Report
from offchain.agents.runtime_errors import AskMalformed
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import ADDRESS_BYTES

VERSION: Final = 1
MAX_BYTES: Final = 32_768
MAX_ANSWER_BYTES: Final = 1 << 18
MAX_SECONDS: Final = 86_400
_DIGITS: Final = 32
_RUN: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
_ASKED: Final = {"version", "run", "goal", "budget", "deadline", "skill", "inputs"}


@dataclass(frozen=True, slots=True)
class Ask:
    """An intent for an agent that somebody else holds. `deadline`: seconds of the chain's clock."""

    run: str
    goal: str = field(repr=False)
    budget: int
    deadline: int
    skill: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Raises: AskMalformed. What is said in words the intent bounds."""
        texts = (*self.inputs, *self.inputs.values())
        for name, holds in (
            ("run", _RUN.fullmatch(self.run)),
            ("budget", 0 < self.budget <= MAX_BUDGET),
            ("deadline", not isinstance(self.deadline, bool) and 0 < self.deadline < 1 << 63),
            ("inputs", all(isinstance(one, str) for one in texts)),
        ):
            if not holds:
                raise AskMalformed(field=name)

    def to_bytes(self) -> bytes:
        return _json(
            {
                "version": VERSION,
                "run": self.run,
                "goal": self.goal,
                "budget": str(self.budget),
                "deadline": self.deadline,
                "skill": self.skill,
                "inputs": dict(self.inputs),
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises: AskMalformed."""
        body = _body(raw, MAX_BYTES)
        inputs, deadline = body.get("inputs", {}), body.get("deadline")
        if set(body) - _ASKED or not isinstance(inputs, dict) or not isinstance(deadline, int):
            raise AskMalformed(field="fields")
        budget = _text(body, "budget")
        if not budget.isascii() or not budget.isdecimal() or len(budget) > _DIGITS:
            raise AskMalformed(field="budget")
        return cls(
            run=_text(body, "run"),
            goal=_text(body, "goal"),
            budget=int(budget),
            deadline=deadline,
            skill=_text(body, "skill"),
            inputs=inputs,
        )


@dataclass(frozen=True, slots=True)
class LogWish:
    """What is wanted again: the log of a run of who asks."""

    run: str

    def to_bytes(self) -> bytes:
        return _json({"version": VERSION, "log": self.run})


def wanted_of(raw: bytes) -> Ask | LogWish:
    """What somebody says to a host. Raises: AskMalformed."""
    body = _body(raw, MAX_BYTES)
    if "log" not in body:
        return Ask.from_bytes(raw)
    run = _text(body, "log")
    if set(body) != {"version", "log"} or not _RUN.fullmatch(run):
        raise AskMalformed(field="log")
    return LogWish(run)


def run_id(name: str, token: int, who: bytes) -> Digest:
    """A run as its log names it. `name`: its caller's right and his name for it."""
    return keccak(name.encode(), token.to_bytes(32, "big"), who)


class State(StrEnum):
    """Where an ask stands."""

    PAY = "pay"
    WORKING = "working"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Payee:
    """Which key may sign vouchers of the asker, to whom and for what: nothing else of his."""

    key: bytes
    provider: bytes
    service: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host says; `payee` in state PAY, the rest in state ENDED."""

    state: State
    payee: Payee | None = None
    reason: str = ""
    report: str = field(default="", repr=False)
    log: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, report: Report) -> Self:
        return cls(State.ENDED, None, report.reason.value, report.text, report.log.to_bytes())

    def to_bytes(self) -> bytes:
        body: dict[str, object] = {"version": VERSION, "state": self.state.value}
        if self.payee is not None:
            names = ("key", "provider", "service")
            body |= {name: "0x" + getattr(self.payee, name).hex() for name in names}
        if self.state is State.ENDED:
            body |= {"reason": self.reason, "report": self.report, "log": self.log.decode()}
        return _json(body)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises: AskMalformed."""
        body = _body(raw, MAX_ANSWER_BYTES)
        try:
            state = State(str(body.get("state")))
            payee = None
            if state is State.PAY:
                payee = Payee(
                    _raw(body["key"], ADDRESS_BYTES),
                    _raw(body["provider"], ADDRESS_BYTES),
                    _raw(body["service"], 32),
                )
        except (ValueError, KeyError) as error:
            raise AskMalformed(field="answer") from error
        reason, report, log = (_text(body, name) for name in ("reason", "report", "log"))
        return cls(state, payee, reason, report, log.encode())


def _body(raw: bytes, most: int) -> dict[str, object]:
    try:
        found = from_json(raw) if len(raw) <= most else None
    except ValueError as error:
        raise AskMalformed(field="form") from error
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise AskMalformed(field="version")
    return found


def _text(body: Mapping[str, object], name: str) -> str:
    found = body.get(name, "")
    if not isinstance(found, str):
        raise AskMalformed(field=name)
    return found


def _raw(found: object, length: int) -> bytes:
    raw = bytes.fromhex(str(found).removeprefix("0x"))
    if len(raw) != length:
        raise ValueError(length)
    return raw


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
