"""Measuring how far two honest machines are apart on a model, and the limits that follow.

Answers are sampled by a batch with company, as they are served, and replayed alone, as they are
judged; nothing of it is signed. Run on the device that serves and the one that checks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.compute.adapters.torch_batch import Row, TorchBatch
from offchain.compute.adapters.torch_engine import seeded_sampler
from offchain.compute.adapters.torch_model import LoadedModel
from offchain.compute.adapters.torch_replay import TorchReplayer
from offchain.compute.audit_check import Opened, measure
from offchain.compute.commitment import Header
from offchain.compute.engine import Job
from offchain.compute.generation import Generation, Message, Route, Sampling
from offchain.compute.numerics import Calibration, Measured, calibrate, thresholds_of
from offchain.compute.sampler import header_seed
from offchain.core.hashing import keccak

COMPANY: Final = 8
TEMPERATURES: Final = (0, 700_000, 1_000_000)  # millionths, taken in turns


@dataclass(frozen=True, slots=True)
class Trial:
    """What is answered: prompts and the length of each answer."""

    prompts: Sequence[str]
    tokens: int = 64


def calibrate_pair(serving: LoadedModel, checking: LoadedModel, trial: Trial) -> Calibration:
    """Limits for answers of `serving` under an auditor with `checking`; blocking.

    Raises: NumericsUncheckable for classes that may not check each other.
    """
    floor = thresholds_of(serving.facts.numerics, checking.facts.numerics)
    replayer, honest = TorchReplayer(checking), list[Measured]()
    for start in range(0, len(trial.prompts), COMPANY):
        prompts = trial.prompts[start : start + COMPANY]
        rows = [_row(serving, text, start + at, trial.tokens) for at, text in enumerate(prompts)]
        batch = TorchBatch(serving)
        for row in rows:
            batch.add(row)
        while batch.rows:
            batch.step()
        honest += [measure(_opened(serving, row), row.sampler, replayer, floor) for row in rows]
    devices = (_name(serving), _name(checking))
    return calibrate(honest, floor, model_hash=serving.facts.model_hash, devices=devices)


def _row(model: LoadedModel, text: str, number: int, tokens: int) -> Row:
    generation = Generation(
        Route.CHAT,
        model.facts.name,
        messages=(Message("user", text),),
        sampling=Sampling(TEMPERATURES[number % len(TEMPERATURES)]),
    )
    ids = model.codec.prompt_ids(generation)
    job = Job(generation, ids, tokens, keccak(text.encode()), b"")
    assembler = model.codec.assembler(())
    return Row(job, seeded_sampler(job), assembler, lambda _: None, lambda _: None)


def _opened(model: LoadedModel, row: Row) -> Opened:
    trace, facts, sampling = row.trace(len(row.output)), model.facts, row.sampler.sampling
    header = Header(
        prompt_tokens=len(trace.prompt_ids),
        output_tokens=len(trace.output_ids),
        tokenizer_hash=facts.tokenizer_hash,
        numerics=facts.numerics,
        sampler=trace.sampler,
        temperature_millionths=sampling.temperature_millionths,
        top_p_millionths=sampling.top_p_millionths,
        top_k=sampling.top_k,
        seed=header_seed(sampling, row.sampler.key),
    )
    return Opened(
        header,
        trace.prompt_ids,
        trace.prefill_fingerprint,
        trace.output_ids,
        trace.chunk_fingerprints,
    )


def _name(model: LoadedModel) -> str:
    import torch

    device = model.place.device
    place = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return f"{place}, {model.facts.numerics.name}, torch {torch.__version__}"
