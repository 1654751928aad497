# pragma version 0.4.3
"""
@title A G1 point in three words
@license AGPL-3.0-only
@author Apogee
@notice Invariant: unpacking gives back what was packed. A coordinate has 48 bytes of the 64 of its EIP-2537 form: the upper
        16 are zero, which a precompile has enforced by the time a point is stored.
"""

HALF: constant(uint256) = 2**128 - 1


@internal
@pure
def _pack(key: Bytes[128]) -> uint256[3]:
    x_high: uint256 = convert(slice(key, 0, 32), uint256)
    x_low: uint256 = convert(slice(key, 32, 32), uint256)
    y_high: uint256 = convert(slice(key, 64, 32), uint256)
    y_low: uint256 = convert(slice(key, 96, 32), uint256)
    return [x_high << 128 | y_high & HALF, x_low, y_low]


@internal
@pure
def _unpack(body: uint256[3]) -> Bytes[128]:
    return concat(
        convert(body[0] >> 128, bytes32),
        convert(body[1], bytes32),
        convert(body[0] & HALF, bytes32),
        convert(body[2], bytes32),
    )
