# pragma version 0.4.3
"""
@title Terms, health and escrow of groups
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a group is listed while it is not shut and has room, and pays out no more than was paid into it.
@dev One word: escrow 104 | max rate 72 | short since 40 | paid seats 8 | profile 8 | longest term 16 | shut 1.
     A group that a sixteenth of its capacity is left of leaves the list, so that the last gaps hold nobody up.
"""
from ..interfaces import IStorageMarket
from . import profiles

CAPACITY: constant(uint256) = 2**36  # kept bytes of a seat: 64 GiB
ROOM: constant(uint256) = CAPACITY * 15 // 16  # listed up to this
MAX_TERM: constant(uint256) = 10_950  # epochs; 5 years of 4 hours

# --- layout of a word, low bits first
MAX_RATE_AT: constant(uint256) = 104
SHORT_AT: constant(uint256) = 176
PAID_AT: constant(uint256) = 216
PROFILE_AT: constant(uint256) = 224
LONGEST_AT: constant(uint256) = 232
SHUT_AT: constant(uint256) = 248
MASK_8: constant(uint256) = 2**8 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_40: constant(uint256) = 2**40 - 1
MASK_72: constant(uint256) = 2**72 - 1
MASK_104: constant(uint256) = 2**104 - 1


struct Terms:
    escrow: uint256  # wei
    max_rate: uint256
    short_since: uint256  # 0: at least k seats are paid
    paid_seats: uint256
    profile: uint256
    longest_epochs: uint256  # 0: the group never opened
    is_shut: bool


words: HashMap[uint256, uint256]  # by group
listed: HashMap[uint256, HashMap[uint256, uint256]]  # profile -> index -> group
listed_count: public(HashMap[uint256, uint256])  # profile -> groups that files may be placed in
positions: HashMap[uint256, uint256]  # group -> index + 1, 0 while it is not listed


@external
@view
def listed_group(profile: uint256, index: uint256) -> uint256:
    """
    @notice One of the groups that files may be placed in; the order changes.
    """
    assert index < self.listed_count[profile], "group_terms: no such index"
    return self.listed[profile][index]


@internal
def _open(group: uint256, profile: uint256, longest_epochs: uint256, max_rate: uint256):
    profiles._check(profile)
    assert self.words[group] == 0, "group_terms: open already"
    assert max_rate <= MASK_72, "group_terms: rate too high"
    assert longest_epochs != 0, "group_terms: no term"

    self._store(
        group,
        Terms(
            escrow=0,
            max_rate=max_rate,
            short_since=0,
            paid_seats=profiles.SEATS[profile],
            profile=profile,
            longest_epochs=min(longest_epochs, MAX_TERM),
            is_shut=False,
        ),
    )
    self._list(group, profile)


@internal
def _shut(group: uint256):
    terms: Terms = self._opened(group)
    terms.is_shut = True
    self._store(group, terms)
    if self.positions[group] != 0:
        self._unlist(group, terms.profile)


@internal
def _relist(group: uint256, taken: uint256, more: uint256, less: uint256):
    """
    @dev Bytes of a seat are taken, or given up, and paid for; list the group while it has room.
    """
    terms: Terms = self._move(group, more, less)
    is_wanted: bool = not terms.is_shut and taken <= ROOM
    if is_wanted == (self.positions[group] != 0):
        return
    if is_wanted:
        self._list(group, terms.profile)
    else:
        self._unlist(group, terms.profile)


@internal
def _list(group: uint256, profile: uint256):
    count: uint256 = self.listed_count[profile]
    self.listed[profile][count] = group
    self.listed_count[profile] = count + 1
    self.positions[group] = count + 1
    log IStorageMarket.GroupListed(group=group, profile=profile, is_listed=True)


@internal
def _unlist(group: uint256, profile: uint256):
    """
    @dev The last one takes its place.
    """
    last: uint256 = self.listed_count[profile] - 1
    position: uint256 = self.positions[group]
    moved: uint256 = self.listed[profile][last]
    self.listed[profile][position - 1] = moved
    self.positions[moved] = position
    self.positions[group] = 0
    self.listed_count[profile] = last
    log IStorageMarket.GroupListed(group=group, profile=profile, is_listed=False)


@internal
def _move(group: uint256, more: uint256, less: uint256) -> Terms:
    """
    @dev Money into and out of the escrow; all that there is fits into 104 bits.
    """
    terms: Terms = self._terms(group)
    terms.escrow = terms.escrow + more - less
    self._store(group, terms)
    return terms


@internal
def _count_seats(terms: Terms, had_pay: bool, has_pay: bool) -> Terms:
    """
    @dev A seat's pay has changed; since when too few are paid follows.
    """
    changed: Terms = terms
    if had_pay and not has_pay:
        changed.paid_seats -= 1
    elif has_pay and not had_pay:
        changed.paid_seats += 1
    if changed.paid_seats >= profiles.ENOUGH[terms.profile]:
        changed.short_since = 0
    elif changed.short_since == 0:
        changed.short_since = block.timestamp
    return changed


@internal
@view
def _opened(group: uint256) -> Terms:
    terms: Terms = self._terms(group)
    assert terms.longest_epochs != 0, "group_terms: not open"
    return terms


@internal
@view
def _terms(group: uint256) -> Terms:
    word: uint256 = self.words[group]
    return Terms(
        escrow=word & MASK_104,
        max_rate=(word >> MAX_RATE_AT) & MASK_72,
        short_since=(word >> SHORT_AT) & MASK_40,
        paid_seats=(word >> PAID_AT) & MASK_8,
        profile=(word >> PROFILE_AT) & MASK_8,
        longest_epochs=(word >> LONGEST_AT) & MASK_16,
        is_shut=(word >> SHUT_AT) == 1,
    )


@internal
def _store(group: uint256, terms: Terms):
    self.words[group] = (
        terms.escrow
        | (terms.max_rate << MAX_RATE_AT)
        | (terms.short_since << SHORT_AT)
        | (terms.paid_seats << PAID_AT)
        | (terms.profile << PROFILE_AT)
        | (terms.longest_epochs << LONGEST_AT)
        | (convert(terms.is_shut, uint256) << SHUT_AT)
    )
