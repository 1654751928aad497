"""The probe contract on a chain: its client as a domain would write it, compiled and deployed."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from offchain.chain.clock import VirtualClock
from offchain.chain.contract import ContractClient
from offchain.chain.contract_abi import ContractAbi, encode_values, parse_abi
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, BlockRef, TransactionHash, TypedCall
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from offchain.core.errors import ApogeeError, Conflict, Rejected
from offchain.core.units import BlockNumber

SOURCE = Path(__file__).with_name("probe.vy")


class NotAllowed(Rejected):
    """The probe never allows this."""

    code = "probe.not_allowed"


class TooLate(Conflict):
    """The count has passed the limit."""

    code = "probe.too_late"


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Figure:
    owner: Address
    corners: list[Point]
    label: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Bumped:
    who: Address
    key: bytes
    count: int
    note: str


class ProbeClient(ContractClient):
    contract = "Probe"
    reverts: ClassVar[Mapping[str, type[ApogeeError]]] = {
        "probe: not allowed": NotAllowed,
        "probe: too late": TooLate,
    }

    @classmethod
    def interface(cls) -> ContractAbi:
        return parse_abi("Probe", compiled()["abi"])

    def count(self, *, at: BlockRef) -> int:
        return self._read(int, "count", at=at)

    def effects(self, key: bytes, *, at: BlockRef) -> int:
        return self._read(int, "effects", key, at=at)

    def effects_of(self, keys: list[bytes], *, at: BlockRef) -> list[int]:
        return self._read_many(int, "effects", [(key,) for key in keys], at=at)

    def shown(self, *, at: BlockRef) -> Figure:
        return self._read(Figure, "shown", at=at)

    def pair(self, x: int, *, sender: bytes, at: BlockRef) -> tuple[int, Address]:
        return self._read(tuple[int, Address], "pair", x, at=at, sender=sender)

    def refusal(self, kind: int, *, at: BlockRef) -> None:
        self._read(object, "refuse", kind, at=at)

    def bump(self, key: bytes, *, value_wei: int = 0, gas_hint: int | None = None) -> TypedCall:
        return self._build("bump", key, value_wei=value_wei, gas_hint=gas_hint)

    def bump_below(self, key: bytes, limit: int, *, gas_hint: int | None = None) -> TypedCall:
        return self._build("bump_below", key, limit, gas_hint=gas_hint)

    def draw(self, figure: object) -> TypedCall:
        return self._build("draw", figure)

    def refuse(self, kind: int) -> TypedCall:
        return self._build("refuse", kind)

    def add(self, *amounts: int) -> TypedCall:
        return self._build("add", *amounts)


@functools.cache
def compiled() -> dict[str, Any]:
    """ABI and creation code of the probe."""
    from vyper import compile_code

    built = compile_code(SOURCE.read_text(), output_formats=["abi", "bytecode"])
    return {"abi": built["abi"], "bytecode": bytes.fromhex(built["bytecode"].removeprefix("0x"))}


def creation(start: int = 0) -> TypedCall:
    """The call that deploys the probe."""
    abi = ProbeClient.interface()
    data = compiled()["bytecode"] + encode_values("Probe.__init__", abi.constructor, [start])
    return TypedCall(to=None, data=data, value_wei=0, contract="Probe", function="__init__")


def deploy_probe(node: Node, sender: TransactionSender, *, start: int = 0) -> ProbeClient:
    """A fresh probe; its client reads through `node`."""
    receipt = sender.execute(creation(start), key=f"deploy probe {start}")
    assert receipt.contract_address is not None
    return probe_at(node, receipt.contract_address)


def probe_at(node: Node, address: Address) -> ProbeClient:
    """A client of a probe that is there already."""
    one = Deployment("Probe", address, BlockNumber(0), TransactionHash(bytes(32)), (), "", "")
    return ProbeClient(Deployments("test", node.chain_id()).including(one), node)


def an_operator_key(index: int = 1) -> LocalSigner:
    """A key of this test run's own; it owns nothing."""
    return LocalSigner.from_secret(index.to_bytes(32, "big"))


def a_funded_key(index: int = 0) -> LocalSigner:
    """A developer account of the devnet: funded, and known to everybody."""
    from offchain.chain.devnet.genesis import dev_accounts

    return LocalSigner.from_secret(dev_accounts()[index].private_key)


def ticking(node: Node) -> VirtualClock:
    """A clock whose sleepers see a block mined meanwhile."""
    from offchain.chain.ports import Question

    return VirtualClock(1_000_000.0, on_sleep=lambda: node._transport.ask([Question("evm_mine")]))
