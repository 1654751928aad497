"""A market holds a token still, prepares, finishes or lets it go; a lock lapses by itself."""

import boa
import pytest

from tests.support.agents import NO_KEY, NOBODY, Piece, TokenSite, a_proof, entries, forms
from tests.support.refusal import Refused

DAY = 86_400
KEY_HASH = b"\x07" * 32


def test_lock__approved_contract__holds_until_then(site: TokenSite, owner: str, token: int) -> None:
    until = site.lock(token, seconds=2 * DAY)

    assert site.nft.lock_of(token) == (site.locker.address, until)
    boa.env.time_travel(seconds=2 * DAY - 1)
    assert site.nft.is_locked(token)
    boa.env.time_travel(seconds=1)
    assert not site.nft.is_locked(token)
    assert site.nft.lock_of(token) == (NOBODY, 0)


def test_lock__operator_of_all__may_lock(site: TokenSite, owner: str, token: int) -> None:
    site.nft.setApprovalForAll(site.locker, True, sender=owner)

    site.by(site.locker, "lock", token, boa.env.timestamp + 60)

    assert site.nft.is_locked(token)


def test_lock__account_or_contract_without_leave__refused(
    site: TokenSite, owner: str, stranger: str, token: int, unmoved: Refused
) -> None:
    soon = boa.env.timestamp + 60

    with unmoved("agent_nft: not approved"):
        site.by(site.locker, "lock", token, soon)
    site.nft.approve(stranger, token, sender=owner)
    for sender in (stranger, owner):
        with unmoved("agent_nft: not approved"):
            site.nft.lock(token, soon, sender=sender)


@pytest.mark.parametrize("seconds", [0, 2 * DAY + 1])
def test_lock__too_short_or_long__refused(
    site: TokenSite, owner: str, token: int, unmoved: Refused, seconds: int
) -> None:
    site.nft.approve(site.locker, token, sender=owner)

    with unmoved("agent_nft: 48 hours at most"):
        site.by(site.locker, "lock", token, boa.env.timestamp + seconds)


def test_lock__again_by_anybody__refused(
    site: TokenSite, owner: str, token: int, unmoved: Refused
) -> None:
    site.nft.setApprovalForAll(site.account, True, sender=owner)
    site.lock(token)

    for contract in (site.locker, site.account):
        with unmoved("agent_nft: locked"):
            site.by(contract, "lock", token, boa.env.timestamp + 60)


