"""Who answered what it should not have: records a reader can show, and what it thinks of nodes.

A record says which node, what was asked, the SHA-256 of the answer and why it was refused. Only
answers that this very node gave are ever held against it, and a node that says it is busy or was
never sent the rows is asked less, not blamed. Source: docs/protocol/da.md#reading.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from offchain.core.errors import ApogeeError
from offchain.da.duties import Duty
from offchain.da.refusals import (
    BlobUnknown,
    NodeBusy,
    NodeRefused,
    RowNotHeld,
)
from offchain.node.errors import RateLimited

HONEST_REFUSALS: Final = frozenset(
    {BlobUnknown.code, NodeBusy.code, RateLimited.code, RowNotHeld.code}
)


@dataclass(frozen=True, slots=True)
class Blame:
    """One answer, or its absence, that a node must answer for."""

    operator: int
    endpoint: str
    request: str
    answer_digest: bytes
    reason: str


@dataclass(slots=True)
class BlameBook:
    """All blame of one read, and the strikes that order whom to ask next."""

    records: list[Blame] = field(default_factory=list)
    strikes: dict[int, int] = field(default_factory=dict)
    liars: set[int] = field(default_factory=set)

    def blame(self, duty: Duty, *, request: str, answer: bytes, reason: str) -> None:
        """Write down one bad answer; an empty answer is that none came."""
        digest = hashlib.sha256(answer).digest()
        self.records.append(Blame(duty.operator, duty.endpoint, request, digest, reason))
        self.strike(duty)

    def convict(self, duty: Duty, *, request: str, answer: bytes, reason: str) -> None:
        """Blame for an answer that no honest node gives: from now on nobody needs this node."""
        self.liars.add(duty.operator)
        self.blame(duty, request=request, answer=answer, reason=reason)

    def strike(self, duty: Duty) -> None:
        """Ask this node after the others, without a record."""
        self.strikes[duty.operator] = self.strikes.get(duty.operator, 0) + 1

    def note(self, duty: Duty, error: ApogeeError, *, request: str, answer: bytes) -> None:
        """Blame or, for a refusal that an honest node may give, only strike."""
        code = error.remote_code if isinstance(error, NodeRefused) else ""
        if code in HONEST_REFUSALS:
            self.strike(duty)
        else:
            self.blame(duty, request=request, answer=answer, reason=code or error.code)

    def strikes_of(self, operator: int) -> int:
        return self.strikes.get(operator, 0)

    def operators(self) -> frozenset[int]:
        """The operators with at least one record."""
        return frozenset(record.operator for record in self.records)

    def troubled(self) -> str:
        """The operators that did not deliver something, for an error's field."""
        return ",".join(map(str, sorted(self.strikes)))
