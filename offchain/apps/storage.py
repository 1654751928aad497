"""`apogee storage put|get`: files and folders in and out of storage."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.home import Home
from offchain.apps.output import print_result, say
from offchain.apps.progress import ProgressLine
from offchain.apps.storage_client import Opened, open_files
from offchain.apps.terms import epochs_in, parse_range, parse_term
from offchain.core.errors import InvalidInput
from offchain.core.units import MEGABYTE
from offchain.node.memory import keep_freed_memory, leave_what_stays
from offchain.storage.adapters.arrival import Arrival
from offchain.storage.client_ports import PutStage
from offchain.storage.file_client import PutOptions
from offchain.storage.get import GetProgress, Got
from offchain.storage.model import profile_named
from offchain.storage.put_model import PutProgress, Stored
from offchain.storage.read_file import Label
from offchain.storage.recipients import parse_recipient
from offchain.storage.sources import source_at

ID_DIGITS: Final = 64
DEFAULT_TERM: Final = "30d"
SHOWN_DIGITS: Final = 8
_PLANNED_SHARE: Final = 0.3  # of the work, when everything is encoded and nothing sent


class ReferenceInvalid(InvalidInput):
    """A reference is the id or the root of a file."""

    code = "storage.reference.invalid"
    next_step = "Pass the 64 hex digits that `apogee storage put` or `ls` printed."


class NothingToPut(InvalidInput):
    """Neither a path nor something to resume was named."""

    code = "storage.put.nothing"
    next_step = "Name a file or folder, or pass --resume ID."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works and how it answers."""

    home: Home
    rpc_url: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class PutWish:
    """What was typed."""

    path: Path | None
    profile: str
    term: str | None
    max_price: str | None
    is_public: bool
    readers: tuple[str, ...]
    resume: str | None
    is_fresh: bool


def parse_reference(text: str) -> bytes:
    """An id or root. Raises: ReferenceInvalid."""
    digits = text.removeprefix("0x").lower()
    if len(digits) != ID_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise ReferenceInvalid(reference=text[:80])
    return bytes.fromhex(digits)


async def options_of(wish: PutWish, opened: Opened) -> PutOptions:
    """What was typed, understood; without a term, a month or as long as groups take files.

    Raises: InvalidInput, ProfileUnknown.
    """
    profile = profile_named(wish.profile)
    epochs = epochs_in(parse_term(wish.term or DEFAULT_TERM), opened.epoch_seconds)
    if wish.term is None:
        longest = await asyncio.to_thread(opened.longest_epochs, profile)
        epochs = min(epochs, max(1, longest))
    return PutOptions(
        profile=profile,
        term_epochs=epochs,
        max_price_wei=None if wish.max_price is None else parse_amount(wish.max_price),
        is_public=wish.is_public,
        recipients=tuple(parse_recipient(one) for one in wish.readers),
        is_fresh=wish.is_fresh,
    )


def put(place: Place, wish: PutWish) -> int:
    """Store; the same command goes on with an interrupted one. Raises: as FileClient.put_path."""
    if wish.path is None and wish.resume is None:
        raise NothingToPut
    keep_freed_memory()
    leave_what_stays()
    started = time.monotonic()
    line = PutLine()
    try:
        stored = asyncio.run(_put(place, wish, line))
    except (KeyboardInterrupt, asyncio.CancelledError):
        line.close()
        say("stopped; what is paid stays paid")
        if line.file_id:
            say(f"resume with: apogee storage put --resume {line.file_id.hex()[:SHOWN_DIGITS]}")
        raise
    file = stored.view.file
    seconds = time.monotonic() - started
    result = {
        "id": file.file_id.hex(),
        "root": file.root.hex(),
        "state": file.state.name,
        "bytes": file.shape.length,
        "segments": file.shape.segments,
        "profile": file.profile.name,
        "group": file.group,
        "seats_signed": file.profile.seats - len(stored.absent),
        "paid": show_amount(stored.paid.value_wei if stored.paid else 0),
        "ends": _shown_time(file.expiry),
        "seconds": round(seconds, 2),
        "mb_s": round(file.shape.length / MEGABYTE / seconds, 1),
    }
    print_result(result, as_json=place.as_json)
    if not place.as_json:
        say(f"next: apogee storage get {file.file_id.hex()} -o PATH")
    return 0


def dry_put(place: Place, wish: PutWish) -> int:
    """Say what a put would cost; nothing is written or sent."""
    path = wish.path
    if path is None:
        raise NothingToPut
    source = source_at(path)

    async def story() -> dict[str, object]:
        async with open_files(place.home, place.rpc_url) as opened:
            options = await options_of(wish, opened)
            found = await opened.files.price(source.length, options)
        return {
            "path": str(path),
            "bytes": source.length,
            "profile": options.profile.name,
            "epochs": options.term_epochs,
            "kept_bytes": found.kept_bytes * options.profile.seats,
            "cost": show_amount(found.cost_wei),
            "deposit": show_amount(found.deposit_wei),
            "groups": found.groups,
        }

    print_result(asyncio.run(story()), as_json=place.as_json)
    return 0


