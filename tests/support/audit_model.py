"""AuditCourt in Python: states, ballots and wei of one service's audits."""

from dataclasses import dataclass, field

from offchain.compute.audit_draw import LEAST_SEATS, Verdict, tally
from offchain.compute.onchain_audit_court import AuditState as S


@dataclass(slots=True)
class Rules:
    """Windows in seconds, amounts in wei."""

    reveal: int
    commit: int
    vote: int
    escalate: int
    deposit: int
    bond: int


@dataclass(slots=True)
class ModelAudit:
    """One audit as the contract should have it."""

    draws: int
    is_request: bool = False
    state: S = S.NONE
    rnd: int = 1
    deadline: int = 0
    failed: int = 0
    decided: int = 0
    left: int = 0
    is_suspect: bool = False
    is_silent: bool = False
    is_paid: bool = False
    challenger: str = ""
    bond: int = 0
    pot: int = 0
    members: dict[int, list[int]] = field(default_factory=dict)
    sealed: set[tuple[int, int]] = field(default_factory=set)  # round, operator
    opened: dict[tuple[int, int], int] = field(default_factory=dict)

    def votes(self) -> list[int]:
        return [vote for (rnd, _), vote in self.opened.items() if rnd == self.rnd]

    def has_all_sealed(self) -> bool:
        return all((self.rnd, member) in self.sealed for member in self.members[self.rnd])

    def has_all_opened(self) -> bool:
        return all(key in self.opened for key in self.sealed if key[0] == self.rnd)

    def is_ready(self, now: int) -> bool:
        """Whether anybody may move it on."""
        if self.state == S.COMMITTING and self.has_all_sealed():
            return True
        if self.state == S.VOTING and self.has_all_opened():
            return True
        waiting = (S.DRAWN, S.COMMITTING, S.VOTING, S.DECIDED, S.UPHELD)
        return self.state in waiting and now > self.deadline


class AuditBook:
    """All audits and credits."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.audits: dict[int, ModelAudit] = {}
        self.credits: dict[str, int] = {}
        self.cleared = 0
        self.is_charged = False  # the one item that requests are about

    def owed(self) -> int:
        """What the contract holds: pots, bonds and credits."""
        money = sum(one.pot + one.bond for one in self.audits.values())
        return money + sum(self.credits.values())

    def open_cases(self) -> int:
        return sum(one.is_suspect for one in self.audits.values())

    def credit(self, account: str, amount: int) -> None:
        self.credits[account] = self.credits.get(account, 0) + amount

    def draw(self, number: int, members: list[int], now: int) -> None:
        one = self.audits[number]
        one.members[one.rnd] = members
        if len(members) < LEAST_SEATS:
            self._finish(one, S.VOID)
        elif one.rnd == 1:
            one.state, one.deadline = S.DRAWN, now + self.rules.reveal
        else:
            one.state, one.deadline = S.COMMITTING, now + self.rules.commit

    def reveal(self, number: int, now: int) -> None:
        one = self.audits[number]
        one.state, one.deadline = S.COMMITTING, now + self.rules.commit

    def advance(self, number: int, now: int) -> None:
        one = self.audits[number]
        match one.state:
            case S.DRAWN:
                one.is_suspect = one.is_silent = True
                one.failed = one.decided = (1 << one.draws) - 1
                self._uphold(one, now)
            case S.COMMITTING:
                one.state, one.deadline = S.VOTING, min(now, one.deadline) + self.rules.vote
            case S.VOTING:
                self._decide(one, now)
            case S.DECIDED if one.failed:
                self._uphold(one, now)
            case S.DECIDED:
                self._finish(one, S.CLEARED)
            case _:
                self.cost(one, one.left.bit_count())
                one.left = 0
                self._finish(one, S.PUNISHED)

    def escalate(self, number: int, challenger: str) -> None:
        one = self.audits[number]
        one.challenger, one.bond = challenger, self.rules.bond
        one.rnd, one.state, one.deadline = 2, S.ESCALATED, 0

    def convict(self, number: int, draw: int) -> tuple[int, int]:
        """Failed draws that the provider pays, and wei of the payer's loss beside."""
        one = self.audits[number]
        one.left ^= 1 << draw
        if not one.left:
            self._finish(one, S.PUNISHED)
        is_short = one.is_request and not one.is_silent
        return self.cost(one, 1), self.rules.deposit if is_short else 0

    def cost(self, one: ModelAudit, draws: int) -> int:
        """A failed draw each; requests of one item together one."""
        if one.is_request:
            draws, self.is_charged = 0 if self.is_charged else draws, True
        return draws

    def earners(self, number: int) -> list[int]:
        """Operators by seat whose vote agrees with the end."""
        one = self.audits[number]
        return [
            member
            for member in one.members[one.rnd]
            if (one.rnd, member) in one.opened
            and not (one.opened[one.rnd, member] ^ one.failed) & one.decided
        ]

    def pay(self, number: int, owners: list[str], requester: str) -> None:
        one = self.audits[number]
        pot, one.pot, one.is_paid = one.pot, 0, True
        if not owners:
            self.credit(requester if one.is_request else one.challenger, pot)
        for place, owner in enumerate(owners):
            share = pot // (len(owners) - place)
            pot -= share
            self.credit(owner, share)

    def _decide(self, one: ModelAudit, now: int) -> None:
        seats = len(one.members[one.rnd])
        found: Verdict = tally(one.votes(), seats=seats, rnd=one.rnd, draws=one.draws)
        is_split, before = found.is_split(one.draws), one.failed
        one.decided = found.decided
        one.failed = 0 if is_split and one.rnd == 1 else found.failed
        if one.rnd == 1:
            one.is_suspect = is_split or one.failed != 0
            if is_split:
                one.rnd, one.state, one.deadline = 2, S.ESCALATED, 0
            else:
                one.state, one.deadline = S.DECIDED, now + self.rules.escalate
            return
        if not is_split and one.failed == before:
            one.pot, one.bond = one.pot + one.bond, 0
        if one.failed:
            self._uphold(one, now)
        else:
            self._finish(one, S.VOID if is_split else S.CLEARED)

    def _uphold(self, one: ModelAudit, now: int) -> None:
        one.left = one.failed
        one.state, one.deadline = S.UPHELD, now + self.rules.reveal

    def _finish(self, one: ModelAudit, state: S) -> None:
        if one.bond:
            self.credit(one.challenger, one.bond)
            one.bond = 0
        one.is_suspect, one.state, one.deadline = False, state, 0
        if state == S.CLEARED and not one.is_request:
            self.cleared += one.draws
