# pragma version 0.4.3
"""
@title Openings of KZG commitments, precompile 0x0a
@license AGPL-3.0-only
@author Apogee
@notice Invariant: true only if the precompile itself said that the committed polynomial has the value, which it
        says by returning (4096, r) and nothing else.
"""

POINT_EVALUATION: constant(address) = 0x000000000000000000000000000000000000000A
POINT_EVALUATION_GAS: constant(uint256) = 100_000  # twice its price
FIELD_ELEMENTS: constant(uint256) = 4_096
SCALAR_FIELD: constant(
    uint256
) = 52_435_875_175_126_190_479_447_740_508_185_965_837_690_552_500_527_637_822_603_658_699_938_581_184_513
VERSION: constant(bytes1) = 0x01  # first byte of a versioned hash, EIP-4844

# --- the constant polynomial 1: its commitment is the generator of G1, every proof is the point at infinity
ONE_HIGH: constant(bytes16) = 0x97f1d3a73197d7942695638c4fa9ac0f
ONE_LOW: constant(bytes32) = 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb
INFINITY_HIGH: constant(bytes16) = 0xc0000000000000000000000000000000


@internal
@view
def _opens(commitment: Bytes[48], z: uint256, y: uint256, proof: Bytes[48]) -> bool:
    """
    @dev Whether the polynomial behind `commitment` has the value `y` at `z`.
    """
    if len(commitment) != 48 or len(proof) != 48:
        return False
    versioned_hash: bytes32 = convert(concat(VERSION, slice(sha256(commitment), 1, 31)), bytes32)
    success: bool = False
    response: Bytes[65] = b""
    success, response = raw_call(
        POINT_EVALUATION,
        concat(versioned_hash, convert(z, bytes32), convert(y, bytes32), commitment, proof),
        max_outsize=65,  # one more, so that a longer answer shows
        gas=POINT_EVALUATION_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(response) != 64:
        return False
    elements: uint256 = convert(slice(response, 0, 32), uint256)
    return elements == FIELD_ELEMENTS and convert(slice(response, 32, 32), uint256) == SCALAR_FIELD


@internal
@view
def _prove_precompile():
    """
    @dev For constructors: revert unless 0x0a accepts a true opening and refuses a false one.
    """
    one: Bytes[48] = concat(ONE_HIGH, ONE_LOW)
    infinity: Bytes[48] = concat(INFINITY_HIGH, empty(bytes32))
    is_open: bool = self._opens(one, 5, 1, infinity)
    is_fooled: bool = self._opens(one, 5, 2, infinity)
    assert is_open and not is_fooled, "point_evaluation: wrong answer"
