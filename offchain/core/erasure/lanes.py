"""Emit LLVM IR for eight field elements at once: what IFMA and portable vectors share.

An element is a list of `limbs` vectors of eight signed 64-bit words, least significant first.
"Carried" means that carries have moved up; without masking the low bits of each limb are right,
which is all that a 52-bit multiplier reads. Bounds of values are stated in multiples of r.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from offchain.core.erasure.forms import LANES, LimbLayout
from offchain.core.field import MODULUS

I32 = ir.IntType(32)
I64 = ir.IntType(64)
LANE = ir.VectorType(I64, LANES)
BLOCK = ir.VectorType(I64, 4 * LANES)

ESTIMATE_BITS = 245
ESTIMATE_FACTOR = (1 << 20) // ((MODULUS >> ESTIMATE_BITS) + 1)

Value = Any
Element = list[Value]


@dataclass(frozen=True, slots=True)
class Operand:
    """An array argument of a primitive: its first byte, its rows' distance in bytes, its width."""

    data: Value
    row_bytes: Value
    columns: Value


@dataclass(frozen=True, slots=True)
class Factor:
    """A constant to multiply by, one vector a word of the factor table."""

    words: list[Value]


def constant(value: int) -> Value:
    return ir.Constant(LANE, [value] * LANES)


def indices(positions: list[int]) -> Value:
    return ir.Constant(ir.VectorType(I32, len(positions)), positions)


def transpose(builder: Value, rows: list[Value]) -> list[Value]:
    """Eight vectors of eight words: word i of vector j to word j of vector i."""
    out = list(rows)
    for distance in (1, 2, 4):
        upper = [x if not x & distance else LANES + x - distance for x in range(LANES)]
        lower = [x + distance if not x & distance else LANES + x for x in range(LANES)]
        for row in range(LANES):
            if not row & distance:
                a, b = out[row], out[row | distance]
                out[row] = builder.shuffle_vector(a, b, indices(upper))
                out[row | distance] = builder.shuffle_vector(a, b, indices(lower))
    return out


