"""The native precompiles answer as py-evm's pure ones do: outputs, gas, failures.

Both tables run through the same message execution, so gas left and burnt gas are compared too.
P-256 has no pure twin: its vectors are OpenSSL signatures and the refusals EIP-7951 lists.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import ckzg
import pytest
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.prague.computation import PRAGUE_PRECOMPILES, PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point
from py_ecc.optimized_bls12_381.optimized_curve import FQ, b
from trie.constants import BLANK_NODE_HASH

from offchain.chain.devnet.precompiles import (
    NATIVE_PRECOMPILES,
    install_native_precompiles,
)
from offchain.core.bls import R
from tests.support.precompile_inputs import P256_ORDER, g1, g2, kzg_setup, opening, p256_input

FIELD = FQ.field_modulus
GAS = 5_000_000
ZERO = bytes(20)
P256_ADDRESS = 0x100


class PureComputation(PragueComputation):
    _precompiles: ClassVar = dict(PRAGUE_PRECOMPILES)


class NativeComputation(PragueComputation):
    pass


install_native_precompiles(NativeComputation)


@dataclass(frozen=True)
class Outcome:
    succeeded: bool
    output: bytes
    gas_left: int


def run_precompile(computation_class: type, number: int, data: bytes, gas: int = GAS) -> Outcome:
    context = ExecutionContext(ZERO, 1, 1, 0, bytes(32), 30_000_000, (), 1, 1, 0)
    state = PragueState(AtomicDB(), context, BLANK_NODE_HASH)
    address = number.to_bytes(20, "big")
    message = Message(
        gas=gas, to=address, sender=ZERO, value=0, data=data, code=b"", code_address=address
    )
    transaction = state.get_transaction_context_class()(gas_price=1, origin=ZERO)
    computation = computation_class.apply_message(state, message, transaction)
    return Outcome(computation.is_success, computation.output, computation.get_gas_remaining())


def assert_same(number: int, data: bytes, gas: int = GAS) -> Outcome:
    pure = run_precompile(PureComputation, number, data, gas)
    native = run_precompile(NativeComputation, number, data, gas)
    assert pure == native
    return native


def g1_outside_subgroup() -> bytes:
    for x in range(1, 100):
        square = (x**3 + int(b)) % FIELD
        y = pow(square, (FIELD + 1) // 4, FIELD)
        if y * y % FIELD == square:
            return x.to_bytes(64, "big") + y.to_bytes(64, "big")
    raise AssertionError


def g2_outside_subgroup() -> bytes:
    # A point of the wrong curve order: x = n, y = sqrt(n^3 + 4 + 4i) over Fp2.
    from py_ecc.bls.point_compression import modular_squareroot_in_FQ2
    from py_ecc.optimized_bls12_381.optimized_curve import FQ2, b2

    for x in range(1, 100):
        point_x = FQ2((x, 0))
        point_y = modular_squareroot_in_FQ2(point_x**3 + b2)
        if point_y is not None:
            numbers = (*point_x.coeffs, *point_y.coeffs)
            return b"".join(int(number).to_bytes(64, "big") for number in numbers)
    raise AssertionError


G1_INFINITY, G2_INFINITY = bytes(128), bytes(256)
G1_OFF_CURVE = (1).to_bytes(64, "big") * 2
G2_OFF_CURVE = (1).to_bytes(64, "big") * 4
G1_WRONG_ORDER, G2_WRONG_ORDER = g1_outside_subgroup(), g2_outside_subgroup()
G1_WRONG_ORDER_X = int.from_bytes(G1_WRONG_ORDER[:64], "big")


def plus_modulus(point: bytes, element: int) -> bytes:
    """The same point with one coordinate written as itself plus the field modulus."""
    start = 64 * element
    raised = int.from_bytes(point[start : start + 64], "big") + FIELD
    return point[:start] + raised.to_bytes(64, "big") + point[start + 64 :]


scalars = st.one_of(st.sampled_from([0, 1, R - 1, R, 2**256 - 1]), st.integers(0, 2**256 - 1))
small = st.integers(1, R - 1)
g1_points = st.one_of(
    small.map(g1),
    st.sampled_from([G1_INFINITY, G1_OFF_CURVE, G1_WRONG_ORDER, plus_modulus(g1(3), 0)]),
    st.binary(min_size=128, max_size=128),
)
g2_points = st.one_of(
    small.map(g2),
    st.sampled_from([G2_INFINITY, G2_OFF_CURVE, G2_WRONG_ORDER, plus_modulus(g2(3), 2)]),
)


@given(left=g1_points, right=g1_points)
def test_g1_add__any_points__same_as_pure(left: bytes, right: bytes) -> None:
    assert_same(0x0B, left + right)


@given(left=g2_points, right=g2_points)
def test_g2_add__any_points__same_as_pure(left: bytes, right: bytes) -> None:
    assert_same(0x0D, left + right)


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0x0B, g1(7) + g1(7)),
        (0x0B, g1(7) + g1(R - 7)),
        (0x0B, G1_INFINITY + G1_INFINITY),
        (0x0B, G1_WRONG_ORDER + G1_WRONG_ORDER),
        (0x0B, G1_WRONG_ORDER + G1_INFINITY),
        (0x0D, g2(7) + g2(7)),
        (0x0D, g2(7) + g2(R - 7)),
        (0x0D, G2_WRONG_ORDER + G2_INFINITY),
    ],
)
def test_add__doubling_inverse_infinity_or_wrong_order__accepted_as_pure(
    number: int, data: bytes
) -> None:
    assert assert_same(number, data).succeeded


@settings(max_examples=8)
@given(pairs=st.lists(st.tuples(g1_points, scalars), min_size=1, max_size=3))
def test_g1_multi_scalar__any_pairs__same_as_pure(pairs: list[tuple[bytes, int]]) -> None:
    assert_same(0x0C, b"".join(point + scalar.to_bytes(32, "big") for point, scalar in pairs))


@settings(max_examples=5)
@given(pairs=st.lists(st.tuples(g2_points, scalars), min_size=1, max_size=2))
def test_g2_multi_scalar__any_pairs__same_as_pure(pairs: list[tuple[bytes, int]]) -> None:
    assert_same(0x0E, b"".join(point + scalar.to_bytes(32, "big") for point, scalar in pairs))


@settings(max_examples=2)
@given(secret=small, other=small)
def test_pairing__signature_equation__true_only_for_the_right_key(secret: int, other: int) -> None:
    right = g1(secret) + g2(5) + g1(R - 1) + g2(5 * secret % R)
    wrong = g1(other) + g2(5) + g1(R - 1) + g2((5 * other + 1) % R)

    assert int.from_bytes(assert_same(0x0F, right).output, "big") == 1
    assert int.from_bytes(assert_same(0x0F, wrong).output, "big") == 0


@pytest.mark.parametrize(
    "data",
    [
        G1_INFINITY + G2_INFINITY,
        G1_INFINITY + g2(3),
        g1(3) + G2_INFINITY,
        G1_INFINITY + G2_WRONG_ORDER,
        G1_WRONG_ORDER + G2_INFINITY,
        G1_OFF_CURVE + g2(3),
        g1(3) + G2_OFF_CURVE,
        plus_modulus(g1(3), 1) + g2(3),
        g1(3) + plus_modulus(g2(3), 3),
    ],
)
def test_pairing__infinity_or_invalid_point__same_as_pure(data: bytes) -> None:
    assert_same(0x0F, data)


@pytest.mark.parametrize("number", range(0x0A, 0x12))
@pytest.mark.parametrize("length", [0, 1, 63, 65, 127, 159, 161, 191, 193, 255, 287, 383, 385, 511])
def test_any_precompile__wrong_length__fails_and_burns_all_gas(number: int, length: int) -> None:
    assert Outcome(succeeded=False, output=b"", gas_left=0) == assert_same(number, bytes(length))


@pytest.mark.parametrize("pairs", [1, 3, 129])
def test_multi_scalar_gas__number_of_pairs__discounted_as_pure(pairs: int) -> None:
    # Infinity pairs cost the pure code nothing, so large counts can be compared.
    assert_same(0x0C, bytes(160) * pairs)
    assert_same(0x0E, bytes(288) * pairs)


@pytest.mark.parametrize(
    ("number", "data", "price"),
    [
        (0x0A, b"", 50_000),
        (0x0B, bytes(256), 375),
        (0x0C, bytes(160), 12_000),
        (0x0D, bytes(512), 600),
        (0x0E, bytes(288), 22_500),
        (0x0F, bytes(768), 102_900),
        (0x10, bytes(64), 5_500),
        (0x11, bytes(128), 23_800),
        (0x100, b"", 6_900),
    ],
)
def test_any_precompile__one_gas_short__fails(number: int, data: bytes, price: int) -> None:
    payload = opening() if number == 0x0A else data
    exact = run_precompile(NativeComputation, number, payload, price)
    short = run_precompile(NativeComputation, number, payload, price - 1)

    assert (exact.succeeded, exact.gas_left) == (True, 0)
    assert (short.succeeded, short.gas_left) == (False, 0)


@settings(max_examples=6)
@given(element=st.one_of(st.integers(0, FIELD + 3), st.sampled_from([0, 1, FIELD - 1, FIELD])))
def test_map_fp_to_g1__any_element__same_as_pure(element: int) -> None:
    assert_same(0x10, element.to_bytes(64, "big"))


@settings(max_examples=4)
@given(
    real=st.integers(0, FIELD + 3),
    imaginary=st.one_of(st.integers(0, FIELD - 1), st.sampled_from([0, FIELD])),
)
def test_map_fp2_to_g2__any_element__same_as_pure(real: int, imaginary: int) -> None:
    assert_same(0x11, real.to_bytes(64, "big") + imaginary.to_bytes(64, "big"))


def test_point_evaluation__right_opening__same_as_pure() -> None:
    right, wrong = opening(), opening(holds=False)

    assert (4096).to_bytes(32, "big") + R.to_bytes(32, "big") == assert_same(0x0A, right).output
    assert Outcome(succeeded=False, output=b"", gas_left=0) == run_precompile(
        NativeComputation, 0x0A, wrong
    )


INFINITY = b"\xc0" + bytes(47)


def altered(data: bytes, *, start: int, part: bytes) -> bytes:
    """The same input with some bytes replaced and the hash made to fit the commitment again."""
    changed = data[:start] + part + data[start + len(part) :]
    return b"\x01" + hashlib.sha256(changed[96:144]).digest()[1:] + changed[32:]


@pytest.mark.parametrize("start", [96, 144])
@pytest.mark.parametrize(
    "encoding",
    [
        pytest.param(INFINITY, id="infinity"),
        pytest.param(b"\xe0" + bytes(47), id="infinity with the sign set"),
        pytest.param(b"\xc0" + bytes(46) + b"\x01", id="infinity with an x"),
        pytest.param(b"\x40" + bytes(47), id="infinity not marked compressed"),
        pytest.param(bytes(48), id="zero"),
        pytest.param(b"\xff" * 48, id="x beyond the field"),
        pytest.param(bytes(G1Point().to_compressed_bytes()), id="generator"),
        pytest.param(
            ((1 << 383) | G1_WRONG_ORDER_X).to_bytes(48, "big"), id="outside the subgroup"
        ),
        pytest.param(
            ((1 << 383) | (FIELD + 1)).to_bytes(48, "big"), id="one written as one plus the field"
        ),
    ],
)
def test_point_evaluation__odd_point_encoding__same_as_ckzg(start: int, encoding: bytes) -> None:
    assert_same_as_ckzg(altered(opening(), start=start, part=encoding))


@pytest.mark.parametrize("start", [32, 64])
@pytest.mark.parametrize("scalar", [0, 1, R - 1, R, 2**256 - 1])
def test_point_evaluation__edge_scalar__same_as_ckzg(start: int, scalar: int) -> None:
    assert_same_as_ckzg(altered(opening(), start=start, part=scalar.to_bytes(32, "big")))


def test_point_evaluation__constant_polynomial__its_infinity_proof_is_accepted() -> None:
    setup = kzg_setup()
    blob = (3).to_bytes(32, "big") * 4096
    commitment = bytes(ckzg.blob_to_kzg_commitment(blob, setup))
    data = bytes(32) + bytes(32) + (3).to_bytes(32, "big") + commitment + INFINITY

    assert assert_same_as_ckzg(altered(data, start=0, part=b"")).succeeded


def test_point_evaluation__wrong_version_byte__fails() -> None:
    right = opening()

    assert not run_precompile(NativeComputation, 0x0A, b"\x02" + right[1:]).succeeded


def assert_same_as_ckzg(data: bytes) -> Outcome:
    try:
        is_proved = ckzg.verify_kzg_proof(
            data[96:144], data[32:64], data[64:96], data[144:], kzg_setup()
        )
    except RuntimeError:
        is_proved = False
    outcome = run_precompile(NativeComputation, 0x0A, data)
    assert is_proved == outcome.succeeded
    return outcome


@given(message=st.binary(max_size=64), secret=st.integers(1, P256_ORDER - 1))
def test_p256__openssl_signature__accepted_for_6900_gas(message: bytes, secret: int) -> None:
    outcome = run_precompile(NativeComputation, P256_ADDRESS, p256_input(message, secret=secret))

    assert Outcome(True, (1).to_bytes(32, "big"), GAS - 6_900) == outcome


def test_p256__high_s__accepted_as_the_eip_asks() -> None:
    data = p256_input(b"a message")
    s = P256_ORDER - int.from_bytes(data[64:96], "big")

    outcome = run_precompile(
        NativeComputation, P256_ADDRESS, data[:64] + s.to_bytes(32, "big") + data[96:]
    )

    assert (1).to_bytes(32, "big") == outcome.output


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-1], id="short"),
        pytest.param(lambda data: data + b"\x00", id="long"),
        pytest.param(lambda data: bytes(32) + data[32:], id="other hash"),
        pytest.param(lambda data: data[:32] + bytes(32) + data[64:], id="r zero"),
        pytest.param(lambda data: data[:64] + bytes(32) + data[96:], id="s zero"),
        pytest.param(
            lambda data: data[:64] + P256_ORDER.to_bytes(32, "big") + data[96:], id="s is the order"
        ),
        pytest.param(lambda data: data[:96] + bytes(64), id="key at infinity"),
        pytest.param(lambda data: data[:128] + (5).to_bytes(32, "big"), id="key off the curve"),
        pytest.param(lambda data: data[:96] + b"\xff" * 32 + data[128:], id="x beyond the field"),
    ],
)
def test_p256__malformed_or_wrong__empty_answer_same_gas(change) -> None:
    outcome = run_precompile(NativeComputation, P256_ADDRESS, change(p256_input(b"a message")))

    assert Outcome(succeeded=True, output=b"", gas_left=GAS - 6_900) == outcome


@given(
    digest=st.binary(min_size=32, max_size=32),
    v=st.sampled_from([0, 26, 27, 28, 29]),
    r=scalars,
    s=scalars,
)
def test_ecrecover__any_numbers__answers_or_stays_empty(
    digest: bytes, v: int, r: int, s: int
) -> None:
    data = digest + b"".join(number.to_bytes(32, "big") for number in (v, r, s))

    outcome = run_precompile(NativeComputation, 1, data)

    assert outcome.succeeded
    assert outcome.gas_left == GAS - 3_000
    assert len(outcome.output) in {0, 32}


def test_install__twice_and_for_one_class__leaves_other_classes_alone() -> None:
    before = dict(CancunComputation.get_precompiles())
    install_native_precompiles(NativeComputation)

    assert before == CancunComputation.get_precompiles()
    installed = NativeComputation.get_precompiles()
    assert installed == {**PRAGUE_PRECOMPILES, **NATIVE_PRECOMPILES}
