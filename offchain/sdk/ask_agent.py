"""Asking agents that somebody serves, from a program: paid within a budget, checked before it is
believed. Source: docs/how-to/rent-an-agent.md.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import httpx

from offchain.agents.adapters.a2a_ask import Asker, AskParts, Ended
from offchain.agents.adapters.a2a_peer import SECONDS
from offchain.agents.adapters.chain_agents import ChainAgents
from offchain.agents.ask import Ask, Payee
from offchain.agents.intent import Limits
from offchain.agents.let_key import Letting, missing_money
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.chain.due import execute_due
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.onchain_registry import ServiceRegistryClient
from offchain.sdk.errors import NoAccount
from offchain.sdk.open_compute import escrow_of
from offchain.sdk.open_storage import StorageChain, StorageOwner, sender_of


@dataclass(frozen=True, slots=True)
class AskWish:
    """What is wanted, and how far it may go. `run`: a name; the same one is the same run."""

    goal: str = field(repr=False)
    budget_wei: int
    seconds: int = 900
    skill: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    run: str = ""


async def ask_agent(chain: StorageChain, owner: StorageOwner, url: str, wish: AskWish) -> Ended:
    """The agent's checked answer. What is signed: envelopes, and as a renter a deposit of what is
    missing of the budget and a delegation of at most the budget.

    Raises: NoAccount, CardWrong, ToolFailed, RunLogWrong, OverBudget.
    """
    if owner.account is None:
        raise NoAccount
    now = (await asyncio.to_thread(chain.node.block)).timestamp
    ask = Ask(
        wish.run or secrets.token_hex(8),
        wish.goal,
        wish.budget_wei,
        now + wish.seconds,
        wish.skill,
        wish.inputs,
    )
    parts = _parts(chain, LocalSigner.from_secret(owner.account))

    async def grant(payee: Payee) -> None:
        await asyncio.to_thread(_pay, chain, owner, ask, payee)

    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        asker = Asker(http, parts)
        return await asker.ask(await asker.meet(url), ask, grant)


def _parts(chain: StorageChain, wallet: LocalSigner) -> AskParts:
    node, deployments = chain.node, chain.deployments
    tokens, accounts = AgentNFTClient(deployments, node), AgentAccountClient(deployments, node)
    services = ServiceRegistryClient(deployments, node)
    escrow = escrow_of(chain, services, ComputeEscrowClient(deployments, node))
    return AskParts(
        wallet=wallet,
        here=(deployments.chain_id, bytes(tokens.address)),
        agents=ChainAgents(node, tokens, lambda one: accounts.at(Address(one)), escrow),
        services=services,
        escrow=escrow,
        clock=lambda: int(time.time()),
        nonce=partial(secrets.token_bytes, 32),
    )


def _pay(chain: StorageChain, owner: StorageOwner, ask: Ask, payee: Payee) -> None:
    """Let the run's key sign for the budget; again: only what is missing."""
    node, sender = chain.node, sender_of(chain, owner)
    services = ServiceRegistryClient(chain.deployments, node)
    escrow = ComputeEscrowClient(chain.deployments, node)
    service = services.service(payee.service, at=node.block().hash)
    limits = Limits(ask.budget, ask.deadline)
    one = Letting(bytes(sender.account), payee.key, service, limits)
    for name, call in missing_money(node, escrow, one):
        execute_due(sender, call, key=f"sdk.ask:{name}:{payee.key.hex()}")
