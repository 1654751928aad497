"""Judge what one draw fell on: first from signed bytes, then, where the buyer allows it, by replay.

Every leaf must be where the batch's root has it, be signed by the service's signer, and cost what
its price row says; its commitment must open to counts that agree. A buyer who forbade audits is
named so by the header, under the commitment that his client checked: there signed bytes decide.
Source: docs/protocol/compute.md#audits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from offchain.compute import generation
from offchain.compute.answers import Route
from offchain.compute.audit_bundle import Bundle, BundleBroken, Interval, ShownAnswer, ShownEvidence
from offchain.compute.audit_check import AuditCase, Reason, Replayer, Verdict, judge
from offchain.compute.audit_draw import Span
from offchain.compute.commitment import CommitmentMalformed, Header, leaf_hash, root_of_hashes
from offchain.compute.errors import PriceUnknown
from offchain.compute.fingerprint import CHUNK_TOKENS
from offchain.compute.model import (
    PriceRow,
    Receipt,
    Service,
    price_of,
    response_hash,
)
from offchain.compute.signatures import signer_of
from offchain.core.hashing import Digest, keccak

ROUTES: Final = {
    Route.CHAT: generation.Route.CHAT,
    Route.COMPLETION: generation.Route.COMPLETION,
    Route.EMBEDDING: None,
}


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the chain says of a batch and its service; the two calls read one block."""

    service: Service
    domain: bytes
    root: bytes
    items: int
    row: Callable[[int], PriceRow]
    signer_at: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Judged:
    """Bit j of `failed`: draw j; `statistics` binds what was measured."""

    failed: int
    statistics: Digest
    reasons: tuple[tuple[int, tuple[Reason, ...]], ...]


def judge_bundle(
    bundle: Bundle, spans: Sequence[Span], facts: BatchFacts, replayer: Replayer
) -> Judged:
    """All draws of an audit; blocking. Raises: what `Replayer.replay` raises."""
    failed, marks, reasons = 0, [], []
    for number, span in enumerate(spans):
        verdicts = judge_draw(bundle.of_draw(number), span, facts, replayer)
        found = tuple(dict.fromkeys(reason for one in verdicts for reason in one.reasons))
        if found:
            failed |= 1 << number
            reasons.append((number, found))
        marks += [one.stats_hash() for one in verdicts]
    return Judged(failed, keccak(*marks), tuple(reasons))


def judge_draw(
    shown: Sequence[ShownAnswer], span: Span, facts: BatchFacts, replayer: Replayer
) -> list[Verdict]:
    """A verdict for each answer that a draw asks for; one FAIL when they do not cover its span."""
    try:
        places = [one.interval(root=facts.root, items=facts.items) for one in shown]
    except BundleBroken:
        return [Verdict((Reason.OPENING,))]
    if not _covers(places, span):
        return [Verdict((Reason.OPENING,))]
    return [_judge_answer(one, facts, replayer) for one in shown]


def _covers(places: Sequence[Interval], span: Span) -> bool:
    at = span.first
    for place in sorted(places, key=lambda one: one.first):
        if place.first > at:
            return False
        at = max(at, place.end)
    return at > span.last


def _judge_answer(shown: ShownAnswer, facts: BatchFacts, replayer: Replayer) -> Verdict:
    evidence, receipt = shown.evidence, shown.signed.receipt
    if evidence is None or not _is_signed_right(shown, facts):
        return Verdict((Reason.OPENING,))
    header = _opened_header(evidence, receipt)
    if header is None or not _is_priced_right(receipt, facts):
        return Verdict((Reason.COUNT,))
    if receipt.model_hash != facts.service.model_hash:
        return Verdict((Reason.MODEL,))
    if not header.allows_audit:
        return Verdict(())
    if evidence.body is None or evidence.leaves is None:
        return Verdict((Reason.OPENING,))
    case = AuditCase(
        receipt=receipt,
        numerics=facts.service.numerics,
        route=ROUTES[evidence.route],
        body=evidence.body,
        answer=evidence.answer,
        leaves=evidence.leaves,
        voucher_digest=evidence.voucher_digest,
    )
    return judge(case, replayer)


def _is_signed_right(shown: ShownAnswer, facts: BatchFacts) -> bool:
    receipt, item, service = shown.signed.receipt, shown.item, facts.service
    is_of_item = (
        receipt.service == service.id
        and receipt.provider == service.provider
        and receipt.payer == item.payer
        and receipt.price_version == item.price_version
        and item.first_nonce <= receipt.nonce <= item.last_nonce
    )
    signer = signer_of(receipt.digest(facts.domain), shown.signed.signature)
    return is_of_item and signer == facts.signer_at(receipt.time)


def _is_priced_right(receipt: Receipt, facts: BatchFacts) -> bool:
    try:
        row = facts.row(receipt.price_version)
    except PriceUnknown:
        return False
    price = price_of(row, input_tokens=receipt.input_tokens, output_tokens=receipt.output_tokens)
    return price == receipt.price


def _opened_header(evidence: ShownEvidence, receipt: Receipt) -> Header | None:
    """The header under the receipt's commitment, when counts and answer agree with the receipt."""
    hashes = evidence.leaf_hashes
    try:
        header = Header.from_bytes(evidence.header)
    except CommitmentMalformed:
        return None
    chunks = -(-receipt.output_tokens // CHUNK_TOKENS)
    is_bound = (
        len(hashes) == 2 + chunks
        and hashes[0] == leaf_hash(evidence.header)
        and root_of_hashes(hashes) == receipt.commitment
        and header.prompt_tokens == receipt.input_tokens
        and header.output_tokens == receipt.output_tokens
        and response_hash(evidence.answer) == receipt.response_hash
    )
    return header if is_bound else None
