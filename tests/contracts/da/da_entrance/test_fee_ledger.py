"""da/fee_ledger.vy alone: its bounds, which no real payment reaches."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

PROBE = """
# pragma version 0.4.3
from contracts.da import fee_ledger

initializes: fee_ledger
exports: (fee_ledger.held, fee_ledger.reward_pool, fee_ledger.credit_of)


@external
def hold(fee: uint256):
    fee_ledger._hold(fee, msg.sender, 0)


@external
def earn(fee: uint256):
    fee_ledger._earn(fee)


@external
def reward(to: address, amount: uint256):
    fee_ledger._reward(to, amount)
"""
MOST = 2**128 - 1


@pytest.fixture
def probe() -> VyperContract:
    return boa.loads(PROBE, name="FeeProbe")


def test_hold__more_than_its_half_of_a_slot__is_refused(probe: VyperContract) -> None:
    probe.hold(MOST)

    with boa.reverts("fee_ledger: too much"):
        probe.hold(1)
    assert probe.held() == MOST


def test_earn__more_than_its_half_of_a_slot__is_refused(probe: VyperContract) -> None:
    probe.hold(MOST)
    probe.earn(MOST)
    probe.hold(1)

    with boa.reverts("fee_ledger: too much"):
        probe.earn(1)
    assert (probe.held(), probe.reward_pool()) == (1, MOST - MOST // 10)


def test_earn__what_was_never_held__is_refused(probe: VyperContract) -> None:
    with boa.reverts():
        probe.earn(1)
    assert (probe.held(), probe.reward_pool()) == (0, 0)


def test_inv_da_21__reward__comes_out_of_the_pool_and_never_exceeds_it(
    probe: VyperContract,
) -> None:
    server = boa.env.generate_address("server")
    probe.hold(1_000)
    with boa.reverts("fee_ledger: pool too small"):
        probe.reward(server, 1)
    probe.earn(1_000)
    probe.reward(server, 600)

    with boa.reverts("fee_ledger: pool too small"):
        probe.reward(server, 301)
    assert (probe.reward_pool(), probe.credit_of(server)) == (300, 600)
    probe.reward(server, 300)
    assert (probe.reward_pool(), probe.credit_of(server)) == (0, 900)
