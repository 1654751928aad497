"""Audits: honest answers pass whatever they asked for; every cheat fails for its own reason."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offchain.compute.adapters.calibrate_torch import Trial, calibrate_pair
from offchain.compute.adapters.cheating_engine import Cheat, open_cheating_engine
from offchain.compute.adapters.torch_embedder import TorchEmbedder
from offchain.compute.adapters.torch_engine import TorchEngine, TorchLimits
from offchain.compute.adapters.torch_model import LoadedModel, TorchPlace, load_model
from offchain.compute.adapters.torch_replay import TorchReplayer
from offchain.compute.audit_check import AuditCase, Reason, judge
from offchain.compute.commitment import Header, commit
from offchain.compute.engine import Trace
from offchain.compute.model import Finish, Numerics, request_hash, request_id, response_hash
from offchain.compute.numerics import BF16, NumericsUncheckable
from tests.support.answered import VOUCHER, Answered, a_body, a_case, ask

SAMPLED = {"temperature": 0.8, "top_p": 0.95}


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(600):
            await story

    asyncio.run(bounded())


@pytest.fixture(scope="session")
def replayer(llama_folder: Path) -> TorchReplayer:
    return TorchReplayer(load_model(llama_folder, TorchPlace()))


@pytest.fixture(scope="session")
def honest(llama_folder: Path) -> tuple[TorchEngine, Answered]:
    """One honest answer of 70 tokens, and the (closed) engine whose facts it claims."""
    model = load_model(llama_folder, TorchPlace())

    async def story() -> tuple[TorchEngine, Answered]:
        engine = TorchEngine(model)
        found = await ask(engine, a_body(**SAMPLED), tokens=70)
        await engine.close()
        return engine, found

    return asyncio.run(story())


def test_judge__honest_answers_of_every_draw__pass(
    llama: LoadedModel, replayer: TorchReplayer
) -> None:
    async def story() -> None:
        engine = TorchEngine(llama, TorchLimits(slots=4, piece_tokens=32))
        draws = [
            {"temperature": 0},
            {"temperature": 1.3},
            {"top_p": 0.5, "top_k": 7},
            {"seed": 11, "stop": ["e", "a"]},
            SAMPLED,
        ]
        found = await asyncio.gather(
            *(ask(engine, a_body("x" * 70, **draw), tokens=70) for draw in draws)
        )
        verdicts = [judge(a_case(engine, one), replayer) for one in found]
        await engine.close()

        assert [verdict.reasons for verdict in verdicts] == [()] * len(draws)
        assert len({verdict.stats_hash() for verdict in verdicts}) >= 1

    run(story())


def test_judge__honest_answer_cut_at_every_piece__passes(
    honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    engine, found = honest
    for count in (0, 1, 5, 33):
        pieces = found.pieces[:count]
        sent = sum(len(piece.ids) for piece in pieces)
        whole = found.trace
        trace = replace(
            whole,
            output_ids=whole.output_ids[:sent],
            chunk_fingerprints=_chunks(engine, found, sent, replayer),
        )
        cut = replace(found, pieces=pieces, trace=trace, finish=Finish.CUT)

        assert judge(a_case(engine, cut), replayer).reasons == ()


def _chunks(
    engine: TorchEngine, found: Answered, sent: int, replayer: TorchReplayer
) -> tuple[bytes, ...]:
    """The marks of a cut answer, from states of an own replay (equal in fp32)."""
    from offchain.compute.fingerprint import chunk_fingerprints

    prompt, output = found.trace.prompt_ids, found.trace.output_ids[:sent]
    states = replayer.replay(prompt, output, lambda _step, _logits: None)
    return chunk_fingerprints(states[len(prompt) - 1 : len(prompt) - 1 + sent])


@pytest.mark.parametrize(
    ("cheat", "expected"),
    [
        (Cheat.INT4, {Reason.PREFILL, Reason.CHUNK}),
        (Cheat.INT8, {Reason.PREFILL, Reason.CHUNK}),
        (Cheat.OTHER_MODEL, {Reason.TOKEN, Reason.PREFILL, Reason.CHUNK}),
        (Cheat.DROPPED_LAYER, {Reason.PREFILL, Reason.CHUNK}),
        (Cheat.ALTERED_SAMPLING, {Reason.TOKEN}),
        (Cheat.STALE_CACHE, {Reason.PREFILL}),
        (Cheat.INFLATED_COUNTS, {Reason.TEXT}),
    ],
)
def test_judge__each_cheat__fails_for_its_reason(
    cheat: Cheat,
    expected: set[Reason],
    llama_folder: Path,
    other_folder: Path,
    replayer: TorchReplayer,
) -> None:
    async def story() -> None:
        engine = open_cheating_engine(llama_folder, cheat, other=other_folder)
        if cheat is Cheat.STALE_CACHE:
            await ask(engine, a_body("something else", **SAMPLED), tokens=40)
        found = await ask(engine, a_body(**SAMPLED), tokens=40)
        verdict = judge(a_case(engine, found), replayer)
        await engine.close()

        assert expected <= set(verdict.reasons)
        assert not verdict.is_pass

    run(story())


def test_judge__bf16_served_as_fp32__fails(llama_folder: Path, replayer: TorchReplayer) -> None:
    async def story() -> None:
        engine = TorchEngine(load_model(llama_folder, TorchPlace(Numerics.TORCH_BF16)))
        found = await ask(engine, a_body(**SAMPLED), tokens=40)
        case = a_case(engine, found, numerics=Numerics.TORCH_FP32)
        await engine.close()

        verdict = judge(replace(case, numerics=Numerics.TORCH_FP32), replayer)

        assert Reason.CHUNK in verdict.reasons

    run(story())


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"prompt_tokens": 1}, Reason.COUNT),
        ({"output_tokens": 69}, Reason.COUNT),
        ({"temperature_millionths": 0}, Reason.SAMPLER),
        ({"top_k": 3}, Reason.SAMPLER),
        ({"seed": bytes(32)}, Reason.SAMPLER),
        ({"sampler": 0}, Reason.SAMPLER),
        ({"tokenizer_hash": bytes(32)}, Reason.MODEL),
        ({"numerics": Numerics.TORCH_BF16}, Reason.MODEL),
    ],
)
def test_judge__header_lies__named(
    lie: dict[str, object],
    reason: Reason,
    honest: tuple[TorchEngine, Answered],
    replayer: TorchReplayer,
) -> None:
    case = a_case(*honest, **lie)

    assert judge(replace(case, numerics=Numerics.TORCH_FP32), replayer).reasons == (reason,)


@pytest.mark.parametrize("field", ["body", "answer", "voucher_digest"])
def test_judge__one_byte_of_the_opening_changed__is_no_opening(
    field: str, honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    case = a_case(*honest)
    old = getattr(case, field)
    wrong = replace(case, **{field: old[:-1] + bytes([old[-1] ^ 1])})

    assert judge(wrong, replayer).reasons == (Reason.OPENING,)


def test_judge__leaf_changed_or_missing__is_no_opening(
    honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    case = a_case(*honest)
    for leaves in (case.leaves[:-1], case.leaves[:1], (), (*case.leaves[:-1], b"")):
        assert judge(replace(case, leaves=leaves), replayer).reasons == (Reason.OPENING,)


def _resigned(case: AuditCase, header: Header, trace: Trace) -> AuditCase:
    """The same answer under another trace, signed as if it were true."""
    commitment = commit(header, trace, bytes(32))
    receipt = replace(case.receipt, commitment=commitment.root)
    return replace(case, leaves=commitment.leaves, receipt=receipt)


def test_judge__garbage_for_a_fingerprint__fails_that_chunk(
    honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    engine, found = honest
    case = a_case(engine, found)
    header = Header.from_bytes(case.leaves[0])
    marks = (*found.trace.chunk_fingerprints[:-1], b"\x00" * 258)

    verdict = judge(
        _resigned(case, header, replace(found.trace, chunk_fingerprints=marks)), replayer
    )

    assert verdict.reasons == (Reason.CHUNK,)


def test_judge__ids_outside_the_vocabulary__fail_without_an_error(
    honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    engine, found = honest
    case = a_case(engine, found)
    header = Header.from_bytes(case.leaves[0])
    ids = (10**9, *found.trace.output_ids[1:])

    verdict = judge(_resigned(case, header, replace(found.trace, output_ids=ids)), replayer)

    assert not verdict.is_pass


def test_judge__stop_claimed_without_one__fails(
    honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    engine, found = honest

    verdict = judge(a_case(engine, replace(found, finish=Finish.STOP)), replayer)

    assert verdict.reasons == (Reason.FINISH,)


def test_judge__class_that_nobody_replays__is_no_verdict(
    honest: tuple[TorchEngine, Answered], replayer: TorchReplayer
) -> None:
    with pytest.raises(NumericsUncheckable):
        judge(replace(a_case(*honest), numerics=Numerics.OPAQUE), replayer)


def test_calibrate_pair__bf16_against_fp32__limits_let_its_answers_pass(
    llama_folder: Path, llama: LoadedModel
) -> None:
    serving = load_model(llama_folder, TorchPlace(Numerics.TORCH_BF16))

    found = calibrate_pair(serving, llama, Trial([f"prompt {at}" for at in range(9)], tokens=40))

    assert found.answers == 9
    assert found.thresholds.mantissa_mean >= BF16.mantissa_mean
    assert next(point.flagged for point in found.curve if point.scale == 1.0) == 0
    assert found.curve[0].flagged == 1
    assert found.served_on.startswith("cpu, TORCH_BF16")


def test_judge__embeddings__recomputed(bert_folder: Path) -> None:
    async def story() -> None:
        model = load_model(bert_folder, TorchPlace())
        engine, checker = TorchEmbedder(model), TorchReplayer(load_model(bert_folder, TorchPlace()))
        body = b'{"model": "m", "input": ["one text", "another"]}'
        made = await engine.embed(["one text", "another"])
        await engine.close()
        facts, ids = engine.facts(), (0,) * made.input_tokens
        header = Header(
            len(ids), 0, facts.tokenizer_hash, facts.numerics, 0, 10**6, 10**6, 0, bytes(32)
        )
        commitment = commit(header, Trace(ids, (), 0, b"", ()), bytes(32))
        answer = made.vectors.astype("<f4").tobytes()
        case = _embedding_case(body, answer, facts.model_hash, commitment.leaves, len(ids))
        wrong = made.vectors.copy()
        wrong[1, 3] += 0.01

        assert judge(case, checker).reasons == ()
        changed = wrong.astype("<f4").tobytes()
        lying = _embedding_case(body, changed, facts.model_hash, commitment.leaves, len(ids))
        assert judge(lying, checker).reasons == (Reason.VECTOR,)
        short = _embedding_case(body, answer[:-4], facts.model_hash, commitment.leaves, len(ids))
        assert judge(short, checker).reasons == (Reason.VECTOR,)
        assert np.isfinite(made.vectors).all()

    run(story())


def _embedding_case(
    body: bytes, answer: bytes, model_hash: bytes, leaves: tuple[bytes, ...], tokens: int
) -> AuditCase:
    from offchain.compute.commitment import Commitment
    from offchain.compute.model import Receipt

    receipt = Receipt(
        request_id=request_id(VOUCHER, request_hash(body)),
        payer=bytes(20),
        provider=bytes(20),
        service=bytes(32),
        price_version=1,
        request_hash=request_hash(body),
        response_hash=response_hash(answer),
        model_hash=model_hash,
        commitment=Commitment(leaves).root,
        input_tokens=tokens,
        output_tokens=0,
        price=1,
        nonce=1,
        time=1,
        finish=Finish.STOP,
    )
    return AuditCase(receipt, Numerics.TORCH_FP32, None, body, answer, leaves, VOUCHER)
