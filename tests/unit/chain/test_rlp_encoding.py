"""Our encoder against the rlp package."""

import rlp
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.rlp_encoding import encode_rlp

ITEMS = st.recursive(
    st.binary(max_size=70) | st.integers(0, 2**260), lambda inner: st.lists(inner, max_size=9)
)


@given(ITEMS)
def test_encode_rlp__any_item__same_bytes_as_the_package(item: object) -> None:
    assert rlp.encode(item) == encode_rlp(item)  # type: ignore[arg-type]  # generated items


def test_encode_rlp__long_item__same_bytes_as_the_package() -> None:
    item = [b"\x01" * 70_000, [b"", 0, 127, 128]]

    assert rlp.encode(item) == encode_rlp(item)
