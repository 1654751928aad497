"""A node process killed by SIGKILL while it takes rows, started again on its disk.

What it acknowledged it serves; what it did not is whole or absent; one digest for each blob. Every
disk step is walked in tests/unit/da/test_crash.py; here the kernel does the killing.
"""

import asyncio
import signal
import subprocess
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from offchain.chain.devnet.ports import free_ports
from offchain.core.bls import Signature, verify
from offchain.core.wire import parse_rows
from offchain.da.adapters.disk_journal import DiskJournal
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.duties import rows_in_bitmap
from offchain.da.model import attestation_digest
from offchain.da.refusals import NodeUnreachable
from offchain.node.body import Body
from offchain.node.disk import LocalDisk
from tests.support.da_network import Site, Upload, a_request, agreed_site
from tests.support.killed_node import START_SECONDS, a_node_process, start

STEPS = (0, 2, 4, 5)  # in the share's write, before its rename, in the journal's, before its sync
BLOBS = len(STEPS) + 1


def a_process(
    folder: Path, port: int, *step: int
) -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
    return a_node_process("da_node_process.py", port, [folder, port, BLOBS, *step])


async def deliver(client: HttpNodeClient, site: Site, upload: Upload) -> bytes:
    request = a_request(site, upload.blob_id, upload.body)
    return await client.send_rows(
        upload.duty.endpoint, upload.blob_id, request, Body.of(upload.body)
    )


async def assert_whole_or_absent(client: HttpNodeClient, upload: Upload) -> bool:
    held = rows_in_bitmap(await client.have(upload.duty.endpoint, upload.blob_id))
    assert held in (frozenset(), frozenset(upload.duty.rows))
    if held:
        wanted = upload.duty.rows[:200]
        raw = await client.rows(
            upload.duty.endpoint, upload.blob_id, wanted, max_bytes=44 + 200 * 580
        )
        for row in parse_rows(raw, columns=8).rows:
            assert row.data.tobytes() == upload.encoded.rows[row.index].tobytes()
    return bool(held)


def test_inv_da_6__sigkill_in_share_and_journal__restarts_with_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    port = free_ports(1)[0]
    site, uploads = agreed_site(port, BLOBS)

    async def story() -> None:
        async with HttpNodeClient() as client:
            for number, step in enumerate(STEPS):
                async with a_process(tmp_path, port, step) as child:
                    for earlier in uploads[:number]:
                        await assert_whole_or_absent(client, earlier)
                    with pytest.raises(NodeUnreachable):
                        await deliver(client, site, uploads[number])
                    assert child.wait() == -signal.SIGKILL
            async with a_process(tmp_path, port) as child:
                acknowledged = await deliver(client, site, uploads[-1])
                child.send_signal(signal.SIGKILL)
                child.wait()
            async with a_process(tmp_path, port):
                assert await assert_whole_or_absent(client, uploads[-1])
                assert acknowledged == await deliver(client, site, uploads[-1])
                for upload in uploads:
                    raw = await deliver(client, site, upload)
                    digest = attestation_digest(upload.view.attestation(), site.chain.domain())
                    assert verify(upload.duty.key, digest, Signature.parse(raw))
                    assert await assert_whole_or_absent(client, upload)

    asyncio.run(story())
    journal = DiskJournal(LocalDisk(), tmp_path / "journal")
    journal.open()
    decisions = asyncio.run(journal.decisions())
    assert len(decisions) == len(uploads) == len({(d.blob_id, d.seed) for d in decisions})


def test_node__second_process_on_one_folder__refuses_to_start(tmp_path: Path) -> None:
    first, second = free_ports(2)

    async def story() -> int:
        async with a_process(tmp_path, first):
            twin = start("da_node_process.py", [tmp_path, second, 1])
            _, errors = await asyncio.to_thread(twin.communicate, None, START_SECONDS)
            assert b"NodeAlreadyRuns" in errors
            return twin.returncode

    assert asyncio.run(story()) != 0
