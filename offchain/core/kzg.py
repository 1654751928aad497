"""KZG commitments to polynomials of degree < 1,024 on the EIP-4844 trusted setup.

The commitment is the sum of coefficient x [tau^k] over the first K monomial points, the same
point that `blob_to_kzg_commitment` finds from the 4,096 values of the polynomial. Source: EIP-4844,
docs/protocol/da.md#commitment.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from py_arkworks_bls12381 import G1Point, Scalar

from offchain.core.erasure.engine import EngineMismatch
from offchain.core.errors import Corrupt, InvalidInput, NotFound
from offchain.core.field import MODULUS, Elements, elements_of, integers_of, powers
from offchain.core.layout import K

if TYPE_CHECKING:
    from offchain.core.point_sum import PointSum

POINT_BYTES: Final = 48
SETUP_POINTS_SHA256: Final = "43512d3f8c30511ccf920cd8c9c42df4d5e47693d24a772382e37d89a1cb4b0b"
_SETUP_FILES: Final = (
    ("eth_account", "typed_transactions/blob_transactions/kzg_trusted_setup.txt"),
    ("eth", "_utils/kzg_trusted_setup.txt"),
)


class SetupMissing(NotFound):
    """No installed package carries the EIP-4844 trusted setup."""

    code = "kzg.setup_missing"
    next_step = "Install the packages of requirements.lock; eth-account brings the setup."


class SetupCorrupt(Corrupt):
    """The trusted setup is not the one of EIP-4844."""

    code = "kzg.setup_corrupt"
    next_step = "Reinstall eth-account from requirements.lock."


class CommitmentInvalid(InvalidInput):
    """These bytes are no point of the subgroup in its one compressed form."""

    code = "kzg.commitment_invalid"


@dataclass(frozen=True, slots=True)
class Setup:
    """[tau^0] .. [tau^(K-1)] in G1."""

    points: tuple[G1Point, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """q(z) and the proof that the precompile 0x0a accepts for it."""

    value: int
    proof: bytes


def parse_setup(text: str) -> Setup:
    """Read the text form of the ceremony: n1, n2, Lagrange G1, G2, monomial G1.

    Raises: SetupCorrupt unless its first K monomial points are those of EIP-4844.
    """
    words = text.split()
    try:
        start = 2 + int(words[0]) + int(words[1])
        raw = [bytes.fromhex(word) for word in words[start : start + K]]
    except (IndexError, ValueError) as error:
        raise SetupCorrupt(reason=str(error)) from error
    if hashlib.sha256(b"".join(raw)).hexdigest() != SETUP_POINTS_SHA256:
        raise SetupCorrupt(points=len(raw))
    return Setup(tuple(G1Point.from_compressed_bytes_unchecked(point) for point in raw))


@cache
def load_setup() -> Setup:
    """The setup that an installed package carries, read once. Raises: SetupMissing."""
    return parse_setup(setup_path().read_text(encoding="ascii"))


def setup_path() -> Path:
    """Where an installed package keeps the setup's text form. Raises: SetupMissing."""
    for package, relative in _SETUP_FILES:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder) / relative
            if path.is_file():
                return path
    raise SetupMissing(packages=", ".join(package for package, _ in _SETUP_FILES))


def prepare(*, use_ifma: bool = False) -> None:
    """Do now what the first commitment would do: read the setup, compile and prove the fast sum.

    Raises: SetupMissing, SetupCorrupt, EngineMismatch.
    """
    load_setup()
    if use_ifma:
        _fast_sum()


def commit_point(coefficients: Elements, *, use_ifma: bool = False) -> G1Point:
    """The commitment to a polynomial given by its K coefficients, lowest first, (K, 32).

    `use_ifma` sums with AVX-512 IFMA, which the caller knows this processor has.
    """
    if use_ifma and len(coefficients) == K:
        return _affine_point(_fast_sum().sum(coefficients))
    raw = coefficients.tobytes()
    scalars = [Scalar.from_be_bytes(raw[start : start + 32]) for start in range(0, len(raw), 32)]
    return G1Point.multiexp_unchecked(list(load_setup().points[: len(scalars)]), scalars)


def commit(coefficients: Elements, *, use_ifma: bool = False) -> bytes:
    """The commitment in its 48 compressed bytes."""
    return bytes(commit_point(coefficients, use_ifma=use_ifma).to_compressed_bytes())


def parse_commitment(raw: bytes) -> G1Point:
    """Read a compressed point, the identity included. Raises: CommitmentInvalid.

    Decoding checks curve and subgroup; writing the point again refuses a second spelling.
    """
    try:
        point = G1Point.from_compressed_bytes(raw)
    except (ValueError, TypeError) as error:
        raise CommitmentInvalid(reason=str(error)) from error
    if bytes(point.to_compressed_bytes()) != raw:
        raise CommitmentInvalid(reason="not canonical")
    return point


def combine_points(points: Sequence[G1Point], weights: Sequence[int]) -> G1Point:
    """The sum of weight x point."""
    scalars = [Scalar.from_be_bytes((w % MODULUS).to_bytes(32, "big")) for w in weights]
    return G1Point.multiexp_unchecked(list(points), scalars)


def open_at(coefficients: Elements, point: int) -> Opening:
    """Evaluate the polynomial at `point` and commit to the quotient (q - q(z)) / (X - z)."""
    quotient: list[int] = []
    running = 0
    for coefficient in reversed(integers_of(coefficients)):
        quotient.append(running)
        running = (running * point + coefficient) % MODULUS
    return Opening(running, commit(elements_of(reversed(quotient))))


@cache
def _fast_sum() -> "PointSum":
    """The tabled sum over the setup, proven against arkworks once. Raises: EngineMismatch."""
    from offchain.core.point_sum import PointSum

    coordinates = []
    for point in load_setup().points:
        raw = bytes(point.to_xy_bytes_be())
        coordinates.append((int.from_bytes(raw[:POINT_BYTES]), int.from_bytes(raw[POINT_BYTES:])))
    tabled = PointSum(coordinates)
    mixed = powers(int.from_bytes(hashlib.sha256(b"self-test").digest()) % MODULUS, K - 2)
    scalars = elements_of([*mixed, 0, MODULUS - 1])
    if _affine_point(tabled.sum(scalars)) != commit_point(scalars):
        raise EngineMismatch(engine="ifma", operation="point_sum")
    return tabled


def _affine_point(affine: tuple[int, int] | None) -> G1Point:
    if affine is None:
        return G1Point.identity()
    raw = b"".join(coordinate.to_bytes(POINT_BYTES, "big") for coordinate in affine)
    return G1Point.from_xy_bytes_unchecked_be(raw)
