# pragma version 0.4.3
"""
@title AES-256 as a stream of keys, six blocks at once
@license AGPL-3.0-only
@author Apogee
@notice Invariant: the blocks are those of AES-256 (FIPS 197) of the counters, for every key.
@dev A word holds two blocks of 16 bytes, first byte highest. Bytes are looked up one by one, with the shift of the rows
     in the same step; columns are mixed for both blocks at once. 15 round keys lie in both halves of a word each.
"""

ROUNDS: constant(uint256) = 14
STEPS: constant(uint256) = 7  # of the key schedule, eight words each
LANES: constant(uint256) = max_value(uint256) // (2**32 - 1)  # 1 in each 32 bits
HALF_LANES: constant(uint256) = (2**128 - 1) // (2**32 - 1)
BOTH: constant(uint256) = 2**128 + 1
LOW_HALF: constant(uint256) = 2**128 - 1
LOW_BITS: constant(uint256) = max_value(uint256) // 255  # 1 in each byte
WORD: constant(uint256) = 2**32 - 1
REST_BYTES: constant(uint256) = LANES * (2**24 - 1)
LAST_BYTE: constant(uint256) = LANES * 255
LOW_BYTES: constant(uint256) = LANES * (2**16 - 1)
REST_BITS: constant(uint256) = LOW_BITS * 127
REDUCE: constant(uint256) = 27  # x^8 = x^4 + x^3 + x + 1
SBOX: constant(uint256[256]) = [
    99, 124, 119, 123, 242, 107, 111, 197, 48, 1, 103, 43, 254, 215, 171, 118,
    202, 130, 201, 125, 250, 89, 71, 240, 173, 212, 162, 175, 156, 164, 114, 192,
    183, 253, 147, 38, 54, 63, 247, 204, 52, 165, 229, 241, 113, 216, 49, 21,
    4, 199, 35, 195, 24, 150, 5, 154, 7, 18, 128, 226, 235, 39, 178, 117,
    9, 131, 44, 26, 27, 110, 90, 160, 82, 59, 214, 179, 41, 227, 47, 132,
    83, 209, 0, 237, 32, 252, 177, 91, 106, 203, 190, 57, 74, 76, 88, 207,
    208, 239, 170, 251, 67, 77, 51, 133, 69, 249, 2, 127, 80, 60, 159, 168,
    81, 163, 64, 143, 146, 157, 56, 245, 188, 182, 218, 33, 16, 255, 243, 210,
    205, 12, 19, 236, 95, 151, 68, 23, 196, 167, 126, 61, 100, 93, 25, 115,
    96, 129, 79, 220, 34, 42, 144, 136, 70, 238, 184, 20, 222, 94, 11, 219,
    224, 50, 58, 10, 73, 6, 36, 92, 194, 211, 172, 98, 145, 149, 228, 121,
    231, 200, 55, 109, 141, 213, 78, 169, 108, 86, 244, 234, 101, 122, 174, 8,
    186, 120, 37, 46, 28, 166, 180, 198, 232, 221, 116, 31, 75, 189, 139, 138,
    112, 62, 181, 102, 72, 3, 246, 14, 97, 53, 87, 185, 134, 193, 29, 158,
    225, 248, 152, 17, 105, 217, 142, 148, 155, 30, 135, 233, 206, 85, 40, 223,
    140, 161, 137, 13, 191, 230, 66, 104, 65, 153, 45, 15, 176, 84, 187, 22,
]


@internal
@pure
def _keystream(key: bytes32, nonce: uint256, first: uint256[3]) -> uint256[3]:
    """
    @param nonce 96 bits.
    @param first Counters: word i gets the blocks of first[i] and of the one behind it.
    """
    box: uint256[256] = SBOX
    keys: uint256[16] = empty(uint256[16])
    word: uint256 = convert(key, uint256)
    round_constant: uint256 = 1
    for step: uint256 in range(STEPS + 1):
        high: uint256 = word >> 128
        low: uint256 = word & LOW_HALF
        keys[2 * step] = high * BOTH
        keys[2 * step + 1] = low * BOTH
        # each word is xored with all before it in its half, and with the last word behind the S-box
        last: uint256 = low & WORD
        mixed: uint256 = (
            (box[(last >> 16) & 255] ^ round_constant) << 24
            | box[(last >> 8) & 255] << 16
            | box[last & 255] << 8
            | box[last >> 24]
        )
        high ^= high >> 32
        high ^= high >> 64
        high ^= mixed * HALF_LANES
        last = high & WORD
        mixed = (
            box[last >> 24] << 24
            | box[(last >> 16) & 255] << 16
            | box[(last >> 8) & 255] << 8
            | box[last & 255]
        )
        low ^= low >> 32
        low ^= low >> 64
        low ^= mixed * HALF_LANES
        word = high << 128 | low
        round_constant <<= 1

    stream: uint256[3] = empty(uint256[3])
    for index: uint256 in range(3):
        counter: uint256 = nonce << 32 | first[index]
        state: uint256 = (counter << 128 | unsafe_add(counter, 1)) ^ keys[0]
        for round: uint256 in range(1, ROUNDS + 1):
            moved: uint256 = (
                box[state >> 248] << 248
                | box[(state >> 208) & 255] << 240
                | box[(state >> 168) & 255] << 232
                | box[(state >> 128) & 255] << 224
                | box[(state >> 216) & 255] << 216
                | box[(state >> 176) & 255] << 208
                | box[(state >> 136) & 255] << 200
                | box[(state >> 224) & 255] << 192
                | box[(state >> 184) & 255] << 184
                | box[(state >> 144) & 255] << 176
                | box[(state >> 232) & 255] << 168
                | box[(state >> 192) & 255] << 160
                | box[(state >> 152) & 255] << 152
                | box[(state >> 240) & 255] << 144
                | box[(state >> 200) & 255] << 136
                | box[(state >> 160) & 255] << 128
                | box[(state >> 120) & 255] << 120
                | box[(state >> 80) & 255] << 112
                | box[(state >> 40) & 255] << 104
                | box[state & 255] << 96
                | box[(state >> 88) & 255] << 88
                | box[(state >> 48) & 255] << 80
                | box[(state >> 8) & 255] << 72
                | box[(state >> 96) & 255] << 64
                | box[(state >> 56) & 255] << 56
                | box[(state >> 16) & 255] << 48
                | box[(state >> 104) & 255] << 40
                | box[(state >> 64) & 255] << 32
                | box[(state >> 24) & 255] << 24
                | box[(state >> 112) & 255] << 16
                | box[(state >> 72) & 255] << 8
                | box[(state >> 32) & 255]
            )
            if round < ROUNDS:
                # a byte, with the ones below it in its column: 2 a + 3 b + c + d
                turned: uint256 = (moved & REST_BYTES) << 8 | (moved >> 24) & LAST_BYTE
                pairs: uint256 = moved ^ turned
                doubled: uint256 = (pairs & REST_BITS) << 1 ^ ((pairs >> 7) & LOW_BITS) * REDUCE
                across: uint256 = (pairs & LOW_BYTES) << 16 | (pairs >> 16) & LOW_BYTES
                moved = doubled ^ turned ^ across
            state = moved ^ keys[round]
        stream[index] = state
    return stream
