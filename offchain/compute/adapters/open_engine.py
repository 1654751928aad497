"""The engine of a service, from a few words: a default model, a directory, a URL, or a script.

Torch is imported only when it computes here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.compute.engine import Engine, ModelFacts
from offchain.compute.engine_errors import ModelMissing
from offchain.compute.model import Kind, Numerics
from offchain.core.errors import InvalidInput
from offchain.core.hashing import TAG_COMPUTE_MODEL, keccak

SCRIPTED: Final = "scripted"
SHORT_NAMES: Final = {"smollm2": "smollm2-135m-instruct", "minilm": "all-minilm-l6-v2"}
URL_CONTEXT_TOKENS: Final = 8_192


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What serves. `model`: smollm2, minilm, scripted, a directory, or what an engine behind `url`
    calls its model.
    """

    model: str
    kind: Kind = Kind.CHAT
    numerics: Numerics = Numerics.TORCH_FP32
    url: str | None = None
    device: str = "cpu"
    slots: int = 8


def open_engine(spec: EngineSpec, folder: Path) -> Engine:
    """Load it; `folder` keeps unpacked models. Raises: ModelMissing, ModelUnsupported."""
    if spec.model == SCRIPTED:
        from offchain.compute.adapters.scripted_engine import ScriptedEngine, scripted_facts

        return ScriptedEngine(facts=scripted_facts(spec.numerics, spec.kind), slots=spec.slots)
    if spec.url is not None:
        from offchain.compute.adapters.openai_engine import EngineUrl, OpenAiEngine

        at = EngineUrl(spec.url, spec.model, slots=spec.slots)
        return OpenAiEngine(at, _named_facts(spec))
    from offchain.compute.adapters.torch_embedder import TorchEmbedder
    from offchain.compute.adapters.torch_engine import TorchEngine, TorchLimits
    from offchain.compute.adapters.torch_model import TorchPlace, load_model

    model = load_model(model_folder(spec, folder), TorchPlace(spec.numerics, spec.device))
    if model.facts.kind is Kind.EMBEDDING:
        return TorchEmbedder(model)
    return TorchEngine(model, TorchLimits(slots=spec.slots))


def open_cheat(spec: EngineSpec, folder: Path, how: str) -> Engine:
    """An engine that sells less than it signs for. Raises: ModelMissing, InvalidInput."""
    from offchain.compute.adapters.cheating_engine import Cheat, open_cheating_engine
    from offchain.compute.adapters.torch_engine import TorchLimits
    from offchain.compute.adapters.torch_model import TorchPlace

    if how not in set(Cheat):
        raise InvalidInput("no such way to cheat", how=how, known=", ".join(Cheat))
    place, limits = TorchPlace(spec.numerics, spec.device), TorchLimits(slots=spec.slots)
    return open_cheating_engine(model_folder(spec, folder), Cheat(how), place=place, limits=limits)


def model_folder(spec: EngineSpec, folder: Path) -> Path:
    """Where a model lies, unpacked first when it is a default one. Raises: ModelMissing."""
    from offchain.compute.adapters.default_models import DEFAULT_MODELS, open_default

    known = DEFAULT_MODELS.get(SHORT_NAMES.get(spec.model.lower(), spec.model.lower()))
    if known is not None:
        return open_default(known, folder)
    path = Path(spec.model).expanduser()
    if not path.is_dir():
        raise ModelMissing(model=spec.model[:200])
    return path


def _named_facts(spec: EngineSpec) -> ModelFacts:
    """A model that nobody can look into is its name."""
    return ModelFacts(
        name=spec.model,
        kind=spec.kind,
        numerics=spec.numerics,
        model_hash=keccak(TAG_COMPUTE_MODEL, spec.model.encode()),
        tokenizer_hash=bytes(32),
        context_tokens=URL_CONTEXT_TOKENS,
    )
