"""Accounts that belong to tokens: the ERC-6551 registry, and the addresses it gives.

proxy    45 bytes of ERC-1167 with the implementation || salt 32 || chain id 32 || collection 32
         || token id 32: 173 bytes. Its address is CREATE2 by the registry with the same salt.
The registry is the ERC's own deployment transaction: the bytes below give its address.
Source: https://eips.ethereum.org/EIPS/eip-6551 (CC0).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from offchain.chain.deterministic import deploy_at
from offchain.chain.model import Address, TypedCall, parse_address
from offchain.chain.ports import Chain
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak
from offchain.core.typed_data import words

REGISTRY: Final = parse_address("0x000000006551c19487814612e58FE06813775758")
REGISTRY_SALT: Final = bytes.fromhex(
    "0000000000000000000000000000000000000000fd8eb4e1dca713016c518e31"
)
REGISTRY_CODE: Final = bytes.fromhex(
    "608060405234801561001057600080fd5b5061023b806100206000396000f3fe6080604052348015"
    "61001057600080fd5b50600436106100365760003560e01c8063246a00211461003b5780638a54c5"
    "2f1461006a575b600080fd5b61004e6100493660046101b7565b61007d565b6040516001600160a0"
    "1b03909116815260200160405180910390f35b61004e6100783660046101b7565b6100e1565b6000"
    "60806024608c376e5af43d82803e903d91602b57fd5bf3606c5285605d52733d60ad80600a3d3981"
    "f3363d3d373d3d3d363d7360495260ff60005360b76055206035523060601b600152846015526055"
    "60002060601b60601c60005260206000f35b600060806024608c376e5af43d82803e903d91602b57"
    "fd5bf3606c5285605d52733d60ad80600a3d3981f3363d3d373d3d3d363d7360495260ff60005360"
    "b76055206035523060601b600152846015526055600020803b61018b578560b760556000f5806101"
    "57576320188a596000526004601cfd5b80606c52508284887f79f19b3655ee38b1ce526556b7731a"
    "20c8f218fbda4a3990b6cc4172fdf887226060606ca46020606cf35b8060601b60601c6000526020"
    "6000f35b80356001600160a01b03811681146101b257600080fd5b919050565b600080600080600060"
    "a086880312156101cf57600080fd5b6101d88661019b565b945060208601359350604086013592"
    "506101f46060870161019b565b94979396509194608001359291505056fea26469706673582212"
    "20ea2fe53af507453c64dd7c1db05549fa47a298dfb825d6d11e1689856135f16764736f6c6343"
    "0008110033"
)
CREATE_ACCOUNT: Final = keccak(b"createAccount(address,bytes32,uint256,address,uint256)")[:4]
NO_SALT: Final = bytes(32)
_ERC1167_HEAD: Final = bytes.fromhex("363d3d373d3d3d363d73")
_ERC1167_TAIL: Final = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_CREATION_HEAD: Final = bytes.fromhex("3d60ad80600a3d3981f3")


class RegistryElsewhere(Corrupt):
    """The registry's bytes do not give its one address."""

    code = "chain.registry_elsewhere"


@dataclass(frozen=True, slots=True)
class BoundToken:
    """The token an account belongs to."""

    chain_id: int
    collection: Address
    token: int


def proxy_code(implementation: Address, bound: BoundToken, salt: bytes = NO_SALT) -> bytes:
    """The code of an account: the implementation's proxy and the token it belongs to."""
    tail = words(salt, bound.chain_id, bound.collection, bound.token)
    return _ERC1167_HEAD + implementation + _ERC1167_TAIL + tail


def account_address(implementation: Address, bound: BoundToken, salt: bytes = NO_SALT) -> Address:
    """The account of a token, created or not."""
    creation = _CREATION_HEAD + proxy_code(implementation, bound, salt)
    return Address(keccak(b"\xff", REGISTRY, salt, keccak(creation))[12:])


def create_account(implementation: Address, bound: BoundToken, salt: bytes = NO_SALT) -> TypedCall:
    """Create a token's account; anyone may, and a second time does nothing."""
    fields = words(implementation, salt, bound.chain_id, bound.collection, bound.token)
    return TypedCall(
        to=REGISTRY,
        data=CREATE_ACCOUNT + fields,
        value_wei=0,
        contract="ERC6551Registry",
        function="createAccount",
    )


def bring_registry(
    chain: Chain, sender: TransactionSender, *, pause: Callable[[], None]
) -> Address:
    """Have the registry on a chain. Raises: as deterministic.deploy_at, RegistryElsewhere."""
    found = deploy_at(chain, sender, REGISTRY_SALT, REGISTRY_CODE, pause)
    if found != REGISTRY:
        raise RegistryElsewhere(address=found.hex())
    return found
