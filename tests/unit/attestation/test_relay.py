"""Relayers with bad luck: too few, split, silent, killed, lied to, asked about the past."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.attestation.bundle import Bundle
from offchain.attestation.model import Claims
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.attestation.relay import POST_SECONDS
from offchain.attestation.relay_errors import OfferUnknown, VerdictGiven
from offchain.attestation.relay_ports import Bench, VerdictState
from offchain.attestation.report_data import Domain
from offchain.node.disk import LocalDisk
from offchain.node.journal import Entry, FileJournal, JournalBroken, MemoryJournal
from tests.support.relaying import (
    DOMAIN,
    ENDPOINT,
    RELAYERS,
    SERVICE,
    STRANGER,
    SUBJECT,
    Market,
    a_bundle,
    a_market,
    a_verdict,
    in_a_loop,
    name_of,
    read_claims,
    signed_by,
)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return a_market(tmp_path)


def posted(market: Market) -> bool:
    """Post what is complete, as the subject does; whether anything was."""
    bench = market.registry.bench(market.registry.head())
    posting = market.collect.complete(SERVICE, bench)
    if posting is not None:
        market.registry.register(posting)
    return posting is not None


def opened(path: Path) -> FileJournal:
    """A journal on disk, as a new process finds it."""
    journal = FileJournal(LocalDisk(), path)
    journal.open()
    return journal


def live(market: Market) -> bytes | None:
    """The evidence that carries the subject's level."""
    found = market.registry.live(SUBJECT.address, market.registry.head())
    return None if found is None else found.verdict.evidence_id


@in_a_loop
async def test_round__three_of_five_relayers_work__make_the_verdict_live(market: Market) -> None:
    bundle = market.lay_out()
    for number in (1, 3, 5):
        market.add_relay(number)

    given = await market.rounds()

    assert given == [1, 1, 1]
    assert posted(market)
    assert live(market) == name_of(bundle)
    registered = market.registry.verdicts[name_of(bundle)]
    assert registered.signers == (1, 3, 5)
    assert registered.simulated
    for relay in market.relays.values():
        given_verdict = relay.given(name_of(bundle))
        assert given_verdict == registered.verdict


@in_a_loop
async def test_round__two_relayers_only__leave_no_verdict(market: Market) -> None:
    market.lay_out()
    for number in (1, 2):
        market.add_relay(number)

    assert await market.rounds() == [1, 1]
    assert not posted(market)
    assert live(market) is None


@in_a_loop
async def test_round__of_relayers_that_were_not_drawn__gives_nothing(tmp_path: Path) -> None:
    market = a_market(tmp_path, members=(1, 2, 3))
    bundle = market.lay_out()
    outsider = market.add_relay(4)

    assert await market.rounds() == [0]
    bench = market.registry.bench(market.registry.head())
    with pytest.raises(EvidenceRefused) as caught:
        await outsider.sign(bundle, bench)
    assert caught.value.reasons == (Reason.RELAYER_NOT_ELIGIBLE,)
    assert outsider.given(name_of(bundle)) is None


@in_a_loop
async def test_round__split_two_to_two__leaves_no_verdict_until_a_fifth_agrees(
    market: Market,
) -> None:
    def stricter(bundle: Bundle, bench: Bench) -> Claims:
        return replace(read_claims(bundle, bench), tcb_eval_number=18)

    market.lay_out()
    for number in (1, 2):
        market.add_relay(number)
    for number in (3, 4):
        market.add_relay(number, stricter)
    await market.rounds()
    assert not posted(market)

    market.add_relay(5)
    await market.rounds(5)

    assert posted(market)
    evidence = live(market)
    assert evidence is not None
    registered = market.registry.verdicts[evidence]
    assert (registered.signers, registered.verdict.tcb_eval_number) == ((1, 2, 5), 17)


@in_a_loop
async def test_round__again__signs_nothing_twice(market: Market) -> None:
    market.lay_out()
    market.add_relay(1)

    assert [await market.rounds(), await market.rounds()] == [[1], [0]]
    assert len(market.collect.offers()[0].signed) == 1


