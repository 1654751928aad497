"""`apogee demo` on py-evm with a file and a home of the user's: nothing is left running."""

from pathlib import Path

from tests.support.apogee_command import run_apogee
from tests.support.demo import assert_told, processes_of


def test_demo__on_pyevm_with_a_small_file_and_kept_home__comes_back_and_nothing_runs(
    tmp_path: Path,
) -> None:
    file, kept = tmp_path / "letter", tmp_path / "kept"
    file.write_bytes(b"x")

    told = run_apogee(
        *("demo", "--backend", "pyevm", "--file", str(file), "--keep", str(kept), "--json")
    ).json()

    assert told["blob_bytes"] == 1
    assert (kept / "retrieved").read_bytes() == b"x"
    assert_told(told, "pyevm")
    assert processes_of(kept) == []
