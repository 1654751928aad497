"""`apogee storage ls|stat|renew|rm|quote|key`: what is stored, until when, and for how much."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.home import Home
from offchain.apps.output import print_json, print_result, print_table, say
from offchain.apps.storage import Place, parse_reference
from offchain.apps.storage_client import Opened, file_keys, open_files
from offchain.apps.terms import epochs_in, parse_term
from offchain.chain.model import parse_address
from offchain.core.errors import InvalidInput
from offchain.storage.client_errors import FileNotStored, NoGroup, PriceAboveLimit
from offchain.storage.file_client import PutOptions
from offchain.storage.model import PROFILES, FileState
from offchain.storage.ports import StoredFile
from offchain.storage.recipients import public_key_of
from offchain.storage.sources import source_at

ALIVE: Final = frozenset({FileState.SUBMITTED, FileState.PLACED, FileState.STORED})


class NotSure(InvalidInput):
    """Ending a term cannot be taken back."""

    code = "storage.rm.not_sure"
    next_step = "Pass --yes to end the file's term, or --dry-run to see what it is."


class NothingNamed(InvalidInput):
    """Neither a file nor a size was named."""

    code = "storage.nothing_named"
    next_step = "Name a path, --bytes N, an id, or --all."


@dataclass(frozen=True, slots=True)
class RenewWish:
    """What was typed."""

    reference: str | None
    is_all: bool
    term: str
    max_price: str | None
    is_dry: bool


def list_files(place: Place, *, owner: str | None, expiring: str | None) -> int:
    """Every file of an account, oldest first."""
    within = None if expiring is None else parse_term(expiring)

    async def story() -> list[dict[str, object]]:
        async with open_files(place.home, place.rpc_url) as opened:
            whose = None if owner is None else bytes(parse_address(owner))
            files = await opened.files.files(whose)
            names = {one.file_id: one.path for one in await opened.files.puts()}
            now = (await asyncio.to_thread(opened.ledger.head)).timestamp
        return [
            {**_row(one, now), "path": names.get(one.file_id, "")}
            for one in files
            if within is None or (one.state is FileState.STORED and one.expiry - now <= within)
        ]

    rows = asyncio.run(story())
    if place.as_json:
        print_json({"files": rows})
    elif rows:
        print_table("", list(rows[0]), [list(row.values()) for row in rows])
    else:
        say("nothing stored. next: apogee storage put PATH")
    return 0


def list_open(place: Place) -> int:
    """What was begun here and can be resumed."""

    async def story() -> list[dict[str, object]]:
        async with open_files(place.home, place.rpc_url) as opened:
            return [
                {
                    "id": one.file_id.hex(),
                    "path": one.path,
                    "stage": one.stage.value,
                    "bytes": one.order.shape.length,
                    "profile": one.order.profile.name,
                }
                for one in await opened.files.open_puts()
            ]

    rows = asyncio.run(story())
    if place.as_json:
        print_json({"puts": rows})
    elif rows:
        print_table("", list(rows[0]), [list(row.values()) for row in rows])
        say("next: apogee storage put --resume ID")
    else:
        say("nothing to resume")
    return 0


def stat(place: Place, reference: str) -> int:
    """A file's record, and what each of its seats says now. Raises: FileUnknown."""
    wanted = parse_reference(reference)

    async def story() -> dict[str, object]:
        async with open_files(place.home, place.rpc_url) as opened:
            view = await opened.files.state(wanted)
            answers = await opened.files.ask_seats(view)
        file, total = view.file, view.file.shape.segments
        whole = [one for one in answers if one.segments == total]
        return {
            **_row(file, view.block.timestamp),
            "root": file.root.hex(),
            "owner": "0x" + file.owner.hex(),
            "segments": total,
            "group": file.group,
            "seats": file.profile.seats,
            "seats_whole": len(whole),
            "seats_needed": file.profile.enough,
            "block": view.block.number,
            "trouble": {
                str(one.seat.seat): one.trouble or f"{one.segments} of {total} segments"
                for one in answers
                if one.segments != total
            },
        }

    print_result(asyncio.run(story()), as_json=place.as_json)
    return 0