@in_a_loop
async def test_relayer__killed_after_writing_down__signs_the_very_same_again(
    market: Market,
) -> None:
    journal = MemoryJournal()
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    first = await market.add_relay(1, journal=journal).sign(bundle, bench)

    market.registry.now += 600  # the clock has moved when it comes back
    later = market.registry.bench(market.registry.head())
    second = await market.add_relay(1, journal=MemoryJournal(journal.entries())).sign(bundle, later)

    assert first == second


@in_a_loop
async def test_forget__long_after_a_verdict_ended__drops_its_bytes_and_signs_it_no_more(
    market: Market,
) -> None:
    relay, bundle = market.add_relay(1), market.lay_out()
    await market.rounds()
    given = relay.given(name_of(bundle))
    assert given is not None
    market.registry.now = given.not_after + 2 * market.registry.life
    assert await relay.forget(2) == 0

    market.registry.now += 1

    assert [await relay.forget(2), await relay.forget(2)] == [1, 0]
    assert relay.given(name_of(bundle)) is None
    with pytest.raises(EvidenceRefused):
        await relay.sign(bundle, market.registry.bench(market.registry.head()))


@in_a_loop
async def test_forget__verdicts_of_many_lives__leaves_a_journal_of_those_that_count(
    market: Market, tmp_path: Path
) -> None:
    path, registry = tmp_path / "verdicts.journal", market.registry
    relay, sizes, names = market.add_relay(1, journal=opened(path)), [], []
    for _ in range(8):
        bundle = market.lay_out()
        names.append(name_of(bundle))
        await market.rounds()
        await relay.forget(2)
        sizes.append(path.stat().st_size)
        registry.now += registry.life
        registry.drawn[registry.epoch] = (1, 2, 3, 4, 5)

    assert len(set(sizes[4:])) == 1, "as many come as go"
    again = market.add_relay(1, journal=opened(path))
    known = [again.given(name) is not None for name in names]
    assert known == [relay.given(name) is not None for name in names]
    assert known == [False] * 4 + [True] * 4
    assert [relay.given(name) for name in names] == [again.given(name) for name in names]


@in_a_loop
async def test_round__one_process_of_several_subjects__passes_over_what_is_not_the_visited_ones(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    relay, bundle = market.add_relay(1), market.lay_out()
    market.collect.offer(replace(bundle, service_id=b"\x52" * 32), b"\x01" * 32)

    with caplog.at_level("INFO", logger="offchain.attestation.relay"):
        rounds = [await relay.round() for _ in range(3)]

    assert rounds == [1, 0, 0]
    assert [one.message for one in caplog.records] == ["verdict_signed"]


@in_a_loop
async def test_relayer__killed_with_its_journal_torn__keeps_what_it_has_signed(
    market: Market, tmp_path: Path
) -> None:
    """The last write of a dying process is cut; what was signed before it stands."""
    path = tmp_path / "verdicts.journal"
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    first = await market.add_relay(1, journal=opened(path)).sign(bundle, bench)
    with path.open("ab") as file:
        file.write(b"AWL1\x00\x00")

    again = market.add_relay(1, journal=opened(path))

    assert again.given(name_of(bundle)) == first.verdict
    with pytest.raises(VerdictGiven):
        await again.sign(replace(bundle, collateral="other"), bench)


@in_a_loop
async def test_relayer__shown_one_quote_with_two_collaterals__keeps_to_its_first_verdict(
    market: Market,
) -> None:
    relay = market.add_relay(1)
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    first = await relay.sign(bundle, bench)

    other = replace(bundle, collateral='{"other": 1}')
    with pytest.raises(VerdictGiven):
        await relay.sign(other, bench)

    assert relay.given(name_of(bundle)) == first.verdict


@in_a_loop
async def test_relayer__shown_both_at_the_same_time__gives_one_verdict(market: Market) -> None:
    relay = market.add_relay(1)
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    shown = [replace(bundle, collateral=f'{{"{number}": 1}}') for number in range(4)]

    results = await asyncio.gather(
        *(relay.sign(one, bench) for one in shown), return_exceptions=True
    )

    refusals = [one for one in results if isinstance(one, VerdictGiven)]
    assert len(refusals) == len(shown) - 1


@in_a_loop
async def test_relayer__whose_disk_is_full__signs_nothing(market: Market) -> None:
    class FullJournal(MemoryJournal):
        async def append(self, *entries: Entry) -> None:
            raise OSError("no space left")

    relay = market.add_relay(1, journal=FullJournal())
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())

    with pytest.raises(OSError, match="no space"):
        await relay.sign(bundle, bench)

    assert relay.given(name_of(bundle)) is None
    assert not market.collect.offers()[0].signed


