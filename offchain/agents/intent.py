"""What somebody wants an agent to do, and how far it may go: the limits of one session; pure.

A model never sees an intent as an order to enforce: budget, deadline, tools and counterparties are
held by the purse, the permissions and the chain. `digest` is what run logs name; it hides the goal.
Source: docs/protocol/agents.md#runtime.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Self

from offchain.agents.runtime_errors import IntentInvalid
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import ADDRESS_BYTES, words

MAX_GOAL_BYTES: Final = 4_096
MAX_INPUT_BYTES: Final = 16_384
MAX_NAMES: Final = 32
MAX_BUDGET: Final = (1 << 96) - 1
NATIVE: Final = bytes(ADDRESS_BYTES)
INTENT_TYPE: Final = keccak(
    b"Intent(bytes32 goal,uint96 budget,address currency,uint64 deadline,bytes32 tools,"
    b"bytes32 counterparties,bytes32 skill)"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a session goes. `budget`: base units of `currency`; `deadline`: chain seconds.

    `tools`: which it may use; `counterparties`: accounts that may be paid. Empty: none.
    """

    budget: int
    deadline: int
    currency: bytes = NATIVE
    tools: frozenset[str] = frozenset()
    counterparties: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        """Raises: IntentInvalid."""
        if not 0 < self.budget <= MAX_BUDGET:
            raise IntentInvalid(field="budget", budget=self.budget)
        if not 0 < self.deadline < 1 << 64:
            raise IntentInvalid(field="deadline", deadline=self.deadline)
        if len(self.currency) != ADDRESS_BYTES:
            raise IntentInvalid(field="currency")
        if any(len(one) != ADDRESS_BYTES for one in self.counterparties):
            raise IntentInvalid(field="counterparties")
        if max(len(self.tools), len(self.counterparties)) > MAX_NAMES:
            raise IntentInvalid(field="names", most=MAX_NAMES)

    def as_json(self) -> dict[str, object]:
        return {
            "budget": str(self.budget),
            "deadline": self.deadline,
            "currency": "0x" + self.currency.hex(),
            "tools": sorted(self.tools),
            "counterparties": sorted("0x" + one.hex() for one in self.counterparties),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Self:
        """Raises: IntentInvalid."""
        try:
            tools, paid = found["tools"], found["counterparties"]
            if not isinstance(tools, list) or not isinstance(paid, list):
                raise IntentInvalid(field="names")
            return cls(
                budget=int(str(found["budget"])),
                deadline=int(str(found["deadline"])),
                currency=_address(found["currency"]),
                tools=frozenset(str(one) for one in tools),
                counterparties=frozenset(_address(one) for one in paid),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise IntentInvalid(field="limits", reason=str(error)[:80]) from error


@dataclass(frozen=True, slots=True)
class Intent:
    """A goal in words, the limits, and the skill to follow with its inputs; "": the model plans."""

    goal: str = field(repr=False)
    limits: Limits
    skill: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Raises: IntentInvalid."""
        if not self.goal.strip() or len(self.goal.encode()) > MAX_GOAL_BYTES:
            raise IntentInvalid(field="goal", bytes=len(self.goal.encode()), most=MAX_GOAL_BYTES)
        size = sum(len(name) + len(text.encode()) for name, text in self.inputs.items())
        if len(self.inputs) > MAX_NAMES or size > MAX_INPUT_BYTES:
            raise IntentInvalid(field="inputs", bytes=size, most=MAX_INPUT_BYTES)

    @property
    def goal_hash(self) -> Digest:
        """Goal and inputs, hidden."""
        return keccak(keccak(self.goal.encode()), keccak(_json(dict(self.inputs))))

    def digest(self) -> Digest:
        return intent_digest(self.goal_hash, self.limits, self.skill)

    def to_bytes(self) -> bytes:
        return _json({**asdict(self), "limits": self.limits.as_json()})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Raises: IntentInvalid."""
        try:
            found = json.loads(raw)
            limits = Limits.from_json(found["limits"])
            return cls(str(found["goal"]), limits, str(found["skill"]), dict(found["inputs"]))
        except (ValueError, KeyError, TypeError) as error:
            raise IntentInvalid(field="form", reason=str(error)[:80]) from error


def intent_digest(goal_hash: bytes, limits: Limits, skill: str) -> Digest:
    """The struct hash of an intent; who does not know the goal checks the limits with it."""
    return keccak(
        words(
            INTENT_TYPE,
            goal_hash,
            limits.budget,
            limits.currency,
            limits.deadline,
            keccak("\n".join(sorted(limits.tools)).encode()),
            keccak(*sorted(limits.counterparties)),
            keccak(skill.encode()),
        )
    )


def _json(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _address(text: object) -> bytes:
    return bytes.fromhex(str(text).removeprefix("0x"))
