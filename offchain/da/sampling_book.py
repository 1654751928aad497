"""DASampling without a chain: rounds, target and wins; pure.

Equal to sampling_rounds.vy in every number. Rounds are numbered by time; one that nobody opened
is not held. A leaf wins when its digest under the round's seed is at most the target.
Source: docs/protocol/da.md#sampling-fees.

  lottery digest   keccak(seed || blob id || row 32 || leaf 32 || 256 bytes)
  round's seed     keccak(tag || chain id || DASampling || round || seed before || prevrandao)
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.core.hashing import TAG_DA_SAMPLE, Digest, keccak
from offchain.core.layout import LEAF_BYTES
from offchain.core.typed_data import words
from offchain.core.units import Wei
from offchain.da.reverts import LeafLost, LeafWonAlready, RoundFull, RoundNotOpen

TARGET_WINS: Final = 16
MAX_WINS: Final = 32
STEP: Final = 8
MIN_TARGET: Final = 1 << 128
MAX_TARGET: Final = (1 << 256) - 1
REWARD_DIVISOR: Final = 16_128
Place = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class Round:
    """The newest round that was opened; `number` 0 until the first."""

    number: int
    seed: bytes
    target: int
    wins: int


@dataclass(slots=True)
class SamplingBook:
    """One DASampling: `address` is its own, `last_wins` the round in which a place won last."""

    chain_id: int
    address: bytes
    period_seconds: int
    round: Round = Round(0, bytes(32), MAX_TARGET, 0)
    last_wins: dict[Place, int] = field(default_factory=dict)

    def number_at(self, now: int) -> int:
        return now // self.period_seconds

    def open_round(self, now: int, prevrandao: bytes) -> bool:
        """Whether this opened the present round."""
        number, last = self.number_at(now), self.round
        if number == last.number:
            return False
        mixed = words(TAG_DA_SAMPLE, self.chain_id, self.address, number, last.seed, prevrandao)
        target = moved_target(last.target, last.wins) if last.number else last.target
        self.round = Round(number, keccak(mixed), target, 0)
        return True

    def win(self, now: int, place: Place, data: bytes) -> None:
        """Raises: RoundNotOpen, RoundFull, LeafLost, LeafWonAlready."""
        last = self.round
        if self.number_at(now) != last.number:
            raise RoundNotOpen(round=self.number_at(now), opened=last.number)
        if last.wins >= MAX_WINS:
            raise RoundFull(round=last.number)
        if not is_win(last, place, data):
            raise LeafLost(round=last.number)
        if self.last_wins.get(place) == last.number:
            raise LeafWonAlready(round=last.number)
        self.last_wins[place] = last.number
        self.round = Round(last.number, last.seed, last.target, last.wins + 1)


def lottery_digest(seed: bytes, place: Place, data: bytes) -> Digest:
    """What is compared with the target; `place` is blob id, row, leaf."""
    assert len(data) == LEAF_BYTES
    return keccak(words(seed, *place), data)


def is_win(opened: Round, place: Place, data: bytes) -> bool:
    """Whether a leaf wins an opened round."""
    return int.from_bytes(lottery_digest(opened.seed, place, data), "big") <= opened.target


def moved_target(target: int, wins: int) -> int:
    """An eighth of the round's error, rounded towards no change; within its bounds."""
    unit = target // (STEP * TARGET_WINS)
    return min(max(target + unit * (TARGET_WINS - wins), MIN_TARGET), MAX_TARGET)


def reward_of(pool: int) -> Wei:
    """What a win pays."""
    return Wei(pool // REWARD_DIVISOR)
