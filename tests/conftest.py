"""Markers by folder, Hypothesis profiles, and the paths tests share."""

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

    from tests.support.deployed_chain import DeployedChain

DEAREST = "demo"  # a folder of e2e
FOLDERS = ("ape", "unit", "contracts", "integration", "e2e")

_slow_fixtures = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "quick",
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=_slow_fixtures,
)
settings.register_profile(
    "ci",
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=_slow_fixtures,
)
settings.register_profile(
    "deep",
    max_examples=2_000,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=_slow_fixtures,
)
settings.load_profile(os.environ.get("APOGEE_TEST_PROFILE", "quick"))


# Compiled contracts are millions of lasting objects, and a full collection walks them all: at the
# usual thresholds that is a quarter of the time of a contract test.
gc.set_threshold(50_000, 20, 30)

APE_FOLDERS = {"ape", "contracts"}  # what `ape test` runs; `./apogee test` runs the rest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests with ape's fixtures need its plugin; a bare `ape test` runs what concerns contracts."""
    is_ape = config.pluginmanager.hasplugin("ape_test")
    if collection_path.parent != Path(__file__).resolve().parent or not collection_path.is_dir():
        return None
    if collection_path.name == "ape":
        return True if not is_ape else None
    has_paths = any(not argument.startswith("-") for argument in config.invocation_params.args)
    if is_ape and not has_paths and collection_path.name not in APE_FOLDERS:
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    _dearest_first(items)
    for item in items:
        parts = Path(item.path).parts
        for folder in FOLDERS:
            if folder in parts:
                item.add_marker(getattr(pytest.mark, folder))
        if "stateful" in parts:
            item.add_marker(pytest.mark.stateful)


def _dearest_first(items: list[pytest.Item]) -> None:
    """Networks, demos first, then rule machines; others as found.

    Workers take work from the front: what runs for minutes would run alone if left for the end.
    """

    def rank(item: pytest.Item) -> int:
        parts = item.path.parts
        if "e2e" in parts:
            return 0 if DEAREST in parts else 1
        return 2 if "stateful" in parts else 3

    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Scheduling":
    from tests.support.scheduling import NetworksInTurn

    return NetworksInTurn(config, log)


def pytest_unconfigure() -> None:
    """Look once for errors of forgotten objects; pytest looks five times through all contracts."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def project_root() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def deployed_chain(tmp_path_factory: pytest.TempPathFactory) -> "DeployedChain":
    """Shared by all workers; a test copies what it needs."""
    from tests.support.deployed_chain import deployed_once

    return deployed_once(tmp_path_factory)
