"""`apogee kv`: streams of a home: created, written, read from a replica of its own or a node's.

The home's replica follows the log from the chain; without `--node` operations go into the log as
inline batches, signed and sent by the home's storage account.
"""

import asyncio
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.kv_home import Place, Streams, parse_label, parse_stream, parse_subject
from offchain.apps.output import print_json, print_result, say
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk, write_durably
from offchain.storage.kv.adapters.chain_log import InlineSink
from offchain.storage.kv.answer import Label, cell_json, found_json
from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.cells import Cell, Space, require_key
from offchain.storage.kv.moment import Moment
from offchain.storage.kv.op import Mode, Op, Subject, sign_op
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.proof import stream_id
from offchain.storage.kv.roles import Role
from offchain.storage.kv.snapshot import write_snapshot
from offchain.storage.stream_book import Grant

PAGE_ROWS: Final = 500
WATCH_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Right:
    """What `grant` gives."""

    role: str
    prefix: str
    quota: int
    expiry: int


def create(place: Place, *, salt: str | None) -> int:
    """Create a stream of the home's account; the same salt is the same stream."""
    streams = Streams(place)
    raw = keccak(salt.encode()) if salt else secrets.token_bytes(32)
    stream = stream_id(streams.network.chain_id, streams.key.signer, raw)
    at = streams.network.node.block().hash
    is_new = not any(streams.network.streams.stream(stream, at=at).owner)
    if is_new:
        streams.send(streams.network.streams.create(raw))
    result = {"stream": stream.hex(), "owner": "0x" + streams.key.signer.hex(), "created": is_new}
    print_result(result, as_json=place.as_json)
    return 0


def write(place: Place, stream: str, mode: Mode, key: str, value: bytes, *, expected: int) -> int:
    """Sign one operation and bring it into the log; prints its outcome."""
    streams, raw = Streams(place), parse_stream(stream)
    require_key(key.encode())
    wish = (mode, key.encode(), value, expected)
    if place.node is not None:
        seq = asyncio.run(_write_at(streams, raw, place.node, wish))
        print_result({"outcome": "APPLIED", "seq": seq}, as_json=place.as_json)
        return 0
    op = _signed(streams, raw, wish)
    sink = InlineSink(streams.network.log, streams.sender)
    seq = sink.append(op.digest.hex(), [raw], encode_batch([op.to_bytes()]))
    with streams.replica(raw) as replica:
        found = replica.result_of(op.digest)
        outcome = found.outcome if found is not None else Outcome.VOID
        with replica.moment() as moment:
            cell = moment.stream(raw).cell(Space.USER, op.key)
    version = None if cell is None else cell.version
    result = {"outcome": outcome.value, "seq": seq, "version": version}
    print_result(result, as_json=place.as_json)
    return 0 if outcome is Outcome.APPLIED else 1


def read(place: Place, stream: str, key: str, *, is_proof: bool, label: str = "logged") -> int:
    """Print a value; with `is_proof` the answer that a contract can check."""
    streams, raw, wanted = Streams(place), parse_stream(stream), parse_label(label)
    if place.node is not None and not is_proof:
        cell = asyncio.run(_read_at(streams, raw, place.node, key.encode(), label=wanted))
        return _show(cell, as_json=place.as_json)
    is_final = is_proof or wanted is Label.FINAL
    with streams.replica(raw) as replica, replica.moment(final=is_final) as moment:
        view = moment.stream(raw)
        if is_proof:
            found = view.find(Space.USER, key.encode(), moment.next_seq - 1)
            print_json(found_json(found, Label.FINAL, is_proven=True))
            return 0
        return _show(view.cell(Space.USER, key.encode()), as_json=place.as_json)


def scan(place: Place, stream: str, *, prefix: str, limit: int) -> int:
    """Print keys in order with their values."""
    streams, raw = Streams(place), parse_stream(stream)
    rows: Sequence[tuple[bytes, Cell]]
    if place.node is not None:
        rows = asyncio.run(_scan_at(streams, raw, place.node, prefix.encode(), limit=limit))
    else:
        with streams.replica(raw) as replica, replica.moment() as moment:
            rows = moment.stream(raw).scan(prefix.encode(), None, limit)
    if place.as_json:
        print_json([{"key": _text(key), **cell_json(cell)} for key, cell in rows])
        return 0
    for key, cell in rows:
        print_result({_text(key): _text(cell.value)}, as_json=False)
    return 0


