"""An answer from an engine with everything that is signed about it, without chain and money."""

import json
from dataclasses import dataclass, replace

from offchain.compute.audit_check import AuditCase
from offchain.compute.commitment import Header, commit
from offchain.compute.engine import Deadlines, Engine, Job, Piece, Trace
from offchain.compute.generation import Route, parse_generation
from offchain.compute.model import (
    Finish,
    Receipt,
    chat_bytes,
    request_hash,
    request_id,
    response_hash,
)
from offchain.compute.sampler import header_seed, sampler_key

VOUCHER = b"\x05" * 32
PATIENT = Deadlines(600, 600, 600)  # a loaded machine is slow, not broken


def a_body(text: str = "Tell me something.", **fields: object) -> bytes:
    """A chat request."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "tiny", "messages": messages, **fields}).encode()


async def a_job(engine: Engine, body: bytes, *, payer: bytes = b"p", tokens: int = 16) -> Job:
    """The job of a body as a provider makes it."""
    generation = parse_generation(body, Route.CHAT)
    limit = generation.max_tokens or tokens
    ids = await engine.count(generation)
    key = sampler_key(request_hash(body), VOUCHER, generation.sampling.seed)
    return Job(generation, ids, limit, key, payer, body, PATIENT)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was sent, and what commits to it."""

    job: Job
    pieces: tuple[Piece, ...]
    finish: Finish
    trace: Trace

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(one for piece in self.pieces for one in piece.ids)


async def ask(engine: Engine, body: bytes, *, tokens: int = 16) -> Answered:
    """One whole answer."""
    job = await a_job(engine, body, tokens=tokens)
    stream = engine.stream(job)
    pieces = tuple([piece async for piece in stream])
    count = sum(len(piece.ids) for piece in pieces)
    assert stream.finish
    return Answered(job, pieces, stream.finish, await stream.trace(count))


def a_header(engine: Engine, job: Job, trace: Trace) -> Header:
    """The header an honest provider writes."""
    facts, sampling = engine.facts(), job.generation.sampling
    return Header(
        prompt_tokens=len(trace.prompt_ids),
        output_tokens=len(trace.output_ids),
        tokenizer_hash=facts.tokenizer_hash,
        numerics=facts.numerics,
        sampler=trace.sampler,
        temperature_millionths=sampling.temperature_millionths,
        top_p_millionths=sampling.top_p_millionths,
        top_k=sampling.top_k,
        seed=header_seed(sampling, job.sampler_key),
    )


def a_case(engine: Engine, answered: Answered, **header: object) -> AuditCase:
    """What a provider reveals of an answer; `header` fields lie."""
    facts, trace, body = engine.facts(), answered.trace, answered.job.body
    made = replace(a_header(engine, answered.job, trace), **header)
    commitment = commit(made, trace, b"\x07" * 32)
    answer = chat_bytes([answered.text])
    receipt = Receipt(
        request_id=request_id(VOUCHER, request_hash(body)),
        payer=bytes(20),
        provider=bytes(20),
        service=bytes(32),
        price_version=1,
        request_hash=request_hash(body),
        response_hash=response_hash(answer),
        model_hash=facts.model_hash,
        commitment=commitment.root,
        input_tokens=len(trace.prompt_ids),
        output_tokens=len(trace.output_ids),
        price=1,
        nonce=1,
        time=1,
        finish=answered.finish,
    )
    return AuditCase(receipt, facts.numerics, Route.CHAT, body, answer, commitment.leaves, VOUCHER)
