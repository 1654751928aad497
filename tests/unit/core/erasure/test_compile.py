"""A kept kernel is stamped with every source that shapes it, so an edit is never ignored."""

from pathlib import Path

from offchain.core import point_sum
from offchain.core.erasure import compile as compilation
from offchain.core.erasure import transforms


def stamp_of(kernel) -> str:
    return kernel._cache._cache_file._source_stamp


def test_kernel__stamp__covers_the_package_and_its_own_file():
    package = compilation.source_stamp()

    inside = stamp_of(transforms.extend_columns)
    outside = stamp_of(point_sum._sum_tabled)

    assert len({package, inside, outside}) == 3
    assert inside == compilation._stamp_with(transforms.__file__)
    assert outside == compilation._stamp_with(point_sum.__file__)


def test_source_stamp__package__reads_every_file_of_the_package():
    folder = Path(compilation.__file__).parent

    assert {"lanes.py", "ifma.py", "vectors.py", "loops.py", "keccak8.py"} <= {
        path.name for path in folder.glob("*.py")
    }
    assert len(compilation.source_stamp()) == 64