def test_inv_agt_10__locked_token__nothing_of_it_changes(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    nft, later = site.nft, piece.next()
    site.keep(later)
    nft.authorizeUsage(token, receiver, sender=owner)
    site.lock(token)

    for act in (
        lambda: nft.iTransfer(receiver, token, [a_proof(piece, later)], sender=owner),
        lambda: nft.iClone(receiver, token, [a_proof(piece, later)], sender=owner),
        lambda: nft.authorizeUsage(token, receiver, sender=owner),
        lambda: nft.authorizeUsageUntil(token, receiver, 2**40, sender=owner),
        lambda: nft.revokeAuthorization(token, receiver, sender=owner),
        lambda: nft.update(token, *forms((later,)), 0, sender=owner),
        lambda: site.by(site.leases, "authorizeUsageUntil", token, receiver, 2**40),
        lambda: site.by(
            site.leases,
            "clone_for",
            token,
            receiver,
            KEY_HASH,
            0,
            True,
            [a_proof(piece, later)],
        ),
    ):
        with unmoved("agent_nft: locked"):
            act()


def test_locked_token__approved_contract_that_never_lets_go__loses_its_leave(
    site: TokenSite, owner: str, token: int, unmoved: Refused
) -> None:
    """It could lock anew in the very moment that its lock lapses, for ever."""
    until = site.lock(token, seconds=48 * 3_600)

    site.nft.approve(NOBODY, token, sender=owner)
    boa.env.timestamp = until

    with unmoved("agent_nft: not approved"):
        site.by(site.locker, "lock", token, until + 60)
    assert not site.nft.is_locked(token)


def test_locked_token__approved_for_all_meanwhile__moves_nothing(
    site: TokenSite, owner: str, receiver: str, stranger: str, token: int, piece: Piece
) -> None:
    later = piece.next()
    site.lock(token)
    site.nft.approve(stranger, token, sender=owner)
    site.nft.setApprovalForAll(stranger, True, sender=owner)

    with boa.reverts("agent_nft: locked"):
        site.nft.iTransfer(stranger, token, [a_proof(piece, later)], sender=stranger)
    site.by(site.locker, "prepare", token, receiver, KEY_HASH, [a_proof(piece, later)], True)

    assert site.nft.getApproved(token) == NOBODY
    assert site.nft.ownerOf(token) == receiver
    with boa.reverts("agent_nft: not approved"):
        site.nft.iTransfer(stranger, token, [a_proof(later, later.next())], sender=stranger)


def test_locked_token__lease_that_ends__ends(site: TokenSite, receiver: str, token: int) -> None:
    site.by(site.leases, "authorizeUsageUntil", token, receiver, 2**40)
    site.lock(token)

    site.by(site.leases, "authorizeUsageUntil", token, receiver, boa.env.timestamp)

    assert site.nft.authorizedUsersOf(token) == []


def test_inv_agt_10__locked_plain_token__does_not_move(
    site: TokenSite, owner: str, receiver: str, plain: int, unmoved: Refused
) -> None:
    site.lock(plain)

    with unmoved("agent_nft: locked"):
        site.nft.transferFrom(owner, receiver, plain, sender=owner)


def test_prepare_and_finish__delivery__moves_only_at_the_end(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece
) -> None:
    later = piece.next()
    site.lock(token)

    site.by(site.locker, "prepare", token, receiver, KEY_HASH, [a_proof(piece, later)], False)

    assert site.verifier.context() == (token, 0, 1, receiver, 3, KEY_HASH)
    assert site.nft.ownerOf(token) == owner
    assert site.nft.entries_of(token) == entries(piece)
    assert site.nft.is_locked(token)

    site.by(site.locker, "finish", token, receiver, entries(later))

    assert site.nft.ownerOf(token) == receiver
    assert site.nft.entries_of(token) == entries(later)
    assert site.nft.epoch_of(token)[0] == 1
    assert site.nft.lock_of(token) == (NOBODY, 0)
    assert site.nft.getApproved(token) == NOBODY


def test_prepare__at_once__moves_in_one_call(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece
) -> None:
    later = piece.next()
    site.lock(token)

    site.by(site.locker, "prepare", token, receiver, KEY_HASH, [a_proof(piece, later)], True)

    assert site.nft.ownerOf(token) == receiver
    assert site.nft.entries_of(token) == entries(later)
    assert not site.nft.is_locked(token)


def test_prepare__plain_token_in_a_market__needs_no_proofs(
    site: TokenSite, owner: str, receiver: str, plain: int
) -> None:
    site.lock(plain)

    site.by(site.locker, "prepare", plain, receiver, NO_KEY, [], True)

    assert site.nft.ownerOf(plain) == receiver


def test_finish__other_receiver_or_data_than_prepared__refused(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    later = piece.next()
    site.lock(token)
    with unmoved("agent_nft: not prepared"):
        site.by(site.locker, "finish", token, receiver, entries(later))
    site.by(site.locker, "prepare", token, receiver, KEY_HASH, [a_proof(piece, later)], False)

    for arguments in ((owner, entries(later)), (receiver, entries(piece)), (receiver, [])):
        with unmoved("agent_nft: not prepared"):
            site.by(site.locker, "finish", token, *arguments)


def test_locker_calls__by_others__refused(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    proofs = [a_proof(piece, piece.next())]
    site.lock(token)

    for sender in (owner, receiver):
        for act in (
            lambda sender=sender: site.nft.prepare(
                token, receiver, KEY_HASH, proofs, False, sender=sender
            ),
            lambda sender=sender: site.nft.finish(token, receiver, [], sender=sender),
            lambda sender=sender: site.nft.abort(token, sender=sender),
        ):
            with unmoved("agent_nft: not the locker"):
                act()


def test_abort__by_the_locker__leaves_everything_with_the_owner(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece
) -> None:
    later = piece.next()
    site.lock(token)
    site.by(site.locker, "prepare", token, receiver, KEY_HASH, [a_proof(piece, later)], False)

    site.by(site.locker, "abort", token)

    assert site.nft.ownerOf(token) == owner
    assert site.nft.entries_of(token) == entries(piece)
    assert not site.nft.is_locked(token)
    assert site.nft.epoch_of(token)[0] == 0


def test_lapsed_lock__what_was_prepared__is_dead_also_after_a_new_lock(
    site: TokenSite, owner: str, receiver: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    later = piece.next()
    site.lock(token)
    site.by(site.locker, "prepare", token, receiver, KEY_HASH, [a_proof(piece, later)], False)
    boa.env.time_travel(seconds=3_600)

    with unmoved("agent_nft: not the locker"):
        site.by(site.locker, "finish", token, receiver, entries(later))
    site.lock(token)
    with unmoved("agent_nft: not prepared"):
        site.by(site.locker, "finish", token, receiver, entries(later))


def test_prepare__receiver_that_is_its_own_account__refused(
    site: TokenSite, owner: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.lock(token)

    with unmoved("agent_nft: its own account"):
        site.by(
            site.locker,
            "prepare",
            token,
            site.nft.account_of(token),
            KEY_HASH,
            [a_proof(piece, piece.next())],
            False,
        )
