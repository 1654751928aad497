"""What a session may do: its calls, its caps, its time; nothing that its owner alone may."""

from typing import Any

import boa
import pytest

from offchain.chain.contract_abi import artifact
from tests.support.agent_accounts import (
    DAY,
    NATIVE,
    PLAIN,
    SESSION,
    AccountSite,
    a_grant,
    hex_of,
    open_account,
    selector,
    session_key,
)
from tests.support.refusal import Refused
from tests.support.staking import COIN

TAKE = selector("take(uint256)")
TRANSFER = selector("transfer(address,uint256)")
PULL = selector("pull(address,uint256)")
PAY_BACK = selector("pay_back(address,uint256)")
PULL_AND_PAY_BACK = selector("pull_and_pay_back(address,uint256,uint256)")
OWNERS_ALONE = (
    "approve(address,uint256)",
    "increaseAllowance(address,uint256)",
    "setApprovalForAll(address,bool)",
    "transferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256,uint256,bytes)",
    "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
    "authorizeOperator(address)",
    "multicall(bytes[])",
)
SPENDING = (
    "transfer(address,uint256)",
    "transferAndCall(address,uint256)",
    "transferAndCall(address,uint256,bytes)",
    "send(address,uint256,bytes)",
)
OF_OURS = {
    "ComputeEscrow": ("give", "withdraw", "set_delegate"),
    "KVStreams": ("transfer_owner", "grant", "revoke"),
    "AgentAccount": ("execute",),
    "AgentNFT": ("iTransfer",),
}


