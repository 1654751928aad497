# pragma version 0.4.3
"""
@title A payer's money set aside for one provider
@license AGPL-3.0-only
@author Apogee
@notice Invariant: spent and last nonce only grow, and money leaves a bucket to its provider by settling or to its payer
        by an exit whose time has come or that the provider has signed.
@dev One slot: balance u96 | spent u96 << 96 | last nonce u64 << 192. A second one only for exits: amount u96 |
     exit_at u64 << 96 | releases u64 << 160.
"""
from ..interfaces import IComputeEscrow

LOW_96: constant(uint256) = 2**96 - 1
LOW_64: constant(uint256) = 2**64 - 1

LOCK: immutable(uint256)  # seconds

words: HashMap[bytes32, HashMap[address, uint256]]  # purse -> payer
exits: HashMap[bytes32, HashMap[address, uint256]]


@deploy
def __init__(lock: uint256):
    assert lock > 0, "buckets: no lock"

    LOCK = lock


@internal
@pure
def _purse(provider: address, token: address) -> bytes32:
    """
    @dev Where all buckets of a provider in a token lie.
    """
    return keccak256(abi_encode(provider, token))


@internal
def _put(payer: address, provider: address, token: address, amount: uint256):
    purse: bytes32 = self._purse(provider, token)
    word: uint256 = self.words[purse][payer]
    assert (word & LOW_96) + amount <= LOW_96, "buckets: too much"
    self.words[purse][payer] = word + amount


@internal
@view
def _balance(payer: address, provider: address, token: address) -> uint256:
    purse: bytes32 = self._purse(provider, token)
    return self.words[purse][payer] & LOW_96


@internal
def _request_exit(payer: address, provider: address, token: address, amount: uint256):
    """
    @dev Settling may still use the whole balance until the exit is finished.
    """
    purse: bytes32 = self._purse(provider, token)
    assert amount <= self._balance(payer, provider, token), "buckets: not that much"
    exit_at: uint256 = 0 if amount == 0 else block.timestamp + LOCK
    releases: uint256 = self.exits[purse][payer] >> 160

    self.exits[purse][payer] = amount | exit_at << 96 | releases << 160
    log IComputeEscrow.ExitRequested(
        payer=payer, provider=provider, token=token, amount=amount, exit_at=exit_at
    )


@internal
def _finish_exit(payer: address, provider: address, token: address) -> uint256:
    """
    @dev What settling has left of the amount; none is no failure.
    """
    purse: bytes32 = self._purse(provider, token)
    exit: uint256 = self.exits[purse][payer]
    exit_at: uint256 = (exit >> 96) & LOW_64
    assert exit_at != 0, "buckets: no exit"
    assert block.timestamp >= exit_at, "buckets: locked"

    word: uint256 = self.words[purse][payer]
    amount: uint256 = min(exit & LOW_96, word & LOW_96)
    self.words[purse][payer] = word - amount
    self.exits[purse][payer] = (exit >> 160) << 160
    return amount


@internal
def _release(payer: address, provider: address, token: address, amount: uint256):
    """
    @dev The provider has signed: no lock. A running exit goes on; it finds what is left.
    """
    purse: bytes32 = self._purse(provider, token)
    word: uint256 = self.words[purse][payer]
    assert amount != 0 and amount <= word & LOW_96, "buckets: not that much"
    self.words[purse][payer] = word - amount
    self.exits[purse][payer] += 1 << 160


@internal
@view
def _releases(payer: address, provider: address, token: address) -> uint256:
    purse: bytes32 = self._purse(provider, token)
    return self.exits[purse][payer] >> 160


@internal
@view
def _bucket(payer: address, provider: address, token: address) -> IComputeEscrow.Bucket:
    purse: bytes32 = self._purse(provider, token)
    word: uint256 = self.words[purse][payer]
    exit: uint256 = self.exits[purse][payer]
    return IComputeEscrow.Bucket(
        balance=convert(word & LOW_96, uint96),
        spent=convert((word >> 96) & LOW_96, uint96),
        last_nonce=convert(word >> 192, uint64),
        exit_amount=convert(exit & LOW_96, uint96),
        exit_at=convert((exit >> 96) & LOW_64, uint64),
        releases=convert(exit >> 160, uint64),
    )
