"""Model hashes: every file that matters counts, none other, and pickles are refused whole."""

from pathlib import Path

import pytest

from offchain.compute.engine_errors import ModelMissing, PickleRefused
from offchain.compute.model_hash import PIECE_BYTES, file_root, model_hash, tokenizer_hash
from offchain.core.hashing import TAG_COMPUTE_MODEL, keccak


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_model_hash__one_byte_changed__is_another(folder: Path, name: str) -> None:
    before = model_hash(folder)

    (folder / name).write_bytes(b"x" + (folder / name).read_bytes()[1:])

    assert before != model_hash(folder)


def test_model_hash__file_renamed__is_another(folder: Path) -> None:
    before = model_hash(folder)

    (folder / "model.safetensors").rename(folder / "other.safetensors")

    assert before != model_hash(folder)


def test_model_hash__readme_added__is_the_same(folder: Path) -> None:
    before = model_hash(folder)

    (folder / "README.md").write_text("words")

    assert before == model_hash(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "deep/weights.PT", "a.pkl", "b.ckpt"])
def test_model_hash__pickle_beside__refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x80\x04.")

    with pytest.raises(PickleRefused):
        model_hash(folder)


def test_model_hash__no_weights__refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    with pytest.raises(ModelMissing):
        model_hash(folder)


def test_model_hash__no_folder__refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        model_hash(tmp_path / "nothing")


def test_tokenizer_hash__weights_changed__is_the_same(folder: Path) -> None:
    before = tokenizer_hash(folder)

    (folder / "model.safetensors").write_bytes(b"others")

    assert before == tokenizer_hash(folder)
    assert before != model_hash(folder)


def test_model_hash__one_file__as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"w" * (2 * PIECE_BYTES + 5))
    first, rest = keccak(b"\x00", b"w" * PIECE_BYTES), keccak(b"\x00", b"w" * 5)
    root = keccak(b"\x01", keccak(b"\x01", first, first), rest)

    named = b"\0\0\0\x0dm.safetensors" + (2 * PIECE_BYTES + 5).to_bytes(8, "big")

    assert root == file_root(path)
    assert keccak(TAG_COMPUTE_MODEL, named, root) == model_hash(tmp_path)
