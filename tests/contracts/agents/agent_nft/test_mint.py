"""Minting and updating: what an owner may say of his data, and what is kept of it."""

from dataclasses import replace

import boa
import pytest
from eth_utils import keccak

from tests.support.agents import (
    NOBODY,
    URI,
    Piece,
    TokenSite,
    agents_contract,
    entries,
    forms,
    support_contract,
)
from tests.support.refusal import Refused
from tests.support.staking import DAY


def test_mint__two_entries__keeps_three_words_of_each_and_tells_roots(
    site: TokenSite, owner: str
) -> None:
    pieces = (Piece("charter", description="charter"), Piece("memory", description=""))

    token = site.mint(owner, *pieces, threshold=2, royalty=250)

    told = site.nft.get_logs()
    assert token == site.nft.totalSupply() == 1
    assert site.nft.ownerOf(token) == owner
    assert site.nft.entries_of(token) == entries(*pieces)
    assert site.nft.intelligentDataOf(token) == [(one.description, one.data_hash) for one in pieces]
    assert site.nft.data_root(token) == keccak(
        b"".join(part for one in entries(*pieces) for part in one) + (2).to_bytes(32, "big")
    )
    assert site.nft.traits_of(token) == (2, 0, True)
    assert site.nft.epoch_of(token) == (0, boa.env.timestamp)
    assert site.nft.royaltyInfo(token, 10_000) == (owner, 250)
    assert site.nft.tokenURI(token) == f"{URI}1"
    kinds = [type(one).__name__ for one in told]
    assert kinds == ["Transfer", "Rooted", "Rooted", "PublishedSealedKey", "Minted"]
    assert [(one.token, one.content_root) for one in told[1:3]] == [
        (token, piece.roots[0]) for piece in pieces
    ]
    assert list(told[3].sealed_keys) == [piece.sealed_key for piece in pieces]


def test_mint__for_somebody_else__creator_earns_the_royalty(
    site: TokenSite, owner: str, stranger: str, piece: Piece
) -> None:
    token = site.mint(owner, piece, royalty=1_000, creator=stranger)

    assert site.nft.ownerOf(token) == owner
    assert site.nft.royaltyInfo(token, 200) == (stranger, 20)


def test_mint__without_data__is_a_plain_token(site: TokenSite, owner: str, receiver: str) -> None:
    token = site.mint(owner)

    site.nft.transferFrom(owner, receiver, token, sender=owner)

    assert site.nft.ownerOf(token) == receiver
    assert site.nft.epoch_of(token)[0] == 1
    assert site.nft.royaltyInfo(token, 10_000) == (NOBODY, 0)


@pytest.mark.parametrize("threshold", [0, 6])
def test_mint__threshold_out_of_range__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused, threshold: int
) -> None:
    with unmoved("agent_nft: 1 to 5 oracles"):
        site.mint(owner, piece, threshold=threshold)


def test_mint__royalty_over_a_tenth__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("agent_nft: royalty > 10%"):
        site.mint(owner, piece, royalty=1_001)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_mint__lists_of_different_length__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused, missing: int
) -> None:
    site.keep(piece)
    parts = list(forms((piece,)))
    parts[missing] = []

    with unmoved("agent_nft: lengths differ"):
        site.nft.mint(owner, *parts, 3, 0, sender=owner)


def test_defect_7__mint_or_update_without_sealed_key__refused(
    site: TokenSite, owner: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    datas, roots, _ = forms((piece,))

    with unmoved("agent_nft: no sealed key"):
        site.nft.mint(owner, datas, roots, [b""], 3, 0, sender=owner)
    with unmoved("agent_nft: no sealed key"):
        site.nft.update(token, datas, roots, [b""], 0, sender=owner)


@pytest.mark.parametrize("text", ["\x1f", "a\nb", "\x7f", "\u00e9", "x" * 29 + "\u00e9"])
def test_mint__description_that_no_screen_should_show__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused, text: str
) -> None:
    with unmoved("agent_nft: not printable"):
        site.mint(owner, replace(piece, description=text))


