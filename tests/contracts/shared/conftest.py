"""One contract that shows the shared modules' functions to the tests."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

BLS_PROBE = """
# pragma version 0.4.3
from contracts.shared import bls12_381


@deploy
def __init__():
    bls12_381._prove_precompiles()


@external
def verify(key: Bytes[128], digest: bytes32, possession: bool, signature: Bytes[256]) -> bool:
    dst: Bytes[43] = bls12_381.DST_SIGNATURE
    if possession:
        dst = bls12_381.DST_POSSESSION
    return bls12_381._verify(key, digest, dst, signature)


@external
def hash_to_g2(digest: bytes32, dst: Bytes[43]) -> Bytes[256]:
    return bls12_381._hash_to_g2(digest, dst)


@external
def add(left: Bytes[128], right: Bytes[128]) -> Bytes[128]:
    return bls12_381._add(left, right)


@external
def negate(key: Bytes[128]) -> Bytes[128]:
    return bls12_381._negate(key)


@external
def is_identity(key: Bytes[128]) -> bool:
    return bls12_381._is_identity(key)
"""


@pytest.fixture(scope="session")
def bls_probe(native_evm: None) -> VyperContract:
    return boa.loads(BLS_PROBE, name="BlsProbe")
