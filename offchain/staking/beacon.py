"""RandomBeacon without a chain: who holds an epoch's seats, what they sign, which value results.

  message(e)  keccak(abi(TAG_BEACON, chain id, beacon, e, R_(e-1)))
  R_e         keccak(abi(TAG_BEACON_OUT, chain id, beacon, e, prior, hash of the sum, seat bitmap))
              prior = R_(e-1) where e has contributions; otherwise the last contributed value
              before e, with zero hash and bitmap
Source: docs/protocol/staking.md#beacon.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from offchain.core.bls import PublicKey, SecretKey, Signature, aggregate_signatures
from offchain.core.errors import Conflict, InvalidInput
from offchain.core.hashing import TAG_BEACON, TAG_BEACON_OUT, keccak
from offchain.staking.tree import Cover, Leaf, Path, StakeTree, draw_point

SEATS: Final = 32
ALL_SEATS: Final = 2**SEATS - 1  # bitmap
STRONG_SEATS: Final = 16
_ZERO: Final = bytes(32)


class SeatTaken(Conflict):
    """One of these seats has contributed already."""

    code = "staking.beacon.seat_taken"
    next_step = "Leave out the operators that the chain already counts."


@dataclass(frozen=True, slots=True)
class BeaconId:
    """Which beacon on which chain: part of every message."""

    chain_id: int
    address: bytes

    def words(self) -> tuple[bytes, bytes]:
        return self.chain_id.to_bytes(32, "big"), self.address.rjust(32, b"\0")


@dataclass(frozen=True, slots=True)
class Absence:
    """What one call of `convict_absent` carries: whose seat stayed empty."""

    epoch: int
    stratum: int
    tree_seat: int
    leaf: Leaf
    path: Path


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one call of `contribute` carries."""

    epoch: int
    aggregate: bytes
    cover: Cover
    keys: tuple[bytes, ...]
    bitmap: int


def message_of(beacon: BeaconId, epoch: int, prior: bytes) -> bytes:
    """What the seats of `epoch` sign; `prior` is R of the epoch before."""
    return keccak(TAG_BEACON, *beacon.words(), epoch.to_bytes(32, "big"), prior)


def seats_of(tree: StakeTree, seed: bytes) -> dict[int, int]:
    """Tree seat -> bitmap of the beacon seats it holds; empty when nobody weighs anything."""
    held: dict[int, int] = {}
    if tree.total_wei == 0:
        return held
    for stratum in range(SEATS):
        point = draw_point(seed, stratum, strata=SEATS, total_wei=tree.total_wei)
        seat = tree.seat_at(point)
        held[seat] = held.get(seat, 0) | 1 << stratum
    return held


def build_contribution(
    tree: StakeTree,
    seed: bytes,
    *,
    epoch: int,
    signatures: Mapping[int, Signature],
    keys: Mapping[int, PublicKey],
) -> Contribution:
    """Put the signatures of several holders into one call.

    `signatures` and `keys` are by operator id. Raises: InvalidInput when a signer holds no seat.
    """
    held = {
        tree.leaves[seat].operator_id: (seat, bits) for seat, bits in seats_of(tree, seed).items()
    }
    if not signatures or any(operator not in held for operator in signatures):
        raise InvalidInput("a contribution needs signers that hold a seat", epoch=epoch)
    cover = tree.cover([held[operator][0] for operator in signatures])
    bitmap = 0
    for operator in signatures:
        bitmap |= held[operator][1]
    return Contribution(
        epoch=epoch,
        aggregate=aggregate_signatures(list(signatures.values())).eip2537(),
        cover=cover,
        keys=tuple(keys[leaf.operator_id].eip2537() for leaf in cover.opened),
        bitmap=bitmap,
    )


def absences(tree: StakeTree, seed: bytes, *, epoch: int, bitmap: int) -> list[Absence]:
    """Every seat of `epoch` that is missing in the bitmap of its contributions."""
    return [
        Absence(epoch, stratum, seat, tree.leaves[seat], tree.path(seat))
        for seat, bits in sorted(seats_of(tree, seed).items())
        for stratum in range(SEATS)
        if (bits & ~bitmap) >> stratum & 1
    ]


def sign_for(secret: SecretKey, beacon: BeaconId, epoch: int, prior: bytes) -> Signature:
    """The one signature a key can give for an epoch: nothing to choose, nothing to grind."""
    return secret.sign(message_of(beacon, epoch, prior))


@dataclass(slots=True)
class BeaconHistory:
    """The values of all epochs as a function of what was contributed; the tests' oracle."""

    beacon: BeaconId
    _epochs: list[int] = field(default_factory=list)
    _seats: dict[int, int] = field(default_factory=dict)
    _values: dict[int, bytes] = field(default_factory=dict)
    _signatures: dict[int, list[Signature]] = field(default_factory=dict)

    def contribute(self, epoch: int, bitmap: int, signatures: Sequence[Signature]) -> bytes:
        """Add seats to an epoch. Raises: SeatTaken."""
        before = self._seats.get(epoch, 0)
        if before & bitmap:
            raise SeatTaken(epoch=epoch)
        prior = self.value_at(epoch - 1)
        if epoch not in self._seats:
            self._epochs.append(epoch)
        self._seats[epoch] = before | bitmap
        self._signatures.setdefault(epoch, []).extend(signatures)
        total = aggregate_signatures(self._signatures[epoch]).eip2537()
        value = self._value(epoch, prior, keccak(total), self._seats[epoch])
        self._values[epoch] = value
        return value

    def value_at(self, epoch: int) -> bytes:
        index = bisect_right(self._epochs, epoch)
        last = self._epochs[index - 1] if index else None
        if last == epoch:
            return self._values[epoch]
        prior = _ZERO if last is None else self._values[last]
        return self._value(epoch, prior, _ZERO, 0)

    def seats_at(self, epoch: int) -> int:
        return self._seats.get(epoch, 0)

    def is_weak(self, epoch: int) -> bool:
        return self.seats_at(epoch).bit_count() < STRONG_SEATS

    def _value(self, epoch: int, prior: bytes, sum_hash: bytes, bitmap: int) -> bytes:
        words = (epoch.to_bytes(32, "big"), prior, sum_hash, bitmap.to_bytes(32, "big"))
        return keccak(TAG_BEACON_OUT, *self.beacon.words(), *words)
