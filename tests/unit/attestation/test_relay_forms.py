"""Whatever strangers send to a subject or a relayer is read whole or refused by name."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from offchain.attestation.relay_errors import AskRefused
from offchain.attestation.relay_forms import (
    FormMalformed,
    asker_of,
    parse_offers,
    parse_signed,
    signed_json,
)

NOW = 1_800_000_000
PROVIDER = b"\x01" * 20
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(raw=st.binary(max_size=200))
def test_parsers__of_any_bytes__refuse_with_one_error(raw: bytes) -> None:
    for parse in (parse_offers, parse_signed):
        with suppress(FormMalformed):
            parse(raw)


@given(verdict=VALUES, signature=VALUES)
def test_parse_signed__of_any_json__is_a_signature_or_refused(
    verdict: object, signature: object
) -> None:
    import json

    raw = json.dumps({"verdict": verdict, "signature": signature}).encode()
    with suppress(FormMalformed):
        assert parse_signed(raw)


@given(words=st.binary(min_size=544, max_size=544), signature=st.binary(min_size=65, max_size=65))
def test_parse_signed__of_what_it_accepts__writes_the_same_again(
    words: bytes, signature: bytes
) -> None:
    raw = b'{"verdict":"%s","signature":"%s"}' % (words.hex().encode(), signature.hex().encode())
    with suppress(FormMalformed):
        assert signed_json(parse_signed(raw)) == raw


@given(header=st.text(max_size=200) | st.none())
def test_asker__of_any_header__is_refused(header: str | None) -> None:
    with suppress(AskRefused):
        raise AssertionError(asker_of(header, PROVIDER, NOW, "GET /v1/attestation/offers"))