def test_open__a_journal_of_something_else__stops(market: Market) -> None:
    with pytest.raises(JournalBroken):
        market.add_relay(1, journal=MemoryJournal([Entry(9, b"x")]))
    with pytest.raises(JournalBroken):
        market.add_relay(1, journal=MemoryJournal([Entry(1, b"x")]))


@pytest.mark.parametrize("off", [-3_600, 3_600])
@in_a_loop
async def test_relayer__machine_clock_an_hour_wrong__says_the_same(
    market: Market, off: int
) -> None:
    """Nothing in relaying reads a machine's clock; the block's time decides, an hour early or late.

    A head that lags an hour behind still lies in the epoch or the one before it.
    """
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    right = await market.add_relay(1).sign(bundle, bench)

    skewed = replace(bench, block=replace(bench.block, timestamp=bench.block.timestamp + off))
    other = await market.add_relay(2).sign(bundle, skewed)

    assert right.verdict == other.verdict


@pytest.mark.parametrize("epochs", [-2, 1], ids=["two_epochs_old", "of_the_future"])
@in_a_loop
async def test_offer__with_a_nonce_of_another_time__is_refused_and_not_judged_again(
    market: Market, epochs: int
) -> None:
    judged: list[Bundle] = []

    def counting(bundle: Bundle, bench: Bench) -> Claims:
        judged.append(bundle)
        return read_claims(bundle, bench)

    market.add_relay(1, counting)
    market.lay_out(epoch=market.registry.epoch + epochs)

    assert [await market.rounds(), await market.rounds()] == [[0], [0]]
    assert len(judged) == 1
    assert not market.collect.offers()[0].signed


@in_a_loop
async def test_offer__with_the_last_epochs_nonce__is_judged_by_that_epochs_committee(
    market: Market,
) -> None:
    registry = market.registry
    bundle = market.lay_out()
    registry.now += registry.epoch_seconds
    registry.drawn[registry.epoch] = (4, 5, 6)
    for number in (1, 2, 3, 6):
        market.add_relay(number)

    assert await market.rounds() == [1, 1, 1, 0]
    assert posted(market)
    registered = registry.verdicts[name_of(bundle)]
    assert registered.signers == (1, 2, 3)
    left = registered.verdict.not_after - registry.now
    assert left == registry.life - registry.now % registry.epoch_seconds - registry.epoch_seconds


@in_a_loop
async def test_offer__replayed_after_it_was_registered__is_refused_by_the_registry(
    market: Market,
) -> None:
    bundle = market.lay_out()
    for number in (1, 2, 3):
        market.add_relay(number)
    await market.rounds()
    assert posted(market)

    with pytest.raises(EvidenceRefused):
        posted(market)

    assert live(market) == name_of(bundle)


@in_a_loop
async def test_offer__meant_for_another_chain__is_refused(market: Market) -> None:
    market.add_relay(1)
    market.lay_out(domain=Domain(1, DOMAIN.registry))

    assert await market.rounds() == [0]


@in_a_loop
async def test_offer__speaking_for_another_service__is_not_even_judged(market: Market) -> None:
    market.add_relay(1)
    market.lay_out(service_id=b"\x52" * 32)
    market.lay_out(signer=STRANGER.address, service_id=SERVICE)

    assert await market.rounds() == [0]


@in_a_loop
async def test_subject__that_does_not_answer__is_passed_over_and_asked_again(
    market: Market,
) -> None:
    market.lay_out()
    relay = market.add_relay(1)
    market.subjects.down.add(ENDPOINT)
    assert [await relay.round() for _ in range(3)] == [0, 0, 0]

    market.subjects.down.clear()

    assert sum([await relay.round() for _ in range(4)]) == 1


