"""A client's own disk fails at every step of a put: it pays once, and the next process goes on."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.errors import StoreBroken, StoreFull
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.storage.client_errors import SourceChanged
from offchain.storage.model import FileState
from offchain.storage.put_model import Stored
from offchain.storage.sources import BytesSource
from tests.support.storage_client import StorageSite, a_storage_site

CONTENT = bytes(range(256)) * 100
MOST_STEPS = 80
NONCE = 5  # what a retry of the same put chooses again


def put_on(site: StorageSite, disk: FaultyDisk | LocalDisk) -> Stored:
    wish = site.wish(nonce=NONCE)
    return asyncio.run(site.putter(disk=disk).put(BytesSource(CONTENT), wish))


def sites_that_fail(fault: Fault, engine: ErasureEngine, folder: Path) -> Iterator[StorageSite]:
    """Every world in which exactly one step of the client's disk failed during one put."""
    for step in range(MOST_STEPS):
        site = a_storage_site(engine, folder / str(step), profile="solo")
        disk = FaultyDisk(LocalDisk(), fault, at_step=step)
        try:
            stored = put_on(site, disk)
        except (Crashed, StoreFull, StoreBroken):
            yield site
            continue
        assert stored.view.file.state is FileState.STORED
        assert disk.steps <= step
        return
    pytest.fail("the put never came through")


@pytest.mark.parametrize("fault", [Fault.FULL, Fault.BROKEN, Fault.CRASH, Fault.TORN])
def test_put__its_disk_fails_at_every_step__paid_once_and_stored_by_the_next_process(
    fault: Fault, engine: ErasureEngine, tmp_path: Path
) -> None:
    failed = 0
    for site in sites_that_fail(fault, engine, tmp_path):
        failed += 1
        paid_before = site.market.charges

        stored = put_on(site, LocalDisk())

        assert stored.view.file.state is FileState.STORED
        assert (site.market.charges, paid_before in {0, 1}) == (1, True)
        site.journal()  # a process that opens it clears away what was left
        left = {path.suffix for path in (site.folder / "puts").iterdir()}
        assert left == {".json"}

    assert failed >= 5  # a draft, its place, a record, and each stage


def test_put__planned_by_an_earlier_version__goes_on_and_notices_a_changed_source(
    engine: ErasureEngine, tmp_path: Path
) -> None:
    site = a_storage_site(engine, tmp_path, profile="solo")
    planned = asyncio.run(site.putter().plan(BytesSource(CONTENT), site.wish(nonce=NONCE)))
    file_id = planned.record.file_id
    planned.let_go()
    rewrite_as_before(tmp_path / "puts" / f"{file_id.hex()}.json")

    with pytest.raises(SourceChanged):
        asyncio.run(site.putter().resume(file_id, BytesSource(CONTENT[:-1] + b"x")))
    stored = asyncio.run(site.putter().resume(file_id, BytesSource(CONTENT)))

    assert stored.view.file.state is FileState.STORED
    assert site.market.charges == 1


def rewrite_as_before(path: Path) -> None:
    """The record as the version wrote it that kept SHA-256 of each segment."""
    found = json.loads(path.read_bytes().partition(b"\n")[2])
    del found["marks"]
    found |= {"format": 1, "digests": [hashlib.sha256(CONTENT).hexdigest()]}
    body = json.dumps(found).encode()
    path.write_bytes(keccak(body)[:8].hex().encode() + b"\n" + body)
