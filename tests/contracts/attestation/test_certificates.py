"""What the chain reads of a certificate is what the verifier, and `cryptography`, read of it."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any, Final

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offchain.attestation.adapters.software_quote import HeaderPlan, QePlan, start_quoting
from offchain.attestation.adapters.software_vendor import (
    SGX_EXTENSION,
    Issued,
    Platform,
    new_key,
    pck_extension,
    public_point,
)
from offchain.attestation.model import Quote, TeeType
from offchain.attestation.quote import (
    P256_ORDER,
    encode_quote,
    encode_td_report,
    join_chain,
    parse_quote,
    split_chain,
)
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.core.units import DAY
from tests.support.attestation import root_key
from tests.support.evidence import NOW, Asked, attempt, usual_bundle, usual_machine, vendor

PROBE: Final = """
# pragma version 0.4.3
from contracts.attestation import certificates
from contracts.attestation import quote_chain


@external
def read(der: Bytes[certificates.MAX_DER]) -> certificates.Certificate:
    return certificates._read(der)


@external
def is_certified(
    leaf: Bytes[certificates.MAX_DER], ca: Bytes[certificates.MAX_DER], root_key: Bytes[64]
) -> bool:
    return quote_chain._is_certified(leaf, ca, root_key)


@external
def pem_end(quote: Bytes[8_192], at: uint256, der: Bytes[certificates.MAX_DER]) -> uint256:
    return certificates._pem_end(quote, at, der)
"""
LEAF, CA = 0, 1
MAX_DER: Final = 2_048  # of contracts/attestation/certificates.vy
IN_2060: Final = int(dt.datetime(2060, 1, 1, tzinfo=dt.UTC).timestamp())
Chain = tuple[bytes, bytes, bytes]


@pytest.fixture(scope="module")
def probe(native_evm: None) -> VyperContract:
    return boa.loads(PROBE, name="CertificatesProbe")


@cache
def usual_quote() -> Quote:
    return parse_quote(usual_bundle().quote)


@cache
def usual_chain() -> Chain:
    leaf, ca, root = split_chain(usual_quote().seal.pem_chain)
    return leaf, ca, root


def refusals_of(quote: bytes, collateral: str | None = None) -> tuple[Reason, ...]:
    """Why library and policy refuse the usual evidence with this quote; empty where they do not."""
    usual = attempt()
    text = usual.bundle.collateral if collateral is None else collateral
    try:
        replace(usual, bundle=replace(usual.bundle, quote=quote, collateral=text)).verify()
    except EvidenceRefused as error:
        return error.reasons
    return ()


def refusals(chain: Chain) -> tuple[Reason, ...]:
    """The same of the usual quote with other certificates, whose CA the collateral names too."""
    usual = usual_quote()
    seal = replace(usual.seal, pem_chain=join_chain(chain))
    documents = json.loads(usual_bundle().collateral)
    documents["pck_crl_issuer_chain"] = join_chain(chain[1:]).decode()
    return refusals_of(encode_quote(usual.version, usual.signed, seal), json.dumps(documents))


def with_certificate(at: int, der: bytes) -> Chain:
    """The usual chain with another leaf or CA."""
    leaf, ca, root = usual_chain()
    return (der, ca, root) if at == LEAF else (leaf, der, root)


def is_signed(der: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    """What `cryptography` says, of the signature alone."""
    try:
        found = x509.load_der_x509_certificate(der)
        key.verify(found.signature, found.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def signed_part(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).tbs_certificate_bytes


def issued(
    *,
    serial: int = 7,
    ends_at: int = NOW + DAY,
    units: int = 0,
    more: int = 0,
    algorithm: Any = None,
) -> Issued:
    """A PCK leaf of the usual vendor in another shape."""
    key, ca = new_key(), vendor().pck_ca
    names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, "a leaf")]
    names += [
        x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, f"unit {one}")
        for one in range(units)
    ]
    starts, ends = (dt.datetime.fromtimestamp(one, tz=dt.UTC) for one in (NOW - DAY, ends_at))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
    )
    for name, value in ((SGX_EXTENSION, pck_extension(Platform())), ("1.2.3.4", bytes(more))):
        other = x509.UnrecognizedExtension(x509.ObjectIdentifier(name), value)
        builder = builder.add_extension(other, critical=False)
    return Issued(builder.sign(ca.key, algorithm or hashes.SHA256()), key)


def quote_of(leaf: Issued) -> bytes:
    """Good evidence of a machine with this leaf."""
    quoting = start_quoting(vendor(), leaf, tee_type=int(TeeType.TDX), plan=QePlan())
    body = usual_machine().body(Asked().report_data())
    return quoting.quote(HeaderPlan(), encode_td_report(body))


SHAPES: Final[dict[str, dict[str, Any]]] = {
    "serial of one byte": {"serial": 1},
    "serial of twenty bytes": {"serial": 1 << 158},
    "generalized time": {"ends_at": IN_2060},
    "long name": {"units": 24},
    "long extension": {"more": 1_000},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_read__shape_that_the_ca_signed__key_and_signature_as_the_verifier_sees_them(
    probe: VyperContract, shape: dict[str, Any]
) -> None:
    leaf = issued(**shape)
    ca = vendor().pck_ca.der

    assert refusals_of(quote_of(leaf)) == ()
    read = probe.read(leaf.der)
    point = read.x.to_bytes(32, "big") + read.y.to_bytes(32, "big")
    assert read.is_sound and point == public_point(leaf.key.public_key())
    assert read.signed == sha256(signed_part(leaf.der)).digest()
    assert (read.r, read.s) == decode_dss_signature(leaf.certificate.signature)
    assert probe.is_certified(leaf.der, ca, root_key(vendor()))


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), hashes.SHA512()], ids=["sha384", "sha512"])
def test_read__another_hash_under_the_signature__refused_by_both(
    probe: VyperContract, algorithm: Any
) -> None:
    leaf = issued(algorithm=algorithm)

    assert refusals_of(quote_of(leaf))
    assert not probe.is_certified(leaf.der, vendor().pck_ca.der, root_key(vendor()))


def tlv(tag: int, content: bytes) -> bytes:
    """An element of less than 64 kB."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(length)]) + length + content


