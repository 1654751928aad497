"""The steps that kernels are written in; the form in the first argument picks the code.

  butterfly4(form, tile, source, rows, table, at)  two levels of a transform on four rows
  unit_butterfly4_first / _second (...)          the same where two of three factors are one
  load_elements(form, tile, row, source, at)     eight elements at (row, column) -> tile row
  load_scaled(..., table, factor)                the same, times a factor, below r
  store_scaled(form, target, at, tile, row, table, factor)
  store_reduced(form, target, at, tile, row)     the same without a factor, from below 35r
  scale / scale_lanes(form, tile, row, table, factor or column)
  accumulate(form, total, row, tile, source, table, factor)
  accumulate_lanes(form, total, row, source, at, table, column)

An intrinsic emits vector IR for `Ifma` and `Vectors`, and compiles the function of the same name in
`loops.py` for `Loops`.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from offchain.core.erasure import loops
from offchain.core.erasure.compile import form_intrinsic
from offchain.core.erasure.forms import Ifma
from offchain.core.erasure.ifma import IfmaEmitter
from offchain.core.erasure.lanes import LaneEmitter, Operand
from offchain.core.erasure.vectors import VectorEmitter

Emit = Callable[..., None]


def _primitive(emit: Emit, plain: Callable[..., None]) -> Any:
    """An intrinsic that emits vector IR with `emit`, or compiles `plain` for the form `Loops`."""

    def emit_operands(context: Any, builder: Any, form: Any, sig: Any, values: Any) -> None:
        emitter: LaneEmitter = IfmaEmitter(builder) if form is Ifma else VectorEmitter(builder)
        kinds = zip(sig.args, values, strict=True)
        emit(emitter, *(_operand(context, builder, kind, value) for kind, value in kinds))

    return form_intrinsic(emit_operands, plain)


def _operand(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    unpack: Callable[[Any, Any], list[Any]] = cgutils.unpack_tuple
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        strides = unpack(builder, array.strides)
        shape = unpack(builder, array.shape)
        return Operand(array.data, strides[0], shape[-1])
    if isinstance(kind, types.BaseTuple):
        return unpack(builder, value)
    assert value.type == ir.IntType(64)
    return value


butterfly4 = _primitive(LaneEmitter.butterfly4, loops.butterfly4)
unit_butterfly4_first = _primitive(
    lambda e, tile, rows, table, at: e.unit_butterfly4(tile, rows, table, at, 1),
    loops.unit_butterfly4_first,
)
unit_butterfly4_second = _primitive(
    lambda e, tile, rows, table, at: e.unit_butterfly4(tile, rows, table, at, 4),
    loops.unit_butterfly4_second,
)
load_elements = _primitive(LaneEmitter.load_elements, loops.load_elements)
load_scaled = _primitive(
    lambda e, tile, row, source, at, table, factor: e.load_scaled(
        tile, row, source, at, e.factor(table, factor)
    ),
    loops.load_scaled,
)
store_scaled = _primitive(
    lambda e, target, at, tile, row, table, factor: e.store_scaled(
        target, at, tile, row, e.factor(table, factor)
    ),
    loops.store_scaled,
)
store_reduced = _primitive(LaneEmitter.store_reduced, loops.store_reduced)
scale = _primitive(
    lambda e, tile, row, table, factor: e.scale(tile, row, e.factor(table, factor)), loops.scale
)
scale_lanes = _primitive(
    lambda e, tile, row, table, column: e.scale(tile, row, e.lane_factor(table, column)),
    loops.scale_lanes,
)
accumulate = _primitive(
    lambda e, total, row, tile, source, table, factor: e.accumulate(
        total, row, tile, source, e.factor(table, factor)
    ),
    loops.accumulate,
)
accumulate_lanes = _primitive(
    lambda e, total, row, source, at, table, column: e.accumulate_elements(
        total, row, source, at, e.lane_factor(table, column)
    ),
    loops.accumulate_lanes,
)
