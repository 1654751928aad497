"""Sum of scalar x fixed G1 point on AVX-512 IFMA: eight point additions at a time.

The points are fixed, so P, 2^32 P .. 2^224 P are tabled once and a scalar is 32 signed base-256
digits in 4 sets of 8 x K entries. In a set every lane adds its entries into its own 128 buckets;
lanes are merged, buckets weighted by running sums, and the sets joined by Horner's rule.
Additions use the complete formulas for y^2 = x^3 + 4, so no case is special.
Source: Renes, Costello, Batina, eprint 2015/1060, algorithms 7 and 8.

  element  8 limbs x 52 bits, Montgomery with 2^416, below 2p between additions
  point    24 words: X, Y, Z, eight limbs each; the identity is (0 : 1 : 0)
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils

from offchain.core.erasure.compile import form_intrinsic, kernel
from offchain.core.erasure.forms import Ifma, LimbLayout
from offchain.core.erasure.lanes import I64, LANE, Element, Value, constant, transpose

P: Final = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
LAYOUT: Final = LimbLayout(8, 52)
LANES: Final = 8
POINT_WORDS: Final = 24
DIGIT_BITS: Final = 8
BUCKETS: Final = 1 << DIGIT_BITS - 1
STRIDE: Final = BUCKETS + LANES
SETS: Final = 4
SHIFTS: Final = 8
SHIFT_BITS: Final = SETS * DIGIT_BITS
SEGMENT: Final = BUCKETS // LANES

Words = npt.NDArray[np.int64]
Array = Any
Pair = tuple[Element, Element]

_RADIX: Final = 1 << LAYOUT.limbs * LAYOUT.bits
_INVERSE_RADIX: Final = pow(_RADIX, -1, P)
_NEGATIVE_INVERSE: Final = -pow(P, -1, 1 << LAYOUT.bits) & ((1 << LAYOUT.bits) - 1)
_LOW: Final = "llvm.x86.avx512.vpmadd52l.uq.512"
_HIGH: Final = "llvm.x86.avx512.vpmadd52h.uq.512"
_MASK: Final = (1 << LAYOUT.bits) - 1


class _PointEmitter:
    """Emits arithmetic modulo p and point additions, a lane a point; bounds in multiples of p."""

    def __init__(self, builder: Value) -> None:
        self.builder = builder

    def add(self, left: list[Element], right: list[Element]) -> list[Element]:
        """Complete addition; `right` has no Z when it is affine."""
        x1, y1, z1 = left
        x2, y2 = right[:2]
        a, b = self.dot([(x1, x2)]), self.dot([(y1, y2)])
        d = self.cross(left[:2], right[:2], a, b)
        if len(right) == 2:
            c = z1
            e, f = self.plus(self.dot([(y2, z1)]), y1), self.plus(self.dot([(x2, z1)]), x1)
        else:
            c = self.dot([(z1, right[2])])
            e = self.cross([y1, z1], right[1:], b, c)
            f = self.cross([x1, z1], [x2, right[2]], a, c)
        c12, f12, a3 = self.times(c, 12), self.times(f, 12), self.times(a, 3)
        total, difference = self.plus(b, c12), self.minus(b, c12, 32)
        negative_e = self.minus([constant(0)] * LAYOUT.limbs, e, 8)
        return [
            self.settle(self.dot([(d, difference), (negative_e, f12)])),
            self.settle(self.dot([(f12, a3), (difference, total)])),
            self.settle(self.dot([(total, e), (a3, d)])),
        ]

    def cross(self, left: list[Element], right: list[Element], a: Element, b: Element) -> Element:
        """l0 r1 + l1 r0, from a = l0 r0 and b = l1 r1; below 6p."""
        product = self.dot([(self.plus(*left), self.plus(*right))])
        return self.minus(product, self.plus(a, b), 4)

    def dot(self, pairs: list[Pair]) -> Element:
        """Sum of products of carried elements by one Montgomery reduction, below 2p."""
        build, modulus = self.builder, [constant(limb) for limb in LAYOUT.split(P)]
        total = [constant(0)] * LAYOUT.limbs
        for step in range(LAYOUT.limbs):
            for left, right in pairs:
                total = self._multiply_add(_LOW, total, left, right[step])
            times = self._call(_LOW, constant(0), total[0], constant(_NEGATIVE_INVERSE))
            total = self._multiply_add(_LOW, total, modulus, times)
            up = build.lshr(total[0], constant(LAYOUT.bits))
            total = [build.add(total[1], up), *total[2:], constant(0)]
            for left, right in pairs:
                total = self._multiply_add(_HIGH, total, left, right[step])
            total = self._multiply_add(_HIGH, total, modulus, times)
        return self.carry(total)

    def plus(self, left: Element, right: Element) -> Element:
        pairs = zip(left, right, strict=True)
        return self.carry([self.builder.add(a, b) for a, b in pairs])

    def minus(self, left: Element, right: Element, bound: int) -> Element:
        """Left - right + bound * p, right below bound * p."""
        lift = [constant(limb) for limb in LAYOUT.split(bound * P)]
        triples = zip(left, right, lift, strict=True)
        return self.carry([self.builder.sub(self.builder.add(a, k), b) for a, b, k in triples])

    def times(self, element: Element, factor: int) -> Element:
        return self.carry([self.builder.mul(limb, constant(factor)) for limb in element])

    def settle(self, element: Element) -> Element:
        """Each limb within its bits, as memory holds them."""
        return [*(self.builder.and_(limb, constant(_MASK)) for limb in element[:-1]), element[-1]]

    def carry(self, element: Element) -> Element:
        """Move carries up; limbs keep their upper bits, which the multiplier does not read."""
        out, build = list(element), self.builder
        kept = []
        for position in range(LAYOUT.limbs - 1):
            up = build.ashr(out[position], constant(LAYOUT.bits))
            out[position + 1] = build.add(out[position + 1], up)
            kept.append(build.and_(out[position], constant(_MASK)))
        return [*kept, out[-1]]

    def load_points(self, points: Value, places: list[Value]) -> list[Element]:
        """Eight points of 24 words, one a lane."""
        parts = []
        for part in range(3):
            rows = [self.builder.load(self._at(points, p, part), align=8) for p in places]
            parts.append(transpose(self.builder, rows))
        return parts

    def store_points(self, points: Value, places: list[Value], values: list[Element]) -> None:
        for part, element in enumerate(values):
            for place, row in zip(places, transpose(self.builder, element), strict=True):
                self.builder.store(row, self._at(points, place, part), align=8)

    def load_affine(self, table: Value, group: Value, signs: Value) -> list[Element]:
        """Eight tabled points (x, y), y negated where the sign word is all ones."""
        build = self.builder
        base = build.gep(
            build.bitcast(table, LANE.as_pointer()),
            [build.mul(group, ir.Constant(I64, 2 * LAYOUT.limbs))],
        )
        words = [
            build.load(build.gep(base, [ir.Constant(I64, k)]), align=8)
            for k in range(2 * LAYOUT.limbs)
        ]
        x, y = words[: LAYOUT.limbs], words[LAYOUT.limbs :]
        negative = self.minus([constant(0)] * LAYOUT.limbs, y, 1)
        sign = build.bitcast(signs, LANE.as_pointer())
        is_negative = build.icmp_signed(
            "<", build.load(build.gep(sign, [group]), align=8), constant(0)
        )
        return [x, [build.select(is_negative, n, p) for n, p in zip(negative, y, strict=True)]]

    def _multiply_add(self, name: str, total: Element, left: Element, right: Value) -> Element:
        return [self._call(name, t, a, right) for t, a in zip(total, left, strict=True)]

    def _call(self, name: str, total: Value, left: Value, right: Value) -> Value:
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(LANE, [LANE, LANE, LANE]), name
        )
        return self.builder.call(function, [total, left, right])

    def _at(self, points: Value, place: Value, part: int) -> Value:
        build = self.builder
        word = build.add(
            build.mul(place, ir.Constant(I64, POINT_WORDS)), ir.Constant(I64, part * LAYOUT.limbs)
        )
        pointer = build.gep(build.bitcast(points, I64.as_pointer()), [word])
        return build.bitcast(pointer, LANE.as_pointer())


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Value:
    return context.make_array(kind)(context, builder, value).data


def _emit_add(context: Any, builder: Any, form: Any, sig: Any, values: Any) -> None:
    del form
    emitter = _PointEmitter(builder)
    points = _data(context, builder, sig.args[0], values[0])
    unpack: Any = cgutils.unpack_tuple
    stride, right_stride = unpack(builder, values[2])
    target, left, right = (
        [builder.add(first, builder.mul(step, ir.Constant(I64, lane))) for lane in range(LANES)]
        for first, step in zip(
            unpack(builder, values[1]), (stride, stride, right_stride), strict=True
        )
    )
    total = emitter.add(emitter.load_points(points, left), emitter.load_points(points, right))
    emitter.store_points(points, target, total)


def _emit_add_tabled(context: Any, builder: Any, form: Any, sig: Any, values: Any) -> None:
    del form
    emitter = _PointEmitter(builder)
    points, places, table, signs = (
        _data(context, builder, kind, value)
        for kind, value in zip(sig.args[:4], values[:4], strict=True)
    )
    group = values[4]
    first = builder.gep(
        builder.bitcast(places, I64.as_pointer()), [builder.mul(group, ir.Constant(I64, LANES))]
    )
    at = [builder.load(builder.gep(first, [ir.Constant(I64, lane)])) for lane in range(LANES)]
    affine = emitter.load_affine(table, group, signs)
    emitter.store_points(points, at, emitter.add(emitter.load_points(points, at), affine))


def _no_add(points: Array, places: Any, strides: Any) -> None:
    """Points p0 + k s0 become points p1 + k s0 plus points p2 + k s1, k < 8."""


def _no_add_tabled(points: Array, places: Array, table: Array, signs: Array, group: int) -> None:
    """Points places[group, k] gain table point k of the group, or lose it by its sign, k < 8."""


_emitted_add = form_intrinsic(_emit_add, _no_add)
_add_tabled = form_intrinsic(_emit_add_tabled, _no_add_tabled)


@kernel
def _add(form: Any, points: Array, places: Any, strides: Any) -> None:
    """Points p0 + k s0 become points p1 + k s0 plus points p2 + k s1, k < 8; compiled once."""
    _emitted_add(form, points, places, strides)


@kernel
def _double_many(form: Any, points: Array, times: int) -> None:
    """Double each of n points, n a multiple of 8, `times` times."""
    for first in range(0, points.shape[0], LANES):
        for _ in range(times):
            _add(form, points, (first, first, first), (1, 1))


@kernel
def _sum_tabled(form: Any, points: Array, table: Array, places: Array, signs: Array) -> None:
    """Sum of all digits x points into the last point.

    points [set, lane, bucket], then 8 x 16 of work space, all identities; places and signs
    (SETS, groups, 8): a digit's bucket among all points, and all ones where it is negative.
    """
    block = LANES * STRIDE
    work = SETS * block
    for part in range(SETS):
        for group in range(table.shape[0]):
            _add_tabled(form, points, places[part], table, signs[part], group)
        first = part * block + 1
        for bucket in range(first, first + BUCKETS, LANES):
            for lane in range(1, LANES):
                _add(form, points, (bucket, bucket, bucket + lane * STRIDE), (1, 1))
        running = work + part * 2 * LANES
        weighted = running + LANES
        for step in range(SEGMENT - 1, -1, -1):
            _add(form, points, (running, running, first + step), (1, SEGMENT))
            _add(form, points, (weighted, weighted, running), (1, 1))
    _join_segments(form, points, work)
    total = points.shape[0] - 1
    for part in range(SETS - 1, -1, -1):
        for _ in range(DIGIT_BITS):
            _add(form, points, (total, total, total), (0, 0))
        _add(form, points, (total, total, work + part * 2 * LANES + LANES), (0, 0))


@kernel
def _join_segments(form: Any, points: Array, work: int) -> None:
    """Per set, a lane each: sum of T_k + SEGMENT * sum of k R_k over its 8 segments, into T_0."""
    across = (2 * LANES, 2 * LANES)
    weighted = work + LANES
    for segment in range(1, LANES):
        _add(form, points, (weighted, weighted, weighted + segment), across)
    for segment in range(LANES - 2, 0, -1):
        _add(form, points, (work + segment, work + segment, work + segment + 1), across)
    for segment in range(2, LANES):
        _add(form, points, (work + 1, work + 1, work + segment), across)
    doubled = 1
    while doubled < SEGMENT:
        _add(form, points, (work + 1, work + 1, work + 1), across)
        doubled *= 2
    _add(form, points, (weighted, weighted, work + 1), across)


class PointSum:
    """Sums of scalar x point over fixed points; 7 MB of tables, built once."""

    def __init__(self, points: Sequence[tuple[int, int]]) -> None:
        """Table the affine points, a multiple of 8 of them, each in the prime-order subgroup."""
        assert len(points) % LANES == 0
        self._form = Ifma()
        self._table = self._tabulate(points)
        size = SETS * LANES * STRIDE + LANES * 2 * LANES + 1
        self._identities = np.zeros((size, POINT_WORDS), np.int64)
        self._identities[:, LAYOUT.limbs : 2 * LAYOUT.limbs] = LAYOUT.split(_RADIX % P)

    def sum(self, scalars: npt.NDArray[np.uint8]) -> tuple[int, int] | None:
        """The sum as an affine point, None for the identity; scalars (n, 32) big-endian, < r."""
        places, signs = _digits(scalars)
        points = self._identities.copy()
        _sum_tabled(self._form, points, self._table, places, signs)
        x, y, z = (_to_integer(part) for part in points[-1].reshape(3, LAYOUT.limbs))
        if z == 0:
            return None
        inverse = pow(z, -1, P)
        return x * inverse % P, y * inverse % P

    def _tabulate(self, points: Sequence[tuple[int, int]]) -> Words:
        count = len(points)
        current = np.stack([_point_words(x, y) for x, y in points])
        levels = [current]
        for _ in range(SHIFTS - 1):
            current = current.copy()
            _double_many(self._form, current, SHIFT_BITS)
            levels.append(current)
        affine = _to_affine(np.concatenate(levels[1:]))
        words = np.concatenate([levels[0][:, : 2 * LAYOUT.limbs], affine])
        grouped = words.reshape(SHIFTS * count // LANES, LANES, 2 * LAYOUT.limbs)
        return np.ascontiguousarray(grouped.transpose(0, 2, 1))


def _digits(scalars: npt.NDArray[np.uint8]) -> tuple[Words, Words]:
    """Signed base-256 digits -127 .. 128 as places of buckets and signs, (SETS, groups, 8)."""
    digits = scalars[:, ::-1].T.astype(np.int64)
    for position in range(digits.shape[0] - 1):
        above = digits[position] > BUCKETS
        digits[position] -= above * 2 * BUCKETS
        digits[position + 1] += above
    by_set = digits.reshape(SHIFTS, SETS, -1).transpose(1, 0, 2).reshape(SETS, -1, LANES)
    bases = (np.arange(SETS)[:, None, None] * LANES + np.arange(LANES)) * STRIDE
    places = np.ascontiguousarray(np.abs(by_set) + bases)
    return places, np.ascontiguousarray(-(by_set < 0).astype(np.int64))


def _point_words(x: int, y: int) -> Words:
    values = (x * _RADIX % P, y * _RADIX % P, _RADIX % P)
    return np.array([limb for value in values for limb in LAYOUT.split(value)], np.int64)


def _to_integer(limbs: Words) -> int:
    """The residue behind Montgomery limbs."""
    value = sum(int(limb) << LAYOUT.bits * position for position, limb in enumerate(limbs))
    return value * _INVERSE_RADIX % P


def _to_affine(points: Words) -> Words:
    """The x and y limbs of projective points, by one inversion for all; none is the identity."""
    values = [_to_integer(part) for part in points.reshape(-1, LAYOUT.limbs)]
    prefix = [1]
    for z in values[2::3]:
        prefix.append(prefix[-1] * z % P)
    running = pow(prefix[-1], -1, P)
    out = np.empty((len(points), 2 * LAYOUT.limbs), np.int64)
    for position in range(len(points) - 1, -1, -1):
        x, y, z = values[3 * position : 3 * position + 3]
        inverse = running * prefix[position] % P
        running = running * z % P
        out[position] = _point_words(x * inverse % P, y * inverse % P)[: 2 * LAYOUT.limbs]
    return out
