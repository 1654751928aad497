"""Tokens a second of the torch engine against the bare transformers loop, in the same run.

The bare loop is greedy over transformers' own cache, without text, draws, fingerprints or an event
loop; the engine does all of these. One stream and eight together, taken in turns with the bare loop
so that all see the same machine; the medians of the turns are compared. SmolLM2-135M, fp32.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.compute_stage import COMMAND, answer_all, chat_body, smollm2_folder
from benchmarks.rows import Row, at_least

TOKENS = 48
TURNS = 3
STREAMS = 8


def run(tokens: int = TOKENS, turns: int = TURNS) -> list[Row]:
    """Measure once; about a minute."""
    with smollm2_folder() as folder:
        return _rows(folder, tokens, turns)


def _rows(folder: Path, tokens: int, turns: int) -> list[Row]:
    from offchain.compute.adapters.torch_engine import TorchEngine
    from offchain.compute.adapters.torch_model import TorchPlace, load_model

    model = load_model(folder, TorchPlace())

    async def story() -> dict[str, list[tuple[float, float]]]:
        engine = TorchEngine(model)
        taken: dict[str, list[tuple[float, float]]] = {"bare": [], "one": [], "eight": []}
        for turn in range(-1, turns):  # the first turn warms up
            bodies = [chat_body(100 * (turn + 1) + at, temperature=0) for at in range(STREAMS)]
            first = await answer_all(engine, bodies[:1], 2)
            length = tokens if turn >= 0 else 4
            prompt = first[0].job.prompt_ids
            bare = _timed(lambda: _bare_loop(model.network, prompt, length))  # noqa: B023
            one = await _timed_answers(engine, bodies[:1], length)
            eight = await _timed_answers(engine, bodies, length)
            if turn >= 0:
                for name, figures in (("bare", bare), ("one", one), ("eight", eight)):
                    taken[name].append(figures)
        await engine.close()
        return taken

    taken = asyncio.run(story())
    wall = {name: statistics.median(found[0] for found in all_) for name, all_ in taken.items()}
    cpu = {name: statistics.median(found[1] for found in all_) for name, all_ in taken.items()}
    return [
        at_least("compute.tokens.bare", wall["bare"], "token/s", None, command=COMMAND),
        _ratio("compute.tokens_ratio.one", wall["one"], wall["bare"], 0.95),
        _ratio("compute.tokens_ratio.eight", wall["eight"], wall["bare"], 2.5),
        _ratio("compute.tokens_cpu_ratio.one", cpu["one"], cpu["bare"], None),
        _ratio("compute.tokens_cpu_ratio.eight", cpu["eight"], cpu["bare"], None),
    ]


def _ratio(name: str, value: float, bare: float, bar: float | None) -> Row:
    return at_least(name, value / bare, "times bare", bar, command=COMMAND)


def _timed(run_loop: Callable[[], int]) -> tuple[float, float]:
    """Tokens a second of wall time and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = run_loop()
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)


async def _timed_answers(engine: Any, bodies: list[bytes], tokens: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    answers = await answer_all(engine, bodies, tokens)
    made = sum(len(one.trace.output_ids) for one in answers)
    return made / (time.perf_counter() - wall), made / (time.process_time() - cpu)


def _bare_loop(network: Any, prompt: tuple[int, ...], tokens: int) -> int:
    import torch

    ids, cache = torch.tensor([prompt]), None
    with torch.inference_mode():
        for _ in range(tokens):
            made = network(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = made.past_key_values
            ids = made.logits[:, -1].argmax(-1, keepdim=True)
    return tokens


if __name__ == "__main__":
    for row in run(*(int(one) for one in sys.argv[1:3])):
        print(row.name, row.value, row.unit, row.bar, row.ok)
