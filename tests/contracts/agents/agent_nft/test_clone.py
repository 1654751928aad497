"""Clones: by an owner, or under a licence through AgentLeases; royalties follow them."""

import boa

from tests.support.agents import NO_KEY, NOBODY, Piece, TokenSite, a_proof, entries
from tests.support.refusal import Refused

KEY_HASH = b"\x07" * 32
CLONE = 2


def licensed(
    site: TokenSite, token: int, to: str, piece: Piece, *, bps: int = 700, again: bool = False
) -> int:
    """A clone as AgentLeases orders it; its id."""
    proofs = [a_proof(piece, piece.next())]
    site.by(site.leases, "clone_for", token, to, KEY_HASH, bps, again, proofs)
    return int(site.nft.totalSupply())


def test_i_clone__by_the_owner__new_token_with_its_own_data(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece
) -> None:
    later = piece.next()

    clone = site.nft.iClone(receiver, token, [a_proof(piece, later)], sender=owner)

    told = site.nft.get_logs()
    assert (site.nft.ownerOf(token), site.nft.ownerOf(clone)) == (owner, receiver)
    assert site.nft.entries_of(token) == entries(piece)
    assert site.nft.entries_of(clone) == entries(later)
    assert site.nft.intelligentDataOf(clone)[0].dataDescription == piece.description
    assert site.nft.traits_of(clone) == (3, token, True)
    assert site.nft.epoch_of(clone) == (0, boa.env.timestamp)
    assert site.nft.epoch_of(token)[0] == 0
    assert site.verifier.context() == (token, 0, CLONE, receiver, 3, NO_KEY)
    kinds = [type(one).__name__ for one in told]
    assert kinds == ["Rooted", "PublishedSealedKey", "Transfer", "Cloned"]
    assert told[1].token == told[3].clone == clone


def test_defect_11__clone_by_an_approved_account__refused(
    site: TokenSite, owner: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.nft.setApprovalForAll(stranger, True, sender=owner)
    site.nft.approve(stranger, token, sender=owner)

    with unmoved("agent_nft: not its owner"):
        site.nft.iClone(stranger, token, [a_proof(piece, piece.next())], sender=stranger)


def test_clone_for__by_anybody_but_leases__refused(
    site: TokenSite, owner: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    proofs = [a_proof(piece, piece.next())]

    for sender in (owner, stranger, site.governance):
        with unmoved("agent_nft: not AgentLeases"):
            site.nft.clone_for(token, sender, KEY_HASH, 0, True, proofs, sender=sender)


def test_i_clone__of_a_clone_whose_licence_forbids_it__refused(
    site: TokenSite, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    clone = licensed(site, token, receiver, piece)
    later = piece.next()

    with unmoved("agent_nft: may not clone"):
        site.nft.iClone(receiver, clone, [a_proof(later, later.next())], sender=receiver)


def test_i_clone__of_a_clone_whose_licence_lets_it__made(
    site: TokenSite, receiver: str, token: int, piece: Piece
) -> None:
    clone = licensed(site, token, receiver, piece, again=True)
    later = piece.next()

    second = site.nft.iClone(receiver, clone, [a_proof(later, later.next())], sender=receiver)

    assert site.nft.traits_of(second) == (3, clone, True)


def test_clone__of_a_token_without_data__refused(
    site: TokenSite, owner: str, plain: int, unmoved: Refused
) -> None:
    with unmoved("agent_nft: no data"):
        site.nft.iClone(owner, plain, [], sender=owner)


def test_clone__to_what_will_be_its_own_account__refused(
    site: TokenSite, owner: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    own = site.nft.account_of(token + 1)

    with unmoved("agent_nft: its own account"):
        site.nft.iClone(own, token, [a_proof(piece, piece.next())], sender=owner)


def test_inv_agt_14__clone_by_an_owner__pays_the_first_creator(
    site: TokenSite, owner: str, receiver: str, stranger: str, piece: Piece
) -> None:
    """Buying an agent and cloning it does not get rid of its creator's royalty."""
    token = site.mint(owner, piece, royalty=400, creator=stranger)
    later = piece.next()

    clone = site.nft.iClone(receiver, token, [a_proof(piece, later)], sender=owner)
    second = site.nft.iClone(owner, clone, [a_proof(later, later.next())], sender=receiver)

    for one in (token, clone, second):
        assert site.nft.royaltyInfo(one, 10_000) == (stranger, 400)


def test_inv_agt_14__licensed_clone__pays_whoever_owns_the_parent(
    site: TokenSite, owner: str, receiver: str, stranger: str, token: int, piece: Piece
) -> None:
    clone = licensed(site, token, receiver, piece, bps=700, again=True)
    later = piece.next()
    second = site.nft.iClone(stranger, clone, [a_proof(later, later.next())], sender=receiver)
    assert site.nft.royaltyInfo(clone, 10_000) == (owner, 700)

    site.nft.iTransfer(stranger, token, [a_proof(piece, piece.next())], sender=owner)

    for one in (clone, second):
        assert site.nft.royaltyInfo(one, 10_000) == (stranger, 700)


def test_royalty_info__no_such_token__nothing(site: TokenSite) -> None:
    assert site.nft.royaltyInfo(9, 10_000) == (NOBODY, 0)
