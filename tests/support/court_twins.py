"""SlashingCourt on the real StakeManager beside both Python models, compared to the wei."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boa
import pytest
from boa import BoaError

from offchain.core.errors import ApogeeError
from offchain.staking.court import Court, Finding, offence_id
from offchain.staking.ledger import StakeLedger
from offchain.staking.model import PoolId, Service
from tests.support.court import CourtSite, court_rules, finding_tuple
from tests.support.ledger_twins import LedgerTwins

NEWEST = 2**31


@dataclass(frozen=True, slots=True)
class LedgerPort:
    """The stake model as the court's model asks it."""

    model: StakeLedger

    def stake_at(self, pool: int, epoch: int) -> int:
        return self.model.stake_at(PoolId(pool), epoch)

    def total_stake_at(self, service: int, epoch: int) -> int:
        members = self.model.roster.members_at(Service(service), epoch)
        return sum(member.stake_wei for member in members.values())

    def total_stake(self) -> int:
        return sum(self.total_stake_at(service, NEWEST) for service in Service)

    def slashed_at(self, pool: int, epoch: int) -> int:
        return self.model.taken[PoolId(pool), epoch]

    def exposed(self, pool: int, epoch: int) -> int:
        return self.model.exposed(PoolId(pool), epoch)

    def reserved(self, pool: int) -> int:
        return self.model.pool(PoolId(pool)).reserved

    def slash(self, pool: int, epoch: int, amount: int, sentence: int) -> int:
        return self.model.slash(PoolId(pool), epoch, amount, sentence)

    def reserve(self, pool: int, amount: int) -> None:
        self.model.reserve(PoolId(pool), amount)

    def release(self, pool: int, amount: int) -> None:
        self.model.release(PoolId(pool), amount)

    def open_case(self, pool: int) -> None:
        self.model.open_case(PoolId(pool))

    def close_case(self, pool: int) -> None:
        self.model.close_case(PoolId(pool))


class CourtTwins:
    """Court and model; each method calls both and demands the same answer or a refusal by both."""

    def __init__(self, site: CourtSite, *, max_operators: int) -> None:
        self.site = site
        self.chain = site.court
        self.ledgers = LedgerTwins(site.staking, max_operators=max_operators)
        self.model = Court(
            clock=site.clock(),
            ledger=LedgerPort(self.ledgers.model),
            treasury=site.treasury,
            rules=court_rules(site.adjudicator),
        )
        self.address = bytes.fromhex(site.court.address[2:])
        self.chain_id = int(boa.env.evm.patch.chain_id)

    @property
    def now(self) -> int:
        return int(boa.env.timestamp)

    def number_of(self, finding: Finding) -> bytes:
        return offence_id(self.chain_id, self.address, finding)

    def convict(self, finding: Finding, reporter: str | None) -> bool:
        """Whether both accepted the finding."""
        number = self.number_of(finding)
        accepted = self._both(
            lambda: self.model.open_case(number, finding, reporter, self.now) and number,
            lambda: bytes(
                self.chain.convict(
                    finding_tuple(finding),
                    reporter or "0x" + "00" * 20,
                    sender=self.site.adjudicator,
                )
            ),
        )
        return accepted is not None

    def execute(self, number: bytes, caller: str) -> int | None:
        return self._both(
            lambda: self.model.execute(number, self.now),
            lambda: self.chain.execute(number, sender=caller),
        )

    def settle(self, number: bytes, caller: str) -> int | None:
        return self._both(
            lambda: self.model.settle_correlation(number, self.now),
            lambda: self.chain.settle_correlation(number, sender=caller),
        )

    def veto(self, number: bytes, reason: bytes) -> None:
        """Two guardians of three."""
        first, second = self.site.guardians[:2]

        def on_chain() -> None:
            self.chain.veto(number, reason, sender=first)
            assert self.chain.veto(number, reason, sender=second)

        self._both(lambda: self.model.veto(number, self.now), on_chain)

    def close_round(self, caller: str) -> int | None:
        epoch = self.model.clock.epoch_of(self.now)
        return self._both(
            lambda: self.model.insurance.close_round(epoch) and None,
            lambda: self.chain.close_round(sender=caller),
        )

    def collect(self, number: bytes, caller: str) -> int | None:
        return self._both(
            lambda: self.model.collect(number, self.now),
            lambda: self.chain.collect(number, sender=caller),
        )

    def withdraw(self, account: str, to: str) -> int:
        held = self.model.withdraw(account)
        if not held:
            with boa.reverts("credits: nothing to pay"):
                self.chain.withdraw(to, sender=account)
            return 0
        assert held == self.chain.withdraw(to, sender=account)
        return held

    def compare(self) -> None:
        """Money, insurance, credits and cases are those of the model."""
        assert self.model.balance() == boa.env.get_balance(self.chain.address)
        assert self.model.insurance.held == self.chain.insurance_held()
        for account, credit in self.model.credits.items():
            assert credit == self.chain.credit_of(account)

    def compare_case(self, number: bytes) -> None:
        expected, actual = self.model.cases[number], self.chain.case_of(number)
        assert int(expected.state) == actual.state
        assert (expected.finding.pool, expected.finding.epoch) == (actual.pool, actual.epoch)
        assert expected.left == actual.left
        if actual.opened_at:
            assert (expected.taken, expected.loss) == (actual.taken, actual.loss)

    def _both(self, model: Callable[[], Any], chain: Callable[[], Any]) -> Any:
        self.ledgers.model.now = self.now
        before = boa.env.get_balance(self.chain.address)
        try:
            expected = model()
        except ApogeeError:
            with boa.reverts():
                chain()
            assert before == boa.env.get_balance(self.chain.address)
            return None
        try:
            actual = chain()
        except BoaError as error:
            pytest.fail(f"the contract refused what the model allows: {error}")
        assert expected == actual
        return actual
