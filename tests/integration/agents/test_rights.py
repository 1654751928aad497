"""Rights of a run on real contracts: what an owner grants is what the intent allows, not more."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import boa
import pytest

from offchain.agents.adapters.chain_agents import ChainAgents
from offchain.agents.envelope import message_domain
from offchain.agents.intent import Limits
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.runtime_errors import OverBudget
from offchain.apps.agent_rights import MEMORY_SALT, Rights, Wanted
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.compute.model import NATIVE_COIN
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.core.hashing import keccak
from offchain.storage.onchain_log import KVStreamsClient
from tests.support.agent_accounts import AccountSite, deploy_account, raw
from tests.support.boa_chain import BoaReader, boa_deployments, boa_send
from tests.support.compute_chain import ComputeSite, deploy_compute

KEY = LocalSigner.from_secret(keccak(b"session of a run"))
BUDGET = 10**16
HOUR = 3_600
TOKEN = 1


@dataclass
class Place:
    """The contracts, the owner's rights, and what was sent."""

    site: AccountSite
    compute: ComputeSite
    network: SimpleNamespace
    rights: Rights
    sent: dict[str, bytes]

    def now(self) -> int:
        return int(boa.env.evm.patch.timestamp)

    def wanted(self, *, budget: int = BUDGET, payer: bytes | None = None) -> Wanted:
        service = SimpleNamespace(
            provider=raw(self.compute.provider.owner), id=self.compute.service
        )
        limits = Limits(
            budget,
            self.now() + HOUR,
            tools=frozenset({"memory.remember"}),
            counterparties=frozenset({service.provider}),
        )
        account = raw(self.site.account.address)
        return Wanted(TOKEN, account, payer or account, KEY.address, service, limits)


@pytest.fixture(scope="module")
def deployed() -> tuple[AccountSite, ComputeSite]:
    site = deploy_account()
    return site, deploy_compute(site.staking)


@pytest.fixture
def place(deployed: tuple[AccountSite, ComputeSite]) -> Iterator[Place]:
    site, compute = deployed
    with boa.env.anchor():
        deployments = boa_deployments(
            AgentAccount=site.implementation, ComputeEscrow=compute.escrow, KVStreams=site.kv
        )
        reader, sent = BoaReader(), {}
        network = SimpleNamespace(
            node=reader,
            deployments=deployments,
            chain_id=reader.chain_id(),
            agents=SimpleNamespace(address=Address(raw(site.collection.address))),
            escrow=ComputeEscrowClient(deployments, reader),
            streams=KVStreamsClient(deployments, reader),
        )

        def send(call: object, key: str) -> None:
            """Once a key, as the outbox does."""
            if key not in sent:
                boa_send(call, site.owner)
                sent[key] = call.data

        yield Place(site, compute, network, Rights(network, send), sent)


def test_rights__an_intent__gets_session_memory_deposit_and_its_budget(place: Place) -> None:
    wanted = place.wanted()
    boa.env.set_balance(place.site.account.address, BUDGET)

    sent = place.rights.bring(wanted)

    assert sent == ["memory", "memory_right", "session", "deposit", "delegation"]
    at, escrow = place.network.node.block().hash, place.network.escrow
    account = AgentAccountClient(place.network.deployments, place.network.node).at(
        Address(wanted.account)
    )
    session = account.session(KEY.address, at=at)
    assert session.is_live
    assert session.valid_until == wanted.limits.deadline
    assert session.calls_left == 0
    assert account.may_sign(
        KEY.address, message_domain(place.network.chain_id, wanted.account), at=at
    )
    assert not account.may_sign(KEY.address, escrow.domain_separator(at=at), at=at)
    bucket = escrow.bucket(wanted.account, wanted.service.provider, NATIVE_COIN, at=at)
    assert bucket.balance == BUDGET
    delegate = escrow.delegate(wanted.account, KEY.address, at=at)
    assert delegate is not None
    assert (delegate.cap, delegate.expiry) == (BUDGET, wanted.limits.deadline)
    assert (delegate.provider, delegate.service) == (wanted.service.provider, wanted.service.id)
    stream = place.rights.memory(TOKEN)
    assert stream == place.network.streams.stream_id(wanted.account, MEMORY_SALT, at=at)
    assert place.network.streams.stream(stream, at=at).owner == wanted.account


