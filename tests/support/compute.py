"""Builders of the compute market: a service, a price row, a voucher, a whole answered request."""

from dataclasses import dataclass, field, replace

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
from offchain.compute.commitment import Commitment, Header, commit, policy_of
from offchain.compute.engine import Trace
from offchain.compute.model import (
    NATIVE_COIN,
    Finish,
    Kind,
    Level,
    Limits,
    Numerics,
    PriceRow,
    Receipt,
    Service,
    ServiceState,
    Verifiability,
    Voucher,
    chat_bytes,
    compute_domain,
    price_of,
    request_hash,
    request_id,
    response_hash,
    text_bytes,
)
from offchain.compute.signatures import sign_receipt, sign_voucher
from offchain.compute.verify import Exchange, Facts, asked_of
from offchain.core.hashing import keccak

NOW = 1_800_000_000
DOMAIN = compute_domain(chain_id=31_337, escrow=b"\xee" * 20)
PAYER = LocalSigner.from_secret(keccak(b"payer"))
PROVIDER = LocalSigner.from_secret(keccak(b"provider"))
SIGNER = LocalSigner.from_secret(keccak(b"receipt signer"))
STRANGER = LocalSigner.from_secret(keccak(b"stranger"))
UNVERIFIED = Verifiability(Level.NONE, False, 0)


def a_row(**changes: object) -> PriceRow:
    """A row of the native coin, valid long since."""
    row = PriceRow(
        version=1,
        token=NATIVE_COIN,
        input_price=2_000_000,
        output_price=8_000_000,
        request_price=3,
        valid_from=NOW - 86_400,
    )
    return replace(row, **changes)


def a_service(**changes: object) -> Service:
    """A chat service that serves."""
    service = Service(
        id=keccak(b"service"),
        provider=PROVIDER.address,
        kind=Kind.CHAT,
        numerics=Numerics.TORCH_FP32,
        state=ServiceState.ACTIVE,
        model_hash=keccak(b"model"),
        charter_hash=bytes(32),
        signer=SIGNER.address,
        endpoint="http://127.0.0.1:9999",
        limits=Limits(max_input=1_024, max_output=256, concurrency=4),
        price_version=1,
    )
    return replace(service, **changes)


def a_voucher(**changes: object) -> Voucher:
    """The first voucher of a payer."""
    voucher = Voucher(
        payer=PAYER.address,
        provider=PROVIDER.address,
        service=a_service().id,
        price_version=1,
        token=NATIVE_COIN,
        cumulative=0,
        cap=100_000,
        expiry=NOW + 86_400,
        nonce=1,
    )
    return replace(voucher, **changes)


@dataclass(frozen=True)
class Answered:
    """One honest exchange and what the chain said of it; `change` makes it another."""

    route: Route = Route.CHAT
    body: bytes = b'{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_tokens":8}'
    texts: tuple[str, ...] = ("Hello", ", \u2028", "wörld!")
    finish: Finish = Finish.STOP
    input_tokens: int = 5
    output_tokens: int = 3
    voucher: Voucher = field(default_factory=a_voucher)
    service: Service = field(default_factory=a_service)
    row: PriceRow = field(default_factory=a_row)
    verifiability: Verifiability = UNVERIFIED
    claimed: Verifiability | None = None
    signer: LocalSigner = SIGNER

    def change(self, **changes: object) -> "Answered":
        return replace(self, **changes)

    def receipt(self) -> Receipt:
        hashed = request_hash(self.body)
        return Receipt(
            request_id=request_id(self.voucher.digest(DOMAIN), hashed),
            payer=self.voucher.payer,
            provider=self.service.provider,
            service=self.service.id,
            price_version=self.row.version,
            request_hash=hashed,
            response_hash=response_hash(self.canonical()),
            model_hash=self.service.model_hash,
            commitment=self.commitment().root,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            price=price_of(
                self.row, input_tokens=self.input_tokens, output_tokens=self.output_tokens
            ),
            nonce=self.voucher.nonce,
            time=NOW,
            finish=self.finish,
        )

    def commitment(self) -> Commitment:
        is_audit_ok = asked_of(self.route, self.body).is_audit_ok
        return a_commitment(self.input_tokens, self.output_tokens, is_audit_ok=is_audit_ok)

    def canonical(self) -> bytes:
        text = "".join(self.texts)
        if self.route is Route.EMBEDDING:
            return vector_bytes(vectors())
        return chat_bytes([text]) if self.route is Route.CHAT else text_bytes([text])

    def exchange(self, receipt: Receipt | None = None) -> Exchange:
        """The bytes of it, with another receipt when one is given."""
        signed = sign_receipt(receipt or self.receipt(), self.signer, DOMAIN)
        claimed = self.claimed or self.verifiability
        seal = Seal(signed, claimed, self.commitment().open(0))
        asked = asked_of(self.route, self.body)
        created = NOW if asked.is_streamed else signed.receipt.time
        frame = Frame(self.route, signed.receipt.request_id, created, asked.model, asked.has_usage)
        if self.route is Route.EMBEDDING:
            raw = embedding_answer(frame, vectors(), seal, as_base64=asked.as_base64)
        elif asked.is_streamed:
            events = [text_event(frame, text) for text in self.texts]
            raw = b"".join((first_event(frame), *events, last_events(frame, seal)))
        else:
            raw = whole_answer(frame, "".join(self.texts), seal)
        return Exchange(self.route, self.body, raw, sign_voucher(self.voucher, PAYER, DOMAIN))

    def facts(self, **changes: object) -> Facts:
        facts = Facts(
            block=7,
            now=NOW,
            domain=DOMAIN,
            service=self.service,
            row=self.row,
            signer=SIGNER.address,
            verifiability=self.verifiability,
            grace_seconds=3_600,
        )
        return replace(facts, **changes)


def a_commitment(
    input_tokens: int, output_tokens: int, /, *, is_audit_ok: bool = False, **changes: object
) -> Commitment:
    """What an answer of so many tokens commits to, the header of an fp32 engine."""
    header = Header(
        prompt_tokens=input_tokens,
        output_tokens=output_tokens,
        tokenizer_hash=keccak(b"tokenizer"),
        numerics=Numerics.TORCH_FP32,
        sampler=1,
        temperature_millionths=0,
        top_p_millionths=0,
        top_k=0,
        seed=bytes(32),
        policy=policy_of(is_audit_ok=is_audit_ok),
    )
    trace = Trace((1,) * input_tokens, (2,) * output_tokens, 1, b"", ())
    return commit(replace(header, **changes), trace, keccak(b"salt"))


def vectors() -> np.ndarray:
    """Two vectors of three numbers."""
    return np.array([[0.1, -2.5, 3e-9], [1.0, 0.0, -0.333333343]], np.float32)
