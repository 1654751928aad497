"""What the engine's and the audit's benchmarks share: SmolLM2 unpacked, requests, whole answers."""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from offchain.compute.audit_check import AuditCase
from offchain.compute.commitment import Header, commit
from offchain.compute.engine import Deadlines, Engine, Job, Trace
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

COMMAND = "apogee bench compute --json"
VOUCHER = b"\x05" * 32
SUBJECTS = (
    "a lighthouse keeper",
    "two rival bakers",
    "the river at night",
    "a robot gardener",
    "an old map",
    "the last train home",
    "a quiet storm",
    "winter in the mountains",
)


@contextmanager
def smollm2_folder() -> Iterator[Path]:
    """The default chat model, unpacked into a folder of its own."""
    from offchain.compute.adapters.default_models import SMOLLM2, open_default

    with tempfile.TemporaryDirectory(prefix="apogee-bench-") as folder:
        yield open_default(SMOLLM2, Path(folder))


def chat_body(number: int, **fields: object) -> bytes:
    """Request `number`, different from all others."""
    text = f"Tell me a story about {SUBJECTS[number % len(SUBJECTS)]}, number {number}."
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": "smollm2", "messages": messages, **fields}).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with all that is signed about it."""

    job: Job
    text: str
    finish: Finish
    trace: Trace

    def case(self, engine: Engine) -> AuditCase:
        """What an honest provider's books say of it; a cheat lies in the trace, not here."""
        facts, sampling, body = engine.facts(), self.job.generation.sampling, self.job.body
        header = Header(
            prompt_tokens=len(self.trace.prompt_ids),
            output_tokens=len(self.trace.output_ids),
            tokenizer_hash=facts.tokenizer_hash,
            numerics=facts.numerics,
            sampler=self.trace.sampler,
            temperature_millionths=sampling.temperature_millionths,
            top_p_millionths=sampling.top_p_millionths,
            top_k=sampling.top_k,
            seed=header_seed(sampling, self.job.sampler_key),
        )
        leaves = commit(header, self.trace, bytes(32))
        answer = chat_bytes([self.text])
        receipt = Receipt(
            request_id=request_id(VOUCHER, request_hash(body)),
            payer=bytes(20),
            provider=bytes(20),
            service=bytes(32),
            price_version=1,
            request_hash=request_hash(body),
            response_hash=response_hash(answer),
            model_hash=facts.model_hash,
            commitment=leaves.root,
            input_tokens=len(self.trace.prompt_ids),
            output_tokens=len(self.trace.output_ids),
            price=1,
            nonce=1,
            time=1,
            finish=self.finish,
        )
        return AuditCase(receipt, facts.numerics, Route.CHAT, body, answer, leaves.leaves, VOUCHER)


async def answer_all(engine: Engine, bodies: Sequence[bytes], tokens: int) -> list[Answer]:
    """All answers, as many together as the engine has slots."""
    gate = asyncio.Semaphore(engine.health().slots)

    async def one(body: bytes) -> Answer:
        async with gate:
            return await answer(engine, body, tokens)

    return list(await asyncio.gather(*(one(body) for body in bodies)))


async def answer(engine: Engine, body: bytes, tokens: int) -> Answer:
    """One whole answer of at most `tokens` tokens."""
    generation = parse_generation(body, Route.CHAT)
    ids = await engine.count(generation)
    key = sampler_key(request_hash(body), VOUCHER, generation.sampling.seed)
    patient = Deadlines(600, 600, 3_600)  # a loaded machine is slow, not broken
    job = Job(generation, ids, tokens, key, body[-20:], body, patient)
    stream = engine.stream(job)
    pieces = [piece async for piece in stream]
    count = sum(len(piece.ids) for piece in pieces)
    assert stream.finish
    text = "".join(piece.text for piece in pieces)
    return Answer(job, text, stream.finish, await stream.trace(count))
