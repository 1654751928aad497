# pragma version 0.4.3
"""
@title HKDF-SHA-256 with one block of output
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the key is that of RFC 5869 for this salt, input key and info, 32 bytes long.
"""

INNER: constant(bytes32) = 0x3636363636363636363636363636363636363636363636363636363636363636
OUTER: constant(bytes32) = 0x5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c
MAX_INFO: constant(uint256) = 32


@internal
@pure
def _derive(salt: bytes32, key: bytes32, info: Bytes[MAX_INFO]) -> bytes32:
    return self._hmac(self._hmac(salt, concat(key, b"")), concat(info, b"\x01"))


@internal
@pure
def _hmac(key: bytes32, message: Bytes[MAX_INFO + 1]) -> bytes32:
    """
    @dev HMAC-SHA-256 with a key of half a block.
    """
    inner: bytes32 = convert(convert(key, uint256) ^ convert(INNER, uint256), bytes32)
    outer: bytes32 = convert(convert(key, uint256) ^ convert(OUTER, uint256), bytes32)
    return sha256(concat(outer, OUTER, sha256(concat(inner, INNER, message))))
