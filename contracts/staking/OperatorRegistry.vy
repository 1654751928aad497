# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Operators, their keys and the tree of their weights
@license AGPL-3.0-only
@author Apogee
@notice Operators register and rotate keys here. StakeManager alone moves seats and weights. Holds no money.
@custom:kill Nothing to stop: StakeManager is wired once, and no role changes a key or a weight by hand.
@custom:security Values for epochs whose cut-off has not passed are refused, because they may still change.
"""
from ..interfaces import IOperatorRegistry
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import checkpoints
from ..shared import constants as C
from ..shared import g1_words
from ..shared import governed
from ..shared import stake_path
from . import epoch_clock
from . import operator_keys
from . import stake_tree

implements: IOperatorRegistry
initializes: governed
initializes: epoch_clock
initializes: checkpoints
initializes: operator_keys
initializes: stake_tree[checkpoints := checkpoints, operator_keys := operator_keys]

exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)
exports: operator_keys.operator_count

BEAT_PERCENT: constant(uint256) = 110  # of the least weight, to take its seat

stake: reentrant(public(address))  # StakeManager


@deploy
def __init__(
    governance: address,
    epoch_seconds: uint256,
    cutoff_seconds: uint256,
    day_seconds: uint256,
    max_operators: uint256,
):
    """
    @notice Epoch 0 starts now.
    @param governance Wires StakeManager, once.
    @param epoch_seconds Length of an epoch; a day is a whole number of epochs.
    @param cutoff_seconds How long before an epoch's start its stake is frozen.
    @param day_seconds Length of a day, the grain of exits.
    @param max_operators Seats per service.
    """
    governed.__init__(governance)
    epoch_clock.__init__(block.timestamp, epoch_seconds, cutoff_seconds, day_seconds)
    stake_tree.__init__(max_operators)
    bls12_381._prove_precompiles()


# --- ROLE-GATED: governance
@external
def wire_stake(stake: address):
    """
    @notice Name StakeManager, once and for ever.
    """
    governed._check_governance()
    assert self.stake == empty(address), "registry: already wired"
    assert stake.is_contract, "registry: not a contract"

    self.stake = stake
    log IOperatorRegistry.StakeWired(stake=stake)


# --- ROLE-GATED: StakeManager
@external
def take_seat(pool: uint256):
    self._check_stake()
    stake_tree._take_seat(pool)


@external
def leave_seat(pool: uint256):
    """
    @notice Give the seat up; a pool without one has nothing to give.
    """
    self._check_stake()
    if stake_tree.seats[pool] != 0:
        stake_tree._leave_seat(pool)


@external
def set_weight(pool: uint256, epoch: uint256, stake: uint256, weight: uint256):
    """
    @notice From `epoch` on the pool weighs `weight`.
    @param stake What the service's total counts for the pool from `epoch` on, wei.
    @param weight Wei; 0 takes the pool out of the tree and its key out of the sum.
    """
    self._check_stake()
    stake_tree._set_weight(pool, epoch, stake, weight)


@external
def tombstone(operator_id: uint256):
    self._check_stake()
    operator_keys._tombstone(operator_id)


# --- OPERATOR
@external
def register(key: Bytes[128], proof: Bytes[256]) -> uint256:
    """
    @notice Become an operator, owned by the caller, who is its signer as well until another accepts.
    @param key BLS public key, EIP-2537 G1.
    @param proof Signature of `possession_digest` under the possession domain, EIP-2537 G2.
    @return The operator's id.
    """
    assert self.stake != empty(address), "registry: not wired"
    return operator_keys._register(self.stake, key, proof, epoch_clock._next_epoch())


@external
def rotate_key(key: Bytes[128], proof: Bytes[256]):
    """
    @notice Replace the key from the next epoch on; the old one points here for ever.
    """
    operator_id: uint256 = self._owned_id(msg.sender)
    epoch: uint256 = epoch_clock._next_epoch()
    former_hash: bytes32 = operator_keys.key_hashes[operator_id]

    operator_keys._rotate(self.stake, operator_id, key, proof, epoch)
    stake_tree._replace_key(operator_id, former_hash, epoch)


@external
def offer_signer(signer: address):
    """
    @notice Name the next hot address; it counts once it has accepted.
    """
    operator_keys._offer_signer(self._owned_id(msg.sender), signer)


@external
def accept_signer(operator_id: uint256):
    operator_keys._accept_signer(operator_id)


# --- VIEWS
@external
@view
@reentrant
def clock() -> IOperatorRegistry.Clock:
    return IOperatorRegistry.Clock(
        genesis=epoch_clock.GENESIS,
        epoch_seconds=epoch_clock.EPOCH,
        cutoff_seconds=epoch_clock.CUTOFF,
        day_seconds=epoch_clock.DAY,
    )


@external
@view
@reentrant
def possession_digest(owner: address, key: Bytes[128]) -> bytes32:
    return operator_keys._possession_digest(self.stake, owner, keccak256(key))


@external
@view
@reentrant
def operator(operator_id: uint256) -> IStakeView.Operator:
    return operator_keys._operator(operator_id)


@external
@view
@reentrant
def operator_of(account: address) -> uint256:
    return operator_keys.ids_by_account[account]


@external
@view
@reentrant
def operator_of_key(key_hash: bytes32) -> uint256:
    return operator_keys.ids_by_key[key_hash]


@external
@view
@reentrant
def owner_of(operator_id: uint256) -> address:
    return operator_keys.owners[operator_id]


@external
@view
@reentrant
def own_pool(account: address, service: uint256) -> uint256:
    """
    @return The pool of `account`'s operator in a service.
    """
    assert service > 0 and service <= C.SERVICE_COUNT, "registry: no such service"
    return self._owned_id(account) << 8 | service


@external
@view
@reentrant
def key_of(operator_id: uint256) -> Bytes[128]:
    return operator_keys._key(operator_keys.key_hashes[operator_id])


@external
@view
@reentrant
def key_at(operator_id: uint256, epoch: uint256) -> Bytes[128]:
    return operator_keys._key(operator_keys._key_hash_at(operator_id, epoch))


@external
@view
@reentrant
def seat_of(pool: uint256) -> uint256:
    return stake_tree.seats[pool] & stake_tree.LOW_16


@external
@view
@reentrant
def find_seat(pool: uint256, weight: uint256) -> uint256:
    """
    @notice A newcomer to a full service needs 1.1 x the least weight in it.
    @return The pool that would lose its seat, 0 while a seat is free.
    """
    assert not operator_keys._is_tombstoned(pool >> 8), "keys: tombstoned"
    least_pool: uint256 = 0
    least: uint256 = 0
    least_pool, least = stake_tree._least(pool & 255)
    assert least_pool == 0 or weight * 100 >= least * BEAT_PERCENT, "registry: no seat for this weight"
    return least_pool


@external
@view
@reentrant
def totals_at(service: uint256, epoch: uint256) -> (uint256, uint256):
    epoch_clock._check_final(epoch)
    return stake_tree._totals_at(service, epoch)


@external
@view
@reentrant
def root_at(service: uint256, epoch: uint256) -> bytes32:
    epoch_clock._check_final(epoch)
    return stake_tree._root_at(service, epoch)


@external
@view
@reentrant
def aggregate_key(service: uint256) -> Bytes[128]:
    return g1_words._unpack(stake_tree.aggregates[service])


@external
@view
@reentrant
def aggregate_key_hash_at(service: uint256, epoch: uint256) -> bytes32:
    epoch_clock._check_final(epoch)
    return stake_tree._aggregate_hash_at(service, epoch)


@external
@view
@reentrant
def snapshot(epoch: uint256) -> bytes32:
    """
    @return keccak256(abi_encode(tag, chain id, StakeManager, epoch, then for each service its root, total weight and
            hash of the sum of keys)).
    """
    epoch_clock._check_final(epoch)
    return keccak256(
        abi_encode(
            C.TAG_SNAPSHOT,
            chain.id,
            self.stake,
            epoch,
            self._facts(C.DA, epoch),
            self._facts(C.STORAGE, epoch),
            self._facts(C.COMPUTE, epoch),
            self._facts(C.RELAYER, epoch),
            self._facts(C.ALIGNMENT, epoch),
        )
    )


@external
@view
@reentrant
def total_stake() -> uint256:
    total: uint256 = 0
    for index: uint256 in range(C.SERVICE_COUNT):
        total += (stake_tree.heads[index + 1] >> 108) & stake_tree.AMOUNT
    return total


@external
@view
@reentrant
def verify_draw(
    service: uint256,
    epoch: uint256,
    seed: bytes32,
    stratum: uint256,
    strata: uint256,
    operator_id: uint256,
    weight: uint256,
    key_hash: bytes32,
    seat: uint256,
    siblings: bytes32[C.TREE_DEPTH],
    sums: uint128[C.TREE_DEPTH],
) -> bool:
    """
    @notice Whether draw `stratum` of `strata` with this seed, over an epoch's frozen weights, falls on this operator.
    @param siblings The path from the leaf upward; the zero hash stands for an empty subtree.
    @param sums The weights of the siblings, wei.
    """
    epoch_clock._check_final(epoch)
    leaf: bytes32 = stake_path._leaf(operator_id, weight, key_hash)
    root: bytes32 = empty(bytes32)
    first: uint256 = 0
    total: uint256 = 0
    root, first, total = stake_path._fold(leaf, weight, seat, siblings, sums)
    if root != stake_tree._root_at(service, epoch):
        return False
    point: uint256 = stake_path._point(seed, stratum, strata, total)
    return first <= point and point < first + weight


# --- INTERNAL
@internal
@view
def _check_stake():
    assert msg.sender == self.stake, "registry: not StakeManager"


@internal
@view
def _owned_id(account: address) -> uint256:
    operator_id: uint256 = operator_keys.ids_by_account[account]
    assert operator_id != 0 and operator_keys.owners[operator_id] == account, "registry: not an owner"
    return operator_id


@internal
@view
def _facts(service: uint256, epoch: uint256) -> bytes32[3]:
    stake: uint256 = 0
    weight: uint256 = 0
    stake, weight = stake_tree._totals_at(service, epoch)
    return [
        stake_tree._root_at(service, epoch),
        convert(weight, bytes32),
        stake_tree._aggregate_hash_at(service, epoch),
    ]
