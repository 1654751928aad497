"""One form for one quote: relayers and contracts hash these bytes, so only one form may exist.

Source: docs/protocol/attestation.md#quotes.
"""

import json
from dataclasses import replace
from typing import Final

from offchain.attestation.bounded_json import loads_bounded
from offchain.attestation.model import Quote
from offchain.attestation.quote import (
    CHAIN_LENGTH,
    encode_quote,
    join_chain,
    low_s,
    parse_quote,
    refuse,
    split_chain,
)
from offchain.attestation.reasons import Reason

OWN_CHAIN: Final = "pck_certificate_chain"
P256_KEY_PREFIX: Final = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
)  # SubjectPublicKeyInfo of an uncompressed point
_POINT_BYTES: Final = 64
_ROOT: Final = CHAIN_LENGTH - 1
MAX_CERTIFICATE_BYTES: Final = 2_048  # what contracts/attestation/certificates.vy reads


def canonical_bytes(raw: bytes) -> bytes:
    """The canonical form of a quote as hardware gives it. Raises: EvidenceRefused."""
    quote = parse_quote(raw)
    return _re_encode(quote, split_chain(quote.seal.pem_chain))


def canonical_collateral(text: str) -> str:
    """Collateral as collectors give it, in the form that verifiers take.

    A certificate chain of its own is dropped (the quote has it), the other chains become plain PEM
    text. What is no collateral at all comes back as it is, to be refused by the verifier.
    """
    try:
        found = loads_bounded(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(found, dict):
        return text
    found.pop(OWN_CHAIN, None)
    for name, value in found.items():
        if name.endswith("_chain") and isinstance(value, str):
            found[name] = join_chain(split_chain(value.encode())).decode()
    return json.dumps(found, separators=(",", ":"))


def parse_canonical(raw: bytes, *, trusted_root: bytes) -> Quote:
    """Read a quote that must be in canonical form and end in `trusted_root` (DER).

    Raises: EvidenceRefused.
    """
    quote = parse_quote(raw)
    certificates = split_chain(quote.seal.pem_chain)
    is_whole = len(certificates) == CHAIN_LENGTH
    if is_whole and key_of(certificates[_ROOT]) not in {b"", key_of(trusted_root)}:
        refuse(Reason.ROOT_UNTRUSTED, "the chain ends in another root's key")
    if _re_encode(quote, certificates) != raw:
        refuse(Reason.QUOTE_NOT_CANONICAL, "trailing, padded, high s or other PEM text")
    if not is_whole or certificates[_ROOT] != trusted_root:
        refuse(Reason.QUOTE_NOT_CANONICAL, "not three certificates that end in the trusted root")
    if max(map(len, certificates)) > MAX_CERTIFICATE_BYTES:
        refuse(Reason.QUOTE_NOT_CANONICAL, "a certificate that the chain is too short to read")
    return quote


def key_of(certificate: bytes) -> bytes:
    """The 64 bytes of a P-256 key in a certificate's DER; empty when it has none.

    Found by the prefix that such a key has: the bytes are not trusted, so nothing parses them.
    """
    _, _, rest = certificate.partition(P256_KEY_PREFIX)
    return rest[:_POINT_BYTES]


def _re_encode(quote: Quote, certificates: tuple[bytes, ...]) -> bytes:
    seal = quote.seal
    plain = replace(
        seal,
        signature=low_s(seal.signature),
        qe_signature=low_s(seal.qe_signature),
        pem_chain=join_chain(certificates),
    )
    return encode_quote(quote.version, quote.signed, plain)
