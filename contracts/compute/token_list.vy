# pragma version 0.4.3
"""
@title Which tokens are money here, and how much stake an amount stands for
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a token that was ever listed keeps a rate, so what is held of it always stands for stake.
@dev A rate is wei of stake for 10**18 base units. The native coin stands for itself and is always listed. A token has
     a number, by which batches name it: 16 bits beside what else they hold.
"""
from ..interfaces import IComputeEscrow

UNIT: constant(uint256) = 10**18
LOW_96: constant(uint256) = 2**96 - 1
LOW_16: constant(uint256) = 2**16 - 1
MAX_RATE: constant(uint256) = 10**36  # a base unit worth a whole coin

rates: HashMap[address, uint256]  # rate << 17 | number u16 << 1 | whether deposits are taken
tokens: HashMap[uint256, address]  # by number; 0 is the native coin
count: uint256


@internal
def _set(token: address, rate: uint256):
    """
    @dev 0 takes no more deposits; the last rate stays for what is there.
    """
    assert token.is_contract, "token_list: no token"
    assert rate <= MAX_RATE, "token_list: rate too high"

    number: uint256 = self._number(token)
    if rate == 0:
        self.rates[token] = (self.rates[token] >> 1) << 1
    else:
        if number == 0:
            number = self.count + 1
            assert number <= LOW_16, "token_list: too many"
            self.count = number
            self.tokens[number] = token
        self.rates[token] = rate << 17 | number << 1 | 1
    log IComputeEscrow.TokenSet(token=token, wei_per_token=rate)


@internal
@view
def _check_listed(token: address):
    assert token == empty(address) or self.rates[token] & 1 == 1, "token_list: not listed"


@internal
@view
def _number(token: address) -> uint256:
    """
    @dev 0 for the native coin, and for a token that was never listed.
    """
    return (self.rates[token] >> 1) & LOW_16


@internal
@view
def _rate(token: address) -> uint256:
    """
    @dev 0 for a token that was never listed.
    """
    return UNIT if token == empty(address) else self.rates[token] >> 17


@internal
@pure
def _limit(rate: uint256, room: uint256) -> uint256:
    """
    @dev The most base units of one batch whose value is within `room`; both are kept in 96 bits.
    """
    return min(min(room, LOW_96) * UNIT // rate, LOW_96)


@internal
@pure
def _value(rate: uint256, amount: uint256) -> uint256:
    """
    @dev Rounded up: dust of a cheap token still stands for something.
    """
    return (rate * amount + UNIT - 1) // UNIT
