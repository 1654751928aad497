"""Asking an agent at its host: its card checked, the ask said until it ended, its log checked.

Nothing the host says is believed: the card is held against the chain, the answer's envelope against
who may speak for the agent now, the run log against the intent that was asked for and the receipts
against the market. The worst a host can do is spend the budget on thoughts and answer badly.
Source: docs/protocol/agents.md#serving.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

import httpx

from offchain.agents.adapters.a2a_card import CardFacts, CardLedger, check_card
from offchain.agents.adapters.a2a_peer import (
    Peer,
    PeerTalk,
    conversation_id,
    was_refused,
    work,
)
from offchain.agents.adapters.kept_order import OrderShelf
from offchain.agents.adapters.mcp_guest import McpGuest
from offchain.agents.ask import Answer, Ask, LogWish, Payee, State, run_id
from offchain.agents.envelope import NO_VOUCHER, Conversation, Mailbox, Speaker
from offchain.agents.host import Caller, name_of
from offchain.agents.intent import Intent, Limits
from offchain.agents.run_log import RunLog
from offchain.agents.runtime_errors import (
    AskMalformed,
    NotAllowedToRun,
    OverBudget,
    RunLogWrong,
    ToolFailed,
)
from offchain.agents.verify_run import Check, LogRights, verify_run_log
from offchain.chain.keys import LocalSigner
from offchain.compute.buy import Buyer, Order, Wanted
from offchain.compute.errors import UnverifiedAnswer
from offchain.compute.model import Service, hold_of
from offchain.compute.ports import EscrowLedger, ServiceLedger
from offchain.core.hashing import keccak
from offchain.node.journal import MemoryJournal

PAY_TRIES: Final = 60  # the host's node may be some blocks behind the one that was paid at
PAY_SECONDS: Final = 1.0
_REQUEST: Final = re.compile(r"^[0-9a-f]{64}$")
Grant = Callable[[Payee], Awaitable[None]]
Fund = Callable[[Service, int], Awaitable[None]]  # of whom, and what the deposit has to be


class AskLedger(CardLedger, LogRights, Protocol):
    """What the chain says of agents, their keys and their logs."""


@dataclass(frozen=True, slots=True)
class AskParts:
    """Who asks, and what he believes. `wallet`: signs the envelopes; `here`: chain, collection."""

    wallet: LocalSigner = field(repr=False)
    here: tuple[int, bytes]
    agents: AskLedger
    services: ServiceLedger
    escrow: EscrowLedger
    clock: Callable[[], int]
    nonce: Callable[[], bytes]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Met:
    """An agent at a URL whose card holds now."""

    peer: Peer
    facts: CardFacts


@dataclass(frozen=True, slots=True)
class Ended:
    """A checked answer."""

    reason: str
    report: str = field(repr=False)
    log: RunLog = field(repr=False)
    checks: Sequence[Check]


class Asker:
    """One conversation with one agent."""

    def __init__(self, http: httpx.AsyncClient, parts: AskParts) -> None:
        self._http = http
        self._parts = parts

    async def meet(self, url: str) -> Met:
        """Its card, checked. Raises: ToolFailed, CardWrong, EnvelopeRefused, NotAllowedToRun."""
        talk = self._talk(bytes(20))
        peer = await talk.find(url)
        return Met(peer, await check_card(peer.card, self._parts.here, self._parts.agents))

    async def ask(self, met: Met, ask: Ask, grant: Grant, *, by_mcp: bool = False) -> Ended:
        """Say it until it ended; `grant` lets a key sign vouchers, once, if the host asks for it.

        `by_mcp`: as a call of the agent's tool of that skill. Raises: ToolFailed, EnvelopeRefused,
        AskMalformed, RunLogWrong, and what `grant` raises.
        """
        say = (
            self._tools(met).say if by_mcp else partial(self._talk(met.facts.account).say, met.peer)
        )
        payee, tries = None, 0
        while True:
            answer = Answer.from_bytes(await say(ask.to_bytes()))
            if answer.state is State.ENDED:
                return await asyncio.to_thread(self._checked, met, ask, answer)
            if answer.payee is None:
                continue
            if payee is None:
                payee = answer.payee
                await grant(payee)
            elif tries >= PAY_TRIES or answer.payee != payee:
                raise ToolFailed(agent=met.peer.url[:120], reason="it does not take the payment")
            tries += 1
            await self._parts.sleep(PAY_SECONDS)

    async def right(self, met: Met) -> Caller:
        """In which right one may ask there now. Raises: NotAllowedToRun."""
        me, token = self._parts.wallet.address, met.facts.token
        standing = await asyncio.to_thread(self._parts.agents.standing, token)
        if me == standing.owner:
            return Caller.OWNER
        if me in standing.users:
            return Caller.RENTER
        if not met.facts.service:
            raise NotAllowedToRun(who="0x" + me.hex(), block=standing.block, sells=False)
        return Caller.PAYER

    async def buy(self, met: Met, ask: Ask, buyer: Buyer, fund: Fund, kept: OrderShelf) -> Ended:
        """Pay for one request to the agent's service: the verified answer, and its run log.

        `fund` brings what the voucher needs to its provider. An order that is `kept` is sent again,
        and paid once; it is dropped here when nothing was sold, else by who told how it ended.
        Raises: OverBudget before anything is signed; ToolFailed, EnvelopeRefused,
        UnverifiedAnswer, RunLogWrong.
        """
        wanted = work(_request(ask))
        voucher = await asyncio.to_thread(kept.load)
        if voucher is None:
            order = await self._ordered(met, ask.budget, wanted, buyer, fund)
            await asyncio.to_thread(kept.save, order.voucher)
        else:
            order = await buyer.restored(wanted, voucher)
        try:
            found = await self._talk(met.facts.account).pay(met.peer, buyer, order)
        except (ToolFailed, UnverifiedAnswer) as error:
            if isinstance(error, UnverifiedAnswer) or was_refused(error):
                await asyncio.to_thread(kept.drop)
            raise
        receipt = found.receipt
        ended = await self.log(met, receipt.request_id.hex())
        paid = Check("paid", f"{receipt.price} for request 0x{receipt.request_id.hex()}")
        return replace(ended, report=found.text, checks=[paid, *ended.checks])

    async def _ordered(
        self, met: Met, budget: int, wanted: Wanted, buyer: Buyer, fund: Fund
    ) -> Order:
        facts = await buyer.facts(met.facts.service, is_fresh=True)
        most = hold_of(
            facts.row, input_tokens=wanted.max_input or 0, max_tokens=wanted.max_tokens or 0
        )
        if most > budget:
            raise OverBudget(price=most, budget=budget)
        await fund(facts.service, most + await buyer.unsettled(met.facts.service))
        return await buyer.order(met.facts.service, wanted)

    async def log(self, met: Met, run: str) -> Ended:
        """A run's log again, for who asked for it; what a sale was, by its request id.

        Raises: ToolFailed, EnvelopeRefused, AskMalformed, RunLogWrong.
        """
        talk, wish = self._talk(met.facts.account), LogWish(run.removeprefix("0x"))
        request = _request_of(wish.run)
        raw = await talk.say(met.peer, wish.to_bytes(), promised=request or NO_VOUCHER)
        answer = Answer.from_bytes(raw)
        if answer.state is not State.ENDED:
            raise AskMalformed(field="state", state=answer.state.value)
        return await asyncio.to_thread(
            self._verified, met, answer, wish.run, is_sale=request is not None
        )

    def _talk(self, to: bytes) -> PeerTalk:
        return PeerTalk(self._http, self._conversation(to), self._mailbox(), self._parts.clock)

    def _tools(self, met: Met) -> McpGuest:
        talk_of = partial(self._conversation, met.facts.account)
        return McpGuest(met.peer.url, talk_of, self._mailbox, self._parts.clock)

    def _conversation(self, to: bytes) -> Conversation:
        parts, me = self._parts, self._parts.wallet.address
        speaker = Speaker(me, parts.here[0], parts.wallet)
        return Conversation(speaker, to, conversation_id(me, to, parts.nonce()))

    def _mailbox(self) -> Mailbox:
        parts = self._parts
        me, chain_id = parts.wallet.address, parts.here[0]
        return Mailbox(me, chain_id, parts.agents, MemoryJournal(), parts.clock)

    def _checked(self, met: Met, ask: Ask, answer: Answer) -> Ended:
        log = RunLog.from_bytes(answer.log)
        wanted = Intent(ask.goal, Limits(ask.budget, ask.deadline), ask.skill, ask.inputs)
        _require(
            ("goal", log.goal_hash == wanted.goal_hash),
            ("limits", log.limits.budget <= ask.budget and log.limits.deadline <= ask.deadline),
        )
        return self._verified(met, answer, ask.run)

    def _verified(self, met: Met, answer: Answer, run: str, *, is_sale: bool = False) -> Ended:
        """A log that is of the very run, and holds. Raises: RunLogWrong."""
        log, facts, parts = RunLog.from_bytes(answer.log), met.facts, self._parts
        me, owner = parts.wallet.address, parts.agents.standing(facts.token).owner
        caller = Caller.OWNER if me == owner else Caller.RENTER
        who, name = (owner, Caller.PAYER) if is_sale else (me, caller)
        _require(
            (
                "agent",
                (log.token, log.epoch, log.account) == (facts.token, facts.epoch, facts.account),
            ),
            ("chain", (log.chain_id, log.collection) == parts.here),
            ("run", log.run == run_id(name_of(name, run), log.token, who)),
            ("payer", log.payer == (log.account if who == owner else me)),
            ("reason", log.reason == answer.reason),
        )
        checks = verify_run_log(log, parts.services, parts.escrow, parts.agents)
        return Ended(answer.reason, answer.report, log, checks)


def _require(*claims: tuple[str, bool]) -> None:
    for what, holds in claims:
        if not holds:
            raise RunLogWrong(field=what)


def _request_of(run: str) -> bytes | None:
    """The request id that a run of a sale is named by; None for other names."""
    return bytes.fromhex(run) if _REQUEST.fullmatch(run) else None


def _request(ask: Ask) -> str:
    """What a seller reads: a plan with its inputs, or words."""
    if not ask.skill:
        return ask.goal
    return json.dumps({"skill": ask.skill, "inputs": dict(ask.inputs)})


def fresh_run(seed: bytes) -> str:
    """A name for a run that nobody named."""
    return keccak(b"apogee/ask", seed).hex()[:16]
