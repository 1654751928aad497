"""Drawing a token in a way that anybody can repeat: Gumbel-max, its noise from Philox4x32-10.

  key      keccak(T_SAMPLER || requestHash || voucher digest), or keccak(T_SAMPLER || seed) when the
           body names a seed; its first 16 bytes are four u32: k0, k1, c2, c3
  block    Philox4x32-10, key (k0, k1), counter (token / 4, step, c2, c3); lane token % 4 is r
  noise    g = -ln(-ln((r + 1/2) / 2^32)), between -3.14 and 22.88
  score    logit / temperature; kept: the top_k best, then the smallest set of best tokens whose
           probability reaches top_p (never one 20 below the best); the token of the highest
           score + g is drawn, the lower id when two are equal
  greedy   temperature 0: the token of the highest logit, no noise

Nobody picks the key, so nobody picks the tokens. An auditor replays the draw with his own logits:
the margin is how much his best beats the claimed token, 0 when they are the same. Sources: Salmon
et al., SC 2011 (Philox); arXiv 2511.20621 (Token-DiFR); docs/protocol/compute.md#engines.
"""

import math
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from offchain.compute.generation import MILLION, Sampling
from offchain.core.hashing import TAG_COMPUTE_SAMPLER, Digest, keccak

Logits = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
WEYL: Final = (0x9E3779B9, 0xBB67AE85)
ROUNDS: Final = 10
MASK: Final = 0xFFFFFFFF
HIGHEST_NOISE: Final = 22.9  # a little above -ln(-ln(1 - 2^-33))
TAIL: Final = 20.0  # with top_p below 1, tokens this far below the best are never kept
MARGIN_LIMIT: Final = 30.0  # what a token outside the kept set costs
NO_KEY: Final = bytes(32)
ENGINE_OWN: Final = 0
GREEDY: Final = 1
GUMBEL_PHILOX: Final = 2


def sampler_key(request_hash: bytes, voucher_digest: bytes, seed: int | None = None) -> Digest:
    """The key of one request's noise."""
    if seed is not None:
        return keccak(TAG_COMPUTE_SAMPLER, seed.to_bytes(32, "big", signed=True))
    return keccak(TAG_COMPUTE_SAMPLER, request_hash, voucher_digest)


def header_seed(sampling: Sampling, key: bytes) -> bytes:
    """The key as a commitment names it: zero for a draw without noise."""
    return NO_KEY if sampling.is_greedy else key


