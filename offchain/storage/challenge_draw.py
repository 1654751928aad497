"""Which byte of which seat the beacon asks for: the same arithmetic as contracts/storage; pure.

  chance       keccak(R_e || u256 group || u256 seat)
  challenged   chance's upper 128 bits < 2^128 * kept / bytes per challenge; a suspect seat always
  attempt a    falls on byte keccak(chance || u256 a) mod kept
  kept         bytes that a seat of the group had ever kept when the epoch began, file after file,
               segment after segment, row after row

Source: docs/protocol/storage.md#proofs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import Digest, keccak
from offchain.core.layout import columns_for
from offchain.core.typed_data import words
from offchain.storage.model import PRICE_UNIT, FileShape, Profile, rows_of

MAX_ATTEMPTS: Final = 16
LEAF_BYTES: Final = 256
FINE_EPOCHS: Final = 12
CHALLENGES: Final = 2
MAX_CHALLENGES: Final = 4_096
_SEGMENT_COLUMNS: Final = 1_024
_HALF: Final = 1 << 128


@dataclass(frozen=True, slots=True)
class Place:
    """One leaf of a file."""

    segment: int
    row: int
    leaf: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    """What StorageMarket's `duty` says of a file; `end` is when nobody owes it any more."""

    id: bytes
    first_byte: int
    bytes: int
    length: int
    end: int
    absent: int = 0

    def has(self, position: int) -> bool:
        """Whether a byte of the group lies in this file."""
        return self.first_byte <= position < self.first_byte + self.bytes

    def was_signed_by(self, seat: int) -> bool:
        """Whether a seat signed the receipts that made the file STORED."""
        return not self.absent >> seat & 1


@dataclass(frozen=True, slots=True)
class Fallen:
    """The file that a challenge fell on, the byte in it, and the files it passed over."""

    skipped: tuple[bytes, ...]
    file: KeptFile
    offset: int


def chance_of(randomness: bytes, group: int, seat: int) -> Digest:
    """What decides everything about a seat's challenge of an epoch."""
    return keccak(words(randomness, group, seat))


def is_drawn(chance: bytes, *, kept: int, bytes_per_challenge: int) -> bool:
    """Whether a seat that is not suspect has to show a leaf."""
    return (int.from_bytes(chance[:16], "big") * bytes_per_challenge) < kept * _HALF


def position_of(chance: bytes, attempt: int, kept: int) -> int:
    """The byte that an attempt falls on, of `kept` that the seat ever kept."""
    return int.from_bytes(keccak(words(chance, attempt)), "big") % kept


def place_of(offset: int, length: int, profile: Profile, seat: int) -> Place:
    """Where byte `offset` of what the seat keeps of a file lies. Raises: FileInvalid."""
    full = profile.rows_per_seat * 32 * _SEGMENT_COLUMNS
    segment, inside = divmod(offset, full)
    width = 32 * columns_for(FileShape.of(length).length_of(segment))
    row, byte = divmod(inside, width)
    return Place(segment, rows_of(profile, seat)[row], byte // LEAF_BYTES)


def fall(
    chance: bytes, files: Sequence[KeptFile], *, seat: int, kept: int, owed_until: int, tries: int
) -> Fallen | None:
    """The first of `tries` attempts that falls on a file owed past `owed_until`.

    A seat that is drawn once has one try; a suspect one has sixteen and passes over files that it
    never signed for as well. None when no attempt falls on anything owed.
    """
    skipped: list[bytes] = []
    for attempt in range(tries):
        position = position_of(chance, attempt, kept)
        file = next((one for one in files if one.has(position)), None)
        if file is None:
            return None
        is_excused = tries > 1 and not file.was_signed_by(seat)
        if file.end > owed_until and not is_excused:
            return Fallen(tuple(skipped), file, position - file.first_byte)
        skipped.append(file.id)
    return None


def rate_of(total_kept: int, operators: int) -> int:
    """Bytes that go to one challenge when so many are kept by so many operators."""
    return total_kept // max(min(CHALLENGES * operators, MAX_CHALLENGES), 1)


def fine_of(price: int, *, kept: int, bytes_per_challenge: int, epoch_seconds: int) -> int:
    """Wei for a first miss: twelve epochs' price of the bytes that share one challenge."""
    span = max(kept, bytes_per_challenge)
    return max(price * span * FINE_EPOCHS * epoch_seconds // PRICE_UNIT, 1)
