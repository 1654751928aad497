"""Whether an answer is what was asked, signed and priced for: one call, which fails closed; pure.

The buyer gives the bytes that went out and came in, his own voucher, and what the chain said at one
block. There is no "unverified" result: either every check holds, or `UnverifiedAnswer` says which
one does not. Source: docs/protocol/compute.md#verification.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from offchain.compute import generation
from offchain.compute.answers import Route
from offchain.compute.commitment import (
    CommitmentMalformed,
    Header,
    Opening,
    policy_of,
    root_of,
)
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.fingerprint import CHUNK_TOKENS
from offchain.compute.generation import Generation, parse_body, parse_generation
from offchain.compute.model import (
    NO_ATTESTATION,
    Finish,
    Level,
    PriceRow,
    Receipt,
    Service,
    SignedReceipt,
    SignedVoucher,
    Verifiability,
    price_of,
    request_hash,
    request_id,
    response_hash,
)
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.private_form import is_sealed
from offchain.compute.read_answer import Asked, ReadAnswer, read_answer
from offchain.compute.signatures import signer_of
from offchain.core.errors import InvalidInput

CLOCK_SECONDS: Final = 60
NOT_PROVEN: Final = (
    "that the model's weights made these tokens: audits draw some receipts and prove it of those",
    "that nobody else saw the request: only a TEE that runs the model keeps it",
)
SEALED_BY_OTHERS: Final = "what was asked and answered: both are sealed, and the key is not here"
BROKER_ONLY: Final = "that the engine behind the measured broker keeps the request to itself"
# Counts (input, output) tokens of a request and its answer as the service's model does.
TokenCounter = Callable[[Generation, str], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What went out and what came in, byte by byte. A stream is all its bytes, `[DONE]` too.

    `private`: what opens a sealed answer; without it only what travelled is checked.
    `generation`: the body as it was parsed before it went out, so that it is parsed once.
    """

    route: Route
    body: bytes = field(repr=False)
    answer: bytes = field(repr=False)
    voucher: SignedVoucher = field(repr=False)
    private: PrivateRequest | None = None
    generation: Generation | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain said, all at one block. `signer`: whose receipts count at the block's time.

    `attestation_id`: the live evidence bound to the signer; zero bytes when there is none.
    `renewed`: evidence of the same signer that was live a moment ago.
    """

    block: int
    now: int
    domain: bytes
    service: Service
    row: PriceRow
    signer: bytes
    verifiability: Verifiability
    grace_seconds: int
    attestation_id: bytes = NO_ATTESTATION
    renewed: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the buyer insists on."""

    min_level: Level = Level.NONE
    allow_simulated: bool = False
    clock_seconds: int = CLOCK_SECONDS
    count_tokens: TokenCounter | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was found true."""

    name: str
    detail: str


class Steps(Protocol):
    """What an answer's evidence leads to: name and detail, each resting on the next."""

    def steps(self) -> Sequence[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """An answer that holds, what was checked of it, and what no check can show.

    `evidence`: the evidence below the level, when it was verified here too (trust.py).
    """

    text: str
    vectors: npt.NDArray[np.float32] | None = field(repr=False)
    signed: SignedReceipt
    verifiability: Verifiability
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...] = NOT_PROVEN
    evidence: Steps | None = None

    @property
    def receipt(self) -> Receipt:
        return self.signed.receipt

    def tree(self) -> str:
        """The checks as lines to print."""
        width = max(len(check.name) for check in self.checks)
        lines = [f"answer {self.receipt.request_id.hex()}"]
        lines += [f"  ok   {check.name:<{width}}  {check.detail}" for check in self.checks]
        steps = () if self.evidence is None else self.evidence.steps()
        for depth, (name, detail) in enumerate(steps):
            lines.append(f"  {'   ' * depth}└─ {name}  {detail}")
        lines += [f"  not proven: {what}" for what in self.not_proven]
        return "\n".join(lines)


def verify(exchange: Exchange, facts: Facts, policy: Policy | None = None) -> Verified:
    """Every check, or the first that fails. Raises: UnverifiedAnswer."""
    policy = policy or Policy()
    request, asked = _asked(exchange)
    answer = read_answer(asked, exchange.answer)
    receipt = answer.seal.signed.receipt
    checks = [
        _check_signature(answer.seal.signed, facts),
        _check_request(receipt, exchange, facts),
        _check_answer(receipt, answer),
    ]
    said, counting = answer, policy
    if exchange.private is not None:
        said = _opened(exchange.private, exchange, answer)
        request = None if request is None else _generation(exchange.route, exchange.private.plain)
        checks.append(Check("private", f"sealed to 0x{exchange.private.key.hash.hex()}, opened"))
    elif is_sealed(exchange.body):
        said, counting = replace(answer, text=""), replace(policy, count_tokens=None)
        checks.append(Check("private", "sealed, and not opened here"))
    checks += [
        _check_parties(receipt, exchange.voucher, facts),
        _check_price(receipt, exchange.voucher, facts),
        _check_tokens(receipt, request, said, facts, counting),
        _check_commitment(receipt, answer.seal.opening, asked, facts),
        _check_time(receipt, answer, facts, policy),
        _check_level(receipt, answer, facts, policy),
    ]
    return Verified(
        text=answer.text if exchange.private is None else said.text,
        vectors=said.vectors,
        signed=answer.seal.signed,
        verifiability=facts.verifiability,
        checks=tuple(checks),
        not_proven=_not_proven(exchange, facts),
    )