@in_a_loop
async def test_complete__and_not_posted_by_its_subject__is_posted_by_a_relayer(
    market: Market,
) -> None:
    bundle = market.lay_out()
    for number in (1, 2, 3):
        market.add_relay(number)
    await market.rounds()
    await market.rounds()
    assert live(market) is None, "the subject has its time first"

    market.registry.now += POST_SECONDS
    await market.rounds()

    assert live(market) == name_of(bundle)
    assert await market.rounds() == [0, 0, 0]


@in_a_loop
async def test_verdict__past_its_end__is_over_without_a_transaction(market: Market) -> None:
    bundle = market.lay_out()
    for number in (1, 2, 3):
        market.add_relay(number)
    await market.rounds()
    assert posted(market)
    end = market.registry.verdicts[name_of(bundle)].verdict.not_after

    market.registry.now = end
    assert live(market) == name_of(bundle)
    market.registry.now = end + 1

    assert live(market) is None
    found = market.registry.registered(name_of(bundle), market.registry.head())
    assert found is not None
    assert found.state is VerdictState.EXPIRED


def test_accept__of_nobody_who_was_drawn__is_refused(market: Market) -> None:
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    verdict = a_verdict(market.registry, bundle)

    for operator in (0, 6):
        with pytest.raises(EvidenceRefused) as caught:
            market.collect.accept(signed_by(market.registry, 6, verdict), operator, bench)
        assert caught.value.reasons == (Reason.RELAYER_NOT_ELIGIBLE,)

    assert not market.collect.offers()[0].signed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bundle_root": b"\x01" * 32}, Reason.VERDICT_SIGNATURE_INVALID),
        ({"signer": STRANGER.address}, Reason.VERDICT_SIGNATURE_INVALID),
        ({"service_id": b"\x52" * 32}, Reason.VERDICT_SIGNATURE_INVALID),
        ({"nonce": b"\x02" * 32}, Reason.VERDICT_SIGNATURE_INVALID),
        ({"not_after": 1}, Reason.VERDICT_TIME_INVALID),
        ({"not_after": 1 << 40}, Reason.VERDICT_TIME_INVALID),
    ],
)
def test_accept__of_a_verdict_over_something_else__is_refused(
    market: Market, changes: dict[str, object], reason: Reason
) -> None:
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    verdict = a_verdict(market.registry, bundle, **changes)

    with pytest.raises(EvidenceRefused) as caught:
        market.collect.accept(signed_by(market.registry, 1, verdict), 1, bench)

    assert caught.value.reasons == (reason,)
    assert not market.collect.offers()[0].signed


def test_accept__of_evidence_that_was_not_offered__is_unknown(market: Market) -> None:
    bundle = a_bundle(market.registry)
    bench = market.registry.bench(market.registry.head())

    with pytest.raises(OfferUnknown):
        signed = signed_by(market.registry, 1, a_verdict(market.registry, bundle))
        market.collect.accept(signed, 1, bench)


def test_accept__of_two_verdicts_of_one_relayer__keeps_what_convicts_it(market: Market) -> None:
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    one = signed_by(market.registry, 2, a_verdict(market.registry, bundle))
    two = signed_by(market.registry, 2, a_verdict(market.registry, bundle, tcb_status=2))
    market.collect.accept(one, 2, bench)

    with pytest.raises(EvidenceRefused):
        market.collect.accept(two, 2, bench)

    [found] = market.collect.equivocations
    assert (found.operator_id, found.first, found.second) == (2, one, two)
    assert found.epoch == market.registry.epoch
    assert list(market.collect.offers()[0].signed) == [one]


@pytest.mark.parametrize("colluding", [(1, 2), (1, 2, 3)])
def test_quorum__of_one_relayer_counted_often__is_none(
    market: Market, colluding: tuple[int, ...]
) -> None:
    """Below three different relayers nothing is made, whatever they sign; three that lie are not
    stopped here: the chain's proofs of fraud take their stake.
    """
    bundle = market.lay_out()
    bench = market.registry.bench(market.registry.head())
    verdict = a_verdict(market.registry, bundle, tcb_eval_number=99)
    for number in colluding * 2:
        market.collect.accept(signed_by(market.registry, number, verdict), number, bench)

    posting = market.collect.complete(SERVICE, bench)

    assert (posting is not None) == (len(colluding) == 3)
    assert len(market.collect.offers()[0].signed) == len(colluding)
    assert set(colluding) <= set(RELAYERS)
