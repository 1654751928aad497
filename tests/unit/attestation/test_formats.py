"""The formats that contracts, relayers and buyers share, against independent implementations."""

import hashlib
from dataclasses import replace

import pytest
from eth_abi import encode
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils import keccak as other_keccak

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.bundle import MAX_QUOTE_BYTES, BundleMalformed, parse_bundle
from offchain.attestation.intel_root import INTEL_ROOT_DER
from offchain.attestation.model import (
    INTEL_ROOT_KEY,
    INTEL_ROOT_KEY_ID,
    MAX_VERDICT_SECONDS,
    TcbStatus,
    TdBody,
    parse_verdict,
    td_measurement_id,
    verdict_of,
)
from offchain.attestation.quote import evidence_id, parse_quote
from offchain.attestation.report_data import (
    NO_KEY,
    Domain,
    Subject,
    binding_of,
    epoch_nonce,
    key_hash,
    read_report_data,
    report_data,
)
from offchain.core.errors import InvalidInput
from tests.support.evidence import (
    DOMAIN,
    EPOCH,
    NOW,
    attempt,
    nonce_of,
    usual_bundle,
    usual_machine,
)

SUBJECT = Subject(b"\1" * 32, b"\2" * 20, b"\3" * 32, b"\4" * 32)
WORDS_TYPES = [
    "bytes32",
    "uint256",
    "address",
    "bytes32",
    "address",
    "bytes32",
    "bytes32",
    "bytes32",
]


def test_binding_of__independent_abi_encoding__same_hash() -> None:
    tag = other_keccak(b"apogee.attestation.report.v1")
    nonce = b"\5" * 32

    binding = binding_of(DOMAIN, SUBJECT, nonce)

    assert binding == other_keccak(
        encode(
            WORDS_TYPES,
            [
                tag,
                DOMAIN.chain_id,
                DOMAIN.registry,
                SUBJECT.service_id,
                SUBJECT.signer,
                SUBJECT.enc_key_hash,
                SUBJECT.tls_key_hash,
                nonce,
            ],
        )
    )


def test_epoch_nonce__independent_abi_encoding__same_hash() -> None:
    tag = other_keccak(b"apogee.attestation.nonce.v1")

    nonce = epoch_nonce(7, b"\6" * 32)

    assert nonce == other_keccak(encode(["bytes32", "uint256", "bytes32"], [tag, 7, b"\6" * 32]))


@pytest.mark.parametrize("has_gpu", [False, True])
def test_report_data__written_and_read__same_fields(has_gpu: bool) -> None:
    nonce = b"\5" * 32

    raw = report_data(DOMAIN, SUBJECT, nonce, has_gpu=has_gpu)

    fields = read_report_data(raw)
    assert len(raw) == 64
    assert fields is not None
    assert (fields.signer, fields.has_gpu) == (SUBJECT.signer, has_gpu)
    assert fields.binding == binding_of(DOMAIN, SUBJECT, nonce)


@pytest.mark.parametrize(
    "other",
    [
        (replace(DOMAIN, chain_id=1), SUBJECT, b"\5" * 32),
        (replace(DOMAIN, registry=b"\7" * 20), SUBJECT, b"\5" * 32),
        (DOMAIN, replace(SUBJECT, service_id=b"\7" * 32), b"\5" * 32),
        (DOMAIN, replace(SUBJECT, signer=b"\7" * 20), b"\5" * 32),
        (DOMAIN, replace(SUBJECT, enc_key_hash=b"\7" * 32), b"\5" * 32),
        (DOMAIN, replace(SUBJECT, tls_key_hash=b"\7" * 32), b"\5" * 32),
        (DOMAIN, SUBJECT, b"\7" * 32),
    ],
    ids=["chain", "registry", "service", "signer", "enc_key", "tls_key", "nonce"],
)
def test_binding_of__any_one_value_differs__another_binding(
    other: tuple[Domain, Subject, bytes],
) -> None:
    assert binding_of(*other) != binding_of(DOMAIN, SUBJECT, b"\5" * 32)


def test_key_hash__no_key__zero() -> None:
    assert key_hash(b"") == NO_KEY
    assert key_hash(b"k") == other_keccak(b"k")


