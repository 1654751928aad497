"""ape's own py-evm chain with the devnet's native precompiles, which constructors prove."""

import pytest

from offchain.chain.devnet.precompiles import install_native_precompiles


@pytest.fixture(scope="session", autouse=True)
def native_precompiles() -> None:
    install_native_precompiles()
