"""What court and beacon refuse: from each revert reason to a class that says how to handle it.

Several reasons share a class where a caller handles them alike; the reason stays in the error's
fields. Source: docs/protocol/staking.md#court, docs/protocol/staking.md#beacon.
"""

from typing import Final

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, NotFound, Rejected


class RuleRefused(InvalidInput):
    """The rule of an offence is out of its bounds."""

    code = "staking.court.rule_refused"
    next_step = "Keep class, rate, window and shares within docs/protocol/staking.md#court."


class UnknownOffence(NotFound):
    """No type of offence has this number, or nothing is announced for it."""

    code = "staking.court.unknown_offence"


class MilderCostsMore(Rejected):
    """The rule would make a ranked milder offence cost more than the harsher one."""

    code = "staking.court.milder_costs_more"


class TooEarly(Conflict):
    """The time for this has not come."""

    code = "staking.court.too_early"
    next_step = "Wait for the window named in the reason, then send it again."


class TooLate(Conflict):
    """The time for this is over."""

    code = "staking.court.too_late"


class DoneAlready(Conflict):
    """Somebody did this before."""

    code = "staking.court.done_already"
    next_step = "Nothing is left to do; read the case or the seats."


class NothingToDo(Conflict):
    """There is no such case, claim, round or credit in the state this needs."""

    code = "staking.court.nothing_to_do"


class CapUsed(Conflict):
    """Waiting cases have taken all they may in this epoch."""

    code = "staking.court.cap_used"
    next_step = "Execute the case again in the next epoch."


class FindingRefused(Rejected):
    """The finding names a pool, epoch, amount or victim its type cannot have."""

    code = "staking.court.finding_refused"


class RoleMissing(Rejected):
    """The caller does not have the role this needs."""

    code = "staking.court.role_missing"


class ReceiverRefused(Rejected):
    """The receiver of a credit does not take it."""

    code = "staking.court.receiver_refused"
    next_step = "Name another receiver; the credit is untouched."


class CoverRefused(Rejected):
    """The cover of the stake tree does not prove these seats."""

    code = "staking.beacon.cover_refused"
    next_step = "Build the cover from the RELAYER tree of the epoch before."


class WrongAggregate(Rejected):
    """The aggregate is not the sum of the shown operators' signatures."""

    code = "staking.beacon.wrong_aggregate"


class GuardiansRefused(InvalidInput):
    """Guardians are different accounts, ascending, with a threshold among them."""

    code = "staking.court.guardians_refused"


_TABLE: Final[dict[type[ApogeeError], tuple[str, ...]]] = {
    RuleRefused: (
        "types: attested above 30 %",
        "types: base above the cap",
        "types: delay below unbonding",
        "types: evidence window too long",
        "types: jail too long",
        "types: no adjudicator",
        "types: no rate to rank",
        "types: number out of range",
        "types: one type has no rank",
        "types: only proofs go so far",
        "types: reporter share too high",
        "types: unknown class",
        "types: unknown service",
        "types: window differs",
        "court: empty window",
        "court: no treasury",
        "court: veto below correlation",
        "court: window splits epochs",
        "beacon: not a contract",
    ),
    UnknownOffence: ("types: unknown offence", "types: nothing announced"),
    MilderCostsMore: ("types: milder costs more",),
    TooEarly: (
        "types: delay is not over",
        "court: epoch has not begun",
        "court: evidence may still come",
        "court: veto window is open",
        "insurance: round is open",
        "insurance: round is young",
        "beacon: cut-off not reached",
        "beacon: epoch has not begun",
    ),
    TooLate: (
        "court: evidence too late",
        "court: veto window is over",
        "beacon: not the coming epoch",
    ),
    DoneAlready: (
        "types: ranked already",
        "types: sealed already",
        "court: committed already",
        "court: punished already",
        "guardians: voted already",
        "beacon: seat contributed",
        "beacon: seat is in already",
        "beacon: wired already",
    ),
    NothingToDo: (
        "court: nothing to settle",
        "court: nothing waits",
        "credits: nothing to pay",
        "insurance: empty",
        "insurance: no claim",
        "insurance: no claims",
        "beacon: nobody owed epoch 0",
    ),
    CapUsed: ("court: cap of this epoch is used",),
    FindingRefused: (
        "court: another offence",
        "court: loss without victim",
        "court: nothing at stake",
        "court: pool of another service",
        "court: rate or amount, not both",
        "beacon: judges absence only",
        "beacon: no such seat",
        "beacon: seat of another",
    ),
    RoleMissing: (
        "court: not StakeManager",
        "court: not the adjudicator",
        "guardians: not a guardian",
    ),
    ReceiverRefused: ("credits: no receiver", "credits: receiver refused"),
    CoverRefused: (
        "beacon: holds no seat",
        "beacon: nobody signs",
        "beacon: not the frozen tree",
        "stake_cover: gap or overlap",
        "stake_cover: hash left over",
        "stake_cover: hash missing",
        "stake_cover: key left over",
        "stake_cover: key missing",
        "stake_cover: no such leaf",
        "stake_cover: no such level",
        "stake_cover: sum too large",
        "stake_cover: too long",
        "stake_cover: too short",
    ),
    WrongAggregate: ("beacon: wrong signature", "beacon: G2ADD failed"),
    GuardiansRefused: (
        "court: no reason",
        "guardians: members not ascending",
        "guardians: threshold above members",
        "guardians: threshold is zero",
    ),
}
COURT_REVERTS: Final[dict[str, type[ApogeeError]]] = {
    reason: refusal for refusal, reasons in _TABLE.items() for reason in reasons
}