def get(
    place: Place, reference: str, output: Path | None, *, is_inclusion: bool, is_raw: bool
) -> int:
    """Fetch to a path; what came is kept for the same command. Raises: as GetFile.land."""
    wanted = parse_reference(reference)
    target = output or Path(wanted.hex()[:16])
    label = Label.INCLUSION if is_inclusion else Label.CONSISTENT
    keep_freed_memory()
    leave_what_stays()
    started = time.monotonic()
    try:
        got = asyncio.run(_get(place, wanted, target, label=label, is_raw=is_raw))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped; what came is kept. resume with the same command")
        raise
    seconds = time.monotonic() - started
    result = {
        "path": str(target),
        "id": got.file_id.hex(),
        "kind": got.kind,
        "files": got.files,
        "bytes": got.length,
        "resumed_bytes": got.resumed,
        "verified": got.label.value,
        "encrypted": got.is_sealed,
        "seats_blamed": sorted({one.seat for one in got.blame}),
        "seats_lied": sorted({one.seat for one in got.blame if one.is_lie}),
        "seconds": round(seconds, 2),
        "mb_s": round((got.length - got.resumed) / MEGABYTE / seconds, 1),
    }
    print_result(result, as_json=place.as_json)
    return 0


def get_range(place: Place, reference: str, output: Path | None, text: str, *, is_raw: bool) -> int:
    """Fetch some bytes for the price of the leaves they touch. Raises: as GetFile.part."""
    wanted, (start, stop) = parse_reference(reference), parse_range(text)
    target = output or Path(f"{wanted.hex()[:16]}.{start}-{stop - 1}")

    async def story() -> tuple[bytes, int]:
        async with open_files(place.home, place.rpc_url) as opened:
            getter = opened.files.get
            content = await getter.content(wanted, is_raw=is_raw)
            found = await getter.part(content, start, stop)
            return found, content.opened.bytes_received

    started = time.monotonic()
    found, received = asyncio.run(story())
    target.write_bytes(found)
    print_result(
        {
            "path": str(target),
            "bytes": len(found),
            "received_bytes": received,
            "verified": Label.INCLUSION.value,
            "seconds": round(time.monotonic() - started, 3),
        },
        as_json=place.as_json,
    )
    return 0


async def _put(place: Place, wish: PutWish, line: "PutLine") -> Stored:
    async with open_files(place.home, place.rpc_url) as opened:
        try:
            if wish.resume is not None:
                record = await opened.files.find_put(wish.resume)
                say(f"going on with {record.path or record.file_id.hex()}")
                return await opened.files.resume(record.file_id, path=wish.path, watch=line)
            assert wish.path is not None
            options = await options_of(wish, opened)
            await _say_price(opened, wish.path, options)
            begun = None
            if not wish.is_fresh:
                begun = await opened.files.begun(wish.path.absolute(), options)
            if begun is not None:
                say(f"going on with the put {begun.file_id.hex()[:SHOWN_DIGITS]}")
            return await opened.files.put_path(wish.path, options, line)
        finally:
            line.close()


async def _say_price(opened: Opened, path: Path, options: PutOptions) -> None:
    """The price before money moves. Raises: PriceAboveLimit."""
    source = await asyncio.to_thread(source_at, path)
    found = await opened.files.price(source.length, options)
    say(
        f"{source.length / MEGABYTE:.1f} MB, {options.profile.name}, {options.term_epochs} epochs:"
        f" {show_amount(found.cost_wei)} at the prices of now,"
        f" {show_amount(found.deposit_wei)} held at most"
    )


async def _get(place: Place, wanted: bytes, target: Path, *, label: Label, is_raw: bool) -> Got:
    line = ProgressLine(0, "get")

    def watch(progress: GetProgress) -> None:
        line.total = progress.total
        blamed = f"{progress.seats_blamed} seats blamed" if progress.seats_blamed else ""
        line.show(progress.done, blamed)

    def arrive(file_id: bytes, length: int) -> Arrival:
        return Arrival(target, file_id, length=length, is_raw=is_raw)

    async with open_files(place.home, place.rpc_url) as opened:
        try:
            return await opened.files.get.land(
                wanted, arrive, label=label, is_raw=is_raw, watch=watch
            )
        finally:
            line.close()


class PutLine:
    """One line about a put: encoding is the first part of the work, sending the rest."""

    def __init__(self) -> None:
        self.file_id = b""
        self._line = ProgressLine(0, "put")

    def __call__(self, progress: PutProgress) -> None:
        self.file_id = progress.file_id or self.file_id
        self._line.total = progress.total
        parts = [progress.stage.value]
        if progress.seats:
            parts.append(f"seats {progress.seats_held}/{progress.seats}")
        if progress.paid_wei:
            parts.append(f"paid {show_amount(progress.paid_wei)}")
        if progress.file_id:
            parts.append(f"id {progress.file_id.hex()[:SHOWN_DIGITS]}")
        self._line.show(share_of(progress), "  ".join(parts))

    def close(self) -> None:
        self._line.close()


def share_of(progress: PutProgress) -> float:
    """How many of the bytes count as done: encoding is the first part of the work."""
    if progress.stage is PutStage.PLANNED:
        return _PLANNED_SHARE * progress.done
    return _PLANNED_SHARE * progress.total + (1 - _PLANNED_SHARE) * progress.done


def _shown_time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
