"""One small matrix, one S3 server and one chain with storage on it, for all tests here."""

from collections.abc import Iterator

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import choose_engine
from offchain.core.matrix.encode import EncodedBlob, encode
from tests.support.matrices import a_payload
from tests.support.s3_server import s3_endpoint
from tests.support.storage_chain import StorageChain, open_storage_chain


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


@pytest.fixture(scope="session")
def storage_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageChain]:
    """A group of three seats; each test leaves them serving."""
    chain = open_storage_chain(tmp_path_factory.mktemp("chain"))
    yield chain
    chain.base.close()
