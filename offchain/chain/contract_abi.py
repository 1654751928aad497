"""Generated ABIs as values: functions, events, errors, and their bytes.

One file a contract, `abi/<Contract>.json`, written by scripts/build_abi.py:
{"name", "abi", "integrity", "layout_hash", "runtime_bytes"}.
Source: docs.soliditylang.org ABI spec.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode
from eth_abi.codec import ABIDecoder
from eth_abi.decoding import StringDecoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals, registry

from offchain.chain.errors import AnswerMalformed, ArgumentInvalid
from offchain.core.errors import NotFound
from offchain.core.hashing import keccak

FOLDER: Final = Path(__file__).parent / "abi"


class AbiMissing(NotFound):
    """No contract of this name was compiled."""

    code = "chain.abi.missing"
    next_step = "Run `make abi` after adding a contract."


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument, output or field; `components` are the fields of a struct."""

    name: str
    type: str
    components: tuple["Parameter", ...] = ()
    is_indexed: bool = False

    @property
    def canonical(self) -> str:
        """The type with structs written as tuples."""
        if not self.components:
            return self.type
        inner = ",".join(part.canonical for part in self.components)
        return f"({inner}){self.type.removeprefix('tuple')}"

    @property
    def is_array(self) -> bool:
        return self.type.endswith("]")

    @property
    def item(self) -> "Parameter":
        """What an array holds."""
        return dataclasses.replace(self, type=self.type[: self.type.rindex("[")])


@dataclass(frozen=True, slots=True)
class Function:
    """One callable signature; Vyper's default arguments make several of one name."""

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    is_payable: bool

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(one.canonical for one in self.inputs)})"

    @property
    def selector(self) -> bytes:
        return keccak(self.signature.encode())[:4]

    def encode(self, arguments: Sequence[object]) -> bytes:
        """Selector and arguments. Raises: ArgumentInvalid."""
        return self.selector + encode_values(self.signature, self.inputs, arguments)

    def decode(self, raw: bytes) -> tuple[Any, ...]:
        """The outputs. Raises: AnswerMalformed."""
        return decode_values(self.signature, self.outputs, raw)


@dataclass(frozen=True, slots=True)
class Event:
    """An event; its topic is the first one of its logs."""

    name: str
    inputs: tuple[Parameter, ...]

    @property
    def topic(self) -> bytes:
        return keccak(f"{self.name}({','.join(one.canonical for one in self.inputs)})".encode())


@dataclass(frozen=True, slots=True)
class ContractAbi:
    """Everything callable and readable of one contract."""

    name: str
    functions: Mapping[str, tuple[Function, ...]]
    events: Mapping[str, Event]
    errors: Mapping[bytes, Function]
    constructor: tuple[Parameter, ...]

    def function(self, name: str, count: int) -> Function:
        """The signature with `count` arguments. Raises: AbiMissing."""
        for one in self.functions.get(name, ()):
            if len(one.inputs) == count:
                return one
        raise AbiMissing(contract=self.name, function=name, arguments=count)

    def event(self, name: str) -> Event:
        """Raises: AbiMissing."""
        if name not in self.events:
            raise AbiMissing(contract=self.name, event=name)
        return self.events[name]


@dataclass(frozen=True, slots=True)
class Artifact:
    """What the compiler said of one contract."""

    name: str
    abi: ContractAbi
    integrity: str
    layout_hash: str
    runtime_bytes: int


@functools.cache
def artifact(name: str) -> Artifact:
    """The artifact of a contract, read once. Raises: AbiMissing."""
    if not name.isidentifier():
        raise AbiMissing(contract=name)
    path = FOLDER / f"{name}.json"
    try:
        body = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise AbiMissing(contract=name) from error
    return Artifact(
        name=name,
        abi=parse_abi(name, body["abi"]),
        integrity=body["integrity"],
        layout_hash=body["layout_hash"],
        runtime_bytes=body["runtime_bytes"],
    )


def artifact_names() -> list[str]:
    """Every contract there is an ABI for."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def parse_abi(name: str, entries: Sequence[Mapping[str, Any]]) -> ContractAbi:
    """Read a JSON ABI."""
    functions: dict[str, tuple[Function, ...]] = {}
    events: dict[str, Event] = {}
    errors: dict[bytes, Function] = {}
    constructor: tuple[Parameter, ...] = ()
    for entry in entries:
        inputs = _parameters(entry.get("inputs", ()))
        match entry["type"]:
            case "function":
                one = Function(
                    name=entry["name"],
                    inputs=inputs,
                    outputs=_parameters(entry.get("outputs", ())),
                    is_payable=entry.get("stateMutability") == "payable",
                )
                functions[one.name] = (*functions.get(one.name, ()), one)
            case "event":
                events[entry["name"]] = Event(entry["name"], inputs)
            case "error":
                refusal = Function(entry["name"], inputs, (), is_payable=False)
                errors[refusal.selector] = refusal
            case "constructor":
                constructor = inputs
            case _:
                pass  # fallback and receive have no shape
    return ContractAbi(name, functions, events, errors, constructor)


def encode_values(what: str, inputs: Sequence[Parameter], values: Sequence[object]) -> bytes:
    """ABI-encode values; dataclasses and mappings stand for structs. Raises: ArgumentInvalid."""
    if len(inputs) != len(values):
        raise ArgumentInvalid(call=what, wanted=len(inputs), found=len(values))
    try:
        plain = [_plain(one, value) for one, value in zip(inputs, values, strict=True)]
        return encode([one.canonical for one in inputs], plain)
    except (EncodingError, OverflowError, TypeError, ValueError, KeyError) as error:
        raise ArgumentInvalid(call=what, reason=str(error)[:300]) from error


def decode_values(what: str, outputs: Sequence[Parameter], raw: bytes) -> tuple[Any, ...]:
    """ABI-decode strictly, but for strings: bytes that are no UTF-8 become U+FFFD.

    Contracts keep strings as anybody wrote them, and one writer must not blind the readers of a
    whole batch. Raises: AnswerMalformed.
    """
    try:
        return _DECODER.decode([one.canonical for one in outputs], raw)
    except (DecodingError, OverflowError) as error:
        raise AnswerMalformed(call=what, reason=str(error)[:300]) from error


def _decoder() -> ABIDecoder:
    lenient = registry.copy()  # type: ignore[no-untyped-call]  # eth_abi leaves it untyped
    is_string = BaseEquals("string", with_sub=False)  # type: ignore[no-untyped-call]  # likewise
    reader = StringDecoder(handle_string_errors="replace")  # type: ignore[no-untyped-call]  # likewise
    lenient.unregister_decoder("string")
    lenient.register_decoder(is_string, reader, label="string")
    return ABIDecoder(lenient)


_DECODER: Final = _decoder()


def _parameters(entries: Sequence[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            name=entry.get("name", ""),
            type=entry["type"],
            components=_parameters(entry.get("components", ())),
            is_indexed=entry.get("indexed") is True,
        )
        for entry in entries
    )


def _plain(parameter: Parameter, value: Any) -> Any:
    """What eth_abi takes: tuples for structs, integers for enums."""
    if parameter.is_array:
        return [_plain(parameter.item, one) for one in value]
    if not parameter.components:
        return int(value) if parameter.type.startswith(("uint", "int")) else value
    if dataclasses.is_dataclass(value):
        fields = [getattr(value, part.name) for part in parameter.components]
    elif isinstance(value, Mapping):
        fields = [value[part.name] for part in parameter.components]
    else:
        fields = list(value)
    pairs = zip(parameter.components, fields, strict=True)
    return tuple(_plain(part, one) for part, one in pairs)
