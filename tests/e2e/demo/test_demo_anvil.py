"""`apogee demo` as the README shows it, on Anvil: one object on stdout and exit 0.

Whole files go to workers: this one and the one on py-evm are the dearest, so each has its own.
"""

import pytest

from offchain.apps.home import project_tools
from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil
from tests.support.apogee_command import run_apogee
from tests.support.demo import assert_told


def test_demo__on_anvil__file_survives_two_dead_nodes_and_the_cheats_pay() -> None:
    try:
        bring_anvil(project_tools())
    except AnvilUnavailable as error:
        pytest.skip(f"no Anvil: {error}")

    told = run_apogee("demo", "--backend", "anvil", "--json").json()

    assert 30_000_000 <= told["blob_bytes"] <= 32_505_856
    assert_told(told, "anvil")
