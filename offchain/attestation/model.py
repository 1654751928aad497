"""What attestation speaks of: quote bodies, measurements, verified claims, verdicts; pure.

  quote_hash      keccak(canonical quote bytes)
  evidence_id     keccak(TAG_EVIDENCE || header || body || AK || QE report || qe_auth)
  TDX code hash   keccak(mr_td || rtmr0 || rtmr1 || rtmr2)
  measurement_id  TDX  keccak(mr_td || rtmr0 || rtmr1 || rtmr2 || os_image || compose_hash)
                  SGX  keccak(mr_enclave || mr_signer || isv_prod_id u16 LE || isv_svn u16 LE)
  root_key_id     keccak(x || y) of the root certificate's P-256 key
  verdict         EIP-712, domain (Apogee AttestationRegistry, 1, chain id, registry): Verdict(...)

Hashes and addresses are raw bytes, times chain seconds. Source: docs/protocol/attestation.md.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.attestation.report_data import Domain, Subject
from offchain.core.errors import InvalidInput
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest, words

DOMAIN_NAME: Final = "Apogee AttestationRegistry"
DOMAIN_VERSION: Final = "1"
VERDICT_TYPE: Final = keccak(
    b"Verdict(bytes32 evidenceId,bytes32 quoteHash,bytes32 bundleRoot,bytes32 serviceId,"
    b"address signer,bytes32 encKeyHash,bytes32 tlsKeyHash,bytes32 measurementId,"
    b"bytes32 reportDataHash,bytes32 gpuHash,uint8 teeType,uint8 tcbStatus,"
    b"uint32 tcbEvalNumber,bytes32 collateralHash,bytes32 rootKeyId,bytes32 nonce,"
    b"uint64 notAfter)"
)
VERDICT_WORDS: Final = 17
NO_GPU: Final = Digest(bytes(32))
MAX_VERDICT_SECONDS: Final = 86_400  # a verdict ends at most this long after it was given
INTEL_ROOT_KEY: Final = bytes.fromhex(
    "0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5"
    "67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394"
)  # x || y of the Intel SGX Root CA
INTEL_ROOT_KEY_ID: Final = keccak(INTEL_ROOT_KEY)


class TeeType(IntEnum):
    """The tee_type word of a quote's header; `teeType` of a verdict."""

    SGX = 0x00
    TDX = 0x81


class TcbStatus(IntEnum):
    """How current a platform is, in the vendor's words; `tcbStatus` of a verdict."""

    UP_TO_DATE = 1
    SW_HARDENING_NEEDED = 2
    CONFIGURATION_NEEDED = 3
    CONFIGURATION_AND_SW_HARDENING_NEEDED = 4
    OUT_OF_DATE = 5
    OUT_OF_DATE_CONFIGURATION_NEEDED = 6
    REVOKED = 7
    TD_RELAUNCH_ADVISED = 8
    TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED = 9


class MeasurementClass(IntEnum):
    """What measured code is for; BROKER and MODEL raise a compute service's level."""

    NONE = 0
    BROKER = 1
    MODEL = 2
    ORACLE = 3
    RELAYER = 4
    AUDITOR = 5


@dataclass(frozen=True, slots=True)
class TdBody:
    """A TD report (1.0 or 1.5) as a quote carries it."""

    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    td_attributes: int
    xfam: int
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    mr_service_td: bytes  # 48 zero bytes in a TD 1.0 report

    def code_hash(self) -> Digest:
        """Firmware, kernel and root file system: what was measured before any configuration."""
        return keccak(self.mr_td, *self.rtmrs[:3])


@dataclass(frozen=True, slots=True)
class SgxBody:
    """An SGX enclave report as a quote carries it."""

    cpu_svn: bytes
    misc_select: int
    attributes: bytes
    mr_enclave: bytes
    mr_signer: bytes
    isv_prod_id: int
    isv_svn: int
    report_data: bytes


QuoteBody = TdBody | SgxBody


@dataclass(frozen=True, slots=True)
class Seal:
    """What makes a signed body believable: signatures, keys and certificates.

    `signature` is by `attestation_key` (x then y) over the signed bytes, `qe_signature` by the
    first certificate over `qe_report`, which names the hash of `attestation_key` and `qe_auth`.
    """

    signature: bytes
    attestation_key: bytes
    qe_report: bytes
    qe_signature: bytes
    qe_auth: bytes
    pem_chain: bytes


@dataclass(frozen=True, slots=True)
class Quote:
    """A parsed quote; `signed` is its header, its descriptor in version 5, and its body."""

    version: int
    tee_type: TeeType
    body: QuoteBody
    raw: bytes
    signed: bytes
    seal: Seal

    def quote_hash(self) -> Digest:
        return keccak(self.raw)


def td_measurement_id(body: TdBody, *, os_image: bytes, compose_hash: bytes) -> Digest:
    """The name of measured code in a TD: boot chain, OS image and what it composes."""
    return keccak(body.mr_td, *body.rtmrs[:3], os_image, compose_hash)


def sgx_measurement_id(body: SgxBody) -> Digest:
    """The name of measured code in an enclave."""
    numbers = body.isv_prod_id.to_bytes(2, "little") + body.isv_svn.to_bytes(2, "little")
    return keccak(body.mr_enclave, body.mr_signer, numbers)


