"""`apogee da put|get|status`: files in and out of the data availability layer."""

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Final

from offchain.apps.disperser import ledger_of, open_publisher, open_reader
from offchain.apps.files import PRIVATE
from offchain.apps.home import Home, Manifest
from offchain.apps.lifecycle import load_manifest
from offchain.apps.network import Network, connect, deployment_file
from offchain.apps.output import print_result, say
from offchain.core.erasure.choose import choose_engine
from offchain.core.errors import InvalidInput
from offchain.core.units import MEGABYTE
from offchain.da.accept import read_view
from offchain.da.disperse import Progress
from offchain.da.split import FetchFile, FileReference, PublishFile

SALT_BYTES: Final = 32
THREADS: Final = 2


class FileUnusable(InvalidInput):
    """The file cannot be sent or written."""

    code = "da.file.unusable"
    next_step = "Name an existing, readable file that is not empty, or a folder you may write to."


def network_of(home: Home, rpc_url: str | None) -> Network:
    """The network of a home, or of another RPC with this home's deployments."""
    manifest: Manifest | None = None if rpc_url else load_manifest(home)
    url = rpc_url or (manifest.url("devnet") if manifest else "")
    return connect(url, deployment_file(home.deployments))


def put(home: Home, rpc_url: str | None, file: Path, *, days: int, as_json: bool) -> int:
    """Publish a file; prints its reference. Raises: FileUnusable and as DisperseBlob."""
    length = file.stat().st_size if file.is_file() else 0
    if not length:
        raise FileUnusable(file=file)
    started = time.monotonic()
    network = network_of(home, rpc_url)

    async def publish() -> dict[str, object]:
        engine = await asyncio.to_thread(choose_engine)
        with file.open("rb") as source:
            async with open_publisher(
                network, home, engine, watch=_watch, threads=THREADS
            ) as publisher:
                done = await PublishFile(publisher.disperse).publish(
                    source.read, length, days=days, salt=secrets.token_bytes(SALT_BYTES)
                )
        paid = [blob.paid.value_wei for blob in done.blobs if blob.paid]
        return {
            "reference": str(done.reference),
            "bytes": length,
            "blobs": len(done.blobs),
            "paid_wei": sum(paid),
            "seconds": round(time.monotonic() - started, 2),
        }

    print_result(asyncio.run(publish()), as_json=as_json)
    if not as_json:
        say("next: apogee da get REFERENCE FILE")
    return 0


def get(home: Home, rpc_url: str | None, reference: str, file: Path, *, as_json: bool) -> int:
    """Fetch a file whole, verified against its root; written only when all of it is right."""
    wanted = FileReference.parse(reference)
    if not file.resolve().parent.is_dir() or file.is_dir():
        raise FileUnusable(file=file)
    started = time.monotonic()
    network = network_of(home, rpc_url)
    beside = file.with_name(file.name + ".part")

    async def fetch() -> int:
        engine = await asyncio.to_thread(choose_engine)
        async with open_reader(network, engine, threads=THREADS) as reader:
            with os.fdopen(
                os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, PRIVATE), "wb"
            ) as sink:
                return await FetchFile(reader).fetch(wanted, sink.write)

    try:
        length = asyncio.run(fetch())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    seconds = time.monotonic() - started
    print_result(
        {
            "file": str(file),
            "bytes": length,
            "verified": "consistent",
            "seconds": round(seconds, 2),
            "mb_s": round(length / MEGABYTE / seconds, 1),
        },
        as_json=as_json,
    )
    return 0


def blob_status(home: Home, rpc_url: str | None, reference: str, *, as_json: bool) -> int:
    """Where a blob stands on chain. Raises: BlobUnknown."""
    blob_id = FileReference.parse(reference).blob_id
    network = network_of(home, rpc_url)
    view = read_view(ledger_of(network), blob_id)
    record = view.record
    print_result(
        {
            "blob_id": "0x" + blob_id.hex(),
            "state": record.state.name,
            "bytes": record.shape.length,
            "data_root": "0x" + record.data_root.hex(),
            "block": view.moment.block,
            "chain_time": view.moment.time,
            "deadline": record.deadline,
            "expiry": record.expiry,
            "signers": len(view.duties.members) if view.duties else 0,
        },
        as_json=as_json,
    )
    return 0


def _watch(progress: Progress) -> None:
    """One line that is rewritten on a terminal, a line a stage elsewhere."""
    signed = f"{progress.slices_signed}/{progress.slices_needed} slices signed"
    line = f"{progress.blob_id.hex()[:8]} {progress.stage.value}"
    if progress.slices_needed:
        line += f", {signed}, {progress.bytes_sent / MEGABYTE:.1f} MB sent"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.write("\n" if progress.stage.is_final else "")
        sys.stderr.flush()
    elif not progress.slices_needed:
        say(line)
