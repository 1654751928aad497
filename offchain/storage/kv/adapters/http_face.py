"""The HTTP face of streams: reads with proofs, scans, a watch, and operations in. Thin routes.

  GET  /v1/kv                                       streams held here
  GET  /v1/kv/{stream}/status                       applied, final, head, root
  GET  /v1/kv/{stream}/keys/{key}?label=&proof=1&index=&space=    one key; `index`: a list's element
  GET  /v1/kv/{stream}/scan?prefix=&after=&limit=&label=          keys in order
  GET  /v1/kv/{stream}/watch?prefix=                server-sent events, one per entry that wrote
  GET  /v1/kv/{stream}/nonces/{subject}             the last nonce of a signer, promises included
  GET  /v1/kv/{stream}/ops/{digest}                 what became of an operation
  POST /v1/kv/{stream}/ops                          a batch of operations; promises or outcomes
  GET  /v1/kv/{stream}/root?group=&seq=&epoch=      this seat's signed word for a final root
  GET  /v1/kv/{stream}/snapshot                     the newest snapshot under a posted root
  GET  /v1/kv/openapi.json

Keys, prefixes and subjects are hexadecimal. Errors are problem documents.
Source: docs/protocol/storage.md#key-value-streams.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from offchain.node.http_face import drain, problem
from offchain.node.peer_limits import PeerLimits
from offchain.storage.kv.answer import Label, cell_json, found_json, root_json, signed_root_json
from offchain.storage.kv.batch_frame import split_batch
from offchain.storage.kv.batcher import Batcher
from offchain.storage.kv.cells import MAX_KEY_BYTES, Space, element_key, require_key
from offchain.storage.kv.errors import (
    BatcherFull,
    OpMalformed,
    RequestInvalid,
    SnapshotMissing,
    StreamNotFollowed,
)
from offchain.storage.kv.follow import Replica
from offchain.storage.kv.hot import HotState
from offchain.storage.kv.op import Scheme, Subject
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.promise import SoftAck
from offchain.storage.kv.proof import Proof
from offchain.storage.kv.replay import Replayed
from offchain.storage.kv.sign_root import SignRoots
from offchain.storage.kv.snapshot_shelf import SnapshotShelf
from offchain.storage.kv.state import Found, StreamView

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
MAX_SCAN: Final = 1_000
MAX_SCAN_BYTES: Final = 4 << 20
MAX_OPS: Final = 4_096
MAX_BODY_BYTES: Final = 8 << 20
MAX_WATCHERS: Final = 64
WAITING_EVENTS: Final = 256
HEARTBEAT_SECONDS: Final = 15.0
_NO_PROOF: Final = Proof(())
MAX_INDEX: Final = (1 << 63) - 1
MAX_NUMBER: Final = (1 << 64) - 1
Number = Annotated[int, Query(ge=0, le=MAX_NUMBER)]
MaybeNumber = Annotated[int | None, Query(ge=0, le=MAX_NUMBER)]
LabelText = Annotated[Label, Query(description="hot, logged or final")]


class Wanted(BaseModel):
    """What is asked about one key."""

    label: Label = Label.LOGGED
    proof: bool = False
    index: int | None = Field(None, ge=0, le=MAX_INDEX)
    space: int = Field(0, ge=0, le=3)


@dataclass(slots=True)
class KvFace:
    """What the routes stand in front of; without a batcher nothing can be written here."""

    replica: Replica
    limits: PeerLimits
    hot: HotState | None = None
    batcher: Batcher | None = None
    signer: SignRoots | None = None
    shelf: SnapshotShelf | None = None
    watchers: int = field(default=0)


def add_kv_routes(app: FastAPI, face: KvFace) -> None:
    """Put the routes of streams on a node's application, which turns errors into problems."""

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        wrong = RequestInvalid(parameter=where[:80], why=str(first["msg"])[:200])
        return problem(wrong, HTTPStatus.BAD_REQUEST)

    router = APIRouter(prefix="/v1/kv", tags=["key-value streams"])
    _add_reads(router, face)
    _add_scan(router, face)
    _add_writes(router, face)
    _add_watch(router, face)
    _add_replica(router, face)

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        paths = {path: item for path, item in app.openapi()["paths"].items() if "/v1/kv" in path}
        return {**app.openapi(), "paths": paths}

    app.include_router(router)


