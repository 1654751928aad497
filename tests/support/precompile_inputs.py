"""Inputs for the precompiles, made by arkworks, c-kzg and OpenSSL; used by tests and benchmarks."""

import functools
import hashlib

import ckzg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth.precompiles.point_evaluation import TRUSTED_SETUP_PATH
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from offchain.core.bls import R, encode_g1, encode_g2

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def g1(scalar: int) -> bytes:
    """A multiple of the G1 generator in EIP-2537 form."""
    return encode_g1(G1Point() * Scalar(scalar))


def g2(scalar: int) -> bytes:
    """A multiple of the G2 generator in EIP-2537 form."""
    return encode_g2(G2Point() * Scalar(scalar))


def pairing_input(*, secret: int = 77, holds: bool = True) -> bytes:
    """Two pairs, the shape of one BLS verification: e(secret G1, 5 G2) e(-G1, 5 secret G2)."""
    other = 5 * secret % R if holds else (5 * secret + 1) % R
    return g1(secret) + g2(5) + g1(R - 1) + g2(other)


@functools.cache
def kzg_setup() -> object:
    return ckzg.load_trusted_setup(TRUSTED_SETUP_PATH, 0)


@functools.cache
def opening(*, holds: bool = True) -> bytes:
    """A point evaluation input, right or with another value."""
    blob = (5).to_bytes(32, "big") + bytes(32 * 4095)
    commitment = bytes(ckzg.blob_to_kzg_commitment(blob, kzg_setup()))
    point = (9).to_bytes(32, "big")
    proof, value = ckzg.compute_kzg_proof(blob, point, kzg_setup())
    shown = int.from_bytes(value, "big") + (0 if holds else 1)
    head = b"\x01" + hashlib.sha256(commitment).digest()[1:] + point
    return head + (shown % R).to_bytes(32, "big") + commitment + bytes(proof)


def p256_input(message: bytes, *, secret: int = 7) -> bytes:
    """A right P-256 verification: hash, r, s, x, y."""
    key = ec.derive_private_key(secret, ec.SECP256R1())
    digest = hashlib.sha256(message).digest()
    signature = key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    numbers = key.public_key().public_numbers()
    parts = (*utils.decode_dss_signature(signature), numbers.x, numbers.y)
    return digest + b"".join(part.to_bytes(32, "big") for part in parts)