@pytest.fixture
def granted(site: AccountSite, key: str) -> str:
    """A session: a coin in all and half of it a day, two tokens, one a day; its key."""
    site.account.grant(
        key,
        a_grant(
            caps=[(NATIVE, COIN, COIN // 2), (site.token.address, 2 * COIN, COIN)],
            targets=[
                (site.callee.address, [TAKE, PLAIN, PULL, PAY_BACK, PULL_AND_PAY_BACK]),
                (site.token.address, [TRANSFER]),
            ],
            life=3 * SESSION,
        ),
        sender=site.owner,
    )
    return key


def pay(site: AccountSite, key: str, amount: int) -> None:
    site.account.execute(site.callee.address, amount, b"", 0, sender=key)


def send_tokens(site: AccountSite, key: str, amount: int, to: str | None = None) -> None:
    call = site.token.transfer.prepare_calldata(to or site.callee.address, amount)
    site.account.execute(site.token.address, 0, call, 0, sender=key)


def spent(site: AccountSite, key: str) -> list[tuple[int, int]]:
    return [(cap.spent, cap.spent_today) for cap in site.account.allowances(key)]


def test_session__within_its_limits__acts(site: AccountSite, granted: str) -> None:
    call = site.callee.take.prepare_calldata(7)

    site.account.execute(site.callee.address, COIN // 4, call, 0, sender=granted)
    pay(site, granted, COIN // 4)
    send_tokens(site, granted, COIN // 2)

    assert site.callee.seen() == 7
    assert boa.env.get_balance(site.callee.address) == COIN // 2
    taxed = COIN // 2 + COIN // 200
    assert spent(site, granted) == [(COIN // 2, COIN // 2), (taxed, taxed)]
    terms = site.account.session(granted)
    assert (terms.calls_left, terms.is_live, terms.epoch) == (997, True, 0)


def test_day_cap__used_up__refused_until_the_next_day(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    pay(site, granted, COIN // 2)

    with refused("sessions: over the day's cap"):
        pay(site, granted, 1)

    boa.env.time_travel(seconds=DAY - boa.env.timestamp % DAY - 1)
    with refused("sessions: over the day's cap"):
        pay(site, granted, 1)
    boa.env.time_travel(seconds=1)
    pay(site, granted, COIN // 2)
    assert spent(site, granted)[0] == (COIN, COIN // 2)


def test_total_cap__used_up__refused_on_any_day(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    for _ in range(2):
        pay(site, granted, COIN // 2)
        boa.env.time_travel(seconds=DAY)

    with refused("sessions: over the cap"):
        pay(site, granted, 1)


def test_token__fee_on_top_of_the_transfer__counts(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    """What the account loses counts, not what it asks the token to move."""
    with refused("sessions: over the day's cap"):
        send_tokens(site, granted, COIN)

    send_tokens(site, granted, COIN * 100 // 101)
    assert spent(site, granted)[1][0] <= COIN


def test_token__pulled_by_a_target_with_the_owners_approval__counts(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    _approve(site)
    call = site.callee.pull.prepare_calldata(site.token.address, COIN)

    with refused("sessions: over the day's cap"):
        site.account.execute(site.callee.address, 0, call, 0, sender=granted)

    half = site.callee.pull.prepare_calldata(site.token.address, COIN // 2)
    site.account.execute(site.callee.address, 0, half, 0, sender=granted)
    assert spent(site, granted)[1][0] == COIN // 2 + COIN // 200


def _approve(site: AccountSite) -> None:
    call = site.token.approve.prepare_calldata(site.callee.address, 2**255)
    site.account.execute(site.token.address, 0, call, 0, sender=site.owner)


def test_coin__paid_back_in_the_same_call__counts_in_full(site: AccountSite, granted: str) -> None:
    call = site.callee.pay_back.prepare_calldata(NATIVE, COIN // 2)

    site.account.execute(site.callee.address, COIN // 2, call, 0, sender=granted)

    assert spent(site, granted)[0] == (COIN // 2, COIN // 2)


def test_token__sent_to_the_account_itself__what_was_asked_counts(
    site: AccountSite, granted: str
) -> None:
    send_tokens(site, granted, COIN // 2, site.account.address)

    assert spent(site, granted)[1][0] == COIN // 2


def test_token__income_in_the_same_call__only_the_loss_counts(
    site: AccountSite, granted: str
) -> None:
    _approve(site)
    site.token.mint(site.callee.address, 2 * COIN)
    call = site.callee.pull_and_pay_back.prepare_calldata(site.token.address, COIN // 2, COIN)

    site.account.execute(site.callee.address, 0, call, 0, sender=granted)

    assert spent(site, granted)[1] == (0, 0)


def test_coin__without_a_cap__not_spent(site: AccountSite, refused: Refused, key: str) -> None:
    site.account.grant(key, a_grant(targets=[(site.callee.address, [PLAIN])]), sender=site.owner)

    pay(site, key, 0)
    with refused("sessions: no cap"):
        pay(site, key, 1)


def test_calls__used_up__refused(site: AccountSite, refused: Refused, key: str) -> None:
    targets = [(site.callee.address, [PLAIN])]
    site.account.grant(key, a_grant(targets=targets, calls=2), sender=site.owner)
    pay(site, key, 0)
    pay(site, key, 0)

    with refused("sessions: no calls left"):
        pay(site, key, 0)


def test_target_or_function__not_listed__refused(
    site: AccountSite, refused: Refused, granted: str, stranger: str
) -> None:
    account = site.account
    for to, payload in (
        (stranger, b""),
        (site.kv.address, site.callee.take.prepare_calldata(1)),
        (site.callee.address, site.callee.refuse.prepare_calldata()),
        (site.callee.address, b"\0\0\0\0"),
        (site.callee.address, TAKE[:3]),
        (site.token.address, b""),
        (site.token.address, site.token.approve.prepare_calldata(stranger, 1)),
    ):
        with refused("sessions: not allowed"):
            account.execute(to, 0, payload, 0, sender=granted)
    assert account.may_call(granted, site.callee.address, TAKE)
    assert not account.may_call(granted, site.token.address, TAKE)
    assert not account.may_call(stranger, site.callee.address, TAKE)


def test_time__before_and_after__refused(site: AccountSite, refused: Refused, key: str) -> None:
    terms = a_grant(targets=[(site.callee.address, [PLAIN])], delay=100, life=200)
    site.account.grant(key, terms, sender=site.owner)

    with refused("sessions: not live"):
        pay(site, key, 0)
    boa.env.time_travel(seconds=100)
    pay(site, key, 0)
    boa.env.time_travel(seconds=100)
    pay(site, key, 0)
    boa.env.time_travel(seconds=1)
    with refused("sessions: not live"):
        pay(site, key, 0)


def test_revoke__one_session__the_other_lives(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    other = hex_of(session_key("other session").address)
    terms = a_grant(targets=[(site.callee.address, [PLAIN])])
    site.account.grant(other, terms, sender=site.owner)

    site.account.revoke(granted, sender=site.owner)

    with refused("sessions: not live"):
        pay(site, granted, 0)
    pay(site, other, 0)
    with refused("sessions: none"):
        site.account.revoke(granted, sender=site.owner)


def test_end_sessions__every_key__dead_until_granted_anew(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    site.account.end_sessions(sender=site.owner)

    assert site.account.generation() == 1
    assert site.account.session(granted).is_live is False
    with refused("sessions: not live"):
        pay(site, granted, 0)
    terms = a_grant(targets=[(site.callee.address, [PLAIN])])
    site.account.grant(granted, terms, sender=site.owner)
    pay(site, granted, 0)


def test_grant__again__nothing_of_the_former_is_left(
    site: AccountSite, refused: Refused, granted: str
) -> None:
    domain = b"\1" * 32
    pay(site, granted, COIN // 2)
    site.account.grant(
        granted,
        a_grant(targets=[(site.token.address, [TAKE])], domains=[domain]),
        sender=site.owner,
    )

    assert site.account.allowances(granted) == []
    assert site.account.may_sign(granted, domain)
    with refused("sessions: not allowed"):
        pay(site, granted, 0)
    site.account.grant(granted, a_grant(), sender=site.owner)
    assert not site.account.may_sign(granted, domain)


def _terms(site: AccountSite, **changes: Any) -> tuple[Any, ...]:
    return a_grant(**({"targets": [(site.callee.address, [PLAIN])]} | changes))


def test_grant__keys_that_are_none__refused(site: AccountSite, refused: Refused) -> None:
    for key in (NATIVE, site.account.address, site.owner):
        with refused("agent_account: no key"):
            site.account.grant(key, _terms(site), sender=site.owner)


def test_grant__targets_that_no_session_calls__refused(
    site: AccountSite, refused: Refused, key: str
) -> None:
    for target in (NATIVE, site.account.address, site.staking.stake.address):
        with refused("agent_account: not a target"):
            terms = _terms(site, targets=[(target, [TAKE])])
            site.account.grant(key, terms, sender=site.owner)


def test_grant__functions_of_the_owner_alone__refused(
    site: AccountSite, refused: Refused, key: str
) -> None:
    kept = [selector(signature) for signature in OWNERS_ALONE]
    for contract, functions in OF_OURS.items():
        abi = artifact(contract).abi
        kept += [abi.function(name, _inputs(contract, name)).selector for name in functions]
    assert len(kept) == 18
    for one in kept:
        with refused("sessions: owner's alone"):
            terms = _terms(site, targets=[(site.callee.address, [TAKE, one])])
            site.account.grant(key, terms, sender=site.owner)


def _inputs(contract: str, name: str) -> int:
    counts = {"give": 3, "withdraw": 3, "set_delegate": 2, "transfer_owner": 2, "grant": 2}
    return counts.get(name, 4 if contract == "AgentAccount" else 3)


@pytest.mark.parametrize("function", SPENDING)
def test_inv_agt_11__session_that_moves_a_token_without_a_cap__refused(
    site: AccountSite, refused: Refused, key: str, function: str
) -> None:
    """A token that is not watched would be emptied by its own `transfer`."""
    targets = [(site.token.address, [selector(function)])]

    for caps in ([], [(NATIVE, COIN, COIN)], [(site.callee.address, COIN, COIN)]):
        with refused("sessions: no cap"):
            site.account.grant(key, a_grant(targets=targets, caps=caps), sender=site.owner)
    caps = [(site.token.address, COIN, COIN)]
    site.account.grant(key, a_grant(targets=targets, caps=caps), sender=site.owner)

    assert site.account.may_call(key, site.token.address, selector(function))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"life": -1}, "sessions: over already"),
        ({"delay": 11, "life": 10}, "sessions: over already"),
        ({"life": 30 * DAY + 1}, "sessions: too long"),
        ({"caps": [(NATIVE, 0, 0)]}, "sessions: empty cap"),
        ({"caps": [(NATIVE, 5, 0)]}, "sessions: empty cap"),
        ({"caps": [(NATIVE, 5, 6)]}, "sessions: empty cap"),
        ({"caps": [(NATIVE, 5, 5), (NATIVE, 6, 6)]}, "sessions: two caps"),
        ({"domains": [bytes(32)]}, "sessions: no domain"),
    ],
)
def test_grant__terms_that_cannot_be__refused(
    site: AccountSite, refused: Refused, key: str, changes: dict[str, Any], reason: str
) -> None:
    with refused(reason):
        site.account.grant(key, _terms(site, **changes), sender=site.owner)


def test_grant__lists_that_cannot_be__refused(
    site: AccountSite, refused: Refused, key: str
) -> None:
    target = site.callee.address
    for targets, reason in (
        ([(target, [])], "sessions: no selectors"),
        ([(target, [bytes(4)])], "sessions: no selectors"),
        ([(target, [TAKE]), (target, [PLAIN])], "sessions: target twice"),
    ):
        with refused(reason):
            site.account.grant(key, a_grant(targets=targets), sender=site.owner)


def test_grant__the_longest_lists__every_entry_counts(site: AccountSite, key: str) -> None:
    targets = [
        (hex_of(bytes(19) + bytes([number + 1])), [bytes([9, number, 0, one]) for one in range(8)])
        for number in range(8)
    ]
    caps = [(hex_of(bytes(19) + bytes([number])), 9, 8) for number in range(4)]
    domains = [bytes([number + 1]) * 32 for number in range(4)]

    site.account.grant(key, a_grant(targets=targets, caps=caps, domains=domains), sender=site.owner)

    for target, selectors in targets:
        assert all(site.account.may_call(key, target, one) for one in selectors)
    assert len(site.account.allowances(key)) == 4
    assert all(site.account.may_sign(key, domain) for domain in domains)


def test_nested_account__a_session_of_the_outer__cannot_reach_through(
    site: AccountSite, refused: Refused, key: str
) -> None:
    """An account that owns another agent's token: only its owner acts for that one."""
    site.collection.mint(site.account.address, 2)
    inner = open_account(site.implementation, site.collection, 2)
    assert inner.owner() == site.account.address
    call = inner.execute.prepare_calldata(site.callee.address, 0, b"", 0)

    with refused("sessions: owner's alone"):
        terms = _terms(site, targets=[(inner.address, [bytes(call[:4])])])
        site.account.grant(key, terms, sender=site.owner)
    site.account.execute(inner.address, 0, call, 0, sender=site.owner)
    assert inner.state() == 1
