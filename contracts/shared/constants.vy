# pragma version 0.4.3
"""
@title Constants that more than one contract must agree on
@license AGPL-3.0-only
@author Apogee
@notice Services, offence types, their classes, domain tags and loop bounds. A tag is keccak-256 of its
        name, the same value as in `offchain/core/hashing.py`.
"""

# --- services; pool id = operator id << 8 | service
DA: constant(uint256) = 1
STORAGE: constant(uint256) = 2
COMPUTE: constant(uint256) = 3
RELAYER: constant(uint256) = 4
ALIGNMENT: constant(uint256) = 5
SERVICE_COUNT: constant(uint256) = 5

# --- offence types
DA_BAD_ROW: constant(uint256) = 1
DA_EQUIVOCATION: constant(uint256) = 2
DA_BAD_ENCODING: constant(uint256) = 3
DA_SILENCE: constant(uint256) = 4
STO_NO_PROOF: constant(uint256) = 8
STO_DECLARED_LOSS: constant(uint256) = 9
KV_FALSE_ROOT: constant(uint256) = 10
CMP_BAD_PRICE: constant(uint256) = 16
CMP_BAD_SIGNER: constant(uint256) = 17
CMP_EQUIVOCATION: constant(uint256) = 18
CMP_WRONG_MODEL: constant(uint256) = 19
CMP_OVERCLAIM: constant(uint256) = 20
CMP_BAD_COUNT: constant(uint256) = 21
CMP_UNAVAILABLE: constant(uint256) = 22
CMP_AUDIT_FAIL: constant(uint256) = 23
AUD_SILENT: constant(uint256) = 24
AUD_MINORITY: constant(uint256) = 25
CMP_DECLARED: constant(uint256) = 26
CMP_SILENT_AUDIT: constant(uint256) = 27
RLY_FALSE_VERDICT: constant(uint256) = 28
RLY_WITHHELD: constant(uint256) = 29
RLY_EQUIVOCATION: constant(uint256) = 30
BEACON_ABSENT: constant(uint256) = 32
JOB_SILENT: constant(uint256) = 33
AGT_FALSE_DELIVERY: constant(uint256) = 34

# --- offence classes
PROVEN: constant(uint256) = 1  # signatures, paths and openings say so: executes at once
MISSED: constant(uint256) = 2  # a deadline passed on chain: executes up to the cap
ATTESTED: constant(uint256) = 3  # a final verdict of drawn auditors: executes after the veto window

# --- domain tags
TAG_RLC: constant(bytes32) = keccak256("apogee.da.rlc.v1")
TAG_BLOB: constant(bytes32) = keccak256("apogee.da.blob.v1")
TAG_DA_SEED: constant(bytes32) = keccak256("apogee.da.seed.v1")
TAG_DA_ASSIGN: constant(bytes32) = keccak256("apogee.da.assign.v1")
TAG_DA_SAMPLE: constant(bytes32) = keccak256("apogee.da.sample.v1")
TAG_SNAPSHOT: constant(bytes32) = keccak256("apogee.stake.snapshot.v1")
TAG_POSSESSION: constant(bytes32) = keccak256("apogee.stake.possession.v1")
TAG_BEACON: constant(bytes32) = keccak256("apogee.beacon.message.v1")
TAG_BEACON_OUT: constant(bytes32) = keccak256("apogee.beacon.output.v1")
TAG_OFFENCE: constant(bytes32) = keccak256("apogee.court.offence.v1")
TAG_STORAGE_FILE: constant(bytes32) = keccak256("apogee.storage.file.v1")
TAG_SUBMISSION: constant(bytes32) = keccak256("apogee.storage.submission.v1")
TAG_SEAT: constant(bytes32) = keccak256("apogee.storage.seat.v1")
TAG_STREAM: constant(bytes32) = keccak256("apogee.storage.stream.v1")
TAG_KV_ROOT: constant(bytes32) = keccak256("apogee.storage.kv.v1")
TAG_SERVICE: constant(bytes32) = keccak256("apogee.compute.service.v1")
TAG_AUDIT: constant(bytes32) = keccak256("apogee.compute.audit.v1")
TAG_COMMITTEE: constant(bytes32) = keccak256("apogee.compute.committee.v1")
TAG_BALLOT: constant(bytes32) = keccak256("apogee.compute.ballot.v1")
TAG_LEAF: constant(bytes32) = keccak256("apogee.compute.leaf.v1")
TAG_REPORT: constant(bytes32) = keccak256("apogee.attestation.report.v1")
TAG_NONCE: constant(bytes32) = keccak256("apogee.attestation.nonce.v1")
TAG_EVIDENCE: constant(bytes32) = keccak256("apogee.attestation.evidence.v1")
TAG_DRAW: constant(bytes32) = keccak256("apogee.attestation.draw.v1")
TAG_JOB_BID: constant(bytes32) = keccak256("apogee.compute.job_bid.v1")
TAG_AGENT_ORACLE: constant(bytes32) = keccak256("apogee.agents.oracle.v1")
TAG_AGENT_SEAL: constant(bytes32) = keccak256("apogee.agents.seal.v1")

# --- units and bounds
BPS: constant(uint256) = 10_000  # ten-thousandths in one
MAX_EVIDENCE: constant(uint256) = 4_096  # bytes of evidence one `report` carries
MAX_OPERATORS: constant(uint256) = 4_096  # seats per service, 2**TREE_DEPTH
TREE_DEPTH: constant(uint256) = 12  # levels of the stake tree
MAX_KEY_STEPS: constant(uint256) = 64  # rotations `key_at` looks back over
MAX_LIVE_DAYS: constant(uint256) = 64  # days of exits a slash looks back over
