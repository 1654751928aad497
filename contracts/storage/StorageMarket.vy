# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who keeps a file, until when, and for how much
@license AGPL-3.0-only
@author Apogee
@notice A file is paid by its submission, placed in a group that nobody chose, stored once enough seats of the group
        have signed for it, and costs from then on exactly what the seats that are paid earn by it, until it leaves.
@custom:kill There is nothing to stop: money comes in with submissions only, and what is held finds its owner by functions
             that anybody may call.
@custom:security Seats tell their prices and StorageProofs, wired once, voids files. A deposit covers the highest
                 price that the group may ever have, so no change of seats makes a file cost more than was held for it.
"""
from ..interfaces import IStorageLog
from ..interfaces import IStorageMarket
from ..interfaces import IStorageSeats
from ..shared import typed_data
from . import byte_numbers
from . import credits
from . import file_records
from . import group_terms
from . import integrals
from . import market_views
from . import placement
from . import profiles
from . import renewal
from . import seat_pay
from . import settlement
from . import term_clock

implements: IStorageMarket
initializes: byte_numbers
initializes: credits
initializes: file_records
initializes: group_terms
initializes: term_clock
initializes: integrals[term_clock := term_clock]
initializes: seat_pay
initializes: placement[group_terms := group_terms, integrals := integrals, term_clock := term_clock]
initializes: settlement[
    credits := credits,
    file_records := file_records,
    group_terms := group_terms,
    integrals := integrals,
    seat_pay := seat_pay,
    term_clock := term_clock,
]
initializes: renewal[
    file_records := file_records,
    group_terms := group_terms,
    integrals := integrals,
    term_clock := term_clock,
]
initializes: market_views[
    byte_numbers := byte_numbers,
    file_records := file_records,
    group_terms := group_terms,
    integrals := integrals,
    term_clock := term_clock,
]
exports: (
    credits.withdraw,
    credits.credit_of,
    group_terms.listed_count,
    group_terms.listed_group,
    integrals.total_kept,
    term_clock.windows,
    placement.BEACON,
    settlement.STAKE,
    renewal.renew,
    market_views.file,
    market_views.is_live,
    market_views.duty,
    market_views.owed_at,
    market_views.group,
    market_views.bytes_at,
    market_views.quote,
    market_views.kept_bytes,
)

NAME: constant(bytes32) = keccak256("Apogee Storage")
VERSION: constant(bytes32) = keccak256("1")
HELD_TYPE: constant(bytes32) = keccak256("Held(bytes32 id,bytes32 root,uint64 group,uint64 expiry)")

LOG: public(immutable(address))
SEATS: public(immutable(address))
GOVERNANCE: public(immutable(address))

proofs: public(address)  # zero until wired


@deploy
def __init__(
    storage_log: address,
    seats: address,
    stake: address,
    beacon: address,
    governance: address,
    windows: IStorageMarket.Windows,
):
    """
    @param storage_log StorageLog: whose submissions are opened.
    @param seats StorageSeats: who keeps files, and what that is paid.
    @param stake StakeManager: the clock, and whom an operator's pay belongs to.
    @param beacon RandomBeacon: R_e.
    @param governance Wires the proofs; nothing else.
    @param windows Of every file.
    """
    assert storage_log.is_contract and seats.is_contract, "storage_market: no contract"

    settlement.__init__(stake)
    placement.__init__(beacon)
    term_clock.__init__(stake, windows)
    LOG = storage_log
    SEATS = seats
    GOVERNANCE = governance


# --- STORAGE LOG


@external
@payable
def open(id: bytes32, submission: IStorageLog.Submission, payer: address) -> uint256:
    """
    @notice Hold what a submission may cost; the log has judged who submits and the file's shape.
    @param payer Gets back what was sent above `max_cost`.
    @return Wei held.
    """
    assert msg.sender == LOG, "storage_market: not the log"
    profile: uint256 = convert(submission.profile, uint256)
    profiles._check(profile)
    term: uint256 = convert(submission.term_epochs, uint256)
    assert term != 0 and term <= group_terms.MAX_TERM, "storage_market: wrong term"
    deposit: uint256 = convert(submission.max_cost, uint256)
    assert deposit != 0 and msg.value >= deposit, "storage_market: too little paid"

    entry: file_records.Entry = empty(file_records.Entry)
    entry.state = IStorageMarket.FileState.SUBMITTED
    entry.deposit = deposit
    entry.submitted_block = block.number
    entry.submitted_at = block.timestamp
    entry.end_epoch = term_clock._epoch_of(block.timestamp) + 1 + term
    file_records._create(
        id,
        submission.root,
        file_records.Shape(
            owner=submission.owner,
            length=convert(submission.length, uint256),
            segments=convert(submission.segments, uint256),
            profile=profile,
        ),
        entry,
    )

    credits._send(payer, msg.value - deposit)
    return deposit


# --- STORAGE SEATS


@external
def open_group(group: uint256, profile: uint256, longest_epochs: uint256, max_rate: uint256, rate: uint256):
    """
    @notice From now on files may be placed in the group, and its seats are paid.
    @param longest_epochs No term in it may end later than this from any moment.
    @param max_rate What the sum of its prices never exceeds.
    @param rate Sum of the prices of its seats.
    """
    self._check_seats()
    assert rate <= max_rate, "storage_market: rate above maximum"

    group_terms._open(group, profile, longest_epochs, max_rate)
    integrals._begin(group, rate, profiles.SEATS[profile])


@external
def seat_changed(group: uint256, seat: uint256, operator_id: uint256, before: uint256, after: uint256):
    """
    @notice A seat's pay changes now; what it has earned is credited.
    @param operator_id Who has earned `before` until now.
    @param before Price, 0 when it was not paid.
    @param after Price, 0 when it is not paid.
    """
    self._check_seats()
    terms: group_terms.Terms = group_terms._opened(group)
    flow: integrals.Flow = integrals._catch_up(group)

    flow.rate = flow.rate + after - before
    assert flow.rate <= terms.max_rate, "storage_market: rate above maximum"
    integrals._store(group, flow)
    group_terms._store(group, group_terms._count_seats(terms, before != 0, after != 0))
    settlement._pay_seat(group, seat, operator_id, before, flow.byte_seconds)


@external
def shut_group(group: uint256):
    """
    @notice No file is placed in the group any more.
    """
    self._check_seats()

    group_terms._shut(group)


# --- STORAGE PROOFS


@external
def void(id: bytes32):
    """
    @notice A segment of the file is no codeword: nobody owes it any more.
    """
    assert msg.sender == self.proofs, "storage_market: not the proofs"
    settlement._finish(id, file_records._stored(id), IStorageMarket.FileState.VOID)


# --- PERMISSIONLESS


@external
def place(id: bytes32) -> uint256:
    """
    @notice Put a submitted file into the group that the beacon and the block after its submission name; the next one with
            room for it, if that has none. What the group cannot cost is the owner's again.
    @return The group.
    """
    entry: file_records.Entry = file_records._submitted(id)
    assert block.timestamp <= entry.submitted_at + term_clock.WINDOWS.confirm, "storage_market: too late"
    shape: file_records.Shape = file_records._shape(id)
    entry.bytes = profiles._kept_bytes(shape.length, shape.profile)

    deposit: uint256 = 0
    entry.group, deposit = placement._find(entry, shape.profile, placement._seed(id, entry))
    group_terms._relist(entry.group, integrals._take(entry.group, entry.bytes), deposit, 0)

    credits._credit(shape.owner, entry.deposit - deposit)
    entry.deposit = deposit
    entry.state = IStorageMarket.FileState.PLACED
    file_records._save_open(id, entry)
    file_records._save_placed(id, entry, shape)
    log IStorageMarket.FilePlaced(id=id, group=entry.group, owner=shape.owner, deposit=deposit)
    return entry.group


@external
def confirm(id: bytes32, absent: uint256, signature: Bytes[256], absent_keys: Bytes[1_536]):
    """
    @notice Show that enough seats of the group have signed for the file. From now on all of them owe it and are paid.
    @param absent Bit s: seat s has not signed.
    @param signature Sum of the others' signatures over `held_digest`, EIP-2537 G2.
    @param absent_keys As StorageSeats.check_quorum reads them.
    """
    entry: file_records.Entry = file_records._placed(id)
    assert block.timestamp <= entry.submitted_at + term_clock.WINDOWS.confirm, "storage_market: too late"
    assert absent < 2**48, "storage_market: no such seat"
    profile: uint256 = 0
    segments: uint256 = 0
    profile, segments = file_records._awaited(id)
    digest: bytes32 = self._held_digest(id, entry)
    signed: uint256 = staticcall IStorageSeats(SEATS).check_quorum(
        entry.group, absent, digest, signature, profiles.RECEIPTS[profile], absent_keys
    )

    flow: integrals.Flow = integrals._catch_up(entry.group)
    entry.state = IStorageMarket.FileState.STORED
    entry.started = block.timestamp
    entry.leave_epoch = entry.end_epoch + term_clock.GRACE_EPOCHS
    entry.cost_before = flow.cost
    entry.absent = absent
    entry.first_byte = byte_numbers._number(
        entry.group, entry.bytes, segments, term_clock._epoch_of(block.timestamp)
    )
    integrals._store(entry.group, integrals._enter(entry.group, flow, entry.bytes, entry.leave_epoch))
    file_records._save_stored(id, entry)
    file_records._save_place(id, entry)
    log IStorageMarket.FileStored(
        id=id,
        group=entry.group,
        absent=absent,
        first_byte=entry.first_byte,
        end=term_clock._start_of(entry.end_epoch),
        leaves=term_clock._start_of(entry.leave_epoch),
        signed=signed,
    )


@external
def refund(id: bytes32):
    """
    @notice Give back the deposit of a file that was not stored in time.
    """
    entry: file_records.Entry = file_records._entry(id)
    is_placed: bool = entry.state == IStorageMarket.FileState.PLACED
    assert is_placed or entry.state == IStorageMarket.FileState.SUBMITTED, "file_records: not waiting"
    assert block.timestamp > entry.submitted_at + term_clock.WINDOWS.confirm, "storage_market: too early"

    amount: uint256 = entry.deposit
    if is_placed:
        group_terms._relist(entry.group, integrals._give_up(entry.group, entry.bytes), 0, amount)
    entry.deposit = 0
    entry.state = IStorageMarket.FileState.REFUNDED
    file_records._save_stored(id, entry)
    owner: address = file_records._shape(id).owner
    credits._credit(owner, amount)
    log IStorageMarket.FileRefunded(id=id, owner=owner, amount=amount)


@external
def close(id: bytes32):
    """
    @notice Settle a file that has left its group: what it did not cost is the owner's again.
    """
    entry: file_records.Entry = file_records._stored(id)
    assert block.timestamp >= term_clock._start_of(entry.leave_epoch), "storage_market: too early"
    settlement._finish(id, entry, IStorageMarket.FileState.CLOSED)


@external
def declare_lost(id: bytes32):
    """
    @notice Settle a file whose group has had too few paid seats to rebuild it for the time of a repair.
    """
    entry: file_records.Entry = file_records._stored(id)
    short_since: uint256 = group_terms._terms(entry.group).short_since
    assert short_since != 0, "storage_market: enough seats"
    assert block.timestamp >= short_since + term_clock.WINDOWS.repair, "storage_market: too early"
    settlement._finish(id, entry, IStorageMarket.FileState.LOST)


@external
def collect(group: uint256, seat: uint256) -> uint256:
    """
    @notice Credit the owner of a seat's operator with what it has earned.
    @return Wei; earnings below one wait.
    """
    operator_id: uint256 = 0
    price: uint256 = 0
    operator_id, price = staticcall IStorageSeats(SEATS).paid_price(group, seat)
    assert price != 0, "storage_market: not paid"
    flow: integrals.Flow = integrals._catch_up(group)

    integrals._store(group, flow)
    return settlement._pay_seat(group, seat, operator_id, price, flow.byte_seconds)


@external
def advance(group: uint256):
    """
    @notice Pass up to 64 endings of a group. Other functions pass 8 and ask for this when more wait.
    """
    group_terms._opened(group)
    integrals._store(group, integrals._advance(group, integrals.MANY_STEPS))


# --- OWNER


@external
def release(id: bytes32):
    """
    @notice Let a file leave its group at the next epoch, whatever was paid for it.
    """
    entry: file_records.Entry = file_records._stored(id)
    assert msg.sender == file_records._shape(id).owner, "storage_market: not the owner"
    leave_epoch: uint256 = term_clock._epoch_of(block.timestamp) + 1
    assert leave_epoch < entry.leave_epoch, "storage_market: leaves already"

    flow: integrals.Flow = integrals._catch_up(entry.group)
    flow = integrals._shift(entry.group, flow, entry.bytes, entry.leave_epoch, leave_epoch)
    integrals._store(entry.group, flow)
    entry.leave_epoch = leave_epoch
    entry.end_epoch = min(entry.end_epoch, leave_epoch)
    file_records._save_place(id, entry)
    log IStorageMarket.FileReleased(id=id, leaves=term_clock._start_of(leave_epoch))


# --- GOVERNANCE


@external
def wire(proofs: address):
    """
    @notice Name the contract of the proofs; once.
    """
    assert msg.sender == GOVERNANCE, "storage_market: not governance"
    assert self.proofs == empty(address), "storage_market: wired already"
    assert proofs.is_contract, "storage_market: no contract"

    self.proofs = proofs
    log IStorageMarket.Wired(proofs=proofs)


# --- VIEWS


@external
@view
def held_digest(id: bytes32) -> bytes32:
    """
    @notice What the seats of a placed file's group sign.
    """
    return self._held_digest(id, file_records._placed(id))


# --- INTERNAL


@internal
@view
def _check_seats():
    assert msg.sender == SEATS, "storage_market: not the seats"


@internal
@view
def _held_digest(id: bytes32, entry: file_records.Entry) -> bytes32:
    domain: bytes32 = typed_data._domain(NAME, VERSION, self)
    expiry: uint256 = term_clock._start_of(entry.end_epoch)
    return typed_data._digest(
        domain, keccak256(abi_encode(HELD_TYPE, id, file_records.roots[id], entry.group, expiry))
    )
