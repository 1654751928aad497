"""One engine and one small encoded matrix for all tests of the arithmetic."""

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.matrix.check import CheckedHeader, check_header
from offchain.core.matrix.encode import EncodedBlob, encode
from tests.support.matrices import a_payload


@pytest.fixture(scope="session")
def engine() -> ErasureEngine:
    return choose_engine()


@pytest.fixture(scope="session")
def payload() -> bytes:
    return a_payload()


@pytest.fixture(scope="session")
def blob(payload: bytes, engine: ErasureEngine) -> EncodedBlob:
    return encode(payload, engine)


@pytest.fixture(scope="session")
def checked(blob: EncodedBlob, engine: ErasureEngine) -> CheckedHeader:
    return check_header(blob.header, engine)
