"""AES-256 and HKDF in Vyper against independent implementations."""

import hashlib
from typing import Any

import boa
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

PROBE = """
# pragma version 0.4.3
from contracts.shared import aes256
from contracts.shared import hkdf


@external
@pure
def keystream(key: bytes32, nonce: uint256, first: uint256[3]) -> uint256[3]:
    return aes256._keystream(key, nonce, first)


@external
@pure
def derive(salt: bytes32, key: bytes32, info: Bytes[32]) -> bytes32:
    return hkdf._derive(salt, key, info)
"""
words = st.binary(min_size=32, max_size=32)
MAX_GAS = 200_000  # of six blocks


@pytest.fixture(scope="module")
def probe() -> Any:
    return boa.loads(PROBE)


def blocks(key: bytes, nonce: int, first: int) -> int:
    """Two blocks of a library's AES as one number."""
    encryptor = Cipher(AES(key), ECB()).encryptor()  # single blocks of counters
    counters = b"".join(
        nonce.to_bytes(12, "big") + (first + step).to_bytes(4, "big") for step in (0, 1)
    )
    return int.from_bytes(encryptor.update(counters), "big")


def test_keystream__the_vector_of_fips_197__is_its_ciphertext(probe: Any) -> None:
    key = bytes(range(32))
    plain = int("00112233445566778899aabbccddeeff", 16)

    found = probe.keystream(key, plain >> 32, [plain & 0xFFFFFFFF] * 3)

    assert [word >> 128 for word in found] == [0x8EA2B7CA516745BFEAFC49904B496089] * 3


@settings(max_examples=12)
@given(
    key=words,
    nonce=st.integers(0, 2**96 - 1),
    first=st.lists(st.integers(0, 2**32 - 2), min_size=3, max_size=3),
)
def test_keystream__any_key_and_counters__is_that_of_another_library(
    probe: Any, key: bytes, nonce: int, first: list[int]
) -> None:
    assert probe.keystream(key, nonce, first) == [blocks(key, nonce, one) for one in first]
    assert probe._computation.get_gas_used() < MAX_GAS  # boa's only way


@settings(max_examples=12)
@given(salt=words, key=words, info=st.binary(max_size=32))
def test_derive__any_input__is_that_of_another_library(
    probe: Any, salt: bytes, key: bytes, info: bytes
) -> None:
    expected = HKDF(SHA256(), length=hashlib.sha256().digest_size, salt=salt, info=info)

    assert probe.derive(salt, key, info) == expected.derive(key)
