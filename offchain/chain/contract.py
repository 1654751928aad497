"""Clients of contracts: reads at a named block, and typed calls that somebody else sends.

A domain's onchain.py subclasses `ContractClient` and adds one method for each function it needs,
with the function's own name; ABI and address come from (contract name, deployments).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from offchain.chain.contract_abi import ContractAbi, Event, Function, artifact, encode_values
from offchain.chain.deployments import Deployments
from offchain.chain.errors import AnswerMalformed, CallReverted, NotDeployed
from offchain.chain.model import Address, BlockRef, Call, Log, LogFilter, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.reverts import typed_error
from offchain.chain.shapes import ShapeMismatch, field_types, shape, shape_outputs
from offchain.chain.topics import decode_topic, encode_topic
from offchain.core.errors import ApogeeError

T = TypeVar("T")


class ContractClient:
    """One contract on one network.

    `contract` is the name in contracts/, abi/ and deployments/. `reverts` leads from a reason
    string to the domain's error class; where a call goes on into other contracts, their maps too.
    """

    contract: ClassVar[str]
    reverts: ClassVar[Mapping[str, type[ApogeeError]]] = {}

    def __init__(self, deployments: Deployments, reader: ChainReader) -> None:
        self.address: Address = deployments.address_of(self.contract)
        self._reader = reader
        self._abi = self.interface()

    @classmethod
    def interface(cls) -> ContractAbi:
        """The generated ABI of `contract`."""
        return artifact(cls.contract).abi

    # Events

    def event_filter(
        self,
        *kinds: type,
        first_block: int = 0,
        last_block: int = 0,
        indexed: Mapping[str, object] | None = None,
    ) -> LogFilter:
        """Logs of these events; `indexed` fixes indexed fields, of one event only.

        An EventSource puts its own range of blocks in.
        """
        topics: list[tuple[bytes, ...]] = [tuple(self.topic_of(kind) for kind in kinds)]
        if indexed:
            if len(kinds) != 1:
                raise ShapeMismatch("indexed fields are fixed for one event at a time")
            topics += _fixed_topics(self._event(kinds[0]), indexed)
        return LogFilter(first_block, last_block, (self.address,), tuple(topics))

    def topic_of(self, kind: type) -> bytes:
        """The first topic of an event, named as its dataclass."""
        return self._event(kind).topic

    def events_in(self, kind: type[T], logs: Iterable[Log]) -> list[T]:
        """The events of one kind that this contract wrote among `logs`."""
        topic = self.topic_of(kind)
        return [
            self.decode_event(kind, log)
            for log in logs
            if log.address == self.address and log.topics[:1] == (topic,)
        ]

    def decode_event(self, kind: type[T], log: Log) -> T:
        """One log as its event. Raises: AnswerMalformed when it is not one of this contract's."""
        event = self._event(kind)
        indexed = [one for one in event.inputs if one.is_indexed]
        named = log.topics[1:]
        if log.address != self.address or log.topics[:1] != (event.topic,):
            raise AnswerMalformed(reason="not this event", event=event.name)
        if len(named) != len(indexed):
            raise AnswerMalformed(reason="wrong number of topics", event=event.name)
        plain = [one for one in event.inputs if not one.is_indexed]
        values: dict[str, Any] = {
            one.name: decode_topic(one, topic) for one, topic in zip(indexed, named, strict=True)
        }
        decoded = Function(event.name, (), tuple(plain), is_payable=False).decode(log.data)
        values |= {one.name: value for one, value in zip(plain, decoded, strict=True)}
        wanted = field_types(kind)
        if set(wanted) != set(values):
            raise ShapeMismatch(f"{event.name} has {sorted(values)}, {kind} {sorted(wanted)}")
        shaped = {one.name: shape(wanted[one.name], one, values[one.name]) for one in event.inputs}
        return kind(**shaped)

    # For subclasses

    def _read(
        self,
        kind: type[T],
        name: str,
        *arguments: object,
        at: BlockRef,
        sender: bytes | None = None,
    ) -> T:
        """Call a view at a block. Raises: the class in `reverts`, or ContractReverted."""
        return self._ask(kind, name, [arguments], at, sender)[0]

    def _read_many(
        self, kind: type[T], name: str, arguments: Sequence[tuple[object, ...]], *, at: BlockRef
    ) -> list[T]:
        """Call a view for each tuple of arguments: one round trip, one block."""
        return self._ask(kind, name, arguments, at, None) if arguments else []

    def _build(
        self, name: str, *arguments: object, value_wei: int = 0, gas_hint: int | None = None
    ) -> TypedCall:
        """A call that a TransactionSender may send; `gas_hint` takes the place of an estimate."""
        function = self._abi.function(name, len(arguments))
        if value_wei and not function.is_payable:
            raise ShapeMismatch(f"{self.contract}.{name} is not payable")
        return TypedCall(
            to=self.address,
            data=function.encode(arguments),
            value_wei=value_wei,
            contract=self.contract,
            function=name,
            gas_hint=gas_hint,
            reverts=self.reverts,
        )

    # Internal

    def _ask(
        self,
        kind: type[T],
        name: str,
        arguments: Sequence[tuple[object, ...]],
        at: BlockRef,
        sender: bytes | None,
    ) -> list[T]:
        function = self._abi.function(name, len(arguments[0]))
        caller = None if sender is None else Address(sender)
        calls = [Call(self.address, function.encode(one), sender=caller) for one in arguments]
        try:
            answers = self._reader.calls(calls, at=at)
        except CallReverted as failure:
            raise typed_error(failure, self.contract, name, self.reverts) from failure
        if function.outputs and not all(answers):
            raise NotDeployed(contract=self.contract, reason="no code at its address at this block")
        outputs = function.outputs
        return [shape_outputs(kind, outputs, function.decode(raw)) for raw in answers]

    def _event(self, kind: type) -> Event:
        return self._abi.event(kind.__name__)


def creation_call(name: str, bytecode: bytes, *arguments: object, value_wei: int = 0) -> TypedCall:
    """Deploy a contract; the address comes in the receipt."""
    inputs = artifact(name).abi.constructor
    encoded = encode_values(f"{name}.__init__", inputs, arguments)
    return TypedCall(
        to=None,
        data=bytecode + encoded,
        value_wei=value_wei,
        contract=name,
        function="__init__",
    )


def _fixed_topics(event: Event, indexed: Mapping[str, object]) -> list[tuple[bytes, ...]]:
    parts = [one for one in event.inputs if one.is_indexed]
    unknown = set(indexed) - {one.name for one in parts}
    if unknown:
        raise ShapeMismatch(f"{event.name} does not index {sorted(unknown)}")
    topics = [
        (encode_topic(one, indexed[one.name]),) if one.name in indexed else () for one in parts
    ]
    while topics and topics[-1] == ():
        topics.pop()
    return cast("list[tuple[bytes, ...]]", topics)
