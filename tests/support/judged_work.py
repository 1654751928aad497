"""Work that courts and juries look at, on an `AuditMarket`: roles of its auditors, leaves, jobs."""

import json
from dataclasses import dataclass

import pytest

from offchain.apps import court_dues, job_market
from offchain.apps.keystore import Keystore
from offchain.apps.provider_init import ProviderInit, Wish, specs_of
from offchain.apps.stake import Actor
from offchain.compute.job_terms import case_id
from offchain.compute.model import NATIVE_COIN
from offchain.compute.shown import SettledBatch
from tests.support.audit_market import AUDITORS, EPOCHS, PAYER, AuditMarket, Shop

WINDOW = 60  # seconds, of each step of a job
RESULT = "0x" + "cd" * 32


def auditor_roles(market: AuditMarket) -> dict[int, str]:
    """Roles of the market's home that sign for its auditors, by operator."""
    found = {}
    for number in range(AUDITORS):
        operator_id, role = number + 1, f"auditor-{number}"
        actor = Actor(market.home, market.network, role, as_json=True)
        if not Keystore(market.home.keys).has(role):
            registry = market.network.registry
            offering = registry.offer_signer(actor.address)
            market.chain.senders[number].execute(offering, key=f"signer:{role}")
            actor.send(registry.accept_signer(operator_id), "accept signer")
        found[operator_id] = role
    return found


async def demanded_leaf(market: AuditMarket, shop: Shop, batch: int) -> None:
    """The payer asks for a leaf on chain; the provider shows it, once, and has earned the bond."""
    network, court = market.network, market.network.receipts
    opened = shop.batches.opened(batch)
    item = SettledBatch.of(batch, opened.items).item(0)
    payer = Actor(market.home, network, PAYER, as_json=True)
    bond = court.bond(at=payer.at)
    payer.send(court.demand(item, 1, bond=bond * 2), f"demand:{batch}")
    assert network.escrow.batch(batch, at=payer.at).open_cases == 1
    provider = network.escrow.batch(batch, at=payer.at).provider

    assert await shop.demands.round() == 1

    assert await shop.demands.round() == 0
    assert network.escrow.batch(batch, at=payer.at).open_cases == 0
    earned = court.credit_of(provider, at=payer.at)
    assert 0 < earned <= bond * 2
    held = network.node.balance(court.address, at=payer.at)
    assert held == earned + court.credit_of(payer.address, at=payer.at) == bond * 2


def taken_dues(market: AuditMarket, role: str, capsys: pytest.CaptureFixture[str]) -> int:
    """`apogee provider credits --take`; the wei that the role's account has more, gas aside."""
    actor = Actor(market.home, market.network, role, as_json=True)
    node, owed = market.network.node, sum(court_dues.credits_of(actor).values())
    assert owed > 0
    before = node.balance(actor.address, at=actor.at)
    capsys.readouterr()

    court_dues.collect(actor, is_taken=True)

    rows = json.loads(capsys.readouterr().out)["credits"]
    assert any(row["is_taken"] for row in rows)
    assert sum(court_dues.credits_of(actor).values()) == 0
    spent = before + owed - node.balance(actor.address, at=actor.at)
    assert 0 < spent < owed, "what was owed has come, less the gas of taking it"
    return owed


@dataclass
class Bench:
    """Jobs of one provider in a market, by the functions of `apogee jobs`."""

    market: AuditMarket
    provider: str
    service: bytes

    @classmethod
    def of(cls, market: AuditMarket, role: str) -> "Bench":
        """A newcomer that is registered and staked; nobody buys answers of it."""
        specs = specs_of(["scripted"], url=None, numerics="fp32", device="cpu")
        init = ProviderInit(Actor(market.home, market.network, role, as_json=True), Wish(specs))
        for _ in init.steps():
            pass
        for _ in range(EPOCHS):
            market.enter_epoch()
        [offered] = init.file().offered
        return cls(market, role, offered.service)

    def actor(self, role: str) -> Actor:
        return Actor(self.market.home, self.market.network, role, as_json=True)

    def posted(self, plan: str, *, is_opened: bool = True) -> int:
        """A job with the provider's bid, sealed, and opened unless told otherwise."""
        wish = job_market.PostWish(
            *(RESULT, "1eth", plan, "chat", "none", None, 10), WINDOW, WINDOW, WINDOW
        )
        buyer, market = self.actor(PAYER), self.market
        job_market.post(buyer, wish)
        number = market.network.jobs.job_count(at=buyer.at)
        job_market.bid(self.actor(self.provider), number, "0x" + self.service.hex(), "0.5eth")
        market.pass_until(market.network.jobs.job(number, at=buyer.at).bid_until)
        if is_opened:
            job_market.reveal(self.actor(self.provider), number)
        market.pass_until(market.network.jobs.job(number, at=buyer.at).reveal_until)
        return number

    def deliver(self, number: int) -> None:
        job_market.deliver(self.actor(self.provider), number, RESULT, None)

    def free(self, account: bytes) -> int:
        """What the market of jobs owes an account."""
        jobs = self.market.network.jobs
        return jobs.free_of(account, NATIVE_COIN, at=self.actor(PAYER).at)

    def jurors(self, case: int) -> list[int]:
        """Operators with a seat."""
        jobs, at = self.market.network.jobs, self.actor(PAYER).at
        seats = (jobs.ballot(case, seat, at=at).operator_id for seat in range(7))
        return [one for one in seats if one]

    def disputed(self, number: int) -> int:
        """The buyer's dispute of what was delivered; its case."""
        buyer, jobs = self.actor(PAYER), self.market.network.jobs
        milestone = jobs.job(number, at=buyer.at).milestone
        job_market.dispute(buyer, number, "0x" + "ff" * 32)
        self.market.mine()
        return case_id(number, milestone)
