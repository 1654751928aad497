"""Where the contracts of a network are: deployments/<network>.json, the only place with addresses.

{"network": str, "chain_id": int, "contracts": {name: {"address": EIP-55, "block_number": int,
"transaction_hash": hex, "constructor_args": [...], "integrity": hex, "layout_hash": hex}}}
Constructor arguments are JSON: integers as decimal text, bytes and addresses as 0x hex, lists.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from offchain.chain.contract_abi import artifact
from offchain.chain.errors import DeploymentMismatch, NotDeployed
from offchain.chain.model import (
    HASH_BYTES,
    Address,
    BlockRef,
    TransactionHash,
    parse_address,
    show_address,
)
from offchain.chain.ports import ChainReader
from offchain.core.errors import ApogeeError
from offchain.core.units import BlockNumber


@dataclass(frozen=True, slots=True)
class Deployment:
    """One contract where it lives; `integrity` is the compiler's hash over its sources."""

    name: str
    address: Address
    block_number: BlockNumber
    transaction_hash: TransactionHash
    constructor_args: tuple[Any, ...]
    integrity: str
    layout_hash: str


@dataclass(frozen=True, slots=True)
class Deployments:
    """All contracts of one network."""

    network: str
    chain_id: int
    contracts: Mapping[str, Deployment] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, name: str) -> Deployment:
        """Raises: NotDeployed."""
        if name not in self.contracts:
            raise NotDeployed(contract=name, network=self.network)
        return self.contracts[name]

    def address_of(self, name: str) -> Address:
        """Raises: NotDeployed."""
        return self.of(name).address

    def first_block(self) -> BlockNumber:
        """Where events of these contracts can begin."""
        return min((one.block_number for one in self.contracts.values()), default=BlockNumber(0))

    def including(self, *added: Deployment) -> "Deployments":
        """The same network with more, or replaced, contracts."""
        contracts = {**self.contracts, **{one.name: one for one in added}}
        return Deployments(self.network, self.chain_id, MappingProxyType(contracts))


def load_deployments(path: Path) -> Deployments:
    """Raises: NotDeployed when there is no file, DeploymentMismatch when it cannot be read."""
    try:
        body = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise NotDeployed(file=path.name) from error
    except (OSError, ValueError) as error:
        raise DeploymentMismatch(file=path.name, reason=str(error)) from error
    try:
        contracts = {name: _parse(name, entry) for name, entry in body["contracts"].items()}
        return Deployments(str(body["network"]), int(body["chain_id"]), MappingProxyType(contracts))
    except (KeyError, TypeError, ValueError, AttributeError, ApogeeError) as error:
        raise DeploymentMismatch(
            file=path.name, reason=f"{type(error).__name__}: {error}"
        ) from error


def save_deployments(path: Path, deployments: Deployments) -> None:
    """Write the file whole or not at all: written beside, synced, renamed."""
    body = {
        "network": deployments.network,
        "chain_id": deployments.chain_id,
        "contracts": {name: _show(one) for name, one in sorted(deployments.contracts.items())},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    with beside.open("w") as file:
        file.write(json.dumps(body, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def verify_deployments(deployments: Deployments, reader: ChainReader, *, at: BlockRef) -> None:
    """Compare the file with the chain and with the ABIs in this tree.

    Raises: DeploymentMismatch on another chain id, an address without code, code that is shorter
    than what was compiled, or sources that are not the ones deployed.
    """
    chain_id = reader.chain_id()
    if chain_id != deployments.chain_id:
        raise DeploymentMismatch(reason="chain id", wanted=deployments.chain_id, found=chain_id)
    for name, one in deployments.contracts.items():
        built = artifact(name)
        for what, wanted, found in (
            ("integrity", built.integrity, one.integrity),
            ("layout_hash", built.layout_hash, one.layout_hash),
        ):
            if wanted != found:
                raise DeploymentMismatch(reason=what, contract=name, wanted=wanted, found=found)
        size = len(reader.code(one.address, at=at))
        # Immutables are appended to the runtime code, so the chain's is at least as long.
        if size < built.runtime_bytes:
            raise DeploymentMismatch(
                reason="code size", contract=name, wanted=built.runtime_bytes, found=size
            )


def show_argument(value: Any) -> Any:
    """A constructor argument as JSON."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return show_address(value) if len(value) == 20 else "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [show_argument(one) for one in value]
    return value


def _parse(name: str, entry: Mapping[str, Any]) -> Deployment:
    transaction = bytes.fromhex(entry["transaction_hash"].removeprefix("0x"))
    if len(transaction) != HASH_BYTES:
        raise DeploymentMismatch(contract=name, reason="transaction hash")
    return Deployment(
        name=name,
        address=parse_address(str(entry["address"])),
        block_number=BlockNumber(int(entry["block_number"])),
        transaction_hash=TransactionHash(transaction),
        constructor_args=tuple(entry["constructor_args"]),
        integrity=str(entry["integrity"]),
        layout_hash=str(entry["layout_hash"]),
    )


def _show(one: Deployment) -> dict[str, Any]:
    return {
        "address": show_address(one.address),
        "block_number": one.block_number,
        "transaction_hash": "0x" + one.transaction_hash.hex(),
        "constructor_args": show_argument(one.constructor_args),
        "integrity": one.integrity,
        "layout_hash": one.layout_hash,
    }
