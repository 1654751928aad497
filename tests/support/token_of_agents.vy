# pragma version 0.4.3
"""
@title What an account asks its collection
@license AGPL-3.0-only
@author Apogee
@notice For tests only: tokens with owners, epochs and locks, moved by whoever says so.
"""
ownerOf: public(HashMap[uint256, address])
epochs: HashMap[uint256, uint256]
since: HashMap[uint256, uint256]
until: HashMap[uint256, uint256]


@external
def mint(to: address, id: uint256):
    self.ownerOf[id] = to
    self.since[id] = block.timestamp


@external
def move(to: address, id: uint256):
    """
    @notice Hand a token over: an epoch ends, and its lock.
    """
    self.ownerOf[id] = to
    self.epochs[id] += 1
    self.since[id] = block.timestamp
    self.until[id] = 0


@external
def lock(id: uint256, until: uint256):
    self.until[id] = until


@external
@view
def epoch_of(id: uint256) -> (uint256, uint256):
    return self.epochs[id], self.since[id]


@external
@view
def is_locked(id: uint256) -> bool:
    return block.timestamp <= self.until[id]
