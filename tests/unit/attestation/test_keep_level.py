"""A subject in a software TEE keeps its level: it offers, posts, renews, and survives kills."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from offchain.attestation.adapters.software_tee import SoftwareTee, TdPlan, compose_of_source
from offchain.attestation.adapters.software_vendor import create_vendor
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_desk import SharedDesk, SubjectDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.keep_level import KeepLevel, LevelParts
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.attestation.relay_errors import AskRefused, EvidenceUnknown
from offchain.attestation.relay_forms import (
    FormMalformed,
    ask_header,
    parse_offers,
    parse_signed,
    signed_json,
)
from offchain.attestation.relay_ports import SignedVerdict, VerdictState
from offchain.attestation.report_data import key_hash
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.errors import StoreBroken
from tests.support.relaying import (
    ENDPOINT,
    PROVIDER,
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
    signed_by,
)

NOW = 1_800_000_000
TARGET = "GET /v1/attestation/offers"


@pytest.fixture(scope="module")
def tee() -> SoftwareTee:
    vendor = create_vendor(NOW)
    return SoftwareTee(vendor, TdPlan(compose=compose_of_source("broker", [])), NOW)


@dataclass
class Keys:
    """The HPKE key of the moment."""

    enc: bytes = b"\x01" * 32

    def __call__(self) -> tuple[bytes, bytes]:
        return self.enc, b""


@dataclass
class Subject:
    """One subject's process; `restart` is a new one on the same disk."""

    market: Market
    tee: SoftwareTee
    keys: Keys = field(default_factory=Keys)

    def start(self) -> KeepLevel:
        self.market.collect = Collect()
        self.market.subjects.desks = {ENDPOINT: (self.market.collect, self.market.shelf)}
        registry = self.market.registry
        return KeepLevel(
            LevelParts(
                ledger=registry,
                acts=registry,
                enclave=self.tee,
                collect=self.market.collect,
                shelf=self.market.shelf,
                signers={SERVICE: SUBJECT.address},
                keys=self.keys,
            )
        )


@pytest.fixture
def subject(tmp_path: Path, tee: SoftwareTee) -> Subject:
    market = a_market(tmp_path)
    for number in (1, 2, 3):
        market.add_relay(number)
    return Subject(market, tee)


def live_until(market: Market) -> int:
    """When the subject's level ends; 0: it has none."""
    found = market.registry.live(SUBJECT.address, market.registry.head())
    return 0 if found is None else found.verdict.not_after


async def reach_level(subject: Subject, keep: KeepLevel) -> None:
    await keep.round()
    await subject.market.rounds()
    await keep.round()


@in_a_loop
async def test_round__of_a_new_subject__offers_then_posts_then_rests(subject: Subject) -> None:
    market, keep = subject.market, subject.start()

    assert await keep.round() == 0
    assert len(market.collect.offers()) == 1
    assert await market.rounds() == [1, 1, 1]
    assert await keep.round() == 1
    assert live_until(market) > market.registry.now
    assert await keep.round() == 0
    assert market.collect.offers() == []


@in_a_loop
async def test_round__in_the_last_half_of_the_verdict__renews_before_it_ends(
    subject: Subject,
) -> None:
    market, keep = subject.market, subject.start()
    registry = market.registry
    await reach_level(subject, keep)
    first = live_until(market)
    registry.now = first - registry.life // 2 - 1
    await keep.round()
    assert market.collect.offers() == [], "more than half of its life is left"

    registry.now += 2
    registry.draw(registry.epoch)
    await reach_level(subject, keep)

    assert first < live_until(market)
    assert registry.live(SUBJECT.address, registry.head()) is not None


@in_a_loop
async def test_subject__killed_between_offer_and_post__offers_the_same_bytes(
    subject: Subject,
) -> None:
    market, keep = subject.market, subject.start()
    await keep.round()
    [before] = market.collect.offers()
    await market.rounds()

    subject.market.registry.now += 30  # collateral made now would differ
    again = subject.start()
    await again.round()
    [after] = market.collect.offers()
    assert after.bundle == before.bundle
    assert await market.rounds() == [1, 1, 1]
    assert await again.round() == 1
    assert live_until(market)


@in_a_loop
async def test_subject__with_another_key_pair__is_judged_anew_at_once(subject: Subject) -> None:
    market, keep = subject.market, subject.start()
    await reach_level(subject, keep)

    subject.keys.enc = b"\x02" * 32
    await reach_level(subject, keep)

    found = market.registry.live(SUBJECT.address, market.registry.head())
    assert found is not None
    assert found.verdict.enc_key_hash == key_hash(b"\x02" * 32)


