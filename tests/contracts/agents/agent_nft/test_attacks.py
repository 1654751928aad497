"""What can go wrong with a token's own account, hostile text, and receivers that are contracts."""

import boa
import pytest

from tests.support.agent_accounts import bring_registry, open_account
from tests.support.agents import Piece, TokenSite, a_proof, forms, support_contract
from tests.support.refusal import Refused


@pytest.mark.parametrize("is_made", [False, True])
def test_mint__to_what_will_be_its_own_account__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused, is_made: bool
) -> None:
    """Its address is known beforehand, and anybody can make it: nobody could act for it again."""
    account = site.nft.account_of(site.nft.totalSupply() + 1)
    if is_made:
        bring_registry()
        made = open_account(site.account, site.nft, site.nft.totalSupply() + 1)
        assert made.address == account
    site.keep(piece)

    for pieces in ((), (piece,)):
        with unmoved("agent_nft: its own account"):
            site.nft.mint(account, *forms(pieces), 3, 0, sender=owner)


def test_mint__to_another_tokens_account__taken(site: TokenSite, owner: str, plain: int) -> None:
    second = site.nft.mint(site.nft.account_of(plain), [], [], [], 3, 0, sender=owner)

    assert site.nft.ownerOf(second) == site.nft.account_of(plain)


@pytest.mark.parametrize(
    "text",
    [
        "<svg onload=alert(1)>",
        "javascript:alert(1)",
        "https://evil.example/?id=1",
        "'; DROP TABLE agents; --",
        "{{7*7}} ${7*7} `id`",
    ],
)
def test_description__hostile_but_printable__comes_back_as_it_was_and_nothing_more(
    site: TokenSite, owner: str, text: str
) -> None:
    """It is text: whoever shows it has to escape it. The token's URI never holds it."""
    token = site.mint(owner, Piece("x", description=text))

    assert site.nft.intelligentDataOf(token)[0][0] == text
    assert site.nft.tokenURI(token) == f"apogee:agent:{token}"


@pytest.mark.parametrize("text", ["a\nb", "a\x00b", "\x7f", "\x1b[2J"])
def test_description__control_characters__refused(
    site: TokenSite, owner: str, unmoved: Refused, text: str
) -> None:
    piece = Piece("x", description=text)
    site.keep(piece)

    with unmoved("agent_nft: not printable"):
        site.nft.mint(owner, *forms((piece,)), 3, 0, sender=owner)


def test_safe_transfer__receiver_reverts_or_has_no_answer__refused(
    site: TokenSite, owner: str, plain: int
) -> None:
    rude = support_contract("market_party").deploy()
    deaf = support_contract("agents_locker").deploy(False)
    for receiver in (rude, deaf):
        for data in ((), (b"memo",)):
            with boa.reverts():
                site.nft.safeTransferFrom(owner, receiver.address, plain, *data, sender=owner)
            assert site.nft.ownerOf(plain) == owner
            assert site.nft.epoch_of(plain)[0] == 0

    site.nft.transferFrom(owner, deaf.address, plain, sender=owner)

    assert site.nft.ownerOf(plain) == deaf.address


def test_receiver__hands_the_token_on_in_its_own_callback__shut_out(
    site: TokenSite, owner: str, stranger: str, plain: int
) -> None:
    wallet = support_contract("agents_locker").deploy(True)
    for call in (
        site.nft.transferFrom.prepare_calldata(wallet.address, stranger, plain),
        site.nft.approve.prepare_calldata(stranger, plain),
        site.nft.lock.prepare_calldata(plain, boa.env.timestamp + 60),
        site.nft.authorizeUsage.prepare_calldata(plain, stranger),
    ):
        with boa.env.anchor():
            wallet.plan(site.nft.address, call)
            site.nft.safeTransferFrom(owner, wallet.address, plain, sender=owner)
            assert not wallet.reply()
            assert site.nft.ownerOf(plain) == wallet.address


def test_transfer__of_a_token_to_its_owner_again__ends_what_was_granted(
    site: TokenSite, owner: str, stranger: str, token: int, piece: Piece
) -> None:
    """He may: a way to be rid of every user, lease and session in one act."""
    site.nft.authorizeUsage(token, stranger, sender=owner)

    site.nft.iTransfer(owner, token, [a_proof(piece, piece.next())], sender=owner)

    assert site.nft.ownerOf(token) == owner
    assert site.nft.balanceOf(owner) == 1
    assert site.nft.authorizedUsersOf(token) == []
    assert site.nft.epoch_of(token)[0] == 1
