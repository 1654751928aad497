"""Putting a file: one payment whatever is killed, and stored means that enough seats signed."""

import asyncio
from pathlib import Path

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.storage.adapters.memory_seats import Mood
from offchain.storage.client_errors import (
    FileNotStored,
    NoGroup,
    PlanUnknown,
    PriceAboveLimit,
    PutJournalCorrupt,
    SourceChanged,
)
from offchain.storage.client_ports import PutStage
from offchain.storage.model import FileState
from offchain.storage.put_model import PutProgress, Stored
from offchain.storage.sources import BytesSource, FileSource
from tests.support.storage_client import (
    DyingSeats,
    DyingTill,
    Killed,
    StorageSite,
    a_storage_site,
)

CONTENT = bytes(range(256)) * 500


@pytest.fixture
def site(engine: ErasureEngine, tmp_path: Path) -> StorageSite:
    return a_storage_site(engine, tmp_path)


def _put(site: StorageSite, content: bytes = CONTENT, **changes: object) -> Stored:
    return asyncio.run(site.putter().put(BytesSource(content), site.wish(**changes)))


def _resume(site: StorageSite, content: bytes = CONTENT) -> Stored:
    """Go on in a new process with whatever the journal holds."""

    async def story() -> Stored:
        putter, (record,) = site.putter(), await site.journal().records()
        return await putter.resume(record.file_id, BytesSource(content))

    return asyncio.run(story())


def test_put__all_seats_there__stored_with_all_receipts_and_paid_once(site: StorageSite) -> None:
    stored = _put(site)

    assert FileState.STORED is stored.view.file.state
    assert frozenset() == stored.absent
    assert stored.paid is not None
    assert (1, stored.paid.value_wei) == (site.market.charges, site.market.spent_wei)
    assert all(node.puts == 1 for node in site.nodes.values())


@pytest.mark.parametrize("profile", ["solo", "local", "standard", "hot", "replica"])
def test_put__any_profile__stored(engine: ErasureEngine, tmp_path: Path, profile: str) -> None:
    site = a_storage_site(engine, tmp_path, profile=profile)

    assert FileState.STORED is _put(site).view.file.state


def test_put__operators_with_several_seats__each_signature_counts_once_a_seat(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    site = a_storage_site(engine, tmp_path, operators=8)
    site.set_moods(Mood.SILENT, 8)

    stored = _put(site)

    assert FileState.STORED is stored.view.file.state
    assert frozenset({7, 15, 23, 31}) == stored.absent


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.STUCK, Mood.LYING, Mood.REFUSING, Mood.EMPTY])
def test_put__as_many_bad_seats_as_may_be_absent__stored_without_them(
    site: StorageSite, mood: Mood
) -> None:
    bad = site.operators_of(0, 5, 17, 31)
    site.set_moods(mood, *bad)

    stored = _put(site)

    assert FileState.STORED is stored.view.file.state
    assert frozenset({0, 5, 17, 31}) == stored.absent
    assert {0, 5, 17, 31} == set(stored.failures)


def test_put__one_seat_too_many_silent__not_stored_until_it_is_back(site: StorageSite) -> None:
    site.set_moods(Mood.SILENT, *site.operators_of(0, 1, 2, 3, 4))

    async def story() -> Stored:
        running = asyncio.create_task(site.putter().put(BytesSource(CONTENT), site.wish()))
        done, _ = await asyncio.wait({running}, timeout=1.0)
        assert not done
        site.set_moods(Mood.HONEST, *site.operators_of(4))
        return await running

    stored = asyncio.run(story())

    assert frozenset({0, 1, 2, 3}) == stored.absent
    assert site.market.charges == 1


def test_put__no_receipts_in_time__money_is_back_and_it_says_so(site: StorageSite) -> None:
    site.set_moods(Mood.SILENT, *site.nodes)

    def watch(progress: PutProgress) -> None:
        if progress.stage is PutStage.PLACED:
            site.market.travel(30_000)

    with pytest.raises(FileNotStored):
        asyncio.run(site.putter(watch=watch).put(BytesSource(CONTENT), site.wish()))

    assert (site.market.charges, site.market.spent_wei) == (1, 0)


@pytest.mark.parametrize("step", ["quote", "submit", "place", "confirm"])
@pytest.mark.parametrize("is_after", [False, True])
def test_put__killed_around_a_transaction__goes_on_and_pays_once(
    site: StorageSite, step: str, is_after: bool
) -> None:
    async def story() -> None:
        plan = await site.putter().plan(BytesSource(CONTENT), site.wish())
        till = DyingTill(site.market, step, is_after)
        await site.putter(till=till).carry_out(plan)

    with pytest.raises(Killed):
        asyncio.run(story())

    stored = _resume(site)

    assert FileState.STORED is stored.view.file.state
    assert site.market.charges == 1


