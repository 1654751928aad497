"""What every devnet has in common, whichever backend runs it.

The accounts are the first ten of a public mnemonic on m/44'/60'/0'/0/i, the same as Anvil's and
Hardhat's. Their keys are known to everybody: these chains are for development.
"""

from typing import Final

DEV_MNEMONIC: Final = "test test test test test test test test test test test junk"
DEV_ACCOUNTS: Final = 10
DEV_BALANCE_WEI: Final = 10_000_000 * 10**18
DEFAULT_CHAIN_ID: Final = 31_337
BLOCK_GAS_LIMIT: Final = 60_000_000
