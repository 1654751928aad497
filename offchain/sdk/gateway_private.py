"""Private answers through a gateway: it routes and pays by an API key, and sees ciphertext only.

The request is sealed here to a key that stands in a live verdict, the gateway forwards it as it
came, and the answer opens here. Everything is verified against the chain, not against the gateway:
its voucher is asked for with the receipt, and whatever it changes, swaps or makes up is refused.
Source: docs/protocol/attestation.md#private-inference.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Self

import httpx

from offchain.compute.adapters.http_buyer import PATHS
from offchain.compute.answers import Route
from offchain.compute.buy import FactsReader, bounded
from offchain.compute.errors import Reason, UnverifiedAnswer, VoucherMalformed
from offchain.compute.forms import parse_voucher
from offchain.compute.model import SignedVoucher
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.private_keys import KeyWish
from offchain.compute.private_source import KeySource
from offchain.compute.read_answer import MAX_ANSWER_BYTES
from offchain.compute.terms_watch import ChainTime
from offchain.compute.trust_source import TrustSource
from offchain.compute.verify import Exchange, Policy, Verified, verify
from offchain.node.bounded_answer import json_object, read_bounded
from offchain.sdk.asked import (
    DEFAULT_TOKENS,
    Asked,
    Json,
    chat_body,
    private_policy,
    service_id,
)
from offchain.sdk.errors import GatewayUnreachable, problem_of
from offchain.sdk.event_texts import EventTexts

ANSWER_SECONDS: Final = 330.0
RECEIPT_HEADER: Final = "x-apogee-receipt"
MAX_RECEIPT_BYTES: Final = 65_536
KINDS: Final = {400: "InvalidInput", 404: "NotFound", 409: "Conflict"}


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """A gateway, and this side's own view of the chain. `may_simulate`: on local chains only."""

    url: str
    api_key: str = field(repr=False)
    reader: FactsReader
    keys: KeySource
    clock: Callable[[], float]
    may_simulate: bool = False
    trust: TrustSource | None = None
    transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True, slots=True)
class Going:
    """A request that is ready to go, and what its answer has to be like. `sealed` None: in plain
    text, for who wants the gateway to read it.
    """

    route: Route
    body: bytes = field(repr=False)
    service: bytes
    policy: Policy
    sealed: PrivateRequest | None


class PrivateStream:
    """Texts as they come; when they are over, `verified` is the whole answer, checked.

    Raises: UnverifiedAnswer, at once for a chunk out of its place.
    """

    def __init__(self, gateway: "AsyncGatewayPrivate", going: Going) -> None:
        self._gateway = gateway
        self._going = going
        self.verified: Verified | None = None

    async def __aiter__(self) -> AsyncIterator[str]:
        texts = EventTexts(self._going.sealed)
        async with self._gateway.posted(self._going) as answer:
            async for piece in answer.aiter_raw():
                for text in texts.feed(piece):
                    yield text
            named = answer.headers.get(RECEIPT_HEADER, "")
        self.verified = await self._gateway.check(self._going, bytes(texts.raw), named)


