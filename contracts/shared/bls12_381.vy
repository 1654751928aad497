# pragma version 0.4.3
"""
@title BLS12-381 signatures over the EIP-2537 precompiles
@license AGPL-3.0-only
@author Apogee
@notice Keys in G1 (128 bytes), signatures in G2 (256 bytes), messages are 32-byte digests hashed to G2 by
        RFC 9380. Invariant: a precompile's answer counts only if the call succeeded AND has exactly the
        length the precompile returns; everything else is refused, so a chain without it verifies nothing.
@custom:security G1ADD and G2ADD do not check the subgroup, the pairing does. Keys that enter a sum must have
        passed `_verify` alone before (proof of possession), or a rogue key cancels the others.
"""

DST_SIGNATURE: constant(Bytes[43]) = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
DST_POSSESSION: constant(Bytes[43]) = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"

# --- precompiles and the gas each may burn when it fails; about twice its price on Prague
MODEXP: constant(address) = 0x0000000000000000000000000000000000000005
G1_ADD: constant(address) = 0x000000000000000000000000000000000000000b
G2_ADD: constant(address) = 0x000000000000000000000000000000000000000d
PAIRING: constant(address) = 0x000000000000000000000000000000000000000F
MAP_FP2_TO_G2: constant(address) = 0x0000000000000000000000000000000000000011
MODEXP_GAS: constant(uint256) = 2_000
G1_ADD_GAS: constant(uint256) = 1_000
G2_ADD_GAS: constant(uint256) = 1_500
PAIRING_GAS: constant(uint256) = 200_000
MAP_GAS: constant(uint256) = 50_000

# --- base field modulus p, and the generator of G1 in words of EIP-2537 form
FIELD_HIGH: constant(bytes16) = 0x1a0111ea397fe69a4b1ba7b6434bacd7
FIELD_LOW: constant(bytes32) = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab
GENERATOR_X_HIGH: constant(bytes32) = 0x0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f
GENERATOR_X_LOW: constant(bytes32) = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb
GENERATOR_Y_HIGH: constant(bytes32) = 0x0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4
GENERATOR_Y_LOW: constant(bytes32) = 0xfcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1
NEGATED_GENERATOR_Y_HIGH: constant(bytes32) = 0x00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f2
NEGATED_GENERATOR_Y_LOW: constant(bytes32) = 0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca
IDENTITY_G1: constant(
    bytes32
) = 0x012893657d8eb2efad4de0a91bcd0e39ad9837745dec3ea923737ea803fc8e3d  # keccak-256 of 128 zero bytes
IDENTITY_G2: constant(
    bytes32
) = 0xd397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5  # keccak-256 of 256 zero bytes

# --- known answers, as keccak-256 of the precompile's bytes
KNOWN_DIGEST: constant(bytes32) = keccak256("apogee.bls.known_answer.v1")
KNOWN_HASH: constant(
    bytes32
) = 0xf5b2e80ffbf6b8474b6687ff22c6df60ed0cf37ad14a88083e8af1dcc4f29695  # hash to G2 of KNOWN_DIGEST
KNOWN_REMAINDER: constant(
    bytes32
) = 0xb673eaf4bba2bbe78bd9d76a9357036f94982831f2bf2450384eede5eca27322  # (2^512 - 1) mod p
KNOWN_DOUBLE: constant(
    bytes32
) = 0xd2b0d7b43ce993a817a069205ed3d7a139117befb9c0865d520f91ba88ac133b  # twice the generator
OUTSIDE_SUBGROUP_Y_HIGH: constant(bytes32) = 0x000000000000000000000000000000000a989badd40d6212b33cffc3f3763e9b  # x = 4
OUTSIDE_SUBGROUP_Y_LOW: constant(bytes32) = 0xc760f988c9926b26da9dd85e928483446346b8ed00e1de5d5ea93e354abe706c