def renew(place: Place, wish: RenewWish) -> int:
    """Buy more epochs for one file or all. Raises: PriceAboveLimit, FileNotStored."""
    limit = None if wish.max_price is None else parse_amount(wish.max_price)

    async def story() -> list[dict[str, object]]:
        async with open_files(place.home, place.rpc_url) as opened:
            epochs = epochs_in(parse_term(wish.term), opened.epoch_seconds)
            files = await chosen(opened, wish.reference, is_all=wish.is_all)
            terms = opened.files.terms
            prices = [
                await asyncio.to_thread(terms.renewal_price, one.file_id, epochs) for one in files
            ]
            if limit is not None and sum(prices) > limit:
                raise PriceAboveLimit(price_wei=sum(prices), limit_wei=limit)
            rows = []
            for file, price in zip(files, prices, strict=True):
                paid = None
                if not wish.is_dry:
                    paid = await opened.files.renew(file.file_id, epochs, limit_wei=price)
                rows.append(
                    {
                        "id": file.file_id.hex(),
                        "epochs": epochs,
                        "at_most": show_amount(price),
                        "paid": show_amount(paid.value_wei) if paid else None,
                    }
                )
            return rows

    rows = asyncio.run(story())
    if place.as_json:
        print_json({"renewed": rows})
    else:
        for row in rows:
            print_result(row, as_json=False)
    return 0


def remove(place: Place, reference: str, *, is_sure: bool, is_dry: bool) -> int:
    """End a file's term, or have one that was not stored in time paid back."""
    wanted = parse_reference(reference)
    if not (is_sure or is_dry):
        raise NotSure(id=wanted.hex())

    async def story() -> dict[str, object]:
        async with open_files(place.home, place.rpc_url) as opened:
            file = (await opened.files.state(wanted)).file
            if file.state not in ALIVE:
                raise FileNotStored(file_id=file.file_id.hex(), state=file.state.name)
            is_stored = file.state is FileState.STORED
            if not is_dry and is_stored:
                await opened.files.release(file.file_id)
            elif not is_dry:
                await asyncio.to_thread(opened.files.till.refund, file.file_id)
            done = "would be" if is_dry else "is"
            what = "released from the next epoch on" if is_stored else "refunded"
            return {"id": file.file_id.hex(), "result": f"{done} {what}"}

    print_result(asyncio.run(story()), as_json=place.as_json)
    return 0


def quote(place: Place, path: Path | None, size: int | None, *, term: str, is_public: bool) -> int:
    """What so many bytes cost in every profile that has an open group."""
    if path is None and size is None:
        raise NothingNamed
    length = source_at(path).length if path is not None else size or 0
    seconds = parse_term(term)

    async def story() -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        async with open_files(place.home, place.rpc_url) as opened:
            epochs = epochs_in(seconds, opened.epoch_seconds)
            for profile in PROFILES:
                options = PutOptions(profile, epochs, is_public=is_public)
                try:
                    found = await opened.files.price(length, options)
                except NoGroup:
                    continue
                rows.append(
                    {
                        "profile": profile.name,
                        "seats": f"{profile.enough} of {profile.seats}",
                        "kept_bytes": found.kept_bytes * profile.seats,
                        "epochs": epochs,
                        "cost": show_amount(found.cost_wei),
                        "deposit": show_amount(found.deposit_wei),
                        "groups": found.groups,
                    }
                )
        return rows

    rows = asyncio.run(story())
    if place.as_json:
        print_json({"bytes": length, "quotes": rows})
    elif rows:
        print_table(f"{length} bytes", list(rows[0]), [list(row.values()) for row in rows])
    else:
        say("no group takes files of this term yet")
    return 0


def show_key(home: Home, *, as_json: bool) -> int:
    """The public half of this home's reading key, made when there is none."""
    public = public_key_of(file_keys(home).reading_secret())
    print_result({"reader": public.hex()}, as_json=as_json)
    return 0


async def chosen(opened: Opened, reference: str | None, *, is_all: bool) -> list[StoredFile]:
    """The stored files that a command is about. Raises: NothingNamed, FileNotStored."""
    if is_all:
        return [one for one in await opened.files.files() if one.state is FileState.STORED]
    if reference is None:
        raise NothingNamed
    file = (await opened.files.state(parse_reference(reference))).file
    if file.state is not FileState.STORED:
        raise FileNotStored(file_id=file.file_id.hex(), state=file.state.name)
    return [file]


def _row(file: StoredFile, now: int) -> dict[str, object]:
    return {
        "id": file.file_id.hex(),
        "state": file.state.name,
        "bytes": file.shape.length,
        "profile": file.profile.name,
        "ends": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(file.expiry)),
        "days_left": round((file.expiry - now) / 86_400, 1),
    }
