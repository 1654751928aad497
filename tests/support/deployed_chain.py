"""A py-evm chain with every contract on it, deployed with ape once a test run and copied to homes.

Deploying costs fifteen seconds of a core; the demo, tests of `apogee up` and ape's own deploy anew.
"""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from offchain.apps.deploy import deploy_contracts
from offchain.apps.genesis import DEVNET_DIVISOR
from offchain.apps.home import NETWORK, Home
from tests.support.devnet_process import running_devnet

BACKEND = "pyevm"


@dataclass(frozen=True, slots=True)
class DeployedChain:
    """A folder that nothing runs in; what is copied from it goes on by itself."""

    folder: Path

    def copy_state(self, to: Path) -> None:
        shutil.copytree(self.folder / "devnet", to, ignore=shutil.ignore_patterns("lock"))

    def copy_addresses(self, home: Home) -> None:
        shutil.copytree(self.folder / "deployments", home.deployments)

    def copy_to(self, home: Home) -> None:
        """What the first `apogee up` of a home finds there."""
        self.copy_state(home.devnet)
        self.copy_addresses(home)


def deployed_once(factory: pytest.TempPathFactory) -> DeployedChain:
    """The one chain of this test run: the first of its workers that asks makes it."""
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = root / "deployed", root / "deployed" / "done"
    with (root / "deployed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            with running_devnet(BACKEND, folder / "devnet", heartbeat_seconds=1.0) as devnet:
                deploy_contracts(
                    devnet.url,
                    folder / "deployments",
                    name=NETWORK,
                    divisor=DEVNET_DIVISOR,
                    say=print,
                )
            done.touch()
    return DeployedChain(folder)
