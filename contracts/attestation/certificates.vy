# pragma version 0.4.3
"""
@title Certificates inside a quote
@license AGPL-3.0-only
@author Apogee
@notice Invariant: DER bytes stand for a certificate of a quote only when their PEM text is, byte for byte, what the
        quote holds at that place; a key and a signature are read only from where X.509 puts them.
@dev PEM: 64 characters a line, each line ended by one line feed. A certificate has a P-256 key and is signed by
     ECDSA with SHA-256. No state.
"""

MAX_QUOTE: constant(uint256) = 8_192
MAX_DER: constant(uint256) = 2_048
PADDED: constant(uint256) = MAX_DER + 48
MAX_LINES: constant(uint256) = 43  # of 48 bytes each
BEGIN: constant(bytes32) = keccak256(x"2d2d2d2d2d424547494e2043455254494649434154452d2d2d2d2d0a")
END: constant(bytes32) = keccak256(x"2d2d2d2d2d454e442043455254494649434154452d2d2d2d2d0a")
BEGIN_SIZE: constant(uint256) = 28
END_SIZE: constant(uint256) = 26
LINE_FEED: constant(uint256) = 10
EQUAL_SIGNS: constant(uint256) = 15_677  # two of them
ONES: constant(uint256) = max_value(uint256) // 255  # 1 in every byte
# the lower of the two halves of each group of 128, 64, 32 and 16 bits, as far as it is used
HALVES_128: constant(uint256) = max_value(uint256) // (2**128 - 1) * (2**48 - 1)
HALVES_64: constant(uint256) = max_value(uint256) // (2**64 - 1) * (2**24 - 1)
HALVES_32: constant(uint256) = max_value(uint256) // (2**32 - 1) * (2**12 - 1)
HALVES_16: constant(uint256) = max_value(uint256) // (2**16 - 1) * (2**6 - 1)
# SEQUENCE of 89: (ecPublicKey, prime256v1), BIT STRING of an uncompressed point
KEY_HEAD: constant(bytes27) = 0x3059301306072a8648ce3d020106082a8648ce3d03010703420004
KEY_HEAD_SIZE: constant(uint256) = 27
ECDSA_SHA256: constant(bytes12) = 0x300a06082a8648ce3d040302
# tags before the key: version, serial, algorithm, issuer, dates, subject
BEFORE_KEY: constant(uint256[6]) = [160, 2, 48, 48, 48, 48]
SEQUENCE: constant(uint256) = 48
BIT_STRING: constant(uint256) = 3
INTEGER: constant(uint256) = 2


struct Certificate:
    is_sound: bool  # False: no such certificate; the rest is zero
    signed: bytes32  # SHA-256 of what the issuer signed
    r: uint256
    s: uint256
    x: uint256
    y: uint256


@internal
@pure
def _pem_end(quote: Bytes[MAX_QUOTE], at: uint256, der: Bytes[MAX_DER]) -> uint256:
    """
    @dev Where the PEM text of this certificate ends that begins at a place of the quote; 0 when another stands there.
         Something must follow it: the last of the chain is never asked for.
    """
    characters: uint256 = (len(der) + 2) // 3 * 4
    lines: uint256 = (characters + 63) // 64
    end: uint256 = at + BEGIN_SIZE + characters + lines + END_SIZE
    if len(der) == 0 or len(quote) < end + 32:
        return 0
    if keccak256(slice(quote, at, BEGIN_SIZE)) != BEGIN or keccak256(slice(quote, end - END_SIZE, END_SIZE)) != END:
        return 0
    padded: Bytes[PADDED] = concat(der, empty(bytes32), empty(bytes16))
    place: uint256 = at + BEGIN_SIZE
    for line: uint256 in range(lines - 1, bound=MAX_LINES):
        text: uint256 = self._base64(convert(slice(padded, 48 * line, 24), uint256))
        if text != convert(slice(quote, place, 32), uint256):
            return 0
        text = self._base64(convert(slice(padded, 48 * line + 24, 24), uint256))
        if text != convert(slice(quote, place + 32, 32), uint256):
            return 0
        if convert(slice(quote, place + 64, 1), uint256) != LINE_FEED:
            return 0
        place += 65
    for half: uint256 in range(2):  # of the last line
        left: uint256 = end - END_SIZE - 1 - place
        text: uint256 = self._base64(
            convert(slice(padded, 48 * (lines - 1) + 24 * half, 24), uint256)
        )
        if left <= 32:
            text = self._ended(text, left, (3 - len(der) % 3) % 3)
        count: uint256 = min(left, 32)
        if (text ^ convert(slice(quote, place, 32), uint256)) >> (256 - 8 * count) != 0:
            return 0
        place += count
        if left <= 32:
            break
    if convert(slice(quote, place, 1), uint256) != LINE_FEED:
        return 0
    return end


