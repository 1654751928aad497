"""The Range header, as RFC 9110 reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.gateway.errors import RangeUnsatisfiable
from offchain.gateway.ranges import ByteRange, parse_range


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        *(("bytes=0-0", 0, 1), ("bytes=2-4", 2, 5), ("bytes=2-", 2, 10), ("bytes=-3", 7, 10)),
        *(("bytes=-99", 0, 10), ("bytes=9-99", 9, 10), ("bytes = 1-2", 1, 3)),
        *((None, 0, 10), ("", 0, 10), ("bytes=-", 0, 10), ("bytes=4-2", 0, 10)),
        *(("bytes=0-1,3-4", 0, 10), ("pages=1-2", 0, 10), ("bytes=a-b", 0, 10)),
        *(("bytes=1-2-3", 0, 10), ("bytes=" + "9" * 50 + "-", 0, 10), ("bytes=²-", 0, 10)),
    ],
)
def test_range__of_ten_bytes__is(header: str | None, start: int, stop: int) -> None:
    assert ByteRange(start, stop, 10) == parse_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_range__without_a_byte__is_unsatisfiable(header: str) -> None:
    with pytest.raises(RangeUnsatisfiable) as refused:
        parse_range(header, 10)
    assert refused.value.length == 10


@given(st.one_of(st.none(), st.text(max_size=40)), st.integers(1, 1 << 40))
def test_range__any_text__lies_within_the_blob(header: str | None, length: int) -> None:
    try:
        found = parse_range(header, length)
    except RangeUnsatisfiable:
        return
    assert 0 <= found.start < found.stop <= length


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.integers(1, 1_000))
def test_range__two_numbers__are_the_slice_that_python_makes(
    first: int, last: int, length: int
) -> None:
    data = bytes(number % 251 for number in range(length))
    if first >= length and last >= first:
        with pytest.raises(RangeUnsatisfiable):
            parse_range(f"bytes={first}-{last}", length)
        return
    found = parse_range(f"bytes={first}-{last}", length)
    expected = data[first : last + 1] if first <= last else data
    assert expected == data[found.start : found.stop]
