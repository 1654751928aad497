"""Every hash and every domain tag, in one table.

All trees and identifiers use keccak-256, because a contract checks them. A tag is the
keccak-256 of an ASCII name, so one purpose's digest is never another's.
Source: docs/protocol/da.md, docs/protocol/staking.md, docs/protocol/storage.md,
docs/protocol/compute.md, docs/protocol/attestation.md.
"""

from collections.abc import Iterable
from typing import Final, NewType

from sha3 import keccak_256

Digest = NewType("Digest", bytes)
DIGEST_BYTES: Final = 32


def keccak(*parts: bytes) -> Digest:
    """keccak-256 of the concatenation of `parts`."""
    sponge = keccak_256()
    for part in parts:
        sponge.update(part)
    return Digest(sponge.digest())


def _tag(name: str) -> Digest:
    return keccak(name.encode())


TAG_RLC: Final = _tag("apogee.da.rlc.v1")
TAG_BLOB: Final = _tag("apogee.da.blob.v1")
TAG_DA_SEED: Final = _tag("apogee.da.seed.v1")
TAG_DA_ASSIGN: Final = _tag("apogee.da.assign.v1")
TAG_DA_HEIR: Final = _tag("apogee.da.heir.v1")
TAG_DA_SAMPLE: Final = _tag("apogee.da.sample.v1")
TAG_SNAPSHOT: Final = _tag("apogee.stake.snapshot.v1")
TAG_POSSESSION: Final = _tag("apogee.stake.possession.v1")
TAG_BEACON: Final = _tag("apogee.beacon.message.v1")
TAG_BEACON_OUT: Final = _tag("apogee.beacon.output.v1")
TAG_OFFENCE: Final = _tag("apogee.court.offence.v1")
TAG_STORAGE_FILE: Final = _tag("apogee.storage.file.v1")
TAG_STORAGE_SUBMISSION: Final = _tag("apogee.storage.submission.v1")
TAG_STORAGE_SEAT: Final = _tag("apogee.storage.seat.v1")
TAG_COMPUTE_SERVICE: Final = _tag("apogee.compute.service.v1")
TAG_COMPUTE_REQUEST: Final = _tag("apogee.compute.request.v1")
TAG_COMPUTE_REQUEST_ID: Final = _tag("apogee.compute.request_id.v1")
TAG_COMPUTE_RESPONSE: Final = _tag("apogee.compute.response.v1")
TAG_COMPUTE_BATCH: Final = _tag("apogee.compute.batch.v1")
TAG_COMPUTE_ASK: Final = _tag("apogee.compute.ask.v1")
TAG_COMPUTE_MODEL: Final = _tag("apogee.compute.model.v1")
TAG_COMPUTE_SAMPLER: Final = _tag("apogee.compute.sampler.v1")
TAG_COMPUTE_AUDIT: Final = _tag("apogee.compute.audit.v1")
TAG_COMPUTE_COMMITTEE: Final = _tag("apogee.compute.committee.v1")
TAG_COMPUTE_BALLOT: Final = _tag("apogee.compute.ballot.v1")
TAG_COMPUTE_LEAF: Final = _tag("apogee.compute.leaf.v1")
TAG_COMPUTE_JOB_BID: Final = _tag("apogee.compute.job_bid.v1")
TAG_COMPUTE_BUNDLE: Final = _tag("apogee.compute.bundle.v1")
TAG_COMPUTE_PRIVATE_REQUEST: Final = _tag("apogee.compute.private_request.v1")
TAG_COMPUTE_PRIVATE_ANSWER: Final = _tag("apogee.compute.private_answer.v1")
TAG_ATTESTATION_REPORT: Final = _tag("apogee.attestation.report.v1")
TAG_ATTESTATION_NONCE: Final = _tag("apogee.attestation.nonce.v1")
TAG_ATTESTATION_EVIDENCE: Final = _tag("apogee.attestation.evidence.v1")
TAG_ATTESTATION_BUNDLE: Final = _tag("apogee.attestation.bundle.v1")
TAG_ATTESTATION_DRAW: Final = _tag("apogee.attestation.draw.v1")
TAG_ATTESTATION_ASK: Final = _tag("apogee.attestation.ask.v1")
TAG_AGENT_ORDER: Final = _tag("apogee.agents.order.v1")
TAG_AGENT_ENCLAVE: Final = _tag("apogee.agents.enclave.v1")
TAG_AGENT_ORACLE_COMMIT: Final = _tag("apogee.agents.oracle_commit.v1")
TAG_AGENT_ORACLE_SHARE: Final = _tag("apogee.agents.oracle_share.v1")
TAG_AGENT_ORACLE_OLD_KEY: Final = _tag("apogee.agents.oracle_old_key.v1")
TAG_AGENT_DELIVERY_KEY: Final = _tag("apogee.agents.delivery_key.v1")
TAG_AGENT_ORACLE: Final = _tag("apogee.agents.oracle.v1")
TAG_AGENT_SEAL: Final = _tag("apogee.agents.seal.v1")
TAG_AGENT_SEED: Final = _tag("apogee.agents.seed.v1")

