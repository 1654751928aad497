# pragma version 0.4.3
"""
@title Money that asked to leave
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the shares of a bucket are those of its tickets and blocks, and its assets are what they are owed.
@dev A bucket is (pool, day, kind): kind 0 is the operator's own stake, kind 1 the delegators'. Its day is that of the
     last epoch that still counted the money. Slashed to 0, or to a price under 2**-20, it closes its generation, so
     nothing divides by zero and later exits of that day start at price 1; a closed remainder is only paid out.
     A block holds the bucket shares of a whole generation of pool shares, for its holders to turn into tickets.
"""
from ..interfaces import IStakeManager
from ..shared import constants as C

LOW_32: constant(uint256) = 2**32 - 1
LOW_40: constant(uint256) = 2**40 - 1
LOW_64: constant(uint256) = 2**64 - 1
LOW_112: constant(uint256) = 2**112 - 1
CLOSING_SHIFT: constant(uint256) = 20  # a price under 2**-20 closes a generation

parts: HashMap[uint256, uint256]  # pool << 64 | day << 8 | kind -> generation 32 | assets 112 | shares 112
closed_parts: HashMap[uint256, HashMap[uint256, uint256]]  # the same key -> generation -> assets 112 | shares 112
live: HashMap[uint256, uint256]  # pool -> newest day 32 | bit n: day newest - n may hold money
ticket_count: uint256
owners: HashMap[uint256, address]  # ticket -> owner
tickets: HashMap[uint256, uint256]  # ticket -> kind 1 | generation 31 | shares 112 | day 32 | pool 40 | then 40
blocks: HashMap[uint256, HashMap[uint256, uint256]]  # pool -> pool generation -> pool shares 128 | bucket shares 128
block_places: HashMap[uint256, HashMap[uint256, uint256]]  # -> day 32 | bucket generation 32


@internal
def _enter(pool: uint256, day: uint256, kind: uint256, assets: uint256) -> (uint256, uint256):
    """
    @return Shares minted, rounded down, and the bucket generation they belong to.
    """
    key: uint256 = self._key(pool, day, kind)
    part: uint256 = self.parts[key]
    held: uint256 = (part >> 112) & LOW_112
    shares: uint256 = part & LOW_112
    minted: uint256 = assets
    if shares > 0:
        minted = assets * shares // held
    self.parts[key] = self._part(part >> 224, held + assets, shares + minted)
    self._mark(pool, day)
    return minted, part >> 224


@internal
def _mark(pool: uint256, day: uint256):
    word: uint256 = self.live[pool]
    newest: uint256 = word >> 224
    days: uint256 = word & LOW_64
    if day > newest:
        days = (days << (day - newest)) & LOW_64 if day - newest < C.MAX_LIVE_DAYS else 0
    self.live[pool] = day << 224 | days | 1


@internal
def _open_ticket(
    owner: address, pool: uint256, day: uint256, kind: uint256, shares: uint256, generation: uint256, then: uint256
) -> uint256:
    ticket: uint256 = self.ticket_count + 1
    self.ticket_count = ticket
    self.owners[ticket] = owner
    self.tickets[ticket] = (
        kind << 255 | generation << 224 | shares << 112 | day << 80 | pool << 40 | then
    )
    return ticket


@internal
def _take(ticket_id: uint256, ticket: IStakeManager.Ticket, limit: uint256) -> uint256:
    """
    @dev Pay a ticket up to `limit` wei. Payout rounds down, burnt shares round up, the last holder gets the remainder.
    """
    key: uint256 = self._key(ticket.pool, ticket.day, ticket.kind)
    part: uint256 = self.parts[key]
    is_open: bool = part >> 224 == ticket.generation
    if not is_open:
        part = self.closed_parts[key][ticket.generation]
    assets: uint256 = (part >> 112) & LOW_112
    shares: uint256 = part & LOW_112
    burnt: uint256 = ticket.shares
    paid: uint256 = assets * burnt // shares if shares > 0 else 0
    if paid > limit:
        assert limit > 0, "exit_buckets: reserved"
        paid = limit
        burnt = (paid * shares + assets - 1) // assets

    if shares > 0:
        part = self._part(part >> 224, assets - paid, shares - burnt)
        if is_open:
            self.parts[key] = part
        else:
            self.closed_parts[key][ticket.generation] = part
    if burnt == ticket.shares:
        self.owners[ticket_id] = empty(address)
        self.tickets[ticket_id] = 0
    else:
        self.tickets[ticket_id] -= burnt << 112
    return paid