def _add_reads(router: APIRouter, face: KvFace) -> None:
    @router.get("")
    async def streams(request: Request) -> Response:
        """Streams held here."""
        face.limits.require(_peer(request))
        return _json({"streams": [stream.hex() for stream in face.replica.streams]})

    @router.get("/{stream}/status")
    async def status(stream: str, request: Request) -> Response:
        """How far the replica is, and the stream's root there."""
        face.limits.require(_peer(request))
        position = face.replica.position()
        with _view(face, stream, Label.LOGGED) as (view, seq):
            root = view.root_at(seq)
        where = {"applied": position.applied, "final": position.final, "head": position.head}
        return _json({"stream": stream, **where, "root": root_json(root)})

    @router.get("/{stream}/keys/{key}")
    async def value(
        stream: str, key: str, request: Request, wanted: Annotated[Wanted, Query()]
    ) -> Response:
        """One key: value, kind, version, and the proof of it or of its absence."""
        face.limits.require(_peer(request))
        space, place = _place(key, wanted)
        label = wanted.label
        if label is Label.HOT and face.hot is not None:
            cell = face.hot.cell(_digest(stream), space, place)
            return _json({"label": "hot", **cell_json(cell), "root": None})
        label = Label.LOGGED if label is Label.HOT else label
        with _view(face, stream, label) as (view, seq):
            if wanted.proof:
                return _json(found_json(view.find(space, place, seq), label, is_proven=True))
            found = Found(view.cell(space, place), _NO_PROOF, view.root_at(seq))
        return _json(found_json(found, label, is_proven=False))

    @router.get("/{stream}/nonces/{subject}")
    async def nonce(stream: str, subject: str, request: Request) -> Response:
        """The last nonce of a signer; the next one is higher."""
        face.limits.require(_peer(request))
        raw = _hex(subject, 33)
        if len(raw) != 33 or raw[0] not in (1, 2):
            raise RequestInvalid(subject=subject[:80])
        who = Subject(Scheme(raw[0]), raw[1:])
        if face.hot is not None:
            last = face.hot.nonce(_digest(stream), who)
        else:
            with _view(face, stream, Label.LOGGED) as (view, _):
                cell = view.cell(Space.ACCOUNT, who.key)
            last = 0 if cell is None else int.from_bytes(cell.value[:8], "big")
        with _view(face, stream, Label.LOGGED) as (view, _):
            generation = view.meta.generation
        return _json({"nonce": last, "generation": generation})


def _add_scan(router: APIRouter, face: KvFace) -> None:
    @router.get("/{stream}/scan")
    async def scan(
        stream: str,
        request: Request,
        prefix: str = "",
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_SCAN)] = 100,
        label: LabelText = Label.LOGGED,
    ) -> Response:
        """Keys with a prefix, in order; `after` is the last key of the page before."""
        face.limits.require(_peer(request))
        first = _hex(prefix, MAX_KEY_BYTES)
        behind = None if after is None else _hex(after, MAX_KEY_BYTES)
        label = Label.LOGGED if label is Label.HOT else label
        with _view(face, stream, label) as (view, seq):
            rows = await asyncio.to_thread(view.scan, first, behind, limit)
            root = view.root_at(seq)
        items: list[dict[str, object]] = []
        size = 0
        for key, cell in rows:
            size += len(key) + len(cell.value)
            if items and size > MAX_SCAN_BYTES:
                break
            items.append({"key": key.hex(), **cell_json(cell)})
        is_cut = len(items) < len(rows) or len(rows) == limit
        more = items[-1]["key"] if is_cut else None
        return _json({"label": label.value, "items": items, "next": more, "root": root_json(root)})


def _add_writes(router: APIRouter, face: KvFace) -> None:
    @router.post("/{stream}/ops")
    async def submit(stream: str, request: Request) -> Response:
        """A batch of 1 to 4,096 signed operations of this stream; a promise or an outcome each."""
        face.limits.require(_peer(request))
        wanted = _digest(stream)
        if face.batcher is None or wanted not in face.replica.streams:
            raise StreamNotFollowed(stream=stream[:80])
        raws = split_batch(await _body(request))
        if len(raws) > MAX_OPS or any(raw[2:34] != wanted for raw in raws):
            raise OpMalformed(ops=len(raws), maximum=MAX_OPS, stream=stream)
        answers = await face.batcher.submit(raws)
        return _json({"results": [_answer_json(answer) for answer in answers]})

    @router.get("/{stream}/ops/{digest}")
    async def outcome(stream: str, digest: str, request: Request) -> Response:
        """What became of an operation: outcome and entry, or null while the log lacks it."""
        face.limits.require(_peer(request))
        _digest(stream)
        found = face.replica.result_of(_digest(digest))
        if found is None:
            return _json({"outcome": None, "seq": None, "final": False})
        return _json({"outcome": found.outcome.value, "seq": found.seq, "final": found.is_final})