def philox(counter: npt.NDArray[np.uint32], key: tuple[int, int]) -> npt.NDArray[np.uint32]:
    """Philox4x32-10 of each counter, shape (n, 4) to (n, 4)."""
    x = counter.astype(np.uint64)
    k0, k1 = key
    for _ in range(ROUNDS):
        low, high = np.uint64(MULTIPLIERS[0]) * x[:, 0], np.uint64(MULTIPLIERS[1]) * x[:, 2]
        x = np.stack(
            [
                (high >> np.uint64(32)) ^ x[:, 1] ^ np.uint64(k0),
                high & np.uint64(MASK),
                (low >> np.uint64(32)) ^ x[:, 3] ^ np.uint64(k1),
                low & np.uint64(MASK),
            ],
            axis=1,
        )
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return x.astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Slack:
    """How far two honest machines may differ at the border of the kept set."""

    probability: float = 0.0
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Sampler:
    """One request's way of drawing."""

    sampling: Sampling
    key: bytes

    @property
    def number(self) -> int:
        """How it is named in a commitment."""
        return GREEDY if self.sampling.is_greedy else GUMBEL_PHILOX

    def draw(self, logits: Logits, step: int) -> int:
        """The token number `step` of the answer, from finite logits of shape (vocabulary,)."""
        if self.sampling.is_greedy:
            return int(logits.argmax())
        return int(_best_noisy(self._kept(self._scores(logits), 0.0, 0.0), step, *self._words())[0])

    def margin(self, logits: Logits, step: int, token: int, slack: Slack) -> float:
        """How much the replayed draw beats `token`; 0 when they agree, at most MARGIN_LIMIT."""
        if self.sampling.is_greedy:
            return min(MARGIN_LIMIT, float(logits.max()) - float(logits[token]))
        scores = self._scores(logits)
        strict = self._kept(scores, -slack.probability, slack.score)
        loose = self._kept(scores, slack.probability, -slack.score)
        if loose[token] == -np.inf:
            return MARGIN_LIMIT
        _, best = _best_noisy(strict, step, *self._words())
        mine = float(scores[token]) + self.noise(step, token)
        return min(MARGIN_LIMIT, max(0.0, float(best) - mine))

    def noise(self, step: int, token: int) -> float:
        """The Gumbel noise of one token."""
        k0, k1, c2, c3 = self._words()
        counter = np.array([[token // 4, step, c2, c3]], np.uint32)
        return -math.log(-math.log((int(philox(counter, (k0, k1))[0, token % 4]) + 0.5) / 2**32))

    def _words(self) -> tuple[int, int, int, int]:
        k0, k1, c2, c3 = np.frombuffer(self.key[:16], ">u4").tolist()
        return k0, k1, c2, c3

    def _scores(self, logits: Logits) -> Scores:
        return logits.astype(np.float64) * (MILLION / self.sampling.temperature_millionths)

    def _kept(self, scores: Scores, more_probability: float, higher: float) -> Scores:
        """The scores with those outside top_k and top_p at minus infinity."""
        top_k, top_p = self.sampling.top_k, self.sampling.top_p_millionths / MILLION
        best = scores.max()
        if 0 < top_k < scores.size:
            border = np.partition(scores, scores.size - top_k)[scores.size - top_k]
            scores = np.where(scores >= min(border + higher, best), scores, -np.inf)
        if top_p >= 1:
            return scores
        weights = np.exp(scores - best)
        near = np.flatnonzero(scores > best - TAIL)
        order = near[np.argsort(-scores[near], kind="stable")]
        reached = np.cumsum(weights[order]) / weights.sum()
        count = int(np.searchsorted(reached, max(top_p + more_probability, 1e-6))) + 1
        kept = np.full_like(scores, -np.inf)
        kept[order[:count]] = scores[order[:count]]
        return kept


@numba.njit(cache=True)
def _best_noisy(
    scores: npt.NDArray[np.float64], step: int, k0: int, k1: int, c2: int, c3: int
) -> tuple[int, float]:
    """The token of the highest score + noise, and that sum; blocks that cannot win are skipped."""
    best, winner = -np.inf, scores.size
    top = int(np.argmax(scores))
    size = scores.size
    blocks = (size + 3) // 4
    for turn in range(blocks + 1):
        block = top // 4 if turn == 0 else turn - 1  # the likeliest block first
        start = block * 4
        highest = -np.inf
        for lane in range(min(4, size - start)):
            highest = max(highest, scores[start + lane])
        if highest == -np.inf or highest + 22.9 < best:
            continue
        x0, x1, x2, x3 = np.uint64(block), np.uint64(step), np.uint64(c2), np.uint64(c3)
        a, b = np.uint64(k0), np.uint64(k1)
        low = np.uint64(0xFFFFFFFF)
        for _ in range(10):
            first, second = np.uint64(0xD2511F53) * x0, np.uint64(0xCD9E8D57) * x2
            x0, x1, x2, x3 = (
                (second >> np.uint64(32)) ^ x1 ^ a,
                second & low,
                (first >> np.uint64(32)) ^ x3 ^ b,
                first & low,
            )
            a, b = (a + np.uint64(0x9E3779B9)) & low, (b + np.uint64(0xBB67AE85)) & low
        drawn = (x0, x1, x2, x3)
        for lane in range(min(4, size - start)):
            score = scores[start + lane]
            if score == -np.inf or score + 22.9 < best:
                continue
            uniform = (np.float64(drawn[lane]) + 0.5) / 4294967296.0
            total = score - math.log(-math.log(uniform))
            if total > best or (total == best and start + lane < winner):
                best, winner = total, start + lane
    return int(winner), best
