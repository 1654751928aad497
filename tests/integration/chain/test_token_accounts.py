"""The public registry of token accounts comes to its one address on every chain."""

import pytest

from offchain.chain import deterministic, token_accounts
from offchain.chain.model import Address, Call
from offchain.chain.node import Node
from offchain.chain.ports import Transport
from offchain.chain.sender import TransactionSender
from offchain.chain.token_accounts import BoundToken, account_address, bring_registry
from offchain.core.hashing import keccak
from offchain.core.typed_data import words

IMPLEMENTATION = Address(keccak(b"implementation")[12:])
COLLECTION = Address(keccak(b"collection")[12:])


def test_registry__brought_twice__one_address_and_the_public_code(
    node: Node, sender: TransactionSender, transport: Transport
) -> None:
    pauses: list[None] = []

    first = bring_registry(node, sender, pause=lambda: pauses.append(None))
    sent = node.nonce(sender.account)
    again = bring_registry(node, sender, pause=lambda: pauses.append(None))

    assert first == again == token_accounts.REGISTRY
    assert node.nonce(sender.account) == sent  # the second time sends nothing
    head = node.block().hash
    assert deterministic.has_code(node, deterministic.DEPLOYER, at=head)
    assert node.code(first, at=head) == token_accounts.REGISTRY_CODE[32:]


def test_account__created__address_and_code_are_those_computed(
    node: Node, sender: TransactionSender
) -> None:
    bring_registry(node, sender, pause=lambda: None)
    bound = BoundToken(node.chain_id(), COLLECTION, 7)
    wanted = account_address(IMPLEMENTATION, bound)
    asked = keccak(b"account(address,bytes32,uint256,address,uint256)")[:4]
    fields = words(IMPLEMENTATION, bytes(32), bound.chain_id, COLLECTION, 7)

    sender.execute(token_accounts.create_account(IMPLEMENTATION, bound), key="account of 7")

    head = node.block().hash
    told = node.calls([Call(token_accounts.REGISTRY, asked + fields)], at=head)[0]
    assert told[12:] == wanted
    code = node.code(wanted, at=head)
    assert code == token_accounts.proxy_code(IMPLEMENTATION, bound)
    assert len(code) == 173


def test_address__bytes_of_another_registry__another_address() -> None:
    other = token_accounts.REGISTRY_CODE[:-1] + b"\0"

    assert deterministic.address_of(token_accounts.REGISTRY_SALT, other) != token_accounts.REGISTRY


@pytest.mark.parametrize("field", ["chain", "collection", "token", "implementation", "salt"])
def test_account__another_field__another_address(field: str) -> None:
    bound = BoundToken(1, COLLECTION, 1)
    plain = account_address(IMPLEMENTATION, bound)

    match field:
        case "chain":
            other = account_address(IMPLEMENTATION, BoundToken(2, COLLECTION, 1))
        case "collection":
            other = account_address(IMPLEMENTATION, BoundToken(1, IMPLEMENTATION, 1))
        case "token":
            other = account_address(IMPLEMENTATION, BoundToken(1, COLLECTION, 2))
        case "implementation":
            other = account_address(COLLECTION, bound)
        case _:
            other = account_address(IMPLEMENTATION, bound, bytes(31) + b"\1")

    assert plain != other
