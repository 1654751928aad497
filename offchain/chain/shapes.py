"""Decoded ABI values become the types a domain asked for.

asked for          from
int bool bytes str their ABI type; an address is 20 bytes, or checksummed text for `str`
NewType, Enum      the type below it
dataclass          a struct, or several named outputs; same field names in both
list[T] tuple[...] an array, or several outputs in order
object             as it comes: dictionaries for structs, bytes for addresses
"""

import dataclasses
import types
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from offchain.chain.contract_abi import Parameter
from offchain.chain.model import show_address

T = TypeVar("T")


class ShapeMismatch(TypeError):
    """A type in our code does not fit the contract's ABI; a bug, never bad input."""


def shape(kind: type[T], parameter: Parameter, value: Any) -> T:
    """One decoded value as `kind`. Raises: ShapeMismatch."""
    # The tree of cases below returns an instance of `kind`, which a checker cannot follow.
    return cast("T", _shape(kind, parameter, value))


def shape_outputs(kind: type[T], outputs: Sequence[Parameter], values: Sequence[Any]) -> T:
    """A function's outputs as `kind`: the one there is, or all of them as a struct."""
    if len(outputs) == 1:
        return shape(kind, outputs[0], values[0])
    return shape(kind, Parameter("", "tuple", tuple(outputs)), tuple(values))


def field_types(kind: object) -> dict[str, Any]:
    """Field names and types of a dataclass, in order."""
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise ShapeMismatch(f"{kind} is no dataclass")
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in dataclasses.fields(kind)}


def _shape(kind: Any, parameter: Parameter, value: Any) -> Any:
    if kind is object:
        return _as_it_comes(parameter, value)
    supertype = getattr(kind, "__supertype__", None)
    if supertype is not None:
        return kind(_shape(supertype, parameter, value))
    origin = get_origin(kind)
    if origin is not None:
        return _sequence(kind, origin, parameter, value)
    if dataclasses.is_dataclass(kind):
        return _record(kind, parameter, value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return _scalar(kind, parameter, value)


def _scalar(kind: Any, parameter: Parameter, value: Any) -> Any:
    if parameter.type == "address":
        raw = bytes.fromhex(value[2:])
        value = show_address(raw) if kind is str else raw
    if type(value) is not kind:
        raise ShapeMismatch(f"{parameter.name or 'output'}: {parameter.type} is no {kind}")
    return value


def _sequence(kind: Any, origin: Any, parameter: Parameter, value: Any) -> Any:
    arguments = get_args(kind)
    if isinstance(origin, type) and origin is not types.UnionType:
        if parameter.is_array and origin is not dict:
            items = [_shape(arguments[0], parameter.item, one) for one in value]
            return tuple(items) if origin is tuple else items
        if origin is tuple and len(arguments) == len(parameter.components) == len(value):
            triples = zip(arguments, parameter.components, value, strict=True)
            return tuple(_shape(part, one, inner) for part, one, inner in triples)
    raise ShapeMismatch(f"{parameter.name or 'output'}: {parameter.canonical} is no {kind}")


def _record(kind: Any, parameter: Parameter, value: Any) -> Any:
    wanted = field_types(kind)
    known = [part.name for part in parameter.components]
    if set(wanted) != set(known) or parameter.is_array:
        raise ShapeMismatch(f"{kind.__name__} has {sorted(wanted)}, the contract {sorted(known)}")
    pairs = zip(parameter.components, value, strict=True)
    return kind(**{part.name: _shape(wanted[part.name], part, one) for part, one in pairs})


def _as_it_comes(parameter: Parameter, value: Any) -> Any:
    if parameter.is_array:
        return [_as_it_comes(parameter.item, one) for one in value]
    if parameter.components:
        pairs = list(zip(parameter.components, value, strict=True))
        if all(part.name for part, _ in pairs):
            return {part.name: _as_it_comes(part, one) for part, one in pairs}
        return tuple(_as_it_comes(part, one) for part, one in pairs)
    return bytes.fromhex(value[2:]) if parameter.type == "address" else value
