"""The default file of the demo: an archive of this machine's Python standard library sources.

Deterministic for one Python: sorted names, no times, no owners. It is at least 30 MB and still one
matrix: where the sources are larger the last ones are left out, where they are smaller (some
systems leave out the tests) they are repeated in further folders.
"""

import io
import os
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LEAST_BYTES: Final = 30_000_000
MOST_BYTES: Final = 32_505_856  # one matrix: 1,024 rows x 1,024 columns x 31 bytes
_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK  # tar pads its end to whole records
_SKIPPED: Final = frozenset({"__pycache__", "site-packages", "dist-packages"})


def standard_library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def build_archive(sources: Path) -> bytes:
    """A tar of the `.py` files under `sources`, between LEAST_BYTES and MOST_BYTES long."""
    buffer = io.BytesIO()
    names = list(_sources(sources))
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        round_number = 0
        while buffer.tell() < LEAST_BYTES and _add_round(archive, buffer, names, round_number):
            round_number += 1
    return buffer.getvalue()


def _add_round(
    archive: tarfile.TarFile, buffer: io.BytesIO, names: list[tuple[str, Path]], number: int
) -> int:
    """Add what still fits; how many files that was."""
    added = 0
    for name, path in names:
        content = path.read_bytes()
        room = MOST_BYTES - _RECORD - 2 * _BLOCK - buffer.tell()
        if _BLOCK + -(-len(content) // _BLOCK) * _BLOCK > room:
            continue
        entry = tarfile.TarInfo(f"{number}/{name}" if number else name)
        entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
        archive.addfile(entry, io.BytesIO(content))
        added += 1
    return added


def _sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Every source file with its name in the archive, sorted."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for file in sorted(files):
            path = Path(folder, file)
            name = path.relative_to(root).as_posix()
            if file.endswith(".py") and len(name) <= 90 and path.is_file():
                yield name, path
