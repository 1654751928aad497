"""The default file: at least 30 MB, one matrix, the same bytes each time, whatever the sources."""

import io
import tarfile
from pathlib import Path

import pytest

from offchain.apps.demo.archive import (
    LEAST_BYTES,
    MOST_BYTES,
    build_archive,
    standard_library,
)


@pytest.fixture
def few_sources(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    for number in range(40):
        (tmp_path / "package" / f"module{number}.py").write_text("x = 1\n" * 50_000)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "module.py").write_text("never read")
    (tmp_path / "notes.txt").write_text("never read")
    return tmp_path


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getnames()


def test_archive__of_this_pythons_library__is_one_matrix_and_deterministic() -> None:
    first = build_archive(standard_library())

    assert LEAST_BYTES <= len(first) <= MOST_BYTES
    assert build_archive(standard_library()) == first


def test_archive__of_few_sources__repeats_them(few_sources: Path) -> None:
    made = build_archive(few_sources)

    names = names_in(made)
    assert LEAST_BYTES <= len(made) <= MOST_BYTES
    assert "package/module0.py" in names
    assert "1/package/module0.py" in names
    assert all(name.endswith(".py") and "__pycache__" not in name for name in names)


def test_archive__of_more_than_one_matrix__leaves_the_rest_out(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"big{number}.py").write_bytes(bytes(9_000_000))

    made = build_archive(tmp_path)

    assert len(names_in(made)) == 3
    assert len(made) <= MOST_BYTES


def test_archive__of_nothing__is_empty(tmp_path: Path) -> None:
    assert names_in(build_archive(tmp_path)) == []