class LaneEmitter(ABC):
    """Emits the primitives of `primitives.py` for one limb layout."""

    layout: LimbLayout

    def __init__(self, builder: Value) -> None:
        self.builder = builder
        self.limbs = self.layout.limbs

    @abstractmethod
    def multiply(self, element: Element, factor: Factor) -> Element:
        """Element (below 35r, any limbs) times factor: below 2r, limbs not normalised."""

    # --- the primitives -------------------------------------------------------------------------

    def butterfly4(
        self, tile: Operand, source: Operand, rows: list[Value], table: Operand, at: list[Value]
    ) -> None:
        """Two levels: pairs (0, 2), (1, 3) by factor 0, then (0, 1) by 1 and (2, 3) by 2.

        Reads `source` and writes `tile`, which may be the same.
        """
        x = [self.load(source, row) for row in rows]
        first = self.factor(table, at[0])
        x[0], x[2] = self._butterfly(x[0], x[2], first)
        x[1], x[3] = self._butterfly(x[1], x[3], first)
        x[0], x[1] = self._butterfly(x[0], x[1], self.factor(table, at[1]))
        x[2], x[3] = self._butterfly(x[2], x[3], self.factor(table, at[2]))
        for row, element in zip(rows, x, strict=True):
            self.store(tile, row, element)

    def unit_butterfly4(
        self, tile: Operand, rows: list[Value], table: Operand, at: Value, bound: int
    ) -> None:
        """`butterfly4` whose factors 0 and 1 are one; elements come in below `bound` times r."""
        x = [self.load(tile, row) for row in rows]
        x[0], x[2] = self._unit_butterfly(x[0], x[2], bound)
        x[1], x[3] = self._unit_butterfly(x[1], x[3], bound)
        x[0], x[1] = self._unit_butterfly(x[0], x[1], 2 * bound)
        x[2], x[3] = self._butterfly(x[2], x[3], self.factor(table, at))
        for row, element in zip(rows, x, strict=True):
            self.store(tile, row, element)

    def load_elements(self, tile: Operand, row: Value, source: Operand, at: list[Value]) -> None:
        """Tile row from eight neighbouring elements at (row, column)."""
        self.store(tile, row, self._unpack(self._element_pointer(source, at)))

    def load_scaled(
        self, tile: Operand, row: Value, source: Operand, at: list[Value], factor: Factor
    ) -> None:
        """`load_elements`, times a factor, reduced below r."""
        element = self.multiply(self._unpack(self._element_pointer(source, at)), factor)
        self.store(tile, row, self.canonical(element))

    def store_scaled(
        self, target: Operand, at: list[Value], tile: Operand, row: Value, factor: Factor
    ) -> None:
        """Write a tile row times a factor, canonical, as eight elements at (row, column)."""
        element = self.canonical(self.multiply(self.load(tile, row), factor))
        self._pack(self._element_pointer(target, at), element)

    def store_reduced(self, target: Operand, at: list[Value], tile: Operand, row: Value) -> None:
        """Write a tile row below 35r, canonical, as eight elements at (row, column)."""
        element = self.canonical(self._below_two(self.load(tile, row)))
        self._pack(self._element_pointer(target, at), element)

    def scale(self, tile: Operand, row: Value, factor: Factor) -> None:
        """Multiply a tile row in place."""
        self.store(tile, row, self.multiply(self.load(tile, row), factor))

    def accumulate(
        self, total: Operand, row: Value, tile: Operand, source: Value, factor: Factor
    ) -> None:
        """Add a tile row times a factor to a row of another tile."""
        self._add_to(total, row, self.multiply(self.load(tile, source), factor))

    def accumulate_elements(
        self, total: Operand, row: Value, source: Operand, at: list[Value], factor: Factor
    ) -> None:
        """Add eight elements at (row, column) times a factor to a tile row."""
        element = self._unpack(self._element_pointer(source, at))
        self._add_to(total, row, self.multiply(element, factor))

    # --- memory ---------------------------------------------------------------------------------

    def load(self, tile: Operand, row: Value) -> Element:
        base = self._row_pointer(tile, row)
        return [self.builder.load(self._at(base, k), align=8) for k in range(self.limbs)]

    def store(self, tile: Operand, row: Value, element: Element) -> None:
        base = self._row_pointer(tile, row)
        for position, limb in enumerate(element):
            self.builder.store(limb, self._at(base, position), align=8)

    def factor(self, table: Operand, row: Value) -> Factor:
        """Row `row` of a factor table (n, 10), each word in all lanes."""
        base = self._offset(table.data, self.builder.mul(row, table.row_bytes), I64)
        words = []
        for position in range(10):
            word = self.builder.load(self._at(base, position), align=8)
            single = self.builder.insert_element(
                ir.Constant(LANE, ir.Undefined), word, ir.Constant(I32, 0)
            )
            words.append(self._shuffle(single, single, [0] * LANES))
        return Factor(words)

    def lane_factor(self, table: Operand, column: Value) -> Factor:
        """Eight neighbours of a lane factor table (10, n), from `column` on."""
        words = []
        start = self.builder.mul(column, ir.Constant(I64, 8))
        for position in range(10):
            row = self.builder.mul(ir.Constant(I64, position), table.row_bytes)
            pointer = self._offset(table.data, self.builder.add(row, start), LANE)
            words.append(self.builder.load(pointer, align=8))
        return Factor(words)

    # --- arithmetic -----------------------------------------------------------------------------

    def carry(self, element: Element, *, mask: bool) -> Element:
        """Move carries up, signed; the top limb keeps what exceeds it."""
        out, build = list(element), self.builder
        for position in range(self.limbs - 1):
            up = build.ashr(out[position], constant(self.layout.bits))
            out[position + 1] = build.add(out[position + 1], up)
            if mask:
                out[position] = build.and_(out[position], constant((1 << self.layout.bits) - 1))
        return out

    def canonical(self, element: Element) -> Element:
        """From below 2r to below r, carried and masked."""
        build = self.builder
        value = self.carry(element, mask=True)
        lower = [build.sub(a, r) for a, r in zip(value, self._multiple(1), strict=True)]
        lower = self.carry(lower, mask=True)
        negative = build.icmp_signed("<", lower[-1], constant(0))
        return [build.select(negative, a, b) for a, b in zip(value, lower, strict=True)]

    def _below_two(self, element: Element) -> Element:
        """From below 35r to below 2r, by a quotient from the top bits: q = floor(v / 2^245) / 928.

        r / 2^245 is 927.4, so q never exceeds v / r, and misses it by less than 1.1.
        """
        build = self.builder
        value = self.carry(element, mask=True)
        top_bit = self.layout.bits * (self.limbs - 1)
        estimate = build.lshr(value[-1], constant(ESTIMATE_BITS - top_bit))
        quotient = build.lshr(build.mul(estimate, constant(ESTIMATE_FACTOR)), constant(20))
        modulus = self._multiple(1)
        return [
            build.sub(limb, build.mul(quotient, r)) for limb, r in zip(value, modulus, strict=True)
        ]

    def _multiple(self, times: int) -> Element:
        return [constant(limb) for limb in self.layout.split(times * MODULUS)]

    def _butterfly(self, u: Element, v: Element, factor: Factor) -> tuple[Element, Element]:
        return self._sum_and_difference(u, self.multiply(v, factor), 2)

    def _unit_butterfly(self, u: Element, v: Element, bound: int) -> tuple[Element, Element]:
        return self._sum_and_difference(u, v, bound)

    def _sum_and_difference(self, u: Element, t: Element, bound: int) -> tuple[Element, Element]:
        build = self.builder
        total = [build.add(a, b) for a, b in zip(u, t, strict=True)]
        lifted = [build.add(a, r) for a, r in zip(u, self._multiple(bound), strict=True)]
        return total, [build.sub(a, b) for a, b in zip(lifted, t, strict=True)]

    def _add_to(self, total: Operand, row: Value, element: Element) -> None:
        held = self.load(total, row)
        added = [self.builder.add(a, b) for a, b in zip(held, element, strict=True)]
        self.store(total, row, added)

    # --- bytes ----------------------------------------------------------------------------------

    def _unpack(self, pointer: Value) -> Element:
        """Eight neighbouring big-endian elements as limbs."""
        build, bits = self.builder, self.layout.bits
        block = self._swap_bytes(build.load(pointer, align=1))
        words = [
            self._shuffle(block, block, [lane * 4 + 3 - word for lane in range(LANES)])
            for word in range(4)
        ]
        out = []
        for position in range(self.limbs):
            word, shift = divmod(bits * position, 64)
            limb = build.lshr(words[word], constant(shift)) if shift else words[word]
            if shift + bits > 64 and word < 3:
                limb = build.or_(limb, build.shl(words[word + 1], constant(64 - shift)))
            out.append(build.and_(limb, constant((1 << bits) - 1)))
        return out

    def _pack(self, pointer: Value, element: Element) -> None:
        """Eight canonical elements to neighbouring big-endian bytes."""
        words = [self._word(element, position) for position in range(4)]
        both = list(range(2 * LANES))
        high = self._shuffle(words[3], words[2], both)
        low = self._shuffle(words[1], words[0], both)
        order = [lane + LANES * word for lane in range(LANES) for word in range(4)]
        block = self._shuffle(high, low, order)
        self.builder.store(self._swap_bytes(block), pointer, align=1)

    def _word(self, element: Element, position: int) -> Value:
        """64-bit word `position` of an element, from the limbs that overlap it."""
        build, word = self.builder, None
        for index, limb in enumerate(element):
            shift = self.layout.bits * index - 64 * position
            if not -self.layout.bits < shift < 64:
                continue
            part = (
                build.shl(limb, constant(shift))
                if shift >= 0
                else build.lshr(limb, constant(-shift))
            )
            word = part if word is None else build.or_(word, part)
        return word

    def _swap_bytes(self, block: Value) -> Value:
        return self.call(f"llvm.bswap.v{4 * LANES}i64", BLOCK, [block])

    # --- IR -------------------------------------------------------------------------------------

    def call(self, name: str, result: Value, arguments: list[Value]) -> Value:
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            kinds = [argument.type for argument in arguments]
            function = ir.Function(module, ir.FunctionType(result, kinds), name)
        return self.builder.call(function, arguments)

    def _shuffle(self, a: Value, b: Value, positions: list[int]) -> Value:
        return self.builder.shuffle_vector(a, b, indices(positions))

    def _offset(self, base: Value, offset_bytes: Value, kind: Value) -> Value:
        """Pointer to `kind`, `offset_bytes` after `base`."""
        byte = self.builder.bitcast(base, ir.IntType(8).as_pointer())
        return self.builder.bitcast(self.builder.gep(byte, [offset_bytes]), kind.as_pointer())

    def _row_pointer(self, tile: Operand, row: Value) -> Value:
        row_bytes = ir.Constant(I64, self.limbs * LANES * 8)
        return self._offset(tile.data, self.builder.mul(row, row_bytes), LANE)

    def _element_pointer(self, source: Operand, at: list[Value]) -> Value:
        row = self.builder.mul(at[0], source.row_bytes)
        column = self.builder.mul(at[1], ir.Constant(I64, 32))
        return self._offset(source.data, self.builder.add(row, column), BLOCK)

    def _at(self, base: Value, position: int) -> Value:
        return self.builder.gep(base, [ir.Constant(I64, position)])
