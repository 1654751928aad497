"""Markers by folder, Hypothesis profiles, and the paths tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
    max_examples=60,
    stateful_step_count=40,
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
    for item in items:
        parts = Path(item.path).parts
        for folder in FOLDERS:
            if folder in parts:
                item.add_marker(getattr(pytest.mark, folder))
        if "stateful" in parts:
            item.add_marker(pytest.mark.stateful)


@pytest.fixture(scope="session")
def project_root() -> Path:
    return Path(__file__).resolve().parent.parent
