"""Hash a whole state at once: millions of cells to sorted leaves, and the nodes above them.

Compiled loops over one buffer of records (snapshot.py), eight hashes at a time; digests as in
proof.py.

  legend   n cells; starts (n,) of records in the buffer; digests (n, 4) uint64 as in memory
  record   u16 bytes of space || key | u32 bytes of cell | space || key | cell
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# Private there because the erasure kernels are kept compiled under the digest of that source.
from offchain.core.erasure.compile import kernel
from offchain.core.erasure.keccak8 import _load_words, _permute, _store_digests
from offchain.core.erasure.lanes import I64, constant

LANES: Final = 8
RATE: Final = 136
STRIDE: Final = 24  # words of a block in the buffer: 17 of the rate, the rest is not read
RECORD_HEAD: Final = 6
ROW_HEAD: Final = 66
_BLOCK: Final = STRIDE * 8
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Array = Any


def _emit_absorb(typing_context: Any, blocks: Any, states: Any) -> Any:
    """Mix eight padded blocks into eight states of 25 words, lane by lane, and permute."""
    del typing_context

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, target = (
            builder.bitcast(
                context.make_array(kind)(context, builder, value).data, I64.as_pointer()
            )
            for kind, value in zip(signature.args, values, strict=True)
        )
        lane = constant(0).type
        pointers = [
            builder.bitcast(builder.gep(target, [ir.Constant(I64, LANES * i)]), lane.as_pointer())
            for i in range(25)
        ]
        state = [builder.load(pointer, align=8) for pointer in pointers]
        for group in range(3):
            for offset, word in enumerate(_load_words(builder, source, STRIDE, group)):
                if LANES * group + offset < RATE // 8:
                    position = LANES * group + offset
                    state[position] = builder.xor(state[position], word)
        state = _permute(builder, state)
        for value, pointer in zip(state, pointers, strict=True):
            builder.store(value, pointer, align=8)
        return context.get_dummy_value()

    return types.void(blocks, states), generate


def _emit_digests(typing_context: Any, states: Any, out: Any) -> Any:
    """The first four words of eight states, one digest after the other."""
    del typing_context

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, target = (
            builder.bitcast(
                context.make_array(kind)(context, builder, value).data, I64.as_pointer()
            )
            for kind, value in zip(signature.args, values, strict=True)
        )
        lane = constant(0).type
        state = [
            builder.load(
                builder.bitcast(
                    builder.gep(source, [ir.Constant(I64, LANES * i)]), lane.as_pointer()
                ),
                align=8,
            )
            for i in range(4)
        ]
        _store_digests(builder, target, state)
        return context.get_dummy_value()

    return types.void(states, out), generate


_absorb: Any = intrinsic(_emit_absorb)
_digests: Any = intrinsic(_emit_digests)


@kernel
def find_records(raw: Array, start: Any, where: Array, found: Array) -> None:
    """Where each record begins, bytes of its space || key and of its cell.

    found[0] is where the last one ends, -1 when they do not fit.
    """
    starts, places, sizes = where
    for index in range(starts.shape[0]):
        if start + RECORD_HEAD > raw.shape[0]:
            found[0] = -1
            return
        starts[index] = start
        place = np.int64(raw[start]) << 8 | np.int64(raw[start + 1])
        cell = np.int64(0)
        for byte in range(2, RECORD_HEAD):
            cell = cell << 8 | np.int64(raw[start + byte])
        places[index], sizes[index] = place, cell
        start += RECORD_HEAD + place + cell
        if start > raw.shape[0] or cell < 9 or place < 2:
            found[0] = -1
            return
    found[0] = start


@kernel
def are_rising(raw: Array, starts: Array, places: Array) -> Any:
    """Whether each space || key is greater than the one before."""
    for index in range(1, starts.shape[0]):
        before, begin = starts[index - 1] + RECORD_HEAD, starts[index] + RECORD_HEAD
        rises = places[index - 1] < places[index]
        for byte in range(min(places[index - 1], places[index])):
            if raw[before + byte] != raw[begin + byte]:
                rises = raw[before + byte] < raw[begin + byte]
                break
        if not rises:
            return False
    return True


@kernel
def hash_ranges(raw: Array, starts: Array, sizes: Array, out: Array) -> None:
    """keccak-256 of raw[start : start + size] for each range; `out` (n, 4)."""
    blocks = np.zeros(LANES * STRIDE, np.uint64)
    view = blocks.view(np.uint8)
    states = np.zeros(25 * LANES, np.uint64)
    digests = np.zeros(LANES * 4, np.uint64)
    for first in range(0, starts.shape[0], LANES):
        count = min(LANES, starts.shape[0] - first)
        most = 0
        for lane in range(count):
            most = max(most, sizes[first + lane] // RATE)
        states[:] = 0
        for block in range(most + 1):
            blocks[:] = 0
            for lane in range(count):
                size = sizes[first + lane] - block * RATE
                if size < 0:
                    continue
                base = lane * STRIDE * 8
                begin = starts[first + lane] + block * RATE
                for byte in range(min(size, RATE)):
                    view[base + byte] = raw[begin + byte]
                if size < RATE:
                    view[base + size] ^= 1
                    view[base + RATE - 1] ^= 0x80
            _absorb(blocks, states)
            _digests(states, digests)
            for lane in range(count):
                if sizes[first + lane] // RATE == block:
                    for word in range(4):
                        out[first + lane, word] = digests[4 * lane + word]


@kernel
def leaf_messages(raw: Array, cells: Array, keys: Array, values: Array, out: Array) -> None:
    """0x00 || key hash || version || kind || value hash of each cell, 74 bytes; `out` (n, 74)."""
    for index in range(cells.shape[0]):
        out[index, 0] = 0
        for byte in range(32):
            out[index, 1 + byte] = keys[index, byte]
            out[index, 42 + byte] = values[index, byte]
        for byte in range(9):
            out[index, 33 + byte] = raw[cells[index] + byte]


@kernel
def shared_bits(words: Array, out: Array) -> None:
    """Leading bits that sorted key hashes i and i + 1 share; `words` (n, 4) big-endian numbers."""
    for index in range(out.shape[0]):
        bits = 256
        for word in range(4):
            different = words[index, word] ^ words[index + 1, word]
            if different:
                lead = 0
                while not different >> np.uint64(63 - lead) & np.uint64(1):
                    lead += 1
                bits = 64 * word + lead
                break
        out[index] = bits


@kernel
def fold_level(
    level: int, words: Array, shared: Array, entries: Array, digests: Array, count: Array
) -> None:
    """Join subtrees that lie at depth `level` into those one above; entries move up in place.

    entries (n, 3): first leaf, depth, depth of the run's root; digests (n, 4) by entry.
    """
    blocks = np.zeros(LANES * STRIDE, np.uint64)
    view = blocks.view(np.uint8)
    states = np.zeros(25 * LANES, np.uint64)
    hashed = np.zeros(LANES * 4, np.uint64)
    source = digests.view(np.uint8)
    waiting = np.zeros(LANES, np.int64)
    lanes = 0
    kept = 0
    index = 0
    while index < count[0]:
        first, depth, top = entries[index, 0], entries[index, 1], entries[index, 2]
        if depth != level or level <= top:
            entries[kept] = entries[index]
            digests[kept] = digests[index]
            kept += 1
            index += 1
            continue
        base = lanes * STRIDE * 8
        view[base : base + STRIDE * 8] = 0
        view[base] = 1
        right = words[first, (level - 1) >> 6] >> np.uint64(63 - (level - 1 & 63)) & np.uint64(1)
        is_pair = (
            index + 1 < count[0]
            and entries[index + 1, 1] == level
            and shared[entries[index + 1, 0] - 1] >= level - 1
        )
        place = base + 1 + (0 if is_pair else 32 * np.int64(right))
        for byte in range(32):
            view[place + byte] = source[index, byte]
        if is_pair:
            for byte in range(32):
                view[place + 32 + byte] = source[index + 1, byte]
        view[base + 65] ^= 1
        view[base + RATE - 1] ^= 0x80
        entries[kept, 0], entries[kept, 1], entries[kept, 2] = first, level - 1, top
        waiting[lanes] = kept
        kept += 1
        index += 2 if is_pair else 1
        lanes += 1
        if lanes == LANES:
            states[:] = 0
            _absorb(blocks, states)
            _digests(states, hashed)
            for lane in range(LANES):
                for word in range(4):
                    digests[waiting[lane], word] = hashed[4 * lane + word]
            lanes = 0
    if lanes:
        states[:] = 0
        _absorb(blocks, states)
        _digests(states, hashed)
        for lane in range(lanes):
            for word in range(4):
                digests[waiting[lane], word] = hashed[4 * lane + word]
    count[0] = kept


@kernel
def write_rows(raw: Array, starts: Array, order: Array, digests: Array, target: Array) -> None:
    """Rows of runs (tree.py) of some cells in the order of key hashes, and where each ends.

    digests: hashes of their keys and leaves, in that order.
    """
    keys, leaves = digests
    ends, out = target
    at = np.int64(0)
    for index in range(order.shape[0]):
        cell = order[index]
        begin = starts[cell]
        size = np.int64(raw[begin]) << 8 | np.int64(raw[begin + 1])
        for byte in range(32):
            out[at + byte] = keys[index, byte]
            out[at + 32 + byte] = leaves[index, byte]
        out[at + 64], out[at + 65] = raw[begin], raw[begin + 1]
        for byte in range(size):
            out[at + ROW_HEAD + byte] = raw[begin + RECORD_HEAD + byte]
        at += ROW_HEAD + size
        ends[index] = at
