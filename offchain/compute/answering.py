"""One reserved request while it is answered: pieces out, and however it ends, a receipt.

A piece counts once whoever sends it asks for the next one; what was not sent is not billed. A buyer
who leaves, and a deadline, end the answer as CUT: he owes the prompt and what was sent. When the
engine fails nothing is sold: the reservation is void and no receipt exists.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from offchain.compute.admit import Payment
from offchain.compute.answers import (
    Frame,
    Route,
    Seal,
    first_event,
    last_events,
    text_event,
    whole_answer,
)
from offchain.compute.commitment import Commitment, Header, commit, policy_of
from offchain.compute.engine import ModelFacts, Piece, TokenStream, Trace
from offchain.compute.evidence import Evidence, EvidenceShelf
from offchain.compute.generation import Generation
from offchain.compute.model import (
    Finish,
    Receipt,
    chat_bytes,
    price_of,
    request_hash,
    response_hash,
    text_bytes,
)
from offchain.compute.private_serve import Opened
from offchain.compute.reserve import ReservationBook
from offchain.compute.sampler import ENGINE_OWN, GREEDY, NO_KEY
from offchain.compute.signatures import DigestSigner, sign_receipt
from offchain.compute.terms_watch import ChainTime
from offchain.core.errors import ApogeeError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Paid:
    """A request that is reserved: what came in, and who pays for it; `opened`: what was sealed."""

    route: Route
    body: bytes = field(repr=False)
    request_id: bytes
    payment: Payment
    frame: Frame
    is_audit_ok: bool = False
    opened: Opened | None = None

    @property
    def plain(self) -> bytes:
        """What the engine is asked; never to be kept or told when it was sealed."""
        return self.body if self.opened is None else self.opened.body


@dataclass(frozen=True, slots=True)
class Sold:
    """What an answer consisted of when it ended."""

    canonical: bytes = field(repr=False)
    trace: Trace = field(repr=False)
    input_tokens: int
    output_tokens: int
    finish: Finish


@dataclass(frozen=True, slots=True)
class Running:
    """A request in the engine: what was asked, the noise's key, and the domain of its receipt."""

    generation: Generation
    stream: TokenStream
    facts: ModelFacts
    key: bytes
    domain: bytes


class Seller:
    """Turns what was sold into a receipt, kept before it is given away."""

    def __init__(
        self,
        book: ReservationBook,
        shelf: EvidenceShelf,
        signer: DigestSigner,
        time: ChainTime,
        salts: Callable[[], bytes],
    ) -> None:
        self._book = book
        self._shelf = shelf
        self._signer = signer
        self.time = time
        self._salts = salts

    async def seal(self, paid: Paid, sold: Sold, header: Header, domain: bytes) -> Seal:
        """Sign, keep and write down. Raises: StoreFull, StoreBroken; then nothing was sold."""
        hides = paid.opened is not None
        commitment = commit(header, sold.trace, self._salts(), hides_chunks=hides)
        receipt = self._receipt(paid, sold, commitment)
        signed = sign_receipt(receipt, self._signer, domain)
        audited = paid.body if paid.is_audit_ok else None
        evidence = Evidence.of(
            paid.route,
            signed,
            sold.canonical,
            commitment,
            voucher_digest=paid.payment.digest,
            audited_body=audited,
        )
        await asyncio.to_thread(self._shelf.keep, evidence)
        await self._book.answer(signed)
        return Seal(signed, paid.payment.terms.verifiability, commitment.open(0))

    async def void(self, paid: Paid, error: BaseException) -> None:
        """Nothing was sold; the buyer owes nothing for it."""
        code = error.code if isinstance(error, ApogeeError) else type(error).__name__
        log.warning("answer_failed", extra={"code": code, "request_id": paid.request_id.hex()})
        await self._book.void(paid.request_id)

    def _receipt(self, paid: Paid, sold: Sold, commitment: Commitment) -> Receipt:
        voucher, row = paid.payment.voucher.voucher, paid.payment.row
        service = paid.payment.terms.service
        return Receipt(
            request_id=paid.request_id,
            payer=voucher.payer,
            provider=service.provider,
            service=service.id,
            price_version=row.version,
            request_hash=request_hash(paid.body),
            response_hash=response_hash(sold.canonical),
            model_hash=service.model_hash,
            commitment=commitment.root,
            input_tokens=sold.input_tokens,
            output_tokens=sold.output_tokens,
            price=price_of(row, input_tokens=sold.input_tokens, output_tokens=sold.output_tokens),
            nonce=voucher.nonce,
            time=self.time.now(),
            finish=sold.finish,
            attestation_id=paid.payment.terms.attestation_id,
        )


