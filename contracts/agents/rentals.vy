# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Agents for a time
@license AGPL-3.0-only
@author Apogee
@notice Invariant: rent earned and refunded is the rent that was held, lease by lease.
@dev A token that moved once since is known to have moved at `since`; one that moved more often is taken to have moved when
     its owner last collected, so that a renter never pays for a time in which he may have had no right.
"""
from ..interfaces import IAgentLeases
from ..interfaces import IAgentNFT
from . import collection
from . import credits

uses: credits
uses: collection

offers: HashMap[uint256, HashMap[uint256, IAgentLeases.RentTerms]]  # token, epoch
leases: HashMap[uint256, IAgentLeases.Lease]
lease_count: reentrant(public(uint256))
running: HashMap[uint256, HashMap[uint256, HashMap[address, uint256]]]  # token, epoch, renter: his lease


@external
@view
@reentrant
def rent_of(token: uint256) -> IAgentLeases.RentTerms:
    """
    @notice What an agent costs a second; all zero: it is not for rent now.
    """
    terms: IAgentLeases.RentTerms = self.offers[token][collection._epoch(token)]
    return terms if block.timestamp < convert(terms.expiry, uint256) else empty(IAgentLeases.RentTerms)


@external
@view
@reentrant
def lease(lease: uint256) -> IAgentLeases.Lease:
    """
    @notice A lease; `until` zero: it has ended.
    """
    return self.leases[lease]


@external
def set_rent(token: uint256, terms: IAgentLeases.RentTerms):
    """
    @notice Offer an own agent by the second while the caller owns it; leases that run are not touched.
    """
    collection._check_owner(token)
    assert terms.shortest <= terms.longest, "leases: shortest > longest"
    epoch: uint256 = collection._epoch(token)

    self.offers[token][epoch] = terms
    log IAgentLeases.RentSet(token=token, epoch=epoch, terms=terms)


@external
@payable
def rent(token: uint256, seconds: uint256, terms: IAgentLeases.RentTerms) -> uint256:
    """
    @notice Rent an agent from now on, out of the value sent and then of the caller's credit.
    @param terms As they were shown to the caller: an owner changes nothing of them on the way.
    @return The lease's id.
    """
    collection._check_free(token)
    epoch: uint256 = collection._epoch(token)
    offered: IAgentLeases.RentTerms = self.offers[token][epoch]
    is_offered: bool = offered.shortest != 0 and block.timestamp < convert(offered.expiry, uint256)
    assert is_offered, "leases: not for rent"
    is_same: bool = keccak256(abi_encode(terms)) == keccak256(abi_encode(offered))
    assert is_same, "leases: terms changed"
    price: uint256 = convert(terms.price, uint256)
    shortest: uint256 = convert(terms.shortest, uint256)
    assert seconds >= shortest and seconds <= convert(terms.longest, uint256), "leases: too short or long"
    former: uint256 = self.running[token][epoch][msg.sender]
    assert block.timestamp >= self.leases[former].until, "leases: runs already"

    credits._pay(msg.sender, terms.currency, seconds * price)
    self.lease_count += 1
    id: uint256 = self.lease_count
    until: uint256 = block.timestamp + seconds
    self.running[token][epoch][msg.sender] = id
    self.leases[id] = IAgentLeases.Lease(
        token=token,
        epoch=epoch,
        owner=staticcall IAgentNFT(collection.NFT).ownerOf(token),
        renter=msg.sender,
        currency=terms.currency,
        price=price,
        least=block.timestamp + shortest,
        earned_until=block.timestamp,
        until=until,
    )
    log IAgentLeases.Rented(lease=id, token=token, renter=msg.sender, until=until, held=seconds * price)
    extcall IAgentNFT(collection.NFT).authorizeUsageUntil(token, msg.sender, until)
    return id


@external
def collect(lease: uint256):
    """
    @notice Credit the owner with what a lease has earned; where the token has moved or the time is over, end it and credit
            the renter with the rest.
    """
    entry: IAgentLeases.Lease = self.leases[lease]
    assert entry.until != 0, "leases: no such lease"
    moved_at: uint256 = self._moved_at(entry)
    end: uint256 = min(entry.until, moved_at)
    self._earn(lease, entry, min(block.timestamp, end))
    if block.timestamp >= end:
        self._end(lease, end)


@external
def end_lease(lease: uint256):
    """
    @notice Give an agent back before the time is over, locked or not; the shortest time is paid in any case.
    """
    entry: IAgentLeases.Lease = self.leases[lease]
    assert entry.renter == msg.sender, "leases: not the renter"
    assert block.timestamp < min(entry.until, self._moved_at(entry)), "leases: over already"

    paid: uint256 = max(block.timestamp, entry.least)
    self._earn(lease, entry, paid)
    self._end(lease, paid)
    extcall IAgentNFT(collection.NFT).authorizeUsageUntil(entry.token, entry.renter, block.timestamp)


@internal
@view
def _moved_at(entry: IAgentLeases.Lease) -> uint256:
    """
    @dev When the owner of the lease's epoch lost the token, at the latest; far off: he owns it still.
    """
    epoch: uint256 = 0
    since: uint256 = 0
    epoch, since = staticcall IAgentNFT(collection.NFT).epoch_of(entry.token)
    if epoch == entry.epoch:
        return max_value(uint256)
    return since if epoch == entry.epoch + 1 else entry.earned_until


@internal
def _earn(lease: uint256, entry: IAgentLeases.Lease, until: uint256):
    if until <= entry.earned_until:
        return
    amount: uint256 = (until - entry.earned_until) * entry.price
    self.leases[lease].earned_until = until
    credits._credit(entry.owner, entry.currency, amount)
    log IAgentLeases.RentEarned(lease=lease, amount=amount)


@internal
def _end(lease: uint256, at: uint256):
    """
    @dev What is not earned goes back.
    """
    entry: IAgentLeases.Lease = self.leases[lease]
    refund: uint256 = (entry.until - entry.earned_until) * entry.price
    self.leases[lease].until = 0
    credits._credit(entry.renter, entry.currency, refund)
    log IAgentLeases.LeaseEnded(lease=lease, at=at, refund=refund)