@pytest.mark.parametrize("state", [VerdictState.SUSPENDED, VerdictState.REVOKED, VerdictState.VOID])
@in_a_loop
async def test_verdict__ended_after_it_was_right__is_made_anew_in_the_next_epoch(
    subject: Subject, state: VerdictState
) -> None:
    """Its platform's level was revoked later: the level is gone at once, and comes back only
    with new evidence that relayers judge by what they know then.
    """
    market, keep = subject.market, subject.start()
    registry = market.registry
    await reach_level(subject, keep)
    [evidence] = registry.verdicts
    registry.end(evidence, state)
    assert live_until(market) == 0

    await reach_level(subject, keep)
    assert live_until(market) == 0, "one piece of evidence has one verdict"
    registry.now += registry.epoch_seconds
    registry.draw(registry.epoch)
    await reach_level(subject, keep)

    assert live_until(market) > 0
    assert registry.verdicts[evidence].state is state


@in_a_loop
async def test_offer__that_nobody_completes_in_its_epoch__is_made_anew(subject: Subject) -> None:
    market, keep = subject.market, subject.start()
    market.subjects.down.add(ENDPOINT)
    await keep.round()
    [old] = market.collect.offers()
    market.registry.now += market.registry.epoch_seconds
    market.registry.draw(market.registry.epoch)

    await keep.round()

    [new] = market.collect.offers()
    assert new.bundle.epoch == old.bundle.epoch + 1


def a_desk(market: Market) -> SubjectDesk:
    return SubjectDesk(PROVIDER.address, market.registry, market.collect, market.shelf)


@in_a_loop
async def test_desk__asked_by_a_relayer_that_sits__shows_offers_with_signatures(
    tmp_path: Path,
) -> None:
    market = a_market(tmp_path)
    bundle = market.lay_out()
    desk = a_desk(market)
    signed = signed_by(market.registry, 2, a_verdict(market.registry, bundle))

    await desk.accept(signed_json(signed))
    header = ask_header(RELAYERS[1], PROVIDER.address, market.registry.now, TARGET)
    [offer] = parse_offers(await desk.offers(header, TARGET))

    assert (offer.bundle, offer.signed) == (bundle, (signed,))


@pytest.mark.parametrize(
    "header",
    [
        lambda now: None,
        lambda now: "",
        lambda now: "x" * 200,
        lambda now: f"{now}.zz",
        lambda now: f"{now}.00",
        lambda now: ask_header(STRANGER, PROVIDER.address, now, TARGET),
        lambda now: ask_header(RELAYERS[6], PROVIDER.address, now, TARGET),
        lambda now: ask_header(RELAYERS[1], PROVIDER.address, now - 61, TARGET),
        lambda now: ask_header(RELAYERS[1], PROVIDER.address, now + 61, TARGET),
        lambda now: ask_header(RELAYERS[1], STRANGER.address, now, TARGET),
        lambda now: ask_header(RELAYERS[1], PROVIDER.address, now, "GET /else"),
    ],
    ids=[
        *("none", "empty", "long", "no_hex", "short", "stranger", "not_drawn", "old", "future"),
        *("other_subject", "other_path"),
    ],
)
@in_a_loop
async def test_desk__asked_by_nobody_who_may__refuses(
    tmp_path: Path, header: Callable[[int], str | None]
) -> None:
    market = a_market(tmp_path)
    market.lay_out()

    with pytest.raises(AskRefused):
        await a_desk(market).offers(header(market.registry.now), TARGET)


@pytest.mark.parametrize("elsewhere", [{"chain_id": 1}, {"registry": b"\x99" * 20}], ids=str)
@in_a_loop
async def test_desk__given_a_verdict_for_another_chain_or_registry__refuses(
    tmp_path: Path, elsewhere: dict[str, Any]
) -> None:
    """Over other words the same signature is of an account that nobody drew."""
    market = a_market(tmp_path)
    verdict = a_verdict(market.registry, market.lay_out())
    digest = verdict.digest(replace(market.registry.of, **elsewhere))
    signed = SignedVerdict(verdict, RELAYERS[2].sign_digest(digest))

    with pytest.raises(EvidenceRefused) as caught:
        await a_desk(market).accept(signed_json(signed))

    assert caught.value.reasons == (Reason.RELAYER_NOT_ELIGIBLE,)
    assert not market.collect.offers()[0].signed


@in_a_loop
async def test_shared_desk__asked_for_one_of_two_services__shows_that_one(tmp_path: Path) -> None:
    market = a_market(tmp_path)
    own = market.lay_out()
    other = replace(own, service_id=bytes([7]) * 32)
    market.collect.offer(other, bytes([8]) * 32)
    services = {PROVIDER.address: own.service_id, STRANGER.address: other.service_id}
    desk = SharedDesk(services, market.registry, market.collect, [market.shelf])

    for subject, bundle in ((PROVIDER.address, own), (STRANGER.address, other)):
        header = ask_header(RELAYERS[1], subject, market.registry.now, TARGET)
        [offer] = parse_offers(await desk.offers(header, TARGET, subject))
        assert offer.bundle == bundle


