"""Keys that sign for a payer: caps, scopes, ends, and epochs of payers that are contracts."""

from typing import Any

import boa
import pytest

from offchain.chain.keys import LocalSigner
from offchain.compute.ports import SkipReason
from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import (
    ANY_PROVIDER,
    ANY_SERVICE,
    DELEGATE_GRACE,
    FAR,
    NATIVE,
    AnItem,
    ComputeSite,
    an_item,
    fill_bucket,
    hex_of,
    keeper,
    raw,
    settle,
    skipped,
    twin_deployer,
)
from tests.support.staking import COIN

KEY = keeper("delegate")
TERMS = {
    "token": NATIVE,
    "cap": 5_000,
    "expiry": FAR,
    "provider": ANY_PROVIDER,
    "service": ANY_SERVICE,
}


def allow(site: ComputeSite, payer: LocalSigner, **changes: Any) -> None:
    """Let the key sign for the payer."""
    terms = tuple((TERMS | changes).values())
    site.escrow.set_delegate(hex_of(KEY.address), terms, sender=hex_of(payer.address))


def revoke(site: ComputeSite, payer: LocalSigner) -> None:
    site.escrow.revoke_delegate(hex_of(KEY.address), sender=hex_of(payer.address))


def spent(site: ComputeSite, payer: LocalSigner) -> int:
    return int(site.escrow.delegation(hex_of(payer.address), hex_of(KEY.address)).spent)


def by_key(site: ComputeSite, payer: LocalSigner, **changes: Any) -> AnItem:
    return an_item(site, payer, key=KEY, **changes)


def refuses(site: ComputeSite, item: AnItem, reason: SkipReason) -> None:
    """The item alone makes no batch, and says why."""
    assert settle(site, [item]) == 0
    assert skipped(site) == {0: reason}


def test_delegate__signs_within_its_cap__settles_and_counts(
    site: ComputeSite, payer: LocalSigner
) -> None:
    allow(site, payer)

    assert settle(site, [by_key(site, payer, cap=1_000)]) == 1
    assert settle(site, [by_key(site, payer, cap=1_700, nonce=2)]) == 2

    told = site.escrow.delegation(hex_of(payer.address), hex_of(KEY.address))
    assert (told.token, told.cap, told.spent, told.expiry) == (NATIVE, 5_000, 1_700, FAR)
    assert (told.provider, bytes(told.service)) == (ANY_PROVIDER, ANY_SERVICE)
    assert (told.has_epoch, told.is_revoked) == (False, False)


def test_inv_cmp_2__key__never_spends_above_its_cap(site: ComputeSite, payer: LocalSigner) -> None:
    allow(site, payer)

    refuses(site, by_key(site, payer, cap=5_001), SkipReason.DELEGATE)
    assert settle(site, [by_key(site, payer, cap=5_000)]) == 1
    refuses(site, by_key(site, payer, cap=5_001, nonce=2), SkipReason.DELEGATE)
    assert settle(site, [an_item(site, payer, cap=5_001, nonce=2)]) == 2

    assert spent(site, payer) == 5_000


def test_key__that_was_never_named__signs_nothing(site: ComputeSite, payer: LocalSigner) -> None:
    refuses(site, by_key(site, payer), SkipReason.SIGNATURE)


def test_key__of_another_payer__signs_nothing(site: ComputeSite, payer: LocalSigner) -> None:
    allow(site, keeper("other payer"))

    refuses(site, by_key(site, payer), SkipReason.SIGNATURE)


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({"provider": "own"}, True),
        ({"provider": "0x" + "01" * 20}, False),
        ({"service": "own"}, True),
        ({"service": b"\x01" * 32}, False),
        ({"token": "token"}, False),
    ],
)
def test_key__bound_to_one_place__signs_only_there(
    site: ComputeSite, payer: LocalSigner, changes: dict[str, Any], is_taken: bool
) -> None:
    named = {"provider": site.provider.owner, "service": site.service}
    own = {name: named.get(name) if to == "own" else to for name, to in changes.items()}
    if own.get("token") == "token":
        own["token"] = site.token.address
    allow(site, payer, **own)

    if is_taken:
        assert settle(site, [by_key(site, payer)]) == 1
    else:
        refuses(site, by_key(site, payer), SkipReason.DELEGATE)


def test_key__expired__signs_no_more_and_may_be_set_anew(
    site: ComputeSite, payer: LocalSigner, refused: Refused
) -> None:
    end = boa.env.timestamp + 100
    allow(site, payer, expiry=end)
    boa.env.timestamp = end
    assert settle(site, [by_key(site, payer)]) == 1
    boa.env.timestamp = end + 1
    refuses(site, by_key(site, payer, cap=1_500, nonce=2), SkipReason.DELEGATE)

    with refused("delegates: cap is spent"):
        allow(site, payer, cap=1_000)
    with refused("delegates: other token"):
        allow(site, payer, token=site.token.address)
    allow(site, payer, cap=2_000, provider=site.provider.owner)

    assert settle(site, [by_key(site, payer, cap=1_500, nonce=2)]) == 2


@pytest.mark.parametrize(
    "narrower",
    [
        {"cap": 4_999},
        {"expiry": FAR - 1},
        {"provider": "0x" + "01" * 20},
        {"service": b"\x01" * 32},
    ],
)
def test_set_delegate__narrower_while_it_lives__is_refused(
    site: ComputeSite, payer: LocalSigner, refused: Refused, narrower: dict[str, Any]
) -> None:
    allow(site, payer)

    with refused("delegates: still live"):
        allow(site, payer, **narrower)
    allow(site, payer, cap=9_000)

    assert site.escrow.delegation(hex_of(payer.address), hex_of(KEY.address)).cap == 9_000


