"""Which answers of a home rest on evidence that did not stand, however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from offchain.chain.model import Block, BlockHash
from offchain.compute.dispute import CLOCK_SECONDS
from offchain.compute.model import Receipt
from offchain.core.errors import Unavailable
from offchain.core.units import BlockNumber
from offchain.jobs.dead_evidence import (
    AGAIN_SECONDS,
    HEARD_SECONDS,
    LOOK_SECONDS,
    MAX_ASKED,
    OVERLAP_SECONDS,
    PAGE,
    DeadEvidence,
)
from tests.support.compute import Answered

GOOD, NEVER = b"\x07" * 32, b"\x08" * 32
START = 1_000_000


@dataclass
class Kept:
    """Answers in memory, the chain's word on them, and how often it was asked."""

    answers: list[tuple[int, Receipt]] = field(default_factory=list)
    reads: int = 0
    asked: int = 0
    is_down: bool = False

    def add(self, name: int, named: bytes, time: int = START, came: int | None = None) -> Receipt:
        request_id = name.to_bytes(32, "big")
        receipt = replace(
            Answered().receipt(), request_id=request_id, attestation_id=named, time=time
        )
        self.answers.append((time if came is None else came, receipt))
        return receipt

    def attested(self, since: int, most: int) -> Sequence[tuple[int, Receipt]]:
        self.reads += 1
        if self.is_down:
            raise Unavailable
        ordered = sorted(self.answers, key=lambda one: one[0])
        return [one for one in ordered if one[0] >= since][:most]

    def stood(self, named: bytes, time: int, at: BlockHash) -> bool:
        self.asked += 1
        return named == GOOD


@pytest.fixture
def kept() -> Kept:
    return Kept()


def at(time: int) -> Block:
    return Block(BlockNumber(1), BlockHash(bytes(32)), BlockHash(bytes(32)), time, 0, 0)


def test_upto__evidence_that_never_stood__is_found_once_its_time_is_over(kept: Kept) -> None:
    dead, looked = kept.add(1, NEVER), DeadEvidence(kept.stood, kept)
    kept.add(2, GOOD)

    assert looked.upto(at(START + CLOCK_SECONDS)) == []
    assert looked.upto(at(START + CLOCK_SECONDS + 1)) == [dead]
    assert looked.upto(at(START + HEARD_SECONDS)) == [dead]
    assert looked.upto(at(START + HEARD_SECONDS + 1)) == [], "no court hears of it"


def test_upto__many_answers_over_one_evidence__the_chain_is_asked_few_times(kept: Kept) -> None:
    for name in range(MAX_ASKED):
        kept.add(name, GOOD, START + name % 2)
    looked = DeadEvidence(kept.stood, kept)

    for later in range(3):
        assert looked.upto(at(START + LOOK_SECONDS * (1 + later))) == []

    assert kept.asked == 2


def test_upto__more_than_a_page__all_are_read_and_none_asked_about_twice(kept: Kept) -> None:
    dead = {kept.add(name, NEVER, START + name // 4).request_id for name in range(PAGE + 9)}
    looked, now = DeadEvidence(kept.stood, kept), START + PAGE
    rounds = 2 + len(dead) // MAX_ASKED

    for _ in range(rounds):
        found = looked.upto(at(now))

    assert {one.request_id for one in found} == dead
    assert (kept.reads, kept.asked) == (2, 3 * len(dead))


def test_upto__answer_written_down_late__is_found_at_the_next_look(kept: Kept) -> None:
    kept.add(1, GOOD)
    looked, now = DeadEvidence(kept.stood, kept), START + LOOK_SECONDS
    assert looked.upto(at(now)) == []
    late = kept.add(2, NEVER, came=START - OVERLAP_SECONDS)
    assert looked.upto(at(now + LOOK_SECONDS - 1)) == []

    assert looked.upto(at(now + LOOK_SECONDS)) == [late]


def test_upto__book_that_does_not_answer__is_asked_again_soon(kept: Kept) -> None:
    dead, looked, now = kept.add(1, NEVER), DeadEvidence(kept.stood, kept), START + LOOK_SECONDS
    kept.is_down = True
    assert [looked.upto(at(now)), looked.upto(at(now + AGAIN_SECONDS - 1))] == [[], []]
    assert kept.reads == 1
    kept.is_down = False

    assert looked.upto(at(now + AGAIN_SECONDS)) == [dead]
