# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Seats and the Merkle-sum tree of each service
@license AGPL-3.0-only
@author Apogee
@notice Invariant: root, totals and the sum of keys of a service are those of its members, now and at every past epoch.
@dev The tree has 12 binary levels (stake_path). Stored is every second level, and only up to the height that the seats
     in use need: above, everything on the right is empty and the root follows by hashing alone. One update reads three
     siblings and writes two slots for every two levels.
"""
from ..interfaces import IOperatorRegistry
from ..shared import bls12_381
from ..shared import checkpoints
from ..shared import constants as C
from ..shared import g1_words
from ..shared import stake_path
from . import operator_keys

uses: checkpoints
uses: operator_keys

LOW_16: constant(uint256) = 2**16 - 1
LOW_32: constant(uint256) = 2**32 - 1
AMOUNT: constant(uint256) = 2**108 - 1
HALF: constant(uint256) = 2**128 - 1
LEVELS: constant(uint256) = 6  # stored levels, four children each: 4**6 = 2**12

SEATS: immutable(uint256)  # MAX_OPERATORS, smaller in tests

seats: HashMap[uint256, uint256]  # pool -> stake in the total 108 | seat + 1 16
pools: HashMap[uint256, uint256]  # service << 16 | seat -> pool
vacant: HashMap[uint256, uint256]  # service << 16 | n -> a seat somebody left
desks: HashMap[uint256, uint256]  # service -> checkpoints 32 | aggregate checkpoints 32 | vacant 16 | used 16
heads: HashMap[uint256, uint256]  # service -> epoch 32 | height 8 | stake 108 | weight 108
nodes: HashMap[uint256, bytes32]  # service << 24 | level << 16 | index
sums: HashMap[uint256, uint256]  # (node << 1 | pair) -> left sum 128 | right sum 128
former_tops: HashMap[uint256, HashMap[uint256, bytes32]]  # service -> n -> topmost stored node
aggregates: HashMap[uint256, uint256[3]]  # service -> sum of the members' keys
aggregate_since: HashMap[uint256, uint256]
aggregate_hashes: HashMap[uint256, bytes32]
former_aggregates: HashMap[uint256, HashMap[uint256, bytes32]]
former_aggregate_since: HashMap[uint256, HashMap[uint256, uint256]]


@deploy
def __init__(max_operators: uint256):
    assert 0 < max_operators and max_operators <= C.MAX_OPERATORS, "stake_tree: bad seat count"
    SEATS = max_operators


@internal
def _take_seat(pool: uint256):
    """
    @dev Seats that somebody left are used first, so the tree stays low.
    """
    service: uint256 = pool & 255
    desk: uint256 = self.desks[service]
    used: uint256 = desk & LOW_16
    vacant: uint256 = (desk >> 16) & LOW_16
    seat: uint256 = used
    if vacant > 0:
        vacant -= 1
        seat = self.vacant[service << 16 | vacant]
    else:
        assert used < SEATS, "stake_tree: no free seat"
        used += 1
    self.desks[service] = (desk >> 32) << 32 | vacant << 16 | used
    self.seats[pool] = seat + 1
    self.pools[service << 16 | seat] = pool


@internal
def _leave_seat(pool: uint256):
    """
    @dev The pool's weight is 0 by now, so its leaf is empty.
    """
    service: uint256 = pool & 255
    seat: uint256 = (self.seats[pool] & LOW_16) - 1
    desk: uint256 = self.desks[service]
    self.vacant[service << 16 | ((desk >> 16) & LOW_16)] = seat
    self.desks[service] = desk + (1 << 16)
    self.seats[pool] = 0
    self.pools[service << 16 | seat] = 0


@internal
def _set_weight(pool: uint256, epoch: uint256, stake: uint256, weight: uint256):
    """
    @dev From `epoch` on the pool weighs `weight` and the service's total counts `stake` for it: 0 for no member.
    """
    service: uint256 = pool & 255
    operator_id: uint256 = pool >> 8
    former_stake: uint256 = self.seats[pool] >> 16
    seat: uint256 = (self.seats[pool] & LOW_16) - 1
    self.seats[pool] = stake << 16 | (seat + 1)
    former_weight: uint256 = self._weight_of_seat(service, seat)

    self._keep_head(service, epoch)
    head: uint256 = self.heads[service]
    total_stake: uint256 = ((head >> 108) & AMOUNT) + stake - former_stake
    total_weight: uint256 = (head & AMOUNT) + weight - former_weight
    height: uint256 = self._raise_height(service, (head >> 216) & 255, seat, head & AMOUNT)
    self.heads[service] = epoch << 224 | height << 216 | total_stake << 108 | total_weight
    key_hash: bytes32 = operator_keys.key_hashes[operator_id]
    self._set_leaf(service, height, seat, stake_path._leaf(operator_id, weight, key_hash), weight)
    log IOperatorRegistry.WeightSet(pool=pool, epoch=epoch, seat=seat, stake=stake, weight=weight)

    if (former_weight == 0) != (weight == 0):
        key: Bytes[128] = operator_keys._key(key_hash)
        if weight == 0:
            key = bls12_381._negate(key)
        self._add_to_aggregate(service, epoch, key)


@internal
def _replace_key(operator_id: uint256, former_hash: bytes32, epoch: uint256):
    """
    @dev The operator's newest key takes its leaves and its place in the sums, in every service where it weighs.
    """
    key_hash: bytes32 = operator_keys.key_hashes[operator_id]
    change: Bytes[128] = bls12_381._add(
        operator_keys._key(key_hash), bls12_381._negate(operator_keys._key(former_hash))
    )
    for index: uint256 in range(C.SERVICE_COUNT):
        service: uint256 = index + 1
        seat: uint256 = self.seats[operator_id << 8 | service] & LOW_16
        if seat == 0:
            continue
        weight: uint256 = self._weight_of_seat(service, seat - 1)
        if weight == 0:
            continue
        self._keep_head(service, epoch)
        head: uint256 = self.heads[service]
        self.heads[service] = epoch << 224 | (head & (2**224 - 1))
        leaf: bytes32 = stake_path._leaf(operator_id, weight, key_hash)
        self._set_leaf(service, (head >> 216) & 255, seat - 1, leaf, weight)
        self._add_to_aggregate(service, epoch, change)


@internal
def _keep_head(service: uint256, epoch: uint256):
    head: uint256 = self.heads[service]
    if head >> 224 == epoch:
        return
    desk: uint256 = self.desks[service]
    count: uint256 = desk >> 64
    if checkpoints._keep(convert(service, bytes32), head, count, epoch) > count:
        self.former_tops[service][count] = self._top(service, (head >> 216) & 255)
        self.desks[service] = desk + (1 << 64)


@internal
def _raise_height(service: uint256, height: uint256, seat: uint256, total: uint256) -> uint256:
    """
    @dev The old top becomes the first child of the new one; its sum was not needed until now. Seats come one at a
         time, each with a weight, so one level at most is missing.
    """
    if seat >> (2 * height) == 0:
        return height
    self.sums[self._slot(service, height + 1, 0) << 1] = total << 128
    return height + 1


@internal
def _set_leaf(service: uint256, height: uint256, seat: uint256, leaf: bytes32, weight: uint256):
    node: bytes32 = leaf
    amount: uint256 = weight
    index: uint256 = seat
    for level: uint256 in range(LEVELS):
        if level == height:
            break
        self.nodes[self._slot(service, level, index)] = node
        place: uint256 = index & 3
        index = index >> 2
        parent: uint256 = self._slot(service, level + 1, index)

        pairs: uint256[2] = [self.sums[parent << 1], self.sums[parent << 1 | 1]]
        pair: uint256 = pairs[place >> 1]
        if place & 1 == 0:
            pair = amount << 128 | (pair & HALF)
        else:
            pair = (pair >> 128) << 128 | amount
        pairs[place >> 1] = pair
        self.sums[parent << 1 | (place >> 1)] = pair

        children: bytes32[4] = empty(bytes32[4])
        first: uint256 = self._slot(service, level, index << 2)
        for child: uint256 in range(4):
            children[child] = node if child == place else self.nodes[first + child]
        left: uint256 = (pairs[0] >> 128) + (pairs[0] & HALF)
        right: uint256 = (pairs[1] >> 128) + (pairs[1] & HALF)
        node = stake_path._node(
            stake_path._node(children[0], children[1], pairs[0]),
            stake_path._node(children[2], children[3], pairs[1]),
            left << 128 | right,
        )
        amount = left + right
    self.nodes[self._slot(service, height, 0)] = node


@internal
def _add_to_aggregate(service: uint256, epoch: uint256, key: Bytes[128]):
    since: uint256 = self.aggregate_since[service]
    if since != 0 and since != epoch:
        desk: uint256 = self.desks[service]
        count: uint256 = (desk >> 32) & LOW_32
        self.former_aggregates[service][count] = self.aggregate_hashes[service]
        self.former_aggregate_since[service][count] = since
        self.desks[service] = desk + (1 << 32)
    total: Bytes[128] = bls12_381._add(g1_words._unpack(self.aggregates[service]), key)
    self.aggregates[service] = g1_words._pack(total)
    self.aggregate_since[service] = epoch
    self.aggregate_hashes[service] = keccak256(total)


@internal
@view
def _least(service: uint256) -> (uint256, uint256):
    """
    @dev The pool with the least weight when no seat is free, else (0, 0). Only a newcomer to a full service pays for
         the walk over its seats.
    """
    desk: uint256 = self.desks[service]
    if (desk >> 16) & LOW_16 > 0 or desk & LOW_16 < SEATS:
        return 0, 0
    least: uint256 = max_value(uint256)
    at: uint256 = 0
    for seat: uint256 in range(C.MAX_OPERATORS):
        if seat == SEATS:
            break
        weight: uint256 = self._weight_of_seat(service, seat)
        if weight < least:
            least = weight
            at = seat
    return self.pools[service << 16 | at], least


@internal
@view
def _weight_of_seat(service: uint256, seat: uint256) -> uint256:
    height: uint256 = (self.heads[service] >> 216) & 255
    if seat >> (2 * height) > 0:
        return 0
    if height == 0:
        return self.heads[service] & AMOUNT
    pair: uint256 = self.sums[self._slot(service, 1, seat >> 2) << 1 | ((seat >> 1) & 1)]
    return pair & HALF if seat & 1 == 1 else pair >> 128


@internal
@view
def _head_at(service: uint256, epoch: uint256) -> (uint256, bytes32):
    """
    @return The head word in force at an epoch and the topmost stored node of then.
    """
    head: uint256 = self.heads[service]
    count: uint256 = self.desks[service] >> 64
    index: uint256 = checkpoints._index_at(convert(service, bytes32), head, count, epoch)
    if index == max_value(uint256):
        return 0, empty(bytes32)
    if index == count:
        return head, self._top(service, (head >> 216) & 255)
    return checkpoints.past[convert(service, bytes32)][index], self.former_tops[service][index]


@internal
@view
def _totals_at(service: uint256, epoch: uint256) -> (uint256, uint256):
    head: uint256 = checkpoints._at(
        convert(service, bytes32), self.heads[service], self.desks[service] >> 64, epoch
    )
    return (head >> 108) & AMOUNT, head & AMOUNT


@internal
@view
def _root_at(service: uint256, epoch: uint256) -> bytes32:
    head: uint256 = 0
    node: bytes32 = empty(bytes32)
    head, node = self._head_at(service, epoch)
    for level: uint256 in range(LEVELS):
        if level >= (head >> 216) & 255:
            node = self._lift(node, head & AMOUNT)
    return node


@internal
@view
def _aggregate_hash_at(service: uint256, epoch: uint256) -> bytes32:
    """
    @dev Zero while the service never had a member.
    """
    since: uint256 = self.aggregate_since[service]
    if since == 0:
        return empty(bytes32)
    if since <= epoch:
        return self.aggregate_hashes[service]
    low: uint256 = 0
    high: uint256 = (self.desks[service] >> 32) & LOW_32
    for _: uint256 in range(32):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self.former_aggregate_since[service][middle] <= epoch:
            low = middle + 1
        else:
            high = middle
    return self.former_aggregates[service][low - 1] if low > 0 else empty(bytes32)


@internal
@view
def _top(service: uint256, height: uint256) -> bytes32:
    return self.nodes[self._slot(service, height, 0)]


@internal
@pure
def _lift(node: bytes32, total: uint256) -> bytes32:
    """
    @dev Two binary levels up with nothing on the right.
    """
    parent: bytes32 = stake_path._node(node, empty(bytes32), total << 128)
    return stake_path._node(parent, empty(bytes32), total << 128)


@internal
@pure
def _slot(service: uint256, level: uint256, index: uint256) -> uint256:
    return service << 24 | level << 16 | index
