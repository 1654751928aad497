"""Judging one opened answer: everything signed is replayed with a single prefill; pure but for it.

  bytes      the leaves make the receipt's commitment, body and answer its hashes
  request    template and tokenizer give the prompt's ids; the body gives sampler, numbers and key
  answer     the ids give the text, the counts and the reason it ended
  tokens     each token is the one the replayed draw takes, within the class's margin
  states     the prompt's fingerprint and that of every chunk lie within the class's limits

The first three need no weights and end the check when they fail. Reasons are named, never free
text. Sources: arXiv 2511.20621, 2501.16007; docs/protocol/compute.md#audits.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
import rfc8785

from offchain.compute.commitment import (
    Commitment,
    CommitmentMalformed,
    Header,
    parse_chunk,
    parse_prompt,
)
from offchain.compute.engine import Embedding, ModelFacts
from offchain.compute.engine_errors import PromptTooLong
from offchain.compute.fingerprint import (
    CHUNK_TOKENS,
    Bits,
    FingerprintMalformed,
    distance,
)
from offchain.compute.generation import Generation, Route, parse_generation, parse_texts
from offchain.compute.model import (
    Finish,
    Numerics,
    Receipt,
    chat_bytes,
    request_hash,
    request_id,
    response_hash,
    text_bytes,
)
from offchain.compute.numerics import Measured, Thresholds, thresholds_of
from offchain.compute.sampler import MARGIN_LIMIT, Logits, Sampler, header_seed, sampler_key
from offchain.compute.text_stream import TextAssembler, assemble
from offchain.core.errors import InvalidInput, Rejected
from offchain.core.hashing import Digest, keccak

STATS_DIGITS: Final = 6


class Reason(StrEnum):
    """Why an answer fails."""

    OPENING = "opening"  # leaves or hashes do not lead to the receipt
    MODEL = "model"  # the receipt names another model or tokenizer
    COUNT = "count"  # counts of receipt, header and leaves differ
    PROMPT = "prompt"  # template and tokenizer give other ids
    SAMPLER = "sampler"  # the header's draw is not what the body asks for
    TEXT = "text"  # the ids make another text
    FINISH = "finish"  # it did not end for the reason given
    TOKEN = "token"  # noqa: S105  # a replayed draw takes another token
    PREFILL = "prefill"  # the prompt's states are not this model's
    CHUNK = "chunk"  # an answer chunk's states are not this model's
    VECTOR = "vector"  # recomputed embeddings differ


@dataclass(frozen=True, slots=True)
class AuditCase:
    """What a provider reveals of a drawn answer. `route` None: embeddings.

    `answer` is the canonical bytes that the receipt's responseHash is of; `numerics` is the class
    that the service is registered with, whatever the header says.
    """

    receipt: Receipt
    numerics: Numerics
    route: Route | None
    body: bytes = field(repr=False)
    answer: bytes = field(repr=False)
    leaves: tuple[bytes, ...] = field(repr=False)
    voucher_digest: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """PASS without a reason, FAIL with at least one; `measured` when the model was run."""

    reasons: tuple[Reason, ...]
    measured: Measured | None = None

    @property
    def is_pass(self) -> bool:
        return not self.reasons

    def stats_hash(self) -> Digest:
        """What a vote carries of the figures."""
        measured = asdict(self.measured) if self.measured else {}
        stats = {
            name: round(value, STATS_DIGITS) if isinstance(value, float) else value
            for name, value in measured.items()
        }
        return keccak(rfc8785.dumps({"reasons": [str(one) for one in self.reasons], **stats}))


class Replayer(Protocol):
    """The auditor's own copy of a model; blocking, called in a thread."""

    def facts(self) -> ModelFacts: ...

    def prompt_ids(self, generation: Generation) -> tuple[int, ...]: ...

    def text_ids(self, text: str) -> tuple[int, ...]: ...

    def assembler(self, stops: tuple[str, ...]) -> TextAssembler: ...

    def replay(
        self,
        prompt: Sequence[int],
        output: Sequence[int],
        score: Callable[[int, Logits], None],
    ) -> Bits:
        """One prefill: the states (prompt + output - 1, width); `score` sees each step's logits.

        Raises: PromptTooLong, EngineOutOfMemory, LogitsNotFinite.
        """
        ...

    def embed(self, texts: Sequence[str]) -> Embedding: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """The parsed leaves of a case."""

    header: Header
    prompt: tuple[int, ...]
    prefill: bytes
    output: tuple[int, ...]
    chunks: tuple[bytes, ...]


