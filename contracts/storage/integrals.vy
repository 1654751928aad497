# pragma version 0.4.3
"""
@title What a group costs and keeps, integrated over time
@license AGPL-3.0-only
@author Apogee
@notice Invariant: A is the integral of the rate and B that of the live bytes, both exact at every ending, so
        sum over files of bytes x A over their time = sum over seats of price x B over their paid time.
@dev Everything ends at the start of an epoch. An ending's slot holds the bytes that leave there until it is passed, and A
     at that moment from then on. Time in which nothing ends is crossed in one step; endings are passed one by one, at most
     STEPS of them by an ordinary call, any number of times MANY_STEPS by `advance`.
"""
from . import term_calendar
from . import term_clock

initializes: term_calendar
uses: term_clock

STEPS: constant(uint256) = 8  # endings an ordinary call passes
MANY_STEPS: constant(uint256) = 64  # endings `advance` passes

# --- layout of the two words, low bits first
MOVED_AT: constant(uint256) = 112
RATE_AT: constant(uint256) = 152
NEXT_AT: constant(uint256) = 224
BYTES_AT: constant(uint256) = 80
TAKEN_AT: constant(uint256) = 120
SEATS_AT: constant(uint256) = 160
SUMMARY_AT: constant(uint256) = 168
MASK_8: constant(uint256) = 2**8 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_72: constant(uint256) = 2**72 - 1
MASK_80: constant(uint256) = 2**80 - 1
MASK_112: constant(uint256) = 2**112 - 1


struct Flow:
    cost: uint256  # A, wei per 2^30 bytes
    moved: uint256  # seconds; all is exact at this time
    rate: uint256  # wei per 2^30 byte-seconds
    next_end: uint256  # earliest epoch in which a file leaves; 0 if none
    byte_seconds: uint256  # B
    bytes: uint256  # live in each seat
    taken: uint256  # ever placed in each seat
    seats: uint256
    summary: uint256  # of the calendar


curves: HashMap[uint256, uint256]  # group -> A 112 | moved 40 | rate 72 | next ending 32
stocks: HashMap[uint256, uint256]  # group -> B 80 | bytes 40 | taken 40 | seats 8 | summary 64
endings: HashMap[uint256, HashMap[uint256, uint256]]  # group -> epoch -> bytes, or A once passed
total_kept: public(uint256)  # live bytes of all seats of all groups


@internal
def _begin(group: uint256, rate: uint256, seats: uint256):
    flow: Flow = empty(Flow)
    flow.moved = block.timestamp
    flow.rate = rate
    flow.seats = seats
    self._store(group, flow)


@internal
def _catch_up(group: uint256) -> Flow:
    """
    @dev The flow at this moment. The caller stores it.
    """
    flow: Flow = self._advance(group, STEPS)
    assert not self._is_behind(flow), "integrals: advance first"
    return flow


@internal
def _advance(group: uint256, steps: uint256) -> Flow:
    flow: Flow = self._flow(group)
    for _: uint256 in range(steps, bound=MANY_STEPS):
        if not self._is_behind(flow):
            break
        epoch: uint256 = flow.next_end
        flow = self._run(flow, term_clock._start_of(epoch))
        leaving: uint256 = self.endings[group][epoch]
        self.endings[group][epoch] = flow.cost
        flow.bytes -= leaving
        self.total_kept -= leaving * flow.seats
        flow.summary = term_calendar._clear(group, flow.summary, epoch)
        flow.next_end = term_calendar._next(group, flow.summary, epoch)
    if self._is_behind(flow):
        return flow
    return self._run(flow, block.timestamp)


@internal
def _take(group: uint256, kept: uint256) -> uint256:
    """
    @dev Set bytes of each seat aside for a file; what is taken now.
    """
    stock: uint256 = self.stocks[group] + (kept << TAKEN_AT)
    self.stocks[group] = stock
    return (stock >> TAKEN_AT) & MASK_40


