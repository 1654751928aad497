# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who answers for blobs in an epoch
@license AGPL-3.0-only
@author Apogee
@notice Operators with a DA pool join; once an epoch's randomness is known anybody draws its table: quorums of
        signers whose slots follow their weight. Key and weight come from StakeManager's snapshot, so stake counts once.
@custom:kill No switch. It holds no money; without a drawn table DAEntrance takes no payment.
@custom:security Everybody who draws has a table of his own under construction: a wrong one delays nobody else.
                 An epoch that nobody draws serves from the epoch before, and only from that one.
"""
from ..interfaces import IDASigners
from ..interfaces import IRandomBeacon
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import constants as C
from . import assignment
from . import epoch_tables
from . import membership
from . import presence
from . import quorum_table
from . import table_draw

implements: IDASigners
initializes: membership
initializes: quorum_table
initializes: epoch_tables
initializes: presence[quorum_table := quorum_table]
initializes: table_draw[membership := membership, quorum_table := quorum_table]

MAX_ACTIVE: constant(uint256) = 4_096  # seats of the DA service
SERVICE_BITS: constant(uint256) = 8

STAKE: public(immutable(address))
BEACON: public(immutable(address))

endpoints: HashMap[uint256, String[96]]  # operator id -> where its node answers


@deploy
def __init__(stake: address, beacon: address):
    """
    @param stake StakeManager: identities, keys, weights, epochs.
    @param beacon RandomBeacon: R_e.
    """
    bls12_381._prove_precompiles()
    assert stake.is_contract and beacon.is_contract, "da_signers: no contract"

    STAKE = stake
    BEACON = beacon


# --- OPERATOR


@external
def join(endpoint: String[96]):
    """
    @notice Answer for blobs from the next epoch on that is not final yet, until `leave`.
    @param endpoint Where the operator's node answers.
    """
    operator_id: uint256 = self._caller()
    pool: uint256 = (operator_id << SERVICE_BITS) | C.DA
    assert staticcall IStakeView(STAKE).is_member(pool), "da_signers: no DA stake"
    assert len(endpoint) > 0, "da_signers: no endpoint"

    epoch: uint256 = self._next_epoch()
    membership._enter(operator_id, epoch, MAX_ACTIVE)
    self.endpoints[operator_id] = endpoint
    log IDASigners.Joined(operator_id=operator_id, epoch=epoch, endpoint=endpoint)


@external
def update_endpoint(endpoint: String[96]):
    """
    @notice Move the node; counts at once.
    """
    operator_id: uint256 = self._caller()
    assert membership._is_member(operator_id), "membership: not a member"
    assert len(endpoint) > 0, "da_signers: no endpoint"

    self.endpoints[operator_id] = endpoint
    log IDASigners.EndpointUpdated(operator_id=operator_id, endpoint=endpoint)


@external
def leave():
    """
    @notice Take no part in tables of later epochs. Duties already assigned stay until their blobs expire.
    """
    self._remove(self._caller())


# --- PERMISSIONLESS


@external
def evict(operator_id: uint256):
    """
    @notice Remove an operator whose DA pool is no member any more: left, jailed or tombstoned.
    """
    pool: uint256 = (operator_id << SERVICE_BITS) | C.DA
    assert not staticcall IStakeView(STAKE).is_member(pool), "da_signers: has DA stake"

    self._remove(operator_id)


@external
def draw(
    epoch: uint256,
    position: uint256,
    total_weight: uint256,
    operator_ids: DynArray[uint256, table_draw.MAX_PAGE],
):
    """
    @notice Give one page of members to the table of the current epoch; the last page opens the epoch.
    @param epoch The current epoch.
    @param position Members given before; 0 begins anew, whatever the caller had begun.
    @param total_weight Weight of all members of the page's quorum, wei; checked when the quorum is complete.
    @param operator_ids Members in rising rank. A page lies in one quorum: quorum q of Q holds the ranks from
           q * members // Q up to (q + 1) * members // Q.
    """
    assert epoch == staticcall IStakeView(STAKE).current_epoch(), "da_signers: not this epoch"
    assert not epoch_tables._is_open(epoch), "epoch_tables: already drawn"
    assert len(operator_ids) > 0, "da_signers: empty page"
    seed: bytes32 = self._seed(epoch)
    members: uint256 = membership._count_at(epoch)
    quorums: uint256 = table_draw._quorum_count_for(members)

    page: IDASigners.Draw = table_draw._begin(epoch, position, total_weight)
    quorum_end: uint256 = (page.quorum_id + 1) * members // quorums
    assert position + len(operator_ids) <= quorum_end, "da_signers: page too long"
    page = table_draw._give(page, seed, STAKE, operator_ids)
    if page.position == quorum_end:
        page = table_draw._finish_quorum(page)
    if page.position == members:
        root: bytes32 = staticcall IStakeManager(STAKE).tree_root_at(C.DA, epoch)
        epoch_tables._open_drawn(epoch, page.table, quorums, seed, root)
        page = empty(IDASigners.Draw)
    table_draw._keep(page)


@external
def open_epoch() -> uint256:
    """
    @notice The epoch whose table serves payments now. Where neither members nor the stake tree have changed since
            a one-quorum table was drawn, that table is carried over with this epoch's seed.
    @return The current epoch, or the one before while nobody has drawn the current one.
    """
    current: uint256 = staticcall IStakeView(STAKE).current_epoch()
    if self._is_carriable(current):
        epoch_tables._carry(current, self._seed(current))
    return epoch_tables._serving(current)


# --- VIEWS


@external
@view
def serving_epoch() -> uint256:
    """
    @notice What `open_epoch` would return.
    """
    current: uint256 = staticcall IStakeView(STAKE).current_epoch()
    if self._is_carriable(current):
        return current
    return epoch_tables._serving(current)


@external
@view
def rank(epoch: uint256, operator_id: uint256) -> uint256:
    """
    @notice Where an operator stands in the order of an epoch's draw.
    """
    return table_draw._rank(self._seed(epoch), operator_id)


@external
@view
def seed(epoch: uint256) -> bytes32:
    """
    @notice keccak-256 of (tag, chain, this contract, epoch, R_e): unknown while the epoch's members could change.
    """
    return self._seed(epoch)


@external
@view
def epoch_table(epoch: uint256) -> IDASigners.EpochTable:
    """
    @notice Which table serves an epoch; all zero until it is opened.
    """
    return IDASigners.EpochTable(
        table=epoch_tables._table(epoch),
        drawn_epoch=epoch_tables._drawn_epoch(epoch),
        quorum_count=epoch_tables._quorum_count(epoch),
        seed=epoch_tables.seeds[epoch],
    )


@external
@view
def quorum_count(epoch: uint256) -> uint256:
    """
    @notice Quorums of an epoch; 0 until it is opened.
    """
    return epoch_tables._quorum_count(epoch)


@external
@view
def quorum(epoch: uint256, quorum_id: uint256) -> IDASigners.Quorum:
    """
    @notice Number of signers of a quorum and the sum of their keys.
    """
    key: uint256 = self._quorum_key(epoch, quorum_id)
    return IDASigners.Quorum(signers=quorum_table.counts[key], key=quorum_table._key(key))


@external
@view
def signer_at(epoch: uint256, quorum_id: uint256, index: uint256) -> IDASigners.Signer:
    """
    @notice One signer of a quorum, by its index in the table.
    """
    return quorum_table._signer(self._quorum_key(epoch, quorum_id), index)


@external
@view
def blob_seed(epoch: uint256, blob_id: bytes32, entropy: bytes32) -> bytes32:
    """
    @notice The seed of a blob's assignment.
    @param entropy Hash of the block after the blob's payment.
    """
    return assignment._blob_seed(epoch_tables._seed(epoch), blob_id, entropy)


@external
@view
def owner_of_row(epoch: uint256, seed: bytes32, row: uint256) -> uint256:
    """
    @notice Operator that answers for a row.
    @param seed The blob's seed.
    """
    quorum: uint256 = 0
    index: uint256 = 0
    quorum, index = self._place_of_row(epoch, seed, row)
    return quorum_table._operator_at(quorum, index)


@external
@view
def signing_owner(epoch: uint256, seed: bytes32, row: uint256, absent: uint256[4]) -> uint256:
    """
    @notice Operator that answers for a row and has signed for it; 0 when it was absent.
    @param absent Bit i: signer i of the quorum has not signed; as BlobConfirmed says. Whether it is true of a blob is
           for the caller to check.
    """
    quorum: uint256 = 0
    index: uint256 = 0
    quorum, index = self._place_of_row(epoch, seed, row)
    if presence._is_absent(absent, index):
        return 0
    return quorum_table._operator_at(quorum, index)


@external
@view
def present(
    epoch: uint256,
    blob_id: bytes32,
    entropy: bytes32,
    absent: Bytes[quorum_table.ABSENT_BYTES * quorum_table.MAX_ABSENT],
) -> IDASigners.Presence:
    """
    @notice Who is left of a blob's quorum without `absent`: their key, slices and number.
    @param absent 102 bytes a signer, in rising order: index 2, first slot 2, end slot 2, x 48 and y 48 of its key.
    """
    assert len(absent) % quorum_table.ABSENT_BYTES == 0, "da_signers: cut absent list"
    quorum: uint256 = 0
    whole: IDASigners.Presence = empty(IDASigners.Presence)
    quorum, whole = self._whole(epoch, blob_id, entropy)
    tally: presence.Tally = empty(presence.Tally)
    count: uint256 = len(absent) // quorum_table.ABSENT_BYTES
    for position: uint256 in range(count, bound=quorum_table.MAX_ABSENT):
        tally = presence._leave_out(
            quorum, tally, slice(absent, position * quorum_table.ABSENT_BYTES, quorum_table.ABSENT_BYTES)
        )
    return presence._less(whole, tally)


@external
@view
def present_wide(
    epoch: uint256,
    blob_id: bytes32,
    entropy: bytes32,
    absent: Bytes[quorum_table.ABSENT_BYTES * quorum_table.WIDE_ABSENT],
) -> IDASigners.Presence:
    """
    @notice `present` for any number of absent signers; apart, because the memory for so many costs every caller.
    """
    assert len(absent) % quorum_table.ABSENT_BYTES == 0, "da_signers: cut absent list"
    quorum: uint256 = 0
    whole: IDASigners.Presence = empty(IDASigners.Presence)
    quorum, whole = self._whole(epoch, blob_id, entropy)
    tally: presence.Tally = empty(presence.Tally)
    count: uint256 = len(absent) // quorum_table.ABSENT_BYTES
    for position: uint256 in range(count, bound=quorum_table.WIDE_ABSENT):
        tally = presence._leave_out(
            quorum, tally, slice(absent, position * quorum_table.ABSENT_BYTES, quorum_table.ABSENT_BYTES)
        )
    return presence._less(whole, tally)


@external
@view
def is_member(operator_id: uint256) -> bool:
    """
    @notice Joined and not left, as of the newest change.
    """
    return membership._is_member(operator_id)


@external
@view
def was_member(operator_id: uint256, epoch: uint256) -> bool:
    """
    @notice Member of the table of an epoch, if it has stake then.
    """
    return membership._was_member(operator_id, epoch)


@external
@view
def member_count(epoch: uint256) -> uint256:
    """
    @notice Members of an epoch.
    """
    return membership._count_at(epoch)


@external
@view
def endpoint(operator_id: uint256) -> String[96]:
    """
    @notice Where an operator's node answers; empty when it never joined.
    """
    return self.endpoints[operator_id]


@external
@view
def draw_of(account: address) -> IDASigners.Draw:
    """
    @notice The table an account has under construction.
    """
    return table_draw.draws[account]


# --- INTERNAL


@internal
@view
def _place_of_row(epoch: uint256, seed: bytes32, row: uint256) -> (uint256, uint256):
    """
    @dev Quorum and index in it of the signer that answers for a row.
    """
    assert row < assignment.N, "da_signers: no such row"
    quorums: uint256 = epoch_tables._quorum_count(epoch)
    assert quorums > 0, "epoch_tables: not drawn"
    quorum: uint256 = self._quorum_key(epoch, assignment._quorum_of(seed, quorums))
    return quorum, quorum_table._index_of_slot(quorum, assignment._slot_of(seed, quorums, row))


@internal
@view
def _whole(epoch: uint256, blob_id: bytes32, entropy: bytes32) -> (uint256, IDASigners.Presence):
    """
    @dev A blob's quorum with nobody absent.
    """
    quorums: uint256 = epoch_tables._quorum_count(epoch)
    seed: bytes32 = assignment._blob_seed(epoch_tables._seed(epoch), blob_id, entropy)
    quorum_id: uint256 = assignment._quorum_of(seed, quorums)
    quorum: uint256 = self._quorum_key(epoch, quorum_id)
    return quorum, presence._whole(quorum, quorum_id, seed)


@internal
def _remove(operator_id: uint256):
    epoch: uint256 = self._next_epoch()
    membership._leave(operator_id, epoch)
    log IDASigners.Left(operator_id=operator_id, epoch=epoch)


@internal
@view
def _is_carriable(epoch: uint256) -> bool:
    """
    @dev One quorum, and neither members nor weights nor keys differ from the epoch that was drawn. An equal root says so
         only while the tree has heard of everything that the court has changed.
    """
    drawn: uint256 = epoch_tables.drawn
    if epoch_tables._is_open(epoch) or epoch_tables._quorum_count(drawn) != 1:
        return False
    if membership._changed_at(epoch) > drawn:
        return False
    if staticcall IStakeManager(STAKE).untold(C.DA) != 0:
        return False
    return staticcall IStakeManager(STAKE).tree_root_at(C.DA, epoch) == epoch_tables.roots[drawn]


@internal
@view
def _seed(epoch: uint256) -> bytes32:
    known: bytes32 = epoch_tables.seeds[epoch]
    if known != empty(bytes32):
        return known
    randomness: bytes32 = staticcall IRandomBeacon(BEACON).randomness(epoch)
    return keccak256(abi_encode(C.TAG_DA_SEED, chain.id, self, epoch, randomness))


@internal
@view
def _quorum_key(epoch: uint256, quorum_id: uint256) -> uint256:
    assert quorum_id < epoch_tables._quorum_count(epoch), "da_signers: no such quorum"
    return quorum_table._quorum_key(epoch_tables._table(epoch), quorum_id)


@internal
@view
def _caller() -> uint256:
    operator_id: uint256 = staticcall IStakeView(STAKE).operator_of(msg.sender)
    assert operator_id != 0, "da_signers: not an operator"
    return operator_id


@internal
@view
def _next_epoch() -> uint256:
    """
    @dev The first epoch whose cut-off has not passed.
    """
    next: uint256 = staticcall IStakeView(STAKE).current_epoch() + 1
    if block.timestamp >= staticcall IStakeView(STAKE).epoch_cutoff(next):
        return next + 1
    return next
