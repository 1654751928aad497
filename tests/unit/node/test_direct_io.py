"""Files past the page cache hold the same bytes as files through it, whatever their length."""

import os
from pathlib import Path

import pytest

from offchain.node.direct_io import (
    BLOCK_BYTES,
    LARGE_BYTES,
    ROOM_BYTES,
    DirectFile,
    read_large,
    write_large,
)
from offchain.node.disk import LocalDisk

LENGTHS = (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, ROOM_BYTES, ROOM_BYTES + 1, 2 * ROOM_BYTES + 4_097)


def bytes_of(length: int) -> bytes:
    return bytes(range(256)) * (length // 256) + bytes(length % 256)


@pytest.mark.parametrize("length", LENGTHS)
def test_write_large__any_length_in_uneven_parts__the_same_bytes(
    tmp_path: Path, length: int
) -> None:
    content = bytes_of(length)
    parts = [content[:5], memoryview(content)[5:4_099], bytearray(content[4_099:])]

    with (tmp_path / "file").open("wb", buffering=0) as file:
        write_large(file.fileno(), parts)

    assert (tmp_path / "file").read_bytes() == content


def test_direct_file__goes_on_at_a_whole_block__keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 3 * BLOCK_BYTES)
    with path.open("r+b", buffering=0) as file:
        file.truncate(2 * BLOCK_BYTES)
        file.seek(2 * BLOCK_BYTES)
        with DirectFile(file.fileno()) as direct:
            direct.write(b"b" * 100)
            assert path.stat().st_size == 2 * BLOCK_BYTES  # not given to the system yet
            direct.flush()

    assert path.read_bytes() == b"a" * 2 * BLOCK_BYTES + b"b" * 100


def test_direct_file__file_system_that_does_not_take_it__written_the_ordinary_way() -> None:
    reader, writer = os.pipe()  # a pipe knows neither blocks nor the page cache
    try:
        with DirectFile(writer) as direct:
            direct.write(b"some bytes")
            direct.flush()
        assert os.read(reader, 100) == b"some bytes"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("start", [0, 1, 272, BLOCK_BYTES, ROOM_BYTES - 1])
@pytest.mark.parametrize("size", [1, BLOCK_BYTES, ROOM_BYTES, 3 * ROOM_BYTES])
def test_read_large__any_place__what_lies_there_and_fewer_at_the_end(
    tmp_path: Path, start: int, size: int
) -> None:
    content = bytes_of(2 * ROOM_BYTES + 777)
    (tmp_path / "file").write_bytes(content)

    assert bytes(read_large(tmp_path / "file", start, size)) == content[start : start + size]


def test_read_large__past_the_end_or_no_file__empty_or_absent(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"short")

    assert bytes(read_large(tmp_path / "file", 2 * BLOCK_BYTES, 10)) == b""
    with pytest.raises(FileNotFoundError):
        read_large(tmp_path / "none", 0, 10)


@pytest.mark.parametrize("length", [LARGE_BYTES - 1, LARGE_BYTES, 3 * LARGE_BYTES + 5])
def test_local_disk__past_the_cache_or_through_it__reads_what_was_written(
    tmp_path: Path, length: int
) -> None:
    content, path = bytes_of(length), tmp_path / "file"
    for disk, other in (
        (LocalDisk(past_cache=True), LocalDisk()),
        (LocalDisk(), LocalDisk(past_cache=True)),
    ):
        disk.write(path, [b"old and longer"] + [content] * 2)
        disk.write(path, [content])
        disk.sync(path)

        assert bytes(other.view(path, 3, length)) == content[3:]
        assert disk.read(path) == content
