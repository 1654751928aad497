"""The 64 bytes that tie a quote to one signer, service, chain, pair of keys and epoch; pure.

  [0:32]   keccak(words(TAG_REPORT, chain id, AttestationRegistry, service id, signer,
                        keccak(HPKE public key), keccak(TLS SPKI), epoch nonce))
  [32:52]  signer address
  [52]     version = 1
  [53]     flags: bit 0, a GPU report with nonce sha256(report_data) belongs to the quote
  [54:64]  zero
  epoch nonce   keccak(words(TAG_NONCE, e, R_e)), R_e = RandomBeacon.randomness(e)

A nonce of this epoch or of the last one is accepted. Source: docs/protocol/attestation.md#quotes.
"""

from dataclasses import dataclass
from typing import Final

from offchain.core.hashing import TAG_ATTESTATION_NONCE, TAG_ATTESTATION_REPORT, Digest, keccak
from offchain.core.typed_data import words

REPORT_DATA_BYTES: Final = 64
VERSION: Final = 1
FLAG_GPU: Final = 1
NO_KEY: Final = Digest(bytes(32))  # the hash where a subject has no key of this kind
_TAIL: Final = 10


@dataclass(frozen=True, slots=True)
class Domain:
    """The registry that evidence is meant for: one contract on one chain."""

    chain_id: int
    registry: bytes  # address, 20 bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom evidence speaks for: a signing key of a service, and the keys that belong to it.

    `enc_key_hash` is keccak(HPKE public key), `tls_key_hash` keccak(TLS SPKI DER); NO_KEY without.
    """

    service_id: bytes
    signer: bytes
    enc_key_hash: bytes = NO_KEY
    tls_key_hash: bytes = NO_KEY


@dataclass(frozen=True, slots=True)
class ReportFields:
    """What the 64 bytes say by themselves."""

    binding: Digest
    signer: bytes
    has_gpu: bool


def key_hash(public_key: bytes) -> Digest:
    """The hash of an HPKE or TLS key as the binding holds it; NO_KEY for no key."""
    return keccak(public_key) if public_key else NO_KEY


def epoch_nonce(epoch: int, randomness: bytes) -> Digest:
    """What makes a quote of epoch `epoch` fresh: nobody knows R_e before the epoch starts."""
    return keccak(words(TAG_ATTESTATION_NONCE, epoch, randomness))


def binding_of(domain: Domain, subject: Subject, nonce: bytes) -> Digest:
    """The first 32 bytes of report_data."""
    return keccak(
        words(
            TAG_ATTESTATION_REPORT,
            domain.chain_id,
            domain.registry,
            subject.service_id,
            subject.signer,
            subject.enc_key_hash,
            subject.tls_key_hash,
            nonce,
        )
    )


def report_data(domain: Domain, subject: Subject, nonce: bytes, *, has_gpu: bool = False) -> bytes:
    """The 64 bytes an enclave asks its quote for."""
    flags = FLAG_GPU if has_gpu else 0
    return (
        binding_of(domain, subject, nonce) + subject.signer + bytes([VERSION, flags]) + bytes(_TAIL)
    )


def read_report_data(raw: bytes) -> ReportFields | None:
    """Parse the 64 bytes; None unless they have the form above."""
    if len(raw) != REPORT_DATA_BYTES or raw[52] != VERSION or raw[53] & ~FLAG_GPU:
        return None
    if any(raw[54:]) or not any(raw[32:52]):
        return None
    return ReportFields(Digest(raw[:32]), raw[32:52], bool(raw[53] & FLAG_GPU))
