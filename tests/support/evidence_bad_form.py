"""Bad evidence, part one: bytes that are no quote, and signatures that do not hold."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_quote import HeaderPlan
from offchain.attestation.adapters.software_tee import SoftwareTee
from offchain.attestation.bundle import Bundle
from offchain.attestation.quote import (
    INNER_TYPE,
    OUTER_TYPE,
    P256_ORDER,
    encode_quote,
    join_chain,
    parse_quote,
    split_chain,
)
from offchain.attestation.reasons import Reason
from tests.support.evidence import (
    NOW,
    Attempt,
    attempt,
    bundle_of,
    sgx_quoting,
    stranger,
    usual_machine,
)

TD_AUTH_LENGTH = 632
TD_OUTER_TYPE = 764
TD_QE_REPORT = 770


@dataclass(frozen=True, slots=True)
class Case:
    """A named bad piece of evidence and the one reason it must be refused for.

    `passes_library`: step 1 alone accepts it, measured.
    """

    name: str
    reason: Reason
    make: Callable[[], Attempt]
    passes_library: bool = False


def with_quote(change: Callable[[bytes], bytes]) -> Callable[[], Attempt]:
    """The usual bundle with other quote bytes."""

    def make() -> Attempt:
        return attempt(lambda bundle: replace(bundle, quote=change(bundle.quote)))

    return make


def with_seal(**changes: Callable[[bytes], bytes]) -> Callable[[], Attempt]:
    """The usual bundle with parts of the seal changed and everything encoded again."""

    def change(raw: bytes) -> bytes:
        quote = parse_quote(raw)
        parts = {name: edit(getattr(quote.seal, name)) for name, edit in changes.items()}
        return encode_quote(quote.version, quote.signed, replace(quote.seal, **parts))

    return with_quote(change)


def from_machine(**plan: Any) -> Callable[[], Attempt]:
    """A bundle of a machine with these fields of TdPlan."""
    return lambda: attempt(**plan)


def flipped(at: int, bit: int = 0) -> Callable[[bytes], bytes]:
    """Bytes with one bit changed."""

    def change(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        return bytes(changed)

    return change


def written(at: int, value: bytes) -> Callable[[bytes], bytes]:
    """Bytes with some of them replaced."""
    return lambda raw: raw[:at] + value + raw[at + len(value) :]


def _auth_too_long(raw: bytes) -> bytes:
    length = int.from_bytes(raw[TD_AUTH_LENGTH : TD_AUTH_LENGTH + 4], "little")
    return written(TD_AUTH_LENGTH, (length + 1).to_bytes(4, "little"))(raw)


def _auth_padded(raw: bytes) -> bytes:
    return _auth_too_long(raw) + b"\0"


def _high_s(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")


def _other_root(pem_chain: bytes) -> bytes:
    *rest, root = split_chain(pem_chain)
    return join_chain((*rest, flipped(len(root) - 1)(root)))


def _encrypted_ppid(raw: bytes) -> bytes:
    quote = parse_quote(raw)
    encoded = encode_quote(quote.version, quote.signed, replace(quote.seal, pem_chain=bytes(404)))
    at = len(encoded) - 404 - 6
    assert encoded[at : at + 2] == INNER_TYPE.to_bytes(2, "little")
    return written(at, (3).to_bytes(2, "little"))(encoded)


def _stranger_quote(bundle: Bundle) -> Bundle:

    return bundle_of(SoftwareTee(stranger(), usual_machine().plan, NOW))


def _under_intel_root() -> Attempt:
    return replace(attempt(), library=DcapQvl())


FORM_CASES = (
    Case("empty", Reason.QUOTE_TRUNCATED, with_quote(lambda _: b"")),
    Case("truncated_body", Reason.QUOTE_TRUNCATED, with_quote(lambda raw: raw[:600])),
    Case("auth_length_too_long", Reason.QUOTE_TRUNCATED, with_quote(_auth_too_long)),
    Case("trailing_bytes", Reason.QUOTE_NOT_CANONICAL, with_quote(lambda raw: raw + b"\0"), True),
    Case("auth_padded", Reason.QUOTE_NOT_CANONICAL, with_quote(_auth_padded), True),
    Case("high_s", Reason.QUOTE_NOT_CANONICAL, with_seal(signature=_high_s), True),
    Case("high_s_of_qe", Reason.QUOTE_NOT_CANONICAL, with_seal(qe_signature=_high_s), True),
    Case(
        "pem_not_canonical",
        Reason.QUOTE_NOT_CANONICAL,
        with_seal(pem_chain=lambda pem: pem.replace(b"\n", b"\r\n")),
        True,
    ),
    Case(
        "pem_ends_in_zero",
        Reason.QUOTE_NOT_CANONICAL,
        with_seal(pem_chain=lambda pem: pem + b"\0"),
        True,
    ),
    Case(
        "enclosed_root_changed", Reason.QUOTE_NOT_CANONICAL, with_seal(pem_chain=_other_root), True
    ),
    Case(
        "root_left_out",
        Reason.QUOTE_NOT_CANONICAL,
        with_seal(pem_chain=lambda pem: join_chain(split_chain(pem)[:2])),
        True,
    ),
    Case("version_2", Reason.VERSION_UNSUPPORTED, with_quote(written(0, b"\2\0"))),
    Case("sgx_marked_v4", Reason.VERSION_UNSUPPORTED, with_quote(written(4, bytes(4)))),
    Case(
        "body_type_mismatch",
        Reason.BODY_TYPE_MISMATCH,
        lambda: attempt(
            lambda bundle: replace(bundle, quote=written(48, b"\3\0")(bundle.quote)),
            header=HeaderPlan(version=5),
        ),
    ),
    Case("tee_type_unknown", Reason.TEE_TYPE_UNSUPPORTED, with_quote(written(4, b"\x82"))),
    Case("key_type_3", Reason.KEY_TYPE_UNSUPPORTED, with_quote(written(2, b"\3"))),
    Case("qe_vendor_unknown", Reason.QE_VENDOR_UNKNOWN, with_quote(flipped(12))),
    Case(
        "outer_cert_type_5",
        Reason.CERT_TYPE_UNSUPPORTED,
        with_quote(written(TD_OUTER_TYPE, bytes([OUTER_TYPE - 1]))),
        True,
    ),
    Case("inner_type_3_no_chain", Reason.CERT_TYPE_UNSUPPORTED, with_quote(_encrypted_ppid)),
    Case("header_bit", Reason.QUOTE_SIGNATURE_INVALID, with_quote(flipped(40))),
    Case("body_bit", Reason.QUOTE_SIGNATURE_INVALID, with_quote(flipped(568))),
    Case(
        "ak_swapped",
        Reason.QE_BINDING_INVALID,
        with_seal(attestation_key=lambda _: usual_other_key()),
    ),
    Case("qe_auth_changed", Reason.QE_BINDING_INVALID, with_seal(qe_auth=flipped(5))),
    Case("qe_report_bit", Reason.QE_SIGNATURE_INVALID, with_quote(flipped(TD_QE_REPORT + 100))),
    Case("wrong_root", Reason.ROOT_UNTRUSTED, lambda: attempt(_stranger_quote)),
    Case("devnet_under_intel_root", Reason.ROOT_UNTRUSTED, _under_intel_root),
)


def usual_other_key() -> bytes:
    """The attestation key of another quoting enclave."""
    return sgx_quoting().attestation_key
