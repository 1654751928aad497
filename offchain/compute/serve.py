"""Serve a paid request: check the voucher, reserve, run the engine, and answer with a receipt.

The same request under the same voucher is one request: repeated while it runs it is told so,
repeated later it gets the same answer and the same receipt, and is paid once.
Source: docs/protocol/compute.md#provider.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from offchain.compute import generation
from offchain.compute.admit import Admit, Payment
from offchain.compute.answering import Paid, Running, Seller, Sold, TextAnswer
from offchain.compute.answers import (
    Frame,
    Route,
    Seal,
    embedding_answer,
    first_event,
    last_events,
    text_event,
    vector_bytes,
    whole_answer,
)
from offchain.compute.commitment import Header, policy_of
from offchain.compute.engine import Engine, Job, TokenStream, Trace
from offchain.compute.engine_errors import (
    EngineFull,
    EngineStopped,
    LogitsNotFinite,
    PromptTooLong,
    RequestMalformed,
)
from offchain.compute.errors import (
    AskRejected,
    ReceiptUnknown,
    ServiceNotServing,
    VoucherMissing,
)
from offchain.compute.evidence import Evidence, EvidenceShelf
from offchain.compute.generation import Generation, parse_generation, parse_texts
from offchain.compute.model import (
    Finish,
    Kind,
    SignedVoucher,
    hold_of,
    input_bound,
    request_hash,
    request_id,
)
from offchain.compute.private_serve import OpenSealed, open_nothing
from offchain.compute.reserve import Line, ReservationBook
from offchain.compute.sampler import NO_KEY, sampler_key
from offchain.compute.verify import asked_of
from offchain.core.errors import ApogeeError

QUEUE: Final = 64
KINDS: Final = {
    Route.CHAT: Kind.CHAT,
    Route.COMPLETION: Kind.CHAT,
    Route.EMBEDDING: Kind.EMBEDDING,
}


@dataclass(frozen=True, slots=True)
class StoredText:
    """The answer to a request that comes again."""

    frame: Frame
    text: str
    seal: Seal

    async def whole(self) -> bytes:
        return whole_answer(self.frame, self.text, self.seal)

    async def events(self) -> AsyncIterator[bytes]:
        for event in (
            first_event(self.frame),
            text_event(self.frame, self.text) if self.text else b"",
            last_events(self.frame, self.seal),
        ):
            if event:
                yield event

    async def ended(self) -> None:
        return


Answer = TextAnswer | StoredText


class Serve:
    """All services of one provider behind one book."""

    def __init__(
        self,
        engines: Mapping[bytes, Engine],
        admit: Admit,
        book: ReservationBook,
        shelf: EvidenceShelf,
        seller: Seller,
        *,
        private: OpenSealed | None = None,
    ) -> None:
        """`private`: opens sealed requests; without it they are refused."""
        self._engines = engines
        self._private = private
        self._admit = admit
        self._book = book
        self._shelf = shelf
        self._seller = seller

    @property
    def engines(self) -> Mapping[bytes, Engine]:
        """The engine of each service."""
        return self._engines

    @property
    def encryption_key(self) -> bytes | None:
        """What requests may be sealed to, 32 bytes."""
        return None if self._private is None else self._private.public

    async def text(
        self, route: Route, body: bytes, voucher: SignedVoucher | None
    ) -> tuple[Generation, Answer]:
        """A reserved chat or completion, not run yet but queued.

        Raises: InvalidInput kinds, PaymentRefused kinds, EngineFull, NonceUsed, AnswerPending.
        """
        request = parse_generation(body, generation.Route(route.value))
        payment, engine = await self._begin(route, voucher)
        paid = await self._paid(route, body, payment)
        again = await self._again(paid)
        if again is not None:
            return request, _stored_text(paid, again)
        paid, request = self._unsealed(paid, request)
        limits = payment.terms.service.limits
        most = request.max_tokens or limits.max_output
        if most > limits.max_output:
            raise RequestMalformed("Too many tokens.", field="max_tokens", most=limits.max_output)
        _require_room(engine)
        ids = await engine.count(request)
        if len(ids) > limits.max_input:
            raise PromptTooLong(tokens=len(ids), maximum=limits.max_input)
        hold = hold_of(payment.row, input_tokens=len(ids), max_tokens=most)
        line = await self._admit.reserve(payment, paid.request_id, hold)
        if line.signed is not None:
            return request, _stored_text(paid, await self._kept(line))
        return request, await self._start(paid, request, engine, ids, most)

    async def embedding(self, body: bytes, voucher: SignedVoucher | None) -> bytes:
        """Vectors and their receipt. Raises: as `text`."""
        parse_texts(body)
        payment, engine = await self._begin(Route.EMBEDDING, voucher)
        paid = await self._paid(Route.EMBEDDING, body, payment)
        again = await self._again(paid)
        if again is not None:
            return self._stored_vectors(paid, again)
        paid = self._opened(paid)
        texts = parse_texts(paid.plain)
        for text in texts:
            _require_encodable(text)
        _require_room(engine)
        limits = payment.terms.service.limits
        most = min(limits.max_input, input_bound(texts))
        hold = hold_of(payment.row, input_tokens=most, max_tokens=0)
        line = await self._admit.reserve(payment, paid.request_id, hold)
        if line.signed is not None:
            return self._stored_vectors(paid, await self._kept(line))
        return await asyncio.shield(asyncio.create_task(self._embed(paid, engine, texts, most)))

    async def acknowledge(self, voucher: SignedVoucher) -> Payment:
        """Take a voucher that pays for what was answered. Raises: as `Admit`."""
        payment = await self._admit.check(voucher)
        await self._admit.acknowledge(payment)
        return payment

    async def receipt(self, wanted: bytes, asker: bytes) -> Seal:
        """The receipt of a request, for its payer or who signed for him. Raises: ReceiptUnknown."""
        evidence = await self.evidence(wanted)
        receipt = evidence.signed.receipt
        line = self._book.line(wanted)
        if asker not in (receipt.payer, b"" if line is None else line.key):
            raise AskRejected(reason="payer")
        return self._seal(evidence)

    async def evidence(self, wanted: bytes) -> Evidence:
        """What is kept of a request. Raises: ReceiptUnknown, EvidenceBroken."""
        found = await asyncio.to_thread(self._shelf.find, wanted)
        if found is None:
            raise ReceiptUnknown(request_id=wanted.hex())
        return found

    async def _begin(self, route: Route, voucher: SignedVoucher | None) -> tuple[Payment, Engine]:
        if voucher is None:
            raise VoucherMissing(header="X-Apogee-Voucher")
        payment = await self._admit.check(voucher)
        service = payment.terms.service
        if service.kind is not KINDS[route]:
            raise ServiceNotServing(route=route.value, kind=service.kind.name)
        return payment, self._engines[service.id]

    async def _paid(self, route: Route, body: bytes, payment: Payment) -> Paid:
        asked = asked_of(route, body)
        identity = request_id(payment.digest, request_hash(body))
        frame = Frame(route, identity, self._seller.time.now(), asked.model, asked.has_usage)
        return Paid(route, body, identity, payment, frame, asked.is_audit_ok)

    def _opened(self, paid: Paid) -> Paid:
        """With what is sealed in it. Raises: PrivateNotOffered and what `OpenSealed` raises."""
        if self._private is None:
            open_nothing(paid.route, paid.body)
            return paid
        service = paid.payment.terms.service.id
        opened = self._private.open(paid.route, paid.body, service, paid.request_id)
        return replace(paid, opened=opened)

    def _unsealed(self, paid: Paid, request: Generation) -> tuple[Paid, Generation]:
        paid = self._opened(paid)
        if paid.opened is None:
            return paid, request
        return paid, parse_generation(paid.plain, generation.Route(paid.route.value))

    async def _again(self, paid: Paid) -> Evidence | None:
        """What was answered to this very request before; None when it is new."""
        line = self._book.line(paid.request_id)
        if line is None or line.signed is None:
            return None
        return await self._kept(line)

    async def _kept(self, line: Line) -> Evidence:
        return await self.evidence(line.request_id)

    async def _start(
        self, paid: Paid, request: Generation, engine: Engine, ids: tuple[int, ...], most: int
    ) -> TextAnswer:
        key = sampler_key(request_hash(paid.body), paid.payment.digest, request.sampling.seed)
        payer = paid.payment.voucher.voucher.payer
        job = Job(request, ids, most, key, payer, paid.plain, request_id=paid.request_id)
        try:
            stream: TokenStream = engine.stream(job)
        except ApogeeError as error:
            await self._seller.void(paid, error)
            raise
        if paid.opened is not None:
            stream = paid.opened.stream(stream, is_streamed=request.is_streamed)
        running = Running(request, stream, engine.facts(), key, await self._admit.domain())
        return TextAnswer(paid, running, self._seller)

    async def _embed(self, paid: Paid, engine: Engine, texts: tuple[str, ...], limit: int) -> bytes:
        try:
            made = await engine.embed(texts)
            if made.input_tokens > limit:
                raise PromptTooLong(tokens=made.input_tokens, maximum=limit)
            if not np.isfinite(made.vectors).all():
                raise LogitsNotFinite
            vectors = made.vectors if paid.opened is None else paid.opened.vectors(made.vectors)
            sold = Sold(
                canonical=vector_bytes(vectors),
                trace=Trace((), (), 0, b"", ()),
                input_tokens=made.input_tokens,
                output_tokens=0,
                finish=Finish.STOP,
            )
            header = _embedding_header(engine, paid, made.input_tokens)
            seal = await self._seller.seal(paid, sold, header, await self._admit.domain())
        except ApogeeError as error:
            await self._seller.void(paid, error)
            raise
        return _vectors_answer(paid, vectors, seal)

    def _stored_vectors(self, paid: Paid, evidence: Evidence) -> bytes:
        count = len(parse_texts(paid.body))
        vectors = np.frombuffer(evidence.answer, "<f4").astype(np.float32).reshape(count, -1)
        return _vectors_answer(paid, vectors, self._seal(evidence))

    def _seal(self, evidence: Evidence) -> Seal:
        terms = self._admit.terms(evidence.signed.receipt.service)
        return Seal(evidence.signed, terms.verifiability, evidence.opening())


def _stored_text(paid: Paid, evidence: Evidence) -> StoredText:
    found = json.loads(evidence.answer)
    text = found[0]["content" if paid.route is Route.CHAT else "text"]
    receipt = evidence.signed.receipt
    frame = Frame(
        paid.route, receipt.request_id, receipt.time, paid.frame.model, paid.frame.has_usage
    )
    verifiability = paid.payment.terms.verifiability
    return StoredText(frame, text, Seal(evidence.signed, verifiability, evidence.opening()))


def _vectors_answer(paid: Paid, vectors: npt.NDArray[np.float32], seal: Seal) -> bytes:
    frame = replace(paid.frame, created=seal.signed.receipt.time)
    as_base64 = asked_of(Route.EMBEDDING, paid.body).as_base64
    return embedding_answer(frame, vectors, seal, as_base64=as_base64)


def _embedding_header(engine: Engine, paid: Paid, input_tokens: int) -> Header:
    facts = engine.facts()
    return Header(
        prompt_tokens=input_tokens,
        output_tokens=0,
        tokenizer_hash=facts.tokenizer_hash,
        numerics=facts.numerics,
        sampler=0,
        temperature_millionths=0,
        top_p_millionths=0,
        top_k=0,
        seed=NO_KEY,
        charter=paid.payment.terms.service.charter_hash,
        policy=policy_of(is_audit_ok=paid.is_audit_ok),
    )


def _require_room(engine: Engine) -> None:
    """Refuse before anything is written down. Raises: EngineFull, EngineStopped."""
    health = engine.health()
    if not health.is_ready:
        raise EngineStopped
    if health.waiting >= QUEUE:
        raise EngineFull(waiting=health.waiting)


def _require_encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestMalformed("Half of a surrogate pair is no text.", field="input") from error