def asked_of(route: Route, body: bytes) -> Asked:
    """What form of answer a request asks for. Raises: InvalidInput."""
    if route is Route.EMBEDDING:
        fields = parse_body(body)
        model = fields.get("model", "")
        as_base64 = fields.get("encoding_format") == "base64"
        named = model if isinstance(model, str) else ""
        return Asked(route, named, as_base64=as_base64, is_audit_ok=allows_audit(fields))
    return _form(route, parse_generation(body, generation.Route(route.value)))


def _form(route: Route, found: Generation) -> Asked:
    return Asked(
        route,
        found.model,
        found.is_streamed,
        found.is_streamed and found.has_usage,
        is_audit_ok=found.is_audit_ok,
    )


def allows_audit(fields: Mapping[str, object]) -> bool:
    """Whether a body lets auditors see the request and its answer."""
    metadata = fields.get("metadata")
    return isinstance(metadata, dict) and metadata.get("audit_ok") in (True, "true")


def _asked(exchange: Exchange) -> tuple[Generation | None, Asked]:
    try:
        route, body = exchange.route, exchange.body
        if route is Route.EMBEDDING:
            return None, asked_of(route, body)
        found = exchange.generation or _generation(route, body)
        return found, _form(route, found)
    except InvalidInput as error:
        raise UnverifiedAnswer(Reason.BODY_MISMATCH, request="malformed") from error


def _generation(route: Route, body: bytes) -> Generation:
    return parse_generation(body, generation.Route(route.value))


def _opened(private: PrivateRequest, exchange: Exchange, answer: ReadAnswer) -> ReadAnswer:
    """The answer as it was meant."""
    request_id = answer.seal.signed.receipt.request_id
    if private.body != exchange.body:
        raise UnverifiedAnswer(Reason.BODY_MISMATCH, request="another sealed request")
    if answer.vectors is not None:
        return replace(answer, vectors=private.vectors(request_id, answer.vectors))
    return replace(answer, text=private.text(request_id, answer.text))


def _not_proven(exchange: Exchange, facts: Facts) -> tuple[str, ...]:
    if not is_sealed(exchange.body):
        return NOT_PROVEN
    if exchange.private is None:
        return (NOT_PROVEN[0], SEALED_BY_OTHERS)
    is_broker = facts.verifiability.level < Level.MODEL_IN_TEE
    return (NOT_PROVEN[0], BROKER_ONLY) if is_broker else NOT_PROVEN[:1]


def _check_signature(signed: SignedReceipt, facts: Facts) -> Check:
    signer = signer_of(signed.receipt.digest(facts.domain), signed.signature)
    if signer != facts.signer:
        found = "nobody" if signer is None else "0x" + signer.hex()
        raise UnverifiedAnswer(Reason.SIGNATURE_WRONG, signer=found)
    return Check("signature", f"by the service's signer 0x{signer.hex()}")


def _check_request(receipt: Receipt, exchange: Exchange, facts: Facts) -> Check:
    hashed = request_hash(exchange.body)
    if receipt.request_hash != hashed:
        raise UnverifiedAnswer(Reason.BODY_MISMATCH)
    if receipt.request_id != request_id(exchange.voucher.voucher.digest(facts.domain), hashed):
        raise UnverifiedAnswer(Reason.REQUEST_ID_WRONG)
    return Check("request", f"{len(exchange.body)} bytes as sent, under this voucher")


def _check_answer(receipt: Receipt, answer: ReadAnswer) -> Check:
    if receipt.response_hash != response_hash(answer.canonical):
        raise UnverifiedAnswer(Reason.ANSWER_MISMATCH)
    return Check("answer", f"{len(answer.canonical)} bytes as received")


def _check_parties(receipt: Receipt, signed: SignedVoucher, facts: Facts) -> Check:
    voucher, service, row = signed.voucher, facts.service, facts.row
    if (voucher.provider, voucher.service, voucher.price_version, voucher.token) != (
        service.provider,
        service.id,
        row.version,
        row.token,
    ):
        raise UnverifiedAnswer(Reason.VOUCHER_WRONG)
    for reason, is_right in (
        (Reason.NONCE_WRONG, receipt.nonce == voucher.nonce),
        (Reason.PAYER_WRONG, receipt.payer == voucher.payer),
        (Reason.PROVIDER_WRONG, receipt.provider == service.provider),
        (Reason.SERVICE_WRONG, receipt.service == service.id),
        (Reason.MODEL_WRONG, receipt.model_hash == service.model_hash),
    ):
        if not is_right:
            raise UnverifiedAnswer(reason)
    return Check("service", f"0x{service.id.hex()}, model 0x{service.model_hash.hex()}")


