"""The auditor's copy of a model: one prefill in pieces, every state and every step's logits."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from offchain.compute.adapters.torch_cache import RowCache
from offchain.compute.adapters.torch_embedder import TorchEmbedder
from offchain.compute.adapters.torch_model import (
    HiddenModel,
    LoadedModel,
    as_row,
    is_out_of_memory,
    to_bits,
)
from offchain.compute.engine import Embedding, ModelFacts
from offchain.compute.engine_errors import EngineOutOfMemory, LogitsNotFinite, PromptTooLong
from offchain.compute.fingerprint import Bits
from offchain.compute.generation import Generation
from offchain.compute.model import Kind
from offchain.compute.sampler import Logits
from offchain.compute.text_stream import TextAssembler

PIECE_TOKENS = 256


class TorchReplayer:
    """Replays answers of one loaded model; one at a time."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        is_embedder = model.facts.kind is Kind.EMBEDDING
        self._hidden = None if is_embedder else HiddenModel(model)
        self._embedder = TorchEmbedder(model) if is_embedder else None

    def facts(self) -> ModelFacts:
        return self._model.facts

    def prompt_ids(self, generation: Generation) -> tuple[int, ...]:
        return self._model.codec.prompt_ids(generation)

    def text_ids(self, text: str) -> tuple[int, ...]:
        return self._model.codec.text_ids(text)

    def assembler(self, stops: tuple[str, ...]) -> TextAssembler:
        return self._model.codec.assembler(stops)

    def embed(self, texts: Sequence[str]) -> Embedding:
        assert self._embedder, "an embedding service is audited with an embedding model"
        return self._embedder.embed_now(texts)

    def replay(
        self,
        prompt: Sequence[int],
        output: Sequence[int],
        score: Callable[[int, Logits], None],
    ) -> Bits:
        ids = (*prompt, *output[:-1])
        limit = self._model.facts.context_tokens
        if not prompt or len(prompt) + len(output) > limit:
            raise PromptTooLong(tokens=len(prompt) + len(output), maximum=limit)
        vocabulary = self._model.network.get_input_embeddings().num_embeddings
        if not all(0 <= token < vocabulary for token in ids):
            raise PromptTooLong("An id lies outside the vocabulary.", vocabulary=vocabulary)
        try:
            return self._run(ids, len(prompt) - 1, len(output), score)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise EngineOutOfMemory(tokens=len(ids)) from error

    @torch.inference_mode()
    def _run(
        self, ids: Sequence[int], first: int, steps: int, score: Callable[[int, Logits], None]
    ) -> Bits:
        assert self._hidden, "an answer is audited with a model that answers"
        cache, states = RowCache(), []
        cache.resize(1, len(ids))
        for start in range(0, len(ids), PIECE_TOKENS):
            piece = ids[start : start + PIECE_TOKENS]
            end = start + len(piece)
            cache.aim(0, [start])
            places = torch.arange(start, end, device=self._hidden.device)
            wanted = max(1, min(len(piece), end - first))
            row = as_row(piece, self._hidden.device)
            hidden, logits = self._hidden.run(row, places[None], cache, None, wanted)
            states.append(to_bits(hidden[0]).numpy().view(np.uint16))
            values = logits[0].float().cpu().numpy()
            if not np.isfinite(values).all():
                raise LogitsNotFinite(tokens=len(ids))
            for at in range(max(first, start), end):
                if at - first < steps:
                    score(at - first, values[at - end])
        return np.concatenate(states)