@dataclass(frozen=True, slots=True)
class GpuClaims:
    """What verified GPU evidence says; `simulated` as for the CPU, from its own root key."""

    model: str
    count: int
    driver: str
    vbios: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Claims:
    """What verified evidence says; exists only when every check passed.

    `simulated` is true exactly when the verified chain ends in a key that is not Intel's. Times
    come from the collateral and the measurement entry: nothing holds after `usable_until`.
    """

    tee_type: TeeType
    quote_version: int
    domain: Domain
    subject: Subject
    epoch: int
    nonce: bytes
    measurement_id: bytes
    measurement_class: MeasurementClass
    os_image: bytes
    compose_hash: bytes
    tcb_status: TcbStatus
    qe_status: TcbStatus
    advisories: tuple[str, ...]
    tcb_eval_number: int
    fmspc: str
    root_key_id: bytes
    simulated: bool
    evidence_id: bytes
    quote_hash: bytes
    bundle_root: bytes
    report_data_hash: bytes
    collateral_hash: bytes
    gpu_hash: bytes
    gpu: GpuClaims | None
    usable_until: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a relayer signs. Fields in the order of the EIP-712 struct."""

    evidence_id: bytes
    quote_hash: bytes
    bundle_root: bytes
    service_id: bytes
    signer: bytes
    enc_key_hash: bytes
    tls_key_hash: bytes
    measurement_id: bytes
    report_data_hash: bytes
    gpu_hash: bytes
    tee_type: int
    tcb_status: int
    tcb_eval_number: int
    collateral_hash: bytes
    root_key_id: bytes
    nonce: bytes
    not_after: int

    @property
    def simulated(self) -> bool:
        """Whether the root of the evidence is not the vendor's."""
        return self.root_key_id != INTEL_ROOT_KEY_ID

    def fields(self) -> tuple[int | bytes, ...]:
        """The fields in order, as a contract call takes them."""
        return (
            self.evidence_id,
            self.quote_hash,
            self.bundle_root,
            self.service_id,
            self.signer,
            self.enc_key_hash,
            self.tls_key_hash,
            self.measurement_id,
            self.report_data_hash,
            self.gpu_hash,
            self.tee_type,
            self.tcb_status,
            self.tcb_eval_number,
            self.collateral_hash,
            self.root_key_id,
            self.nonce,
            self.not_after,
        )

    def struct_words(self) -> bytes:
        """The 17 ABI words of the struct: its wire form."""
        return words(*self.fields())

    def digest(self, domain: Domain) -> Digest:
        """What a relayer's key signs."""
        separator = domain_of(
            DOMAIN_NAME, DOMAIN_VERSION, chain_id=domain.chain_id, contract=domain.registry
        )
        return typed_digest(separator, VERDICT_TYPE, *self.fields())


def parse_verdict(raw: bytes) -> Verdict:
    """The inverse of `Verdict.struct_words`. Raises: InvalidInput."""
    if len(raw) != 32 * VERDICT_WORDS:
        raise InvalidInput("a verdict is 17 words", length=len(raw))
    fields: list[bytes] = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    verdict = Verdict(
        evidence_id=fields[0],
        quote_hash=fields[1],
        bundle_root=fields[2],
        service_id=fields[3],
        signer=fields[4][12:],
        enc_key_hash=fields[5],
        tls_key_hash=fields[6],
        measurement_id=fields[7],
        report_data_hash=fields[8],
        gpu_hash=fields[9],
        tee_type=int.from_bytes(fields[10], "big"),
        tcb_status=int.from_bytes(fields[11], "big"),
        tcb_eval_number=int.from_bytes(fields[12], "big"),
        collateral_hash=fields[13],
        root_key_id=fields[14],
        nonce=fields[15],
        not_after=int.from_bytes(fields[16], "big"),
    )
    fits = verdict.tee_type < 1 << 8 and verdict.tcb_status < 1 << 8
    fits = fits and verdict.tcb_eval_number < 1 << 32 and verdict.not_after < 1 << 64
    if not fits or any(fields[4][:12]):
        raise InvalidInput("a field of the verdict does not fit into its type")
    return verdict


def verdict_of(claims: Claims, *, not_after: int) -> Verdict:
    """The verdict over verified claims. It never outlives what the claims rest on."""
    return Verdict(
        evidence_id=claims.evidence_id,
        quote_hash=claims.quote_hash,
        bundle_root=claims.bundle_root,
        service_id=claims.subject.service_id,
        signer=claims.subject.signer,
        enc_key_hash=claims.subject.enc_key_hash,
        tls_key_hash=claims.subject.tls_key_hash,
        measurement_id=claims.measurement_id,
        report_data_hash=claims.report_data_hash,
        gpu_hash=claims.gpu_hash,
        tee_type=int(claims.tee_type),
        tcb_status=int(claims.tcb_status),
        tcb_eval_number=claims.tcb_eval_number,
        collateral_hash=claims.collateral_hash,
        root_key_id=claims.root_key_id,
        nonce=claims.nonce,
        not_after=min(not_after, claims.usable_until),
    )
