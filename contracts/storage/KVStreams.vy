# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who may write where
@license AGPL-3.0-only
@author Apogee
@notice A stream belongs to whoever created it, until it is handed over. Each change of access becomes an entry of the log
        before it counts anywhere, so all replicas replay the same rights. Replica seats post roots; values are checked
        under them.
@custom:kill Nothing to stop: it holds no money.
@custom:security A posted root is the word of at least four of five seats that the beacon drew and whose stake is bound,
                 not a proof; whoever needs certainty replays the log. A seat that signs two roots of one stream for one
                 entry pays (KVFraudProofs). Who may write is decided in replay alone: contract accounts act here, since
                 their signatures depend on the chain's state.
"""
from ..interfaces import IKVStreams
from ..interfaces import IStakeView
from ..interfaces import IStorageLog
from ..interfaces import IStorageSeats
from ..shared import typed_data
from . import kv_path
from . import stream_roles
from . import stream_roots

implements: IKVStreams
initializes: stream_roles
initializes: stream_roots

REPLICA: constant(uint256) = 5  # profile whose seats keep streams
NEEDED_SEATS: constant(uint256) = 4
MAX_GROUP: constant(uint256) = 2**64

# --- an ACCESS entry; layout in IKVStreams
FORMAT: constant(bytes1) = 0x01
CREATE: constant(bytes1) = 0x01
TRANSFER: constant(bytes1) = 0x02
GRANT: constant(bytes1) = 0x03
REVOKE: constant(bytes1) = 0x04
ACCOUNT: constant(uint8) = 1
MAX_PREFIX: constant(uint256) = 64
MAX_CHANGE: constant(uint256) = 157

NAME: constant(bytes32) = keccak256("Apogee KV")
VERSION: constant(bytes32) = keccak256("1")
ROOT_TYPE: constant(bytes32) = keccak256(
    "StreamRoot(bytes32 stream,uint64 seq,uint64 generation,bytes32 treeRoot,uint64 keys,uint64 byteCount,uint64 group,uint64 epoch)"
)

LOG: public(immutable(address))
SEATS: public(immutable(address))
STAKE: immutable(address)


@deploy
def __init__(storage_log: address, seats: address, stake: address):
    """
    @param storage_log StorageLog: takes changes of access.
    @param seats StorageSeats: says whose signatures count.
    @param stake StakeManager: says which epoch it is.
    """
    are_contracts: bool = storage_log.is_contract and seats.is_contract and stake.is_contract
    assert are_contracts, "kv_streams: no contract"

    LOG = storage_log
    SEATS = seats
    STAKE = stake


# --- PERMISSIONLESS


@external
def create(salt: bytes32) -> bytes32:
    """
    @notice Make a stream that is the caller's.
    @param salt Tells an owner's streams apart.
    @return The stream.
    """
    stream: bytes32 = stream_roles._id_of(msg.sender, salt)
    stream_roles._create(stream, msg.sender)

    seq: uint256 = self._append_owner(CREATE, stream, 1, msg.sender)
    log IKVStreams.StreamCreated(stream=stream, owner=msg.sender, salt=salt, seq=seq)
    return stream


@external
def post_root(
    root: IKVStreams.StreamRoot,
    group: uint256,
    epoch: uint256,
    absent: uint256,
    absent_keys: Bytes[480],
    signature: Bytes[256],
):
    """
    @notice Show that seats of a replica group stand for a stream's root.
    @param root Everything that the stream root binds.
    @param epoch Whose stake answers for the signatures: the present one or the one before.
    @param absent Seats that have not signed, bit by bit.
    @param absent_keys Their keys, as StorageSeats reads them.
    @param signature Sum of the others' signatures over `root_digest`.
    """
    seq: uint256 = convert(root.seq, uint256)
    generation: uint256 = stream_roles._generation(root.stream)
    assert generation != 0, "kv_streams: no such stream"
    assert root.generation != 0, "kv_streams: no such generation"
    assert convert(root.generation, uint256) <= generation, "kv_streams: no such generation"
    assert seq < staticcall IStorageLog(LOG).size(), "kv_streams: not in the log"
    assert group < MAX_GROUP, "kv_streams: no replica group"
    record: IStorageSeats.Group = staticcall IStorageSeats(SEATS).group(group)
    assert record.profile == REPLICA, "kv_streams: no replica group"
    present: uint256 = staticcall IStakeView(STAKE).current_epoch()
    assert epoch <= present and present <= epoch + 1, "kv_streams: another epoch"
    digest: bytes32 = self._root_digest(root, group, epoch)
    # too few seats or another signature revert there
    signed: uint256 = staticcall IStorageSeats(SEATS).check_quorum(
        group, absent, digest, signature, NEEDED_SEATS, absent_keys
    )

    stream_root: bytes32 = kv_path._stream_root(root)
    silent: uint256 = absent | record.vacant
    stream_roots._post(root.stream, seq, group, epoch, silent, stream_root)
    log IKVStreams.RootPosted(
        stream=root.stream,
        seq=seq,
        group=group,
        generation=convert(root.generation, uint256),
        tree_root=root.tree_root,
        keys=convert(root.keys, uint256),
        byte_count=convert(root.byte_count, uint256),
        stream_root=stream_root,
        signed=signed,
        epoch=epoch,
        silent=silent,
    )


# --- OWNER


@external
def transfer_owner(stream: bytes32, to: address):
    """
    @notice Hand a stream over; every right of the generation before ends with this entry. In one step, so that a contract
            can sell what lives in a stream.
    """
    self._check_owner(stream)
    assert to != empty(address), "kv_streams: no owner"

    generation: uint256 = stream_roles._hand_over(stream, to)
    seq: uint256 = self._append_owner(TRANSFER, stream, generation, to)
    log IKVStreams.OwnerChanged(stream=stream, owner=to, former=msg.sender, generation=generation, seq=seq)


# --- OWNER OR ADMIN


@external
def grant(stream: bytes32, grant: IKVStreams.Grant):
    """
    @notice Let an account or a key write, or be an admin. A later grant of the same role and prefix replaces this one.
    """
    stream_roles._check_grant(grant)
    stream_roles._check_subject(grant.subject_kind, grant.subject)
    self._check_may_change(stream, grant.subject, convert(grant.role, uint256))

    stream_roles._grant(stream, grant)
    generation: uint256 = stream_roles._generation(stream)
    seq: uint256 = self._append(GRANT, stream, generation, grant)
    log IKVStreams.Granted(
        stream=stream,
        subject=grant.subject,
        role=convert(grant.role, uint256),
        generation=generation,
        seq=seq,
    )


@external
def revoke(stream: bytes32, subject_kind: uint8, subject: bytes32):
    """
    @notice Take every right from a subject. An admin may give up its own.
    """
    stream_roles._check_subject(subject_kind, subject)
    self._check_may_change(stream, subject, stream_roles.OWNER)

    stream_roles._revoke(stream, subject)
    generation: uint256 = stream_roles._generation(stream)
    nothing: IKVStreams.Grant = empty(IKVStreams.Grant)
    nothing.subject_kind = subject_kind
    nothing.subject = subject
    seq: uint256 = self._append(REVOKE, stream, generation, nothing)
    log IKVStreams.Revoked(stream=stream, subject=subject, generation=generation, seq=seq)


# --- VIEWS


@external
@view
def stream_id(owner: address, salt: bytes32) -> bytes32:
    """
    @notice The stream that `owner` makes with this salt; nobody else can make it.
    """
    return stream_roles._id_of(owner, salt)


@external
@view
def stream(stream: bytes32) -> IKVStreams.Stream:
    """
    @notice What is known of a stream; all zero when there is none.
    """
    head: uint256 = 0
    posted_at: uint256 = 0
    group: uint256 = 0
    head, posted_at, group = stream_roots._head(stream)
    return IKVStreams.Stream(
        owner=stream_roles._owner(stream),
        generation=stream_roles._generation(stream),
        head=head,
        posted_at=posted_at,
        group=group,
    )


@external
@view
def is_admin(stream: bytes32, account: address) -> bool:
    """
    @notice Whether an account is an admin of the present generation now.
    """
    generation: uint256 = stream_roles._generation(stream)
    return stream_roles._is_admin(stream, generation, stream_roles._account(account))


@external
@view
def root_of(stream: bytes32, seq: uint256) -> bytes32:
    """
    @notice The stream root that was posted for exactly this entry of the log; zero when none was.
    """
    return stream_roots.roots[stream][seq]


@external
@view
def post_of(stream: bytes32, seq: uint256) -> IKVStreams.Post:
    """
    @notice The root that was posted for exactly this entry, and who stood for it; all zero when none was.
    """
    epoch: uint256 = 0
    posted_at: uint256 = 0
    group: uint256 = 0
    silent: uint256 = 0
    epoch, posted_at, group, silent = stream_roots._posted(stream, seq)
    return IKVStreams.Post(
        stream_root=stream_roots.roots[stream][seq],
        group=group,
        epoch=epoch,
        posted_at=posted_at,
        silent=silent,
    )


@external
@view
def root_digest(root: IKVStreams.StreamRoot, group: uint256, epoch: uint256) -> bytes32:
    """
    @notice What the seats of a group sign for a root in an epoch.
    """
    return self._root_digest(root, group, epoch)


@external
@view
def domain_separator() -> bytes32:
    """
    @notice EIP-712 domain of operations and roots.
    """
    return typed_data._domain(NAME, VERSION, self)


@external
@view
def verify(
    root: IKVStreams.StreamRoot, leaf: IKVStreams.Leaf, siblings: DynArray[bytes32, kv_path.MAX_DEPTH]
) -> bool:
    """
    @notice Whether a key has a value under a posted root.
    @param siblings Lowest first.
    """
    return self._is_posted(root) and kv_path._holds(root.tree_root, leaf, siblings)


@external
@view
def verify_absence(
    root: IKVStreams.StreamRoot,
    key_hash: bytes32,
    other: IKVStreams.Leaf,
    siblings: DynArray[bytes32, kv_path.MAX_DEPTH],
) -> bool:
    """
    @notice Whether a key has no value under a posted root.
    @param other The leaf that stands where the key would be; all zero when nothing does.
    """
    return self._is_posted(root) and kv_path._lacks(root.tree_root, key_hash, other, siblings)


# --- INTERNAL


@internal
@view
def _check_owner(stream: bytes32):
    assert stream_roles._owner(stream) == msg.sender, "kv_streams: not the owner"


@internal
@view
def _check_may_change(stream: bytes32, subject: bytes32, role: uint256):
    assert stream_roles._generation(stream) != 0, "kv_streams: no such stream"
    stream_roles._check_may_change(stream, subject, role, msg.sender)


@internal
@view
def _is_posted(root: IKVStreams.StreamRoot) -> bool:
    posted: bytes32 = stream_roots.roots[root.stream][convert(root.seq, uint256)]
    return posted != empty(bytes32) and posted == kv_path._stream_root(root)


@internal
@view
def _root_digest(root: IKVStreams.StreamRoot, group: uint256, epoch: uint256) -> bytes32:
    domain: bytes32 = typed_data._domain(NAME, VERSION, self)
    return typed_data._digest(domain, keccak256(abi_encode(ROOT_TYPE, root, group, epoch)))


@internal
def _append_owner(action: bytes1, stream: bytes32, generation: uint256, owner: address) -> uint256:
    right: IKVStreams.Grant = empty(IKVStreams.Grant)
    right.subject_kind = ACCOUNT
    right.subject = stream_roles._account(owner)
    return self._append(action, stream, generation, right)


@internal
def _append(action: bytes1, stream: bytes32, generation: uint256, grant: IKVStreams.Grant) -> uint256:
    """
    @dev The entry's place in the log.
    """
    change: Bytes[MAX_CHANGE] = concat(
        FORMAT,
        action,
        stream,
        convert(convert(generation, uint64), bytes8),
        convert(grant.role, bytes1),
        convert(grant.subject_kind, bytes1),
        grant.subject,
        convert(grant.quota, bytes8),
        convert(grant.expiry, bytes8),
        convert(convert(len(grant.prefix), uint8), bytes1),
        grant.prefix,
    )
    return extcall IStorageLog(LOG).append_access(stream, msg.sender, change)