class AsyncGatewayPrivate:
    """Private chats through one gateway; use it as an asynchronous context manager."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts
        self._time = ChainTime(parts.clock)
        self._http = httpx.AsyncClient(
            base_url=parts.url,
            headers={"Authorization": f"Bearer {parts.api_key}", "Accept-Encoding": "identity"},
            transport=parts.transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=5.0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def chat(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
        private: bool = True,
    ) -> Verified:
        """A verified answer that the gateway cannot read, unless it is asked in plain text.

        Raises: SealKeyUntrusted, UnverifiedAnswer, GatewayUnreachable, GatewayProblem.
        """
        asked = chat_body(messages, max_tokens, options, is_streamed=False)
        going = await self._ready(asked, service, policy, private=private)
        async with self.posted(going) as answer:
            raw, is_all = await read_bounded(answer, MAX_ANSWER_BYTES)
            named = answer.headers.get(RECEIPT_HEADER, "")
        if not is_all:
            raise UnverifiedAnswer(Reason.ANSWER_MALFORMED, form="length")
        return await self.check(going, raw, named)

    async def stream(
        self,
        messages: Sequence[Json],
        *,
        service: bytes | str,
        max_tokens: int = DEFAULT_TOKENS,
        policy: Policy | None = None,
        options: Json | None = None,
        private: bool = True,
    ) -> PrivateStream:
        """An answer as it is made; verified at its end. Raises: SealKeyUntrusted."""
        asked = chat_body(messages, max_tokens, options, is_streamed=True)
        return PrivateStream(self, await self._ready(asked, service, policy, private=private))

    @asynccontextmanager
    async def posted(self, going: Going) -> AsyncIterator[httpx.Response]:
        """The gateway's answer, open. Raises: GatewayUnreachable, GatewayProblem."""
        policy = going.policy
        headers = {
            "Content-Type": "application/json",
            "X-Apogee-Min-Level": policy.min_level.name,
            "X-Apogee-Simulated": "allow" if policy.allow_simulated else "forbid",
        }
        path = PATHS[going.route]
        try:
            async with self._http.stream(
                "POST", path, content=going.body, headers=headers
            ) as answer:
                if not answer.is_success:
                    problem, _ = await read_bounded(answer, MAX_RECEIPT_BYTES)
                    raise problem_of(
                        answer.status_code, _problem(answer.status_code, json_object(problem))
                    )
                yield answer
        except httpx.HTTPError as error:
            raise GatewayUnreachable(reason=type(error).__name__) from error

    async def check(self, going: Going, raw: bytes, named: str) -> Verified:
        """Verify an answer's bytes. Raises: UnverifiedAnswer."""
        voucher = await self._voucher(named)
        reader = self._parts.reader
        facts = await asyncio.to_thread(reader.facts, going.service)
        self._time.observe(facts.now)
        facts = replace(facts, now=self._time.now())
        exchange = Exchange(going.route, going.body, raw, voucher, going.sealed)
        try:
            return verify(exchange, facts, going.policy)
        except UnverifiedAnswer as error:
            facts = await asyncio.to_thread(reader.with_renewed, facts, error)
            return verify(exchange, facts, going.policy)

    async def trusted(self, found: Verified, policy: Policy | None = None) -> Verified:
        """With the evidence below its level, fetched and verified here. Raises: UntrustedAnswer."""
        assert self._parts.trust is not None, "built without a source of evidence"
        facts = await asyncio.to_thread(self._parts.reader.facts, found.receipt.service)
        simulated = bounded(policy, may_simulate=self._parts.may_simulate).allow_simulated
        return await self._parts.trust.of(found, facts, simulated=simulated)

    async def _ready(
        self, asked: Asked, service: bytes | str, policy: Policy | None, *, private: bool
    ) -> Going:
        named, parts = service_id(service), self._parts
        policy = private_policy(policy) if private else policy
        policy = bounded(policy, may_simulate=parts.may_simulate)
        body = json.dumps({"model": "0x" + named.hex(), **asked.fields}).encode()
        if not private:
            return Going(Route.CHAT, body, named, policy, None)
        key = await parts.keys.key_of(named, KeyWish(policy.min_level, policy.allow_simulated))
        facts = await asyncio.to_thread(parts.reader.facts, named)
        self._time.observe(facts.now)
        now = self._time.now()
        request = PrivateRequest.of(Route.CHAT, body, key, service=named, now=now)
        return Going(Route.CHAT, request.body, named, policy, request)

    async def _voucher(self, named: str) -> SignedVoucher:
        """What the gateway paid with; its own word until the receipt confirms it."""
        digits = named.removeprefix("0x")
        if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
            raise UnverifiedAnswer(Reason.RECEIPT_MISSING, form="no receipt is named")
        try:
            answer = await self._http.get(f"/v1/receipts/0x{digits}")
        except httpx.HTTPError as error:
            raise GatewayUnreachable(reason=type(error).__name__) from error
        found = json_object(answer.content[:MAX_RECEIPT_BYTES])
        if not answer.is_success:
            raise problem_of(answer.status_code, _problem(answer.status_code, found))
        kept = {"voucher": found.get("voucher"), "signature": found.get("voucher_signature")}
        try:
            return parse_voucher(json.dumps(kept).encode())
        except VoucherMalformed as error:
            raise UnverifiedAnswer(Reason.VOUCHER_WRONG) from error


def _problem(status: int, found: Json) -> dict[str, object]:
    """An error of the OpenAI protocol as a problem of ours."""
    error = found.get("error")
    told = error if isinstance(error, dict) else {}
    kind = KINDS.get(status, "Rejected" if status < 500 else "Unavailable")
    return {"kind": kind, "code": told.get("code"), "detail": told.get("message")}
