"""One engine and one small encoded blob for all tests of the DA layer's arithmetic."""

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.da.check import CheckedHeader, check_header
from offchain.da.encode import EncodedBlob, encode
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
