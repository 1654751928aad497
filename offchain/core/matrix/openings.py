"""What C opens at a row's point: with it a contract sees that a row is not the committed one.

opening   C (48) || y = q(z_i) (32) || proof (48), as precompile 0x0a wants them
"""

from typing import Final

from offchain.core import kzg
from offchain.core.erasure import ErasureEngine
from offchain.core.field import DOMAIN_POINTS, FIELD_BYTES, MODULUS, bit_reverse, root_of_unity
from offchain.core.wire import Header

_OMEGA: Final = root_of_unity(DOMAIN_POINTS)
_POINT_BITS: Final = 12


def point_of(row: int) -> int:
    """z_i, at which row i's combination is the value of q."""
    return pow(_OMEGA, bit_reverse(row, _POINT_BITS), MODULUS)


def open_header(header: Header, row: int, engine: ErasureEngine) -> bytes:
    """The opening of a header's C at the point of a row."""
    opened = kzg.open_at(engine.coefficients(header.combinations), point_of(row))
    return header.commitment + opened.value.to_bytes(FIELD_BYTES, "big") + opened.proof
