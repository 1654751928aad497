"""`apogee da put|get|status|list`: files in and out of the data availability layer."""

import asyncio
import time
from pathlib import Path
from typing import Final

from offchain.apps.disperser import (
    Publisher,
    ledger_of,
    open_part_reader,
    open_publisher,
    open_reader,
)
from offchain.apps.home import Home, Manifest
from offchain.apps.lifecycle import load_manifest
from offchain.apps.network import TURN_SECONDS, Network, connect, deployment_file
from offchain.apps.output import print_json, print_result, print_table, say
from offchain.apps.progress import ProgressLine, PutProgress
from offchain.apps.uploads import Upload, UploadBook
from offchain.chain.errors import OutboxBusy
from offchain.core.erasure.choose import choose_engine
from offchain.core.errors import InvalidInput
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.core.units import MEGABYTE
from offchain.da.accept import read_view
from offchain.da.adapters.disk_dispersals import read_records
from offchain.da.adapters.part_file import PartFile
from offchain.da.manifest import Manifest as FileManifest
from offchain.da.read_part import Verified
from offchain.da.refusals import BlobNotPaid
from offchain.da.split import FetchFile, FileReference, PublishedFile, PublishFile
from offchain.node.disk import LocalDisk
from offchain.sdk.references import ItemReference, parse_reference

THREADS: Final = 2
LOCK_POLL_SECONDS: Final = 0.5


class FileUnusable(InvalidInput):
    """The file cannot be sent or written."""

    code = "da.file.unusable"
    next_step = "Name an existing, readable file that is not empty, or a folder you may write to."


def network_of(home: Home, rpc_url: str | None) -> Network:
    """The network of a home, or of another RPC with this home's deployments."""
    manifest: Manifest | None = None if rpc_url else load_manifest(home)
    url = rpc_url or (manifest.url("devnet") if manifest else "")
    return connect(url, deployment_file(home.deployments))


def put(
    home: Home, rpc_url: str | None, file: Path, *, days: int, salt: str | None, as_json: bool
) -> int:
    """Publish a file; prints its reference. The same command goes on with an interrupted one.

    Raises: FileUnusable, SaltInvalid and as DisperseBlob.
    """
    if not file.is_file() or not file.stat().st_size:
        raise FileUnusable(file=file)
    network = network_of(home, rpc_url)
    book = UploadBook(home.uploads)
    earlier = {one.salt for one in book.all()}
    upload = book.begin(file, days=days, salt=salt)
    is_resumed = upload.salt in earlier
    if is_resumed:
        say(f"going on with the upload begun at {_shown_time(upload.started)}")
    started = time.monotonic()
    try:
        published = asyncio.run(_publish(network, home, upload))
    except BlobNotPaid:
        book.forget(upload)  # its fee came back: these blob ids can never be confirmed
        raise
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped; what is paid stays paid. resume with the same command")
        raise
    book.finish(upload, str(published.reference))
    paid = [blob.paid.value_wei for blob in published.blobs if blob.paid]
    result = {
        "reference": str(published.reference),
        "bytes": upload.size_bytes,
        "blobs": len(published.blobs),
        "paid_wei": sum(paid),
        "seconds": round(time.monotonic() - started, 2),
        "salt": upload.salt,
        "resumed": is_resumed,
    }
    print_result(result, as_json=as_json)
    if not as_json:
        say("next: apogee da get REFERENCE FILE")
    return 0


def get(home: Home, rpc_url: str | None, reference: str, file: Path, *, as_json: bool) -> int:
    """Fetch a file, verified against its root; parts that came are kept for the same command."""
    wanted = parse_reference(reference)
    if not file.resolve().parent.is_dir() or file.is_dir():
        raise FileUnusable(file=file)
    network = network_of(home, rpc_url)
    started = time.monotonic()
    verified = Verified.CONSISTENT
    try:
        if isinstance(wanted, ItemReference):
            length, verified = asyncio.run(_fetch_item(network, wanted, file))
            kept = 0
        else:
            length, kept = asyncio.run(_fetch(network, wanted, file))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped; whole parts are kept. resume with the same command")
        raise
    seconds = time.monotonic() - started
    result = {
        "file": str(file),
        "bytes": length,
        "resumed_bytes": kept,
        "verified": verified.value,
        "seconds": round(seconds, 2),
        "mb_s": round((length - kept) / MEGABYTE / seconds, 1),
    }
    print_result(result, as_json=as_json)
    return 0


