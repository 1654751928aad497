"""Where a slashed wei goes: what was taken, who got it, and whether it adds up to the wei."""

from dataclasses import dataclass

from offchain.apps.amounts import show_amount
from offchain.apps.network import Network
from offchain.apps.operators import pool_of
from offchain.chain.model import Address, Receipt
from offchain.core.errors import Corrupt
from offchain.staking.court_events import Slashed as CourtSlashed
from offchain.staking.events import Slashed as LedgerSlashed


class MoneyDoesNotAddUp(Corrupt):
    """The ledger, the court's event and the credits tell different stories."""

    code = "demo.money_does_not_add_up"
    next_step = "Run again with --keep DIR and read the transaction: a contract has a bug."


@dataclass(frozen=True, slots=True)
class Balances:
    """The money a slash can move, read at one block; wei."""

    own: int
    delegated: int
    reporter: int
    insurance: int
    treasury: int

    @classmethod
    def read(cls, network: Network, operator: int, reporter: Address) -> "Balances":
        at = network.node.block().hash
        pool = network.stake.pool_state(pool_of(operator), at=at)
        treasury = network.court.treasury(at=at)
        return cls(
            own=pool.own,
            delegated=pool.delegated,
            reporter=network.court.credit_of(reporter, at=at),
            insurance=network.court.insurance_held(at=at),
            treasury=network.court.credit_of(treasury, at=at),
        )


@dataclass(frozen=True, slots=True)
class MoneyPath:
    """One slash, from the stake it was taken from to those who were credited; wei."""

    own_before: int
    from_own: int
    from_delegated: int
    taken: int
    to_reporter: int
    to_victim: int
    to_insurance: int
    to_treasury: int

    def as_json(self) -> dict[str, object]:
        return {
            "stake_before_wei": self.own_before,
            "from_own_wei": self.from_own,
            "from_delegated_wei": self.from_delegated,
            "taken_wei": self.taken,
            "to_reporter_wei": self.to_reporter,
            "to_victim_wei": self.to_victim,
            "to_insurance_wei": self.to_insurance,
            "to_treasury_wei": self.to_treasury,
            "adds_up": True,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Lines for people; amounts in coins, exact."""
        return [
            ("operator's own stake before", show_amount(self.own_before)),
            ("taken from own stake", show_amount(self.from_own)),
            ("taken from delegators", show_amount(self.from_delegated)),
            ("= taken", show_amount(self.taken)),
            ("to the reporter", show_amount(self.to_reporter)),
            ("to the victim (this offence names none)", show_amount(self.to_victim)),
            ("to the insurance pool", show_amount(self.to_insurance)),
            ("to the Treasury", show_amount(self.to_treasury)),
        ]


def trace_money(network: Network, receipt: Receipt, before: Balances, after: Balances) -> MoneyPath:
    """The path of a slash, checked three ways. Raises: MoneyDoesNotAddUp.

    What the ledger lost equals what its event says; the court's event shares all of it out; every
    share arrived where it belongs.
    """
    [ledger] = network.stake.events_in(LedgerSlashed, receipt.logs)
    [court] = network.court.events_in(CourtSlashed, receipt.logs)
    shares = court.to_reporter + court.to_victim + court.to_insurance + court.to_treasury
    checks = {
        "own stake": (before.own - after.own, ledger.own),
        "delegated stake": (before.delegated - after.delegated, ledger.delegated),
        "taken": (ledger.own + ledger.delegated, court.taken),
        "shares": (shares, court.taken),
        "reporter": (after.reporter - before.reporter, court.to_reporter),
        "insurance": (after.insurance - before.insurance, court.to_insurance),
        "treasury": (after.treasury - before.treasury, court.to_treasury),
    }
    for what, (found, wanted) in checks.items():
        if found != wanted:
            raise MoneyDoesNotAddUp(what=what, found=found, wanted=wanted)
    return MoneyPath(
        own_before=before.own,
        from_own=ledger.own,
        from_delegated=ledger.delegated,
        taken=court.taken,
        to_reporter=court.to_reporter,
        to_victim=court.to_victim,
        to_insurance=court.to_insurance,
        to_treasury=court.to_treasury,
    )
