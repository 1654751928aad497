# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Entropy of an epoch
@license AGPL-3.0-only
@author Apogee
@notice Signatures of drawn relayers, each unique, make the value of an epoch; withholding one costs stake.
@custom:kill Nothing to stop: without contributions every epoch still has a value, flagged weak.
@custom:security A coalition on a of 32 seats chooses among 2^a values of one epoch; consumers must bear losing a bits. Who
                 must be unpredictable within an epoch adds a later block hash.
"""
from ..interfaces import IAdjudicator
from ..interfaces import IRandomBeacon
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import governed
from ..shared import stake_cover
from ..shared import stake_path
from . import beacon_history

implements: IRandomBeacon

initializes: governed
initializes: beacon_history

exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
)

LEDGER: immutable(IStakeManager)
GENESIS: immutable(uint256)
EPOCH: immutable(uint256)
CUTOFF: immutable(uint256)  # seconds before the start of an epoch
EVIDENCE: immutable(uint256)  # seconds

court: reentrant(public(ISlashingCourt))
partial_sum: bytes32[8]  # of the signatures of the epoch that is open, EIP-2537 G2


@deploy
def __init__(stake: address, governance: address, evidence_seconds: uint256):
    """
    @param stake StakeManager.
    @param governance Wires the court, once.
    @param evidence_seconds How long after the start of an epoch absence can be shown.
    """
    bls12_381._prove_precompiles()
    governed.__init__(governance)
    LEDGER = IStakeManager(stake)
    GENESIS = staticcall IStakeView(stake).epoch_start(0)
    EPOCH = staticcall IStakeView(stake).epoch_length()
    CUTOFF = staticcall IStakeView(stake).epoch_start(1) - staticcall IStakeView(stake).epoch_cutoff(1)
    EVIDENCE = evidence_seconds


# --- PERMISSIONLESS


@external
def contribute(
    epoch: uint256,
    aggregate: Bytes[256],
    words: DynArray[uint256, stake_cover.MAX_WORDS],
    hashes: DynArray[bytes32, stake_cover.MAX_CLOSED],
    keys: DynArray[bytes32[4], stake_cover.MAX_OPENED],
) -> uint256:
    """
    @notice Add seats to the coming epoch, between its cut-off and its start. Disjoint contributions add up in any order.
    @param epoch The coming epoch.
    @param aggregate Sum of the signatures over `message_of(epoch)` of all operators opened below, EIP-2537 G2.
    @param words Cover of the RELAYER tree of the epoch before, as in stake_cover.
    @param hashes Of its closed subtrees.
    @param keys Of its opened leaves, EIP-2537 G1 in four words.
    @return Bitmap of the seats added.
    """
    assert epoch == (block.timestamp - GENESIS) // EPOCH + 1, "beacon: not the coming epoch"
    assert block.timestamp + CUTOFF >= GENESIS + epoch * EPOCH, "beacon: cut-off not reached"
    prior: bytes32 = beacon_history._value_at(epoch - 1)
    key: Bytes[128] = b""
    key_hashes: DynArray[bytes32, stake_cover.MAX_OPENED] = []
    for part: bytes32[4] in keys:
        shown: Bytes[128] = concat(part[0], part[1], part[2], part[3])
        key_hashes.append(keccak256(shown))
        key = shown if len(key) == 0 else bls12_381._add(key, shown)

    root: bytes32 = empty(bytes32)
    total: uint256 = 0
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED] = []
    root, total, opened = stake_cover._fold(words, hashes, key_hashes)
    assert root == staticcall LEDGER.tree_root_at(C.RELAYER, epoch - 1), "beacon: not the frozen tree"
    assert len(opened) != 0, "beacon: nobody signs"
    added: uint256 = self._seats(opened, prior, total)
    bitmap: uint256 = beacon_history._bitmap_at(epoch)
    assert added & bitmap == 0, "beacon: seat is in already"
    message: bytes32 = self._message(epoch, prior)
    valid: bool = bls12_381._verify(key, message, bls12_381.DST_SIGNATURE, aggregate)
    assert valid, "beacon: wrong signature"

    sum: Bytes[256] = aggregate
    if bitmap != 0:
        sum = self._add_signatures(self._load_sum(), aggregate)
    bitmap |= added
    if bitmap != beacon_history.ALL_SEATS:
        self._store_sum(sum)
    value: bytes32 = beacon_history._put(epoch, prior, keccak256(sum), bitmap)
    log IRandomBeacon.Contributed(epoch=epoch, added=added, seats=bitmap, value=value)
    return added


@external
def convict_absent(
    epoch: uint256,
    stratum: uint256,
    operator_id: uint256,
    weight: uint256,
    key_hash: bytes32,
    tree_seat: uint256,
    siblings: bytes32[C.TREE_DEPTH],
    sums: uint128[C.TREE_DEPTH],
) -> bytes32:
    """
    @notice Show that a seat of an epoch that has begun contributed nothing; the caller is the reporter.
    @param epoch The epoch whose value the seat owed a signature to.
    @param stratum The seat, 0..31.
    @param operator_id Who held it.
    @param weight His RELAYER weight at the epoch before, wei.
    @param key_hash Of his key then.
    @param tree_seat His place in the RELAYER tree.
    @param siblings Path from his leaf upward.
    @param sums Weights of the siblings, wei.
    @return The offence id.
    """
    assert epoch != 0, "beacon: nobody owed epoch 0"
    assert block.timestamp >= GENESIS + epoch * EPOCH, "beacon: epoch has not begun"
    bitmap: uint256 = beacon_history._bitmap_at(epoch)
    assert stratum < beacon_history.SEATS, "beacon: no such seat"
    assert (bitmap >> stratum) & 1 == 0, "beacon: seat contributed"
    root: bytes32 = empty(bytes32)
    first: uint256 = 0
    total: uint256 = 0
    leaf: bytes32 = stake_path._leaf(operator_id, weight, key_hash)
    root, first, total = stake_path._fold(leaf, weight, tree_seat, siblings, sums)
    assert root == staticcall LEDGER.tree_root_at(C.RELAYER, epoch - 1), "beacon: not the frozen tree"
    seed: bytes32 = beacon_history._value_at(epoch - 1)
    point: uint256 = stake_path._point(seed, stratum, beacon_history.SEATS, total)
    assert first <= point and point < first + weight, "beacon: seat of another"

    return extcall self.court.convict(
        IAdjudicator.Finding(
            offence=C.BEACON_ABSENT,
            pool=operator_id << 8 | C.RELAYER,
            epoch=epoch - 1,
            subject=convert(epoch << 8 | stratum, bytes32),
            amount=0,
            victim=empty(address),
            loss=0,
        ),
        msg.sender,
    )


# --- ROLE-GATED: governance


@external
def wire_court(court: address):
    """
    @notice Name SlashingCourt, once and for ever.
    """
    governed._check_governance()
    assert self.court.address == empty(address), "beacon: wired already"
    assert court.is_contract, "beacon: not a contract"

    self.court = ISlashingCourt(court)
    log IRandomBeacon.CourtWired(court=court)


# --- VIEWS


@external
@view
@reentrant
def randomness(epoch: uint256) -> bytes32:
    """
    @return R_e, final from the start of the epoch on.
    """
    self._check_begun(epoch)
    return beacon_history._value_at(epoch)


@external
@view
@reentrant
def is_weak(epoch: uint256) -> bool:
    self._check_begun(epoch)
    bitmap: uint256 = beacon_history._bitmap_at(epoch)
    return beacon_history._count_seats(bitmap) < beacon_history.STRONG_SEATS


@external
@view
@reentrant
def seats_of(epoch: uint256) -> uint256:
    return beacon_history._bitmap_at(epoch)


@external
@view
@reentrant
def message_of(epoch: uint256) -> bytes32:
    assert epoch != 0, "beacon: nobody owed epoch 0"
    self._check_begun(epoch - 1)
    return self._message(epoch, beacon_history._value_at(epoch - 1))


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    assert offence == C.BEACON_ABSENT, "beacon: judges absence only"
    return EVIDENCE


# --- INTERNAL


@internal
@view
def _check_begun(epoch: uint256):
    assert block.timestamp >= GENESIS + epoch * EPOCH, "beacon: epoch has not begun"


@internal
@view
def _message(epoch: uint256, prior: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_BEACON, chain.id, self, epoch, prior))


@internal
@pure
def _seats(
    opened: DynArray[stake_cover.Opened, stake_cover.MAX_OPENED], seed: bytes32, total: uint256
) -> uint256:
    """@dev Both the opened leaves and the points of the strata ascend, so one pass finds who holds what."""
    bitmap: uint256 = 0
    stratum: uint256 = 0
    point: uint256 = stake_path._point(seed, 0, beacon_history.SEATS, total)
    for leaf: stake_cover.Opened in opened:
        held: uint256 = 0
        for _: uint256 in range(beacon_history.SEATS):
            if stratum == beacon_history.SEATS or point >= leaf.end:
                break
            if point >= leaf.first:
                held |= 1 << stratum
            stratum += 1
            if stratum < beacon_history.SEATS:
                point = stake_path._point(seed, stratum, beacon_history.SEATS, total)
        assert held != 0, "beacon: holds no seat"
        bitmap |= held
    return bitmap


@internal
@view
def _add_signatures(left: Bytes[256], right: Bytes[256]) -> Bytes[256]:
    success: bool = False
    response: Bytes[256] = b""
    success, response = raw_call(
        bls12_381.G2_ADD,
        concat(left, right),
        max_outsize=256,
        gas=bls12_381.G2_ADD_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success and len(response) == 256, "beacon: G2ADD failed"
    return response


@internal
@view
def _load_sum() -> Bytes[256]:
    s: bytes32[8] = self.partial_sum
    return concat(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])


@internal
def _store_sum(sum: Bytes[256]):
    self.partial_sum = abi_decode(sum, bytes32[8])