@internal
@pure
def _read(der: Bytes[MAX_DER]) -> Certificate:
    """
    @dev Key and signature of a certificate.
    """
    bad: Certificate = empty(Certificate)
    size: uint256 = len(der)
    padded: Bytes[PADDED] = concat(der, empty(bytes32), empty(bytes16))
    start: uint256 = 0
    end: uint256 = 0
    start, end = self._element(convert(slice(padded, 0, 4), uint256), 0, size, SEQUENCE)
    if end == 0 or end != size:
        return bad
    signed_at: uint256 = start
    at: uint256 = 0
    signed_end: uint256 = 0
    at, signed_end = self._element(convert(slice(padded, signed_at, 4), uint256), signed_at, size, SEQUENCE)
    if signed_end == 0:
        return bad
    for tag: uint256 in BEFORE_KEY:
        start, end = self._element(convert(slice(padded, at, 4), uint256), at, signed_end, tag)
        if end == 0:
            return bad
        at = end
    if at + KEY_HEAD_SIZE + 64 > signed_end:
        return bad
    if convert(slice(padded, at, KEY_HEAD_SIZE), bytes27) != KEY_HEAD:
        return bad
    x: uint256 = convert(slice(padded, at + KEY_HEAD_SIZE, 32), uint256)
    y: uint256 = convert(slice(padded, at + KEY_HEAD_SIZE + 32, 32), uint256)

    if signed_end + 12 > size or convert(slice(padded, signed_end, 12), bytes12) != ECDSA_SHA256:
        return bad
    start, end = self._element(convert(slice(padded, signed_end + 12, 4), uint256), signed_end + 12, size, BIT_STRING)
    if end != size or convert(slice(padded, start, 1), uint256) != 0:
        return bad
    start, end = self._element(convert(slice(padded, start + 1, 4), uint256), start + 1, size, SEQUENCE)
    if end != size:
        return bad
    numbers: uint256[2] = empty(uint256[2])
    at = start
    for index: uint256 in range(2):
        start, at = self._element(convert(slice(padded, at, 4), uint256), at, size, INTEGER)
        if at == 0:
            return bad
        if at == start + 33 and convert(slice(padded, start, 1), uint256) == 0:
            start += 1
        if at == start or at > start + 32:
            return bad
        numbers[index] = convert(slice(padded, start, 32), uint256) >> (8 * (32 - (at - start)))
    if at != size:
        return bad
    signed: bytes32 = sha256(slice(der, signed_at, signed_end - signed_at))
    return Certificate(is_sound=True, signed=signed, r=numbers[0], s=numbers[1], x=x, y=y)


@internal
@pure
def _element(head: uint256, at: uint256, limit: uint256, tag: uint256) -> (uint256, uint256):
    """
    @dev Where the content of the element at a place starts and ends; 0, 0 when none of this tag fits there.
    @param head The four bytes at that place.
    """
    size: uint256 = (head >> 16) & 255
    start: uint256 = at + 2
    if size == 129:  # one byte of length follows
        size = (head >> 8) & 255
        start = at + 3
    elif size == 130:  # two bytes
        size = head & 65_535
        start = at + 4
    elif size > 127:
        return 0, 0
    if head >> 24 != tag or start + size > limit:
        return 0, 0
    return start, start + size


@internal
@pure
def _base64(bits: uint256) -> uint256:
    """
    @dev The 32 characters of 24 bytes. Each step halves the groups and moves the upper halves apart, until every byte
         holds six bits; then letters, digits, plus and slash are told apart in all bytes at once.
    """
    v: uint256 = bits & (2**96 - 1) | (bits >> 96) << 128
    v = v & HALVES_128 | ((v >> 48) & HALVES_128) << 64
    v = v & HALVES_64 | ((v >> 24) & HALVES_64) << 32
    v = v & HALVES_32 | ((v >> 12) & HALVES_32) << 16
    v = v & HALVES_16 | ((v >> 6) & HALVES_16) << 8
    small: uint256 = (unsafe_add(v, 102 * ONES) >> 7) & ONES  # at least 26
    digit: uint256 = (unsafe_add(v, 76 * ONES) >> 7) & ONES  # at least 52
    plus: uint256 = (unsafe_add(v, 66 * ONES) >> 7) & ONES  # at least 62
    slash: uint256 = (unsafe_add(v, 65 * ONES) >> 7) & ONES  # 63
    text: uint256 = unsafe_add(unsafe_add(v, 65 * ONES), unsafe_mul(small, 6))
    text = unsafe_sub(text, unsafe_add(unsafe_mul(digit, 75), unsafe_mul(plus, 15)))
    return unsafe_add(text, unsafe_mul(slash, 3))


@internal
@pure
def _ended(text: uint256, count: uint256, pads: uint256) -> uint256:
    """
    @dev The same with `=` as the last characters of `count`.
    """
    unused: uint256 = 256 - 8 * count
    mask: uint256 = ((1 << (8 * pads)) - 1) << unused
    return text & ~mask | (EQUAL_SIGNS << unused) & mask
