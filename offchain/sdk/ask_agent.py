"""Asking agents that somebody serves, from a program: paid within a budget, checked before it is
believed. Source: docs/how-to/rent-an-agent.md.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from offchain.agents.adapters.a2a_ask import Asker, AskParts, Ended
from offchain.agents.adapters.a2a_peer import SECONDS, peer_client
from offchain.agents.adapters.chain_agents import ChainAgents
from offchain.agents.adapters.kept_order import KeptOrder
from offchain.agents.ask import Ask, Payee
from offchain.agents.host import Caller
from offchain.agents.intent import Limits
from offchain.agents.let_key import Letting, missing_deposit, missing_money
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.run_log import RunLog
from offchain.agents.verify_run import Check, verify_run_log
from offchain.chain.due import execute_due
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.chain.model import Address
from offchain.compute.adapters.account_file import AccountFiles
from offchain.compute.adapters.chain_escrow import ChainEscrow
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.buy import Buyer
from offchain.compute.model import Service
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.onchain_registry import ServiceRegistryClient
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.sdk.errors import NoAccount
from offchain.sdk.open_compute import escrow_of
from offchain.sdk.open_storage import StorageChain, StorageOwner, sender_of


@dataclass(frozen=True, slots=True)
class AskWish:
    """What is wanted, and how far it may go. `run`: a name; the same one is the same run. A sale
    whose end was not heard is gone on with by the same wish. `patience_seconds`: for one answer of
    the host.
    """

    goal: str = field(repr=False)
    budget_wei: int
    seconds: int = 900
    skill: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    run: str = ""
    patience_seconds: float = SECONDS


async def ask_agent(
    chain: StorageChain, owner: StorageOwner, url: str, wish: AskWish, *, by_mcp: bool = False
) -> Ended:
    """The agent's checked answer. What is signed: envelopes; as a renter a deposit of what is
    missing of the budget and a delegation of at most the budget; as anybody else a voucher for the
    price of a request, within the budget, and a deposit of what is missing of it.

    `by_mcp`: call the agent's tool of that skill, as its owner or a renter.
    Raises: NoAccount, CardWrong, NotAllowedToRun, ToolFailed, EnvelopeRefused, RunLogWrong,
    OverBudget, UnverifiedAnswer.
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

    async def grant(payee: Payee) -> None:
        await asyncio.to_thread(_pay, chain, owner, ask, payee)

    async def fund(service: Service, most: int) -> None:
        await asyncio.to_thread(_fund, chain, owner, service, most)

    async with (
        _asking(chain, owner, wish.patience_seconds) as asker,
        HttpProviderClient() as providers,
    ):
        met = await asker.meet(url)
        if await asker.right(met) is not Caller.PAYER:
            return await asker.ask(met, ask, grant, by_mcp=by_mcp)
        buyer = await asyncio.to_thread(_buyer, chain, owner, providers)
        kept = _kept(owner, LocalSigner.from_secret(owner.account), url, wish)
        ended = await asker.buy(met, ask, buyer, fund, kept)
        await asyncio.to_thread(kept.drop)
        return ended


async def run_log(chain: StorageChain, owner: StorageOwner, url: str, run: str) -> Ended:
    """The verified log of a run of one's own, by its name; of a sale, by its request id.

    Raises: NoAccount, CardWrong, ToolFailed, EnvelopeRefused, RunLogWrong.
    """
    if owner.account is None:
        raise NoAccount
    async with _asking(chain, owner) as asker:
        return await asker.log(await asker.meet(url), run)


def verify_log(chain: StorageChain, raw: bytes) -> list[Check]:
    """What holds of a run log that somebody shows. Raises: RunLogWrong, with the line."""
    services = ServiceRegistryClient(chain.deployments, chain.node)
    escrow = escrow_of(chain, services, ComputeEscrowClient(chain.deployments, chain.node))
    return verify_run_log(RunLog.from_bytes(raw), services, escrow, _agents(chain, escrow))


@asynccontextmanager
async def _asking(
    chain: StorageChain, owner: StorageOwner, seconds: float = SECONDS
) -> AsyncIterator[Asker]:
    assert owner.account is not None
    parts = _parts(chain, LocalSigner.from_secret(owner.account))
    async with peer_client(seconds) as http:
        yield Asker(http, parts)


def _parts(chain: StorageChain, wallet: LocalSigner) -> AskParts:
    node, deployments = chain.node, chain.deployments
    services = ServiceRegistryClient(deployments, node)
    escrow = escrow_of(chain, services, ComputeEscrowClient(deployments, node))
    agents = _agents(chain, escrow)
    return AskParts(
        wallet=wallet,
        here=(deployments.chain_id, bytes(deployments.address_of(AgentNFTClient.contract))),
        agents=agents,
        services=services,
        escrow=escrow,
        clock=lambda: int(time.time()),
        nonce=partial(secrets.token_bytes, 32),
    )


def _agents(chain: StorageChain, escrow: ChainEscrow) -> ChainAgents:
    node, deployments = chain.node, chain.deployments
    tokens, accounts = AgentNFTClient(deployments, node), AgentAccountClient(deployments, node)
    return ChainAgents(node, tokens, lambda one: accounts.at(Address(one)), escrow)


def _buyer(chain: StorageChain, owner: StorageOwner, providers: HttpProviderClient) -> Buyer:
    """With the books of this account's compute client: one payer has one count of vouchers."""
    assert owner.account is not None
    signer = LocalSigner.from_secret(owner.account)
    services = ServiceRegistryClient(chain.deployments, chain.node)
    folder = owner.folder / "client" / "compute" / signer.address.hex()
    return Buyer(
        services,
        escrow_of(chain, services, ComputeEscrowClient(chain.deployments, chain.node)),
        providers,
        signer,
        clock=time.time,
        shelf=AccountFiles(LocalDisk(), folder),
        may_simulate=chain.deployments.chain_id in DEVNET_CHAIN_IDS,
    )


def _kept(owner: StorageOwner, signer: LocalSigner, url: str, wish: AskWish) -> KeptOrder:
    """Where the order lies that this wish signs, until it is known how it ended."""
    words = wish.goal, wish.budget_wei, wish.skill, dict(wish.inputs), wish.run
    name = keccak(repr((url, *words)).encode()).hex()[:24]
    path = owner.folder / "client" / "asked" / f"{signer.address.hex()}-{name}.json"
    return KeptOrder(LocalDisk(), path)


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


def _fund(chain: StorageChain, owner: StorageOwner, service: Service, most: int) -> None:
    """Deposit what is missing of a price."""
    node, sender = chain.node, sender_of(chain, owner)
    escrow = ComputeEscrowClient(chain.deployments, node)
    purse = bytes(sender.account), service.provider
    for name, call in missing_deposit(node, escrow, purse, most):
        execute_due(sender, call, key=f"sdk.buy:{name}:{node.block().hash.hex()}")
