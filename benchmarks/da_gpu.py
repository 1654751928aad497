"""Encoding on a CUDA device: 32.5 MB payloads, many under way, transfers and commitments included.

Each worker thread has a stream and page-locked rows of its own: while one matrix is on the bus
another is computed, and the processor commits to a third. Without a device there is no row.
"""

import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import local

from benchmarks.rows import Row, at_least, measure
from offchain.core import kzg
from offchain.core.erasure.choose import available_engines, choose_engine
from offchain.core.layout import MAX_PAYLOAD_BYTES, Shape
from offchain.core.matrix.encode import encode

COMMAND = "apogee bench da --json"
GIGABYTE = 10**9
SEED = 20_261
BLOBS = 64
MOST_WORKERS = 16


def run() -> list[Row]:
    """Encoded payload a second on the device, and over one core of this machine's processor."""
    if "cuda" not in available_engines():
        sys.stderr.write("da.gpu.gb_s: no GPU here, nothing measured\n")
        return []
    from offchain.core.erasure.cuda_engine import CudaEngine

    engine = choose_engine("cuda")
    assert isinstance(engine, CudaEngine)
    processor = choose_engine(available_engines()[1])
    kzg.prepare(use_ifma=engine.uses_ifma)
    payload = random.Random(SEED).randbytes(MAX_PAYLOAD_BYTES)
    own = local()

    def encode_one(_: int) -> None:
        if not hasattr(own, "rows"):
            own.rows = engine.pinned_rows(Shape.of(len(payload)).columns)
        encode(payload, engine, buffer=own.rows)

    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(encode_one, range(2 * workers)))
        started = time.perf_counter()
        list(pool.map(encode_one, range(BLOBS)))
        seconds = time.perf_counter() - started
    encode(payload, processor)
    started = time.perf_counter()
    encode(payload, processor)
    alone = len(payload) / (time.perf_counter() - started) / GIGABYTE
    speed = BLOBS * len(payload) / seconds / GIGABYTE
    return [at_least("da.gpu.gb_s", speed, "GB/s", 5.0, baseline=alone, command=COMMAND)]


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
