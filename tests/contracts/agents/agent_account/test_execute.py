"""Who acts for an agent's account, and what stops him."""

from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from tests.support.agent_accounts import (
    DAY,
    NATIVE,
    PLAIN,
    AccountSite,
    a_grant,
    agents_deployer,
    open_account,
    selector,
)
from tests.support.refusal import Refused
from tests.support.staking import COIN

TAKE = selector("take(uint256)")
TRANSFER = selector("transfer(address,uint256)")


def take(site: AccountSite, number: int = 41) -> bytes:
    return bytes(site.callee.take.prepare_calldata(number))


def grant_take(site: AccountSite, key: str, **changes: Any) -> None:
    """A session that may call `take` and pay one coin in all, half of it on a day."""
    terms = {
        "caps": [(NATIVE, COIN, COIN // 2)],
        "targets": [(site.callee.address, [TAKE, PLAIN])],
    }
    site.account.grant(key, a_grant(**(terms | changes)), sender=site.owner)


def test_execute__by_the_owner__calls_as_the_account_and_answers(site: AccountSite) -> None:
    answer = site.account.execute(site.callee.address, COIN, take(site), 0, sender=site.owner)
    (done,) = [log for log in site.account.get_logs() if type(log).__name__ == "Executed"]

    assert int.from_bytes(answer, "big") == 42
    assert site.account.address == site.callee.caller()
    assert boa.env.get_balance(site.callee.address) == COIN
    assert site.account.state() == 1
    assert (done.by, done.target, done.selector) == (site.owner, site.callee.address, TAKE)


def test_execute__by_a_stranger__refused(
    site: AccountSite, refused: Refused, stranger: str
) -> None:
    with refused("sessions: not live"):
        site.account.execute(site.callee.address, 0, take(site), 0, sender=stranger)


@pytest.mark.parametrize("operation", [1, 2, 3, 255])
def test_execute__not_a_call__refused(site: AccountSite, refused: Refused, operation: int) -> None:
    with refused("agent_account: only calls"):
        site.account.execute(site.callee.address, 0, b"", operation, sender=site.owner)


def test_execute__itself__refused(site: AccountSite, refused: Refused) -> None:
    call = site.account.set_paused.prepare_calldata(True)

    with refused("agent_account: not itself"):
        site.account.execute(site.account.address, 0, call, 0, sender=site.owner)


def test_execute__the_target_reverts__its_own_words(site: AccountSite, refused: Refused) -> None:
    call = site.callee.refuse.prepare_calldata()

    with refused("called: no"):
        site.account.execute(site.callee.address, 0, call, 0, sender=site.owner)


def test_execute__a_long_answer__its_first_bytes(site: AccountSite) -> None:
    call = site.callee.talk.prepare_calldata(128)

    answer = site.account.execute(site.callee.address, 0, call, 0, sender=site.owner)

    assert len(answer) == 2_048


@pytest.mark.parametrize("act", ["owner", "session", "grant", "revoke", "end", "pause", "return"])
def test_locked_token__every_act__refused(
    site: AccountSite, refused: Refused, key: str, act: str
) -> None:
    """INV-AGT-10."""
    grant_take(site, key)
    site.collection.lock(1, boa.env.timestamp + 60)

    with refused("agent_account: token is locked"):
        _act(site, key, act)

    boa.env.time_travel(seconds=61)
    _act(site, key, act)


def _act(site: AccountSite, key: str, act: str) -> None:
    account, owner = site.account, site.owner
    match act:
        case "owner" | "session":
            by = owner if act == "owner" else key
            account.execute(site.callee.address, 0, take(site), 0, sender=by)
        case "grant":
            account.grant(key, a_grant(), sender=owner)
        case "revoke":
            account.revoke(key, sender=owner)
        case "end":
            account.end_sessions(sender=owner)
        case "pause":
            account.set_paused(True, sender=owner)
        case _:
            account.return_funds(NATIVE, 1, sender=owner)


def test_paused__owner_and_session__refused_and_funds_return(
    site: AccountSite, refused: Refused, key: str
) -> None:
    grant_take(site, key)
    site.account.set_paused(True, sender=site.owner)

    with refused("agent_account: paused"):
        site.account.execute(site.callee.address, 0, take(site), 0, sender=site.owner)
    with refused("agent_account: paused"):
        site.account.execute(site.callee.address, 0, take(site), 0, sender=key)

    before = boa.env.get_balance(site.owner)
    site.account.return_funds(NATIVE, COIN, sender=site.owner)
    site.account.return_funds(site.token.address, COIN, sender=site.owner)
    assert boa.env.get_balance(site.owner) == before + COIN
    assert site.token.balanceOf(site.owner) == COIN
    site.account.set_paused(False, sender=site.owner)
    site.account.execute(site.callee.address, 0, take(site), 0, sender=key)


def test_settings__by_another__refused(
    site: AccountSite, refused: Refused, key: str, stranger: str
) -> None:
    """A session, too, calls no setting of the account."""
    grant_take(site, key)
    for caller in (stranger, key):
        for call in (
            lambda by: site.account.grant(by, a_grant(), sender=by),
            lambda by: site.account.revoke(key, sender=by),
            lambda by: site.account.end_sessions(sender=by),
            lambda by: site.account.set_paused(True, sender=by),
            lambda by: site.account.return_funds(NATIVE, 1, sender=by),
        ):
            with refused("agent_account: not the owner"):
                call(caller)


def test_transfer__old_owner_and_his_sessions__dead_at_once(
    site: AccountSite, refused: Refused, key: str, stranger: str
) -> None:
    """INV-AGT-8."""
    grant_take(site, key)
    site.account.execute(site.callee.address, 1, take(site), 0, sender=key)

    site.collection.move(stranger, 1)

    for former in (site.owner, key):
        with refused("sessions: not live"):
            site.account.execute(site.callee.address, 0, take(site), 0, sender=former)
    with refused("agent_account: not the owner"):
        site.account.grant(key, a_grant(), sender=site.owner)
    assert site.account.session(key).is_live is False
    assert stranger == site.account.owner()
    site.account.execute(site.callee.address, 0, take(site), 0, sender=stranger)


def test_transfer__there_and_back__sessions_of_before_stay_dead(
    site: AccountSite, refused: Refused, key: str, stranger: str
) -> None:
    grant_take(site, key)
    site.collection.move(stranger, 1)
    site.collection.move(site.owner, 1)

    with refused("sessions: not live"):
        site.account.execute(site.callee.address, 0, take(site), 0, sender=key)


def test_return_funds__owner_refuses_coin__refused(site: AccountSite, refused: Refused) -> None:
    site.collection.move(site.kv.address, 1)  # a contract that takes no coin

    with refused("agent_account: owner refused"), boa.env.prank(site.kv.address):
        site.account.return_funds(NATIVE, 1)


def test_return_funds__token_answers_false__refused(site: AccountSite, hostile: Any) -> None:
    hostile.mint(site.account.address, COIN)
    hostile.set_mode(2, NATIVE, b"")

    with boa.reverts("agent_account: token refused"):
        site.account.return_funds(hostile.address, 1, sender=site.owner)
    assert hostile.balanceOf(site.account.address) == COIN


def test_set_paused__nothing_new__refused(site: AccountSite, refused: Refused) -> None:
    with refused("agent_account: nothing new"):
        site.account.set_paused(False, sender=site.owner)


def test_reentry__from_a_target__no_function_that_acts_gets_through(
    site: AccountSite, key: str
) -> None:
    """The callee itself is made the owner, so that only the lock stands in its way."""
    site.collection.move(site.callee.address, 1)
    site.account.grant(
        key,
        a_grant(targets=[(site.callee.address, [selector("call_back(bytes)")])]),
        sender=site.callee.address,
    )
    account = site.account
    tried = [
        account.execute.prepare_calldata(site.callee.address, 0, b"", 0),
        account.grant.prepare_calldata(key, a_grant()),
        account.revoke.prepare_calldata(key),
        account.end_sessions.prepare_calldata(),
        account.set_paused.prepare_calldata(True),
        account.return_funds.prepare_calldata(NATIVE, 1),
        account.follow.prepare_calldata(),
    ]
    for call in tried:
        inner = site.callee.call_back.prepare_calldata(call)
        account.execute(site.callee.address, 0, inner, 0, sender=key)
        assert site.callee.back() is False
    view = site.callee.call_back.prepare_calldata(account.voucher_epoch.prepare_calldata())
    account.execute(site.callee.address, 0, view, 0, sender=key)
    assert site.callee.back() is True


def test_coin__sent_plainly__kept_and_calls_to_nothing_refused(
    site: AccountSite, stranger: str
) -> None:
    before = boa.env.get_balance(site.account.address)
    boa.env.raw_call(site.account.address, sender=stranger, value=5)
    assert boa.env.get_balance(site.account.address) == before + 5

    with pytest.raises(Revert, match="agent_account: no such function"):
        boa.env.raw_call(site.account.address, sender=stranger, data=b"\1\2\3\4")


def test_interfaces__those_of_the_ercs__answered(site: AccountSite) -> None:
    account = site.account
    for known in ("01ffc9a7", "6faff5f1", "51945447", "150b7a02", "4e2312e0"):
        assert account.supportsInterface(bytes.fromhex(known))
    assert not account.supportsInterface(bytes.fromhex("ffffffff"))
    parts = ("token()", "state()", "isValidSigner(address,bytes)")
    assert xor([selector(part) for part in parts]) == bytes.fromhex("6faff5f1")
    assert selector("execute(address,uint256,bytes,uint8)") == bytes.fromhex("51945447")
    assert account.token() == (site.chain_id, site.collection.address, 1)


def xor(parts: list[bytes]) -> bytes:
    total = 0
    for part in parts:
        total ^= int.from_bytes(part, "big")
    return total.to_bytes(4, "big")


def test_valid_signer__owner_and_live_session__the_magic_word(
    site: AccountSite, key: str, stranger: str
) -> None:
    grant_take(site, key)
    magic = bytes.fromhex("523e3260")
    says = site.account.isValidSigner

    assert says(site.owner, b"") == says(key, b"") == magic
    assert says(stranger, b"") == says(NATIVE, b"") == bytes(4)
    boa.env.time_travel(seconds=DAY + 1)
    assert says(key, b"") == bytes(4)
    site.collection.lock(1, boa.env.timestamp + 60)
    assert says(site.owner, b"") == bytes(4)


def test_tokens_received__its_own__refused_any_other_taken(
    site: AccountSite, stranger: str
) -> None:
    account = site.account
    with boa.reverts("agent_account: own token"), boa.env.prank(site.collection.address):
        account.onERC721Received(stranger, stranger, 1, b"")
    with boa.env.prank(site.collection.address):
        assert account.onERC721Received(stranger, stranger, 2, b"") == bytes.fromhex("150b7a02")
    assert account.onERC721Received(stranger, stranger, 1, b"") == bytes.fromhex("150b7a02")
    assert account.onERC1155Received(stranger, stranger, 1, 1, b"") == bytes.fromhex("f23a6e61")
    many = account.onERC1155BatchReceived(stranger, stranger, [1], [1], b"")
    assert many == bytes.fromhex("bc197c81")


def test_another_chain__nobody_owns_it(site: AccountSite) -> None:
    account = open_account(site.implementation, site.collection, 1, chain_id=99)

    assert account.owner() == NATIVE
    assert account.isValidSigner(site.owner, b"") == bytes(4)
    assert account.isValidSignature(bytes(32), bytes(65)) == bytes.fromhex("ffffffff")
    with boa.reverts("bound_token: another chain"):
        account.execute(site.callee.address, 0, b"", 0, sender=site.owner)
    with boa.reverts("agent_account: not the owner"):
        account.end_sessions(sender=site.owner)


def test_implementation__called_itself__belongs_to_nobody(site: AccountSite) -> None:
    bare = site.implementation

    assert bare.token() == (0, NATIVE, 0)
    assert bare.owner() == NATIVE
    with boa.reverts("bound_token: another chain"):
        bare.execute(site.callee.address, 0, b"", 0, sender=site.owner)


def test_deployment__streams_that_are_no_contract__refused(stranger: str) -> None:
    with boa.reverts("memory_stream: no contract"):
        agents_deployer("AgentAccount").deploy(stranger, [])
