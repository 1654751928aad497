"""shared/bls12_381.vy: against public vectors, against arkworks, and against malformed points."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from eth.vm.forks.prague.computation import PragueComputation
from py_arkworks_bls12381 import G1Point, G2Point

from offchain.core.bls import (
    DST_POSSESSION,
    DST_SIGNATURE,
    SecretKey,
    Signature,
    aggregate_keys,
    aggregate_signatures,
    encode_g1,
    encode_g2,
)
from tests.contracts.shared.conftest import BLS_PROBE

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "bls" / "sign.json").read_text())
P = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf"
    "6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
DIGEST = bytes(range(32))
OUTSIDE_SUBGROUP = (
    bytes(63)
    + b"\x04"
    + bytes(16)
    + bytes.fromhex("0a989badd40d6212b33cffc3f3763e9bc760f988c9926b26")
    + bytes.fromhex("da9dd85e928483446346b8ed00e1de5d5ea93e354abe706c")
)
SMALL_X_SECRET = next(
    secret
    for secret in map(SecretKey, range(1, 99))
    if int.from_bytes(secret.public_key().eip2537()[16:64], "big") + P < 1 << 384
)
SMALL_X_KEY = SMALL_X_SECRET.public_key().eip2537()
SECRET = SecretKey.from_seed(b"operator".ljust(32, b"\0"))
KEY = SECRET.public_key().eip2537()
SIGNATURE = SECRET.sign(DIGEST).eip2537()


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["secret"][:4] + case["message"][:2])
def test_verify__public_vector__is_accepted(bls_probe: VyperContract, case: dict[str, str]) -> None:
    key = SecretKey(int(case["secret"], 16)).public_key()
    signature = Signature.parse(bytes.fromhex(case["signature"]))

    assert bls_probe.verify(
        key.eip2537(), bytes.fromhex(case["message"]), False, signature.eip2537()
    )


@pytest.mark.parametrize("dst", [DST_SIGNATURE, DST_POSSESSION])
def test_hash_to_g2__any_digest__equals_arkworks(bls_probe: VyperContract, dst: bytes) -> None:
    for digest in (bytes(32), DIGEST, b"\xff" * 32):
        expected = encode_g2(G2Point.hash_to_curve(digest, dst))

        assert expected == bls_probe.hash_to_g2(digest, dst)


def test_hash_to_g2__shorter_domain__is_refused(bls_probe: VyperContract) -> None:
    with boa.reverts("bls12_381: wrong domain"):
        bls_probe.hash_to_g2(DIGEST, DST_SIGNATURE[:-1])


def test_verify__aggregate_of_many__is_accepted(bls_probe: VyperContract) -> None:
    secrets = [SecretKey.from_seed(bytes([index]) * 32) for index in range(5)]
    key = aggregate_keys([secret.public_key() for secret in secrets])
    signature = aggregate_signatures([secret.sign(DIGEST) for secret in secrets])

    assert bls_probe.verify(key.eip2537(), DIGEST, False, signature.eip2537())


def test_verify__domains_swapped__is_refused(bls_probe: VyperContract) -> None:
    possession = SECRET.sign(DIGEST, DST_POSSESSION).eip2537()

    assert bls_probe.verify(KEY, DIGEST, True, possession)
    assert not bls_probe.verify(KEY, DIGEST, False, possession)
    assert not bls_probe.verify(KEY, DIGEST, True, SIGNATURE)


def _flip(raw: bytes, position: int) -> bytes:
    return raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]


MALFORMED = {
    "identity key": (bytes(128), DIGEST, SIGNATURE),
    "identity signature": (KEY, DIGEST, bytes(256)),
    "both identity": (bytes(128), DIGEST, bytes(256)),
    "key off the curve": (_flip(KEY, 127), DIGEST, SIGNATURE),
    "key outside the subgroup": (OUTSIDE_SUBGROUP, DIGEST, SIGNATURE),
    "key with an element >= p": (
        bytes(16)
        + (int.from_bytes(SMALL_X_KEY[16:64], "big") + P).to_bytes(48, "big")
        + SMALL_X_KEY[64:],
        DIGEST,
        SMALL_X_SECRET.sign(DIGEST).eip2537(),
    ),
    "padding not zero": (_flip(KEY, 0), DIGEST, SIGNATURE),
    "signature off the curve": (KEY, DIGEST, _flip(SIGNATURE, 255)),
    "short key": (KEY[:-1], DIGEST, SIGNATURE),
    "short signature": (KEY, DIGEST, SIGNATURE[:-1]),
    "empty": (b"", DIGEST, b""),
    "other digest": (KEY, _flip(DIGEST, 31), SIGNATURE),
    "other key": (SecretKey(7).public_key().eip2537(), DIGEST, SIGNATURE),
    "negated signature": (KEY, DIGEST, encode_g2(-G2Point.hash_to_curve(DIGEST, DST_SIGNATURE))),
}


@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
def test_inv_da_7__malformed_point__verifies_nothing(
    bls_probe: VyperContract, case: tuple[bytes, bytes, bytes]
) -> None:
    key, digest, signature = case

    assert bls_probe.verify(KEY, DIGEST, False, SIGNATURE)
    assert not bls_probe.verify(key, digest, False, signature)


def test_add__points__equals_arkworks(bls_probe: VyperContract) -> None:
    point = G1Point()

    assert encode_g1(point + point) == bls_probe.add(encode_g1(point), encode_g1(point))
    assert bytes(128) == bls_probe.add(encode_g1(point), encode_g1(-point))
    with boa.reverts("bls12_381: G1ADD failed"):
        bls_probe.add(KEY, _flip(KEY, 127))
    with boa.reverts("bls12_381: G1ADD failed"):
        bls_probe.add(KEY, KEY[:-1])


def test_negate__any_point__adds_to_the_identity(bls_probe: VyperContract) -> None:
    for scalar in range(1, 40):
        key = SecretKey(scalar).public_key().eip2537()

        assert bls_probe.is_identity(bls_probe.add(key, bls_probe.negate(key)))
    assert bytes(128) == bls_probe.negate(bytes(128))
    with boa.reverts("bls12_381: not a G1 point"):
        bls_probe.negate(KEY[:-1])


@contextmanager
def replaced(number: int, answer: bytes | None) -> Iterator[None]:
    """The precompile answers `answer`, or is not there."""
    address = number.to_bytes(20, "big")
    table = PragueComputation._precompiles
    honest = table.pop(address)

    def lie(computation: object) -> object:
        computation.output = answer
        return computation

    if answer is not None:
        table[address] = lie
    try:
        yield
    finally:
        table[address] = honest


@pytest.mark.parametrize(
    ("number", "answer", "reason"),
    [
        (0x05, None, "bls12_381: MODEXP failed"),
        (0x05, bytes(48), "bls12_381: MODEXP is wrong"),
        (0x0B, None, "bls12_381: G1ADD failed"),
        (0x0B, bytes(128), "bls12_381: G1ADD is wrong"),
        (0x0B, bytes(127), "bls12_381: G1ADD failed"),
        (0x0D, None, "bls12_381: G2ADD failed"),
        (0x0D, bytes(256), "bls12_381: hash to G2 is wrong"),
        (0x0F, None, "bls12_381: pairing is wrong"),
        (0x0F, bytes(32), "bls12_381: pairing is wrong"),
        (0x0F, (1).to_bytes(32, "big"), "bls12_381: pairing is wrong"),
        (0x11, None, "bls12_381: MAP_FP2_TO_G2 failed"),
        (0x11, bytes(256), "bls12_381: hash to G2 is wrong"),
        (0x05, bytes(49), "bls12_381: MODEXP failed"),
        (0x0B, bytes(129), "bls12_381: G1ADD failed"),
        (0x0D, bytes(257), "bls12_381: G2ADD failed"),
        (0x11, bytes(257), "bls12_381: MAP_FP2_TO_G2 failed"),
    ],
)
def test_inv_da_7__precompile_missing_or_lying__refuses_deployment(
    number: int, answer: bytes | None, reason: str
) -> None:
    with replaced(number, answer), boa.reverts(reason):
        boa.loads(BLS_PROBE)


@pytest.mark.parametrize("answer", [None, b"", bytes(31) + b"\1" + b"\0", bytes(32)])
def test_inv_da_7__pairing_vanishes_after_deployment__verifies_nothing(
    bls_probe: VyperContract, answer: bytes | None
) -> None:
    with replaced(0x0F, answer):
        assert not bls_probe.verify(KEY, DIGEST, False, SIGNATURE)
