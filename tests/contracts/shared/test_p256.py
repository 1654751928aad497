"""shared/p256.vy: signatures over the precompile and without it, and precompiles that lie."""

import hashlib
from typing import Any

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from offchain.attestation.quote import P256_ORDER
from tests.support.attestation_forgery import always_long, always_yes, precompile

PROBE = """
# pragma version 0.4.3
from contracts.shared import p256


@external
def has_precompile() -> bool:
    return p256._has_precompile()


@external
def verifies(hash: bytes32, r: uint256, s: uint256, x: uint256, y: uint256) -> bool:
    return p256._verifies(p256._has_precompile(), hash, r, s, x, y)
"""
MESSAGE = b"what was signed"
DIGEST = hashlib.sha256(MESSAGE).digest()


@pytest.fixture(scope="module")
def probe() -> VyperContract:
    return boa.loads(PROBE, name="P256Probe")


@pytest.fixture(scope="module")
def signed() -> tuple[int, int, int, int]:
    key = ec.derive_private_key(7, ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    point = key.public_key().public_numbers()
    return r, min(s, P256_ORDER - s), point.x, point.y


@pytest.mark.parametrize("answer", [None, always_yes, always_long])
def test_inv_att_10__missing_or_lying_precompile__is_not_believed(
    probe: VyperContract, signed: tuple[int, int, int, int], answer: Any
) -> None:
    r, s, x, y = signed
    assert probe.has_precompile()

    with precompile(answer):
        assert not probe.has_precompile()
        assert probe.verifies(DIGEST, r, s, x, y)
        assert not probe.verifies(DIGEST, r, s ^ 1, x, y)


@pytest.mark.parametrize("has_precompile", [True, False])
def test_verifies__either_s__is_the_same_signature(
    probe: VyperContract, signed: tuple[int, int, int, int], has_precompile: bool
) -> None:
    r, s, x, y = signed
    cases = {
        (r, s, x, y): True,
        (r, P256_ORDER - s, x, y): True,
        (r, 0, x, y): False,
        (r, P256_ORDER, x, y): False,
        (0, s, x, y): False,
        (r, s, x, y ^ 1): False,
        (r, s, 0, 0): False,
    }

    for arguments, is_good in cases.items():
        if has_precompile:
            assert probe.verifies(DIGEST, *arguments) is is_good
        else:
            with precompile(None):
                assert probe.verifies(DIGEST, *arguments) is is_good
