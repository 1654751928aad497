"""The models that ship: the same bytes everywhere, whole or not at all, and they really answer."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from offchain.compute.adapters.default_models import MINILM, SMOLLM2, open_default
from offchain.compute.adapters.torch_embedder import TorchEmbedder
from offchain.compute.adapters.torch_engine import TorchEngine
from offchain.compute.adapters.torch_model import TorchPlace, load_model
from offchain.compute.adapters.torch_replay import TorchReplayer
from offchain.compute.audit_check import judge
from offchain.compute.engine_errors import ModelCorrupt, ModelMissing
from offchain.compute.model import Finish
from tests.support.answered import a_body, a_case, ask

WEIGHTS = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("default-models")


def test_smollm2__unpacked_and_asked__knows_the_capital_and_passes_audit(folder: Path) -> None:
    async def story() -> None:
        engine, replayer = TorchEngine(model), TorchReplayer(model)
        body = a_body("What is the capital of France?", temperature=0)
        found = await ask(engine, body, tokens=16)
        case = a_case(engine, found)
        await engine.close()

        assert (found.text, found.finish) == ("The capital of France is Paris.", Finish.STOP)
        assert judge(case, replayer).reasons == ()

    path = open_default(SMOLLM2, folder)
    weights = hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()
    assert weights == WEIGHTS
    model = load_model(path, TorchPlace())
    asyncio.run(story())


def test_minilm__near_and_far_texts__are_near_and_far(folder: Path) -> None:
    async def story() -> None:
        engine = TorchEmbedder(load_model(open_default(MINILM, folder), TorchPlace()))
        texts = ["man eating food", "someone having a meal", "stock prices fell"]
        vectors = (await engine.embed(texts)).vectors
        await engine.close()

        near, far = float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])
        assert near == pytest.approx(0.689, abs=0.01)
        assert far < 0.2
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)

    asyncio.run(story())


def test_open_default__one_byte_changed__is_corrupt(tmp_path: Path) -> None:
    path = open_default(MINILM, tmp_path)
    with (path / "config.json").open("ab") as file:
        file.write(b" ")

    with pytest.raises(ModelCorrupt):
        open_default(MINILM, tmp_path)


def test_open_default__writing_fails__leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(_package: Path, target: Path) -> None:
        (target / "half").write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        open_default(replace(MINILM, write=fail), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_open_default__package_not_installed__is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no_such_package"):
        open_default(replace(MINILM, package="no_such_package"), tmp_path)