def watch(place: Place, stream: str, *, prefix: str, count: int | None) -> int:
    """Print each entry that writes keys with the prefix, until interrupted or `count` are seen."""
    streams, raw = Streams(place), parse_stream(stream)
    if place.node is not None:
        asyncio.run(_watch_at(streams, raw, place.node, prefix.encode(), count=count))
        return 0
    with streams.replica(raw) as replica:
        seen = 0

        def tell(seq: int, keys: Sequence[bytes]) -> None:
            nonlocal seen
            wanted = [key for key in keys if key.startswith(prefix.encode())]
            if wanted:
                seen += 1
                _print_event(seq, wanted)

        replica.watch(lambda effect: tell(effect.seq, effect.written.get(raw, ())))
        say("watching; stop with Ctrl-C")
        while count is None or seen < count:
            replica.advance()
            asyncio.run(asyncio.sleep(WATCH_SECONDS))
    return 0


def grant(place: Place, stream: str, subject: str, right: Right) -> int:
    """Let a writer in, on the chain."""
    streams, raw = Streams(place), parse_stream(stream)
    wanted = Grant(
        Role[right.role.upper().replace("-", "_")],
        parse_subject(subject),
        right.prefix.encode(),
        right.quota,
        right.expiry,
    )
    streams.send(streams.network.streams.grant(raw, wanted))
    result = {"stream": stream, "subject": subject, "role": right.role}
    print_result(result, as_json=place.as_json)
    return 0


def revoke(place: Place, stream: str, subject: str) -> int:
    """Take every right of a writer, on the chain."""
    streams, raw = Streams(place), parse_stream(stream)
    streams.send(streams.network.streams.revoke(raw, parse_subject(subject)))
    print_result({"stream": stream, "revoked": subject}, as_json=place.as_json)
    return 0


def snapshot(place: Place, stream: str, file: Path) -> int:
    """Write the stream's final state into a file, which `apogee storage put` keeps."""
    streams, raw = Streams(place), parse_stream(stream)
    with streams.replica(raw) as replica, replica.moment(final=True) as moment:
        view, seq = moment.stream(raw), moment.next_seq - 1
        write_durably(LocalDisk(), file, write_snapshot(view, seq))
        root = view.root_at(seq)
    result = {"file": str(file), "seq": seq, "keys": root.keys, "root": root.digest.hex()}
    print_result(result, as_json=place.as_json)
    return 0


def _signed(streams: Streams, stream: bytes, wish: tuple[Mode, bytes, bytes, int]) -> Op:
    mode, key, value, expected = wish
    with streams.replica(stream) as replica, replica.moment() as moment:
        nonce, generation = _standing(moment, stream, streams.key.subject)
    op = Op(mode, stream, generation, key, value, nonce + 1, b"", expected)
    return sign_op(op, streams.key, streams.domain)


def _standing(moment: Moment, stream: bytes, subject: Subject) -> tuple[int, int]:
    view = moment.stream(stream)
    cell = view.cell(Space.ACCOUNT, subject.key)
    last = 0 if cell is None else int.from_bytes(cell.value[:8], "big")
    return last, view.meta.generation


async def _write_at(
    streams: Streams, stream: bytes, node: str, wish: tuple[Mode, bytes, bytes, int]
) -> int:
    async with streams.at_node(stream, node) as kv:
        [ack] = await kv.send([wish])
        say(f"promised by {ack.batcher.hex()} until {ack.include_by}")
        return await kv.wait(ack)


async def _read_at(
    streams: Streams, stream: bytes, node: str, key: bytes, *, label: Label
) -> Cell | None:
    async with streams.at_node(stream, node) as kv:
        return await kv.cell(key, label=label)


async def _scan_at(
    streams: Streams, stream: bytes, node: str, prefix: bytes, *, limit: int
) -> list[tuple[bytes, Cell]]:
    rows: list[tuple[bytes, Cell]] = []
    after: bytes | None = None
    async with streams.at_node(stream, node) as kv:
        while len(rows) < limit:
            page = await kv.scan(prefix, after=after, limit=min(PAGE_ROWS, limit - len(rows)))
            rows += page.items
            after = page.after
            if after is None:
                break
    return rows


async def _watch_at(
    streams: Streams, stream: bytes, node: str, prefix: bytes, *, count: int | None
) -> None:
    seen = 0
    async with streams.at_node(stream, node) as kv:
        async for event in kv.watch(prefix):
            if event.keys == ():  # where the node stands; the next entry is told
                say("watching; stop with Ctrl-C")
                continue
            seen += 1
            _print_event(event.seq, event.keys)
            if seen == count:
                return


def _print_event(seq: int, keys: Sequence[bytes] | None) -> None:
    names = None if keys is None else [_text(key) for key in keys]
    print(json.dumps({"seq": seq, "keys": names}), flush=True)  # noqa: T201  # a line an event


def _show(cell: Cell | None, *, as_json: bool) -> int:
    if as_json:
        print_json(cell_json(cell))
    elif cell is not None:
        print_result({"value": _text(cell.value), "version": cell.version}, as_json=False)
    return 0 if cell is not None else 1


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "0x" + raw.hex()
