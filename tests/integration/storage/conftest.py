"""One small matrix, and one S3 server, for all tests of storage nodes."""

from collections.abc import Iterator

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.matrix.encode import EncodedBlob, encode
from tests.support.matrices import a_payload
from tests.support.s3_server import s3_endpoint


@pytest.fixture(scope="session")
def engine() -> ErasureEngine:
    return choose_engine()


@pytest.fixture(scope="session")
def blob(engine: ErasureEngine) -> EncodedBlob:
    return encode(a_payload(), engine)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_endpoint() as endpoint:
        yield endpoint