def blob_status(home: Home, rpc_url: str | None, reference: str, *, as_json: bool) -> int:
    """Where a blob stands on chain. Raises: BlobUnknown."""
    blob_id = parse_reference(reference).blob_id
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


def list_published(home: Home, *, as_json: bool) -> int:
    """Files put from here, done and open, and every blob of this home's disperser."""
    files = [
        {
            "file": one.file,
            "state": one.state,
            "bytes": one.size_bytes,
            "days": one.days,
            "started": _shown_time(one.started),
            "reference": one.reference,
            "salt": one.salt,
        }
        for one in UploadBook(home.uploads).all()
    ]
    blobs = [
        {
            "blob_id": "0x" + one.blob_id.hex(),
            "stage": one.stage.value,
            "bytes": one.terms.shape.length,
            "days": one.terms.days,
        }
        for one in read_records(LocalDisk(), home.dispersals)
    ]
    if as_json:
        print_json({"files": files, "blobs": blobs})
        return 0
    for title, rows in (("files", files), ("blobs", blobs)):
        if rows:
            shown = [name for name in rows[0] if name != "salt"]
            print_table(title, shown, [[row[name] for name in shown] for row in rows])
    if not files and not blobs:
        say("nothing published here yet. next: apogee da put FILE")
    return 0


async def _publish(network: Network, home: Home, upload: Upload) -> PublishedFile:
    """Publish once this home's publisher is free. Raises: OutboxBusy when it never is."""
    engine = await asyncio.to_thread(choose_engine)
    parts = -(-upload.size_bytes // MAX_PAYLOAD_BYTES)
    line = ProgressLine(upload.size_bytes, "put")
    watch = PutProgress(line, blobs=parts + (parts > 1))
    loop = asyncio.get_running_loop()
    deadline, is_told = loop.time() + TURN_SECONDS, False
    try:
        while True:
            try:
                async with open_publisher(
                    network, home, engine, watch=watch, threads=THREADS
                ) as publisher:
                    return await _send(publisher, upload)
            except OutboxBusy:
                if loop.time() > deadline:
                    raise
            if not is_told:
                say("waiting for another process that publishes for this home")
            is_told = True
            await asyncio.sleep(LOCK_POLL_SECONDS)
    finally:
        line.close()


async def _send(publisher: Publisher, upload: Upload) -> PublishedFile:
    source = await asyncio.to_thread(Path(upload.file).open, "rb")
    try:
        return await PublishFile(publisher.disperse).publish(
            source.read, upload.size_bytes, days=upload.days, salt=upload.raw_salt
        )
    finally:
        source.close()


async def _fetch(network: Network, wanted: FileReference, file: Path) -> tuple[int, int]:
    """Length of the file, and how many bytes of it an earlier run had fetched."""
    engine = await asyncio.to_thread(choose_engine)
    line = ProgressLine(0, "get")
    kept = done = 0

    async with open_reader(network, engine, threads=THREADS) as reader:
        with PartFile(file) as parts:

            def held(manifest: FileManifest) -> int:
                nonlocal kept, done
                number = parts.held(manifest)
                line.total = manifest.length
                kept = done = min(number * manifest.part_bytes, manifest.length)
                if number:
                    say(f"{number} of {len(manifest.parts)} parts are here already")
                line.show(done)
                return number

            def write(part: bytes) -> None:
                nonlocal done
                parts.write(part)
                done += len(part)
                if line.total:
                    line.show(done)

            try:
                length = await FetchFile(reader).fetch(wanted, write, skip=held)
            finally:
                line.close()
            parts.finish()
    return length, kept


async def _fetch_item(network: Network, wanted: ItemReference, file: Path) -> tuple[int, Verified]:
    """One item of a shared matrix; its length and what it is verified to be."""
    engine = await asyncio.to_thread(choose_engine)
    async with open_part_reader(network, engine, threads=THREADS) as reader:
        item = await reader.item(await reader.view(wanted.blob_id), wanted.number)
    with PartFile(file) as whole:
        whole.write(bytes(item.data))
        whole.finish()
    return len(item.data), item.verified


def _shown_time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
