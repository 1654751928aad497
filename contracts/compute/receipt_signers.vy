# pragma version 0.4.3
"""
@title Whose signature a service's receipts bear, at any time
@license AGPL-3.0-only
@author Apogee
@notice Invariant: who signed at a past time never changes.
@dev A word is the signer | since u64 << 160. Of changes within one second the last counts.
"""
from ..interfaces import IServiceRegistry

MAX_STEPS: constant(uint256) = 32  # a search over 2**32 words

words: HashMap[bytes32, HashMap[uint256, uint256]]
counts: HashMap[bytes32, uint256]


@internal
def _set(service: bytes32, signer: address):
    assert signer != empty(address), "receipt_signers: no signer"
    count: uint256 = self.counts[service]
    assert count == 0 or self._signer(self.words[service][count - 1]) != signer, "receipt_signers: same"
    index: uint256 = count
    if count != 0 and self.words[service][count - 1] >> 160 == block.timestamp:
        index = count - 1

    self.words[service][index] = convert(signer, uint256) | block.timestamp << 160
    self.counts[service] = index + 1
    log IServiceRegistry.SignerChanged(
        service=service, signer=signer, since=convert(block.timestamp, uint64)
    )


@internal
@view
def _now(service: bytes32) -> address:
    count: uint256 = self.counts[service]
    if count == 0:
        return empty(address)
    return self._signer(self.words[service][count - 1])


@internal
@view
def _at(service: bytes32, time: uint256) -> address:
    """
    @dev Zero before the first.
    """
    low: uint256 = 0  # words below `low` count by `time`
    high: uint256 = self.counts[service]  # words from `high` on do not
    for _: uint256 in range(MAX_STEPS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self.words[service][middle] >> 160 <= time:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return empty(address)
    return self._signer(self.words[service][low - 1])


@internal
@pure
def _signer(word: uint256) -> address:
    return convert(convert(word & (2**160 - 1), uint160), address)
