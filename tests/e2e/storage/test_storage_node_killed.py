"""A storage node killed by SIGKILL while it takes shards, started again on its disk.

What it acknowledged it holds and serves; what it did not is whole or absent. Every disk step is
walked in tests/unit/storage/test_node_crash.py; here the kernel does the killing.
"""

import asyncio
import signal
import subprocess
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from offchain.apps.home import choose_ports
from offchain.core.bls import Signature, verify
from offchain.core.erasure.choose import choose_engine
from offchain.storage.adapters.http_seats import HttpSeatClient
from offchain.storage.errors import SeatUnreachable
from offchain.storage.frames import segments_in
from offchain.storage.judge import judge_run
from offchain.storage.model import held_digest
from tests.support.killed_node import a_node_process
from tests.support.storage_node import StoredFileCase, agreed_files, secret_of

STEPS = (0, 2, 5)  # the shard half written, before its rename, before the sync of the book
FILES = len(STEPS) + 1


def a_process(
    folder: Path, port: int, *step: int
) -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
    return a_node_process("storage_node_process.py", port, [folder, port, FILES, *step])


async def assert_held(client: HttpSeatClient, case: StoredFileCase) -> None:
    """The file is served as it was sent, and a receipt for it is true."""
    endpoint, header = case.group.seats[0].endpoint, case.encoded[0].header
    rows = range(1_024)
    run = await client.run(endpoint, header.data_root, first=0, count=1_024, columns=8)
    judge_run(run, rows, header, choose_engine())
    assert np.array_equal(case.encoded[0].rows[:1_024], run.data)
    file = case.market.view(case.file_id, at=case.market.head().hash).file
    digest = held_digest(
        case.market.domain(),
        file_id=case.file_id,
        root=case.root,
        group=file.group,
        expiry=file.expiry,
    )
    signature = Signature.parse(await client.held(endpoint, case.file_id))
    assert verify(secret_of(1).public_key(), digest, signature)


def test_inv_sto_13__killed_while_it_takes_shards__serves_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    port = choose_ports(["node"])["node"]
    _, cases = agreed_files(port, FILES)

    async def run() -> None:
        async with HttpSeatClient() as client:
            async with a_process(tmp_path, port):
                endpoint = cases[0].group.seats[0].endpoint
                await client.put_shard(endpoint, cases[0].place(0), cases[0].body(0))
                await assert_held(client, cases[0])
            for step, case in zip(STEPS, cases[1:], strict=True):
                async with a_process(tmp_path, port, step) as child:
                    with pytest.raises(SeatUnreachable):
                        await client.put_shard(endpoint, case.place(0), case.body(0))
                    assert await asyncio.to_thread(child.wait, 60) == -signal.SIGKILL
            async with a_process(tmp_path, port):
                await assert_held(client, cases[0])
                for case in cases[1:]:
                    held = segments_in(await client.have(endpoint, case.file_id, 0))
                    assert held in (set(), {0})
                    await client.put_shard(endpoint, case.place(0), case.body(0))
                    await assert_held(client, case)

    asyncio.run(run())
