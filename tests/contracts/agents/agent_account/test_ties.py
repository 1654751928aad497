"""An account that pays for compute and owns a memory, under the real collection: both follow it.

The collection's own twin stands for markets and verifiers: its tokens here have no data, so they
move as plain ERC-721, and lock as any.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from offchain.compute.ports import SkipReason
from offchain.storage.kv.op import Subject
from offchain.storage.kv.roles import Role
from offchain.storage.stream_book import Grant
from tests.support.agent_accounts import (
    MEMORY_SALT,
    NATIVE,
    AccountSite,
    a_grant,
    agents_deployer,
    hex_of,
    open_account,
    raw,
    remember,
    selector,
    session_key,
)
from tests.support.agents import URI, support_contract
from tests.support.compute_chain import (
    ANY_PROVIDER,
    ANY_SERVICE,
    DELEGATE_GRACE,
    FAR,
    ComputeSite,
    an_item,
    deploy_compute,
    settle,
    skipped,
)
from tests.support.kv_streams import grant_tuple
from tests.support.staking import COIN, a_wallet

KEY = session_key()


@dataclass(frozen=True, slots=True)
class Agent:
    """Token 1 of the real collection, its owner, its account; a market that may lock it."""

    site: AccountSite
    compute: ComputeSite
    nft: Any
    locker: Any
    account: Any
    owner: str

    def act(self, contract: Any, function: str, *arguments: Any, value: int = 0) -> None:
        """Have the account call a contract, as its owner."""
        payload = getattr(contract, function).prepare_calldata(*arguments)
        owner = self.nft.ownerOf(1)
        self.account.execute(contract.address, value, payload, 0, sender=owner)

    def sell(self, to: str) -> None:
        self.nft.transferFrom(self.owner, to, 1, sender=self.owner)

    def lock(self) -> None:
        self.nft.approve(self.locker.address, 1, sender=self.owner)
        payload = self.nft.lock.prepare_calldata(1, boa.env.timestamp + DELEGATE_GRACE)
        self.locker.relay(self.nft.address, payload)

    def item(self, **changes: Any) -> Any:
        """A voucher of the session key for the account."""
        return an_item(self.compute, KEY, payer_address=raw(self.account), **changes)

    def owes(self, reason: SkipReason, **changes: Any) -> None:
        assert settle(self.compute, [self.item(**changes)]) == 0
        assert skipped(self.compute) == {0: reason}


@pytest.fixture(scope="module")
def unused_agent(unused_account: AccountSite) -> Iterator[Agent]:
    site = unused_account
    with boa.env.anchor():
        compute = deploy_compute(site.staking)
        twin = support_contract("agents_verifier_twin").deploy()
        locker = support_contract("agents_locker").deploy(True)
        governance, owner = a_wallet("governance"), a_wallet("first owner")
        nft = agents_deployer("AgentNFT").deploy(twin, twin, governance, URI)
        nft.wire(locker, site.implementation, sender=governance)
        nft.mint(owner, [], [], [], 1, 0, sender=owner)
        account = open_account(site.implementation, nft, 1)
        assert account.address == nft.account_of(1)
        boa.env.set_balance(account.address, 10 * COIN)
        yield Agent(site, compute, nft, locker, account, owner)


@pytest.fixture
def agent(unused_agent: Agent) -> Agent:
    """Money in escrow, a bucket at the provider, and the session key as its delegate."""
    one, escrow, provider = unused_agent, unused_agent.compute.escrow, unused_agent.compute.provider
    boa.env.timestamp = max(boa.env.timestamp, one.nft.epoch_of(1)[1])
    for where in (provider.owner, NATIVE):
        one.act(escrow, "deposit", one.account.address, where, NATIVE, 10_000, value=10_000)
    terms = (NATIVE, 50_000, FAR, ANY_PROVIDER, ANY_SERVICE)
    one.act(escrow, "set_delegate", hex_of(KEY.address), terms)
    return one


def test_session_as_delegate__pays_for_the_account__settles(agent: Agent) -> None:
    assert settle(agent.compute, [agent.item(cap=100)]) == 1

    told = agent.compute.escrow.delegation(agent.account.address, hex_of(KEY.address))
    assert (told.spent, told.epoch, told.has_epoch) == (100, 0, True)


def test_transfer__delegate_of_the_seller__free_money_is_out_of_reach_at_once(
    agent: Agent, stranger: str
) -> None:
    """INV-AGT-8: what was signed settles for the grace, and nothing after it."""
    escrow, provider = agent.compute.escrow, agent.compute.provider.owner
    key = hex_of(KEY.address)
    escrow.fund(agent.account.address, provider, NATIVE, 10, sender=key)

    agent.sell(stranger)

    with boa.reverts("delegates: epoch ended"):
        escrow.fund(agent.account.address, provider, NATIVE, 10, sender=key)
    assert settle(agent.compute, [agent.item(cap=100)]) == 1
    boa.env.time_travel(seconds=DELEGATE_GRACE + 1)
    agent.owes(SkipReason.DELEGATE, cap=200, nonce=2)
    assert escrow.free_of(agent.account.address, NATIVE) == 10_000 - 10
    agent.act(escrow, "withdraw", NATIVE, 9_990, stranger)
    assert escrow.free_of(agent.account.address, NATIVE) == 0


def test_lock__delegate__funds_nothing_and_settles_what_it_signed(agent: Agent) -> None:
    escrow, provider = agent.compute.escrow, agent.compute.provider.owner
    agent.lock()

    with boa.reverts("delegates: epoch ended"):
        escrow.fund(agent.account.address, provider, NATIVE, 10, sender=hex_of(KEY.address))
    boa.env.time_travel(seconds=DELEGATE_GRACE - 1)
    assert settle(agent.compute, [agent.item(cap=100)]) == 1
    boa.env.time_travel(seconds=2)  # the lock has lapsed
    escrow.fund(agent.account.address, provider, NATIVE, 10, sender=hex_of(KEY.address))


def test_voucher_epoch__told_by_the_account__within_the_gas_it_is_given(agent: Agent) -> None:
    agent.account.voucher_epoch()
    assert agent.account._computation.get_gas_used() < 50_000


def test_transfer_within_a_call_of_the_account__refused(agent: Agent, stranger: str) -> None:
    """The account itself cannot be what sells it: it could not follow."""
    agent.nft.approve(agent.account.address, 1, sender=agent.owner)
    owner = agent.owner
    payload = agent.nft.transferFrom.prepare_calldata(owner, stranger, 1)

    with boa.reverts():
        agent.account.execute(agent.nft.address, 0, payload, 0, sender=owner)
    assert agent.nft.ownerOf(1) == owner


def test_memory__sold__new_generation_in_the_same_transaction(agent: Agent, stranger: str) -> None:
    """Who wrote before writes no more: the sale itself is the log's entry that ends his right."""
    kv, account = agent.site.kv, agent.account
    agent.act(kv, "create", MEMORY_SALT)
    stream = bytes(account.memory())
    writer = Subject.account(raw(hex_of(KEY.address)))  # type: ignore[arg-type] # 20 raw bytes
    agent.act(kv, "grant", stream, grant_tuple(Grant(Role.WRITER, writer)))
    entries = agent.site.log.size()

    agent.sell(stranger)

    told = kv.stream(stream)
    assert (told.owner, told.generation) == (account.address, 2)
    assert agent.site.log.size() == entries + 1
    with boa.reverts("agent_account: not the owner"):
        account.grant(hex_of(KEY.address), a_grant(), sender=agent.owner)
    agent.act(kv, "grant", stream, grant_tuple(Grant(Role.WRITER, writer)))
    assert agent.site.log.size() == entries + 2
    assert kv.stream(stream).generation == 2


