"""Certificates and revocation lists of a vendor made of software, as a devnet's own root.

  root -> PCK CA (platform) -> PCK leaf with the SGX extension 1.2.840.113741.1.13.1
  root -> TCB signer
  GPU root -> GPU leaf, one a simulated GPU

Every knob that a negative case turns is a field of a plan. Nothing here is hardware: whoever holds
the folder can sign anything, which is why everything under this root reads as simulated.
Source: docs/protocol/attestation.md#software-tee.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID, ObjectIdentifier

from offchain.attestation.quote import join_chain
from offchain.core.units import DAY

ROOT_NAME: Final = "Apogee Devnet Simulated SGX Root CA"
PCK_CA_NAME: Final = "Apogee Devnet Simulated Intel SGX PCK Platform CA"
TCB_SIGNER_NAME: Final = "Apogee Devnet Simulated SGX TCB Signing"
LEAF_NAME: Final = "Apogee Devnet Simulated SGX PCK Certificate"
GPU_ROOT_NAME: Final = "Apogee Devnet Simulated GPU Root CA"
GPU_LEAF_NAME: Final = "Apogee Devnet Simulated GPU"
SGX_EXTENSION: Final = "1.2.840.113741.1.13.1"
BACKDATED_SECONDS: Final = 30 * DAY
LIFE_SECONDS: Final = 3_650 * DAY
CRL_SECONDS: Final = 30 * DAY
SVN_COMPONENTS: Final = 16
_SEQUENCE: Final = 0x30
_OCTETS: Final = 0x04
_INTEGER: Final = 0x02
_ENUMERATED: Final = 0x0A
_SHORT_LENGTH: Final = 0x80

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Platform:
    """What a simulated machine says of itself in its PCK certificate."""

    fmspc: bytes = bytes.fromhex("00906ea10000")
    pce_id: bytes = bytes(2)
    pce_svn: int = 11
    cpu_svn: bytes = bytes([2, 2, 2, 2, 2, 1]) + bytes(10)
    ppid: bytes = bytes(16)


@dataclass(frozen=True, slots=True)
class LeafPlan:
    """How a PCK leaf is issued; the defaults are a good one."""

    platform: Platform = field(default_factory=Platform)
    ends_at: int | None = None
    is_ca: bool = False
    by_stranger: bool = False
    has_extension: bool = True


@dataclass(frozen=True, slots=True)
class RevocationPlan:
    """What the two revocation lists say; the defaults revoke nothing."""

    leaf: bool = False
    pck_ca: bool = False
    tcb_signer: bool = False
    next_update: int | None = None
    pck_list_is_junk: bool = False
    pck_list_is_roots: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True, slots=True)
class Vendor:
    """A root, its PCK CA and its TCB signer; and the root of another vendor, who makes GPUs."""

    root: Issued
    pck_ca: Issued
    tcb_signer: Issued
    gpu_root: Issued

    @property
    def root_der(self) -> bytes:
        return self.root.der

    def tcb_chain(self) -> str:
        """The chain that collateral documents come with."""
        return join_chain((self.tcb_signer.der, self.root.der)).decode()

    def pck_ca_chain(self) -> str:
        """The chain of whoever signs the PCK revocation list."""
        return join_chain((self.pck_ca.der, self.root.der)).decode()

    def quote_chain(self, leaf: Issued) -> bytes:
        """The three certificates inside a quote."""
        return join_chain((leaf.der, self.pck_ca.der, self.root.der))


def create_vendor(now: int) -> Vendor:
    """A new root with its two authorities, valid for ten years."""
    root_key, ca_key, signer_key = new_key(), new_key(), new_key()
    root = _certify(ROOT_NAME, root_key, ROOT_NAME, root_key, now=now, path_length=1)
    ca = _certify(PCK_CA_NAME, ca_key, ROOT_NAME, root_key, now=now, path_length=0)
    signer = _certify(TCB_SIGNER_NAME, signer_key, ROOT_NAME, root_key, now=now)
    gpu_key = new_key()
    gpu_root = _certify(GPU_ROOT_NAME, gpu_key, GPU_ROOT_NAME, gpu_key, now=now, path_length=0)
    return Vendor(
        root=Issued(root, root_key),
        pck_ca=Issued(ca, ca_key),
        tcb_signer=Issued(signer, signer_key),
        gpu_root=Issued(gpu_root, gpu_key),
    )


def issue_gpu_leaf(vendor: Vendor, now: int) -> Issued:
    """The certificate of one simulated GPU."""
    key = new_key()
    certificate = _certify(GPU_LEAF_NAME, key, GPU_ROOT_NAME, vendor.gpu_root.key, now=now)
    return Issued(certificate, key)


def gpu_revocation_list(vendor: Vendor, revoked: list[Issued], *, now: int) -> bytes:
    """The GPU root's list, DER."""
    serials = [one.certificate.serial_number for one in revoked]
    return _revoke(GPU_ROOT_NAME, vendor.gpu_root.key, serials, now=now, until=now + CRL_SECONDS)


