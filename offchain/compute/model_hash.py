"""The hash of a model: every file that decides what it says, none that can run code.

  model      keccak(T_MODEL || per file, sorted by path: u32 path length | path | u64 size | root)
  root       tree over pieces of 1 MiB: leaf keccak(0x00 || piece), node keccak(0x01 || l || r), a
             lone node goes up; an empty file has the leaf of no bytes
  tokenizer  the same over the files that turn text into ids

Counted: safetensors and their index, config, tokenizer, chat template, defaults of sampling and
pooling. A directory with a pickle in it is refused whole. Source: docs/protocol/compute.md#engines.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from offchain.compute.engine_errors import ModelMissing, ModelUnsupported, PickleRefused
from offchain.core.hashing import TAG_COMPUTE_MODEL, Digest, keccak

PIECE_BYTES: Final = 1 << 20
MAX_FILES: Final = 4_096
LEAF: Final = b"\x00"
NODE: Final = b"\x01"
WEIGHTS: Final = ".safetensors"
TOKENIZER_FILES: Final = frozenset(
    {
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "merges.txt",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
SETTING_FILES: Final = frozenset(
    {
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "modules.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    }
)
PICKLES: Final = frozenset(
    {".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pt2", ".pth"}
)


def model_files(folder: Path) -> list[Path]:
    """The files of a model, relative and sorted. Raises: ModelMissing, PickleRefused."""
    if not folder.is_dir():
        raise ModelMissing(folder=folder.name)
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    if len(found) > MAX_FILES:
        raise ModelUnsupported("The directory has too many files.", files=len(found))
    for path in found:
        if path.suffix.lower() in PICKLES:
            raise PickleRefused(file=path.as_posix())
    return [
        path
        for path in found
        if path.suffix == WEIGHTS or path.as_posix() in SETTING_FILES | TOKENIZER_FILES
    ]


def model_hash(folder: Path) -> Digest:
    """The hash of a model directory. Raises: ModelMissing, PickleRefused."""
    files = model_files(folder)
    if not any(path.suffix == WEIGHTS for path in files):
        raise ModelMissing("The directory has no safetensors.", folder=folder.name)
    return _hash_files(folder, files)


def tokenizer_hash(folder: Path) -> Digest:
    """The hash of what turns text into ids. Raises: ModelMissing, PickleRefused."""
    files = [path for path in model_files(folder) if path.as_posix() in TOKENIZER_FILES]
    if not files:
        raise ModelMissing("The directory has no tokenizer.", folder=folder.name)
    return _hash_files(folder, files)


def file_root(path: Path) -> Digest:
    """The root of the tree over a file's pieces."""
    level = []
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            level.append(keccak(LEAF, piece))
    level = level or [keccak(LEAF)]
    while len(level) > 1:
        pairs = [keccak(NODE, a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _hash_files(folder: Path, files: Iterable[Path]) -> Digest:
    parts: list[bytes] = []
    for path in files:
        name = path.as_posix().encode()
        size = (folder / path).stat().st_size
        parts += [len(name).to_bytes(4, "big"), name, size.to_bytes(8, "big")]
        parts.append(file_root(folder / path))
    return keccak(TAG_COMPUTE_MODEL, *parts)
