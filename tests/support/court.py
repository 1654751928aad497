"""Deploy the court on the real ledger and speak to it in the terms of `offchain.staking.court`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boa

from offchain.staking.court import CourtClock, Finding, OffenceClass, Rule
from tests.support.staking import (
    COIN,
    DA,
    DAY,
    EPOCH,
    StakingSite,
    a_wallet,
    deploy_staking,
    staking_deployer,
)

RULE_DELAY = 29 * DAY
ZERO = "0x" + "00" * 20
PROOF, CORRELATED_PROOF, SILENCE, VERDICT, NAMED, TOTAL = 101, 102, 103, 104, 105, 106
NAMED_SILENCE = 107


@dataclass(frozen=True, slots=True)
class CourtSite:
    """The ledger with its real court; `adjudicator` holds that role for every type of `RULES`."""

    staking: StakingSite
    court: Any
    governance: str
    treasury: str
    adjudicator: str
    guardians: tuple[str, ...]

    @property
    def stake(self) -> Any:
        return self.staking.stake

    def clock(self) -> CourtClock:
        return CourtClock(
            genesis=self.stake.epoch_start(0),
            epoch_seconds=EPOCH,
            veto_seconds=self.court.VETO_WINDOW(),
            correlation_seconds=self.court.CORRELATION_WINDOW(),
        )


def a_rule(adjudicator: str = ZERO, **changes: Any) -> Rule:
    rule = Rule(
        offence_class=OffenceClass.PROVEN,
        service=DA,
        base_bps=1_000,
        reporter_bps=2_000,
        jail_epochs=0,
        evidence_seconds=24 * DAY,
        correlated=False,
        tombstones=False,
        adjudicator=adjudicator,
    )
    return replace(rule, **changes)


def court_rules(adjudicator: str) -> dict[int, Rule]:
    """One type of each kind the court treats differently."""
    return {
        PROOF: a_rule(adjudicator, base_bps=3_000, tombstones=True),
        CORRELATED_PROOF: a_rule(adjudicator, base_bps=500, correlated=True, reporter_bps=500),
        SILENCE: a_rule(adjudicator, offence_class=OffenceClass.MISSED, jail_epochs=2),
        VERDICT: a_rule(adjudicator, offence_class=OffenceClass.ATTESTED, reporter_bps=500),
        NAMED: a_rule(adjudicator, base_bps=0, reporter_bps=500),
        TOTAL: a_rule(adjudicator, base_bps=10_000),
        NAMED_SILENCE: a_rule(adjudicator, offence_class=OffenceClass.MISSED, base_bps=0),
    }


def rule_tuple(rule: Rule) -> tuple[Any, ...]:
    return (
        int(rule.offence_class),
        rule.service,
        rule.base_bps,
        rule.reporter_bps,
        rule.jail_epochs,
        rule.evidence_seconds,
        rule.correlated,
        rule.tombstones,
        rule.adjudicator,
    )


def finding_tuple(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.offence,
        finding.pool,
        finding.epoch,
        finding.subject,
        finding.amount,
        finding.victim or ZERO,
        finding.loss,
    )


def a_finding(pool: int, epoch: int, *, offence: int = PROOF, **changes: Any) -> Finding:
    finding = Finding(offence=offence, pool=pool, epoch=epoch, subject=b"\x07" * 32)
    return replace(finding, **changes)


def deploy_court(*, rules: bool = True) -> CourtSite:
    """Ledger and court, wired; guardians are 2 of 3; types may still be added at once."""
    staking = deploy_staking(court="")
    treasury = boa.env.generate_address("treasury")
    adjudicator = boa.env.generate_address("adjudicator")
    court = staking_deployer("SlashingCourt").deploy(
        staking.stake.address, staking.governance, treasury, RULE_DELAY
    )
    staking.stake.wire_court(court.address, sender=staking.governance)
    guardians = tuple(
        sorted((a_wallet(f"guardian {number}") for number in range(3)), key=lambda a: int(a, 16))
    )
    court.set_guardians(list(guardians), 2, sender=staking.governance)
    if rules:
        for offence, rule in court_rules(adjudicator).items():
            court.add_type(offence, rule_tuple(rule), sender=staking.governance)
    return CourtSite(staking, court, staking.governance, treasury, adjudicator, guardians)


def convict(site: CourtSite, finding: Finding, reporter: str = ZERO) -> bytes:
    return bytes(site.court.convict(finding_tuple(finding), reporter, sender=site.adjudicator))


def picture(site: CourtSite, pools: Iterable[int] = ()) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    court, stake = site.court, site.stake
    return (
        boa.env.get_balance(court.address),
        boa.env.get_balance(stake.address),
        court.insurance_held(),
        court.credit_of(site.treasury),
        court.open_round(),
        tuple(rule_of(court, offence) for offence in court_rules(ZERO)),
        tuple(tuple(stake.pool_state(pool)) for pool in pools),
    )


@contextmanager
def refused(site: CourtSite, reason: str, *pools: int) -> Iterator[None]:
    """The call inside reverts with exactly this reason and moves nothing."""
    before = picture(site, pools)
    with boa.reverts(reason):
        yield
    assert before == picture(site, pools)


def rule_of(court: Any, offence: int) -> tuple[Any, ...]:
    return tuple(court.type_of(offence))


def to_time(seconds: int) -> None:
    """Travel to a chain time that has not passed yet."""
    boa.env.time_travel(seconds=seconds - boa.env.timestamp)


def coins(amount: float) -> int:
    return int(amount * COIN)
