# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Insurance of those whose slash fell short
@license AGPL-3.0-only
@author Apogee
@notice Invariant: held = free + the pots of closed rounds; per epoch at most a tenth of free leaves it, only into
        the pot of one round, and a pot is paid pro rata to that round's claims and to nobody else.
@dev A claim joins the open round. A round closes in a later epoch than that of its first claim, so two
     closings are an epoch apart however long nobody called. What a pot cannot pay joins the open round again.
"""
from ..interfaces import ISlashingCourt

POT_DIVISOR: constant(uint256) = 10
HALF: constant(uint256) = 2**128 - 1

struct Round:
    first_epoch: uint256  # of its first claim
    claims: uint256  # wei not collected yet
    pot: uint256  # wei not paid yet; set when it closes


struct Claim:
    victim: address
    amount: uint256  # wei
    round: uint256


purse: uint256  # wei in pots of closed rounds 128 | free wei, no round has a right to it 128
open_round: reentrant(public(uint256))
rounds: reentrant(public(HashMap[uint256, Round]))
claims: reentrant(public(HashMap[bytes32, Claim]))


@internal
def _deposit(amount: uint256, limit: uint256) -> uint256:
    """@dev Takes what fits under `limit`; the caller sends the rest elsewhere."""
    purse: uint256 = self.purse
    held: uint256 = (purse >> 128) + (purse & HALF)
    if held >= limit:
        return 0
    accepted: uint256 = min(amount, limit - held)
    self.purse = purse + accepted
    return accepted


@internal
def _register(offence_id: bytes32, victim: address, amount: uint256, epoch: uint256):
    number: uint256 = self.open_round
    if self.rounds[number].claims == 0:
        self.rounds[number].first_epoch = epoch
    self.rounds[number].claims += amount
    self.claims[offence_id] = Claim(victim=victim, amount=amount, round=number)
    log ISlashingCourt.ClaimRegistered(offence_id=offence_id, victim=victim, amount=amount, round=number)


@internal
def _close_round(epoch: uint256):
    number: uint256 = self.open_round
    claims: uint256 = self.rounds[number].claims
    assert claims != 0, "insurance: no claims"
    assert epoch > self.rounds[number].first_epoch, "insurance: round is young"
    pot: uint256 = min(claims, (self.purse & HALF) // POT_DIVISOR)
    assert pot != 0, "insurance: empty"

    self.rounds[number].pot = pot
    self.purse = self.purse - pot + (pot << 128)
    self.open_round = number + 1
    log ISlashingCourt.RoundClosed(round=number, pot=pot, claims=claims)


@internal
def _collect(offence_id: bytes32, epoch: uint256) -> (address, uint256):
    """@dev Returns whom the caller must credit, and how much."""
    claim: Claim = self.claims[offence_id]
    assert claim.amount != 0, "insurance: no claim"
    assert claim.round < self.open_round, "insurance: round is open"

    closed: Round = self.rounds[claim.round]
    # whoever collects last divides by his own claim, so nothing stays behind
    paid: uint256 = closed.pot * claim.amount // closed.claims
    self.rounds[claim.round].claims = closed.claims - claim.amount
    self.rounds[claim.round].pot = closed.pot - paid
    self.purse -= paid << 128
    rest: uint256 = claim.amount - paid
    self.claims[offence_id] = empty(Claim)
    if rest != 0:
        self._register(offence_id, claim.victim, rest, epoch)

    log ISlashingCourt.ClaimCollected(
        offence_id=offence_id, victim=claim.victim, amount=paid, rest=rest
    )
    return claim.victim, paid


@internal
@view
def _held() -> uint256:
    return (self.purse >> 128) + (self.purse & HALF)
