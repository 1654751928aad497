"""Drawing tokens: the generator against its authors' vectors, the draw against its definition."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.generation import Sampling
from offchain.compute.sampler import (
    GREEDY,
    GUMBEL_PHILOX,
    MARGIN_LIMIT,
    Sampler,
    Slack,
    philox,
    sampler_key,
)

KEY = bytes(range(32))
NO_SLACK = Slack()
ODD = 397  # a vocabulary that is no multiple of a block
MODES = [
    Sampling(800_000),
    Sampling(1_000_000, 900_000),
    Sampling(700_000, 950_000, 40),
    Sampling(1_500_000, 1_000_000, 3),
    Sampling(0),
]


def some_logits(seed: int, size: int = ODD) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(size) * 4).astype(np.float32)


def test_philox__published_vectors__equal(project_root: Path) -> None:
    found = json.loads((project_root / "tests/vectors/compute/philox.json").read_text())

    for vector in found["vectors"]:
        counter = np.array([[int(word, 16) for word in vector["counter"]]], np.uint32)
        key = tuple(int(word, 16) for word in vector["key"])
        expected = [int(word, 16) for word in vector["output"]]
        assert expected == philox(counter, key)[0].tolist()


@given(seed=st.integers(0, 2**32), step=st.integers(0, 2**20))
def test_draw__any_step__is_the_best_of_score_plus_noise(seed: int, step: int) -> None:
    logits, sampler = some_logits(seed), Sampler(Sampling(900_000), KEY)

    drawn = sampler.draw(logits, step)

    totals = [
        float(logits[token]) / 0.9 + sampler.noise(step, token) for token in range(len(logits))
    ]
    assert int(np.argmax(totals)) == drawn


@pytest.mark.parametrize("sampling", MODES)
def test_margin__of_the_drawn_token__is_zero(sampling: Sampling) -> None:
    sampler = Sampler(sampling, KEY)

    for step in range(50):
        logits = some_logits(step)
        assert sampler.margin(logits, step, sampler.draw(logits, step), NO_SLACK) == 0


@pytest.mark.parametrize("sampling", MODES)
def test_margin__of_another_token__is_positive(sampling: Sampling) -> None:
    sampler = Sampler(sampling, KEY)

    for step in range(50):
        logits = some_logits(step)
        other = (sampler.draw(logits, step) + 1) % ODD
        assert sampler.margin(logits, step, other, NO_SLACK) > 0


def test_margin__token_outside_the_kept_set__is_the_limit() -> None:
    logits, sampler = some_logits(1), Sampler(Sampling(1_000_000, 1_000_000, 5), KEY)

    assert sampler.margin(logits, 0, int(logits.argmin()), NO_SLACK) == MARGIN_LIMIT


def test_draw__top_k_one_and_tiny_top_p__take_the_best() -> None:
    logits = some_logits(3)

    for sampling in (Sampling(1_000_000, 1_000_000, 1), Sampling(1_000_000, 1)):
        assert all(
            Sampler(sampling, KEY).draw(logits, step) == logits.argmax() for step in range(30)
        )


def test_draw__many_steps__follows_the_probabilities() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    sampler = Sampler(Sampling(1_000_000), KEY)

    drawn = np.bincount([sampler.draw(logits, step) for step in range(4_000)], minlength=4)

    assert np.abs(drawn / 4_000 - [0.5, 0.3, 0.15, 0.05]).max() < 0.03


def test_sampler_key__seed_named__ignores_request_and_voucher() -> None:
    named = sampler_key(b"a" * 32, b"b" * 32, seed=-5)

    assert named == sampler_key(b"c" * 32, b"d" * 32, seed=-5)
    assert named != sampler_key(b"a" * 32, b"b" * 32, seed=5)
    assert sampler_key(b"a" * 32, b"b" * 32) != sampler_key(b"a" * 32, b"c" * 32)


def test_number__by_temperature__names_the_draw() -> None:
    assert Sampler(Sampling(0), KEY).number == GREEDY
    assert Sampler(Sampling(1), KEY).number == GUMBEL_PHILOX
