"""Audits on the real contracts: the worker's jobs draw, a provider seals, auditors replay and vote.

A provider that serves the model it sold is cleared and paid; one that leaves a layer out, or draws
tokens its own way, pays its customer back; one that shows nothing has failed, and an auditor who
does not vote pays. Each job done twice does nothing the second time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from offchain.compute.adapters.chain_record import ChainRecord
from offchain.compute.adapters.cheating_engine import Cheat
from offchain.compute.audit_check import Reason
from offchain.compute.model import ServiceState
from offchain.compute.onchain_audit_court import AuditState
from offchain.compute.ports import BatchState
from offchain.compute.sit import Sit
from offchain.jobs.model import JobKind
from tests.support.audit_market import AuditMarket, Shop
from tests.support.judged_work import demanded_leaf, taken_dues

QUESTIONS = ("What is a beacon?", "And what is a leaf?")
AUDIT_FEE_PARTS = 100  # one of so many parts of a batch is the auditors'


def test_audit__of_an_honest_provider__clears_releases_and_pays_the_auditors(
    market: AuditMarket, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_honest(market))
    taken_dues(market, "honest", capsys)


@pytest.mark.parametrize(
    ("cheat", "reason"),
    [(Cheat.DROPPED_LAYER, Reason.CHUNK), (Cheat.ALTERED_SAMPLING, Reason.TOKEN)],
)
def test_audit__of_a_cheating_provider__refunds_the_payer_and_suspends_the_service(
    market: AuditMarket, caplog: pytest.LogCaptureFixture, cheat: Cheat, reason: Reason
) -> None:
    with caplog.at_level("INFO", logger="offchain.compute.sit"):
        asyncio.run(_cheating(market, cheat))

    told = [one for one in caplog.records if one.message == "audit_judged"]
    assert len(told) == 3
    assert all(str(reason) in one.__dict__["failed"][0] for one in told)
    assert all(str(Reason.OPENING) not in one.__dict__["failed"][0] for one in told)


def test_audit__of_a_silent_provider__fails_when_its_window_is_over(market: AuditMarket) -> None:
    asyncio.run(_silent(market))


def test_audit__with_an_auditor_asleep__is_decided_by_two_and_costs_the_third(
    market: AuditMarket,
) -> None:
    asyncio.run(_sleeping(market))


async def _honest(market: AuditMarket) -> None:
    async with market.shop("honest") as shop, market.auditors() as sits:
        batch = await _sold_and_drawn(market, shop, QUESTIONS)
        await demanded_leaf(market, shop, batch)
        await _revealed(market, shop, batch)
        await _judged(market, sits, batch)
        assert market.view(batch).failed == 0

        market.require_idle(JobKind.ADVANCE_AUDIT, _hex(batch))
        market.pass_until(market.view(batch).deadline)
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert market.view(batch).state is AuditState.CLEARED
        assert market.cleared(shop.service) == 1

        provider, owners = market.batch(batch).provider, market.owners_on(batch)
        had = [market.free(one) for one in owners]
        market.require_idle(JobKind.PAY_AUDIT, _hex(batch))
        market.pass_until(market.batch(batch).release_at)
        market.do_due(JobKind.RELEASE_BATCH, str(batch))
        market.do_due(JobKind.PAY_AUDIT, _hex(batch))

        total = sum(shop.prices)
        fee = total // AUDIT_FEE_PARTS
        earned = [market.free(one) - before for one, before in zip(owners, had, strict=True)]
        assert market.batch(batch).state is BatchState.RELEASED
        assert len(owners) == 3
        assert all(earned)
        assert sum(earned) == fee
        assert market.free(provider) == total - fee
        for seat in range(len(owners)):
            market.require_idle(JobKind.PUNISH_AUDITOR, f"{_hex(batch)}/1/{seat}")


async def _cheating(market: AuditMarket, cheat: Cheat) -> None:
    role = cheat.replace("_", "-")
    async with market.shop(role, cheat) as shop, market.auditors() as sits:
        batch = await _sold_and_drawn(market, shop, QUESTIONS[:1])
        await _revealed(market, shop, batch)
        await _judged(market, sits, batch)
        assert market.view(batch).failed == 1

        had = market.free(market.payer)
        market.pass_until(market.view(batch).deadline)
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        upheld = market.view(batch)
        assert (upheld.state, upheld.left) == (AuditState.UPHELD, 1)
        assert market.service_state(shop.service) is ServiceState.SUSPENDED
        assert market.free(market.payer) == had

        assert sum([len(await sit.round()) for sit in sits]) == 1
        assert market.view(batch).state is AuditState.PUNISHED
        assert market.free(market.payer) == had + shop.prices[0]
        assert market.batch(batch).held == 0
        assert [await sit.round() for sit in sits] == [[] for _ in sits]
        market.require_idle(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert market.free(market.payer) == had + shop.prices[0]
        assert len(market.cases_against(shop.service)) == 1


async def _silent(market: AuditMarket) -> None:
    async with market.shop("silent") as shop, market.auditors() as sits:
        batch = await _sold_and_drawn(market, shop, QUESTIONS[:1])
        market.require_idle(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert [await sit.round() for sit in sits] == [[] for _ in sits]

        market.pass_until(market.view(batch).deadline)
        assert await shop.seal.round() == []
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert market.is_silent(batch)
        assert (market.view(batch).state, market.view(batch).failed) == (AuditState.UPHELD, 1)
        assert market.service_state(shop.service) is ServiceState.SUSPENDED
        assert await shop.seal.round() == []
        assert [await sit.round() for sit in sits] == [[] for _ in sits]

        market.pass_until(market.view(batch).deadline)
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert market.view(batch).state is AuditState.PUNISHED
        assert len(market.cases_against(shop.service)) == 1


async def _sleeping(market: AuditMarket) -> None:
    async with market.shop("watched") as shop, market.auditors() as sits:
        batch = await _sold_and_drawn(market, shop, QUESTIONS[:1])
        await _revealed(market, shop, batch)
        seats = market.view(batch).seats
        for one in seats[:2]:
            assert await sits[one.operator_id - 1].round() == [batch]
            assert await sits[one.operator_id - 1].round() == []
        market.require_idle(JobKind.ADVANCE_AUDIT, _hex(batch))
        market.pass_until(market.view(batch).deadline)
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        for one in seats[:2]:
            assert await sits[one.operator_id - 1].round() == [batch]
        assert await sits[seats[2].operator_id - 1].round() == []

        market.pass_until(market.view(batch).deadline)
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert market.view(batch).state is AuditState.DECIDED
        market.require_idle(JobKind.PUNISH_AUDITOR, f"{_hex(batch)}/1/2")
        market.pass_until(market.view(batch).deadline)
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
        assert (market.view(batch).state, market.view(batch).failed) == (AuditState.CLEARED, 0)

        known = market.audit_cases(seats[2].operator_id)
        market.require_idle(JobKind.PUNISH_AUDITOR, f"{_hex(batch)}/1/0")
        market.do_due(JobKind.PUNISH_AUDITOR, f"{_hex(batch)}/1/2")
        assert market.audit_cases(seats[2].operator_id) == known + 1


async def _sold_and_drawn(market: AuditMarket, shop: Shop, questions: Sequence[str]) -> int:
    """A settled batch with a committee."""
    for text in questions:
        await shop.sell(text)
    batch = await shop.post()
    assert market.batch(batch).total == sum(shop.prices)
    _on_record(market, shop, batch)
    market.require_idle(JobKind.DRAW_AUDIT, _hex(batch))
    market.mine()
    market.do_due(JobKind.DRAW_AUDIT, _hex(batch))
    assert market.view(batch).state is AuditState.DRAWN
    assert len(market.view(batch).seats) == 3
    return batch


def _on_record(market: AuditMarket, shop: Shop, batch: int) -> None:
    """Each receipt leads to the batch that settled it."""
    network = market.network
    marks, at = (
        ChainRecord(network.escrow, network.attestations, network.node),
        network.node.block().hash,
    )
    for receipt in shop.sold:
        settled = marks.settled(receipt, at=at)
        assert settled is not None
        assert (settled.batch, settled.state) == (batch, BatchState.POSTED.name)
        assert settled.root == market.batch(batch).root
        assert marks.settled(replace(receipt, nonce=receipt.nonce + 100), at=at) is None
        assert marks.settled(replace(receipt, provider=bytes(20)), at=at) is None


async def _revealed(market: AuditMarket, shop: Shop, batch: int) -> None:
    """The provider binds itself, once."""
    assert await shop.seal.round() == [batch]
    assert market.view(batch).state is AuditState.COMMITTING
    height = market.height()
    assert await shop.seal.round() == []
    assert market.height() == height


async def _judged(market: AuditMarket, sits: Sequence[Sit], batch: int) -> None:
    """Those who were drawn fetch, replay, seal and vote; the others do nothing."""
    seated = [seat.operator_id for seat in market.view(batch).seats]
    expected = [[batch] if number in seated else [] for number in range(1, len(sits) + 1)]
    assert [await sit.round() for sit in sits] == expected
    assert all(seat.is_sealed for seat in market.view(batch).seats)
    assert [await sit.round() for sit in sits] == expected
    voted = market.view(batch)
    assert all(seat.has_voted for seat in voted.seats)
    assert [await sit.round() for sit in sits] == [[] for _ in sits]
    if voted.state is AuditState.VOTING:
        market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
    assert market.view(batch).state is AuditState.DECIDED


def _hex(audit: int) -> str:
    return "0x" + audit.to_bytes(32, "big").hex()
