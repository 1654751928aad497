"""Asking an agent at its host: its card checked, the ask said until it ended, its log checked.

Nothing the host says is believed: the card is held against the chain, the answer's envelope against
who may speak for the agent now, the run log against the intent that was asked for and the receipts
against the market. The worst a host can do is spend the budget on thoughts and answer badly.
Source: docs/protocol/agents.md#serving.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import httpx

from offchain.agents.adapters.a2a_card import CardFacts, CardLedger, check_card
from offchain.agents.adapters.a2a_peer import Peer, PeerTalk, conversation_id
from offchain.agents.ask import Answer, Ask, Payee, State
from offchain.agents.envelope import Conversation, Mailbox, Speaker
from offchain.agents.intent import Intent, Limits
from offchain.agents.run_log import RunLog
from offchain.agents.runtime_errors import RunLogWrong, ToolFailed
from offchain.agents.verify_run import Check, LogRights, verify_run_log
from offchain.chain.keys import LocalSigner
from offchain.compute.ports import EscrowLedger, ServiceLedger
from offchain.core.hashing import keccak
from offchain.node.journal import MemoryJournal

PAY_TRIES: Final = 60  # the host's node may be some blocks behind the one that was paid at
PAY_SECONDS: Final = 1.0
Grant = Callable[[Payee], Awaitable[None]]


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

    async def ask(self, met: Met, ask: Ask, grant: Grant) -> Ended:
        """Say it until it ended; `grant` lets a key sign vouchers, once, if the host asks for it.

        Raises: ToolFailed, EnvelopeRefused, RunLogWrong, and what `grant` raises.
        """
        talk, payee, tries = self._talk(met.facts.account), None, 0
        while True:
            answer = Answer.from_bytes(await talk.say(met.peer, ask.to_bytes()))
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

    def _talk(self, to: bytes) -> PeerTalk:
        parts, me = self._parts, self._parts.wallet.address
        chain_id, _ = parts.here
        speaker = Speaker(me, chain_id, parts.wallet)
        talk = Conversation(speaker, to, conversation_id(me, to, parts.nonce()))
        mailbox = Mailbox(me, chain_id, parts.agents, MemoryJournal(), parts.clock)
        return PeerTalk(self._http, talk, mailbox, parts.clock)

    def _checked(self, met: Met, ask: Ask, answer: Answer) -> Ended:
        log, facts, parts = RunLog.from_bytes(answer.log), met.facts, self._parts
        wanted = Intent(ask.goal, Limits(ask.budget, ask.deadline), ask.skill, ask.inputs)
        me = parts.wallet.address
        for what, holds in (
            (
                "agent",
                (log.token, log.epoch, log.account) == (facts.token, facts.epoch, facts.account),
            ),
            ("chain", (log.chain_id, log.collection) == parts.here),
            ("goal", log.goal_hash == wanted.goal_hash),
            ("payer", log.payer in (me, log.account)),
            ("limits", log.limits.budget <= ask.budget and log.limits.deadline <= ask.deadline),
            ("reason", log.reason == answer.reason),
        ):
            if not holds:
                raise RunLogWrong(field=what)
        checks = verify_run_log(log, parts.services, parts.escrow, parts.agents)
        return Ended(answer.reason, answer.report, log, checks)


def fresh_run(seed: bytes) -> str:
    """A name for a run that nobody named."""
    return keccak(b"apogee/ask", seed).hex()[:16]
