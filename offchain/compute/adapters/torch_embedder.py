"""Embeddings from a BERT-like directory: mean of the last states of a text, normalised to one.

Texts of similar length share a step. Legend: B texts, T tokens, D width.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch

from offchain.compute.adapters.queued_stream import QueuedStream
from offchain.compute.adapters.torch_model import LoadedModel, is_out_of_memory
from offchain.compute.engine import Embedding, Health, Job, ModelFacts
from offchain.compute.engine_errors import (
    EngineFull,
    EngineOutOfMemory,
    EngineStopped,
    FeatureUnsupported,
    LogitsNotFinite,
    PromptTooLong,
)
from offchain.compute.generation import Generation

STEP_TEXTS: Final = 32
QUEUE: Final = 64


class TorchEmbedder:
    """One thread, one batch of texts at a time."""

    def __init__(self, model: LoadedModel, *, queue: int = QUEUE) -> None:
        self._model, self._limit = model, queue
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="torch-embedder")
        self._waiting = 0
        self._is_open = True

    def facts(self) -> ModelFacts:
        return self._model.facts

    async def count(self, generation: Generation) -> tuple[int, ...]:
        raise FeatureUnsupported(
            "This model makes embeddings; it gives no answers.", route=generation.route
        )

    def stream(self, job: Job) -> QueuedStream:
        raise FeatureUnsupported(
            "This model makes embeddings; it gives no answers.", route=job.generation.route
        )

    async def embed(self, texts: Sequence[str]) -> Embedding:
        if not self._is_open:
            raise EngineStopped
        if self._waiting >= self._limit:
            raise EngineFull(waiting=self._waiting, limit=self._limit)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self.embed_now, tuple(texts))
        finally:
            self._waiting -= 1

    def health(self) -> Health:
        return Health(self._is_open, min(1, self._waiting), max(0, self._waiting - 1), 1)

    async def close(self) -> None:
        self._is_open = False
        await asyncio.to_thread(self._pool.shutdown)

    def embed_now(self, texts: Sequence[str]) -> Embedding:
        """The same, in the calling thread. Raises: PromptTooLong, EngineOutOfMemory."""
        codec, limit = self._model.codec, self._model.facts.context_tokens
        ids = [codec.text_ids(text) for text in texts]
        longest = max(map(len, ids))
        if longest > limit:
            raise PromptTooLong(tokens=longest, maximum=limit)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        rows: dict[int, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
        try:
            for start in range(0, len(order), STEP_TEXTS):
                group = order[start : start + STEP_TEXTS]
                rows.update(zip(group, self._step([ids[at] for at in group]), strict=True))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise EngineOutOfMemory(texts=len(texts)) from error
        vectors = np.stack([rows[at] for at in range(len(ids))])
        if not np.isfinite(vectors).all():
            raise LogitsNotFinite(texts=len(texts))
        return Embedding(vectors, sum(map(len, ids)))

    @torch.inference_mode()
    def _step(
        self, ids: list[tuple[int, ...]]
    ) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        device, width = self._model.place.device, max(map(len, ids))
        ids_BT = torch.zeros((len(ids), width), dtype=torch.long, device=device)
        mask_BT = torch.zeros_like(ids_BT)
        for row, tokens in enumerate(ids):
            ids_BT[row, : len(tokens)] = torch.tensor(tokens)
            mask_BT[row, : len(tokens)] = 1
        states_BTD = self._model.network(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        weights_BT1 = mask_BT[..., None].float()
        means_BD = (states_BTD.float() * weights_BT1).sum(1) / weights_BT1.sum(1)
        out: np.ndarray[tuple[int, int], np.dtype[np.float32]] = (
            torch.nn.functional.normalize(means_BD, dim=1).cpu().numpy()
        )
        return out
