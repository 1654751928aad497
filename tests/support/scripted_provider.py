"""A provider over a real socket that answers from a script: signs real receipts, fails on demand.

It keeps the provider's rules that a gateway depends on: a nonce is used once, the cap covers what
is owed and the hold, the same request gets the same receipt. What it says is `words`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httptools
import numpy as np

from offchain.chain.keys import LocalSigner
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
from offchain.compute.commitment import Opening
from offchain.compute.forms import VOUCHER_HEADER, parse_voucher_header, receipt_json, show
from offchain.compute.model import (
    NATIVE_COIN,
    Finish,
    Kind,
    Limits,
    Numerics,
    PriceRow,
    Receipt,
    Service,
    ServiceState,
    SignedReceipt,
    Verifiability,
    chat_bytes,
    price_of,
    request_hash,
    request_id,
    response_hash,
    text_bytes,
)
from offchain.compute.read_answer import Asked
from offchain.compute.signatures import sign_receipt, signer_of
from offchain.compute.verify import asked_of
from offchain.core.hashing import keccak
from tests.support.compute import DOMAIN, NOW, UNVERIFIED, a_commitment

ROUTES = {
    b"/v1/chat/completions": Route.CHAT,
    b"/v1/completions": Route.COMPLETION,
    b"/v1/embeddings": Route.EMBEDDING,
}
VECTORS = np.array([[0.25, -1.0, 3.5]], np.float32)


@dataclass
class Script:
    """How it behaves. `refuse`: status and code for the next so many requests; `die_after`: events
    of a stream before the line is cut; `silent`: hangs up without an answer; `forge`: changes a
    receipt before it is signed; `tamper`: changes the answer's bytes; `pause`: seconds between
    events, and before a whole answer.
    """

    words: tuple[str, ...] = ("Io", ", Europa", ", Ganymede")
    refuse: tuple[int, str] | None = None
    retry_after: int | None = None
    die_after: int | None = None
    silent: bool = False
    forge: Callable[[Receipt], Receipt] = field(default=lambda receipt: receipt)
    tamper: Callable[[bytes], bytes] = field(default=lambda raw: raw)
    pause: float = 0.0
    input_tokens: int = 7


class ScriptedProvider:
    """One service behind one port."""

    def __init__(self, name: str, *, kind: Kind = Kind.CHAT, model: bytes | None = None) -> None:
        self.name = name
        self.owner = LocalSigner.from_secret(keccak(b"owner", name.encode()))
        self.signer = LocalSigner.from_secret(keccak(b"signer", name.encode()))
        self.kind = kind
        self.model_hash = model or keccak(b"model")
        self.script = Script()
        self.row = PriceRow(1, NATIVE_COIN, 2_000_000, 8_000_000, 3, NOW - 86_400)
        self.verifiability: Verifiability = UNVERIFIED
        self.port = 0
        self.now: Callable[[], int] = lambda: NOW
        self.nonces: set[int] = set()
        self.sold: dict[bytes, SignedReceipt] = {}
        self.asked = 0
        self.cut = 0
        self.bodies: list[bytes] = []
        self.earned = 0
        self.delegates: set[bytes] = set()

    @property
    def service(self) -> Service:
        return Service(
            id=keccak(b"service", self.name.encode()),
            provider=self.owner.address,
            kind=self.kind,
            numerics=Numerics.TORCH_FP32,
            state=ServiceState.ACTIVE,
            model_hash=self.model_hash,
            charter_hash=bytes(32),
            signer=self.signer.address,
            endpoint=f"http://127.0.0.1:{self.port}",
            limits=Limits(max_input=4_096, max_output=256, concurrency=64),
            price_version=self.row.version,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedProvider"]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Line(self), "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def receipt(
        self, route: Route, voucher: object, body: bytes, words: tuple[str, ...]
    ) -> Receipt:
        said = voucher.voucher  # type: ignore[attr-defined]
        hashed = request_hash(body)
        text = "".join(words)
        canonical = vector_bytes(VECTORS)
        if route is not Route.EMBEDDING:
            canonical = chat_bytes([text]) if route is Route.CHAT else text_bytes([text])
        output = 0 if route is Route.EMBEDDING else len(words)
        receipt = Receipt(
            request_id=request_id(said.digest(DOMAIN), hashed),
            payer=said.payer,
            provider=self.service.provider,
            service=self.service.id,
            price_version=self.row.version,
            request_hash=hashed,
            response_hash=response_hash(canonical),
            model_hash=self.model_hash,
            commitment=a_commitment(
                self.script.input_tokens, output, is_audit_ok=asked_of(route, body).is_audit_ok
            ).root,
            input_tokens=self.script.input_tokens,
            output_tokens=output,
            price=price_of(self.row, input_tokens=self.script.input_tokens, output_tokens=output),
            nonce=said.nonce,
            time=self.now(),
            finish=Finish.STOP if len(words) == len(self.script.words) else Finish.CUT,
        )
        return self.script.forge(receipt)

    def sell(self, receipt: Receipt) -> SignedReceipt:
        signed = sign_receipt(receipt, self.signer, DOMAIN)
        self.sold[receipt.request_id] = signed
        self.earned += receipt.price
        return signed


class _Line(asyncio.Protocol):
    """One connection of a gateway."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider
        self._task: asyncio.Task[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._headers, self._body = b"", {}, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None and not self._task.done():
            self._provider.cut += 1
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, headers, body = self._url, self._headers, bytes(self._body)
        method = self._parser.get_method()
        self._reset()
        if method == b"GET":
            self._show_receipt(url)
        else:
            self._serve(url, headers, body)

    def _answer(self, status: int, raw: bytes, *more: str) -> None:
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}", *more, "", ""]
        self._transport.write("\r\n".join(head).encode() + raw)

    def _refuse(self, status: int, code: str, *more: str) -> None:
        error = {"message": f"no: {code}", "type": "x", "code": code, "param": None}
        self._answer(status, json.dumps({"error": error}).encode(), *more)

    def _show_receipt(self, url: bytes) -> None:
        signed = self._provider.sold.get(bytes.fromhex(url.decode().rpartition("/")[2][2:]))
        if signed is None:
            self._refuse(404, "compute.receipt.unknown")
            return
        shown = {"receipt": receipt_json(signed.receipt), "signature": show(signed.signature)}
        self._answer(200, json.dumps(shown).encode())

    def _serve(self, url: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        provider = self._provider
        script = provider.script
        provider.asked += 1
        provider.bodies.append(body)
        if script.silent:
            self._transport.abort()
            return
        if script.refuse is not None:
            wait = () if script.retry_after is None else (f"Retry-After: {script.retry_after}",)
            self._refuse(*script.refuse, *wait)
            return
        signed = parse_voucher_header(headers[VOUCHER_HEADER.lower().encode()].decode())
        said = signed.voucher
        assert signer_of(said.digest(DOMAIN), signed.signature) in {said.payer, *provider.delegates}
        if said.nonce in provider.nonces:
            self._refuse(409, "compute.nonce.used")
            return
        provider.nonces.add(said.nonce)
        if said.cap < provider.earned + 3:
            self._refuse(402, "voucher_cap_low")
            return
        route = ROUTES[url]
        asked = asked_of(route, body)
        if asked.is_streamed:
            streaming = self._stream(route, signed, body)
            self._task = asyncio.get_running_loop().create_task(streaming)
            return
        self._task = asyncio.get_running_loop().create_task(self._whole(route, signed, body))

    async def _whole(self, route: Route, signed: object, body: bytes) -> None:
        provider, script = self._provider, self._provider.script
        asked = asked_of(route, body)
        try:
            await asyncio.sleep(script.pause)
        except asyncio.CancelledError:
            provider.sell(provider.receipt(route, signed, body, ()))
            raise
        receipt = provider.receipt(route, signed, body, script.words)
        seal = Seal(provider.sell(receipt), provider.verifiability, _opening(asked, receipt))
        frame = Frame(route, receipt.request_id, receipt.time, asked.model)
        if route is Route.EMBEDDING:
            raw = embedding_answer(frame, VECTORS, seal, as_base64=asked.as_base64)
        else:
            raw = whole_answer(frame, "".join(script.words), seal)
        self._answer(200, script.tamper(raw))

    def _chunk(self, raw: bytes) -> None:
        self._transport.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")

    async def _stream(self, route: Route, signed: object, body: bytes) -> None:
        provider, script = self._provider, self._provider.script
        asked = asked_of(route, body)
        whole = provider.receipt(route, signed, body, script.words)
        frame = Frame(route, whole.request_id, provider.now(), asked.model, asked.has_usage)
        self._transport.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        self._chunk(first_event(frame) or b": \n\n") if first_event(frame) else None
        sent = 0
        try:
            for word in script.words:
                if script.die_after is not None and sent >= script.die_after:
                    provider.sell(provider.receipt(route, signed, body, script.words[:sent]))
                    self._transport.abort()
                    return
                self._chunk(text_event(frame, word))
                sent += 1
                if script.pause:
                    await asyncio.sleep(script.pause)
        except asyncio.CancelledError:
            provider.sell(provider.receipt(route, signed, body, script.words[:sent]))
            raise
        seal = Seal(provider.sell(whole), provider.verifiability, _opening(asked, whole))
        self._chunk(script.tamper(last_events(frame, seal)))
        self._transport.write(b"0\r\n\r\n")


def _opening(asked: Asked, receipt: Receipt) -> Opening:
    """The header of what an answer commits to."""
    counts = receipt.input_tokens, receipt.output_tokens
    return a_commitment(*counts, is_audit_ok=asked.is_audit_ok).open(0)


def cheaper(row: PriceRow, output_price: int) -> PriceRow:
    """A row with another price."""
    return replace(row, output_price=output_price)
