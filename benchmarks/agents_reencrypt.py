"""Megabytes a second at which an enclave encrypts a bundle again: all but the storage root.

  python -m benchmarks.agents_reencrypt [--megabytes 40]

Reading checks every chunk's tag, every content leaf and its tree; writing draws chunk keys and
encrypts. Seconds are CPU time of this one process, so that a busy machine does not show in it; the
best of five rounds. The root of the file in storage is `da.encode.*`.
"""

import sys
import time
from random import Random
from typing import Final

from benchmarks.rows import Row, at_least, flags_of, show
from offchain.agents.bundle import encrypt_bundle, open_bundle, reencrypt
from offchain.core.erasure.choose import choose_engine
from offchain.core.hashing import keccak

COMMAND: Final = "python -m benchmarks.agents_reencrypt"
BAR: Final = 200
ROUNDS: Final = 5
OLD_KEY, NEW_KEY = keccak(b"an old key"), keccak(b"a new key")


def run(megabytes: int = 40) -> list[Row]:
    """One bundle of so many megabytes."""
    random, hash_many = Random(1), choose_engine().keccak_many
    data = random.randbytes(megabytes * 1_000_000)
    old = encrypt_bundle(data, key=OLD_KEY, draw=random.randbytes, hash_many=hash_many)
    content_root = old.roots.content_root
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        new = reencrypt(old.file, OLD_KEY, NEW_KEY, content_root, hash_many=hash_many)
        best = min(best, time.process_time() - begun)
    begun = time.process_time()
    assert open_bundle(new.file, NEW_KEY, content_root, hash_many=hash_many) == data
    opened = time.process_time() - begun
    return [
        at_least("agents.reencrypt.mb_s", megabytes / best, "MB/s", BAR, command=COMMAND),
        at_least("agents.open.mb_s", megabytes / opened, "MB/s", None, command=COMMAND),
    ]


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--megabytes", type=int, default=40)
    asked = parser.parse_args()
    return show(run(asked.megabytes), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
