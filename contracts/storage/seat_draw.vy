# pragma version 0.4.3
"""
@title Draws of seats over stake
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a seat goes to the first operator that its attempts name and that fits; every attempt before it is
        shown, and its operator did not fit. Group, seat and the beacon's value alone say whom an attempt names.
@dev Attempt 0 of a first draw hits stratum s of n, so shares of seats follow shares of stake closely; every other
     attempt hits anywhere. Whoever fits: asks at most the group's price for its terms, has room, has stake for the
     collateral, holds fewer seats here than the limit - twice as many in the later half of a successor's attempts,
     since few may be left - and, as a successor, has no seat here that is suspect, vacant or leaving.
"""
from ..interfaces import IStakeManager
from ..interfaces import IStorageDraws
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import stake_cover
from ..shared import stake_path
from . import asks
from . import profiles

uses: asks

ATTEMPTS: constant(uint256) = 32
STRICT_ATTEMPTS: constant(uint256) = 16  # of a successor, before the limit doubles
MAX_SEATS: constant(uint256) = 48
MAX_PICKS: constant(uint256) = 512


struct Draw:
    group: uint256
    epoch: uint256  # whose weights and beacon value decide
    randomness: bytes32
    total: uint256  # weight, wei
    max_price: uint256
    least_epochs: uint256  # a successor has to bear the terms that were sold
    strata: uint256  # of attempt 0
    limit: uint256
    is_successor: bool


struct Filled:
    seats: DynArray[uint256, MAX_SEATS]  # price << 32 | operator id
    longest: uint256  # epochs, the least of theirs
    key: Bytes[128]  # sum of theirs
    has_failed: bool  # nobody fits the seat behind them


struct Found:
    index: uint256  # among the opened
    price: uint256  # 0 if nobody fits
    longest: uint256  # epochs
    cursor: uint256  # first pick that is not read


@internal
@view
def _seed(group: uint256, seat: uint256, attempt: uint256, randomness: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_SEAT, chain.id, self, group, seat, attempt, randomness))


@internal
@view
def _open(
    stake: address,
    epoch: uint256,
    words: DynArray[uint256, stake_cover.MAX_WORDS],
    hashes: DynArray[bytes32, stake_cover.MAX_CLOSED],
    keys: DynArray[bytes32[4], stake_cover.MAX_OPENED],
) -> (uint256, DynArray[stake_cover.Opened, stake_cover.MAX_OPENED]):
    """
    @dev The STORAGE tree of an epoch: its total, and the leaves that the cover opens.
    """
    key_hashes: DynArray[bytes32, stake_cover.MAX_OPENED] = []
    for key: bytes32[4] in keys:
        key_hashes.append(keccak256(concat(key[0], key[1], key[2], key[3])))
    root: bytes32 = empty(bytes32)
    total: uint256 = 0
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED] = []
    root, total, opened = stake_cover._fold(words, hashes, key_hashes)
    assert root == staticcall IStakeManager(stake).tree_root_at(C.STORAGE, epoch), "seat_draw: not the frozen tree"
    return total, opened


@internal
def _fill(
    draw: Draw,
    profile: uint256,
    first_seat: uint256,
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED],
    held_before: DynArray[uint256, stake_cover.MAX_OPENED],
    keys: DynArray[bytes32[4], stake_cover.MAX_OPENED],
    picks: Bytes[MAX_PICKS],
) -> Filled:
    """
    @dev Give seats of a first draw away, from the first that is not drawn, as far as the picks go.
    """
    filled: Filled = empty(Filled)
    held: DynArray[uint256, stake_cover.MAX_OPENED] = held_before
    found: Found = empty(Found)
    for seat: uint256 in range(first_seat, profiles.SEATS[profile], bound=MAX_SEATS):
        if found.cursor == len(picks):
            break
        found = self._find(draw, seat, opened, held, picks, found.cursor)
        if found.price == 0:
            filled.has_failed = True
            break
        held[found.index] += 1
        filled.seats.append(found.price << 32 | opened[found.index].operator_id)
        filled.longest = min(filled.longest, found.longest) if filled.longest != 0 else found.longest
        parts: bytes32[4] = keys[found.index]
        key: Bytes[128] = concat(parts[0], parts[1], parts[2], parts[3])
        filled.key = key if len(filled.key) == 0 else bls12_381._add(filled.key, key)
    assert found.cursor == len(picks), "seat_draw: attempt left over"
    log IStorageDraws.SeatsDrawn(group=draw.group, first_seat=first_seat, seats=filled.seats, picks=picks)
    return filled


@internal
def _find(
    draw: Draw,
    seat: uint256,
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED],
    held: DynArray[uint256, stake_cover.MAX_OPENED],
    picks: Bytes[MAX_PICKS],
    cursor: uint256,
) -> Found:
    """
    @dev The winner's load has grown by the seat.
    @param held Seats that the opened operators hold in the group.
    @param cursor First pick of this seat.
    """
    found: Found = empty(Found)
    found.cursor = cursor
    for attempt: uint256 in range(ATTEMPTS):
        assert found.cursor < len(picks), "seat_draw: attempt missing"
        index: uint256 = convert(slice(picks, found.cursor, 1), uint256)
        assert index < len(opened), "seat_draw: no such leaf"
        found.cursor += 1
        strata: uint256 = draw.strata if attempt == 0 else 1
        seed: bytes32 = self._seed(draw.group, seat, attempt, draw.randomness)
        point: uint256 = stake_path._point(seed, seat % strata, strata, draw.total)
        drawn: stake_cover.Opened = opened[index]
        assert drawn.first <= point and point < drawn.end, "seat_draw: another is drawn"

        limit: uint256 = draw.limit
        if draw.is_successor and attempt >= STRICT_ATTEMPTS:
            limit *= 2
        if held[index] >= limit:
            continue
        found.price, found.longest = asks._claim(
            drawn.operator_id, draw.epoch, drawn.end - drawn.first, draw.max_price, draw.least_epochs
        )
        if found.price != 0:
            found.index = index
            break
    return found
