"""Every hash and every domain tag, in one table.

All trees and identifiers use keccak-256, because a contract checks them. A tag is the
keccak-256 of an ASCII name, so one purpose's digest is never another's.
Source: docs/protocol/da.md, docs/protocol/staking.md, docs/protocol/storage.md.
"""

from collections.abc import Iterable
from typing import Final, NewType

from sha3 import keccak_256

Digest = NewType("Digest", bytes)
DIGEST_BYTES: Final = 32


def keccak(*parts: bytes) -> Digest:
    """keccak-256 of the concatenation of `parts`."""
    sponge = keccak_256()
    for part in parts:
        sponge.update(part)
    return Digest(sponge.digest())


def _tag(name: str) -> Digest:
    return keccak(name.encode())


TAG_RLC: Final = _tag("apogee.da.rlc.v1")
TAG_BLOB: Final = _tag("apogee.da.blob.v1")
TAG_DA_SEED: Final = _tag("apogee.da.seed.v1")
TAG_DA_ASSIGN: Final = _tag("apogee.da.assign.v1")
TAG_DA_HEIR: Final = _tag("apogee.da.heir.v1")
TAG_DA_SAMPLE: Final = _tag("apogee.da.sample.v1")
TAG_SNAPSHOT: Final = _tag("apogee.stake.snapshot.v1")
TAG_POSSESSION: Final = _tag("apogee.stake.possession.v1")
TAG_BEACON: Final = _tag("apogee.beacon.message.v1")
TAG_BEACON_OUT: Final = _tag("apogee.beacon.output.v1")
TAG_OFFENCE: Final = _tag("apogee.court.offence.v1")
TAG_STORAGE_FILE: Final = _tag("apogee.storage.file.v1")
TAG_STORAGE_SUBMISSION: Final = _tag("apogee.storage.submission.v1")
TAG_STORAGE_SEAT: Final = _tag("apogee.storage.seat.v1")

TAGS: Final[dict[str, Digest]] = {
    "apogee.da.rlc.v1": TAG_RLC,
    "apogee.da.blob.v1": TAG_BLOB,
    "apogee.da.seed.v1": TAG_DA_SEED,
    "apogee.da.assign.v1": TAG_DA_ASSIGN,
    "apogee.da.heir.v1": TAG_DA_HEIR,
    "apogee.da.sample.v1": TAG_DA_SAMPLE,
    "apogee.stake.snapshot.v1": TAG_SNAPSHOT,
    "apogee.stake.possession.v1": TAG_POSSESSION,
    "apogee.beacon.message.v1": TAG_BEACON,
    "apogee.beacon.output.v1": TAG_BEACON_OUT,
    "apogee.court.offence.v1": TAG_OFFENCE,
    "apogee.storage.file.v1": TAG_STORAGE_FILE,
    "apogee.storage.submission.v1": TAG_STORAGE_SUBMISSION,
    "apogee.storage.seat.v1": TAG_STORAGE_SEAT,
}


def keccak_pairs(left: Iterable[bytes], right: Iterable[bytes]) -> list[Digest]:
    """Hash two equally long lists of nodes pair by pair: one level of a tree."""
    return [keccak(a, b) for a, b in zip(left, right, strict=True)]
