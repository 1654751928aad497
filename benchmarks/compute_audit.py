"""What fingerprints and audits cost, and how often they are right. SmolLM2-135M, fp32.

Costs are processor time: fingerprints over the decoding of the same tokens, eight together (the
cheapest decoding there is); an audit over serving the same answer alone; and, at the default rate
with a committee of three, over all that is served. Detection counts whole answers, sampled at
temperature 0.8, each judged as an auditor does: `honest` were served in company of seven others.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compute_stage import COMMAND, Answer, answer_all, chat_body, smollm2_folder
from benchmarks.rows import Row, at_least, at_most

HONEST = 1_000
HONEST_TOKENS = 6
CHEATED = 100
CHEATED_TOKENS = 24
COST_TOKENS = 64
CHEATS = ("int4", "int8", "other_model", "dropped_layer", "altered_sampling")
BARS = {"int8": None}  # not among the bars: rounding to 8 bits is the mildest cheat


def run(honest: int = HONEST, cheated: int = CHEATED) -> Iterator[Row]:
    """Measure once; some minutes, most of them the honest thousand."""
    with smollm2_folder() as folder:
        yield from _costs(folder)
        yield from _detect(folder, cheated)
        yield _flagged(folder, honest)


def _costs(folder: Path) -> list[Row]:
    from offchain.compute.audit_check import judge
    from offchain.compute.economics import AUDIT_RATE, COMMITTEE
    from offchain.compute.fingerprint import CHUNK_TOKENS, fingerprint, to_bfloat16

    engine, replayer = _engine(folder), _replayer(folder)

    async def story() -> tuple[float, float, list[Answer]]:
        await answer_all(engine, [chat_body(1)], 2)
        start = time.process_time()
        alone = await answer_all(engine, [chat_body(2, temperature=0.8)], COST_TOKENS)
        middle = time.process_time()
        together = await answer_all(
            engine, [chat_body(at, temperature=0.8) for at in range(10, 18)], COST_TOKENS
        )
        end = time.process_time()
        made = sum(len(one.trace.output_ids) for one in together)
        await engine.close()
        return middle - start, (end - middle) / made, alone

    served, token, alone = asyncio.run(story())
    states = np.random.default_rng(1).standard_normal((CHUNK_TOKENS, 576)).astype(np.float32)
    bits = to_bfloat16(states)
    fingerprint(bits)
    mark = _cpu(lambda: fingerprint(bits), 200)
    case = alone[0].case(engine)
    assert judge(case, replayer).is_pass
    audit = _cpu(lambda: judge(case, replayer), 3)
    prefill = _cpu(
        lambda: replayer.replay(
            alone[0].trace.prompt_ids, alone[0].trace.output_ids, lambda _step, _logits: None
        ),
        3,
    )
    share = AUDIT_RATE * COMMITTEE * audit / served
    return [
        _percent("compute.fingerprint.share", mark / (CHUNK_TOKENS * token), 0.1),
        _percent("compute.audit.share", share, 0.5),
        at_most("compute.audit.of_serving", audit / served, "ratio", None, command=COMMAND),
        at_most("compute.audit.of_prefill", audit / prefill, "ratio", None, command=COMMAND),
    ]


def _detect(folder: Path, count: int) -> Iterator[Row]:
    """The share of cheated answers that fail, by cheat."""
    from offchain.compute.adapters.cheating_engine import Cheat, open_cheating_engine
    from offchain.compute.audit_check import judge

    replayer = _replayer(folder)
    for name in CHEATS:
        other = _other_model(folder) if name == "other_model" else None
        engine = open_cheating_engine(folder, Cheat(name), other=other)
        bodies = [chat_body(at, temperature=0.8) for at in range(count)]
        answers = asyncio.run(_answers(engine, bodies, CHEATED_TOKENS))
        caught = sum(not judge(one.case(engine), replayer).is_pass for one in answers)
        bar = BARS.get(name, 0.99)
        yield at_least(
            f"compute.detection.{name}", caught / count, "of answers", bar, command=COMMAND
        )


def _flagged(folder: Path, count: int) -> Row:
    """How many honest answers fail."""
    from offchain.compute.audit_check import judge

    engine, replayer = _engine(folder), _replayer(folder)
    bodies = [chat_body(at, temperature=0.8) for at in range(count)]
    answers = asyncio.run(_answers(engine, bodies, HONEST_TOKENS))
    flagged = sum(not judge(one.case(engine), replayer).is_pass for one in answers)
    return at_most("compute.honest_flagged", flagged, f"of {count} answers", 0, command=COMMAND)


async def _answers(engine: Any, bodies: list[bytes], tokens: int) -> list[Answer]:
    answers = await answer_all(engine, bodies, tokens)
    await engine.close()
    return answers


def _engine(folder: Path) -> Any:
    from offchain.compute.adapters.torch_engine import TorchEngine
    from offchain.compute.adapters.torch_model import TorchPlace, load_model

    return TorchEngine(load_model(folder, TorchPlace()))


def _replayer(folder: Path) -> Any:
    from offchain.compute.adapters.torch_model import TorchPlace, load_model
    from offchain.compute.adapters.torch_replay import TorchReplayer

    return TorchReplayer(load_model(folder, TorchPlace()))


def _other_model(folder: Path) -> Path:
    """Another model of the same family: every weight moved by two per cent of its own size."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    other = folder.with_name("other")
    if not other.is_dir():
        shutil.copytree(folder, other)
        torch.manual_seed(1)
        tensors = load_file(folder / "model.safetensors")
        moved = {
            name: (one.float() * (1 + 0.02 * torch.randn_like(one.float()))).to(one.dtype)
            for name, one in tensors.items()
        }
        save_file(moved, other / "model.safetensors", metadata={"format": "pt"})
    return other


def _cpu(call: Any, times: int) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def _percent(name: str, share: float, bar: float) -> Row:
    return at_most(name, 100 * share, "%", bar, command=COMMAND)


if __name__ == "__main__":
    for row in run(*(int(one) for one in sys.argv[1:3])):
        print(row.name, row.value, row.unit, row.bar, row.ok, flush=True)
