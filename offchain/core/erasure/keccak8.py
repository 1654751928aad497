"""Keccak-256 of eight messages at once, for the two lengths of the tree, and for short messages.

  node  64 bytes = 8 words, one permutation      leaf  256 bytes = 32 words, two permutations
  block  a message of at most 135 bytes, padded to 136; 24 words from one to the next

The state is 25 vectors of eight 64-bit lanes; messages lie one after the other and are transposed
in registers. AVX-512 rotates and mixes three inputs in one instruction, other targets get what LLVM
makes of the same IR. Source: FIPS 202 with the padding byte 0x01 of Ethereum.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from offchain.core.erasure.compile import form_intrinsic, kernel
from offchain.core.erasure.keccak_loops import (
    ROTATIONS,
    ROUND_CONSTANTS,
    hash_eight_blocks,
    hash_eight_leaves,
    hash_eight_nodes,
)
from offchain.core.erasure.lanes import I32, I64, LANE, constant, indices, transpose

LANES = 8
RATE_WORDS = 17
NODE_WORDS = 8
LEAF_WORDS = 32
BLOCK_WORDS = 24  # 17 and what makes it a multiple of eight
DIGEST_WORDS = 4
ROUNDS = 24
ROUNDS_A_PASS = 2
assert (ROUNDS - 2) % ROUNDS_A_PASS == 0
_FIRST_PADDING = 1
_LAST_PADDING = 1 << 63

Array = Any
Value = Any
Emit = Callable[[Value, Value, Value, int], None]


def _rotate(builder: Value, lane: Value, bits: int) -> Value:
    if bits == 0:
        return lane
    name = "llvm.fshl.v8i64"
    function = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(LANE, [LANE, LANE, LANE]), name
    )
    return builder.call(function, [lane, lane, constant(bits)])


def _round(builder: Value, state: list[Value], round_constant: Value) -> list[Value]:
    xor = builder.xor
    parity = []
    for x in range(5):
        low = xor(xor(state[x], state[x + 5]), state[x + 10])
        parity.append(xor(xor(low, state[x + 15]), state[x + 20]))
    turned = [_rotate(builder, parity[(x + 1) % 5], 1) for x in range(5)]
    moved: list[Value] = [None] * 25
    for x in range(5):
        for y in range(5):
            mixed = xor(xor(state[x + 5 * y], parity[x - 1]), turned[x])
            moved[y + 5 * ((2 * x + 3 * y) % 5)] = _rotate(builder, mixed, ROTATIONS[x][y])
    ones = constant((1 << 64) - 1)
    out = []
    for position in range(25):
        row = position - position % 5
        first, second = moved[row + (position + 1) % 5], moved[row + (position + 2) % 5]
        out.append(xor(moved[position], builder.and_(xor(first, ones), second)))
    undefined = ir.Constant(LANE, ir.Undefined)
    single = builder.insert_element(undefined, round_constant, ir.Constant(I32, 0))
    out[0] = xor(out[0], builder.shuffle_vector(single, undefined, indices([0] * LANES)))
    return out


def _permute(builder: Value, state: list[Value]) -> list[Value]:
    """Keccak-f[1600]: a loop over the rounds between the first and the last, state in registers.

    The outer rounds stand alone: LLVM then drops what zero lanes and unread lanes would cost.
    """
    table = _round_constants(builder)
    state = _round(builder, state, ir.Constant(I64, ROUND_CONSTANTS[0]))
    before = builder.block
    loop = builder.append_basic_block("rounds")
    after = builder.append_basic_block("permuted")
    builder.branch(loop)
    builder.position_at_end(loop)
    count = builder.phi(I64)
    lanes = [builder.phi(LANE) for _ in range(25)]
    mixed: list[Value] = lanes
    for step in range(ROUNDS_A_PASS):
        position = builder.add(count, ir.Constant(I64, step))
        pointer = builder.gep(table, [ir.Constant(I64, 0), position])
        mixed = _round(builder, mixed, builder.load(pointer))
    following = builder.add(count, ir.Constant(I64, ROUNDS_A_PASS))
    count.add_incoming(ir.Constant(I64, 1), before)
    count.add_incoming(following, loop)
    for lane, start, value in zip(lanes, state, mixed, strict=True):
        lane.add_incoming(start, before)
        lane.add_incoming(value, loop)
    last = ir.Constant(I64, ROUNDS - 1)
    builder.cbranch(builder.icmp_unsigned("<", following, last), loop, after)
    builder.position_at_end(after)
    return _round(builder, mixed, ir.Constant(I64, ROUND_CONSTANTS[-1]))


def _round_constants(builder: Value) -> Value:
    kind = ir.ArrayType(I64, ROUNDS)
    make_global: Callable[..., Value] = cgutils.global_constant
    return make_global(
        builder.module, "keccak_round_constants", ir.Constant(kind, list(ROUND_CONSTANTS))
    )


def _load_words(builder: Value, base: Value, words: int, group: int) -> list[Value]:
    """Words 8g .. 8g+7 of eight messages, one vector a word: an 8 x 8 transpose."""
    rows = []
    for message in range(LANES):
        pointer = builder.gep(base, [ir.Constant(I64, message * words + LANES * group)])
        rows.append(builder.load(builder.bitcast(pointer, LANE.as_pointer()), align=8))
    return transpose(builder, rows)


def _store_digests(builder: Value, target: Value, state: list[Value]) -> None:
    both = list(range(2 * LANES))
    low = builder.shuffle_vector(state[0], state[1], indices(both))
    high = builder.shuffle_vector(state[2], state[3], indices(both))
    order = [lane + LANES * word for lane in range(LANES) for word in range(DIGEST_WORDS)]
    block = builder.shuffle_vector(low, high, indices(order))
    builder.store(block, builder.bitcast(target, block.type.as_pointer()), align=8)


def _emit_hash8(builder: Value, source: Value, target: Value, words: int) -> None:
    """Hash eight messages of `words` words at `source` into eight digests at `target`."""
    state = [constant(0)] * 25
    for start in range(0, words + 1, RATE_WORDS):
        stop = min(start + RATE_WORDS, words)
        for group in range(start // LANES, -(-stop // LANES)):
            for offset, word in enumerate(_load_words(builder, source, words, group)):
                position = LANES * group + offset
                if start <= position < stop:
                    state[position - start] = builder.xor(state[position - start], word)
        if stop - start < RATE_WORDS:
            state[stop - start] = builder.xor(state[stop - start], constant(_FIRST_PADDING))
            state[RATE_WORDS - 1] = builder.xor(state[RATE_WORDS - 1], constant(_LAST_PADDING))
        state = _permute(builder, state)
    _store_digests(builder, target, state)


def _emit_blocks8(builder: Value, source: Value, target: Value, words: int) -> None:
    """The same of eight padded blocks, `words` apart."""
    state = [constant(0)] * 25
    for group in range(words // LANES):
        for offset, word in enumerate(_load_words(builder, source, words, group)):
            if LANES * group + offset < RATE_WORDS:
                state[LANES * group + offset] = word
    _store_digests(builder, target, _permute(builder, state))


def _hash8(words: int, plain: Callable[..., None], emit_hash: Emit = _emit_hash8) -> Any:
    def emit(context: Any, builder: Any, form: Any, sig: Any, values: Any) -> None:
        del form
        messages, start, out, out_start = values
        source = context.make_array(sig.args[0])(context, builder, messages).data
        target = context.make_array(sig.args[2])(context, builder, out).data
        emit_hash(
            builder,
            builder.gep(builder.bitcast(source, I64.as_pointer()), [start]),
            builder.gep(builder.bitcast(target, I64.as_pointer()), [out_start]),
            words,
        )

    return form_intrinsic(emit, plain)


hash8_nodes = _hash8(NODE_WORDS, hash_eight_nodes)
hash8_leaves = _hash8(LEAF_WORDS, hash_eight_leaves)
hash8_blocks = _hash8(BLOCK_WORDS, hash_eight_blocks, _emit_blocks8)


@kernel
def hash_nodes(form: Any, messages: Array, count: int, out: Array) -> None:
    """Hash `count` nodes of 8 words, flat, into digests of 4 words, flat."""
    whole = count // LANES * LANES
    for first in range(0, whole, LANES):
        hash8_nodes(form, messages, first * NODE_WORDS, out, first * DIGEST_WORDS)
    if whole < count:
        block = np.zeros(LANES * NODE_WORDS, np.uint64)
        digests = np.empty(LANES * DIGEST_WORDS, np.uint64)
        block[: (count - whole) * NODE_WORDS] = messages[whole * NODE_WORDS : count * NODE_WORDS]
        hash8_nodes(form, block, 0, digests, 0)
        out[whole * DIGEST_WORDS : count * DIGEST_WORDS] = digests[: (count - whole) * DIGEST_WORDS]


@kernel
def hash_leaves(form: Any, messages: Array, count: int, out: Array) -> None:
    """Hash `count` leaves of 32 words, flat, into digests of 4 words, flat."""
    whole = count // LANES * LANES
    for first in range(0, whole, LANES):
        hash8_leaves(form, messages, first * LEAF_WORDS, out, first * DIGEST_WORDS)
    if whole < count:
        block = np.zeros(LANES * LEAF_WORDS, np.uint64)
        digests = np.empty(LANES * DIGEST_WORDS, np.uint64)
        block[: (count - whole) * LEAF_WORDS] = messages[whole * LEAF_WORDS : count * LEAF_WORDS]
        hash8_leaves(form, block, 0, digests, 0)
        out[whole * DIGEST_WORDS : count * DIGEST_WORDS] = digests[: (count - whole) * DIGEST_WORDS]


@kernel
def hash_blocks(form: Any, blocks: Array, count: int, out: Array) -> None:
    """Hash `count` padded blocks, 24 words apart, flat; room for a multiple of eight in both."""
    for first in range(0, count, LANES):
        hash8_blocks(form, blocks, first * BLOCK_WORDS, out, first * DIGEST_WORDS)


@kernel
def row_roots(form: Any, rows: Array, leaves: int, zeros: Array, out: Array) -> None:
    """Roots of rows (n, 32 * leaves) uint64 into out (n, 4); `zeros` (d+1, 4) are zero subtrees."""
    level = np.empty(LANES * (leaves + 1) * DIGEST_WORDS, np.uint64)
    padded = np.empty(LANES * (leaves + 1) * DIGEST_WORDS, np.uint64)
    for first in range(0, rows.shape[0], LANES):
        count = min(LANES, rows.shape[0] - first)
        flat = rows[first : first + count].reshape(count * leaves * LEAF_WORDS)
        hash_leaves(form, flat, count * leaves, level)
        width, depth = leaves, 0
        while width > 1:
            if width % 2:
                for row in range(count):
                    source, target = row * width * DIGEST_WORDS, row * (width + 1) * DIGEST_WORDS
                    for word in range(width * DIGEST_WORDS):
                        padded[target + word] = level[source + word]
                    for word in range(DIGEST_WORDS):
                        padded[target + width * DIGEST_WORDS + word] = zeros[depth, word]
                level, padded = padded, level
                width += 1
            width //= 2
            depth += 1
            hash_nodes(form, level, count * width, padded)
            level, padded = padded, level
        for row in range(count):
            for word in range(DIGEST_WORDS):
                out[first + row, word] = level[row * DIGEST_WORDS + word]