@pytest.mark.parametrize("named", [b"", RELAYERS[1].address, STRANGER.address])
@in_a_loop
async def test_shared_desk__asked_for_another_or_nobody__refuses(
    tmp_path: Path, named: bytes
) -> None:
    """The question is signed for the provider; the one it names is not who it is signed for."""
    market = a_market(tmp_path)
    own = market.lay_out()
    services = {PROVIDER.address: own.service_id, STRANGER.address: bytes(32)}
    desk = SharedDesk(services, market.registry, market.collect, [market.shelf])
    header = ask_header(RELAYERS[1], PROVIDER.address, market.registry.now, TARGET)

    with pytest.raises(AskRefused):
        await desk.offers(header, TARGET, named)


@in_a_loop
async def test_desk__asked_for_another_subject__refuses(tmp_path: Path) -> None:
    market = a_market(tmp_path)
    market.lay_out()
    header = ask_header(RELAYERS[1], PROVIDER.address, market.registry.now, TARGET)

    with pytest.raises(AskRefused, match="subject"):
        await a_desk(market).offers(header, TARGET, STRANGER.address)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"verdict": 1, "signature": 2}',
        b'{"verdict": "zz", "signature": ""}',
        b'{"verdict": "' + b"00" * 544 + b'", "signature": "00"}',
        b"x" * 3_000,
        b"[" * 1_000,
    ],
)
@in_a_loop
async def test_desk__given_nonsense__refuses(tmp_path: Path, raw: bytes) -> None:
    market = a_market(tmp_path)
    market.lay_out()

    with pytest.raises(FormMalformed):
        await a_desk(market).accept(raw)

    assert not market.collect.offers()[0].signed


@pytest.mark.parametrize("raw", [b"", b'{"offers": 1}', b'{"offers": [{}]}', b"[" * 5_000])
def test_parse_offers__of_nonsense__refuses(raw: bytes) -> None:
    with pytest.raises(FormMalformed):
        parse_offers(raw)


def test_signed__there_and_back__is_the_same(tmp_path: Path) -> None:
    market = a_market(tmp_path)
    signed = signed_by(market.registry, 1, a_verdict(market.registry, a_bundle(market.registry)))

    assert parse_signed(signed_json(signed)) == signed


@in_a_loop
async def test_desk__of_what_was_registered__shows_bundle_and_verdict_to_everybody(
    subject: Subject,
) -> None:
    market, keep = subject.market, subject.start()
    await reach_level(subject, keep)
    [registered] = market.registry.verdicts.values()
    desk = a_desk(market)

    bundle = await desk.bundle(registered.verdict.evidence_id)
    told = await desk.verdict(registered.attestation_id)

    kept = market.shelf.show(registered.verdict.evidence_id)
    assert keccak(kept.quote) == registered.verdict.quote_hash
    assert b'"simulated":true' in told
    assert registered.verdict.struct_words().hex().encode() in told
    assert bundle == kept.to_json()
    with pytest.raises(EvidenceUnknown):
        await desk.bundle(bytes(32))
    with pytest.raises(EvidenceUnknown):
        await desk.verdict(bytes(32))


def test_shelf__keeps_the_first_bytes_and_says_when_they_are_damaged(tmp_path: Path) -> None:
    market = a_market(tmp_path)
    shelf = EvidenceShelf(LocalDisk(), tmp_path / "shelf")
    bundle = a_bundle(market.registry)
    name, verdict = name_of(bundle), a_verdict(market.registry, bundle)
    shelf.keep(name, bundle)
    shelf.keep(name, replace(bundle, collateral="other"))
    assert shelf.find(name) == bundle
    assert shelf.signed(name) == ()
    signed = [signed_by(market.registry, number, verdict) for number in (1, 2)]
    shelf.note(name, signed)
    assert list(shelf.signed(name)) == signed
    assert shelf.known() == [name]

    (tmp_path / "shelf" / f"{name.hex()}.verdict").write_bytes(b"short")
    with pytest.raises(StoreBroken):
        shelf.signed(name)
    (tmp_path / "shelf" / f"{name.hex()}.bundle").write_bytes(b"{}")
    with pytest.raises(StoreBroken):
        shelf.find(name)
    shelf.forget(name)

    assert shelf.known() == []
    assert shelf.find(name) is None
    assert isinstance(signed[0], SignedVerdict)