ALGORITHM: Final = bytes.fromhex("300a06082a8648ce3d040302")


def sealed(der: bytes, signature: bytes, *, algorithm: bytes = ALGORITHM, unused: int = 0) -> bytes:
    """The same signed part in another envelope."""
    return tlv(0x30, signed_part(der) + algorithm + tlv(3, bytes([unused]) + signature))


def numbers(der: bytes) -> tuple[int, int]:
    return decode_dss_signature(x509.load_der_x509_certificate(der).signature)


def other_s(der: bytes) -> bytes:
    r, s = numbers(der)
    return sealed(der, encode_dss_signature(r, P256_ORDER - s))


def wide_s(der: bytes) -> bytes:
    """The lower `s` in 33 bytes, the first of which is zero for no reason."""
    r, s = numbers(der)
    first = encode_dss_signature(r, 1)[2:-3]
    low = min(s, P256_ORDER - s).to_bytes(33, "big")
    return sealed(der, tlv(0x30, first + tlv(2, low)))


def of_null(der: bytes) -> bytes:
    algorithm = bytes.fromhex("300c06082a8648ce3d0403020500")
    return sealed(der, encode_dss_signature(*numbers(der)), algorithm=algorithm)


def unused_bit(der: bytes) -> bytes:
    """An even `s`, whose last bit is said to be unused."""
    r, s = numbers(der)
    even = s if s % 2 == 0 else P256_ORDER - s
    return sealed(der, encode_dss_signature(r, even), unused=1)


def long_length(der: bytes) -> bytes:
    content = der[4:]
    return b"\x30\x83" + len(content).to_bytes(3, "big") + content


def in_itself(der: bytes) -> bytes:
    """The same bytes again."""
    return sealed(der, encode_dss_signature(*numbers(der)))


