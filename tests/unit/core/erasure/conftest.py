"""Every engine this processor runs, on a small geometry and on the protocol's."""

import pytest

from offchain.core.erasure import PROTOCOL_GEOMETRY, ErasureEngine, Geometry
from offchain.core.erasure.choose import _build, available_engines
from offchain.core.erasure.reference import ReferenceEngine

SMALL = Geometry(data_rows=16, total_rows=48)


@pytest.fixture(params=available_engines())
def small_engine(request: pytest.FixtureRequest) -> ErasureEngine:
    return _build(request.param, SMALL)


@pytest.fixture(params=[name for name in available_engines() if name != "reference"])
def engine(request: pytest.FixtureRequest) -> ErasureEngine:
    return _build(request.param, PROTOCOL_GEOMETRY)


@pytest.fixture(scope="session")
def integers() -> ReferenceEngine:
    return ReferenceEngine(SMALL)


@pytest.fixture(scope="session")
def protocol_integers() -> ReferenceEngine:
    return ReferenceEngine()