@internal
def _give_up(group: uint256, kept: uint256) -> uint256:
    """
    @dev Bytes that were set aside are free again; what is taken now.
    """
    stock: uint256 = self.stocks[group] - (kept << TAKEN_AT)
    self.stocks[group] = stock
    return (stock >> TAKEN_AT) & MASK_40


@internal
def _enter(group: uint256, flow: Flow, kept: uint256, leave_epoch: uint256) -> Flow:
    """
    @dev A file is live from now until it leaves.
    """
    more: Flow = self._plan(group, flow, kept, leave_epoch)
    more.bytes += kept
    self.total_kept += kept * flow.seats
    return more


@internal
def _exit(group: uint256, flow: Flow, kept: uint256, leave_epoch: uint256) -> Flow:
    """
    @dev A live file is live no more, before its time.
    """
    less: Flow = self._unplan(group, flow, kept, leave_epoch)
    less.bytes -= kept
    self.total_kept -= kept * flow.seats
    return less


@internal
def _shift(group: uint256, flow: Flow, kept: uint256, leave_epoch: uint256, new_epoch: uint256) -> Flow:
    return self._plan(group, self._unplan(group, flow, kept, leave_epoch), kept, new_epoch)


@internal
def _plan(group: uint256, flow: Flow, kept: uint256, leave_epoch: uint256) -> Flow:
    planned: Flow = flow
    bytes_there: uint256 = self.endings[group][leave_epoch]
    self.endings[group][leave_epoch] = bytes_there + kept
    if bytes_there == 0:
        planned.summary = term_calendar._mark(group, flow.summary, leave_epoch)
    if flow.next_end == 0 or leave_epoch < flow.next_end:
        planned.next_end = leave_epoch
    return planned


@internal
def _unplan(group: uint256, flow: Flow, kept: uint256, leave_epoch: uint256) -> Flow:
    planned: Flow = flow
    bytes_there: uint256 = self.endings[group][leave_epoch] - kept
    self.endings[group][leave_epoch] = bytes_there
    if bytes_there == 0:
        planned.summary = term_calendar._clear(group, flow.summary, leave_epoch)
        if leave_epoch == flow.next_end:
            planned.next_end = term_calendar._next(group, planned.summary, leave_epoch)
    return planned


@internal
@view
def _cost_at(group: uint256, leave_epoch: uint256) -> uint256:
    """
    @dev A at an ending that was passed.
    """
    return self.endings[group][leave_epoch]


@internal
@view
def _is_behind(flow: Flow) -> bool:
    return flow.next_end != 0 and term_clock._start_of(flow.next_end) <= block.timestamp


@internal
@pure
def _run(flow: Flow, time: uint256) -> Flow:
    """
    @dev Nothing ends and no rate changes on the way.
    """
    later: Flow = flow
    seconds: uint256 = time - flow.moved
    later.cost += flow.rate * seconds
    later.byte_seconds += flow.bytes * seconds
    later.moved = time
    return later


@internal
@view
def _flow(group: uint256) -> Flow:
    curve: uint256 = self.curves[group]
    stock: uint256 = self.stocks[group]
    return Flow(
        cost=curve & MASK_112,
        moved=(curve >> MOVED_AT) & MASK_40,
        rate=(curve >> RATE_AT) & MASK_72,
        next_end=curve >> NEXT_AT,
        byte_seconds=stock & MASK_80,
        bytes=(stock >> BYTES_AT) & MASK_40,
        taken=(stock >> TAKEN_AT) & MASK_40,
        seats=(stock >> SEATS_AT) & MASK_8,
        summary=stock >> SUMMARY_AT,
    )


@internal
def _store(group: uint256, flow: Flow):
    """
    @dev Every field fits: rates are below 2^72, bytes of a seat below 2^37, times below 2^40.
    """
    self.curves[group] = (
        flow.cost | (flow.moved << MOVED_AT) | (flow.rate << RATE_AT) | (flow.next_end << NEXT_AT)
    )
    self.stocks[group] = (
        flow.byte_seconds
        | (flow.bytes << BYTES_AT)
        | (flow.taken << TAKEN_AT)
        | (flow.seats << SEATS_AT)
        | (flow.summary << SUMMARY_AT)
    )