@pytest.mark.parametrize("shards", [0, 1, 13, 31])
def test_put__killed_while_sending__nothing_is_sent_twice(site: StorageSite, shards: int) -> None:
    putter = site.putter(client=DyingSeats(site.client, shards))

    with pytest.raises(Killed):
        asyncio.run(putter.put(BytesSource(CONTENT), site.wish()))
    before = sum(node.puts for node in site.nodes.values())
    stored = _resume(site)

    assert FileState.STORED is stored.view.file.state
    assert before <= shards
    assert sum(node.puts for node in site.nodes.values()) == 32
    assert site.market.charges == 1


def test_put__again_with_the_same_nonce__is_the_same_file(site: StorageSite) -> None:
    first = _put(site, nonce=9)
    again = _put(site, nonce=9)
    other = _put(site, nonce=10)

    assert first.file_id == again.file_id != other.file_id
    assert again.paid is None
    assert site.market.charges == 2


def test_put__price_above_the_limit__nothing_is_paid_or_planned(site: StorageSite) -> None:
    with pytest.raises(PriceAboveLimit):
        _put(site, max_price_wei=1)

    assert site.market.charges == 0
    assert asyncio.run(site.journal().records()) == []


def test_put__price_rises_while_planning__nothing_is_paid(site: StorageSite) -> None:
    cost = site.market.quote(len(CONTENT), site.profile, 30).deposit_wei

    async def story() -> None:
        planned = await site.putter().plan(BytesSource(CONTENT), site.wish(max_price_wei=cost))
        site.market.prices[site.group.group] += 1
        await site.putter().carry_out(planned)

    with pytest.raises(PriceAboveLimit):
        asyncio.run(story())

    assert site.market.charges == 0


def test_put__price_rises_within_the_limit__the_new_price_is_paid(site: StorageSite) -> None:
    cost = site.market.quote(len(CONTENT), site.profile, 30).deposit_wei

    async def story() -> Stored:
        wish = site.wish(max_price_wei=3 * cost)
        planned = await site.putter().plan(BytesSource(CONTENT), wish)
        site.market.prices[site.group.group] *= 2
        return await site.putter().carry_out(planned)

    stored = asyncio.run(story())

    assert stored.paid is not None
    assert 2 * cost == pytest.approx(stored.paid.value_wei, abs=2)


def test_put__no_group_of_the_profile_or_too_long_a_term__is_refused(site: StorageSite) -> None:
    with pytest.raises(NoGroup):
        _put(site, term_epochs=9_999)


def test_resume__source_changed__nothing_of_the_change_goes_out(
    site: StorageSite, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        asyncio.run(
            site.putter(client=DyingSeats(site.client, 3)).put(BytesSource(CONTENT), site.wish())
        )
    before = {number: dict(node.runs) for number, node in site.nodes.items()}

    for changed in (b"x" + CONTENT[1:], CONTENT[:-1]):
        with pytest.raises(SourceChanged):
            _resume(site, changed)

    assert before == {number: node.runs for number, node in site.nodes.items()}


def test_resume__unknown_id__is_refused(site: StorageSite) -> None:
    with pytest.raises(PlanUnknown):
        asyncio.run(site.putter().resume(bytes(32), BytesSource(CONTENT)))


def test_resume__trace_on_disk_flipped__is_noticed_before_anything_is_sent(
    site: StorageSite,
) -> None:
    with pytest.raises(Killed):
        asyncio.run(
            site.putter(client=DyingSeats(site.client, 0)).put(BytesSource(CONTENT), site.wish())
        )
    (path,) = (site.folder / "puts").glob("*.traces")
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)

    with pytest.raises(PutJournalCorrupt):
        _resume(site)

    assert sum(node.puts for node in site.nodes.values()) == 0


def test_put__two_segments_from_a_file__killed_between_them_and_stored(
    site: StorageSite, tmp_path: Path
) -> None:
    content = site.random.randbytes(MAX_PAYLOAD_BYTES) + CONTENT
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(Killed):
        asyncio.run(
            site.putter(client=DyingSeats(site.client, 40)).put(FileSource.of(path), site.wish())
        )
    stored = _resume(site, content)

    assert FileState.STORED is stored.view.file.state
    assert stored.view.file.shape.segments == 2
    assert sum(node.puts for node in site.nodes.values()) == 64
    assert (site.market.charges, list((site.folder / "puts").glob("*.traces"))) == (1, [])
