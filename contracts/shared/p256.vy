# pragma version 0.4.3
"""
@title P-256 signatures
@license AGPL-3.0-only
@author Apogee
@notice Invariant: "valid" is said only of a signature that verifies. A precompile that is missing, or that answers a
        known signature wrongly, is not believed: the curve is then computed here.
@dev The precompile (EIP-7951) answers a bad signature with no bytes, just as a missing one does; so it is asked a good
     and a bad signature that are known first, once a transaction. `s` may be either of the two that verify: the
     precompile takes both, snekmate only the lower.
"""
from snekmate.utils import p256 as curve

PRECOMPILE: constant(address) = 0x0000000000000000000000000000000000000100
PRECOMPILE_GAS: constant(uint256) = 10_000  # it takes 6,900
# the order of the curve
N: constant(uint256) = (
    115_792_089_210_356_248_762_697_446_949_407_573_529_996_955_224_135_760_342_422_259_061_068_512_044_369
)

# RFC 6979 appendix A.2.5, SHA-256, message "sample"
KNOWN_HASH: constant(bytes32) = 0xAF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF
KNOWN_R: constant(bytes32) = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
KNOWN_S: constant(bytes32) = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
KNOWN_X: constant(bytes32) = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
KNOWN_Y: constant(bytes32) = 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299


@internal
@view
def _has_precompile() -> bool:
    """
    @dev Whether 0x100 tells a good signature from a bad one.
    """
    r: uint256 = convert(KNOWN_R, uint256)
    s: uint256 = convert(KNOWN_S, uint256)
    x: uint256 = convert(KNOWN_X, uint256)
    y: uint256 = convert(KNOWN_Y, uint256)
    return self._ask(KNOWN_HASH, r, s, x, y) and not self._ask(KNOWN_HASH, r, s - 1, x, y)


@internal
@view
def _verifies(has_precompile: bool, hash: bytes32, r: uint256, s: uint256, x: uint256, y: uint256) -> bool:
    """
    @param has_precompile What `_has_precompile` said in this transaction.
    """
    if has_precompile:
        return self._ask(hash, r, s, x, y)
    if s == 0 or s >= N:
        return False
    return curve._verify_sig(hash, r, min(s, N - s), x, y)


@internal
@view
def _ask(hash: bytes32, r: uint256, s: uint256, x: uint256, y: uint256) -> bool:
    success: bool = False
    response: Bytes[33] = b""
    success, response = raw_call(
        PRECOMPILE,
        abi_encode(hash, r, s, x, y),
        max_outsize=33,  # one more, so that a longer answer shows
        gas=PRECOMPILE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(response) != 32:
        return False
    return convert(slice(response, 0, 32), uint256) == 1