def test_set_delegate__senseless__is_refused(
    site: ComputeSite, payer: LocalSigner, refused: Refused
) -> None:
    account = hex_of(payer.address)
    for key in (NATIVE, account):
        with refused("delegates: no key"):
            site.escrow.set_delegate(key, tuple(TERMS.values()), sender=account)
    with refused("delegates: expired"):
        allow(site, payer, expiry=boa.env.timestamp)
    with refused("delegates: cap is spent"):
        allow(site, payer, cap=0)


def test_revoke__works_after_its_grace__so_that_open_vouchers_settle(
    site: ComputeSite, payer: LocalSigner, refused: Refused
) -> None:
    with refused("delegates: not live"):
        revoke(site, payer)
    allow(site, payer)
    revoke(site, payer)
    with refused("delegates: revoked already"):
        revoke(site, payer)

    boa.env.time_travel(seconds=DELEGATE_GRACE)
    assert settle(site, [by_key(site, payer)]) == 1
    boa.env.time_travel(seconds=1)

    refuses(site, by_key(site, payer, cap=1_500, nonce=2), SkipReason.DELEGATE)
    with refused("delegates: not live"):
        revoke(site, payer)


def test_revoke__key_that_ends_sooner__ends_no_later(site: ComputeSite, payer: LocalSigner) -> None:
    end = boa.env.timestamp + 5
    allow(site, payer, expiry=end)

    revoke(site, payer)

    assert site.escrow.delegation(hex_of(payer.address), hex_of(KEY.address)).expiry == end


def test_fund__by_a_key__fills_a_bucket_up_to_what_it_could_spend(
    site: ComputeSite, refused: Refused
) -> None:
    payer, key, owner = keeper("payer"), hex_of(KEY.address), site.provider.owner
    account = hex_of(payer.address)
    boa.env.set_balance(account, COIN)
    site.escrow.deposit(account, NATIVE, NATIVE, 9_000, value=9_000, sender=account)
    with refused("delegates: not live"):
        site.escrow.fund(account, owner, NATIVE, 1, sender=key)
    allow(site, payer, provider=owner)

    site.escrow.fund(account, owner, NATIVE, 4_999, sender=key)
    with refused("delegates: over the cap"):
        site.escrow.fund(account, owner, NATIVE, 2, sender=key)
    with refused("delegates: out of scope"):
        site.escrow.fund(account, key, NATIVE, 1, sender=key)
    revoke(site, payer)
    with refused("delegates: revoked already"):
        site.escrow.fund(account, owner, NATIVE, 1, sender=key)

    assert site.escrow.free_of(account, NATIVE) == 9_000 - 4_999


def an_agent(site: ComputeSite, epoch: int = 1) -> Any:
    """A payer that is a contract and tells epochs, with money and the key as its delegate."""
    agent = twin_deployer("payer_contract").deploy()
    boa.env.set_balance(agent.address, COIN)
    agent.begin_epoch(epoch)
    fill_bucket(site, raw(agent.address), 10_000)
    site.escrow.deposit(agent.address, NATIVE, NATIVE, 10_000, value=10_000, sender=agent.address)
    site.escrow.set_delegate(
        hex_of(KEY.address), tuple((TERMS | {"cap": 50_000}).values()), sender=agent.address
    )
    return agent


def of_agent(site: ComputeSite, agent: Any, **changes: Any) -> AnItem:
    return an_item(site, KEY, payer_address=raw(agent.address), **changes)


def test_epoch__ended__key_settles_from_buckets_for_its_grace_and_funds_nothing(
    site: ComputeSite, refused: Refused
) -> None:
    agent, key, owner = an_agent(site), hex_of(KEY.address), site.provider.owner
    told = site.escrow.delegation(agent.address, key)
    assert (told.epoch, told.has_epoch) == (1, True)
    assert settle(site, [of_agent(site, agent, cap=100)]) == 1
    site.escrow.fund(agent.address, owner, NATIVE, 10, sender=key)

    agent.begin_epoch(2)

    with refused("delegates: epoch ended"):
        site.escrow.fund(agent.address, owner, NATIVE, 10, sender=key)
    boa.env.time_travel(seconds=DELEGATE_GRACE)
    assert settle(site, [of_agent(site, agent, cap=200, nonce=2)]) == 2
    boa.env.time_travel(seconds=1)
    refuses(site, of_agent(site, agent, cap=300, nonce=3), SkipReason.DELEGATE)


def test_epoch__two_later__key_settles_nothing(site: ComputeSite) -> None:
    agent = an_agent(site)

    agent.begin_epoch(3)

    refuses(site, of_agent(site, agent), SkipReason.DELEGATE)


@pytest.mark.parametrize("mode", [1, 2])
def test_epoch__no_longer_told__key_settles_nothing_at_a_bounded_price(
    site: ComputeSite, mode: int
) -> None:
    agent = an_agent(site)
    agent.set_mode(mode)

    refuses(site, of_agent(site, agent), SkipReason.DELEGATE)

    assert site.escrow._computation.get_gas_used() < 300_000


def test_epoch__set_anew_by_the_next_owner__key_counts_for_the_new_one(site: ComputeSite) -> None:
    agent = an_agent(site)
    agent.begin_epoch(2)

    site.escrow.set_delegate(
        hex_of(KEY.address), tuple((TERMS | {"cap": 50_000}).values()), sender=agent.address
    )
    boa.env.time_travel(seconds=DELEGATE_GRACE + 1)

    assert settle(site, [of_agent(site, agent)]) == 1