def judge(case: AuditCase, replayer: Replayer, limits: Thresholds | None = None) -> Verdict:
    """Replay one answer. `limits`: calibrated ones; else those of its class.

    Raises: NumericsUncheckable, and what `Replayer.replay` raises: the auditor's own trouble.
    """
    opened = _open(case)
    if opened is None:
        return Verdict((Reason.OPENING,))
    found = limits or thresholds_of(case.numerics, replayer.facts().numerics)
    if case.route is None:
        return _judge_vectors(case, opened, replayer, found)
    try:
        generation = parse_generation(case.body, case.route)
    except InvalidInput:
        return Verdict((Reason.PROMPT,))
    reasons = [
        *_check_model(case, opened.header, replayer.facts()),
        *_check_counts(case, opened),
        *_check_request(case, opened, generation, replayer),
        *_check_answer(case, opened, generation, replayer),
    ]
    if reasons:
        return Verdict(tuple(dict.fromkeys(reasons)))
    return _judge_states(opened, Sampler(generation.sampling, opened.header.seed), replayer, found)


def _open(case: AuditCase) -> Opened | None:
    receipt = case.receipt
    is_bound = (
        len(case.leaves) >= 2
        and Commitment(case.leaves).root == receipt.commitment
        and request_hash(case.body) == receipt.request_hash
        and response_hash(case.answer) == receipt.response_hash
        and request_id(case.voucher_digest, receipt.request_hash) == receipt.request_id
    )
    if not is_bound:
        return None
    try:
        header = Header.from_bytes(case.leaves[0])
        _, prompt, prefill = parse_prompt(case.leaves[1])
        chunks = [parse_chunk(leaf) for leaf in case.leaves[2:]]
    except CommitmentMalformed:
        return None
    output = tuple(token for ids, _ in chunks for token in ids)
    return Opened(header, prompt, prefill, output, tuple(mark for _, mark in chunks))


def _check_model(case: AuditCase, header: Header, facts: ModelFacts) -> list[Reason]:
    is_ours = (
        case.receipt.model_hash == facts.model_hash
        and header.tokenizer_hash == facts.tokenizer_hash
        and header.numerics == case.numerics
    )
    return [] if is_ours else [Reason.MODEL]


def _check_counts(case: AuditCase, opened: Opened) -> list[Reason]:
    receipt, header = case.receipt, opened.header
    prompt, output = len(opened.prompt), len(opened.output)
    sizes = [len(parse_chunk(leaf)[0]) for leaf in case.leaves[2:]]
    is_right = (
        prompt == header.prompt_tokens == receipt.input_tokens
        and output == header.output_tokens == receipt.output_tokens
        and sizes == [min(CHUNK_TOKENS, output - at) for at in range(0, output, CHUNK_TOKENS)]
    )
    return [] if is_right else [Reason.COUNT]


def _check_request(
    case: AuditCase, opened: Opened, generation: Generation, replayer: Replayer
) -> list[Reason]:
    reasons = []
    header, sampling = opened.header, generation.sampling
    try:
        if replayer.prompt_ids(generation) != opened.prompt:
            reasons.append(Reason.PROMPT)
    except (InvalidInput, Rejected):
        reasons.append(Reason.PROMPT)
    key = sampler_key(case.receipt.request_hash, case.voucher_digest, sampling.seed)
    is_asked = (
        header.temperature_millionths == sampling.temperature_millionths
        and header.top_p_millionths == sampling.top_p_millionths
        and header.top_k == sampling.top_k
        and header.sampler == Sampler(sampling, key).number
        and header.seed == header_seed(sampling, key)
    )
    return reasons if is_asked else [*reasons, Reason.SAMPLER]


