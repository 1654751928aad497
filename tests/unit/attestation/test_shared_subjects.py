"""Relayers of one process share what one of them fetched, but nothing older than a moment."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from offchain.attestation.relay_errors import SubjectUnreachable
from offchain.attestation.relay_ports import Offer, SubjectPlace, Subjects
from offchain.attestation.shared_subjects import SHARED_SECONDS, SharedSubjects
from tests.support.relaying import Market, a_market, in_a_loop


class Counted:
    """The subjects of a market, with a count of how often they were asked."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._market.subjects, name)

    async def offers(self, place: SubjectPlace) -> Sequence[Offer]:
        self.asked += 1
        await asyncio.sleep(0)
        return await self._market.subjects.offers(place)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shared_by(subjects: Counted, clock: Clock, relayers: int = 3) -> list[Subjects]:
    shared = SharedSubjects(clock)
    return [shared.seen_by(subjects) for _ in range(relayers)]


@in_a_loop
async def test_offers__asked_by_three_at_once__are_fetched_once(tmp_path: Path) -> None:
    market, clock = a_market(tmp_path), Clock()
    bundle = market.lay_out()
    [place] = market.registry.places
    counted = Counted(market)
    relayers = shared_by(counted, clock)

    shown = await asyncio.gather(*(one.offers(place) for one in relayers))

    assert [[offer.bundle for offer in one] for one in shown] == [[bundle]] * 3
    assert counted.asked == 1


@in_a_loop
async def test_offers__a_moment_later__are_fetched_anew(tmp_path: Path) -> None:
    market, clock = a_market(tmp_path), Clock()
    [place] = market.registry.places
    counted = Counted(market)
    one, other, _ = shared_by(counted, clock)
    assert not await one.offers(place)
    bundle = market.lay_out()
    assert not await other.offers(place)

    clock.now += SHARED_SECONDS

    [offer] = await other.offers(place)
    assert offer.bundle == bundle
    assert counted.asked == 2


@in_a_loop
async def test_offers__who_asked_is_cancelled__the_others_get_them(tmp_path: Path) -> None:
    market = a_market(tmp_path)
    market.lay_out()
    [place] = market.registry.places
    one, other, _ = shared_by(Counted(market), Clock())
    first = asyncio.create_task(one.offers(place))
    second = asyncio.create_task(other.offers(place))
    await asyncio.sleep(0)

    first.cancel()

    assert len(await second) == 1


@in_a_loop
async def test_offers__the_subject_is_silent__everybody_hears_so_and_asks_again(
    tmp_path: Path,
) -> None:
    market, clock = a_market(tmp_path), Clock()
    market.lay_out()
    [place] = market.registry.places
    relayers = shared_by(Counted(market), clock)
    market.subjects.down.add(place.endpoint)
    for one in relayers:
        with pytest.raises(SubjectUnreachable):
            await one.offers(place)
    market.subjects.down.clear()

    clock.now += SHARED_SECONDS

    assert len(await relayers[0].offers(place)) == 1


@in_a_loop
async def test_relays__that_share__reach_a_verdict(tmp_path: Path) -> None:
    market, clock = a_market(tmp_path), Clock()
    market.lay_out()
    shared, own = SharedSubjects(clock), market.subjects
    market.subjects = shared.seen_by(own)  # type: ignore[assignment]  # what the relayers get
    for number in (1, 2, 3):
        market.add_relay(number)

    given = await asyncio.gather(*(market.rounds(number) for number in (1, 2, 3)))
    clock.now += SHARED_SECONDS
    again = await market.rounds()

    assert (given, again) == ([[1], [1], [1]], [0, 0, 0])
    assert len(market.collect.offers()[0].signed) == 3