class TextAnswer:
    """An answer in text, whole or streamed; used once."""

    def __init__(self, paid: Paid, running: Running, seller: Seller) -> None:
        self._paid = paid
        self._running = running
        self._stream = running.stream
        self._seller = seller
        self._sent: list[Piece] = []
        self._ending: asyncio.Task[Seal] | None = None

    async def whole(self) -> bytes:
        """The answer in one piece; cancelled, it is cut with nothing sent."""
        try:
            pieces = [piece async for piece in self._stream]
        except asyncio.CancelledError:
            self._cut()
            raise
        except ApogeeError as error:
            await self._seller.void(self._paid, error)
            raise
        self._sent = pieces
        seal = await self._end(self._stream.finish or Finish.CUT)
        frame = replace(self._paid.frame, created=seal.signed.receipt.time)
        return whole_answer(frame, self._text(), seal)

    async def events(self) -> AsyncIterator[bytes]:
        """The answer as events; closed or cancelled before its end, it is cut. The first comes with
        the first token, so that an engine that fails before it is an error and no stream.

        Raises: what the engine says, after the reservation is void.
        """
        try:
            opening = first_event(self._paid.frame)
            async for piece in self._stream:
                yield opening + text_event(self._paid.frame, piece.text)
                self._sent.append(piece)
                opening = b""
            seal = await self._end(self._stream.finish or Finish.CUT)
        except (asyncio.CancelledError, GeneratorExit):
            self._cut()
            raise
        except ApogeeError as error:
            await self._seller.void(self._paid, error)
            raise
        yield opening + last_events(self._paid.frame, seal)

    async def ended(self) -> None:
        """Wait for the receipt of an answer that was cut."""
        if self._ending is not None:
            await asyncio.gather(self._ending, return_exceptions=True)

    def _cut(self) -> None:
        """Free the slot at once, and write the receipt where no cancelling reaches it."""
        self._stream.cancel()
        self._begin_end(Finish.CUT)

    async def _end(self, finish: Finish) -> Seal:
        return await asyncio.shield(self._begin_end(finish))

    def _begin_end(self, finish: Finish) -> asyncio.Task[Seal]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._seal(finish))
            _running.add(self._ending)
            self._ending.add_done_callback(_finished)
        return self._ending

    async def _seal(self, finish: Finish) -> Seal:
        try:
            trace = await self._stream.trace(sum(len(piece.ids) for piece in self._sent))
            text = self._text()
            chat = self._paid.route is Route.CHAT
            sold = Sold(
                canonical=chat_bytes([text]) if chat else text_bytes([text]),
                trace=trace,
                input_tokens=len(trace.prompt_ids),
                output_tokens=len(trace.output_ids),
                finish=finish,
            )
            return await self._seller.seal(
                self._paid, sold, self._header(trace), self._running.domain
            )
        except ApogeeError as error:
            await self._seller.void(self._paid, error)
            raise

    def _text(self) -> str:
        return "".join(piece.text for piece in self._sent)

    def _header(self, trace: Trace) -> Header:
        sampling, facts = self._running.generation.sampling, self._running.facts
        has_noise = trace.sampler not in (ENGINE_OWN, GREEDY)
        return Header(
            prompt_tokens=len(trace.prompt_ids),
            output_tokens=len(trace.output_ids),
            tokenizer_hash=facts.tokenizer_hash,
            numerics=facts.numerics,
            sampler=trace.sampler,
            temperature_millionths=sampling.temperature_millionths,
            top_p_millionths=sampling.top_p_millionths,
            top_k=sampling.top_k,
            seed=self._running.key if has_noise else NO_KEY,
            charter=self._paid.payment.terms.service.charter_hash,
            policy=policy_of(is_audit_ok=self._paid.is_audit_ok),
        )


_running: set[asyncio.Task[Seal]] = set()  # a task that nobody holds may vanish


def _finished(task: asyncio.Task[Seal]) -> None:
    _running.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.error("receipt_lost", extra={"error": type(task.exception()).__name__})
