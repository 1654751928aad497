"""Tokens with data change hands with proofs alone, and what the old owner granted ends with it."""

import boa
import pytest
from eth_abi import encode
from eth_utils import keccak

from tests.support.agents import (
    NO_KEY,
    NOBODY,
    Piece,
    TokenSite,
    a_proof,
    entries,
    support_contract,
)
from tests.support.refusal import Refused

TRANSFER = 1


def test_i_transfer__proofs_of_each_entry__moves_token_and_data(
    site: TokenSite, owner: str, receiver: str
) -> None:
    old = (Piece("charter"), Piece("memory"))
    new = tuple(one.next() for one in old)
    token = site.mint(owner, *old)
    boa.env.time_travel(seconds=60)

    site.nft.iTransfer(
        receiver, token, [a_proof(*pair) for pair in zip(old, new, strict=True)], sender=owner
    )

    told = site.nft.get_logs()
    assert site.nft.ownerOf(token) == receiver
    assert site.nft.entries_of(token) == entries(*new)
    assert site.nft.epoch_of(token) == (1, boa.env.timestamp)
    assert site.verifier.context() == (token, 0, TRANSFER, receiver, 3, NO_KEY)
    assert [type(one).__name__ for one in told] == [
        "Rooted",
        "Rooted",
        "PublishedSealedKey",
        "Transfer",
        "Transferred",
        "MetadataUpdate",
    ]
    assert told[2].receiver == receiver
    assert list(told[2].sealed_keys) == [one.sealed_key for one in new]
    assert tuple(told[0])[-5:] == (new[0].data_hash, *new[0].roots)
    assert tuple(site.nft.delivery_context()) == (0, 0, 0, NOBODY, 0, NO_KEY)


def test_i_transfer__by_whom_the_owner_approved__moves(
    site: TokenSite, owner: str, receiver: str, stranger: str, token: int, piece: Piece
) -> None:
    site.nft.setApprovalForAll(stranger, True, sender=owner)

    site.nft.iTransfer(receiver, token, [a_proof(piece, piece.next())], sender=stranger)

    assert site.nft.ownerOf(token) == receiver


def test_inv_agt_8__transfer__ends_users_approval_and_epoch(
    site: TokenSite, owner: str, receiver: str, stranger: str, token: int, piece: Piece
) -> None:
    site.nft.authorizeUsage(token, stranger, sender=owner)
    site.by(site.leases, "authorizeUsageUntil", token, receiver, boa.env.timestamp + 900)
    site.nft.approve(stranger, token, sender=owner)

    site.nft.iTransfer(receiver, token, [a_proof(piece, piece.next())], sender=owner)

    assert site.nft.authorizedUsersOf(token) == []
    assert site.nft.authorised_until(token, stranger) == (0, 0)
    assert site.nft.getApproved(token) == NOBODY
    assert site.nft.epoch_of(token)[0] == 1


def test_defect_6__users_after_a_sale_and_back__do_not_come_back(
    site: TokenSite, owner: str, receiver: str, stranger: str, token: int, piece: Piece
) -> None:
    site.nft.authorizeUsage(token, stranger, sender=owner)
    site.nft.authorizeUsage(token, stranger, sender=owner)
    assert site.nft.authorizedUsersOf(token) == [stranger]

    later = piece.next()
    site.nft.iTransfer(receiver, token, [a_proof(piece, later)], sender=owner)
    site.nft.iTransfer(owner, token, [a_proof(later, later.next())], sender=receiver)

    assert site.nft.authorizedUsersOf(token) == []


@pytest.mark.parametrize("how", ["transferFrom", "safeTransferFrom"])
def test_defect_1__inv_agt_1__plain_transfer_of_a_token_with_data__refused(
    site: TokenSite, owner: str, receiver: str, token: int, unmoved: Refused, how: str
) -> None:
    with unmoved("agent_nft: use iTransfer"):
        getattr(site.nft, how)(owner, receiver, token, sender=owner)