def issue_leaf(vendor: Vendor, now: int, plan: LeafPlan | None = None) -> Issued:
    """A PCK certificate for one machine."""
    plan = LeafPlan() if plan is None else plan
    key = new_key()
    issuer = new_key() if plan.by_stranger else vendor.pck_ca.key
    extension = pck_extension(plan.platform) if plan.has_extension else None
    certificate = _certify(
        LEAF_NAME,
        key,
        PCK_CA_NAME,
        issuer,
        now=now,
        path_length=0 if plan.is_ca else None,
        extension=extension,
        ends_at=plan.ends_at,
    )
    return Issued(certificate, key)


def revocation_lists(
    vendor: Vendor, leaf: Issued, now: int, plan: RevocationPlan
) -> tuple[bytes, bytes]:
    """The root's list and the PCK CA's list, DER."""
    by_root = [
        one.certificate.serial_number
        for one, is_revoked in ((vendor.pck_ca, plan.pck_ca), (vendor.tcb_signer, plan.tcb_signer))
        if is_revoked
    ]
    by_ca = [leaf.certificate.serial_number] if plan.leaf else []
    until = now + CRL_SECONDS if plan.next_update is None else plan.next_update
    root_list = _revoke(ROOT_NAME, vendor.root.key, by_root, now=now, until=until)
    if plan.pck_list_is_roots:
        return root_list, root_list
    if plan.pck_list_is_junk:
        return root_list, b"no list"
    return root_list, _revoke(PCK_CA_NAME, vendor.pck_ca.key, by_ca, now=now, until=until)


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def sign_raw(key: Key, message: bytes) -> bytes:
    """An ECDSA signature over SHA-256 as 64 bytes, r then s."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def public_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as 64 bytes: x, then y."""
    point = key.public_numbers()
    return point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")


def pck_extension(platform: Platform) -> bytes:
    """The SGX extension of a PCK certificate, DER."""
    components = [
        _named(f"2.{index + 1}", _tlv(_INTEGER, _unsigned(svn)))
        for index, svn in enumerate(platform.cpu_svn)
    ]
    tcb = _tlv(
        _SEQUENCE,
        *components,
        _named(f"2.{SVN_COMPONENTS + 1}", _tlv(_INTEGER, _unsigned(platform.pce_svn))),
        _named(f"2.{SVN_COMPONENTS + 2}", _tlv(_OCTETS, platform.cpu_svn)),
    )
    return _tlv(
        _SEQUENCE,
        _named("1", _tlv(_OCTETS, platform.ppid)),
        _named("2", tcb),
        _named("3", _tlv(_OCTETS, platform.pce_id)),
        _named("4", _tlv(_OCTETS, platform.fmspc)),
        _named("5", _tlv(_ENUMERATED, b"\0")),
    )


def _named(suffix: str, value: bytes) -> bytes:
    name = x509.ObjectIdentifier(f"{SGX_EXTENSION}.{suffix}")
    return _tlv(_SEQUENCE, _encode_oid(name), value)


def _encode_oid(name: ObjectIdentifier) -> bytes:
    first, second, *rest = (int(one) for one in name.dotted_string.split("."))
    encoded = bytearray([40 * first + second])
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        encoded.extend(reversed(groups))
    return _tlv(0x06, bytes(encoded))


def _tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < _SHORT_LENGTH:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT_LENGTH | len(length)]) + length + content


def _unsigned(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _certify(  # noqa: PLR0913  # the fields of a certificate
    subject: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *,
    now: int,
    path_length: int | None = None,
    extension: bytes | None = None,
    ends_at: int | None = None,
) -> x509.Certificate:
    is_ca = path_length is not None
    usage = x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now - BACKDATED_SECONDS))
        .not_valid_after(_moment(now + LIFE_SECONDS if ends_at is None else ends_at))
        .add_extension(x509.BasicConstraints(is_ca, path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority(issuer_key), critical=False)
    )
    if extension is not None:
        sgx = x509.UnrecognizedExtension(ObjectIdentifier(SGX_EXTENSION), extension)
        builder = builder.add_extension(sgx, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _revoke(issuer: str, key: Key, serials: list[int], *, now: int, until: int) -> bytes:
    issued = _moment(min(now, until) - DAY)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_name(issuer))
        .last_update(issued)
        .next_update(_moment(until))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(_authority(key), critical=False)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(issued)
        builder = builder.add_revoked_certificate(entry.build())
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def _authority(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Apogee devnet, simulated"),
        ]
    )


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
