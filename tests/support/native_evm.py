"""Titanoboa's EVM made ready for contracts that use BLS, KZG, P-256 and old block hashes.

The precompiles are the ones of the embedded devnet (offchain/chain/devnet/precompiles.py), and the
EIP-2935 history contract is put where the chain has it; titanoboa makes no blocks, so a test
says which block had which hash.
"""

import boa
from eth.vm.forks.prague.constants import (
    HISTORY_SERVE_WINDOW,
    HISTORY_STORAGE_ADDRESS,
    HISTORY_STORAGE_CONTRACT_CODE,
)

from offchain.chain.devnet.precompiles import install_native_precompiles

MOMENTS: dict[str, tuple[int, int]] = {}
HISTORY_CONTRACT = "0x" + HISTORY_STORAGE_ADDRESS.hex()


def prepare_native_evm() -> None:
    """Give `boa.env` native precompiles and the history contract. Safe to call again."""
    install_native_precompiles()
    boa.env.set_code(HISTORY_CONTRACT, HISTORY_STORAGE_CONTRACT_CODE)


def record_block_hash(block_number: int, block_hash: bytes) -> None:
    """Make the history contract answer `block_hash` for `block_number`.

    It answers only for the last 8,191 blocks before the current one.
    """
    slot = block_number % HISTORY_SERVE_WINDOW
    boa.env.set_storage(HISTORY_CONTRACT, slot, int.from_bytes(block_hash, "big"))


def keep_moment(site: str) -> None:
    """Remember the clock of a site that many tests share, once it is built."""
    MOMENTS[site] = boa.env.timestamp, boa.env.evm.patch.block_number


def return_to(site: str) -> None:
    """Set the clock to when a shared site was built, whatever others were built since."""
    boa.env.timestamp, boa.env.evm.patch.block_number = MOMENTS[site]
