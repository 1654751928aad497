"""A replica over HTTP: every answer bounded in size and time, nothing believed without a proof.

No redirects, no proxies from the environment. Whatever a replica says, only an `ApogeeError` comes
out of here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from pydantic_core import from_json

from offchain.core.errors import ApogeeError
from offchain.storage.false_root import SignedRoot
from offchain.storage.kv.answer import (
    Answer,
    Json,
    Label,
    parse_answer,
    parse_cell,
    parse_root,
    parse_signed_root,
)
from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.cells import Cell, Space
from offchain.storage.kv.errors import AnswerMalformed, OpRefused, ReplicaUnreachable
from offchain.storage.kv.op import Subject
from offchain.storage.kv.promise import SoftAck
from offchain.storage.kv.proof import StreamRoot

MAX_ANSWER_BYTES: Final = 16 << 20
MAX_EVENT_BYTES: Final = 1 << 20
MAX_STREAMS: Final = 65_536
_DEAF: Final = aiohttp.ClientTimeout(total=None, sock_read=60)


class ReplicaRefused(OpRefused):
    """A replica refused a request; it says why."""

    code = "kv.replica.refused"


@dataclass(frozen=True, slots=True)
class KvLimits:
    """Seconds for one request, and for connecting; connections kept."""

    seconds: float = 10.0
    connect_seconds: float = 2.0
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Which key: of the user's, of a list's elements, or of the reserved ones."""

    key: bytes
    space: int = Space.USER


