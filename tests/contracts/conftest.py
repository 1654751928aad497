"""Every contract test runs on titanoboa with native precompiles and leaves no trace."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.native_evm import prepare_native_evm


@pytest.fixture(scope="session", autouse=True)
def native_evm() -> None:
    prepare_native_evm()


@pytest.fixture(autouse=True)
def fresh_state(native_evm: None) -> Iterator[None]:
    """Undo what a test did; what session and module fixtures deployed stays."""
    with boa.env.anchor():
        yield
