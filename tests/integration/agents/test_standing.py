"""Whose an agent is, asked of the real token and the real account."""

import asyncio
from types import SimpleNamespace

import boa
import pytest

from offchain.agents.adapters.chain_agents import ChainAgents
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.reverts_agents_nft import NoSuchToken
from offchain.agents.runtime_errors import NotAllowedToRun
from offchain.agents.sessions import Grant
from offchain.agents.standing import Visitor, admit
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.core.hashing import keccak
from tests.support.agent_accounts import raw
from tests.support.agent_goods import RealGoods, deploy_goods
from tests.support.agents import support_contract
from tests.support.boa_chain import BoaReader, boa_deployments, boa_send
from tests.support.staking import a_wallet

KEY = LocalSigner.from_secret(keccak(b"session of a run"))


@pytest.fixture(scope="module")
def made() -> RealGoods:
    return deploy_goods()


def agents_of(made: RealGoods) -> tuple[ChainAgents, AgentAccountClient]:
    deployments = boa_deployments(AgentNFT=made.nft, AgentAccount=made.implementation)
    reader = BoaReader()
    client = AgentAccountClient(deployments, reader)
    tokens = AgentNFTClient(deployments, reader)
    delegations = SimpleNamespace(delegate=lambda *_, at: None)
    return ChainAgents(reader, tokens, lambda one: client.at(Address(one)), delegations), client


def test_standing__owner_user_lock_pause_and_session__as_the_contracts_say(made: RealGoods) -> None:
    owner, user = a_wallet("owner"), a_wallet("user")
    with boa.env.anchor():
        locker = support_contract("agents_locker").deploy(True)  # a market
        token = made.mint(owner, owner, 0)
        agents, client = agents_of(made)
        collection = Address(raw(made.nft.address))
        found = agents.standing(token, KEY.address)
        assert (found.owner, found.users, found.epoch) == (raw(owner), frozenset(), 0)
        assert (found.is_locked, found.is_paused, found.is_session_live) == (False, False, False)
        assert found.account == raw(made.nft.account_of(token))

        made.nft.authorizeUsage(token, user, sender=owner)
        boa_send(client.create(collection, token), owner)
        account = client.of(collection, token)
        now = int(boa.env.evm.patch.timestamp)
        boa_send(account.grant(KEY.address, Grant(0, now + 3_600, 0)), owner)
        found = agents.standing(token, KEY.address)
        assert found.lets(raw(user))
        assert found.is_session_live

        boa_send(account.set_paused(True), owner)
        assert agents.standing(token, KEY.address).is_paused
        made.nft.approve(locker.address, token, sender=owner)
        lock = made.nft.lock.prepare_calldata(token, now + 3_600)
        locker.relay(made.nft.address, lock, sender=owner)
        assert agents.standing(token).is_locked


def test_admit__a_stranger_or_a_token_that_is_not_there__is_refused(made: RealGoods) -> None:
    with boa.env.anchor():
        owner = a_wallet("owner")
        token = made.mint(owner, owner, 0)
        agents, _ = agents_of(made)

        assert asyncio.run(admit(agents, Visitor(token, raw(owner)))).owner == raw(owner)
        with pytest.raises(NotAllowedToRun):
            asyncio.run(admit(agents, Visitor(token, b"\x01" * 20)))
        with pytest.raises(NoSuchToken):
            asyncio.run(admit(agents, Visitor(token + 1, raw(owner))))