# envelope -> whether verifier, `cryptography` and chain take it
ENVELOPES: Final[dict[str, tuple[Callable[[bytes], bytes], tuple[bool, bool, bool]]]] = {
    "the same again": (in_itself, (True, True, True)),
    "other s": (other_s, (True, True, True)),
    "wide s": (wide_s, (False, False, True)),
    "unused bit": (unused_bit, (False, True, False)),
    "null beside the algorithm": (of_null, (False, False, False)),
    "long length": (long_length, (False, False, False)),
    "byte behind": (lambda der: der + b"\x00", (False, False, False)),
    "byte behind the signature": (lambda der: tlv(0x30, der[4:] + b"\x00"), (False, False, False)),
}


@pytest.mark.parametrize(("envelope", "taken"), ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize("at", [LEAF, CA], ids=["leaf", "ca"])
def test_certified__same_signed_part_in_another_envelope__whatever_the_verifier_takes(
    probe: VyperContract,
    at: int,
    envelope: Callable[[bytes], bytes],
    taken: tuple[bool, bool, bool],
) -> None:
    chain = with_certificate(at, envelope(usual_chain()[at]))
    issuer = (vendor().pck_ca, vendor().root)[at]

    found = (
        not refusals(chain),
        is_signed(chain[at], issuer.key.public_key()),
        probe.is_certified(chain[LEAF], chain[CA], root_key(vendor())),
    )

    assert found == taken


PUT = st.one_of(st.binary(max_size=3), st.sampled_from([b"\x30\x80", b"\x02\x01\x00", b"\x81"]))
SPLICES = st.tuples(PUT, st.integers(0, 3))
REPLACED = st.binary(min_size=1, max_size=3).map(lambda put: (put, len(put)))


@settings(max_examples=30)
@given(
    at=st.sampled_from([LEAF, CA]), place=st.integers(0, 1_000), change=st.one_of(REPLACED, SPLICES)
)
@example(at=LEAF, place=0, change=(b"", 0))
@example(at=LEAF, place=20, change=(b"\x01\x02", 2))  # in the serial number
@example(at=CA, place=20, change=(b"\x01\x02", 2))
def test_certified__spliced_anywhere__never_refused_where_accepted_nor_certified_where_changed(
    probe: VyperContract, at: int, place: int, change: tuple[bytes, int]
) -> None:
    put, cut = change
    before = usual_chain()[at]
    place %= len(before)
    chain = with_certificate(at, before[:place] + put + before[place + cut :])

    is_certified = probe.is_certified(chain[LEAF], chain[CA], root_key(vendor()))

    if chain == usual_chain():
        assert is_certified and not refusals(chain)
        return
    assert is_certified or refusals(chain)
    if is_certified:
        now, then = probe.read(chain[at]), probe.read(before)
        assert (now.signed, now.x, now.y, now.r) == (then.signed, then.x, then.y, then.r)
        assert now.s in {then.s, P256_ORDER - then.s}


@settings(max_examples=10)
@given(size=st.integers(1, MAX_DER), fill=st.binary(min_size=1, max_size=64), flip=st.data())
def test_pem_end__text_of_any_bytes__is_theirs_alone(
    probe: VyperContract, size: int, fill: bytes, flip: st.DataObject
) -> None:
    der = (fill * size)[:size]
    text = join_chain((der,))
    quote = text + bytes(32)
    place = flip.draw(st.integers(0, len(text) - 1))
    other = bytearray(quote)
    other[place] ^= flip.draw(st.integers(1, 255))

    assert probe.pem_end(quote, 0, der) == len(text)
    assert probe.pem_end(bytes(other), 0, der) == 0
    assert probe.pem_end(quote, 0, der[:-1]) == 0


def test_verify_bundle__certificate_that_the_chain_cannot_read__refused() -> None:
    sizes = [len(issued(more=more).der) for more in (1_150, 1_500)]
    assert sizes[0] <= MAX_DER < sizes[1]

    assert refusals_of(quote_of(issued(more=1_150))) == ()
    assert refusals_of(quote_of(issued(more=1_500))) == (Reason.QUOTE_NOT_CANONICAL,)
