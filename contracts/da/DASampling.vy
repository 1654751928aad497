# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Paying those who hold what they signed for
@license AGPL-3.0-only
@author Apogee
@notice Every round draws leaves of confirmed blobs; the operator that answers for such a leaf's row shows it and is paid
        out of the pool of earned fees. Only its bytes tell whether a leaf has won, so who deleted it cannot know.
@custom:kill Nothing to stop: it holds no money and moves at most a fixed part of the pool a win.
@custom:security The seed of a round is public before the round's first block: leaves are stored long before, and only the
                 operator that answers for a row can win with it. Who proposes the block that would open a round may leave
                 the opening to the next block and so has one other seed. Where a chain's prevrandao is constant, seeds
                 are known ahead.
"""
from ..interfaces import IDAEntrance
from ..interfaces import IDASampling
from ..interfaces import IDASigners
from ..interfaces import IStakeView
from ..shared import row_path
from . import blob_identity
from . import sampling_rounds

implements: IDASampling
initializes: sampling_rounds

REWARD_DIVISOR: constant(uint256) = 16_128  # 16 wins a round, 1,008 rounds of 600 s a week: a time constant of a week
MAX_PERIOD: constant(uint256) = 2**32  # seconds

ENTRANCE: public(immutable(address))
SIGNERS: public(immutable(address))
STAKE: public(immutable(address))
PERIOD: immutable(uint256)  # seconds


@deploy
def __init__(entrance: address, signers: address, stake: address, period_seconds: uint256):
    """
    @param entrance DAEntrance: blobs and the pool.
    @param signers DASigners: who answers for a row.
    @param stake StakeManager: whose account calls.
    @param period_seconds Of a round.
    """
    assert entrance.is_contract and signers.is_contract and stake.is_contract, "da_sampling: no contract"
    assert period_seconds > 0 and period_seconds < MAX_PERIOD, "da_sampling: bad period"

    sampling_rounds.__init__()
    ENTRANCE = entrance
    SIGNERS = signers
    STAKE = stake
    PERIOD = period_seconds


# --- PERMISSIONLESS


@external
def open_round() -> bool:
    """
    @notice Open the present round unless it is open. Every payment for a blob does it too.
    @return Whether this call opened it.
    """
    return sampling_rounds._open(block.timestamp // PERIOD)


# --- OPERATOR


@external
def answer_sample(
    blob: IDAEntrance.Blob, seed: bytes32, absent: uint256[4], frame: Bytes[row_path.FRAME_BYTES]
) -> uint256:
    """
    @notice Show a leaf that wins the present round; the reward is credited to the operator's owner in DAEntrance.
    @param seed The blob's, as BlobConfirmed says.
    @param absent Who has not signed, as BlobConfirmed says.
    @param frame The leaf with its path, as nodes serve it.
    @return Amount in wei.
    """
    blob_id: bytes32 = blob_identity._id_of(blob, ENTRANCE)
    record: IDAEntrance.Record = staticcall IDAEntrance(ENTRANCE).record(blob_id)
    assert record.state == IDAEntrance.BlobState.CONFIRMED, "da_sampling: not available"
    assert block.timestamp < record.expiry, "da_sampling: not available"
    stated: bytes32 = blob_identity._certificate_hash(seed, absent)
    assert stated == record.certificate_hash, "da_sampling: wrong certificate"
    row: uint256 = 0
    leaf: uint256 = 0
    row, leaf = row_path._check_leaf(frame, blob.columns, blob.data_root)
    operator_id: uint256 = staticcall IDASigners(SIGNERS).signing_owner(record.epoch, seed, row, absent)
    assert operator_id != 0, "da_sampling: owner was absent"
    assert operator_id == staticcall IStakeView(STAKE).operator_of(msg.sender), "da_sampling: not your row"
    amount: uint256 = self._reward()
    assert amount > 0, "da_sampling: pool is empty"

    data: Bytes[row_path.LEAF_BYTES] = slice(frame, row_path.DATA_AT, row_path.LEAF_BYTES)
    number: uint256 = block.timestamp // PERIOD
    sampling_rounds._win(number, blob_id, row, leaf, data)

    owner: address = (staticcall IStakeView(STAKE).operator(operator_id)).owner
    extcall IDAEntrance(ENTRANCE).reward(owner, amount)
    log IDASampling.SampleAnswered(
        round=number, operator_id=operator_id, blob_id=blob_id, row=row, leaf=leaf, amount=amount
    )
    return amount


# --- VIEWS


@external
@view
def round() -> IDASampling.Round:
    """
    @notice The newest round that was opened.
    """
    return IDASampling.Round(
        number=sampling_rounds._number(),
        seed=sampling_rounds.seed,
        target=sampling_rounds.target,
        wins=sampling_rounds._wins(),
    )


@external
@view
def is_open() -> bool:
    """
    @notice Whether answers count now.
    """
    return sampling_rounds._number() == block.timestamp // PERIOD


@external
@view
def period_seconds() -> uint256:
    """
    @notice How long a round lasts.
    """
    return PERIOD


@external
@view
def last_win(blob_id: bytes32, row: uint256, leaf: uint256) -> uint256:
    """
    @notice The newest round in which a leaf has won.
    """
    return sampling_rounds.last_wins[sampling_rounds._place(blob_id, row, leaf)]


@external
@view
def reward_now() -> uint256:
    """
    @notice What the next win pays.
    """
    return self._reward()


# --- INTERNAL


@internal
@view
def _reward() -> uint256:
    return staticcall IDAEntrance(ENTRANCE).reward_pool() // REWARD_DIVISOR
