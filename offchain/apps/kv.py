"""`apogee kv`: streams of a home: created, written, read from a replica of its own or a node's.

The home's replica follows the log from the chain; without `--node` operations go into the log as
inline batches, signed and sent by the home's storage account.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offchain.apps.da import network_of
from offchain.apps.disperser import open_reader
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import SETTLED_DEPTH, Network, address_of, open_sender
from offchain.apps.output import print_json, print_result, say
from offchain.apps.storage_client import LOCK_SECONDS, ROLE, fund_client
from offchain.chain.due import execute_due
from offchain.chain.keys import LocalSigner
from offchain.chain.model import TypedCall
from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak
from offchain.core.matrix.errors import Bottom
from offchain.node.disk import LocalDisk, write_durably
from offchain.node.leased_sender import LeasedSender
from offchain.sdk.kv import AsyncKv, KvParts
from offchain.storage.kv.adapters.chain_log import ChainLog, InlineSink
from offchain.storage.kv.adapters.http_client import HttpKvClient
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.answer import Label, cell_json, found_json
from offchain.storage.kv.cells import ABSENT, ANY, Cell, Space, require_key
from offchain.storage.kv.follow import Moment, Replica, ReplicaParts
from offchain.storage.kv.op import (
    AccountKey,
    Mode,
    Op,
    Subject,
    domain_separator,
    encode_batch,
    sign_op,
)
from offchain.storage.kv.proof import stream_id
from offchain.storage.kv.replay import Outcome
from offchain.storage.kv.roles import Role
from offchain.storage.kv.snapshot import write_snapshot
from offchain.storage.stream_book import Grant

THREADS: Final = 2
WATCH_SECONDS: Final = 0.5


class StreamInvalid(InvalidInput):
    """A stream is named by 64 hex digits."""

    code = "kv.stream.invalid"
    next_step = "Pass what `apogee kv create` printed."


class SubjectInvalid(InvalidInput):
    """A writer is an address, or a P-256 key: 40 or 128 hex digits."""

    code = "kv.subject.invalid"
    next_step = "Pass an address, or the 64 bytes x || y of a P-256 key."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works, through which node, and how it answers."""

    home: Home
    rpc_url: str | None
    node: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Right:
    """What `grant` gives."""

    role: str
    prefix: str
    quota: int
    expiry: int


class DaPayloads:
    """A `PayloadSource` over the data availability layer."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def payload(self, blob_id: bytes) -> bytes | None:
        return asyncio.run(self._payload(blob_id))

    async def _payload(self, blob_id: bytes) -> bytes | None:
        from offchain.core.erasure.choose import choose_engine

        engine = await asyncio.to_thread(choose_engine)
        async with open_reader(self._network, engine, threads=THREADS) as reader:
            try:
                return bytes((await reader.retrieve(blob_id)).payload)
            except Bottom:
                return None


class Streams:
    """A home's account, replica and way into the log."""

    def __init__(self, place: Place) -> None:
        self.network = network_of(place.home, place.rpc_url)
        account = Keystore(place.home.keys).account(ROLE)
        fund_client(self.network, place.home, account)
        opening = partial(
            open_sender, self.network, place.home, ROLE, account, lock_seconds=LOCK_SECONDS
        )
        self.sender = LeasedSender(address_of(account), opening)
        signer = LocalSigner.from_secret(account.secret)
        self.key = AccountKey(bytes(signer.address), signer)
        self.domain = domain_separator(self.network.chain_id, bytes(self.network.streams.address))
        self._folder = place.home.root / "kv"

    def send(self, call: TypedCall) -> None:
        execute_due(self.sender, call, key=f"kv:{secrets.token_hex(16)}")

    @contextmanager
    def replica(self, stream: bytes) -> Iterator[Replica]:
        """A replica that stands where the log does now."""
        network = self.network
        self._folder.mkdir(parents=True, exist_ok=True)
        store = SqliteStore(self._folder)
        try:
            log = ChainLog(
                network.node,
                network.log,
                first_block=network.deployments.first_block(),
                finality=SETTLED_DEPTH,
            )
            parts = ReplicaParts(store, log, DaPayloads(network), self.domain)
            replica = Replica(parts)
            replica.advance()
            replica.follow(stream)
            replica.advance()
            yield replica
        finally:
            store.close()

    @asynccontextmanager
    async def at_node(self, stream: bytes, node: str) -> AsyncIterator[AsyncKv]:
        """The stream through a node that is not trusted."""
        async with HttpKvClient(node) as client:
            yield AsyncKv(KvParts(client, self.domain, self.key), stream)


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


def read(place: Place, stream: str, key: str, *, is_proof: bool) -> int:
    """Print a value; with `is_proof` the answer that a contract can check."""
    streams, raw = Streams(place), parse_stream(stream)
    if place.node is not None and not is_proof:
        cell = asyncio.run(_read_at(streams, raw, place.node, key.encode()))
        return _show(cell, as_json=place.as_json)
    with streams.replica(raw) as replica, replica.moment(final=is_proof) as moment:
        view = moment.stream(raw)
        if is_proof:
            found = view.find(Space.USER, key.encode(), moment.next_seq - 1)
            print_json(found_json(found, Label.FINAL, is_proven=True))
            return 0
        return _show(view.cell(Space.USER, key.encode()), as_json=place.as_json)


def scan(place: Place, stream: str, *, prefix: str, limit: int) -> int:
    """Print keys in order with their values."""
    streams, raw = Streams(place), parse_stream(stream)
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
    with streams.replica(raw) as replica:
        seen: list[dict[str, object]] = []

        def tell(seq: int, keys: Sequence[bytes]) -> None:
            wanted = [_text(key) for key in keys if key.startswith(prefix.encode())]
            if wanted:
                seen.append({"seq": seq, "keys": wanted})
                print(json.dumps(seen[-1]), flush=True)  # noqa: T201  # one line an event

        replica.watch(lambda effect: tell(effect.seq, effect.written.get(raw, ())))
        say("watching; stop with Ctrl-C")
        while count is None or len(seen) < count:
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


def parse_stream(text: str) -> bytes:
    """Raises: StreamInvalid."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise StreamInvalid(stream=text[:80]) from error
    if len(raw) != 32:
        raise StreamInvalid(stream=text[:80])
    return raw


def parse_subject(text: str) -> Subject:
    """Raises: SubjectInvalid."""
    makers: dict[int, Callable[[bytes], Subject]] = {20: Subject.account, 64: Subject.public_key}
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
        return makers[len(raw)](raw)
    except (ValueError, KeyError) as error:
        raise SubjectInvalid(subject=text[:140]) from error


def expected_version(text: str) -> int:
    """`absent`, or the number that `get --json` printed. Raises: InvalidInput."""
    if text == "absent":
        return ABSENT
    if not text.isdecimal() or not ANY < int(text) < ABSENT:
        raise InvalidInput("expected is `absent` or a version", expected=text[:40])
    return int(text)


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


async def _read_at(streams: Streams, stream: bytes, node: str, key: bytes) -> Cell | None:
    async with streams.at_node(stream, node) as kv:
        return await kv.cell(key, label=Label.LOGGED)


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
