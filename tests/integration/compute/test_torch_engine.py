"""Continuous batching: company changes no answer, and one request's trouble is no other's."""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from offchain.compute.adapters.torch_batch import Row, TorchBatch
from offchain.compute.adapters.torch_embedder import TorchEmbedder
from offchain.compute.adapters.torch_engine import TorchEngine, TorchLimits, seeded_sampler
from offchain.compute.adapters.torch_model import HiddenModel, LoadedModel, TorchPlace, load_model
from offchain.compute.engine import Job, Piece
from offchain.compute.engine_errors import (
    EngineOutOfMemory,
    EngineStopped,
    FeatureUnsupported,
    LogitsNotFinite,
    ModelMissing,
    ModelUnsupported,
    PickleRefused,
    PromptTooLong,
)
from offchain.compute.generation import Route, parse_generation
from offchain.compute.model import Finish, Kind, Numerics
from tests.support.answered import Answered, a_body, a_job, ask


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(600):
            await story

    asyncio.run(bounded())


def a_row(model: LoadedModel, text: str, tokens: int, log: list[object]) -> Row:
    generation = parse_generation(a_body(text, temperature=0.8), Route.CHAT)
    job = Job(generation, model.codec.prompt_ids(generation), tokens, text.encode() * 9, b"p")
    assembler = model.codec.assembler(())
    return Row(job, seeded_sampler(job), assembler, log.append, log.append)


