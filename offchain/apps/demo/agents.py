"""The demo's acts of agents: one is made, works, is sold and handed over whole; garbage is undone.

Mint, sale, oracles, dispute and punishment are those of `apogee agent`; what cheats is shipped as a
cheat. Oracles run in the devnet's software TEE, so what they sign reads SIMULATED.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from offchain.agents.bundle import BundleBroken, open_bundle
from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.mint_agent import MintWish
from offchain.agents.onchain_leases import Licence, RentTerms, RoyaltyPaid
from offchain.agents.onchain_market import SaleState
from offchain.agents.orders import NOBODY
from offchain.agents.refuse import Refuse
from offchain.agents.sell import SellWish
from offchain.agents.template import template_bundle
from offchain.agents.token_view import read_token
from offchain.agents.trade_errors import DeliveredWrong
from offchain.agents.trade_files import SignedOrder
from offchain.apps.agent_home import Trader, open_trader
from offchain.apps.amounts import show_amount
from offchain.apps.demo.agents_at_work import EARNED_WEI, AgentAtWork, Ended, Worked
from offchain.apps.demo.epochs import enter_served_epoch
from offchain.apps.demo.false_oracles import deliver_garbage, stolen_keys
from offchain.apps.demo.report import Story
from offchain.apps.demo.waiting import NotInTime, wait_until
from offchain.apps.home import storage_node_name
from offchain.apps.network import Network
from offchain.apps.oracles import chain_oracles
from offchain.apps.stake import Actor
from offchain.apps.supervisor import State
from offchain.apps.system import System
from offchain.chain.event_ranges import events_between
from offchain.core.erasure.choose import choose_engine
from offchain.core.units import WEI_PER_COIN
from offchain.staking.court_events import Slashed

MAKER: Final = "agent-maker"
TAKER: Final = "agent-taker"
CHEAT: Final = "agent-cheat"
PRICE_WEI: Final = WEI_PER_COIN
ORDER_SECONDS: Final = 7 * 86_400
ROYALTY_BPS: Final = 500
ORACLES: Final = 3
RENT_WEI: Final = WEI_PER_COIN // 10_000  # a second
RENT_SECONDS: Final = 600
CLONE_WEI: Final = WEI_PER_COIN // 5
SOON_SECONDS: Final = 8.0  # a committee with a quorum needs two or three
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """What the acts have to show."""

    token: int
    sale_seconds: float
    content_equal: bool
    old_key_opens_new: bool
    worked: Worked
    recalled: str
    ended: Ended
    rent_wei: int
    clone_royalty_wei: int
    garbage_refunded_wei: int
    oracles_slashed_wei: int

    @property
    def remembers(self) -> bool:
        """Whether the buyer was told just what the agent had learned for the seller."""
        worked = self.worked
        return bool(worked.learned) and self.recalled == f"{worked.stored}: {worked.learned}"

    @property
    def is_good(self) -> bool:
        is_alive = self.remembers and self.worked.thoughts > 0 and self.worked.checks > 0
        is_over = bool(self.ended.call) and bool(self.ended.write)
        is_whole = self.content_equal and not self.old_key_opens_new
        earns = self.rent_wei > 0 and self.clone_royalty_wei > 0
        return (
            is_alive
            and is_over
            and is_whole
            and earns
            and self.garbage_refunded_wei > PRICE_WEI
            and self.oracles_slashed_wei > 0
        )

    def as_json(self) -> dict[str, object]:
        return {
            "agent_token": self.token,
            "agent_sale_s": round(self.sale_seconds, 1),
            "agent_content_equal": self.content_equal,
            "agent_old_key_opens_new": self.old_key_opens_new,
            "agent_earned_wei": EARNED_WEI,
            "agent_spent_wei": self.worked.thoughts_wei,
            "agent_thoughts": self.worked.thoughts,
            "agent_log_checks": self.worked.checks,
            "agent_learned": self.worked.learned,
            "agent_recalled": self.recalled,
            "agent_remembers": self.remembers,
            "seller_call_refused": self.ended.call,
            "seller_write_refused": self.ended.write,
            "agent_rent_wei": self.rent_wei,
            "agent_clone_royalty_wei": self.clone_royalty_wei,
            "garbage_refunded_wei": self.garbage_refunded_wei,
            "oracles_slashed_wei": self.oracles_slashed_wei,
        }


@dataclass(slots=True)
class AgentActs:
    """The acts, in order; each tells its step. Relayer and a provider have to run.

    `thinker`: the hash of the model that is served, which the agent buys its thoughts of.
    """

    system: System
    network: Network
    story: Story
    thinker: bytes

    def play(self) -> AgentFigures:
        """All. Raises: NotInTime and whatever the network refuses."""
        self._bring_back()
        return asyncio.run(self._play())

    def _bring_back(self) -> None:
        """Storage nodes that an earlier act killed start again: a file wants most of its seats."""
        states = self.system.supervisor.states()
        dead = [
            index
            for index in range(self.system.manifest.nodes)
            if states[storage_node_name(index)] is State.STOPPED
        ]
        for index in dead:
            self.system.launch_storage_node(index)
        if dead:
            self.system.wait_storage_nodes()

    async def _play(self) -> AgentFigures:
        async with AsyncExitStack() as stack:
            home, network = self.system.home, self.network
            maker, taker, cheat = [
                await stack.enter_async_context(open_trader(home, network, role))
                for role in (MAKER, TAKER, CHEAT)
            ]
            token, content = await self._mint(maker)
            life, seller = AgentAtWork(self.system, network, self.story), self._actor(MAKER)
            worked = await life.work(seller, maker, taker, token)
            seconds = await self._sell(maker, taker, token)
            is_equal, opens = await self._look(maker, taker, token, content)
            ended = await life.try_old_keys(seller, token, worked)
            recalled = await life.recall(self._actor(TAKER), token)
            rent, royalty = await self._lease(taker, cheat, token)
            refunded, slashed = await self._cheated(cheat, taker)
        return AgentFigures(
            token=token,
            sale_seconds=seconds,
            content_equal=is_equal,
            old_key_opens_new=opens,
            worked=worked,
            recalled=recalled,
            ended=ended,
            rent_wei=rent,
            clone_royalty_wei=royalty,
            garbage_refunded_wei=refunded,
            oracles_slashed_wei=slashed,
        )

    async def _mint(self, maker: Trader) -> tuple[int, bytes]:
        with self.story.step("mint an agent") as step:
            files = template_bundle("Scribe", model_hash=self.thinker, stream=bytes(32), pieces=1)
            wish = MintWish("Scribe, of the demo", ORACLES, ROYALTY_BPS)
            token = await maker.mint.mint(files, wish)
            [held] = await maker.hold.open(token)
            size = len(held.data)
            step.detail = f"token {token}: {size:,} bytes encrypted, stored, sealed to its maker"
        return token, held.data

    async def _sell(self, maker: Trader, taker: Trader, token: int) -> float:
        """From paying to a bundle that the buyer has opened."""
        with self.story.step("sell the agent") as step:
            await self.standing()
            signed = await self.order(maker, MAKER, token)
            quote = await taker.buy.quote(signed)
            started = time.monotonic()
            sale = await taker.buy.buy(signed, price=quote.price)
            proofs = await maker.sell.prove(sale)
            await taker.buy.take(sale, proofs)
            seconds = time.monotonic() - started
            owner = read_token(taker.buy.clients, token).owner
            assert owner == taker.buy.signer.address, owner.hex()
            step.detail = (
                f"{show_amount(quote.price)} coins, {ORACLES} oracles SIMULATED, "
                f"{seconds:.1f} s from paying to an opened bundle"
            )
        return seconds

    async def _look(
        self, maker: Trader, taker: Trader, token: int, content: bytes
    ) -> tuple[bool, bool]:
        """Whether the buyer has what was sold, and whether the seller's key opens anything new."""
        with self.story.step("what the seller's key opens") as step:
            [held] = await taker.hold.open(token)
            view = read_token(taker.buy.clients, token)
            [entry] = view.entries
            file = await taker.buy.files.get(entry.location, entry.data_hash)
            old_key = maker.mint.key_of(content)
            try:
                open_bundle(file, old_key, entry.content_root)
                opens = True
            except BundleBroken:
                opens = False
            step.detail = "nothing: the buyer's file is under a key that nobody had before"
        return held.data == content, opens

    async def _lease(self, owner: Trader, other: Trader, token: int) -> tuple[int, int]:
        """The new owner lets the agent and licenses a clone, whose fee pays the maker too."""
        leases, network = self.network.agent_leases, self.network
        owns, takes = [
            LeaseAgent(leases, one.hold, one.sell, one.sell.send) for one in (owner, other)
        ]
        expiry = network.node.block().timestamp + ORDER_SECONDS
        with self.story.step("rent the agent") as step:
            terms = RentTerms(RENT_WEI, NOBODY, RENT_SECONDS, 10 * RENT_SECONDS, expiry)
            await asyncio.to_thread(owns.let, token, terms, name="demo.let")
            rented = await asyncio.to_thread(takes.rent, token, RENT_SECONDS, most=WEI_PER_COIN)
            users = network.agents.authorized_users_of(token, at=network.node.block().hash)
            assert other.buy.signer.address in users, users
            step.detail = f"{show_amount(rented.held)} coins held for {RENT_SECONDS} s of use"
        with self.story.step("clone the agent") as step:
            licence = Licence(3, CLONE_WEI, NOBODY, ROYALTY_BPS, False, expiry)
            await asyncio.to_thread(owns.license, token, licence, name="demo.license")
            ordered = await asyncio.to_thread(takes.order_clone, token, most=WEI_PER_COIN)
            clone = await owns.deliver(ordered.order, await owns.prove(ordered.order))
            [held] = await takes.take(ordered.order)
            paid = self._events(RoyaltyPaid)
            royalty = sum(one.amount for one in paid if one.order == ordered.order)
            step.detail = (
                f"token {clone}, {len(held.data):,} bytes under a key of its own; its maker "
                f"earns {show_amount(royalty)} of {show_amount(CLONE_WEI)} coins"
            )
        return rented.held, royalty

    def _events(self, kind: type[T]) -> list[T]:
        network = self.network
        span = (network.deployments.first_block(), network.node.block().number)
        return list(events_between(network.node, network.agent_leases, kind, span, {}))

    async def _cheated(self, cheat: Trader, taker: Trader) -> tuple[int, int]:
        with self.story.step("garbage, signed by a quorum") as step:
            files = template_bundle("Lemon", model_hash=bytes(32), stream=bytes(32))
            token = await cheat.mint.mint(files, MintWish("Lemon, of the demo", ORACLES))
            await self.standing()
            signed = await self.order(cheat, CHEAT, token)
            quote = await taker.buy.quote(signed)
            sale = await taker.buy.buy(signed, price=quote.price)
            operators = [one.operator_id for one in chain_oracles(self.network).standing()]
            liars = stolen_keys(self.network, self.system.home, operators[:ORACLES])
            proofs = await deliver_garbage(cheat, sale, liars)
            await cheat.sell.deliver(sale, proofs)
            try:
                await taker.buy.examine(sale)
            except DeliveredWrong as error:
                step.detail = f"delivered on chain; the buyer's client: {error.code}"
        with self.story.step("refund and punish") as step:
            market, account = self.network.agent_market, taker.buy.signer.address
            before = market.credit_of(account, NOBODY, at=self.network.node.block().hash)
            refuse = Refuse(taker.buy, self.network.delivery_proofs, choose_engine, taker.buy.send)
            ended = await refuse.refuse(sale)
            assert ended.ended.state is SaleState.REFUNDED, ended.ended.state
            after = market.credit_of(account, NOBODY, at=self.network.node.block().hash)
            signatures = proofs.proofs[0].ownership.signatures
            slashed = await asyncio.to_thread(
                self._punish, taker, ended.proven.digests[0], signatures
            )
            step.detail = (
                f"proof {ended.proven.kinds[0]}: {show_amount(after - before)} coins back with the "
                f"seller's bond, {show_amount(slashed)} of the oracles' stake"
            )
        return after - before, slashed

    def _punish(self, cheated: Trader, digest: bytes, signatures: tuple[bytes, ...]) -> int:
        """What the liars lose as relayers, in the transaction that shows who signed."""
        call = self.network.verifier.punish(digest, list(signatures))
        receipt = cheated.buy.send(call, f"demo.punish:{digest.hex()}")
        return sum(one.taken for one in self.network.court.events_in(Slashed, receipt.logs))

    def _actor(self, role: str) -> Actor:
        return Actor(self.system.home, self.network, role, as_json=True)

    async def order(self, seller: Trader, role: str, token: int) -> SignedOrder:
        """Let the market lock the token, put the bond in, sign."""
        network, actor = self.network, Actor(self.system.home, self.network, role)
        head = network.node.block()
        bond = network.agent_market.bond_of(PRICE_WEI, at=head.hash)
        calls = {
            f"demo.approve:{token}": network.agents.approve(network.agent_market.address, token),
            f"demo.bond:{token}": network.agent_market.deposit(actor.address, NOBODY, bond),
        }
        for key, call in calls.items():
            await asyncio.to_thread(seller.sell.send, call, key)
        wish = SellWish(token, PRICE_WEI, head.timestamp + ORDER_SECONDS)
        return await asyncio.to_thread(seller.sell.order, wish)

    async def standing(self) -> None:
        """Wait until enough oracles stand: travels in time end their verdicts.

        Where relayers of the running committee were just slashed it has no quorum left; the next
        epoch's, of those who remain, is drawn then.
        """
        await asyncio.to_thread(self._wait_oracles)

    def _wait_oracles(self) -> None:
        ledger = chain_oracles(self.network)

        def stand() -> bool:
            return len(ledger.standing()) >= ORACLES

        try:
            wait_until("oracles", stand, SOON_SECONDS)
        except NotInTime:
            enter_served_epoch(self.system, self.network)
            wait_until("oracles", stand)