def test_defect_13__fewer_or_more_proofs_than_entries__refused(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    for count in (0, 2):
        with unmoved("agent_nft: one proof an entry"):
            site.nft.iTransfer(
                receiver, token, [a_proof(piece, piece.next())] * count, sender=owner
            )


def test_inv_agt_2__proofs_in_another_order__refused(
    site: TokenSite, owner: str, receiver: str, unmoved: Refused
) -> None:
    old = (Piece("charter"), Piece("memory"))
    token = site.mint(owner, *old)
    proofs = [a_proof(one, one.next()) for one in reversed(old)]

    with unmoved("agent_nft: other data"):
        site.nft.iTransfer(receiver, token, proofs, sender=owner)


def test_defect_4__proof_of_an_earlier_epoch__refused(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    proofs = [a_proof(piece, piece.next())]
    site.nft.iTransfer(receiver, token, proofs, sender=owner)

    with unmoved("agent_nft: other data"):
        site.nft.iTransfer(owner, token, proofs, sender=receiver)


def test_defect_10__same_file_again__refused(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("agent_nft: other data"):
        site.nft.iTransfer(receiver, token, [a_proof(piece, piece)], sender=owner)


def test_inv_agt_9__other_content_root_in_the_proof__refused(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    later = piece.next()
    lie = b"".join((piece.word("lie"), *piece.roots[1:], *later.roots[1:]))

    with unmoved("agent_nft: other roots"):
        site.nft.iTransfer(receiver, token, [a_proof(piece, later, roots=lie)], sender=owner)


def test_defect_2__defect_9__verifier_that_refuses__nothing_moves(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.verifier.refuse(True)

    with unmoved("twin: refused"):
        site.nft.iTransfer(receiver, token, [a_proof(piece, piece.next())], sender=owner)


def test_defect_9__verifier__nobody_can_put_another_in_place(site: TokenSite) -> None:
    changing = {
        one["name"]
        for one in site.nft.abi
        if one["type"] == "function" and one["stateMutability"] == "nonpayable"
    }

    assert site.nft.verifier() == site.verifier.address
    assert not any("verifier" in name.lower() for name in changing)
    assert not any(one.get("stateMutability") == "payable" for one in site.nft.abi)


def test_i_transfer__by_a_stranger__refused(
    site: TokenSite, receiver: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("agent_nft: not approved"):
        site.nft.iTransfer(receiver, token, [a_proof(piece, piece.next())], sender=stranger)


def test_i_transfer__to_nobody__refused(
    site: TokenSite, owner: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("erc721: transfer to the zero address"):
        site.nft.iTransfer(NOBODY, token, [a_proof(piece, piece.next())], sender=owner)


def test_transfer_from__naming_another_owner__refused(
    site: TokenSite, owner: str, receiver: str, plain: int, unmoved: Refused
) -> None:
    with unmoved("erc721: transfer from incorrect owner"):
        site.nft.transferFrom(receiver, receiver, plain, sender=owner)


def test_i_transfer__no_such_token__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("erc721: invalid token ID"):
        site.nft.iTransfer(owner, 9, [a_proof(piece, piece.next())], sender=owner)


def test_account__is_where_the_public_registry_puts_it(site: TokenSite, token: int) -> None:
    registry = bytes.fromhex("000000006551c19487814612e58FE06813775758")
    body = encode(
        ["bytes32", "uint256", "address", "uint256"],
        [bytes(32), boa.env.evm.patch.chain_id, site.nft.address, token],
    )
    code = (
        bytes.fromhex("3d60ad80600a3d3981f3363d3d373d3d3d363d73")
        + bytes.fromhex(site.account.address[2:])
        + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
        + body
    )
    expected = keccak(b"\xff" + registry + bytes(32) + keccak(code))[12:]

    assert bytes.fromhex(site.nft.account_of(token)[2:]) == expected


def test_i_transfer__to_its_own_account__refused(
    site: TokenSite, owner: str, token: int, plain: int, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("agent_nft: its own account"):
        site.nft.iTransfer(
            site.nft.account_of(token), token, [a_proof(piece, piece.next())], sender=owner
        )
    with unmoved("agent_nft: its own account"):
        site.nft.transferFrom(owner, site.nft.account_of(plain), plain, sender=owner)


def test_re_entrant_receiver__of_a_plain_token__finds_every_door_shut(
    site: TokenSite, owner: str, plain: int, token: int, piece: Piece
) -> None:
    wallet = support_contract("agents_locker").deploy(True)
    again = site.nft.transferFrom.prepare_calldata(wallet.address, owner, plain)
    wallet.plan(site.nft.address, again)

    site.nft.safeTransferFrom(owner, wallet.address, plain, sender=owner)

    assert not wallet.reply()
    assert site.nft.ownerOf(plain) == wallet.address
    assert site.nft.epoch_of(plain)[0] == 1


def test_re_entrant_creator__while_minting__finds_every_door_shut(
    site: TokenSite, owner: str, piece: Piece
) -> None:
    wallet = support_contract("agents_locker").deploy(True)
    again = site.nft.mint.prepare_calldata(wallet.address, [], [], [], 3, 0)
    wallet.plan(site.nft.address, again)

    site.mint(wallet.address, piece, creator=owner)

    assert not wallet.reply()
    assert site.nft.totalSupply() == 1


def test_delivery__receivers_code_in_the_middle__can_read_and_change_nothing(
    site: TokenSite, owner: str, token: int, piece: Piece
) -> None:
    """The verifier asks a receiver that is a contract for his signature: he may call back."""
    wallet = support_contract("agents_locker").deploy(True)
    for call, allowed in (
        (site.nft.transferFrom.prepare_calldata(owner, wallet.address, token), False),
        (site.nft.approve.prepare_calldata(wallet.address, token), False),
        (site.nft.delivery_context.prepare_calldata(), True),
        (site.nft.ownerOf.prepare_calldata(token), True),
    ):
        with boa.env.anchor():
            site.verifier.set_hook(site.nft.address, call)
            site.nft.iTransfer(wallet.address, token, [a_proof(piece, piece.next())], sender=owner)
            assert allowed == site.verifier.hook_succeeded()
            assert site.nft.ownerOf(token) == wallet.address


def test_i_transfer__wallet_that_takes_no_tokens__is_not_asked(
    site: TokenSite, owner: str, token: int, piece: Piece
) -> None:
    """He agreed by his access proof; a receiver that reverts cannot stop a delivery."""
    wallet = support_contract("agents_locker").deploy(False)

    site.nft.iTransfer(wallet.address, token, [a_proof(piece, piece.next())], sender=owner)

    assert site.nft.ownerOf(token) == wallet.address


def test_delegate_access__named__reads_back_and_ends(
    site: TokenSite, receiver: str, stranger: str
) -> None:
    site.nft.delegateAccess(stranger, sender=receiver)
    assert site.nft.getDelegateAccess(receiver) == stranger

    site.nft.delegateAccess(NOBODY, sender=receiver)

    assert site.nft.getDelegateAccess(receiver) == NOBODY
