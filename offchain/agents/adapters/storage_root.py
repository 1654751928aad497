"""The root that a file will have in Apogee storage, without storing it, and fast hashes.

The first call chooses an erasure engine, which takes a second; one file is encoded at a time.
"""

from threading import Lock

from offchain.agents.recrypt import Engines
from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.encode import encode
from offchain.core.merkle import Digests
from offchain.storage.model import SEGMENT_BYTES, Segment, file_root


class StorageRoot:
    """Roots of files; any thread may call."""

    def __init__(self, engine: ErasureEngine | None = None) -> None:
        self._engine = engine
        self._lock = Lock()

    def __call__(self, file: bytes) -> bytes:
        engine = self._chosen()
        with self._lock:
            view = memoryview(file)
            starts = range(0, len(file), SEGMENT_BYTES)
            headers = [
                encode(view[start : start + SEGMENT_BYTES], engine).header for start in starts
            ]
            return file_root([Segment.of(index, one) for index, one in enumerate(headers)])

    def hash_many(self, rows: Digests) -> Digests:
        """keccak-256 of every row."""
        return self._chosen().keccak_many(rows)

    def _chosen(self) -> ErasureEngine:
        with self._lock:
            if self._engine is None:
                from offchain.core.erasure.choose import choose_engine

                self._engine = choose_engine()
            return self._engine


def storage_engines(engine: ErasureEngine | None = None) -> Engines:
    """What oracles and their clients compute with."""
    root = StorageRoot(engine)
    return Engines(root, root.hash_many)