TAGS: Final[dict[str, Digest]] = {
    "apogee.da.rlc.v1": TAG_RLC,
    "apogee.da.blob.v1": TAG_BLOB,
    "apogee.da.seed.v1": TAG_DA_SEED,
    "apogee.da.assign.v1": TAG_DA_ASSIGN,
    "apogee.da.heir.v1": TAG_DA_HEIR,
    "apogee.da.sample.v1": TAG_DA_SAMPLE,
    "apogee.stake.snapshot.v1": TAG_SNAPSHOT,
    "apogee.stake.possession.v1": TAG_POSSESSION,
    "apogee.beacon.message.v1": TAG_BEACON,
    "apogee.beacon.output.v1": TAG_BEACON_OUT,
    "apogee.court.offence.v1": TAG_OFFENCE,
    "apogee.storage.file.v1": TAG_STORAGE_FILE,
    "apogee.storage.submission.v1": TAG_STORAGE_SUBMISSION,
    "apogee.storage.seat.v1": TAG_STORAGE_SEAT,
    "apogee.compute.service.v1": TAG_COMPUTE_SERVICE,
    "apogee.compute.request.v1": TAG_COMPUTE_REQUEST,
    "apogee.compute.request_id.v1": TAG_COMPUTE_REQUEST_ID,
    "apogee.compute.response.v1": TAG_COMPUTE_RESPONSE,
    "apogee.compute.batch.v1": TAG_COMPUTE_BATCH,
    "apogee.compute.ask.v1": TAG_COMPUTE_ASK,
    "apogee.compute.model.v1": TAG_COMPUTE_MODEL,
    "apogee.compute.sampler.v1": TAG_COMPUTE_SAMPLER,
    "apogee.compute.audit.v1": TAG_COMPUTE_AUDIT,
    "apogee.compute.committee.v1": TAG_COMPUTE_COMMITTEE,
    "apogee.compute.ballot.v1": TAG_COMPUTE_BALLOT,
    "apogee.compute.leaf.v1": TAG_COMPUTE_LEAF,
    "apogee.compute.job_bid.v1": TAG_COMPUTE_JOB_BID,
    "apogee.compute.bundle.v1": TAG_COMPUTE_BUNDLE,
    "apogee.compute.private_request.v1": TAG_COMPUTE_PRIVATE_REQUEST,
    "apogee.compute.private_answer.v1": TAG_COMPUTE_PRIVATE_ANSWER,
    "apogee.attestation.report.v1": TAG_ATTESTATION_REPORT,
    "apogee.attestation.nonce.v1": TAG_ATTESTATION_NONCE,
    "apogee.attestation.evidence.v1": TAG_ATTESTATION_EVIDENCE,
    "apogee.attestation.bundle.v1": TAG_ATTESTATION_BUNDLE,
    "apogee.attestation.draw.v1": TAG_ATTESTATION_DRAW,
    "apogee.attestation.ask.v1": TAG_ATTESTATION_ASK,
    "apogee.agents.order.v1": TAG_AGENT_ORDER,
    "apogee.agents.enclave.v1": TAG_AGENT_ENCLAVE,
    "apogee.agents.oracle_commit.v1": TAG_AGENT_ORACLE_COMMIT,
    "apogee.agents.oracle_share.v1": TAG_AGENT_ORACLE_SHARE,
    "apogee.agents.oracle_old_key.v1": TAG_AGENT_ORACLE_OLD_KEY,
    "apogee.agents.delivery_key.v1": TAG_AGENT_DELIVERY_KEY,
    "apogee.agents.oracle.v1": TAG_AGENT_ORACLE,
    "apogee.agents.seal.v1": TAG_AGENT_SEAL,
    "apogee.agents.seed.v1": TAG_AGENT_SEED,
}


def keccak_pairs(left: Iterable[bytes], right: Iterable[bytes]) -> list[Digest]:
    """Hash two equally long lists of nodes pair by pair: one level of a tree."""
    return [keccak(a, b) for a, b in zip(left, right, strict=True)]
