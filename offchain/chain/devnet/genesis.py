"""Block zero: the developer accounts every tool knows, and the contracts Prague expects."""

import functools
from dataclasses import dataclass
from typing import Any, Final

from eth.constants import BLANK_ROOT_HASH, EMPTY_SHA256, EMPTY_UNCLE_HASH, ZERO_ADDRESS, ZERO_HASH32
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth.vm.forks.prague.constants import HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE
from eth_account import Account
from eth_account.hdaccount import ETHEREUM_DEFAULT_PATH

from offchain.chain.devnet.network import (
    BLOCK_GAS_LIMIT,
    DEV_ACCOUNTS,
    DEV_BALANCE_WEI,
    DEV_MNEMONIC,
)

INITIAL_BASE_FEE_WEI: Final = 1_000_000_000
EXTRA_DATA: Final = b"apogee devnet"
# The one who "mines" earns the tips; no key of this address is known.
COINBASE: Final = b"\x00" * 12 + b"apogee\x00\x01"


@dataclass(frozen=True, slots=True)
class DevAccount:
    """A funded account whose private key is public knowledge."""

    address: bytes
    private_key: bytes


@functools.cache
def dev_accounts() -> tuple[DevAccount, ...]:
    """The ten accounts, derived once per process (about 0.1 s)."""
    Account.enable_unaudited_hdwallet_features()
    prefix = ETHEREUM_DEFAULT_PATH.rsplit("/", 1)[0]
    accounts = [
        Account.from_mnemonic(DEV_MNEMONIC, account_path=f"{prefix}/{index}")
        for index in range(DEV_ACCOUNTS)
    ]
    return tuple(
        DevAccount(bytes.fromhex(account.address[2:]), bytes(account.key)) for account in accounts
    )


def fill_genesis_state(state: Any) -> bytes:
    """Write balances and system contracts into an empty state; returns its root."""
    for account in dev_accounts():
        state.set_balance(account.address, DEV_BALANCE_WEI)
    # EIP-2935; py-evm updates it in every block but never deploys it.
    state.set_code(HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE)
    state.set_nonce(HISTORY_STORAGE_ADDRESS, 1)
    state.persist()
    return bytes(state.state_root)


def genesis_header(state_root: bytes, timestamp: int) -> Any:
    return prague_header(
        block_number=0,
        parent_hash=ZERO_HASH32,
        timestamp=timestamp,
        base_fee_per_gas=INITIAL_BASE_FEE_WEI,
        mix_hash=ZERO_HASH32,
        coinbase=ZERO_ADDRESS,
        state_root=state_root,
    )


def prague_header(**fields: Any) -> Any:
    """A post-merge Prague header without blobs, withdrawals or requests."""
    return PragueBlockHeader(
        difficulty=0,
        uncles_hash=EMPTY_UNCLE_HASH,
        gas_limit=BLOCK_GAS_LIMIT,
        extra_data=EXTRA_DATA,
        nonce=bytes(8),
        withdrawals_root=BLANK_ROOT_HASH,
        blob_gas_used=0,
        excess_blob_gas=0,
        parent_beacon_block_root=ZERO_HASH32,
        requests_hash=EMPTY_SHA256,
        **fields,
    )
