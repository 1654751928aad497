"""Every contract test runs on titanoboa with native precompiles and leaves no trace.

Accounts and the clock of a test depend on its name alone, never on the day, on the tests that ran
before it or on the process that runs it: what the beacon draws in it is drawn again in every run.
"""

from collections.abc import Iterator

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

from tests.support.native_evm import prepare_native_evm

NEW_YEAR_2026 = 1_767_225_600


def _named(contract: VyperContract) -> str:
    place = contract._address  # none while it is created
    return f"<{contract.compiler_data.contract_path} at {place}>"


# Titanoboa describes a contract at every revert with all of its storage: that costs more than the
# call, and it fails where a slot of another mapping looks like one of its own.
VyperContract.__repr__ = _named  # type: ignore[method-assign]


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
