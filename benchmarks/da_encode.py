"""What the DA layer computes: encoding, decoding, the node check; CPU time of one thread.

A payload of 32,505,856 random bytes, 1 MB = 10^6 payload bytes. The first call of everything is
thrown away, the least of the following counts: it is the machine's own speed, free of neighbours.
"""

import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier

import ckzg
import numpy as np

from benchmarks.rows import Row, at_least, at_most, measure
from offchain.core import kzg
from offchain.core.erasure import ErasureEngine
from offchain.core.erasure.choose import available_engines, choose_engine
from offchain.core.layout import ELEMENT_BYTES, MAX_PAYLOAD_BYTES, K, N, Shape
from offchain.core.matrix.check import check_header, check_headers, check_rows
from offchain.core.matrix.encode import EncodedBlob, decode_verified, encode
from offchain.core.units import MEGABYTE

COMMAND = "apogee bench da --json"
SEED = 20_260
OWN_ROWS = 31
BATCH = 8
WORKER_BLOBS = 12
GATE_SECONDS = 120.0
ROW_BLOB_ELEMENTS = 4_096


def run() -> list[Row]:
    """All rows; about a minute, of which compiling takes up to half once per machine."""
    payload = random.Random(SEED).randbytes(MAX_PAYLOAD_BYTES)
    row_by_row = ckzg_mb_s()
    rows = encode_rows(payload, row_by_row)
    engine = choose_engine()
    blob = encode(payload, engine)
    rows += decode_rows(blob, engine) + check_rows_measured(blob, engine)
    return [*rows, two_encoders_row()]


def encode_rows(payload: bytes, row_by_row: float) -> list[Row]:
    """Every step from payload to header and trees, an engine each."""
    buffer = np.empty(N * Shape.of(len(payload)).row_bytes, np.uint8)
    rows = []
    for name in available_engines():
        if name == "reference":
            continue
        engine = choose_engine(name)
        repeats = 3 if name == "loops" else 5
        seconds = least_cpu_seconds(partial(encode, payload, engine, buffer=buffer), repeats)
        speed = len(payload) / seconds / MEGABYTE
        suffix, bar = {"ifma": ("", 200.0), "vectors": (".portable", 50.0)}.get(
            name, (f".{name}", None)
        )
        rows.append(
            at_least(
                f"da.encode.simd_mb_s{suffix}",
                speed,
                "MB/s of one core",
                bar,
                baseline=row_by_row,
                command=COMMAND,
            )
        )
    ratio = rows[0].value / row_by_row
    rows.append(at_least("da.encode.simd_mb_s.ratio", ratio, "x", 50.0, command=COMMAND))
    return rows


def decode_rows(blob: EncodedBlob, engine: ErasureEngine) -> list[Row]:
    """Any 1,024 rows back to the data rows; the pattern of loss prepared once, shown beside."""
    megabytes = blob.shape.length / MEGABYTE
    generator = random.Random(SEED)
    chosen = sorted(generator.sample(range(N), K))
    rows = np.ascontiguousarray(blob.rows[chosen])
    decode = least_cpu_seconds(lambda: engine.decode(chosen, rows), 5)

    def fresh_pattern() -> None:
        other = sorted(generator.sample(range(N), K))
        engine.decode(other, rows[:, :8])

    pattern = least_cpu_seconds(fresh_pattern, 3)
    held = {index: blob.rows[index] for index in chosen}
    verified = least_cpu_seconds(lambda: decode_verified(blob.header, held, engine), 3)
    unit = "MB/s of one core"
    return [
        at_least("da.decode.mb_s", megabytes / decode, unit, 250.0, command=COMMAND),
        at_most("da.decode.mb_s.pattern_ms", pattern * 1e3, "ms", None, command=COMMAND),
        at_least("da.decode.mb_s.verified", megabytes / verified, unit, None, command=COMMAND),
    ]


def check_rows_measured(blob: EncodedBlob, engine: ErasureEngine) -> list[Row]:
    """A header and 31 rows alone, and the same when eight headers are checked together."""
    own = [blob.row(index) for index in range(0, N, N // OWN_ROWS)][:OWN_ROWS]
    checked = check_header(blob.header, engine)
    header = least_cpu_seconds(lambda: check_header(blob.header, engine), 5)
    rows = least_cpu_seconds(lambda: check_rows(checked, own, engine), 5)
    batch = least_cpu_seconds(lambda: check_headers([blob.header] * BATCH, engine), 5) / BATCH
    alone, together = (header + rows) * 1e3, (batch + rows) * 1e3
    return [
        at_most("da.node_check.ms", alone, "ms", 25.0, command=COMMAND),
        at_most("da.node_check.ms.batched", together, "ms", 8.0, command=COMMAND),
    ]


def two_encoders_row() -> Row:
    """Two processes that encode side by side over one alone, by the clock: what a second core adds.

    Below 1.8 on an idle machine the processes share more than they should; a busy one says nothing.
    """
    one, two = _encoders_mb_s(1), _encoders_mb_s(2)
    return at_least("da.encode.two_workers.ratio", two / one, "x", None, command=COMMAND)


def _encoders_mb_s(workers: int) -> float:
    """Payload a second of `workers` processes, once all are warm."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(workers + 1)
    processes = [context.Process(target=_encode_at_gate, args=(gate,)) for _ in range(workers)]
    for process in processes:
        process.start()
    gate.wait(GATE_SECONDS)
    started = time.perf_counter()
    gate.wait(GATE_SECONDS)
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    return workers * WORKER_BLOBS * MAX_PAYLOAD_BYTES / seconds / MEGABYTE


def _encode_at_gate(gate: Barrier) -> None:
    engine = choose_engine()
    payload = random.Random(SEED).randbytes(MAX_PAYLOAD_BYTES)
    buffer = np.empty(N * Shape.of(len(payload)).row_bytes, np.uint8)
    encode(payload, engine, buffer=buffer)
    gate.wait(GATE_SECONDS)
    for _ in range(WORKER_BLOBS):
        encode(payload, engine, buffer=buffer)
    gate.wait(GATE_SECONDS)


def ckzg_mb_s() -> float:
    """The usual way: one EIP-4844 commitment for every 4,096 elements of payload."""
    setup = ckzg.load_trusted_setup(str(kzg.setup_path()), 0)
    generator = random.Random(SEED)
    blob = b"".join(b"\0" + generator.randbytes(ELEMENT_BYTES) for _ in range(ROW_BLOB_ELEMENTS))
    seconds = least_cpu_seconds(lambda: ckzg.blob_to_kzg_commitment(blob, setup), 5)
    return ROW_BLOB_ELEMENTS * ELEMENT_BYTES / seconds / MEGABYTE


def least_cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU time of this thread for `work`, the least of some runs after one unmeasured."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.thread_time()
        work()
        seconds.append(time.thread_time() - start)
    return min(seconds)


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
