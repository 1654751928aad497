"""A model directory in memory: transformers without remote code, safetensors only.

`HiddenModel` runs a causal model and also hands out the last hidden states, which fingerprints are
made of. Legend: B rows of a batch, T tokens of a step, V vocabulary, D width.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from offchain.compute.adapters.text_codec import TextCodec, open_codec
from offchain.compute.engine import ModelFacts
from offchain.compute.engine_errors import ModelMissing, ModelUnsupported
from offchain.compute.model import Kind, Numerics
from offchain.compute.model_hash import model_hash, tokenizer_hash

DTYPES: Final = {Numerics.TORCH_FP32: torch.float32, Numerics.TORCH_BF16: torch.bfloat16}
OUT_OF_MEMORY: Final = ("not enough memory", "out of memory", "can't allocate memory")
EMBEDDERS: Final = frozenset({"BertModel", "MPNetModel", "RobertaModel", "XLMRobertaModel"})


@dataclass(frozen=True, slots=True)
class TorchPlace:
    """Where and how exactly a model computes."""

    numerics: Numerics = Numerics.TORCH_FP32
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model, its texts and its facts. `network` is transformers' own class."""

    network: Any
    codec: TextCodec
    facts: ModelFacts
    place: TorchPlace


def load_model(folder: Path, place: TorchPlace) -> LoadedModel:
    """Read a directory; blocking. Raises: ModelMissing, ModelUnsupported, PickleRefused."""
    hash_of_model = model_hash(folder)  # refuses pickles before anything is opened
    if place.numerics not in DTYPES:
        raise ModelUnsupported("Torch computes in fp32 or bf16.", numerics=place.numerics.name)
    about = _read_config(folder)
    name = str((about.get("architectures") or [""])[0])
    kind = Kind.EMBEDDING if name in EMBEDDERS else Kind.CHAT
    codec = open_codec(folder)
    network = _open_network(folder, place, kind)
    context = getattr(network.config, "max_position_embeddings", None)
    if not isinstance(context, int):
        raise ModelUnsupported("The model names no length of its context.", model=folder.name)
    facts = ModelFacts(
        name=folder.name,
        kind=kind,
        numerics=place.numerics,
        model_hash=hash_of_model,
        tokenizer_hash=tokenizer_hash(folder),
        context_tokens=min(context, codec.context_tokens),
    )
    return LoadedModel(network, codec, facts, place)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a failure means that memory ran out, of the device or the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error).lower() for sign in OUT_OF_MEMORY
    )


class HiddenModel:
    """Runs a causal network; keeps the last hidden states that its head was given.

    Several threads may run it at once: each one's states are kept apart.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.network = model.network
        self.device = torch.device(model.place.device)
        self._kept = threading.local()
        self.network.base_model.register_forward_hook(self._keep)

    def run(
        self, ids_BT: Tensor, positions_BT: Tensor, cache: Any, mask: Any, logits: int
    ) -> tuple[Tensor, Tensor]:
        """Hidden states (B, T, D) and logits (B, logits, V) of the last `logits` tokens.

        `cache` and `mask` are what transformers takes as past_key_values and attention_mask.
        """
        out = self.network(
            input_ids=ids_BT,
            position_ids=positions_BT,
            past_key_values=cache,
            attention_mask=mask,
            use_cache=True,
            logits_to_keep=logits,
        )
        hidden: Tensor = self._kept.hidden
        del self._kept.hidden
        return hidden, out.logits

    def _keep(self, _network: object, _inputs: object, output: Any) -> None:
        self._kept.hidden = output.last_hidden_state


def to_bits(hidden: Tensor) -> Tensor:
    """The bfloat16 bits of states as int16, on the host; viewed as uint16 by numpy."""
    return hidden.to(torch.bfloat16).cpu().contiguous().view(torch.int16)


def as_row(ids: Sequence[int], device: torch.device) -> Tensor:
    """Ids as a batch of one row."""
    return torch.tensor([list(ids)], dtype=torch.long, device=device)


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / "config.json").read_text())
    except FileNotFoundError as error:
        raise ModelMissing("The directory has no config.json.", folder=folder.name) from error
    except ValueError as error:
        raise ModelUnsupported("config.json is no JSON.", folder=folder.name) from error
    if not isinstance(about, dict) or about.get("auto_map"):
        raise ModelUnsupported("Models that bring their own code are not run.", folder=folder.name)
    return about


def _open_network(folder: Path, place: TorchPlace, kind: Kind) -> Any:
    import transformers
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers annotates some
    opener: Any = (
        transformers.AutoModel if kind is Kind.EMBEDDING else transformers.AutoModelForCausalLM
    )
    try:
        network: Any = opener.from_pretrained(
            folder,
            dtype=DTYPES[place.numerics],
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (ValueError, OSError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelUnsupported(str(error).splitlines()[0][:200], folder=folder.name) from error
    return network.to(place.device).eval()
