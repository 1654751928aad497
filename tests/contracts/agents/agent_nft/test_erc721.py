"""ERC-721 as its text says, by random moves of tokens without data: what generic tools rely on."""

from collections import Counter
from typing import Any

import boa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.agents import NOBODY, TokenSite, support_contract
from tests.support.staking import a_wallet

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["mint", "move", "safe", "approve", "operator"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 4),
        st.booleans(),
    ),
    min_size=8,
    max_size=16,
)


class Book:
    """ERC-721 in ten lines: owner and approved of each token, operators of each owner."""

    def __init__(self, people: list[str]) -> None:
        self.people = people
        self.owners: dict[int, str] = {}
        self.approved: dict[int, str] = {}
        self.operators: set[tuple[str, str]] = set()

    def may(self, who: str, token: int) -> bool:
        owner = self.owners.get(token, NOBODY)
        is_named = who == owner or self.approved.get(token) == who
        return owner != NOBODY and (is_named or (owner, who) in self.operators)

    def move(self, token: int, to: str) -> None:
        self.owners[token] = to
        self.approved.pop(token, None)


def attempt(allowed: bool, call: Any) -> bool:
    if allowed:
        call()
        return True
    with boa.reverts():
        call()
    return False


def act(site: TokenSite, book: Book, step: tuple[str, int, int, int, bool]) -> None:
    kind, one, two, token, flag = step
    who, other, nft = book.people[one], book.people[two], site.nft
    owner = book.owners.get(token, NOBODY)
    if kind == "mint":
        book.move(nft.mint(who, [], [], [], 3, 0, sender=other), who)
    elif kind in {"move", "safe"}:
        function = nft.transferFrom if kind == "move" else nft.safeTransferFrom
        named = owner if flag else book.people[(one + two) % 3]
        allowed = book.may(who, token) and named == owner
        if attempt(allowed, lambda: function(named, other, token, sender=who)):
            book.move(token, other)
    elif kind == "approve":
        allowed = owner != NOBODY and (who == owner or (owner, who) in book.operators)
        to = other if flag else NOBODY
        if attempt(allowed, lambda: nft.approve(to, token, sender=who)):
            book.approved[token] = to
    elif attempt(who != other, lambda: nft.setApprovalForAll(other, flag, sender=who)):
        (book.operators.add if flag else book.operators.discard)((who, other))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_any_calls__ownership_approvals_and_lists__agree_with_the_standard(
    site: TokenSite, acts: list[tuple[str, int, int, int, bool]]
) -> None:
    with boa.env.anchor():
        book, nft = Book([a_wallet(name) for name in ("one", "two", "three")]), site.nft
        for step in acts:
            act(site, book, step)

        assert nft.totalSupply() == len(book.owners)
        held = Counter(book.owners.values())
        for token, owner in book.owners.items():
            assert nft.ownerOf(token) == owner
            assert nft.getApproved(token) == book.approved.get(token, NOBODY)
        for who in book.people:
            assert nft.balanceOf(who) == held[who]
            listed = {nft.tokenOfOwnerByIndex(who, place) for place in range(held[who])}
            assert listed == {token for token, owner in book.owners.items() if owner == who}
            for other in book.people:
                assert nft.isApprovedForAll(who, other) == ((who, other) in book.operators)


def test_no_such_token__every_question_about_one__refused(site: TokenSite, owner: str) -> None:
    for token in (0, 1, 2**256 - 1):
        for ask in (site.nft.ownerOf, site.nft.getApproved, site.nft.tokenURI):
            with boa.reverts("erc721: invalid token ID"):
                ask(token)
        with boa.reverts("erc721: invalid token ID"):
            site.nft.approve(owner, token, sender=owner)


def test_safe_transfer__to_a_contract_with_a_memo__its_code_runs_and_the_move_is_told(
    site: TokenSite, owner: str, stranger: str, plain: int
) -> None:
    wallet = support_contract("agents_locker").deploy(True)
    site.nft.approve(stranger, plain, sender=owner)
    wallet.plan(site.verifier.address, site.verifier.refuse.prepare_calldata(True))

    site.nft.safeTransferFrom(owner, wallet.address, plain, b"\x01\x02", sender=stranger)

    assert wallet.reply()  # its own code ran
    assert site.verifier.refuses()
    [moved] = [one for one in site.nft.get_logs() if type(one).__name__ == "Transfer"]
    assert tuple(moved)[-2:] == (wallet.address, plain)
    assert site.nft.ownerOf(plain) == wallet.address


@pytest.mark.parametrize("price", [0, 1, 9, 19, 20, 10**18 + 7, 2**96 - 1])
def test_royalty__any_price__rounded_down_and_never_above_the_share(
    site: TokenSite, owner: str, token: int, price: int
) -> None:
    assert site.nft.royaltyInfo(token, price) == (owner, price * 500 // 10_000)


def test_supports_interface__what_is_not_there__denied(site: TokenSite) -> None:
    for other in ("ffffffff", "00000000", "d9b67a26", "4e2312e0", "6faff5f1"):
        assert site.nft.supportsInterface(bytes.fromhex(other)) is False