@internal
@view
def _verify(key: Bytes[128], digest: bytes32, dst: Bytes[43], signature: Bytes[256]) -> bool:
    """
    @notice Whether `signature` is `key`'s over `digest`; false for the identity, wrong lengths and points
            off the curve or outside the subgroup.
    """
    if len(key) != 128 or len(signature) != 256:
        return False
    if self._is_identity(key) or keccak256(signature) == IDENTITY_G2:
        return False

    hashed: Bytes[256] = self._hash_to_g2(digest, dst)
    success: bool = False
    response: Bytes[33] = b""
    success, response = raw_call(
        PAIRING,
        concat(
            key,
            hashed,
            GENERATOR_X_HIGH,
            GENERATOR_X_LOW,
            NEGATED_GENERATOR_Y_HIGH,
            NEGATED_GENERATOR_Y_LOW,
            signature,
        ),
        max_outsize=33,  # one more, so that a longer answer shows
        gas=PAIRING_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(response) != 32:
        return False
    return convert(slice(response, 0, 32), uint256) == 1


@internal
@view
def _hash_to_g2(digest: bytes32, dst: Bytes[43]) -> Bytes[256]:
    """
    @notice RFC 9380 hash_to_curve of 32 bytes: expand_message_xmd to 256 bytes, two field elements, two maps
            (cofactor cleared by the precompile), one addition.
    """
    assert len(dst) == 43, "bls12_381: wrong domain"
    suffix: Bytes[44] = concat(dst, 0x2b)
    b_0: bytes32 = sha256(concat(empty(bytes32), empty(bytes32), digest, 0x010000, suffix))
    b_1: bytes32 = sha256(concat(b_0, 0x01, suffix))
    b_2: bytes32 = sha256(concat(b_0 ^ b_1, 0x02, suffix))
    b_3: bytes32 = sha256(concat(b_0 ^ b_2, 0x03, suffix))
    b_4: bytes32 = sha256(concat(b_0 ^ b_3, 0x04, suffix))
    b_5: bytes32 = sha256(concat(b_0 ^ b_4, 0x05, suffix))
    b_6: bytes32 = sha256(concat(b_0 ^ b_5, 0x06, suffix))
    b_7: bytes32 = sha256(concat(b_0 ^ b_6, 0x07, suffix))
    b_8: bytes32 = sha256(concat(b_0 ^ b_7, 0x08, suffix))

    u_0_c0: Bytes[48] = self._reduce(concat(b_1, b_2))
    u_0_c1: Bytes[48] = self._reduce(concat(b_3, b_4))
    u_1_c0: Bytes[48] = self._reduce(concat(b_5, b_6))
    u_1_c1: Bytes[48] = self._reduce(concat(b_7, b_8))
    first: Bytes[256] = self._map_to_g2(u_0_c0, u_0_c1)
    second: Bytes[256] = self._map_to_g2(u_1_c0, u_1_c1)
    success: bool = False
    response: Bytes[257] = b""
    success, response = raw_call(
        G2_ADD,
        concat(first, second),
        max_outsize=257,  # one more, so that a longer answer shows
        gas=G2_ADD_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success and len(response) == 256, "bls12_381: G2ADD failed"
    return slice(response, 0, 256)


@internal
@view
def _map_to_g2(c0: Bytes[48], c1: Bytes[48]) -> Bytes[256]:
    success: bool = False
    response: Bytes[257] = b""
    success, response = raw_call(
        MAP_FP2_TO_G2,
        concat(empty(bytes16), c0, empty(bytes16), c1),
        max_outsize=257,  # one more, so that a longer answer shows
        gas=MAP_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success and len(response) == 256, "bls12_381: MAP_FP2_TO_G2 failed"
    return slice(response, 0, 256)


@internal
@view
def _reduce(wide: Bytes[64]) -> Bytes[48]:
    """@notice A 64-byte integer modulo the base field, by MODEXP with exponent 1."""
    success: bool = False
    response: Bytes[49] = b""
    success, response = raw_call(
        MODEXP,
        concat(
            convert(64, bytes32),
            convert(1, bytes32),
            convert(48, bytes32),
            wide,
            0x01,
            FIELD_HIGH,
            FIELD_LOW,
        ),
        max_outsize=49,  # one more, so that a longer answer shows
        gas=MODEXP_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success and len(response) == 48, "bls12_381: MODEXP failed"
    return slice(response, 0, 48)


@internal
@view
def _add(left: Bytes[128], right: Bytes[128]) -> Bytes[128]:
    """@notice Sum of two G1 points; reverts for bytes that are no point of the curve."""
    success: bool = False
    response: Bytes[129] = b""
    success, response = raw_call(
        G1_ADD,
        concat(left, right),
        max_outsize=129,  # one more, so that a longer answer shows
        gas=G1_ADD_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    assert success and len(response) == 128, "bls12_381: G1ADD failed"
    return slice(response, 0, 128)


@internal
@pure
def _negate(key: Bytes[128]) -> Bytes[128]:
    """@notice The inverse of a valid G1 point: (x, p - y); the identity stays."""
    assert len(key) == 128, "bls12_381: not a G1 point"
    if self._is_identity(key):
        return key
    high: uint256 = convert(slice(key, 64, 32), uint256)
    low: uint256 = convert(slice(key, 96, 32), uint256)
    field_high: uint256 = convert(FIELD_HIGH, uint256)
    field_low: uint256 = convert(FIELD_LOW, uint256)
    borrow: uint256 = convert(low > field_low, uint256)
    return concat(
        slice(key, 0, 64),
        convert(field_high - high - borrow, bytes32),
        convert(unsafe_sub(field_low, low), bytes32),
    )


@internal
@pure
def _is_identity(key: Bytes[128]) -> bool:
    """@notice Whether a G1 point is the point at infinity, 128 zero bytes."""
    return keccak256(key) == IDENTITY_G1


@internal
@view
def _prove_precompiles():
    """
    @notice For constructors: revert unless 0x05, 0x0b, 0x0d, 0x0f and 0x11 give known answers, the pairing can
            also say no, and it refuses a point outside the subgroup.
    """
    ones: bytes32 = convert(max_value(uint256), bytes32)
    remainder: Bytes[48] = self._reduce(concat(ones, ones))
    assert keccak256(remainder) == KNOWN_REMAINDER, "bls12_381: MODEXP is wrong"

    generator: Bytes[128] = concat(GENERATOR_X_HIGH, GENERATOR_X_LOW, GENERATOR_Y_HIGH, GENERATOR_Y_LOW)
    doubled: Bytes[128] = self._add(generator, generator)
    assert keccak256(doubled) == KNOWN_DOUBLE, "bls12_381: G1ADD is wrong"
    nothing: Bytes[128] = self._add(generator, self._negate(generator))
    assert self._is_identity(nothing), "bls12_381: G1ADD is wrong"

    # the hash of a message is its signature by the secret key 1
    hashed: Bytes[256] = self._hash_to_g2(KNOWN_DIGEST, DST_SIGNATURE)
    assert keccak256(hashed) == KNOWN_HASH, "bls12_381: hash to G2 is wrong"
    outside: Bytes[128] = concat(
        empty(bytes32),
        convert(4, bytes32),
        OUTSIDE_SUBGROUP_Y_HIGH,
        OUTSIDE_SUBGROUP_Y_LOW,
    )
    assert self._verify(generator, KNOWN_DIGEST, DST_SIGNATURE, hashed), "bls12_381: pairing is wrong"
    assert not self._verify(doubled, KNOWN_DIGEST, DST_SIGNATURE, hashed), "bls12_381: pairing is wrong"
    assert not self._verify(outside, KNOWN_DIGEST, DST_SIGNATURE, hashed), "bls12_381: pairing is wrong"