def bare_greedy(model: LoadedModel, prompt: tuple[int, ...], tokens: int) -> list[int]:
    """The plain loop over transformers' own cache."""
    ids, cache, out = torch.tensor([prompt]), None, []
    with torch.inference_mode():
        while len(out) < tokens:
            made = model.network(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = made.past_key_values
            out.append(int(made.logits[0, -1].argmax()))
            ids = torch.tensor([[out[-1]]])
    return out


def test_stream__greedy__is_the_bare_loops_answer(llama: LoadedModel) -> None:
    async def story() -> None:
        engine = TorchEngine(llama)
        found = await ask(engine, a_body(temperature=0), tokens=40)
        await engine.close()

        ends = llama.codec.end_ids
        expected = bare_greedy(llama, found.job.prompt_ids, len(found.ids))
        assert list(found.ids) == expected
        assert len(found.ids) == 40 or found.ids[-1] in ends

    run(story())


def test_stream__joining_and_leaving_company__changes_no_token(llama: LoadedModel) -> None:
    async def story() -> None:
        bodies = [a_body(f"question {at} " * (at + 1), temperature=0.9) for at in range(9)]
        lengths = [3, 40, 17, 33, 8, 40, 1, 25, 12]
        engine = TorchEngine(llama, TorchLimits(slots=4, piece_tokens=32))

        async def later(at: int) -> Answered:
            await asyncio.sleep(0.01 * at)
            return await ask(engine, bodies[at], tokens=lengths[at])

        together = await asyncio.gather(*(later(at) for at in range(9)))
        alone = [await ask(engine, bodies[at], tokens=lengths[at]) for at in range(9)]
        await engine.close()

        assert [one.ids for one in together] == [one.ids for one in alone]
        assert [one.text for one in together] == [one.text for one in alone]

    run(story())


def test_step__long_prompt_joins__others_decode_between_its_pieces(llama: LoadedModel) -> None:
    batch, first, second = TorchBatch(llama, piece_tokens=16), [], []
    batch.add(a_row(llama, "short", 40, first))
    while not first:
        batch.step()
    batch.add(a_row(llama, "long " * 40, 2, second))
    before = len(batch.rows[0].output)

    while not second and batch.rows:
        batch.step()

    assert len(batch.rows[0].output) - before >= 200 // 16


def test_step__row_cancelled__leaves_within_one_step(llama: LoadedModel) -> None:
    batch, log = TorchBatch(llama), []
    row = a_row(llama, "short", 40, log)
    batch.add(row)
    batch.step()

    row.is_cancelled = True
    batch.step()

    assert not batch.rows
    assert log[-1] is Finish.CUT


def test_step__memory_ends_for_one__others_go_on(llama: LoadedModel) -> None:
    batch, first, second = TorchBatch(llama), [], []
    batch.add(a_row(llama, "short", 5, first))
    while not first:
        batch.step()
    batch.add(a_row(llama, "also short", 5, second))
    refuse_length = len(batch.rows[1].job.prompt_ids)

    def refuse(_network: object, inputs: tuple[object, ...], kwargs: dict[str, object]) -> None:
        ids = kwargs["input_ids"]
        assert isinstance(ids, torch.Tensor)
        if ids.shape[1] == refuse_length:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")

    hook = llama.network.register_forward_pre_hook(refuse, with_kwargs=True)
    while batch.rows:
        batch.step()
    hook.remove()

    assert isinstance(second[-1], EngineOutOfMemory)
    assert first[-1] is Finish.LENGTH


def test_step__memory_ends_for_all_together__the_last_to_join_leaves(llama: LoadedModel) -> None:
    batch, logs = TorchBatch(llama), ([], [], [])
    for number, log in enumerate(logs):
        batch.add(a_row(llama, f"number {number}", 5, log))

    def refuse(_network: object, inputs: tuple[object, ...], kwargs: dict[str, object]) -> None:
        ids = kwargs["input_ids"]
        assert isinstance(ids, torch.Tensor)
        if ids.shape[0] == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = llama.network.register_forward_pre_hook(refuse, with_kwargs=True)
    while batch.rows:
        batch.step()
    hook.remove()

    ends = [log[-1] for log in logs]
    assert ends[:2] == [Finish.LENGTH, Finish.LENGTH]
    assert isinstance(ends[2], EngineOutOfMemory)


def test_step__model_computes_nan__ends_with_a_typed_error(llama: LoadedModel) -> None:
    batch, log = TorchBatch(llama), []
    batch.add(a_row(llama, "short", 5, log))

    with torch.no_grad():
        llama.network.lm_head.weight[7] = float("nan")
    batch.step()

    assert isinstance(log[-1], LogitsNotFinite)
    assert not any(isinstance(one, Piece) for one in log)


def test_run__thread_dies__every_request_hears_of_it(llama: LoadedModel) -> None:
    async def story() -> None:
        engine = TorchEngine(llama)

        def die(_network: object, _inputs: object) -> None:
            raise RuntimeError("a kernel failed")

        llama.network.register_forward_pre_hook(die)
        stream = engine.stream(await a_job(engine, a_body()))
        with pytest.raises(EngineStopped):
            await anext(stream)

        assert not engine.health().is_ready
        await engine.close()

    run(story())


def test_stream__stop_text__ends_the_answer_before_it(llama: LoadedModel) -> None:
    async def story() -> None:
        engine = TorchEngine(llama)
        whole = await ask(engine, a_body(seed=3), tokens=40)
        stop = next(one for one in whole.text[5:] if one.isascii() and one.isprintable())
        found = await ask(engine, a_body(seed=3, stop=[stop]), tokens=40)
        await engine.close()

        assert found.finish is Finish.STOP
        assert found.text == whole.text.split(stop)[0]
        assert found.ids == whole.ids[: len(found.ids)]

    run(story())


def test_stream__longer_than_cache_or_context__refused(llama: LoadedModel) -> None:
    async def story() -> None:
        engine = TorchEngine(llama, TorchLimits(cache_tokens=64))
        job = await a_job(engine, a_body(), tokens=100)
        for wrong in (job, replace(job, prompt_ids=()), replace(job, max_tokens=0)):
            with pytest.raises(PromptTooLong):
                engine.stream(wrong)
        await engine.close()

    run(story())


def test_count__fields_the_engine_cannot_honour__refused_by_name(llama: LoadedModel) -> None:
    async def story() -> None:
        engine = TorchEngine(llama)
        with pytest.raises(FeatureUnsupported, match="logprobs"):
            await a_job(engine, a_body(logprobs=True))
        with pytest.raises(FeatureUnsupported):
            await engine.embed(["text"])
        await engine.close()

    run(story())


def test_stream__bf16__answers(llama_folder: Path) -> None:
    async def story() -> None:
        engine = TorchEngine(load_model(llama_folder, TorchPlace(Numerics.TORCH_BF16)))
        found = await ask(engine, a_body(), tokens=4)
        await engine.close()

        assert len(found.ids) == 4

    run(story())


def test_embed__texts_of_any_length__are_the_same_alone_and_together(bert: LoadedModel) -> None:
    async def story() -> None:
        engine, texts = TorchEmbedder(bert), ["a", "a longer text", "b" * 200]
        together = await engine.embed(texts)
        alone = [await engine.embed([text]) for text in texts]
        await engine.close()

        assert engine.facts().kind is Kind.EMBEDDING
        assert together.vectors.shape == (3, 32)
        assert together.input_tokens == sum(one.input_tokens for one in alone) == 214
        np.testing.assert_allclose(
            together.vectors, np.concatenate([one.vectors for one in alone]), atol=1e-5
        )
        np.testing.assert_allclose(np.linalg.norm(together.vectors, axis=1), 1, atol=1e-5)

    run(story())


def test_embed__text_longer_than_the_model__refused(bert: LoadedModel) -> None:
    async def story() -> None:
        engine = TorchEmbedder(bert)
        with pytest.raises(PromptTooLong):
            await engine.embed(["x" * 513])
        await engine.close()
        with pytest.raises(EngineStopped):
            await engine.embed(["x"])

    run(story())


def test_load_model__pickle_beside_the_weights__refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")

    with pytest.raises(PickleRefused):
        load_model(tmp_path, TorchPlace())


def test_load_model__brings_its_own_code__refused(llama_folder: Path, tmp_path: Path) -> None:
    for path in llama_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "code.Model"}}')

    with pytest.raises(ModelUnsupported, match="own code"):
        load_model(tmp_path, TorchPlace())


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors"])
def test_load_model__broken_file__refused(llama_folder: Path, tmp_path: Path, broken: str) -> None:
    for path in llama_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / broken).write_bytes(b"{not json")

    with pytest.raises(ModelUnsupported):
        load_model(tmp_path, TorchPlace())


def test_load_model__no_folder_or_unserved_numerics__refused(
    llama_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelMissing):
        load_model(tmp_path / "nothing", TorchPlace())
    with pytest.raises(ModelUnsupported):
        load_model(llama_folder, TorchPlace(Numerics.GGUF))


def test_hidden_states__of_runs_in_many_threads__are_each_runs_own(llama: LoadedModel) -> None:
    model = HiddenModel(llama)
    vocabulary = llama.network.get_input_embeddings().num_embeddings

    def states(first: int) -> torch.Tensor:
        ids = (torch.arange(24) * 7 + first) % vocabulary
        with torch.inference_mode():
            return model.run(ids[None], torch.arange(24)[None], None, None, 1)[0]

    alone = [states(first) for first in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(states, list(range(8)) * 40))

    for number, found in enumerate(together):
        assert torch.allclose(found, alone[number % 8], atol=1e-5)
