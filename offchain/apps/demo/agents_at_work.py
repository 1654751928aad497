"""The demo's agent at work: a customer pays its wallet, it buys its thoughts there, and remembers.

The run is that of `apogee agent run`: bundle, rights on chain, vouchers, memory, a signed log. Its
seller keeps what he had: the run's session key, and one that may pay him from the agent's wallet.
After the sale the account and the stream refuse both by name.
"""

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.sessions import NATIVE, PLAIN, Cap, Grant, Target
from offchain.agents.standing import Stop
from offchain.agents.verify_run import verify_run_log
from offchain.apps import agent_acting, agent_run
from offchain.apps.agent_home import Trader
from offchain.apps.agent_intent import IntentFlags
from offchain.apps.agent_storage import open_memory
from offchain.apps.amounts import show_amount
from offchain.apps.compute_clients import chain_escrow
from offchain.apps.demo.market import HONEST
from offchain.apps.demo.report import Story
from offchain.apps.demo.waiting import wait_in_step
from offchain.apps.network import Network
from offchain.apps.shown_text import shown
from offchain.apps.stake import Actor
from offchain.apps.system import System
from offchain.chain.errors import CallReverted
from offchain.chain.keys import LocalSigner
from offchain.chain.model import TypedCall, parse_address
from offchain.chain.reverts import typed_error
from offchain.core.errors import ApogeeError
from offchain.core.units import WEI_PER_COIN
from offchain.storage.kv.errors import OpRefused

EARNED_WEI: Final = WEI_PER_COIN // 10
BUDGET: Final = "0.02"
SESSION_SECONDS: Final = 7 * 86_400
NOTES: Final = "The harbour of Norddeich closes at nine. The last ferry leaves at eight."
JOB: Final = "Summarise the customer's file."
QUESTION: Final = "What did you learn last?"
LIE: Final = b"written by a former owner"


@dataclass(frozen=True, slots=True)
class Worked:
    """What the agent did for its first owner. `wallet`: a session of his that may pay him."""

    learned: str
    stored: str
    thoughts: int
    thoughts_wei: int
    checks: int
    run: bytes
    wallet: LocalSigner = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the seller's keys are refused after the sale: the account's revert, the stream's word."""

    call: str
    write: str


@dataclass(frozen=True, slots=True)
class AgentAtWork:
    """What the agent does before and after it is sold; each tells its step."""

    system: System
    network: Network
    story: Story

    async def work(self, owner: Actor, maker: Trader, customer: Trader, token: int) -> Worked:
        """A customer pays for a summary of his file; the agent thinks, stores, remembers."""
        with self.story.step("the agent works") as step:
            account = self._account(token)
            pay = TypedCall(account.address, b"", EARNED_WEI, "AgentAccount", "receive")
            text = NOTES.encode()
            root = await asyncio.to_thread(customer.buy.engines.root_of, text)
            file, _ = await asyncio.gather(
                customer.buy.files.put(text, root, name="demo-notes"),
                asyncio.to_thread(customer.buy.send, pay, f"demo.earn:{token}"),
            )
            flags = IntentFlags(
                goal=JOB,
                budget=BUDGET,
                deadline="1h",
                skill="summarise",
                inputs=(f"file={file.hex()}",),
            )
            network = self.network
            await asyncio.to_thread(wait_in_step, self.system, network, HONEST)
            report, _ = await agent_run.act(owner, token, flags)
            checks = await asyncio.to_thread(
                verify_run_log,
                report.log,
                network.services,
                chain_escrow(network),
                agent_acting.chain_agents(network),
            )
            learned, _, stored = report.text.rpartition("\nstored as ")
            assert report.reason is Stop.GOAL, report.text
            thoughts = [one for one in report.log.steps if one.receipt is not None]
            spent = sum(one.spend for one in thoughts)
            step.detail = (
                f"{show_amount(EARNED_WEI)} coins earned, {len(thoughts)} thoughts bought for "
                f'{spent:,} wei, {len(checks)} checks of its log: "{shown(learned, 60)}"'
            )
        wallet = await self._keep_a_session(maker, token, account)
        return Worked(learned, stored, len(thoughts), spent, len(checks), report.log.run, wallet)

    async def recall(self, owner: Actor, token: int) -> str:
        """The buyer runs it, and it tells what it learned before the sale."""
        with self.story.step("the buyer's agent remembers") as step:
            flags = IntentFlags(goal=QUESTION, budget=BUDGET, deadline="1h", skill="recall")
            report, _ = await agent_run.act(owner, token, flags)
            step.detail = f'{report.reason.value}: "{shown(report.text, 80)}"'
        return report.text

    async def try_old_keys(self, seller: Actor, token: int, worked: Worked) -> Ended:
        """The seller pays himself from the agent's wallet, and writes into its memory: refused."""
        with self.story.step("the seller's sessions") as step:
            refusal = await asyncio.to_thread(self._refusal, seller, token, worked.wallet)
            write = await self._write(seller, token, worked.run)
            step.detail = f'a payment: "{refusal}"; a memory: {write}'
        return Ended(refusal, write)

    async def _keep_a_session(
        self, maker: Trader, token: int, account: AgentAccountClient
    ) -> LocalSigner:
        """A session that may pay the maker; it can, as long as he owns the agent."""
        key, head = LocalSigner.from_secret(secrets.token_bytes(32)), self.network.node.block()
        grant = Grant(
            valid_from=0,
            valid_until=head.timestamp + SESSION_SECONDS,
            calls=8,
            caps=(Cap(NATIVE, EARNED_WEI, EARNED_WEI),),
            targets=(Target(maker.buy.signer.address, (PLAIN,)),),
        )
        call = account.grant(key.address, grant)
        await asyncio.to_thread(maker.sell.send, call, f"demo.session:{token}")
        payee = maker.buy.signer.address
        refused = await asyncio.to_thread(self._asked, account, payee, key)
        assert refused is None, refused
        return key

    def _refusal(self, seller: Actor, token: int, key: LocalSigner) -> str:
        """The revert that the account answers the key with; empty when it would pay."""
        refused = self._asked(self._account(token), seller.address, key)
        return "" if refused is None else str(refused.fields["reason"])

    def _asked(
        self, account: AgentAccountClient, payee: bytes, key: LocalSigner
    ) -> ApogeeError | None:
        """What the account says to a payment by this key at the newest block."""
        call = account.execute(TypedCall(parse_address(payee), b"", 1, "", "pay"))
        try:
            at = self.network.node.block().hash
            self.network.node.calls([call.call_from(key.address)], at=at)
        except CallReverted as failure:
            return typed_error(failure, call.contract, call.function, call.reverts)
        return None

    async def _write(self, seller: Actor, token: int, run: bytes) -> str:
        """What a replica says to an entry signed by the key of the seller's run."""
        at = self.network.node.block().hash
        stream = await asyncio.to_thread(self._account(token).memory, at=at)
        async with AsyncExitStack() as stack:
            secret = agent_acting.session_key(seller, run)
            kv = await open_memory(self.network, stream, secret, stack)
            try:
                await kv.put(LIE, LIE)
            except OpRefused as refused:
                return str(refused.fields["outcomes"])
        return ""

    def _account(self, token: int) -> AgentAccountClient:
        network = self.network
        implementation = AgentAccountClient(network.deployments, network.node)
        return implementation.of(network.agents.address, token)
