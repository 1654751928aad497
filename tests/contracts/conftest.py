"""Every contract test runs on titanoboa with native precompiles and leaves no trace.

Accounts and the clock of a test depend on its name alone, never on the day, on the tests that ran
before it or on the process that runs it: what the beacon draws in it is drawn again in every run.
"""

from collections.abc import Iterator

import boa
import pytest

from tests.support.native_evm import prepare_native_evm

NEW_YEAR_2026 = 1_767_225_600


@pytest.fixture(scope="session", autouse=True)
def native_evm() -> None:
    prepare_native_evm()
    boa.env.timestamp = NEW_YEAR_2026


@pytest.fixture(autouse=True)
def fresh_state(native_evm: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Undo what a test did; what session and module fixtures deployed stays."""
    boa.env.set_random_seed(request.node.nodeid)
    with boa.env.anchor():
        yield
