"""da/fee_ledger.vy alone: its bounds, which no real payment reaches."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

PROBE = """
# pragma version 0.4.3
from contracts.da import fee_ledger

initializes: fee_ledger


@external
def hold(fee: uint256):
    fee_ledger._hold(fee, msg.sender, 0)


@external
def earn(fee: uint256):
    fee_ledger._earn(fee)


@view
@external
def held() -> uint256:
    return fee_ledger._held()


@view
@external
def pool() -> uint256:
    return fee_ledger._pool()
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
    assert (probe.held(), probe.pool()) == (1, MOST - MOST // 10)


def test_earn__what_was_never_held__is_refused(probe: VyperContract) -> None:
    with boa.reverts():
        probe.earn(1)
    assert (probe.held(), probe.pool()) == (0, 0)
