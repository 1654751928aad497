"""Routing: each filter alone, the score, the order, and the breaker of each service."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.model import MAX_U96, Kind, Level, Limits, Verifiability, hold_of
from offchain.compute.route import Offer, Record, Refusal, Want, Weights, route
from offchain.compute.track_record import (
    LONGEST_RETRY_AFTER_SECONDS,
    OPEN_AFTER,
    TrackRecords,
)
from offchain.core.hashing import keccak
from tests.support.compute import a_row, a_service

WANT = Want(kind=Kind.CHAT, model="tiny", input_tokens=100, max_tokens=8)


def an_offer(name: str = "one", *, covered: int = 10**9, **changes: object) -> Offer:
    level = changes.pop("level", Level.NONE)
    simulated = bool(changes.pop("simulated", False))
    row = changes.pop("row", a_row())
    is_serving = bool(changes.pop("is_serving", True))
    named = {"id": keccak(name.encode()), "provider": keccak(name.encode())[:20]}
    service = a_service(**{**named, **changes})
    return Offer(
        service=service,
        row=row,  # type: ignore[arg-type]
        verifiability=Verifiability(level, simulated, 0),  # type: ignore[arg-type]
        signer=service.signer,
        is_serving=is_serving,
        names=frozenset({"tiny"}),
        covered=covered,
    )


@pytest.mark.parametrize(
    ("offer", "want", "reason"),
    [
        (an_offer(kind=Kind.EMBEDDING), WANT, Refusal.KIND),
        (an_offer(), replace(WANT, model="other"), Refusal.MODEL),
        (an_offer(), replace(WANT, providers=(b"\x09" * 20,)), Refusal.EXCLUDED),
        (an_offer(is_serving=False), WANT, Refusal.NOT_SERVING),
        (an_offer(), replace(WANT, min_level=1), Refusal.LEVEL),
        (
            an_offer(simulated=True, level=Level.MODEL_IN_TEE),
            replace(WANT, is_simulated_allowed=False),
            Refusal.SIMULATED,
        ),
        (an_offer(), replace(WANT, charter=b"\x01" * 32), Refusal.CHARTER),
        (an_offer(), replace(WANT, token=b"\x01" * 20), Refusal.TOKEN),
        (an_offer(), replace(WANT, max_tokens=257), Refusal.CONTEXT),
        (an_offer(), replace(WANT, max_price=1), Refusal.PRICE),
        (an_offer(covered=5), WANT, Refusal.DEPOSIT),
    ],
)
def test_filter__one_thing_that_does_not_fit__is_the_reason(
    offer: Offer, want: Want, reason: Refusal
) -> None:
    routed = route(want, [offer], {})

    assert routed.choices == ()
    assert routed.refused == {offer.service.id: reason}
    assert routed.only_reason() is reason


def test_filter__a_price_that_no_voucher_can_hold__keeps_only_that_service_out() -> None:
    greedy = an_offer("greedy", row=replace(a_row(), request_price=MAX_U96))
    honest = an_offer("honest")

    routed = route(WANT, [greedy, honest], {})

    assert [one.offer for one in routed.choices] == [honest]
    assert routed.refused == {greedy.service.id: Refusal.PRICE}


def test_filter__an_open_breaker__keeps_a_service_out() -> None:
    offer = an_offer()

    routed = route(WANT, [offer], {offer.service.id: Record(is_blocked=True)})

    assert routed.refused == {offer.service.id: Refusal.BROKEN}


def test_hold__of_a_choice__is_the_price_at_the_maximum() -> None:
    offer = an_offer(limits=Limits(max_input=50, max_output=64, concurrency=1))
    [bounded] = route(WANT, [offer], {}).choices
    [boundless] = route(replace(WANT, max_tokens=None), [offer], {}).choices

    assert bounded.hold == hold_of(offer.row, input_tokens=50, max_tokens=8)
    assert boundless.hold == hold_of(offer.row, input_tokens=50, max_tokens=64)


def test_hold__of_embeddings__has_no_output() -> None:
    offer = an_offer(kind=Kind.EMBEDDING)
    [choice] = route(replace(WANT, kind=Kind.EMBEDDING, max_tokens=None), [offer], {}).choices

    assert choice.hold == hold_of(offer.row, input_tokens=100, max_tokens=0)


def test_score__price_latency_and_failures__each_decide_alone() -> None:
    cheap = an_offer("cheap")
    dear = an_offer("dear", row=a_row(output_price=80_000_000))
    slow = {cheap.service.id: Record(median_seconds=500.0)}
    failing = {cheap.service.id: Record(failure_rate=1.0)}

    def first(records: dict[bytes, Record], weights: Weights | None = None) -> bytes:
        chosen = route(WANT, [dear, cheap], records, weights or Weights()).choices
        assert len(chosen) == 2
        return chosen[0].offer.service.id

    assert first({}) == cheap.service.id
    assert first(slow) == dear.service.id
    assert first(failing, Weights(failure=10.0)) == dear.service.id
    assert first(failing, Weights(failure=0.0)) == cheap.service.id


def test_order__of_providers_that_were_named__wins_over_the_score() -> None:
    cheap, dear = an_offer("cheap"), an_offer("dear", row=a_row(output_price=80_000_000))
    wanted = replace(WANT, providers=(dear.service.provider, cheap.service.provider))

    chosen = route(wanted, [cheap, dear], {}).choices

    assert [one.offer.service.id for one in chosen] == [dear.service.id, cheap.service.id]


@given(names=st.permutations(["a", "b", "c", "d"]))
def test_order__of_equal_offers__does_not_hang_on_how_they_are_listed(names: list[str]) -> None:
    chosen = route(WANT, [an_offer(name) for name in names], {}).choices

    ids = [one.offer.service.id for one in chosen]
    assert ids == sorted(ids)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_breaker__failures_in_a_row__open_it_and_one_trial_decides() -> None:
    clock, service = Clock(), b"s" * 32
    records = TrackRecords(clock)
    for _ in range(OPEN_AFTER - 1):
        records.failed(service)
    assert not records.of(service).is_blocked
    records.failed(service)
    assert records.of(service).is_blocked
    assert records.blocked_seconds(service) == 1.0

    clock.now += 1.0
    assert not records.of(service).is_blocked
    records.began(service, trial_seconds=30)
    assert records.of(service).is_blocked
    records.failed(service)
    assert records.blocked_seconds(service) == 2.0

    clock.now += 2.0
    records.began(service, trial_seconds=30)
    records.served(service, 0.5)
    assert not records.of(service).is_blocked
    assert records.of(service).median_seconds == 0.5


def test_breaker__retry_after__is_obeyed_at_once_and_bounded() -> None:
    clock, service = Clock(), b"s" * 32
    records = TrackRecords(clock)

    records.failed(service, retry_after=7)
    assert records.blocked_seconds(service) == 7
    records.failed(service, retry_after=10**9)
    assert records.blocked_seconds(service) == LONGEST_RETRY_AFTER_SECONDS


def test_breaker__a_refused_request__is_no_failure() -> None:
    records = TrackRecords(Clock())
    for _ in range(10):
        records.refused(b"s" * 32)

    assert records.of(b"s" * 32) == Record()


@given(st.lists(st.booleans(), max_size=60))
def test_failure_rate__of_any_history__stays_between_none_and_all(history: list[bool]) -> None:
    records, service = TrackRecords(Clock()), b"s" * 32
    for is_good in history:
        if is_good:
            records.served(service, 0.1)
        else:
            records.failed(service)
        assert 0.0 <= records.of(service).failure_rate <= 1.0