def _check_answer(
    case: AuditCase, opened: Opened, generation: Generation, replayer: Replayer
) -> list[Reason]:
    finish, output = case.receipt.finish, opened.output
    assembler = replayer.assembler(generation.stop)
    text = assemble(output, assembler, is_cut=finish is Finish.CUT)
    if text is None:
        return [Reason.FINISH]
    wanted = chat_bytes([text]) if case.route is Route.CHAT else text_bytes([text])
    reasons = [] if wanted == case.answer else [Reason.TEXT]
    limit = generation.max_tokens
    is_long = limit is not None and len(output) > limit
    is_stop_claimed = finish is Finish.STOP
    is_short = finish is Finish.LENGTH and limit is not None and len(output) < limit
    if is_long or is_short or (is_stop_claimed and not assembler.is_stopped):
        reasons.append(Reason.FINISH)
    return reasons


def _judge_states(
    opened: Opened, sampler: Sampler, replayer: Replayer, limits: Thresholds
) -> Verdict:
    try:
        measured = measure(opened, sampler, replayer, limits)
    except PromptTooLong:
        return Verdict((Reason.COUNT,))
    reasons = []
    if measured.margin > limits.margin or measured.margin_mean > limits.margin_mean:
        reasons.append(Reason.TOKEN)
    if not measured.is_prefill_within(limits):
        reasons.append(Reason.PREFILL)
    if not measured.are_chunks_within(limits):
        reasons.append(Reason.CHUNK)
    return Verdict(tuple(reasons), measured)


def measure(opened: Opened, sampler: Sampler, replayer: Replayer, limits: Thresholds) -> Measured:
    """How far an answer is from the replay. Raises: what `Replayer.replay` raises."""
    margins: list[float] = []

    def score(step: int, logits: Logits) -> None:
        token = opened.output[step]
        known = 0 <= token < logits.size
        margins.append(sampler.margin(logits, step, token, limits.slack) if known else MARGIN_LIMIT)

    states = replayer.replay(opened.prompt, opened.output, score)
    first, length = len(opened.prompt) - 1, len(opened.output)
    prefill = _apart(opened.prefill, states[: first + 1])
    chunks = [
        _apart(mark, states[first + at : first + min(at + CHUNK_TOKENS, length)])
        for mark, at in zip(opened.chunks, range(0, length, CHUNK_TOKENS), strict=True)
    ]
    return Measured(
        prefill_mismatches=prefill[0],
        prefill_mantissa_mean=prefill[1],
        mismatches=max((count for count, _ in chunks), default=0),
        mantissa_mean=max((mean for _, mean in chunks), default=0.0),
        answer_mantissa_mean=float(np.mean([mean for _, mean in (prefill, *chunks)])),
        margin=max(margins, default=0.0),
        margin_mean=float(np.mean(margins)) if margins else 0.0,
        chunks=1 + len(chunks),
    )


def _apart(mark: bytes, states: Bits) -> tuple[int, float]:
    """Mismatches per 128 points and the mantissas' mean distance; the most for malformed bytes."""
    try:
        found = distance(mark, states)
    except FingerprintMalformed:
        return 128, 128.0
    return -(-found.mismatches * 128 // found.points), found.mantissa_mean


def _judge_vectors(
    case: AuditCase, opened: Opened, replayer: Replayer, limits: Thresholds
) -> Verdict:
    try:
        texts = parse_texts(case.body)
    except InvalidInput:
        return Verdict((Reason.PROMPT,))
    reasons = _check_model(case, opened.header, replayer.facts())
    ids = tuple(token for text in texts for token in replayer.text_ids(text))
    if not len(ids) == opened.header.prompt_tokens == case.receipt.input_tokens:
        reasons.append(Reason.COUNT)
    if reasons:
        return Verdict(tuple(reasons))
    mine = replayer.embed(texts).vectors
    theirs = np.frombuffer(case.answer, "<f4") if len(case.answer) % 4 == 0 else np.empty(0)
    is_near = theirs.size == mine.size and bool(
        np.abs(theirs - mine.reshape(-1)).max() <= limits.embedding_distance
    )
    return Verdict(() if is_near else (Reason.VECTOR,))