@internal
def _cut(pool: uint256, first_day: uint256, due: uint256[2], held: uint256[2]) -> (uint256[2], uint256[2]):
    """
    @dev Take a slash from the buckets of `first_day` and later, in proportion to what each holds of `held` (all that is
         exposed, active tranches included). What is still due and still held afterwards concerns the active tranches.
    """
    rest: uint256[2] = due
    left: uint256[2] = held
    word: uint256 = self.live[pool]
    for back: uint256 in range(C.MAX_LIVE_DAYS):
        if (word & LOW_64) >> back == 0 or first_day + back > word >> 224:
            break
        if (word >> back) & 1 == 0:
            continue
        for kind: uint256 in range(2):
            key: uint256 = self._key(pool, (word >> 224) - back, kind)
            part: uint256 = self.parts[key]
            assets: uint256 = (part >> 112) & LOW_112
            if assets == 0 or rest[kind] == 0:
                continue
            taken: uint256 = rest[kind] * assets // left[kind]
            left[kind] -= assets
            rest[kind] -= taken
            self._store_cut(key, part >> 224, assets - taken, part & LOW_112)
    return rest, left


@internal
def _store_cut(key: uint256, generation: uint256, assets: uint256, shares: uint256):
    if assets > 0 and assets >= shares >> CLOSING_SHIFT:
        self.parts[key] = self._part(generation, assets, shares)
        return
    self.closed_parts[key][generation] = self._part(0, assets, shares)
    self.parts[key] = self._part(generation + 1, 0, 0)


@internal
def _block(pool: uint256, generation: uint256, day: uint256, assets: uint256, pool_shares: uint256):
    """
    @dev Move all of a generation's money to a bucket at once; no loop over its holders.
    """
    minted: uint256 = 0
    bucket_generation: uint256 = 0
    minted, bucket_generation = self._enter(pool, day, 1, assets)
    self.blocks[pool][generation] = pool_shares << 128 | minted
    self.block_places[pool][generation] = day << 32 | bucket_generation


@internal
def _unblock(pool: uint256, generation: uint256, shares: uint256) -> (uint256, uint256, uint256):
    """
    @return Bucket shares for `shares` of a closed generation, their day and generation; the last holder gets all.
    """
    word: uint256 = self.blocks[pool][generation]
    minted: uint256 = 0
    if word > 0:
        minted = (word & (2**128 - 1)) * shares // (word >> 128)
        self.blocks[pool][generation] = word - (shares << 128 | minted)
    place: uint256 = self.block_places[pool][generation]
    return minted, place >> 32, place & LOW_32


@internal
@view
def _held(pool: uint256, first_day: uint256) -> uint256[2]:
    """
    @dev Wei in the buckets of `first_day` and later, own and delegated.
    """
    held: uint256[2] = empty(uint256[2])
    word: uint256 = self.live[pool]
    for back: uint256 in range(C.MAX_LIVE_DAYS):
        if (word & LOW_64) >> back == 0 or first_day + back > word >> 224:
            break
        if (word >> back) & 1 == 1:
            for kind: uint256 in range(2):
                held[kind] += (self.parts[self._key(pool, (word >> 224) - back, kind)] >> 112) & LOW_112
    return held


@internal
@view
def _ticket(ticket_id: uint256) -> IStakeManager.Ticket:
    word: uint256 = self.tickets[ticket_id]
    return IStakeManager.Ticket(
        owner=self.owners[ticket_id],
        pool=(word >> 40) & LOW_40,
        kind=word >> 255,
        day=(word >> 80) & LOW_32,
        generation=(word >> 224) & (2**31 - 1),
        shares=(word >> 112) & LOW_112,
        then=word & LOW_40,
    )


@internal
@pure
def _part(generation: uint256, assets: uint256, shares: uint256) -> uint256:
    assert assets <= LOW_112 and shares <= LOW_112, "exit_buckets: amount too large"
    return generation << 224 | assets << 112 | shares


@internal
@pure
def _key(pool: uint256, day: uint256, kind: uint256) -> uint256:
    return pool << 64 | day << 8 | kind