def test_memory__session_of_the_account__cannot_give_it_away(agent: Agent) -> None:
    kv = agent.site.kv
    for signature in ("transfer_owner(bytes32,address)", "revoke(bytes32,uint8,bytes32)"):
        targets = [(kv.address, [selector(signature)])]
        with boa.reverts("sessions: owner's alone"):
            agent.account.grant(hex_of(KEY.address), a_grant(targets=targets), sender=agent.owner)


def test_follow__by_anybody_again__nothing_happens(agent: Agent, stranger: str) -> None:
    kv, account = agent.site.kv, agent.account
    agent.act(kv, "create", MEMORY_SALT)
    agent.sell(stranger)
    entries = agent.site.log.size()

    assert account.follow(sender=stranger) is False

    assert agent.site.log.size() == entries


def test_memory__given_away_before_a_sale__blocks_no_sale(agent: Agent, stranger: str) -> None:
    kv, account = agent.site.kv, agent.account
    agent.act(kv, "create", MEMORY_SALT)
    agent.act(kv, "transfer_owner", bytes(account.memory()), stranger)

    agent.sell(stranger)

    assert account.follow(sender=stranger) is False
    assert kv.stream(bytes(account.memory())).owner == stranger


def test_follow__collection_that_does_not_call__anybody_or_the_first_act(
    site: AccountSite, stranger: str
) -> None:
    """A collection that forgets to call: one call by anybody ends what the seller's keys could."""
    stream = remember(site)
    site.collection.move(stranger, 1)
    assert site.account.follow(sender=a_wallet("anybody")) is True
    assert site.kv.stream(stream).generation == 2

    site.collection.move(site.owner, 1)
    site.account.execute(site.callee.address, 0, b"", 0, sender=site.owner)
    assert site.kv.stream(stream).generation == 3