def test_mint__longest_description__reads_as_given(
    site: TokenSite, owner: str, piece: Piece
) -> None:
    text = "".join(map(chr, range(0x20, 0x2F))) + " <svg>~" + "0123456 ~"

    token = site.mint(owner, replace(piece, description=text))

    assert site.nft.intelligentDataOf(token)[0].dataDescription == text
    assert len(text) == 31


@pytest.mark.parametrize("state", [0, 1, 2, 8, 16, 32, 64])
def test_defect_8__file_that_storage_does_not_keep__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused, state: int
) -> None:
    site.keep(piece, state=state)

    with unmoved("agent_nft: file is not kept"):
        site.nft.mint(owner, *forms((piece,)), 3, 0, sender=owner)


def test_defect_8__lease_that_has_ended__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused
) -> None:
    site.keep(piece, days=1)
    boa.env.time_travel(seconds=DAY)

    with unmoved("agent_nft: file is not kept"):
        site.nft.mint(owner, *forms((piece,)), 3, 0, sender=owner)


def test_defect_8__hash_of_another_file__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused
) -> None:
    site.keep(piece)
    _, roots, keys = forms((piece,))

    with unmoved("agent_nft: file is not kept"):
        site.nft.mint(owner, [("x", piece.word("another"))], roots, keys, 3, 0, sender=owner)


def test_mint__receiver_that_takes_no_tokens__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused
) -> None:
    wallet = support_contract("agents_locker").deploy(False)

    with unmoved("erc721: transfer to non-IERC721Receiver implementer"):
        site.mint(wallet.address, piece, creator=owner)


def test_mint__to_nobody__refused(
    site: TokenSite, owner: str, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("erc721: mint to the zero address"):
        site.mint(NOBODY, piece, creator=owner)


def test_update__new_data__replaces_entries_and_tells_keys(
    site: TokenSite, owner: str, token: int, piece: Piece
) -> None:
    later = (piece.next(), Piece("skills"))
    for one in later:
        site.keep(one)

    site.nft.update(token, *forms(later), 5, sender=owner)

    told = [type(one).__name__ for one in site.nft.get_logs()]
    assert told == ["Rooted", "Rooted", "PublishedSealedKey", "MetadataUpdate"]
    assert site.nft.entries_of(token) == entries(*later)
    assert site.nft.traits_of(token)[0] == 5
    assert site.nft.epoch_of(token)[0] == 0


def test_update__threshold_zero__stays(
    site: TokenSite, owner: str, token: int, piece: Piece
) -> None:
    site.keep(piece.next())

    site.nft.update(token, *forms((piece.next(),)), 0, sender=owner)

    assert site.nft.traits_of(token)[0] == 3


def test_update__fewer_entries__the_rest_is_gone(site: TokenSite, owner: str) -> None:
    token = site.mint(owner, Piece("a"), Piece("b"))

    site.nft.update(token, *forms((Piece("a"),)), 0, sender=owner)

    assert site.nft.entries_of(token) == entries(Piece("a"))


def test_update__no_data__refused(
    site: TokenSite, owner: str, token: int, unmoved: Refused
) -> None:
    with unmoved("agent_nft: no data"):
        site.nft.update(token, [], [], [], 0, sender=owner)


def test_update__by_a_stranger_or_an_approved_account__refused(
    site: TokenSite, owner: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.nft.approve(stranger, token, sender=owner)

    with unmoved("agent_nft: not its owner"):
        site.nft.update(token, *forms((piece,)), 0, sender=stranger)


def test_inv_agt_9__update_of_a_locked_token__refused(
    site: TokenSite, owner: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.keep(piece.next())
    site.lock(token)

    with unmoved("agent_nft: locked"):
        site.nft.update(token, *forms((piece.next(),)), 0, sender=owner)


def test_deploy__verifier_or_storage_that_is_no_contract__refused(
    site: TokenSite, stranger: str
) -> None:
    deployer = agents_contract("AgentNFT")

    for pair in ((stranger, site.verifier), (site.verifier, stranger)):
        with boa.reverts():
            deployer.deploy(*pair, site.governance, URI)


def test_wire__by_a_stranger_or_again__refused(
    site: TokenSite, stranger: str, unmoved: Refused
) -> None:
    for sender in (stranger, site.governance):
        with unmoved("agent_nft: governance, once"):
            site.nft.wire(site.locker, site.locker, sender=sender)
