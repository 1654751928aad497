"""Which relayers judge the evidence of an epoch: the registry's draw, in numbers; pure.

  seed      keccak(TAG_DRAW || R_e), R_e = RandomBeacon.randomness(e)
  attempt   a falls on the point that keccak(seed || a) draws on the whole RELAYER line of epoch e;
            repeats are passed over; once everybody sits nothing more is shown, and after
            MAX_ATTEMPTS those who were found sit
  seats     5, of which 3 make a verdict; with fewer relayers there are fewer seats, never a
            smaller quorum

Source: docs/protocol/attestation.md#relayers.
"""

from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import TAG_ATTESTATION_DRAW, Digest, keccak
from offchain.staking.tree import StakeTree, draw_point

SEATS: Final = 5
QUORUM: Final = 3
MAX_ATTEMPTS: Final = 24


@dataclass(frozen=True, slots=True)
class DrawnRelayers:
    """Operator ids by seat, and the seats of the stake tree that attempts fell on, in order."""

    members: tuple[int, ...]
    attempts: tuple[int, ...]


def seed_of(randomness: bytes) -> Digest:
    """The seed of an epoch's draw."""
    return keccak(TAG_ATTESTATION_DRAW, randomness)


def draw_relayers(seed: bytes, tree: StakeTree) -> DrawnRelayers:
    """Who sits; nobody where nobody is staked."""
    members: list[int] = []
    attempts: list[int] = []
    seated_wei = 0
    for attempt in range(MAX_ATTEMPTS):
        if len(members) == SEATS or seated_wei == tree.total_wei:
            break
        chance = keccak(seed, attempt.to_bytes(32, "big"))
        seat = tree.seat_at(draw_point(chance, 0, strata=1, total_wei=tree.total_wei))
        leaf = tree.leaves[seat]
        attempts.append(seat)
        if leaf.operator_id not in members:
            members.append(leaf.operator_id)
            seated_wei += leaf.weight_wei
    return DrawnRelayers(tuple(members), tuple(attempts))


def candidates_of(drawn: DrawnRelayers, tree: StakeTree) -> list[tuple[object, ...]]:
    """The leaves and paths that show a draw, as AttestationRegistry.draw takes them."""
    shown: list[tuple[object, ...]] = []
    for seat in drawn.attempts:
        leaf, path = tree.leaves[seat], tree.path(seat)
        one = (leaf.operator_id, leaf.weight_wei, leaf.key_hash, seat)
        shown.append((*one, list(path.siblings), list(path.sums_wei)))
    return shown
