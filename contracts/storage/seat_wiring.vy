# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Whom StorageSeats answers to
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the three contracts are named together, once and for ever.
"""
from ..interfaces import IStorageSeats
from ..shared import governed

uses: governed

draws: reentrant(public(address))
market: reentrant(public(address))
proofs: reentrant(public(address))


@external
def wire(draws: address, market: address, proofs: address):
    """
    @notice Name StorageDraws, StorageMarket and StorageProofs.
    """
    governed._check_governance()
    assert self.market == empty(address), "seat_wiring: already wired"
    assert draws.is_contract and market.is_contract and proofs.is_contract, "seat_wiring: not a contract"

    self.draws = draws
    self.market = market
    self.proofs = proofs
    log IStorageSeats.Wired(draws=draws, market=market, proofs=proofs)


@internal
@view
def _check_draws():
    assert msg.sender == self.draws, "seat_wiring: not StorageDraws"


@internal
@view
def _check_proofs():
    assert msg.sender == self.proofs, "seat_wiring: not StorageProofs"
