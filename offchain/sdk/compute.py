"""Compute for programs: chat, stream and embed at providers, every answer verified or refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from offchain.chain.model import Receipt as Mined
from offchain.chain.model import TypedCall
from offchain.compute.answers import Route
from offchain.compute.buy import Buyer, Order, Wanted
from offchain.compute.model import NATIVE_COIN, Kind, Level, Service, SignedVoucher, input_bound
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.ports import Bucket, EscrowLedger, ServiceLedger
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.private_keys import KeyWish
from offchain.compute.private_source import KeySource
from offchain.compute.trust_source import TrustSource
from offchain.compute.verify import Exchange, Policy, Verified, verify
from offchain.core.hashing import keccak
from offchain.sdk.asked import (
    DEFAULT_TOKENS,
    Asked,
    Json,
    chat_body,
    private_policy,
    service_id,
)
from offchain.sdk.errors import NoAccount, NoEvidenceHere
from offchain.sdk.event_texts import EventTexts


@dataclass(frozen=True, slots=True)
class ComputeParts:
    """The market's two ledgers; for who pays, the escrow, a buyer and a sender; `keys`: what
    private requests are sealed to; `trust`: what evidence is verified with.
    """

    services: ServiceLedger
    escrow: EscrowLedger
    contract: ComputeEscrowClient
    buyer: Buyer | None = None
    payer: bytes = b""
    send: Callable[[TypedCall, str], Mined] | None = field(default=None, repr=False)
    keys: KeySource | None = None
    trust: TrustSource | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """What a payer has with one provider, in base units of its token."""

    balance: int
    spent: int
    leaving: int
    leaves_at: int


class AnswerStream:
    """Texts as they come; when they are over, `verified` is the whole answer, checked.

    Raises, at its end: UnverifiedAnswer. Texts are not proven before that, but those of a private
    answer come from who opened its request, in their order, or the stream raises at once.
    """

    def __init__(self, buyer: Buyer, order: Order, policy: Policy | None) -> None:
        self._buyer = buyer
        self._order = order
        self._policy = policy
        self.verified: Verified | None = None

    async def __aiter__(self) -> AsyncIterator[str]:
        texts = EventTexts(self._order.private)
        async for piece in self._buyer.stream(self._order):
            for text in texts.feed(piece):
                yield text
        self.verified = await self._buyer.check(self._order, bytes(texts.raw), self._policy)


class AsyncCompute:
    """The compute market; `service`: 32 bytes or hex, from `services` or `apogee compute list`."""

    def __init__(self, opening: Callable[[], Awaitable[ComputeParts]]) -> None:
        self._opening = opening
        self._parts: ComputeParts | None = None
        self._lock = asyncio.Lock()

    async def services(self, kind: Kind | None = None) -> list[Service]:
        """Services that take requests now."""
        parts = await self._open()

        def read() -> list[Service]:
            at = parts.services.head().hash
            found = parts.services.services(at=at)
            return [
                one
                for one in found
                if kind in {None, one.kind} and parts.services.is_serving(one.id, at=at)
            ]

        return await asyncio.to_thread(read)

    async def chat(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
        private: bool = False,
    ) -> Verified:
        """A verified answer; `private`: sealed, so that only what was attested reads along.

        Raises: UnverifiedAnswer, ProviderRefused, NoAccount, SealKeyUntrusted.
        """
        asked = chat_body(messages, max_tokens, options, is_streamed=False)
        policy = private_policy(policy) if private else policy
        buyer, order = await self._order(asked, service, policy if private else None)
        return await buyer.ask(order, policy)

    async def stream(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
        private: bool = False,
    ) -> AnswerStream:
        """An answer as it is made; verified at its end. Raises: NoAccount, SealKeyUntrusted."""
        asked = chat_body(messages, max_tokens, options, is_streamed=True)
        policy = private_policy(policy) if private else policy
        buyer, order = await self._order(asked, service, policy if private else None)
        return AnswerStream(buyer, order, policy)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        service: bytes | str,
        policy: Policy | None = None,
        private: bool = False,
    ) -> Verified:
        """Verified vectors, one a text. Raises: as `chat`."""
        fields = {"input": list(texts), "encoding_format": "base64"}
        asked = Asked(Route.EMBEDDING, fields, input_bound(texts), 0)
        policy = private_policy(policy) if private else policy
        buyer, order = await self._order(asked, service, policy if private else None)
        return await buyer.ask(order, policy)

    async def verify(
        self,
        route: Route,
        body: bytes,
        answer: bytes,
        voucher: SignedVoucher,
        policy: Policy | None = None,
        private: PrivateRequest | None = None,
    ) -> Verified:
        """Check an exchange, and what its level rests on: answer, signer, verdict, quote, policy.

        `print(found.tree())` shows every step. Raises: UnverifiedAnswer, UntrustedAnswer.
        """
        buyer = await self._buyer()
        policy = buyer.bounded(policy)
        facts = await buyer.facts(voucher.voucher.service, is_fresh=True)
        found = verify(Exchange(route, body, answer, voucher, private), facts, policy)
        return await self.trusted(found, policy)

    async def trusted(self, found: Verified, policy: Policy | None = None) -> Verified:
        """With the evidence below its level, fetched and verified here.

        Raises: UntrustedAnswer; an answer of a level without evidence is given back as it is.
        """
        buyer, source = await self._buyer(), (await self._open()).trust
        simulated = buyer.bounded(policy).allow_simulated
        if source is None:
            if found.verifiability.level >= Level.BROKER_IN_TEE:
                raise NoEvidenceHere
            return found
        facts = await buyer.facts(found.receipt.service)
        return await source.of(found, facts, simulated=simulated)

    async def deposit(self, amount: int, *, service: bytes | str) -> Money:
        """Put base units into the own bucket at a service's provider. Raises: NoAccount."""
        provider, token = await self._purse(service)
        parts = await self._open()
        call = parts.contract.deposit(parts.payer, amount, provider=provider, token=token)
        await self._send(call, "deposit")
        return await self.balance(service=service)

    async def balance(self, *, service: bytes | str) -> Money:
        """What lies with a service's provider. Raises: NoAccount."""
        provider, token = await self._purse(service)
        parts = await self._open()

        def read() -> Bucket:
            at = parts.escrow.head().hash
            return parts.escrow.bucket(parts.payer, provider, token, at=at)

        found = await asyncio.to_thread(read)
        return Money(found.balance, found.spent, found.exit_amount, found.exit_at)

    async def withdraw(self, amount: int, *, service: bytes | str) -> Money:
        """Ask for money back, or finish when its lock is over. Raises: NoAccount.

        What was asked for leaves to the own free balance; asking for another amount begins anew.
        """
        provider, token = await self._purse(service)
        parts = await self._open()
        now = (await asyncio.to_thread(parts.escrow.head)).timestamp
        running = await self.balance(service=service)
        if running.leaving == amount and running.leaves_at <= now:
            call = parts.contract.finish_exit(parts.payer, provider, token)
        else:
            call = parts.contract.request_exit(provider, token, amount)
        await self._send(call, "withdraw")
        return await self.balance(service=service)

    async def _order(
        self, asked: Asked, service: bytes | str, sealed: Policy | None
    ) -> tuple[Buyer, Order]:
        """`sealed`: what the evidence behind a private request's key has to be like."""
        buyer, named = await self._buyer(), service_id(service)
        facts = await buyer.facts(named, is_fresh=sealed is not None)
        most = min(asked.most_input, facts.service.limits.max_input)
        body = json.dumps(asked.fields).encode()
        if sealed is None:
            return buyer, await buyer.order(named, Wanted(asked.route, body, most, asked.most))
        keys = (await self._open()).keys
        if keys is None:
            raise NoEvidenceHere
        allows = buyer.bounded(sealed).allow_simulated
        key = await keys.key_of(named, KeyWish(sealed.min_level, allows))
        body = json.dumps({"model": "0x" + named.hex(), **asked.fields}).encode()
        private = PrivateRequest.of(asked.route, body, key, service=named, now=facts.now)
        wanted = Wanted(asked.route, private.body, most, asked.most, private)
        return buyer, await buyer.order(named, wanted)

    async def _purse(self, service: bytes | str) -> tuple[bytes, bytes]:
        """Provider and token of a service."""
        facts = await (await self._buyer()).facts(service_id(service))
        return facts.service.provider, facts.row.token or NATIVE_COIN

    async def _send(self, call: TypedCall, what: str) -> None:
        parts = await self._open()
        if parts.send is None:
            raise NoAccount
        head = await asyncio.to_thread(parts.escrow.head)
        key = f"sdk.compute.{what}:{keccak(call.data, head.hash).hex()}"
        await asyncio.to_thread(parts.send, call, key)

    async def _buyer(self) -> Buyer:
        parts = await self._open()
        if parts.buyer is None:
            raise NoAccount
        return parts.buyer

    async def _open(self) -> ComputeParts:
        async with self._lock:
            if self._parts is None:
                self._parts = await self._opening()
            return self._parts
