# pragma version 0.4.3
"""
@title Posted roots of streams
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a stream's posted roots, and who stood for them, rise in seq and never change.
"""
FIELD_BITS: constant(uint256) = 64
FIELD: constant(uint256) = 2**64 - 1

heads: HashMap[bytes32, uint256]  # seq + 1 || time || group, 64 bits each, lowest first
roots: HashMap[bytes32, HashMap[uint256, bytes32]]  # stream, seq
posts: HashMap[bytes32, HashMap[uint256, uint256]]  # epoch || time || group || silent seats, 64 bits each, lowest first


@internal
def _post(stream: bytes32, seq: uint256, group: uint256, epoch: uint256, silent: uint256, root: bytes32):
    assert seq + 1 > self.heads[stream] & FIELD, "stream_roots: not newer"

    when_and_who: uint256 = block.timestamp << FIELD_BITS | group << (2 * FIELD_BITS)
    self.heads[stream] = (seq + 1) | when_and_who
    self.roots[stream][seq] = root
    self.posts[stream][seq] = epoch | when_and_who | silent << (3 * FIELD_BITS)


@internal
@view
def _posted(stream: bytes32, seq: uint256) -> (uint256, uint256, uint256, uint256):
    """
    @dev Epoch, time, group and silent seats of a posted root; all zero when there is none.
    """
    post: uint256 = self.posts[stream][seq]
    return (
        post & FIELD,
        (post >> FIELD_BITS) & FIELD,
        (post >> (2 * FIELD_BITS)) & FIELD,
        post >> (3 * FIELD_BITS),
    )


@internal
@view
def _head(stream: bytes32) -> (uint256, uint256, uint256):
    """
    @dev seq + 1 of the newest root (0: none), when and by which group it was posted.
    """
    head: uint256 = self.heads[stream]
    return head & FIELD, (head >> FIELD_BITS) & FIELD, head >> (2 * FIELD_BITS)
