"""Recursive length prefix: the encoding of transactions; bytes, whole numbers and lists.

  first byte  what follows
  00..7f      itself, one byte
  80..b7      0-55 bytes        b8..bf  1-8 bytes of length, then that many bytes
  c0..f7      0-55 bytes of items   f8..ff  1-8 bytes of length, then that many bytes of items
Numbers are big-endian without leading zeros. Source: Ethereum yellow paper, appendix B.
"""

from collections.abc import Sequence

Item = bytes | int | Sequence["Item"]


def encode_rlp(item: Item) -> bytes:
    """The one encoding of `item`."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(0x80, len(item)) + item
    body = b"".join([encode_rlp(one) for one in item])
    return _prefix(0xC0, len(body)) + body


def _prefix(base: int, length: int) -> bytes:
    if length <= 55:
        return bytes([base + length])
    shown = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(shown)]) + shown