@dataclass(frozen=True, slots=True)
class Page:
    """Keys in order, and where the next page begins; None: this was the last."""

    items: tuple[tuple[bytes, Cell], ...]
    after: bytes | None
    root: StreamRoot


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that wrote keys; `keys` None: some were missed, empty: the watch begins here."""

    seq: int
    keys: tuple[bytes, ...] | None


class HttpKvClient:
    """Talks to one replica; use it as an asynchronous context manager."""

    def __init__(self, origin: str, limits: KvLimits | None = None) -> None:
        self._origin = origin.rstrip("/")
        self._limits = limits or KvLimits()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._http = aiohttp.ClientSession(
            trust_env=False,
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=limits.connections),
            timeout=aiohttp.ClientTimeout(limits.seconds, sock_connect=limits.connect_seconds),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def read(
        self, stream: bytes, place: Place, label: Label, *, is_proven: bool = True
    ) -> Answer:
        """A key as the replica tells it; not verified here. Raises: StreamNotFollowed ..."""
        query = {"label": label.value, "space": str(int(place.space))}
        if is_proven:
            query["proof"] = "1"
        body = await self._get(f"/v1/kv/{stream.hex()}/keys/{place.key.hex()}", query)
        return parse_answer(body, stream)

    async def scan(
        self, stream: bytes, prefix: bytes, after: bytes | None, limit: int, *, label: Label
    ) -> Page:
        """Keys in order; a replica may leave some out: read a key with its proof to be sure."""
        query = {"prefix": prefix.hex(), "limit": str(limit), "label": label.value}
        if after is not None:
            query["after"] = after.hex()
        body = await self._get(f"/v1/kv/{stream.hex()}/scan", query)
        try:
            items = tuple((_bytes(item["key"]), _cell(item)) for item in _objects(body["items"]))
            more = body["next"]
            root = parse_root(_object(body["root"]), stream)
        except (ValueError, KeyError, TypeError) as error:
            raise AnswerMalformed(reason=str(error)[:80]) from error
        return Page(items, None if more is None else _bytes(more), root)

    async def submit(self, stream: bytes, ops: Sequence[bytes]) -> list[SoftAck | str]:
        """Promises, or outcomes of what would have no effect. Raises: BatcherFull ..."""
        body = await self._call("POST", f"/v1/kv/{stream.hex()}/ops", body=encode_batch(list(ops)))
        try:
            results = [_ack(stream, result) for result in _objects(body["results"])]
        except (ValueError, KeyError, TypeError) as error:
            raise AnswerMalformed(reason=str(error)[:80]) from error
        if len(results) != len(ops):
            raise AnswerMalformed(results=len(results), operations=len(ops))
        return results

    async def nonce(self, stream: bytes, subject: Subject) -> tuple[int, int]:
        """The last nonce of a signer, and the stream's generation."""
        body = await self._get(f"/v1/kv/{stream.hex()}/nonces/{subject.key.hex()}", {})
        return _whole(body, "nonce"), _whole(body, "generation")

    async def outcome(self, stream: bytes, digest: bytes) -> tuple[str, int, bool] | None:
        """Outcome, entry and whether it is final; None while the log lacks the operation."""
        body = await self._get(f"/v1/kv/{stream.hex()}/ops/{digest.hex()}", {})
        if body.get("outcome") is None:
            return None
        return str(body["outcome"])[:40], _whole(body, "seq"), body.get("final") is True

    async def status(self, stream: bytes) -> tuple[int, int, int, StreamRoot]:
        """Entries applied, final and in the log, and the stream's root."""
        body = await self._get(f"/v1/kv/{stream.hex()}/status", {})
        try:
            root = parse_root(_object(body["root"]), stream)
        except (ValueError, KeyError, TypeError) as error:
            raise AnswerMalformed(reason=str(error)[:80]) from error
        return _whole(body, "applied"), _whole(body, "final"), _whole(body, "head"), root

    async def streams(self) -> list[bytes]:
        """The streams that the replica says it holds."""
        found = (await self._get("/v1/kv", {})).get("streams")
        try:
            streams = [_bytes(one) for one in found] if isinstance(found, list) else []
        except (ValueError, TypeError) as error:
            raise AnswerMalformed(reason=str(error)[:80]) from error
        return [one for one in streams[:MAX_STREAMS] if len(one) == 32]

    async def signed_root(
        self, stream: bytes, *, group: int, seq: int | None = None, epoch: int | None = None
    ) -> SignedRoot:
        """The replica's word for a root; the signature is not checked here."""
        query = {"group": str(group)}
        query |= {} if seq is None else {"seq": str(seq)}
        query |= {} if epoch is None else {"epoch": str(epoch)}
        body = await self._get(f"/v1/kv/{stream.hex()}/root", query)
        return parse_signed_root(body, stream)

    async def snapshot(self, stream: bytes, path: Path, *, most: int) -> None:
        """The replica's newest snapshot, into a file. Raises: AnswerMalformed when it is longer."""
        url = f"{self._origin}/v1/kv/{stream.hex()}/snapshot"
        try:
            async with self._session().get(url, timeout=_DEAF, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise _refusal(answer.status, await answer.content.read(1 << 14))
                size = 0
                with path.open("wb") as file:
                    async for piece in answer.content.iter_chunked(1 << 20):
                        size += len(piece)
                        if size > most:
                            raise AnswerMalformed(bytes=size, maximum=most)
                        await asyncio.to_thread(file.write, piece)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ReplicaUnreachable(reason=type(error).__name__) from error

    async def watch(self, stream: bytes, prefix: bytes = b"") -> AsyncIterator[Written]:
        """Entries that wrote keys with this prefix, as they are applied. Raises as `read`."""
        url = f"{self._origin}/v1/kv/{stream.hex()}/watch"
        http = self._session()
        try:
            async with http.get(
                url, params={"prefix": prefix.hex()}, timeout=_DEAF, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise _refusal(answer.status, await answer.content.read(1 << 14))
                async for event in _events(answer.content):
                    yield event
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ReplicaUnreachable(reason=type(error).__name__) from error

    async def _get(self, path: str, query: Mapping[str, str]) -> Json:
        return await self._call("GET", path, query=query)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Json:
        try:
            async with self._session().request(
                method, self._origin + path, params=query, data=body, allow_redirects=False
            ) as answer:
                raw = await _bounded(answer)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ReplicaUnreachable(reason=type(error).__name__) from error
        if answer.status != 200:
            raise _refusal(answer.status, raw)
        try:
            return _object(from_json(raw, allow_inf_nan=False))
        except (ValueError, TypeError) as error:
            raise AnswerMalformed(bytes=len(raw)) from error

    def _session(self) -> aiohttp.ClientSession:
        assert self._http is not None, "use `async with HttpKvClient(...) as client`"
        return self._http


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    if (answer.content_length or 0) > MAX_ANSWER_BYTES:
        raise AnswerMalformed(bytes=answer.content_length)
    raw = bytearray()
    async for piece in answer.content.iter_any():
        raw += piece
        if len(raw) > MAX_ANSWER_BYTES:
            raise AnswerMalformed(bytes=len(raw))
    return bytes(raw)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[Written]:
    """Server-sent events; unknown kinds are passed over."""
    kind = ""
    async for line in content:
        if len(line) > MAX_EVENT_BYTES:
            raise ValueError("event")
        text = line.decode().rstrip("\r\n")
        if text.startswith("event: "):
            kind = text[7:]
        elif text.startswith("data: ") and kind in ("open", "entry", "gap"):
            body = _object(from_json(text[6:]))
            if kind == "gap":
                yield Written(0, None)
            else:
                keys = body.get("keys", [])
                found = tuple(map(_bytes, keys)) if isinstance(keys, list) else ()
                yield Written(_whole(body, "seq"), found)
        await asyncio.sleep(0)


def _refusal(status: int, raw: bytes) -> ApogeeError:
    """What the replica said, as its own error; unavailable when it said that."""
    try:
        body = _object(from_json(raw, allow_inf_nan=False))
    except (ValueError, TypeError):
        body = {}
    code, detail = str(body.get("code", ""))[:80], str(body.get("detail", ""))[:200]
    if status in (429, 503):
        return ReplicaUnreachable(status=status, remote_code=code, detail=detail)
    return ReplicaRefused(status=status, remote_code=code, detail=detail)


def _ack(stream: bytes, body: Json) -> SoftAck | str:
    if "outcome" in body:
        return str(body["outcome"])[:40]
    return SoftAck(
        stream,
        _bytes(body["operation"]),
        _whole(body, "include_by"),
        _bytes(body["batcher"]),
        _bytes(body["signature"]),
    )


def _cell(body: Json) -> Cell:
    cell = parse_cell(body)
    if cell is None:
        raise ValueError("no value")
    return cell


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError("object")
    return value


def _objects(value: object) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError("list")
    return [_object(one) for one in value]


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("hex")
    return bytes.fromhex(value)


def _whole(body: Json, name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise AnswerMalformed(field=name)
    return value
