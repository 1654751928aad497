"""shared/block_history.vy: the hash of exactly the block asked for, or zero."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

from offchain.core.hashing import keccak
from tests.support.native_evm import HISTORY_CONTRACT, record_block_hash

PROBE = """
# pragma version 0.4.3
from contracts.shared import block_history


@view
@external
def block_hash(number: uint256) -> bytes32:
    return block_history._block_hash(number)
"""
HEAD = 20_000


@pytest.fixture
def probe() -> VyperContract:
    probe = boa.loads(PROBE, name="HistoryProbe")
    boa.env.evm.patch.block_number = HEAD
    return probe


def test_block_hash__recent_block__comes_from_the_chain(probe: VyperContract) -> None:
    hashes = [keccak(bytes([index % 256, index >> 8])) for index in range(256)]
    boa.env.evm.patch.prev_hashes = hashes

    assert probe.block_hash(HEAD - 1) == hashes[0]
    assert probe.block_hash(HEAD - 256) == hashes[255]


def test_block_hash__older_block__comes_from_the_history_contract(probe: VyperContract) -> None:
    for age in (257, 8_191):
        record_block_hash(HEAD - age, keccak(bytes([age % 256])))

        assert probe.block_hash(HEAD - age) == keccak(bytes([age % 256]))


def test_block_hash__nobody_knows__is_zero(probe: VyperContract) -> None:
    record_block_hash(HEAD - 8_192, keccak(b"forgotten"))

    for number in (HEAD, HEAD + 1, HEAD - 8_192, 0):
        assert probe.block_hash(number) == bytes(32)


def test_block_hash__chain_without_history_contract__is_zero(probe: VyperContract) -> None:
    record_block_hash(HEAD - 300, keccak(b"held"))
    boa.env.set_code(HISTORY_CONTRACT, b"")

    assert probe.block_hash(HEAD - 300) == bytes(32)
