"""Keys and values of all running requests in one block per layer, rows side by side.

A row is one request; its tokens lie from the left, so rows of any length share a step. Rows in use
are always the first ones: when one leaves, the last takes its place. transformers asks this object
what it asks its own caches. Legend: R rows, H heads, C capacity in tokens, D width of a head.
"""

from typing import Any, Final

import torch
from torch import Tensor

BLOCK_TOKENS: Final = 256  # capacity grows in these


class RowCache:
    """The keys and values (R, H, C, D) of each layer.

    Before a step `aim` says which rows it is for; `update` is then called once by each layer.
    """

    is_compileable = False

    def __init__(self) -> None:
        self.rows = 0
        self.capacity = 0
        self._keys: dict[int, Tensor] = {}
        self._values: dict[int, Tensor] = {}
        self._first = 0
        self._lengths: list[int] = []
        self._places: tuple[Tensor, Tensor] | None = None

    def resize(self, rows: int, capacity: int) -> None:
        """Make room; what is there stays. Raises: what torch raises when memory ends."""
        capacity = -(-capacity // BLOCK_TOKENS) * BLOCK_TOKENS
        if rows <= self.rows and capacity <= self.capacity:
            return
        self.rows, self.capacity = max(rows, self.rows), max(capacity, self.capacity)
        for blocks in (self._keys, self._values):
            for layer, old in blocks.items():
                new = old.new_zeros((self.rows, old.shape[1], self.capacity, old.shape[3]))
                new[: old.shape[0], :, : old.shape[2]] = old
                blocks[layer] = new

    def clear(self) -> None:
        """Give all memory back."""
        self.rows = self.capacity = 0
        self._keys.clear()
        self._values.clear()

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first tokens of one row over another."""
        for blocks in (self._keys, self._values):
            for block in blocks.values():
                block[target, :, :length] = block[source, :, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """Let two rows change places; the first `length` tokens of both."""
        for blocks in (self._keys, self._values):
            for block in blocks.values():
                spare = block[one, :, :length].clone()
                block[one, :, :length] = block[other, :, :length]
                block[other, :, :length] = spare

    def aim(self, first: int, lengths: list[int]) -> None:
        """The next step appends to rows `first`, `first` + 1 ... of these lengths."""
        self._first, self._lengths, self._places = first, lengths, None

    def update(
        self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append (rows, H, T, D) and return all keys and values of these rows."""
        if layer_idx not in self._keys:
            self._keys[layer_idx] = self._block(keys)
            self._values[layer_idx] = self._block(values)
        all_keys, all_values = self._keys[layer_idx], self._values[layer_idx]
        first, tokens = self._first, keys.shape[2]
        end = first + len(self._lengths)
        if len(self._lengths) == 1:
            start = self._lengths[0]
            all_keys[first:end, :, start : start + tokens] = keys
            all_values[first:end, :, start : start + tokens] = values
        else:
            assert tokens == 1, "several rows take one token a step"
            rows, places = self._indices(keys.device)
            all_keys[rows, :, places] = keys[:, :, 0]
            all_values[rows, :, places] = values[:, :, 0]
        width = max(self._lengths) + tokens
        return all_keys[first:end, :, :width], all_values[first:end, :, :width]

    @property
    def is_sliding(self) -> list[bool]:
        """Whole contexts are kept; windows are cut by masks."""
        return [False]

    def get_seq_length(self, _layer: int = 0) -> int:
        return max(self._lengths, default=0)

    def get_query_offset(self, _layer: int = 0) -> int:
        return self.get_seq_length()

    def get_mask_sizes(self, tokens: int, _layer: int = 0) -> tuple[int, int]:
        return self.get_seq_length() + tokens, 0

    def _block(self, like: Tensor) -> Tensor:
        return like.new_zeros((self.rows, like.shape[1], self.capacity, like.shape[3]))

    def _indices(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self._places is None:
            rows = torch.arange(self._first, self._first + len(self._lengths), device=device)
            self._places = rows, torch.tensor(self._lengths, device=device)
        return self._places


def step_masks(config: Any, lengths: list[int], dtype: torch.dtype, device: torch.device) -> Any:
    """What each row of a one-token step may look at: additive (B, 1, 1, C), by kind of layer.

    One tensor for models of one kind, else a mapping as transformers names the kinds.
    """
    ends = torch.tensor(lengths, device=device)[:, None]
    places = torch.arange(max(lengths) + 1, device=device)[None]
    full = places <= ends
    window: int | None = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if not getattr(config, "use_sliding_window", True):
        window = None
    near = full if window is None else full & (places > ends - window)
    if kinds - {"full_attention"}:
        return {"full_attention": _bias(full, dtype), "sliding_attention": _bias(near, dtype)}
    return _bias(full if kinds else near, dtype)


def _bias(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    lowest = torch.finfo(dtype).min
    return torch.where(allowed, 0.0, lowest).to(dtype)[:, None, None, :]
