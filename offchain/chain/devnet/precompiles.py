"""Precompiles at native speed for py-evm: the addresses, gas and failures of Prague, and P-256.

Source: EIP-2537 (0x0b..0x11), EIP-4844 (0x0a), EIP-7951 (0x100). The pure py-evm functions take
0.7 s for a pairing of two and 1.5 s for a point evaluation; arkworks takes about 2 ms for either.
An opening needs one point of the trusted setup only, so c-kzg's three seconds of loading, with the
interpreter locked, are spared. ecrecover (0x01) needs no replacement: eth-keys picks coincurve.

  address  what             input                          output   gas
  0x0a     KZG opening      hash 32, z 32, y 32, C 48, W 48    64   50,000
  0x0b     G1 add           2 x 128                           128   375
  0x0c     G1 multi-scalar  k x (128 + 32)                    128   12,000 k discounted
  0x0d     G2 add           2 x 256                           256   600
  0x0e     G2 multi-scalar  k x (256 + 32)                    256   22,500 k discounted
  0x0f     pairing          k x (128 + 256)                    32   32,600 k + 37,700
  0x10     Fp to G1         64                                128   5,500
  0x11     Fp2 to G2        128                               256   23,800
  0x100    P-256 verify     hash, r, s, x, y, each 32     32 or 0   6,900

A failure of 0x0a..0x11 burns all gas of the call; a failure of 0x100 answers with no bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth.exceptions import VMError
from eth.precompiles.bls12_381.constants import (
    BLS12_G1_ADD_GAS,
    BLS12_G1_MSM_GAS,
    BLS12_G2_ADD_GAS,
    BLS12_G2_MSM_GAS,
    BLS12_MAP_FP2_G2_GAS,
    BLS12_MAP_FP_G1_GAS,
    G1_MSM_DISCOUNTS,
    G1_MSM_MAX_DISCOUNT,
    G2_MSM_DISCOUNTS,
    G2_MSM_MAX_DISCOUNT,
    MSM_MULTIPLIER,
)
from eth.precompiles.point_evaluation import kzg_to_versioned_hash
from eth.vm.forks.cancun.constants import (
    BLS_MODULUS,
    FIELD_ELEMENTS_PER_BLOB,
    POINT_EVALUATION_PRECOMPILE_GAS,
)
from eth.vm.forks.prague.computation import PragueComputation
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar

from offchain.core.bls import encode_g1, encode_g2

Precompile = Callable[[Any], Any]

P256_GAS: Final = 6_900
PAIRING_GAS: Final = 37_700
PAIRING_PER_PAIR_GAS: Final = 32_600
SCALAR_BYTES: Final = 32
_PAD: Final = bytes(16)
_KZG_OUTPUT: Final = FIELD_ELEMENTS_PER_BLOB.to_bytes(32, "big") + BLS_MODULUS.to_bytes(32, "big")
_ONE: Final = (1).to_bytes(32, "big")
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_PREHASHED: Final = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
# [tau]_2, the second G2 point of the EIP-4844 trusted setup (KZG ceremony of 2023).
_TAU_G2: Final = G2Point.from_compressed_bytes(
    bytes.fromhex(
        "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d"
        "2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e2"
        "3926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
    )
)


@dataclass(frozen=True, slots=True)
class _Group:
    """What adding and multi-scalar multiplication must know of a group; size in bytes."""

    name: str
    size: int
    add_gas: int
    multiply_gas: int
    discounts: Sequence[int]
    last_discount: int
    point: Callable[[bytes], Any]  # of the curve
    member: Callable[[bytes], Any]  # of the subgroup
    encode: Callable[[Any], bytes]
    multiexp: Callable[[Any, Any], Any]


_G1: Final = _Group(
    name="G1",
    size=128,
    add_gas=BLS12_G1_ADD_GAS,
    multiply_gas=BLS12_G1_MSM_GAS,
    discounts=G1_MSM_DISCOUNTS,
    last_discount=G1_MSM_MAX_DISCOUNT,
    point=G1Point.from_xy_bytes_unchecked_be,
    member=G1Point.from_xy_bytes_be,
    encode=encode_g1,
    multiexp=G1Point.multiexp_unchecked,
)
_G2: Final = _Group(
    name="G2",
    size=256,
    add_gas=BLS12_G2_ADD_GAS,
    multiply_gas=BLS12_G2_MSM_GAS,
    discounts=G2_MSM_DISCOUNTS,
    last_discount=G2_MSM_MAX_DISCOUNT,
    point=G2Point.from_xy_bytes_unchecked_be,
    member=G2Point.from_xy_bytes_be,
    encode=encode_g2,
    multiexp=G2Point.multiexp_unchecked,
)


def install_native_precompiles(computation_class: Any = PragueComputation) -> None:
    """Replace the table of a py-evm computation class and of every class that inherits it.

    Calling it again changes nothing. Titanoboa's computations inherit from `PragueComputation`.
    """
    computation_class._precompiles = {  # noqa: SLF001  # py-evm has no public setter
        **computation_class.get_precompiles(),
        **NATIVE_PRECOMPILES,
    }


def _point_evaluation(computation: Any) -> Any:
    computation.consume_gas(POINT_EVALUATION_PRECOMPILE_GAS, reason="KZG opening")
    data = computation.msg.data_as_bytes
    if len(data) != 192:
        raise VMError("Point evaluation invalid input length.")
    raw_commitment = data[96:144]
    if kzg_to_versioned_hash(raw_commitment) != data[:32]:
        raise VMError("Point evaluation commitment does not match versioned hash.")
    point, value = _canonical_scalar(data[32:64]), _canonical_scalar(data[64:96])
    commitment, proof = _compressed_g1(raw_commitment), _compressed_g1(data[144:])
    # p(z) = y exactly when e(C - [y], -[1]) e(W, [tau] - [z]) = 1.
    left = [commitment - G1Point() * value, proof]
    right = [-G2Point(), _TAU_G2 - G2Point() * point]
    if not GT.pairing_check(left, right):
        raise VMError("Point evaluation KZG proof verification failed.")
    computation.output = _KZG_OUTPUT
    return computation


def _add(group: _Group, computation: Any) -> Any:
    data = _sized(computation, 2 * group.size)
    computation.consume_gas(group.add_gas, reason=f"{group.name} add")
    left, right = data[: group.size], data[group.size :]
    computation.output = group.encode(_read(group.point, left) + _read(group.point, right))
    return computation


def _multi_scalar(group: _Group, computation: Any) -> Any:
    stride = group.size + SCALAR_BYTES
    data, count = _repeated(computation, stride)
    is_listed = count <= len(group.discounts)
    discount = group.discounts[count - 1] if is_listed else group.last_discount
    gas = count * group.multiply_gas * discount // MSM_MULTIPLIER
    computation.consume_gas(gas, reason=f"{group.name} multi-scalar")
    pairs = [data[start : start + stride] for start in range(0, len(data), stride)]
    points = [_read(group.member, pair[: group.size]) for pair in pairs]
    scalars = [Scalar.from_be_bytes_mod_order(pair[group.size :]) for pair in pairs]
    computation.output = group.encode(group.multiexp(points, scalars))
    return computation


def _pairing(computation: Any) -> Any:
    data, count = _repeated(computation, 384)
    computation.consume_gas(PAIRING_PER_PAIR_GAS * count + PAIRING_GAS, reason="pairing")
    starts = range(0, len(data), 384)
    left = [_read(_G1.member, data[start : start + 128]) for start in starts]
    right = [_read(_G2.member, data[start + 128 : start + 384]) for start in starts]
    computation.output = _ONE if GT.pairing_check(left, right) else bytes(32)
    return computation


def _map_fp_to_g1(computation: Any) -> Any:
    data = _sized(computation, 64)
    computation.consume_gas(BLS12_MAP_FP_G1_GAS, reason="Fp to G1")
    computation.output = encode_g1(_read(G1Point.map_from_fp_be, data))
    return computation


def _map_fp2_to_g2(computation: Any) -> Any:
    data = _sized(computation, 128)
    computation.consume_gas(BLS12_MAP_FP2_G2_GAS, reason="Fp2 to G2")
    computation.output = encode_g2(_read(G2Point.map_from_fp2_be, data))
    return computation


def _p256_verify(computation: Any) -> Any:
    computation.consume_gas(P256_GAS, reason="P-256 verify")
    data = computation.msg.data_as_bytes
    computation.output = _ONE if len(data) == 160 and _p256_is_valid(data) else b""
    return computation


def _p256_is_valid(data: bytes) -> bool:
    r, s, x, y = (int.from_bytes(data[start : start + 32], "big") for start in range(32, 160, 32))
    if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER):
        return False
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(utils.encode_dss_signature(r, s), data[:32], _P256_PREHASHED)
    except (ValueError, InvalidSignature):
        return False
    return True


def _canonical_scalar(raw: bytes) -> Scalar:
    if int.from_bytes(raw, "big") >= BLS_MODULUS:
        raise VMError("A scalar is not below the group order.")
    return Scalar.from_be_bytes(raw)


def _compressed_g1(raw: bytes) -> G1Point:
    """A point of the subgroup in its one right encoding; infinity is allowed."""
    try:
        point = G1Point.from_compressed_bytes(raw)
    except ValueError as error:
        raise VMError(f"Not a point: {error}") from error
    if bytes(point.to_compressed_bytes()) != raw:
        raise VMError("A compressed point is not in canonical form.")
    return point


def _sized(computation: Any, length: int) -> bytes:
    data: bytes = computation.msg.data_as_bytes
    if len(data) != length:
        raise VMError(f"Input is {len(data)} bytes, not {length}.")
    return data


def _repeated(computation: Any, stride: int) -> tuple[bytes, int]:
    data: bytes = computation.msg.data_as_bytes
    if not data or len(data) % stride:
        raise VMError(f"Input is {len(data)} bytes, not a multiple of {stride}.")
    return data, len(data) // stride


def _read(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    """Strip the 16 zero bytes before each field element and parse what is left."""
    elements = []
    for start in range(0, len(raw), 64):
        if raw[start : start + 16] != _PAD:
            raise VMError("A field element is not below the field modulus.")
        elements.append(raw[start + 16 : start + 64])
    try:
        return parse(b"".join(elements))
    except ValueError as error:
        raise VMError(f"Not a point: {error}") from error


def _address(number: int) -> bytes:
    return number.to_bytes(20, "big")


NATIVE_PRECOMPILES: Final[dict[bytes, Precompile]] = {
    _address(0x0A): _point_evaluation,
    _address(0x0B): partial(_add, _G1),
    _address(0x0C): partial(_multi_scalar, _G1),
    _address(0x0D): partial(_add, _G2),
    _address(0x0E): partial(_multi_scalar, _G2),
    _address(0x0F): _pairing,
    _address(0x10): _map_fp_to_g1,
    _address(0x11): _map_fp2_to_g2,
    _address(0x100): _p256_verify,
}
