"""An answer's own bytes, read back strictly: what is not in the one form of answers.py is none.

Everything is rebuilt from what was read and compared byte by byte, so nothing can hide beside what
the receipt covers. Source: docs/protocol/compute.md#verification.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

from offchain.compute.answers import (
    DONE,
    Frame,
    Route,
    Seal,
    embedding_answer,
    first_event,
    last_events,
    text_of_event,
    vector_bytes,
    whole_answer,
)
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.forms import parse_opening, parse_receipt_json
from offchain.compute.model import Level, Verifiability, chat_bytes, text_bytes

MAX_ANSWER_BYTES: Final = 64 << 20
_DATA: Final = b"data: "
_END: Final = b"\n\n"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request said about the form of its answer."""

    route: Route
    model: str
    is_streamed: bool = False
    has_usage: bool = False
    as_base64: bool = False
    is_audit_ok: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReadAnswer:
    """An answer in its form: its text or vectors, and what it claims."""

    text: str
    vectors: npt.NDArray[np.float32] | None = field(repr=False)
    seal: Seal
    created: int
    canonical: bytes = field(repr=False)


def read_answer(asked: Asked, raw: bytes) -> ReadAnswer:
    """The answer in these bytes. Raises: UnverifiedAnswer (answer_malformed, receipt_missing)."""
    if len(raw) > MAX_ANSWER_BYTES:
        raise _malformed("length")
    if asked.route is Route.EMBEDDING:
        return _read_embedding(asked, raw)
    return _read_stream(asked, raw) if asked.is_streamed else _read_whole(asked, raw)


def _read_whole(asked: Asked, raw: bytes) -> ReadAnswer:
    found = _object(raw)
    seal = _seal(found)
    choice = _first(found.get("choices"))
    text = _text(choice, asked.route, "message")
    frame = _frame(asked, seal, seal.signed.receipt.time)
    if whole_answer(frame, text, seal) != raw:
        raise _malformed("form")
    return ReadAnswer(text, None, seal, frame.created, _canonical(asked.route, text))


def _read_embedding(asked: Asked, raw: bytes) -> ReadAnswer:
    found = _object(raw)
    seal = _seal(found)
    data = found.get("data")
    if not isinstance(data, list) or not data:
        raise _malformed("data")
    vectors = _stacked([_vector(one, as_base64=asked.as_base64) for one in data])
    frame = _frame(asked, seal, seal.signed.receipt.time)
    if embedding_answer(frame, vectors, seal, as_base64=asked.as_base64) != raw:
        raise _malformed("form")
    return ReadAnswer("", vectors, seal, frame.created, vector_bytes(vectors))


def _read_stream(asked: Asked, raw: bytes) -> ReadAnswer:
    if not raw.endswith(DONE):
        raise UnverifiedAnswer(Reason.RECEIPT_MISSING, form="the stream has no end")
    events = [one + _END for one in raw[: -len(DONE)].split(_END)[:-1]]
    if not events:
        raise _malformed("events")
    seal = _seal(_event(events[-1]))
    created = _event(events[0]).get("created")
    if isinstance(created, bool) or not isinstance(created, int) or not 0 <= created < 1 << 64:
        raise _malformed("created")
    frame = _frame(asked, seal, created)
    opening, tail = first_event(frame), last_events(frame, seal)
    first, last = 1 if opening else 0, -2 if asked.has_usage else -1
    if not raw.startswith(opening) or not raw.endswith(tail) or first > len(events) + last:
        raise _malformed("form")
    texts = [text_of_event(frame, one) for one in events[first:last]]
    found = [one for one in texts if one is not None]
    size = len(opening) + sum(map(len, events[first:last])) + len(tail)
    if len(found) != len(texts) or size != len(raw):
        raise _malformed("form")
    text = "".join(found)
    return ReadAnswer(text, None, seal, created, _canonical(asked.route, text))


def _event(event: bytes) -> Json:
    if not event.startswith(_DATA):
        raise _malformed("event")
    return _object(event[len(_DATA) :])


def _frame(asked: Asked, seal: Seal, created: int) -> Frame:
    request_id = seal.signed.receipt.request_id
    return Frame(asked.route, request_id, created, asked.model, asked.has_usage)


def _seal(found: Json) -> Seal:
    apogee = found.get("apogee")
    if not isinstance(apogee, dict) or "receipt" not in apogee:
        raise UnverifiedAnswer(Reason.RECEIPT_MISSING)
    signed = parse_receipt_json(apogee["receipt"], apogee.get("signature"))
    level, simulated = apogee.get("level"), apogee.get("simulated")
    if isinstance(level, bool) or not isinstance(level, int) or not isinstance(simulated, bool):
        raise _malformed("level")
    try:
        claimed = Verifiability(Level(level), simulated, 0)
        return Seal(signed, claimed, parse_opening(apogee.get("opening")))
    except ValueError as error:
        raise _malformed("level") from error


def _text(choice: Json, route: Route, place: str) -> str:
    found: object = choice.get("text")
    if route is Route.CHAT:
        holder = choice.get(place)
        found = holder.get("content") if isinstance(holder, dict) else None
    if not isinstance(found, str):
        raise _malformed("text")
    return found


def _vector(found: object, *, as_base64: bool) -> npt.NDArray[np.float32]:
    value = found.get("embedding") if isinstance(found, dict) else None
    try:
        if as_base64 and isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
        if not as_base64 and isinstance(value, list):
            return np.array(value, np.float32)
    except (ValueError, TypeError, binascii.Error, OverflowError) as error:
        raise _malformed("embedding") from error
    raise _malformed("embedding")


def _stacked(vectors: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    if any(one.ndim != 1 or one.shape != vectors[0].shape for one in vectors):
        raise _malformed("embedding")
    return np.stack(vectors)


def _first(found: object) -> Json:
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise _malformed("choices")
    return found[0]


def _object(raw: bytes) -> Json:
    try:
        found = from_json(raw, allow_inf_nan=False)  # bounds nesting
    except ValueError as error:
        raise _malformed("json") from error
    if not isinstance(found, dict):
        raise _malformed("json")
    return found


def _canonical(route: Route, text: str) -> bytes:
    return chat_bytes([text]) if route is Route.CHAT else text_bytes([text])


def _malformed(what: str) -> UnverifiedAnswer:
    return UnverifiedAnswer(Reason.ANSWER_MALFORMED, form=what)