def _add_watch(router: APIRouter, face: KvFace) -> None:
    @router.get("/{stream}/watch")
    async def watch(stream: str, request: Request, prefix: str = "") -> Response:
        """Server-sent events: `entry` with the keys written, `gap` when some were missed."""
        face.limits.require(_peer(request))
        wanted, first = _digest(stream), _hex(prefix, MAX_KEY_BYTES)
        with _view(face, stream, Label.LOGGED) as (_, seq):
            pass
        if face.watchers >= MAX_WATCHERS:
            raise BatcherFull(watchers=face.watchers)
        events = _events(face, wanted, first, seq)
        return StreamingResponse(events, media_type=EVENTS, headers={"Cache-Control": "no-store"})


def _add_replica(router: APIRouter, face: KvFace) -> None:
    @router.get("/{stream}/root")
    async def root(
        stream: str,
        request: Request,
        group: Number,
        seq: MaybeNumber = None,
        epoch: MaybeNumber = None,
    ) -> Response:
        """What this seat stands for: the final root after an entry, signed for a group."""
        face.limits.require(_peer(request))
        wanted = _digest(stream)
        if face.signer is None or wanted not in face.replica.streams:
            raise StreamNotFollowed(stream=stream[:80])
        claim = await asyncio.to_thread(face.signer.sign, wanted, group, seq=seq, epoch=epoch)
        return _json(signed_root_json(claim))

    @router.get("/{stream}/snapshot")
    async def snapshot(stream: str, request: Request) -> Response:
        """The whole state in one file (AKS1), to open another replica with."""
        face.limits.require(_peer(request))
        wanted = _digest(stream)
        if face.shelf is None:
            raise SnapshotMissing(stream=stream[:80])
        _, path = await asyncio.to_thread(face.shelf.newest, wanted)
        return FileResponse(path, media_type="application/octet-stream")


async def _events(face: KvFace, stream: bytes, prefix: bytes, seq: int) -> AsyncIterator[str]:
    queue: asyncio.Queue[dict[str, object] | None] = asyncio.Queue(WAITING_EVENTS)
    loop = asyncio.get_running_loop()

    def put(event: dict[str, object]) -> None:
        if queue.full():
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        queue.put_nowait(event)

    def seen(effect: Replayed) -> None:
        keys = [key.hex() for key in effect.written.get(stream, ()) if key.startswith(prefix)]
        if keys:
            loop.call_soon_threadsafe(put, {"seq": effect.seq, "keys": keys})

    stop: Callable[[], None] = face.replica.watch(seen)
    face.watchers += 1
    try:
        yield f'event: open\ndata: {{"seq": {seq}}}\n\n'
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": alive\n\n"
                continue
            if event is None:
                yield "event: gap\ndata: {}\n\n"
            else:
                yield f"event: entry\ndata: {json.dumps(event)}\n\n"
    finally:
        face.watchers -= 1
        stop()


def _place(key: str, wanted: Wanted) -> tuple[int, bytes]:
    """The key in the tree."""
    place = _hex(key, MAX_KEY_BYTES + 8)
    if wanted.index is not None:
        require_key(place)
        return Space.ELEMENT, element_key(place, wanted.index)
    if wanted.space == Space.USER:
        require_key(place)
    return wanted.space, place


@contextmanager
def _view(face: KvFace, stream: str, label: Label) -> Iterator[tuple[StreamView, int]]:
    with face.replica.moment(final=label is Label.FINAL) as moment:
        yield moment.stream(_digest(stream)), moment.next_seq - 1


async def _body(request: Request) -> bytes:
    """The whole body, bounded. Raises: OpMalformed."""
    parts, size = [], 0
    stream = request.stream()
    async for part in stream:
        size += len(part)
        if size > MAX_BODY_BYTES:
            await drain(stream)
            raise OpMalformed(bytes=size, maximum=MAX_BODY_BYTES)
        parts.append(part)
    return b"".join(parts)


def _answer_json(answer: SoftAck | Outcome) -> dict[str, object]:
    if isinstance(answer, Outcome):
        return {"outcome": answer.value}
    return {
        "operation": answer.operation.hex(),
        "include_by": answer.include_by,
        "batcher": answer.batcher.hex(),
        "signature": answer.signature.hex(),
    }


def _json(body: dict[str, object]) -> Response:
    return Response(json.dumps(body), media_type=JSON)


def _peer(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _digest(text: str) -> bytes:
    raw = _hex(text, 32)
    if len(raw) != 32:
        raise RequestInvalid(digest=text[:80])
    return raw


def _hex(text: str, most: int) -> bytes:
    if len(text) > 2 * most + 2:
        raise RequestInvalid(length=len(text), maximum=2 * most)
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise RequestInvalid(hex=text[:80]) from error
