"""What each stage of a dispersal costs in isolation: CPU seconds of one thread for one blob.

The sum is the least that all nodes and the disperser can spend together, so payload over it times
the cores is the bound that a real system is measured against. No `run`: others use it.
"""

import hashlib
import os
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.da_encode import least_cpu_seconds
from offchain.core.bls import SecretKey, aggregate_signatures, verify
from offchain.core.erasure import ErasureEngine
from offchain.core.layout import COSETS, MAX_PAYLOAD_BYTES, K, N, Shape
from offchain.core.matrix.check import check_header, check_rows
from offchain.core.matrix.encode import EncodedBlob, encode
from offchain.core.wire import HEADER_BYTES, Header, parse_rows
from offchain.node.body import Body

BLOB_ID = bytes(32)
DIGEST = bytes(range(32))
REPEATS = 3


def stage_seconds(payload: bytes, engine: ErasureEngine, nodes: int) -> dict[str, float]:
    """CPU seconds a blob by stage: the disperser's, then those of all `nodes` together."""
    buffer = np.empty(N * Shape.of(len(payload)).row_bytes, np.uint8)
    blob = encode(payload, engine, buffer=buffer)
    header = blob.header.to_bytes()
    duties = [tuple(range(first, COSETS * K, nodes)) for first in range(nodes)]
    bodies = [Body.of_rows(blob, BLOB_ID, rows, header=header) for rows in duties]
    received = [b"".join(body.chunks()) for body in bodies]
    return {
        "encode": _least(lambda: encode(payload, engine, buffer=buffer)),
        "frame": _least(partial(_sent_to_all, blob, duties, header)),
        "receive": _least(lambda: [_received(raw) for raw in received]),
        "check": _least(lambda: [_checked(raw, len(payload), engine) for raw in received]),
        "store": _stored(received),
        "sign": _signed(nodes),
    }


def payload_byte_seconds(engine: ErasureEngine, nodes: int) -> float:
    """What one more byte of payload costs a disperser: encoding, framing, hashing."""
    small, large = MAX_PAYLOAD_BYTES // 8, MAX_PAYLOAD_BYTES
    seconds = []
    for length in (small, large):
        payload = random.Random(length).randbytes(length)
        buffer = np.empty(N * Shape.of(length).row_bytes, np.uint8)
        blob = encode(payload, engine, buffer=buffer)
        header = blob.header.to_bytes()
        duties = [tuple(range(first, N, nodes)) for first in range(nodes)]
        encoding = _least(partial(encode, payload, engine, buffer=buffer))
        sending = _least(partial(_sent_to_all, blob, duties, header))
        seconds.append(encoding + sending)
    return (seconds[1] - seconds[0]) / (large - small)


def _sent_to_all(blob: EncodedBlob, duties: list[tuple[int, ...]], header: bytes) -> int:
    return sum(_sent(blob, rows, header) for rows in duties)


def _least(work: Callable[[], object]) -> float:
    return least_cpu_seconds(work, REPEATS)


def _sent(blob: EncodedBlob, rows: tuple[int, ...], header: bytes) -> int:
    """Frame, hash and cut into chunks, as a disperser does for one node."""
    body = Body.of_rows(blob, BLOB_ID, rows, header=header)
    return len(body.digest()) + sum(len(chunk) for chunk in body.chunks())


def _received(raw: bytes) -> bytes:
    """Put together and hash, as a node does."""
    return hashlib.sha256(bytearray(raw)).digest()


def _checked(raw: bytes, length: int, engine: ErasureEngine) -> int:
    columns = Shape.of(length).columns
    checked = check_header(Header.parse(raw[:HEADER_BYTES]), engine)
    frame = parse_rows(memoryview(raw)[HEADER_BYTES:], columns=columns)
    check_rows(checked, [(row.index, row.path, row.data) for row in frame.rows], engine)
    return len(frame.rows)


def _stored(received: list[bytes]) -> float:
    """Write and fsync every node's share."""
    with tempfile.TemporaryDirectory(prefix="apogee-stage-") as folder:

        def store() -> None:
            for number, raw in enumerate(received):
                with (Path(folder) / str(number)).open("wb", buffering=0) as file:
                    file.write(raw)
                    os.fsync(file.fileno())

        return _least(store)


def _signed(nodes: int) -> float:
    """Every node signs, the disperser verifies and aggregates."""
    secrets = [SecretKey.from_seed(b"stage of the pipeline %10d" % n) for n in range(nodes)]
    keys = [secret.public_key() for secret in secrets]

    def sign() -> None:
        signatures = [secret.sign(DIGEST) for secret in secrets]
        assert all(verify(k, DIGEST, s) for k, s in zip(keys, signatures, strict=True))
        aggregate_signatures(signatures)

    return _least(sign)