def test_rights__a_plan_that_only_recalls__gets_a_session_and_nothing_else(place: Place) -> None:
    wanted = place.wanted()
    limits = replace(wanted.limits, tools=frozenset({"memory.recall"}))

    sent = place.rights.bring(replace(wanted, limits=limits, thinks=False))

    assert sent == ["session"]
    at = place.network.node.block().hash
    assert place.network.escrow.delegate(wanted.account, KEY.address, at=at) is None
    stream = place.rights.memory(TOKEN)
    assert not any(place.network.streams.stream(stream, at=at).owner)


def test_rights__asked_again__send_nothing_new(place: Place) -> None:
    wanted = place.wanted()
    boa.env.set_balance(place.site.account.address, BUDGET)
    place.rights.bring(wanted)
    before = dict(place.sent)

    place.rights.bring(wanted)

    assert place.sent == before


def test_rights__a_poor_account__is_told_what_is_missing_and_no_money_moves(place: Place) -> None:
    wanted = place.wanted()
    boa.env.set_balance(place.site.account.address, BUDGET - 1)

    with pytest.raises(OverBudget) as caught:
        place.rights.bring(wanted)

    assert caught.value.fields["has"] == BUDGET - 1
    at = place.network.node.block().hash
    assert place.network.escrow.delegate(wanted.account, KEY.address, at=at) is None


def test_rights__killed_paused_locked_or_sold__end_the_session_at_once(place: Place) -> None:
    site, wanted = place.site, place.wanted()
    boa.env.set_balance(site.account.address, BUDGET)
    place.rights.bring(wanted)
    account = AgentAccountClient(place.network.deployments, place.network.node).at(
        Address(wanted.account)
    )

    def is_live() -> bool:
        return account.session(KEY.address, at=place.network.node.block().hash).is_live

    assert is_live()
    for act in (
        lambda: boa_send(account.set_paused(True), site.owner),
        lambda: site.collection.lock(TOKEN, place.now() + HOUR),
        lambda: site.collection.move(boa.env.generate_address("buyer"), TOKEN),
        lambda: place.rights.take_back(TOKEN),
    ):
        with boa.env.anchor():
            act()
            assert not is_live()


@pytest.mark.parametrize("is_paused", [False, True])
def test_rights__killed__the_keys_vouchers_end_too(place: Place, *, is_paused: bool) -> None:
    site, wanted = place.site, place.wanted()
    boa.env.set_balance(site.account.address, BUDGET)
    place.rights.bring(wanted)
    account = place.rights.account(TOKEN)
    if is_paused:
        boa_send(account.set_paused(True), site.owner)

    ended = place.rights.take_back(TOKEN)

    assert ended == ["sessions", "delegations"]
    at = place.network.node.block().hash
    delegation = place.network.escrow.delegation(wanted.account, KEY.address, at=at)
    assert delegation.is_revoked
    assert not account.session(KEY.address, at=at).is_live
    assert account.is_paused(at=at) is is_paused


def test_rights__a_resumed_run__is_given_what_is_left_of_its_budget(place: Place) -> None:
    """What it has spent left the bucket; the account has no more than what is missing."""
    wanted = place.wanted()
    boa.env.set_balance(place.site.account.address, BUDGET - 1_000)

    sent = place.rights.bring(replace(wanted, spent=1_000))

    assert "deposit" in sent
    at = place.network.node.block().hash
    bucket = place.network.escrow.bucket(
        wanted.account, wanted.service.provider, NATIVE_COIN, at=at
    )
    assert bucket.balance == BUDGET - 1_000


def test_chain_agents__another_agents_key__speaks_only_while_it_may(place: Place) -> None:
    wanted = place.wanted()
    boa.env.set_balance(place.site.account.address, BUDGET)
    place.rights.bring(wanted)
    client = AgentAccountClient(place.network.deployments, place.network.node)
    agents = ChainAgents(
        place.network.node,
        SimpleNamespace(),
        lambda one: client.at(Address(one)),
        place.network.escrow,
    )
    domain = message_domain(place.network.chain_id, wanted.account)

    assert agents.may_sign(wanted.account, KEY.address, domain)
    assert agents.may_sign(wanted.account, raw(place.site.owner), domain)
    assert not agents.may_sign(wanted.account, b"\x01" * 20, domain)
    assert not agents.may_sign(b"\x02" * 20, KEY.address, domain)
    assert not agents.may_sign(raw(place.site.collection.address), KEY.address, domain)
    place.site.collection.move(boa.env.generate_address("buyer"), TOKEN)
    assert not agents.may_sign(wanted.account, KEY.address, domain)
