"""References: what is printed parses to the same, and nothing else parses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.da.split import FileReferenceInvalid
from offchain.sdk.references import FileReference, ItemReference, parse_reference

ids = st.binary(min_size=32, max_size=32)


@given(ids, st.integers(0, 65_535), st.booleans())
def test_reference__printed_and_parsed__is_the_same(
    blob_id: bytes, number: int, is_manifest: bool
) -> None:
    for reference in (FileReference(blob_id, is_manifest), ItemReference(blob_id, number)):
        assert reference == parse_reference(str(reference))
        assert reference == parse_reference(reference)


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "apogee:da:item:", "apogee:da:item:" + "0" * 64),
        *("apogee:da:item:" + "0" * 64 + ":", "apogee:da:item:" + "0" * 64 + ":65536"),
        *("apogee:da:item:" + "0" * 64 + ":01", "apogee:da:item:" + "0" * 63 + ":1"),
        *("apogee:da:item:" + "G" * 64 + ":1", "apogee:da:item:" + "0" * 64 + ":²"),
        *("apogee:da:blob:" + "0" * 63, "apogee:da:disk:" + "0" * 64),
    ],
)
def test_reference__that_is_none__is_refused(text: str) -> None:
    with pytest.raises(FileReferenceInvalid):
        parse_reference(text)


@given(st.text(max_size=120))
def test_reference__any_text__parses_or_is_refused(text: str) -> None:
    try:
        found = parse_reference(text)
    except FileReferenceInvalid:
        return
    assert str(found) == text
