# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title One order for everything that is kept
@license AGPL-3.0-only
@author Apogee
@notice Files enter when their owner calls or has signed, batches of key-value operations when their bytes are here or
        available, changes of access when KVStreams writes them. What has entered never changes, moves or leaves.
@custom:kill Nothing to stop: it holds no money between transactions. Whether new files are taken is the market's to say.
@custom:security Bytes that might be missing cannot be sequenced: a blob counts only while DAEntrance calls it available.
                 Anybody may append a batch for any stream; what its operations may do is decided in replay.
"""
from ..interfaces import IDAEntrance
from ..interfaces import IStakeView
from ..interfaces import IStorageLog
from ..interfaces import IStorageMarket
from ..shared import governed
from ..shared import typed_data
from . import log_history
from . import log_path
from . import log_peaks
from . import submission_rules
from . import submissions

implements: IStorageLog
initializes: governed
initializes: log_history
initializes: log_peaks[log_history := log_history]
initializes: submissions
exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)

FILE: constant(uint256) = 1
KV_BATCH: constant(uint256) = 2
ACCESS: constant(uint256) = 3
MAX_STREAMS: constant(uint256) = 64
MAX_INLINE: constant(uint256) = 4_096  # bytes; more goes through data availability
MAX_CHANGE: constant(uint256) = 512
FILE_DATA: constant(uint256) = 320  # bytes of a Submission
MAX_DATA: constant(uint256) = 6_400  # a whole Batch

STAKE: public(immutable(address))
ENTRANCE: public(immutable(address))
GENESIS: immutable(uint256)  # start of epoch 0
EPOCH: immutable(uint256)  # seconds

market: public(address)  # zero until wired
streams: public(address)


@deploy
def __init__(stake: address, entrance: address, governance: address):
    """
    @param stake StakeManager: whose epochs past roots are kept by.
    @param entrance DAEntrance: says whether the bytes of a batch are available.
    @param governance Wires the market and the streams, once.
    """
    assert stake.is_contract and entrance.is_contract, "storage_log: no contract"

    governed.__init__(governance)
    STAKE = stake
    ENTRANCE = entrance
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = staticcall IStakeView(stake).epoch_length()


# --- PERMISSIONLESS


@external
@payable
def submit(
    submission: IStorageLog.Submission, signature: Bytes[submission_rules.MAX_SIGNATURE]
) -> uint256:
    """
    @notice Enter a file and pay for it; what the market does not hold comes back in the same call. An id that is known
            answers its place again and the whole value comes back.
    @param submission What is to be kept, for how long, for how much.
    @param signature The owner's over `submission_digest`; not looked at when the owner calls.
    @return The entry's place.
    """
    id: bytes32 = submission_rules._id_of(submission.owner, submission.root, submission.nonce, self)
    next: uint256 = submissions._next_of(id)
    if next != 0:
        self._give_back(msg.value)
        return next - 1
    submission_rules._check(submission)
    submission_rules._check_owner(submission, msg.sender, signature, self)
    market: address = self.market
    assert market != empty(address), "storage_log: not wired"

    data: Bytes[FILE_DATA] = abi_encode(submission)
    seq: uint256 = self._append(id, FILE, submission.owner, keccak256(data))
    submissions._enter(id, seq)
    log IStorageLog.Appended(
        seq=seq, id=id, author=submission.owner, kind=FILE, time=block.timestamp, data=data
    )
    extcall IStorageMarket(market).open(id, submission, msg.sender, value=msg.value)
    return seq


@external
def append_batch(streams: DynArray[bytes32, MAX_STREAMS], blob_id: bytes32) -> uint256:
    """
    @notice Enter operations that lie in an available blob.
    @param streams Whose operations the blob may hold; those of others are passed over.
    @return The entry's place.
    """
    assert len(streams) > 0, "storage_log: no streams"
    assert staticcall IDAEntrance(ENTRANCE).is_available(blob_id), "storage_log: not available"

    batch: IStorageLog.Batch = IStorageLog.Batch(streams=streams, blob_id=blob_id, operations=b"")
    return self._append_batch(blob_id, abi_encode(batch))


@external
def append_inline(streams: DynArray[bytes32, MAX_STREAMS], operations: Bytes[MAX_INLINE]) -> uint256:
    """
    @notice Enter operations themselves: what no batcher can hold back.
    @return The entry's place.
    """
    assert len(streams) > 0, "storage_log: no streams"
    assert len(operations) > 0, "storage_log: no operations"

    batch: IStorageLog.Batch = IStorageLog.Batch(
        streams=streams, blob_id=empty(bytes32), operations=operations
    )
    return self._append_batch(keccak256(operations), abi_encode(batch))


# --- ROLE-GATED


@external
def append_access(stream: bytes32, author: address, change: Bytes[MAX_CHANGE]) -> uint256:
    """
    @notice Enter a change of access, as KVStreams.
    @return The entry's place.
    """
    assert msg.sender == self.streams, "storage_log: not the streams"

    seq: uint256 = self._append(stream, ACCESS, author, keccak256(change))
    log IStorageLog.Appended(
        seq=seq, id=stream, author=author, kind=ACCESS, time=block.timestamp, data=change
    )
    return seq


# --- GOVERNANCE


@external
def wire(market: address, streams: address):
    """
    @notice Name who takes the money for files and who may change access; once.
    """
    governed._check_governance()
    assert self.market == empty(address), "storage_log: wired already"
    assert market.is_contract and streams.is_contract, "storage_log: no contract"

    self.market = market
    self.streams = streams
    log IStorageLog.Wired(market=market, streams=streams)


# --- VIEWS: while a file is being entered the market reads them too


@external
@view
@reentrant
def size() -> uint256:
    """
    @notice Entries so far.
    """
    return log_peaks._size()


@external
@view
@reentrant
def root() -> bytes32:
    """
    @notice Binds every entry and its place.
    """
    return log_peaks._root()


@external
@view
@reentrant
def root_at(epoch: uint256) -> bytes32:
    """
    @notice The root when a past epoch ended.
    """
    return self._ended(epoch)[1]


@external
@view
@reentrant
def size_at(epoch: uint256) -> uint256:
    """
    @notice How many entries there were when a past epoch ended.
    """
    return self._ended(epoch)[0]


@external
@view
@reentrant
def is_known(id: bytes32) -> bool:
    """
    @notice Whether a file of this id has been entered.
    """
    return submissions._next_of(id) != 0


@external
@view
@reentrant
def seq_of(id: bytes32) -> uint256:
    """
    @notice Where a file has its place.
    """
    return (submissions._submitted(id)).seq


@external
@view
@reentrant
def submitted(id: bytes32) -> IStorageLog.Submitted:
    """
    @notice Where and when a file was entered.
    """
    return submissions._submitted(id)


@external
@view
@reentrant
def submission_id(owner: address, root: bytes32, nonce: uint64) -> bytes32:
    """
    @notice The id that a submission has, entered or not.
    """
    return submission_rules._id_of(owner, root, nonce, self)


@external
@view
@reentrant
def submission_digest(submission: IStorageLog.Submission) -> bytes32:
    """
    @notice What an owner signs for somebody else to submit.
    """
    return submission_rules._digest(submission, self)


@external
@view
@reentrant
def domain_separator() -> bytes32:
    """
    @notice EIP-712 domain of submissions.
    """
    return typed_data._domain(submission_rules.NAME, submission_rules.VERSION, self)


@external
@pure
def entry_hash(time: uint256, author: address, data: Bytes[MAX_DATA]) -> bytes32:
    """
    @notice What a leaf says of an entry besides place, id and kind.
    """
    return self._entry_hash(time, author, keccak256(data))


@external
@pure
def verify_entry(
    root: bytes32, size: uint256, entry: IStorageLog.Entry, path: DynArray[bytes32, log_path.MAX_PATH]
) -> bool:
    """
    @notice Whether a log of this root and size has the entry at its place. Compare the root with `root` or `root_at`.
    """
    return log_path._holds(root, size, entry, path)


# --- INTERNAL


@internal
@pure
def _entry_hash(time: uint256, author: address, data_hash: bytes32) -> bytes32:
    return keccak256(abi_encode(time, author, data_hash))


@internal
@view
def _epoch() -> uint256:
    return (block.timestamp - GENESIS) // EPOCH


@internal
def _append(id: bytes32, kind: uint256, author: address, data_hash: bytes32) -> uint256:
    """
    @dev The caller logs the data itself: a file's would else pay for the memory of the longest batch.
    """
    entry_hash: bytes32 = self._entry_hash(block.timestamp, author, data_hash)
    return log_peaks._append(self._epoch(), id, kind, entry_hash)


@internal
def _append_batch(id: bytes32, data: Bytes[MAX_DATA]) -> uint256:
    seq: uint256 = self._append(id, KV_BATCH, msg.sender, keccak256(data))
    log IStorageLog.Appended(
        seq=seq, id=id, author=msg.sender, kind=KV_BATCH, time=block.timestamp, data=data
    )
    return seq


@internal
@view
def _ended(epoch: uint256) -> (uint256, bytes32):
    assert epoch < self._epoch(), "storage_log: epoch not over"
    return log_peaks._at(epoch)


@internal
def _give_back(amount: uint256):
    if amount > 0:
        success: bool = raw_call(msg.sender, b"", value=amount, revert_on_failure=False)
        assert success, "storage_log: change refused"
