"""Clones under a licence: paid for once delivered, refunded otherwise, royalties to ancestors."""

import boa
import pytest

from tests.support.agents import Piece
from tests.support.agents_leases import DELIVER, FEE, KEY, OBJECT, LeaseSite
from tests.support.refusal import Refused
from tests.support.staking import a_wallet


def test_clone__ordered_delivered_confirmed__owner_and_creator_are_paid(
    site: LeaseSite, owner: str, creator: str, buyer: str, token: int, piece: Piece
) -> None:
    site.license(token)
    order = site.order(token, buyer)

    clone, _ = site.deliver(order, piece, by=owner)
    site.leases.settle_clone(order, sender=buyer)

    assert site.nft.ownerOf(clone) == buyer
    assert site.nft.traits_of(clone) == (3, token, True)
    assert site.nft.royaltyInfo(clone, 100) == (owner, 7)
    assert site.credit(creator) == FEE // 20
    assert site.credit(owner) == FEE - FEE // 20
    assert site.leases.clones_of(token) == 1
    assert bytes(site.tokens.verifier.context().key_hash) == bytes(
        site.leases.order(order).key_hash
    )


def test_inv_agt_14__clone_of_clones__three_ancestors_are_paid(
    site: LeaseSite, owner: str, creator: str, buyer: str, token: int, piece: Piece
) -> None:
    site.license(token)
    first, _ = site.deliver(site.order(token, buyer), piece, by=buyer)
    site.license(first, royalty_bps=1_000)
    second_piece = Piece(piece.label, piece.turn + 2)
    last = a_wallet("last buyer")
    order = site.order(first, last)

    site.deliver(order, second_piece, by=last)
    site.leases.settle_clone(order, sender=last)

    to_owner, to_creator = FEE * 700 // 10_000, FEE * 500 // 10_000
    assert site.credit(owner) == to_owner
    assert site.credit(creator) == to_creator
    assert site.credit(buyer) == FEE - to_owner - to_creator


def test_settle__silent_buyer__after_his_time_by_anybody(
    site: LeaseSite, owner: str, buyer: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    site.deliver(order, piece, by=owner)

    with unmoved("leases: buyer's time runs"):
        site.leases.settle_clone(order, sender=owner)
    boa.env.time_travel(seconds=OBJECT)
    site.leases.settle_clone(order, sender=owner)

    assert site.credit(owner) == FEE - FEE // 20


def test_refund__not_delivered_in_time__buyer_and_licence_get_back(
    site: LeaseSite, buyer: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    with unmoved("leases: may still come"):
        site.leases.refund_clone(order)
    boa.env.time_travel(seconds=DELIVER)
    with unmoved("leases: too late"):
        site.deliver(order, piece, by=buyer)

    site.leases.refund_clone(order)

    assert site.credit(buyer) == FEE
    assert site.leases.clones_of(token) == 0


def test_refund__token_moved_before_delivery__at_once(
    site: LeaseSite, buyer: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    later = site.move(token, piece, stranger)
    with unmoved("leases: token has moved"):
        site.deliver(order, later, by=buyer)

    site.leases.refund_clone(order)

    assert site.credit(buyer) == FEE


def test_refund_false__delivery_proven_false__buyer_gets_his_fee(
    site: LeaseSite, buyer: str, owner: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    _, digest = site.deliver(order, piece, by=owner)
    with unmoved("leases: not proven false"):
        site.leases.refund_false_clone(order, [digest])
    with unmoved("leases: other digests"):
        site.leases.refund_false_clone(order, [bytes(32)])
    site.tokens.verifier.prove(digest)

    site.leases.refund_false_clone(order, [digest])

    assert site.credit(buyer) == FEE
    with unmoved("leases: not delivered"):
        site.leases.settle_clone(order, sender=buyer)


def test_order__in_a_state_for_something_else__refused(
    site: LeaseSite, buyer: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    site.license(token)
    order = site.order(token, buyer)
    for act in (
        lambda: site.leases.settle_clone(order, sender=buyer),
        lambda: site.leases.refund_false_clone(order, []),
    ):
        with unmoved("leases: not delivered"):
            act()
    site.deliver(order, piece, by=buyer)
    with unmoved("leases: not ordered"):
        site.deliver(order, piece, by=buyer)
    with unmoved("leases: not ordered"):
        site.leases.refund_clone(order)


def test_inv_agt_12__more_clones_than_the_licence__refused(
    site: LeaseSite, buyer: str, token: int, unmoved: Refused
) -> None:
    site.license(token)
    site.order(token, buyer)
    site.order(token, buyer)

    with unmoved("leases: licence used up"):
        site.order(token, buyer)
    site.license(token, max_clones=1)
    with unmoved("leases: licence used up"):
        site.order(token, buyer)


def test_order__no_licence_or_one_that_is_over__refused(
    site: LeaseSite, buyer: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    with unmoved("leases: no licence"):
        site.order(token, buyer)
    site.license(token, expiry=boa.env.timestamp + 60)
    boa.env.time_travel(seconds=60)
    with unmoved("leases: no licence"):
        site.order(token, buyer)
    site.license(token)
    site.move(token, piece, stranger)
    with unmoved("leases: no licence"):
        site.order(token, buyer)


def test_order__unpaid_or_key_that_is_none__refused(
    site: LeaseSite, buyer: str, token: int, unmoved: Refused
) -> None:
    site.license(token)
    boa.env.set_balance(buyer, 10**20)

    terms = site.leases.licence_of(token), site.nft.data_root(token)
    with unmoved("credits: not that much"):
        site.order(token, buyer, fee=FEE - 1)
    with unmoved("delivery_key: not 64 bytes"):
        site.leases.order_clone(token, KEY[:63], *terms, value=FEE, sender=buyer)
    with unmoved("delivery_key: not on the curve"):
        site.leases.order_clone(token, bytes(64), *terms, value=FEE, sender=buyer)


@pytest.mark.parametrize("bps", [1_001, 10_000])
def test_set_licence__royalty_over_a_tenth__refused(
    site: LeaseSite, token: int, unmoved: Refused, bps: int
) -> None:
    with unmoved("leases: royalty > 10%"):
        site.license(token, royalty_bps=bps)


def test_set_licence__stranger_locked_or_clone_that_may_not__refused(
    site: LeaseSite, buyer: str, stranger: str, token: int, piece: Piece, unmoved: Refused
) -> None:
    nobody = boa.eval("empty(address)")
    with unmoved("leases: not its owner"):
        site.leases.set_licence(token, (1, 1, nobody, 0, True, 2**40), sender=stranger)
    site.license(token, may_clone_again=False)
    clone, _ = site.deliver(site.order(token, buyer), piece, by=buyer)
    with unmoved("leases: may not clone"):
        site.license(clone)
    site.tokens.lock(token)
    with unmoved("leases: token is locked"):
        site.license(token)
    with unmoved("leases: token is locked"):
        site.order(token, buyer)
