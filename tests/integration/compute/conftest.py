"""Tiny models on disk, made once a run; torch on one thread, since tests share the machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.compute.adapters.torch_model import LoadedModel, TorchPlace, load_model
from tests.support.audit_market import AuditMarket, open_audit_market


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_model import write_tiny_llama

    return write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_model import write_tiny_llama

    return write_tiny_llama(tmp_path_factory.mktemp("models") / "other-llama", seed=5)


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory, llama_folder: Path) -> Iterator[AuditMarket]:
    """Auditors and jobs on one embedded chain; tests share neither batches nor jobs."""
    found = open_audit_market(tmp_path_factory.mktemp("audits"), llama_folder)
    yield found
    found.chain.close()


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_model import write_tiny_bert

    return write_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture
def llama(llama_folder: Path) -> LoadedModel:
    return load_model(llama_folder, TorchPlace())


@pytest.fixture
def bert(bert_folder: Path) -> LoadedModel:
    return load_model(bert_folder, TorchPlace())
