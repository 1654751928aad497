"""Continuous batching, step by step and without a thread: rows join and leave between tokens.

A step runs one piece of one waiting prompt, then one token of every row that has its prompt done.
Whatever goes wrong for one row ends that row with a typed error and no other. Source: Yu et al.,
Orca, OSDI 2022; docs/protocol/compute.md#engines.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from offchain.compute.adapters.torch_cache import RowCache, step_masks
from offchain.compute.adapters.torch_model import (
    HiddenModel,
    LoadedModel,
    as_row,
    is_out_of_memory,
    to_bits,
)
from offchain.compute.engine import Job, Piece, Trace
from offchain.compute.engine_errors import EngineOutOfMemory, LogitsNotFinite
from offchain.compute.fingerprint import CHUNK_TOKENS, Bits, fingerprint
from offchain.compute.model import Finish
from offchain.compute.sampler import Sampler
from offchain.compute.text_stream import TextAssembler
from offchain.core.errors import ApogeeError

PIECE_TOKENS: Final = 256


@dataclass(slots=True, eq=False)
class Row:
    """One request while it runs; `tell` is given its pieces, `end` its finish or its error."""

    job: Job
    sampler: Sampler
    assembler: TextAssembler
    tell: Callable[[Piece], None]
    end: Callable[[Finish | ApogeeError], None]
    is_cancelled: bool = False
    done: int = 0  # tokens whose keys and values are in the cache
    output: list[int] = field(default_factory=list)
    states: list[Bits] = field(default_factory=list)  # the state each output was drawn from
    prompt_states: list[Bits] = field(default_factory=list)
    prefill_fingerprint: bytes = b""
    chunks: list[bytes] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """How long this row can become."""
        return len(self.job.prompt_ids) + self.job.max_tokens

    @property
    def is_prefilled(self) -> bool:
        return bool(self.output)

    def trace(self, tokens: int) -> Trace:
        """What commits to the first `tokens` tokens."""
        whole = tokens // CHUNK_TOKENS
        chunks = self.chunks[:whole]
        if rest := self.states[whole * CHUNK_TOKENS : tokens]:
            chunks = [*chunks, fingerprint(np.stack(rest))]
        return Trace(
            prompt_ids=self.job.prompt_ids,
            output_ids=tuple(self.output[:tokens]),
            sampler=self.sampler.number,
            prefill_fingerprint=self.prefill_fingerprint,
            chunk_fingerprints=tuple(chunks),
        )


class TorchBatch:
    """The rows that run now, in one cache; not safe for more than one thread."""

    def __init__(self, model: LoadedModel, *, piece_tokens: int = PIECE_TOKENS) -> None:
        self.rows: list[Row] = []
        self._model = model
        self._hidden = HiddenModel(model)
        self._cache = RowCache()
        self._piece_tokens = piece_tokens

    def footprint(self, row: Row) -> int:
        """Tokens that the cache would hold with this row in it."""
        longest = max((one.tokens for one in self.rows), default=0)
        return (len(self.rows) + 1) * max(longest, row.tokens, self._cache.capacity)

    def add(self, row: Row) -> None:
        """Let a row join; its prompt starts with the next step."""
        if not self.rows:
            self._cache.clear()
        try:
            self._cache.resize(len(self.rows) + 1, row.tokens)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            row.end(EngineOutOfMemory(tokens=row.tokens))
            return
        self.rows.append(row)

    @torch.inference_mode()
    def step(self) -> None:
        """One piece of a prompt, one token for all that have theirs."""
        for row in [one for one in self.rows if one.is_cancelled]:
            self._leave(row, Finish.CUT)
        waiting = next((row for row in self.rows if not row.is_prefilled), None)
        if waiting:
            self._guard(waiting, self._prefill)
        self._decode([row for row in self.rows if row.is_prefilled and row is not waiting])

    def _guard(self, row: Row, run: Callable[[Row], None]) -> None:
        try:
            run(row)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._leave(row, EngineOutOfMemory(tokens=row.tokens, running=len(self.rows)))

    def _prefill(self, row: Row) -> None:
        prompt = row.job.prompt_ids
        piece = prompt[row.done : row.done + self._piece_tokens]
        self._cache.aim(self.rows.index(row), [row.done])
        places = torch.arange(row.done, row.done + len(piece), device=self._hidden.device)
        ids = as_row(piece, self._hidden.device)
        hidden, logits = self._hidden.run(ids, places[None], self._cache, None, 1)
        row.done += len(piece)
        row.prompt_states.append(_bits_of(hidden[0]))
        if row.done == len(prompt):
            states = np.concatenate(row.prompt_states)
            row.prefill_fingerprint = fingerprint(states)
            row.prompt_states.clear()
            self._take(row, logits[0, -1].float().cpu().numpy(), states[-1])

    def _decode(self, rows: list[Row]) -> None:
        """One token for each; rows of the batch must be neighbours, so order is made first."""
        for target, row in enumerate(rows):
            self._swap(self.rows.index(row), target)
        while rows:
            try:
                hidden, logits = self._run_rows(rows)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._leave(rows.pop(), EngineOutOfMemory(running=len(self.rows)))
        else:
            return
        all_logits, states = logits[:, -1].float().cpu().numpy(), _bits_of(hidden[:, -1])
        for row in rows:  # all before any leaves, since a leaver's place is filled by copying
            row.done += 1
        for position, row in enumerate(rows):
            self._take(row, all_logits[position], states[position])

    def _run_rows(self, rows: list[Row]) -> tuple[Tensor, Tensor]:
        lengths, device = [row.done for row in rows], self._hidden.device
        self._cache.aim(0, lengths)
        network, mask = self._model.network, None
        if len(rows) > 1:
            mask = step_masks(network.config, lengths, network.dtype, device)
        ids = torch.tensor([[row.output[-1]] for row in rows], device=device)
        places = torch.tensor(lengths, device=device)[:, None]
        return self._hidden.run(ids, places, self._cache, mask, 1)

    def _take(self, row: Row, logits: npt.NDArray[np.float32], state: Bits) -> None:
        """Draw the next token of a row and send what is certain of its text."""
        if not np.isfinite(logits).all():
            self._leave(row, LogitsNotFinite(step=len(row.output)))
            return
        row.output.append(row.sampler.draw(logits, len(row.output)))
        row.states.append(state)
        if len(row.output) % CHUNK_TOKENS == 0:
            row.chunks.append(fingerprint(np.stack(row.states[-CHUNK_TOKENS:])))
        piece = row.assembler.feed(row.output[-1])
        is_full = len(row.output) >= row.job.max_tokens
        if is_full and not row.assembler.is_stopped:
            rest = row.assembler.flush()
            piece = _joined(piece, rest)
        if piece:
            row.tell(piece)
        if row.assembler.is_stopped:
            self._leave(row, Finish.STOP)
        elif is_full:
            self._leave(row, Finish.LENGTH)

    def _leave(self, row: Row, why: Finish | ApogeeError) -> None:
        """End a row; the last one takes its place in the cache."""
        place, last = self.rows.index(row), len(self.rows) - 1
        if place != last:
            self._cache.move(last, place, self.rows[last].done)
            self.rows[place] = self.rows[last]
        self.rows.pop()
        row.end(why)

    def _swap(self, one: int, other: int) -> None:
        if one == other:
            return
        self._cache.swap(one, other, max(self.rows[one].done, self.rows[other].done))
        self.rows[one], self.rows[other] = self.rows[other], self.rows[one]


def _bits_of(hidden: Tensor) -> Bits:
    return to_bits(hidden).numpy().view(np.uint16)


def _joined(first: Piece | None, second: Piece | None) -> Piece | None:
    if first and second:
        return Piece(first.ids + second.ids, first.text + second.text)
    return first or second
