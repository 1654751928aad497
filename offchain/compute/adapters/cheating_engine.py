"""Adversaries that sell less than they sign for; for tests, the demo and the detection benchmark.

Each has the face of an honest engine and claims the honest model's facts. Nothing in a provider
that serves for money builds one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import torch

from offchain.compute.adapters.torch_engine import TorchEngine, TorchLimits, seeded_sampler
from offchain.compute.adapters.torch_model import LoadedModel, TorchPlace, load_model
from offchain.compute.engine import Embedding, Engine, Health, Job, ModelFacts, Piece, Trace
from offchain.compute.engine import TokenStream as Stream
from offchain.compute.generation import Generation
from offchain.compute.model import Finish
from offchain.compute.sampler import Sampler
from offchain.core.hashing import keccak

INT4_GROUP: Final = 32


class Cheat(StrEnum):
    """What is done instead of the work that was sold."""

    INT4 = "int4"  # weights rounded to 4 bits in groups of 32
    INT8 = "int8"  # weights rounded to 8 bits per output
    OTHER_MODEL = "other_model"  # another directory under this one's name
    DROPPED_LAYER = "dropped_layer"  # one layer left out
    ALTERED_SAMPLING = "altered_sampling"  # noise of its own choice
    STALE_CACHE = "stale_cache"  # the first answer again, whatever is asked
    INFLATED_COUNTS = "inflated_counts"  # each token billed twice


def open_cheating_engine(
    folder: Path,
    cheat: Cheat,
    *,
    other: Path | None = None,
    place: TorchPlace | None = None,
    limits: TorchLimits | None = None,
) -> Engine:
    """An engine that cheats on the model in `folder`; `other` is what OTHER_MODEL runs."""
    place = place or TorchPlace()
    model = load_model(folder, place)
    if cheat is Cheat.OTHER_MODEL:
        assert other, "another model needs a directory"
        facts = model.facts
        model = replace(load_model(other, place), facts=facts)
    spoil_weights(model, cheat)
    sampler_of = own_noise if cheat is Cheat.ALTERED_SAMPLING else seeded_sampler
    engine: Engine = TorchEngine(model, limits or TorchLimits(), sampler_of=sampler_of)
    if cheat is Cheat.STALE_CACHE:
        return StaleEngine(engine)
    return InflatingEngine(engine) if cheat is Cheat.INFLATED_COUNTS else engine


@torch.no_grad()
def spoil_weights(model: LoadedModel, cheat: Cheat) -> None:
    """Change a loaded model's weights in place, for the cheats that do."""
    if cheat is Cheat.DROPPED_LAYER:
        layers = model.network.base_model.layers
        del layers[len(layers) // 2]
        for number, layer in enumerate(layers):
            layer.self_attn.layer_idx = number
        model.network.config.num_hidden_layers = len(layers)
    elif cheat in {Cheat.INT4, Cheat.INT8}:
        for name, linear in model.network.named_modules():
            if isinstance(linear, torch.nn.Linear) and "lm_head" not in name:
                linear.weight.copy_(_rounded(linear.weight, cheat))


def own_noise(job: Job) -> Sampler:
    """Noise from a key that the provider chose."""
    return Sampler(job.generation.sampling, keccak(b"cheat", job.sampler_key))


def _rounded(weight: Any, cheat: Cheat) -> Any:
    """Symmetric rounding: 4 bits in groups along the inputs, or 8 bits per output."""
    top, width = (7, INT4_GROUP) if cheat is Cheat.INT4 else (127, weight.shape[1])
    if weight.shape[1] % width:
        width = weight.shape[1]
    groups = weight.float().reshape(weight.shape[0], -1, width)
    scale = groups.abs().amax(dim=2, keepdim=True).clamp(min=1e-12) / top
    return ((groups / scale).round().clamp(-top - 1, top) * scale).reshape(weight.shape)


@dataclass(slots=True)
class StaleEngine:
    """Answers the first request honestly and every later one with the same bytes."""

    engine: Engine
    first: "Recorded | None" = None

    def facts(self) -> ModelFacts:
        return self.engine.facts()

    async def count(self, generation: Generation) -> tuple[int, ...]:
        return await self.engine.count(generation)

    def stream(self, job: Job) -> Stream:
        if self.first is None:
            self.first = Recorded(self.engine.stream(job))
            return self.first
        return Repeated(self.first, job)

    async def embed(self, texts: Sequence[str]) -> Embedding:
        return await self.engine.embed(texts)

    def health(self) -> Health:
        return self.engine.health()

    async def close(self) -> None:
        await self.engine.close()


class Recorded:
    """A stream that remembers what it handed out."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.pieces: list[Piece] = []

    def __aiter__(self) -> "Recorded":
        return self

    async def __anext__(self) -> Piece:
        self.pieces.append(await self._stream.__anext__())
        return self.pieces[-1]

    @property
    def finish(self) -> Finish | None:
        return self._stream.finish

    def cancel(self) -> None:
        self._stream.cancel()

    async def trace(self, tokens: int) -> Trace:
        return await self._stream.trace(tokens)


class Repeated:
    """A recorded answer, sold once more under another prompt."""

    def __init__(self, recorded: Recorded, job: Job) -> None:
        self._recorded, self._job, self._sent = recorded, job, 0
        self._is_cut = False

    def __aiter__(self) -> "Repeated":
        return self

    async def __anext__(self) -> Piece:
        if self._is_cut or self._sent == len(self._recorded.pieces):
            raise StopAsyncIteration
        self._sent += 1
        return self._recorded.pieces[self._sent - 1]

    @property
    def finish(self) -> Finish | None:
        return Finish.CUT if self._is_cut else self._recorded.finish

    def cancel(self) -> None:
        self._is_cut = True

    async def trace(self, tokens: int) -> Trace:
        old = await self._recorded.trace(tokens)
        return replace(old, prompt_ids=self._job.prompt_ids)


@dataclass(slots=True)
class InflatingEngine:
    """Bills every token twice."""

    engine: Engine

    def facts(self) -> ModelFacts:
        return self.engine.facts()

    async def count(self, generation: Generation) -> tuple[int, ...]:
        return await self.engine.count(generation)

    def stream(self, job: Job) -> Stream:
        return Inflated(self.engine.stream(job))

    async def embed(self, texts: Sequence[str]) -> Embedding:
        made = await self.engine.embed(texts)
        return Embedding(made.vectors, 2 * made.input_tokens)

    def health(self) -> Health:
        return self.engine.health()

    async def close(self) -> None:
        await self.engine.close()


class Inflated:
    """A stream in which every id is there twice."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __aiter__(self) -> "Inflated":
        return self

    async def __anext__(self) -> Piece:
        piece = await self._stream.__anext__()
        return Piece(_twice(piece.ids), piece.text)

    @property
    def finish(self) -> Finish | None:
        return self._stream.finish

    def cancel(self) -> None:
        self._stream.cancel()

    async def trace(self, tokens: int) -> Trace:
        honest = await self._stream.trace(tokens // 2)
        chunks = len(_twice(honest.output_ids)) + 31 >> 5
        marks = tuple(honest.chunk_fingerprints[at // 2] for at in range(chunks))
        return replace(honest, output_ids=_twice(honest.output_ids), chunk_fingerprints=marks)


def _twice(ids: Sequence[int]) -> tuple[int, ...]:
    return tuple(one for one in ids for _ in range(2))
