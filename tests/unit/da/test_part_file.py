"""A file that comes in parts: what a killed run left counts only where its manifest says so."""

from pathlib import Path

from offchain.core.hashing import keccak
from offchain.da.adapters.part_file import PartFile
from offchain.da.manifest import Manifest, Part

PARTS = [b"a" * 100, b"b" * 100, b"c" * 30]
MANIFEST = Manifest(230, 100, tuple(Part(keccak(part), bytes(32)) for part in PARTS))


def target_in(folder: Path, left_over: bytes | None = None) -> Path:
    target = folder / "film.mp4"
    if left_over is not None:
        (folder / "film.mp4.part").write_bytes(left_over)
    return target


def fetch(target: Path, *, until: int = 3) -> int:
    """Write the parts that are not there; how many were."""
    with PartFile(target) as file:
        held = file.held(MANIFEST)
        for part in PARTS[held:until]:
            file.write(part)
        if until == 3:
            file.finish()
    return held


def test_part_file__written_whole__is_the_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = target_in(tmp_path)

    assert fetch(target) == 0

    assert b"".join(PARTS) == target.read_bytes()
    assert [target] == list(tmp_path.iterdir())


def test_part_file__interrupted__goes_on_after_the_last_whole_part(tmp_path: Path) -> None:
    target = target_in(tmp_path)
    fetch(target, until=2)
    assert not target.exists()

    assert fetch(target) == 2
    assert b"".join(PARTS) == target.read_bytes()


def test_part_file__killed_within_a_part__that_part_comes_again(tmp_path: Path) -> None:
    target = target_in(tmp_path, PARTS[0] + PARTS[1][:50])

    assert fetch(target) == 1
    assert b"".join(PARTS) == target.read_bytes()


def test_part_file__left_of_another_file__counts_for_nothing(tmp_path: Path) -> None:
    target = target_in(tmp_path, b"x" * 500)

    assert fetch(target) == 0
    assert b"".join(PARTS) == target.read_bytes()


def test_part_file__a_changed_byte_in_the_middle__everything_from_there_comes_again(
    tmp_path: Path,
) -> None:
    damaged = bytearray(b"".join(PARTS))
    damaged[150] ^= 1
    target = target_in(tmp_path, bytes(damaged))

    assert fetch(target) == 1
    assert b"".join(PARTS) == target.read_bytes()


def test_part_file__of_one_blob__takes_the_place_of_what_was_left(tmp_path: Path) -> None:
    target = target_in(tmp_path, b"x" * 500)
    with PartFile(target) as file:
        file.write(b"one blob")
        file.finish()

    assert target.read_bytes() == b"one blob"


def test_part_file__nothing_came__leaves_no_trace_and_keeps_what_was_there(tmp_path: Path) -> None:
    with PartFile(target_in(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []

    with PartFile(target_in(tmp_path, PARTS[0])):
        pass
    assert (tmp_path / "film.mp4.part").read_bytes() == PARTS[0]