def _check_price(receipt: Receipt, signed: SignedVoucher, facts: Facts) -> Check:
    row, voucher = facts.row, signed.voucher
    if receipt.price_version != row.version:
        raise UnverifiedAnswer(Reason.ROW_WRONG, receipt=receipt.price_version, row=row.version)
    if not row.is_payable(receipt.time, facts.grace_seconds):
        raise UnverifiedAnswer(Reason.ROW_NOT_PAYABLE, row=row.version)
    price = price_of(row, input_tokens=receipt.input_tokens, output_tokens=receipt.output_tokens)
    if receipt.price != price:
        raise UnverifiedAnswer(Reason.PRICE_WRONG, receipt=receipt.price, formula=price)
    if voucher.cumulative + price > voucher.cap:
        raise UnverifiedAnswer(Reason.OVER_CAP, price=price, cap=voucher.cap)
    return Check("price", f"{price} by row {row.version}, nonce {receipt.nonce}")


def _check_tokens(
    receipt: Receipt,
    request: Generation | None,
    answer: ReadAnswer,
    facts: Facts,
    policy: Policy,
) -> Check:
    limits = facts.service.limits
    counted = receipt.input_tokens, receipt.output_tokens
    shown = f"{counted[0]} in, {counted[1]} out"
    if counted[0] > limits.max_input:
        raise UnverifiedAnswer(Reason.TOKENS_WRONG, input=counted[0], limit=limits.max_input)
    if request is None:
        if counted[1] or receipt.finish is not Finish.STOP:
            raise UnverifiedAnswer(Reason.TOKENS_WRONG, output=counted[1])
        return Check("tokens", shown)
    most = min(request.max_tokens or limits.max_output, limits.max_output)
    if counted[1] > most or (answer.text and not counted[1]):
        raise UnverifiedAnswer(Reason.TOKENS_WRONG, output=counted[1], limit=most)
    if receipt.finish is Finish.LENGTH and counted[1] != most:
        raise UnverifiedAnswer(Reason.FINISH_WRONG, output=counted[1], limit=most)
    if policy.count_tokens is None:
        return Check("tokens", f"{shown}, within the limits")
    own = policy.count_tokens(request, answer.text)
    if own != counted:
        raise UnverifiedAnswer(Reason.TOKENS_WRONG, receipt=counted, counted=own)
    return Check("tokens", f"{shown}, counted here")


def _check_commitment(receipt: Receipt, opening: Opening, asked: Asked, facts: Facts) -> Check:
    try:
        header, root = Header.from_bytes(opening.data), root_of(opening)
    except CommitmentMalformed as error:
        raise UnverifiedAnswer(Reason.COMMITMENT_WRONG, part="form") from error
    if root != receipt.commitment:
        raise UnverifiedAnswer(Reason.COMMITMENT_WRONG, part="root")
    chunks = -(-receipt.output_tokens // CHUNK_TOKENS)
    counts = header.prompt_tokens, header.output_tokens, opening.leaves
    if counts != (receipt.input_tokens, receipt.output_tokens, 2 + chunks):
        raise UnverifiedAnswer(Reason.TOKENS_WRONG, committed=counts)
    if header.numerics is not facts.service.numerics:
        raise UnverifiedAnswer(Reason.NUMERICS_WRONG, committed=header.numerics.name)
    if header.policy != policy_of(is_audit_ok=asked.is_audit_ok):
        raise UnverifiedAnswer(Reason.POLICY_WRONG, asked=asked.is_audit_ok)
    may = "auditors may see it" if asked.is_audit_ok else "private"
    return Check("commitment", f"{chunks} chunks, {header.numerics.name}, {may}")


def _check_time(receipt: Receipt, answer: ReadAnswer, facts: Facts, policy: Policy) -> Check:
    off = receipt.time - facts.now
    if abs(off) > policy.clock_seconds or answer.created > receipt.time:
        raise UnverifiedAnswer(Reason.CLOCK_OFF, seconds=off)
    return Check("time", f"{off:+d} s from the chain's")


def _check_level(receipt: Receipt, answer: ReadAnswer, facts: Facts, policy: Policy) -> Check:
    found, claimed = facts.verifiability, answer.seal.verifiability
    if (claimed.level, claimed.is_simulated) != (found.level, found.is_simulated):
        raise UnverifiedAnswer(
            Reason.LEVEL_WRONG, claimed=claimed.level.name, found=found.level.name
        )
    if found.level < policy.min_level:
        raise UnverifiedAnswer(
            Reason.LEVEL_TOO_LOW, level=found.level.name, wanted=policy.min_level.name
        )
    if found.is_simulated and not policy.allow_simulated:
        raise UnverifiedAnswer(Reason.SIMULATED)
    wanted = facts.attestation_id
    has_none = found.level >= Level.BROKER_IN_TEE and wanted == NO_ATTESTATION
    if has_none or receipt.attestation_id not in {wanted, *facts.renewed}:
        raise UnverifiedAnswer(
            Reason.ATTESTATION_DEAD, named=receipt.attestation_id.hex(), time=receipt.time
        )
    simulated = " SIMULATED" if found.is_simulated else ""
    return Check("level", f"{found.level.name}{simulated} at block {facts.block}")
