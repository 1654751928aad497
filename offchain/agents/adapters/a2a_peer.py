"""Speaking to another agent over A2A: its card, a message, a paid request whose answer is verified.

An answer counts only in an envelope of the agent that was asked, in the same conversation; a paid
one is verified like every answer of the compute market before its price is owed.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import A2ACardResolver
from a2a.client.errors import A2AClientError, A2AClientJSONRPCError
from a2a.types import AgentCard, Message, Role

from offchain.agents.adapters.a2a_face import EXTENSION, enveloped, read_message
from offchain.agents.envelope import NO_VOUCHER, Conversation, Mailbox
from offchain.agents.runtime_errors import EnvelopeRefused, ToolFailed
from offchain.compute.answers import Route
from offchain.compute.buy import Buyer, Order, Wanted
from offchain.compute.errors import AnswerPending
from offchain.compute.forms import voucher_header
from offchain.compute.model import request_hash, request_id
from offchain.compute.verify import Policy, Verified
from offchain.core.hashing import keccak

SECONDS: Final = 300.0
MOST_WORDS: Final = 1_024
MOST_BYTES: Final = 1 << 21


def peer_client(seconds: float = SECONDS) -> httpx.AsyncClient:
    """HTTP to hosts that nobody trusts: bounded in time and bytes, by no proxy of the machine.

    `seconds`: for a whole answer, however slowly it comes.
    """
    transport = _Bounded(httpx.AsyncHTTPTransport(), seconds)
    return httpx.AsyncClient(transport=transport, timeout=seconds)


@dataclass(frozen=True, slots=True)
class Peer:
    """An agent at a URL, as its card describes it."""

    card: AgentCard
    url: str


class PeerTalk:
    """One conversation with another agent; `mailbox` is the own one, which takes its answers."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        talk: Conversation,
        mailbox: Mailbox,
        clock: Callable[[], int],
    ) -> None:
        self._http = http
        self._talk = talk
        self._mailbox = mailbox
        self._clock = clock

    async def find(self, url: str) -> Peer:
        """Its card. Raises: ToolFailed, EnvelopeRefused when it takes unsigned messages."""
        try:
            card = await A2ACardResolver(self._http, url).get_agent_card()
        except A2AClientError as error:
            raise ToolFailed(agent=url[:120], reason=str(error)[:200]) from error
        extensions = card.capabilities.extensions or []
        if not any(one.uri == EXTENSION and one.required for one in extensions):
            raise EnvelopeRefused(reason="the agent takes unsigned messages")
        return Peer(card, url)

    async def say(
        self, peer: Peer, body: bytes, *, voucher: str = "", promised: bytes = NO_VOUCHER
    ) -> bytes:
        """The answer's body. Raises: ToolFailed, EnvelopeRefused."""
        signed = self._talk.say(body, self._clock(), voucher=promised)
        message = enveloped(signed, body, role=Role.user, voucher=voucher)
        factory = ClientFactory(ClientConfig(streaming=False, httpx_client=self._http))
        client = factory.create(peer.card.model_copy(update={"url": peer.url}))
        try:
            async for found in client.send_message(message):
                if isinstance(found, Message):
                    return await self._answer(found)
        except A2AClientJSONRPCError as error:
            raise _refusal(peer, error) from error
        except A2AClientError as error:
            raise ToolFailed(agent=peer.url[:120], reason=str(error)[:400]) from error
        raise ToolFailed(agent=peer.url[:120], reason="no message")

    async def buy(
        self,
        peer: Peer,
        buyer: Buyer,
        service: bytes,
        wanted: Wanted,
        policy: Policy | None = None,
    ) -> Verified:
        """Ask for work and pay for it. Raises: ToolFailed, EnvelopeRefused, UnverifiedAnswer."""
        return await self.pay(peer, buyer, await buyer.order(service, wanted), policy)

    async def pay(
        self, peer: Peer, buyer: Buyer, order: Order, policy: Policy | None = None
    ) -> Verified:
        """Send an order, also one that was sent before: it is one sale. Raises: as `buy`.

        Its hold is let go only when the other agent said no; who was not heard may have sold.
        """
        digest = order.voucher.voucher.digest(order.facts.domain)
        promised = request_id(digest, request_hash(order.body))
        header = voucher_header(order.voucher)
        try:
            raw = await self.say(peer, order.body, voucher=header, promised=promised)
        except ToolFailed as error:
            if was_refused(error):
                await buyer.let_go(order)
            raise
        return await buyer.check(order, raw, policy)

    async def _answer(self, message: Message) -> bytes:
        signed, body, _ = read_message(message)
        one = signed.envelope
        if one.sender != self._talk.to or one.conversation != self._talk.id:
            raise EnvelopeRefused(reason="another speaker")
        await self._mailbox.take(signed, body)
        return body


class _Bounded(httpx.AsyncBaseTransport):
    """Answers of at most `MOST_BYTES`, that are there within `seconds`."""

    def __init__(self, inner: httpx.AsyncBaseTransport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        end = asyncio.get_running_loop().time() + self._seconds
        async with _until(end):
            answer = await self._inner.handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        answer.stream = _Counted(answer.stream, end)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, end: float) -> None:
        self._inner = inner
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count, pieces = 0, aiter(self._inner)
        while True:
            try:
                async with _until(self._end):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            count += len(piece)
            if count > MOST_BYTES:
                raise httpx.ReadError(f"the answer is longer than {MOST_BYTES} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def _until(end: float) -> AsyncIterator[None]:
    """Raises: httpx.ReadTimeout after `end`, of the loop's clock."""
    try:
        async with asyncio.timeout_at(end):
            yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("the answer took too long") from error


def work(text: str, max_tokens: int = MOST_WORDS) -> Wanted:
    """A request to an agent's service, as a body of the compute market."""
    talk = [{"role": "user", "content": text}]
    body = json.dumps({"messages": talk, "max_tokens": max_tokens}).encode()
    return Wanted(Route.CHAT, body, len(body) + 128, max_tokens)


def was_refused(error: ToolFailed) -> bool:
    """Whether the other agent said no, and so sold nothing."""
    return error.fields.get("code") not in {None, AnswerPending.code}


def _refusal(peer: Peer, error: A2AClientJSONRPCError) -> ToolFailed:
    """What the other agent said of it: its words, of which nothing can act on a terminal."""
    told = error.error.data if isinstance(error.error.data, dict) else {}
    said = {
        "code": str(told.get("code", "")),
        "reason": str(error.error.message),
        "it_says_next": str(told.get("next_step", "")),
    }
    plain = {
        name: "".join(one if one.isprintable() else "?" for one in text[:400])
        for name, text in said.items()
        if text
    }
    return ToolFailed("The agent refuses.", agent=peer.url[:120], **plain)


def conversation_id(first: bytes, second: bytes, nonce: bytes) -> bytes:
    """A name for a conversation that both sides can tell apart from others."""
    return keccak(first, second, nonce)