def test_verdict_digest__independent_eip_712__same_digest() -> None:
    verdict = verdict_of(attempt().verify(), not_after=NOW + MAX_VERDICT_SECONDS)
    names = (
        "evidenceId bytes32,quoteHash bytes32,bundleRoot bytes32,serviceId bytes32,signer address,"
        "encKeyHash bytes32,tlsKeyHash bytes32,measurementId bytes32,reportDataHash bytes32,"
        "gpuHash bytes32,teeType uint8,tcbStatus uint8,tcbEvalNumber uint32,"
        "collateralHash bytes32,rootKeyId bytes32,nonce bytes32,notAfter uint64"
    )
    pairs = [one.split() for one in names.split(",")]
    message = {name: value for (name, _), value in zip(pairs, verdict.fields(), strict=True)}
    message["signer"] = f"0x{verdict.signer.hex()}"

    signable = encode_typed_data(
        domain_data={
            "name": "Apogee AttestationRegistry",
            "version": "1",
            "chainId": DOMAIN.chain_id,
            "verifyingContract": f"0x{DOMAIN.registry.hex()}",
        },
        message_types={"Verdict": [{"name": name, "type": kind} for name, kind in pairs]},
        message_data=message,
    )

    assert verdict.digest(DOMAIN) == _hash_eip191_message(signable)


def test_verdict_of__claims_end_before_the_life__verdict_ends_with_them() -> None:
    claims = attempt().verify()

    early = verdict_of(claims, not_after=NOW + 60)
    late = verdict_of(claims, not_after=claims.usable_until + 60)

    assert early.not_after == NOW + 60
    assert late.not_after == claims.usable_until


def test_verdict_of__claims__fields_are_those_of_the_evidence() -> None:
    bundle = usual_bundle()
    body = parse_quote(bundle.quote).body

    verdict = verdict_of(attempt().verify(), not_after=NOW + 60)

    assert verdict.nonce == nonce_of(EPOCH)
    assert verdict.report_data_hash == other_keccak(body.report_data)
    assert verdict.collateral_hash == other_keccak(bundle.collateral.encode())
    assert verdict.tcb_status == TcbStatus.UP_TO_DATE == 1
    assert verdict.tee_type == 0x81
    assert verdict.gpu_hash == bytes(32)
    assert verdict.evidence_id == evidence_id(parse_quote(bundle.quote))


def test_parse_verdict__field_larger_than_its_type__refused() -> None:
    verdict = verdict_of(attempt().verify(), not_after=NOW + 60)
    raw = bytearray(verdict.struct_words())
    raw[32 * 10] = 1

    with pytest.raises(InvalidInput):
        parse_verdict(bytes(raw))


def test_td_measurement_id__concatenation_of_the_page__same_hash() -> None:
    body = usual_machine().body(bytes(64))
    assert isinstance(body, TdBody)

    name = td_measurement_id(body, os_image=b"\1" * 32, compose_hash=b"\2" * 32)

    told = body.mr_td + b"".join(body.rtmrs[:3])
    assert body.code_hash() == other_keccak(told)
    assert name == other_keccak(told + b"\1" * 32 + b"\2" * 32)


def test_evidence_id__offsets_of_the_page__same_hash() -> None:
    raw = usual_bundle().quote
    tag = other_keccak(b"apogee.attestation.evidence.v1")
    signed, key = raw[:632], raw[700:764]
    qe_report, qe_auth = raw[770:1154], raw[1220:1252]

    assert raw[1218:1220] == (32).to_bytes(2, "little")
    assert evidence_id(parse_quote(raw)) == other_keccak(tag + signed + key + qe_report + qe_auth)
    assert qe_report[320:352] == hashlib.sha256(key + qe_auth).digest()


def test_intel_root__compiled_in__is_the_key_that_hardware_means() -> None:
    assert INTEL_ROOT_KEY in INTEL_ROOT_DER
    assert other_keccak(INTEL_ROOT_KEY) == INTEL_ROOT_KEY_ID
    assert DcapQvl().root == INTEL_ROOT_DER


def test_parse_bundle__quote_longer_than_the_registry_takes__refused() -> None:
    bundle = replace(usual_bundle(), quote=bytes(MAX_QUOTE_BYTES + 1))

    with pytest.raises(BundleMalformed):
        parse_bundle(bundle.to_json())


def test_bundle_root__independent_concatenation__same_hash() -> None:
    bundle = usual_bundle()
    tag = other_keccak(b"apogee.attestation.bundle.v1")
    parts = [bundle.quote, *(one.encode() for one in (bundle.collateral, bundle.event_log))]
    parts.append(bundle.compose.encode())

    assert bundle.root() == other_keccak(tag + b"".join(map(other_keccak, parts)) + bytes(32))
