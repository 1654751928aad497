"""Rounds: opened by anybody, seeded by the block, never looped over; the target follows wins."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from hypothesis import given
from hypothesis import strategies as st

from offchain.da.sampling_book import MAX_TARGET, MIN_TARGET, moved_target
from tests.contracts.da.conftest import Refused
from tests.support.da import SAMPLE_PERIOD, DaSite, a_blob, da_deployer, pay
from tests.support.da_sampling import book_of, set_prevrandao

PROBE = """
# pragma version 0.4.3
from contracts.da import sampling_rounds

initializes: sampling_rounds


@deploy
def __init__():
    sampling_rounds.__init__()


@external
@view
def moved(target: uint256, wins: uint256) -> uint256:
    return sampling_rounds._moved(target, wins)
"""


@pytest.fixture(scope="module")
def probe() -> VyperContract:
    return boa.loads(PROBE, name="RoundsProbe")


def test_constructor__no_contract_or_no_period__is_refused(site: DaSite, stranger: str) -> None:
    real = [site.entrance.address, site.signers.address, site.stake.address]
    deployer = da_deployer("DASampling")
    for position in range(3):
        addresses = [*real]
        addresses[position] = stranger
        with boa.reverts("da_sampling: no contract"):
            deployer.deploy(*addresses, SAMPLE_PERIOD)
    for period in (0, 2**32):
        with boa.reverts("da_sampling: bad period"):
            deployer.deploy(*real, period)


def test_open_round__anybody__mixes_the_block_into_the_seed_before(
    sampling_site: DaSite, stranger: str
) -> None:
    sampling, book = sampling_site.sampling, book_of(sampling_site)
    assert tuple(sampling.round()) == (0, bytes(32), MAX_TARGET, 0)
    assert not sampling.is_open()
    for number in range(3):
        randomness = bytes([number]) * 32
        set_prevrandao(randomness)
        assert book.open_round(boa.env.timestamp, randomness)

        assert sampling.open_round(sender=stranger)

        [event] = [e for e in sampling.get_logs() if type(e).__name__ == "RoundOpened"]
        opened = book.round
        assert (event.round, event.seed, event.target) == (
            opened.number,
            opened.seed,
            opened.target,
        )
        assert tuple(sampling.round()) == (opened.number, opened.seed, opened.target, 0)
        assert sampling.is_open()
        boa.env.time_travel(seconds=SAMPLE_PERIOD)


def test_open_round__already_open__changes_nothing(sampling_site: DaSite) -> None:
    sampling = sampling_site.sampling
    assert sampling.open_round()
    before = tuple(sampling.round())
    set_prevrandao(b"\x55" * 32)

    assert not sampling.open_round()
    assert before == tuple(sampling.round())


def test_pay__first_of_a_round__opens_it(sampling_site: DaSite) -> None:
    site = sampling_site
    owner = site.operators[0].owner
    assert not site.sampling.is_open()

    pay(site, a_blob(owner, owner))
    first = tuple(site.sampling.round())
    pay(site, a_blob(owner, owner, salt=b"\x01" * 32))

    assert site.sampling.is_open()
    assert first == tuple(site.sampling.round())


def test_inv_da_14__idle_rounds__cost_no_gas(sampling_site: DaSite) -> None:
    sampling = sampling_site.sampling
    sampling.open_round()
    gas = []
    for rounds in (1, 100_000):
        with boa.env.anchor():
            boa.env.time_travel(seconds=rounds * SAMPLE_PERIOD)
            assert sampling.open_round()
            gas.append(sampling._computation.get_gas_used())

    assert gas[0] == gas[1]


@given(
    target=st.one_of(
        st.integers(MIN_TARGET, MAX_TARGET), st.sampled_from([MIN_TARGET, MAX_TARGET])
    ),
    wins=st.integers(0, 32),
)
def test_moved_target__any_target_and_wins__equals_the_model(
    probe: VyperContract, target: int, wins: int
) -> None:
    expected = moved_target(target, wins)

    assert expected == probe.moved(target, wins)
    assert MIN_TARGET <= expected <= MAX_TARGET
    assert 7 * (target // 128) * 16 <= expected <= 9 * (target // 8) + 128


def test_refused__used_here__leaves_rounds_alone(
    sampling_site: DaSite, stranger: str, refused: Refused
) -> None:
    with refused("da_entrance: not the sampling"):
        sampling_site.entrance.reward(stranger, 0, sender=stranger)
