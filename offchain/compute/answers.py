"""Answers as bytes, each in exactly one form: what a provider writes is what a buyer expects.

OpenAI's chat completion, completion and embedding objects, whole or as events of a stream, with
`usage.cost` and a last member `apogee`: receipt, signature, service, cost, level, simulated and
`opening`, which leads from the header of the answer's commitment to its root.
Compact ASCII JSON, members in the order given here: clients that split lines at any line mark of
Unicode stay whole. In a stream every chunk but the last content chunk has `finish_reason: null`;
that one has an empty delta and carries `apogee`, unless `include_usage` was asked for: then one
more chunk has no choices, `usage` (null before) and `apogee`. Then `[DONE]`.
Source: docs/protocol/compute.md#provider.
"""

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

from offchain.compute.commitment import Opening
from offchain.compute.forms import receipt_json, show
from offchain.compute.model import Finish, SignedReceipt, Verifiability

DONE: Final = b"data: [DONE]\n\n"
_MARK: Final = "\x00text\x00"  # in no model's name that a client could send: JSON would escape it
Json = dict[str, object]


class Route(StrEnum):
    """Which kind of answer."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"


PREFIX: Final = {Route.CHAT: "chatcmpl-", Route.COMPLETION: "cmpl-", Route.EMBEDDING: "embd-"}
OBJECT: Final = {
    Route.CHAT: "chat.completion",
    Route.COMPLETION: "text_completion",
    Route.EMBEDDING: "list",
}
CHUNK_OBJECT: Final = {Route.CHAT: "chat.completion.chunk", Route.COMPLETION: "text_completion"}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every part of one answer repeats. `model`: as the request named it."""

    route: Route
    request_id: bytes
    created: int
    model: str
    has_usage: bool = False


@dataclass(frozen=True, slots=True)
class Seal:
    """What proves an answer, and what it claims; `opening`: the header of its commitment."""

    signed: SignedReceipt
    verifiability: Verifiability
    opening: Opening


def whole_answer(frame: Frame, text: str, seal: Seal) -> bytes:
    """A chat or completion answer in one piece."""
    reason = finish_reason(seal.signed.receipt.finish)
    choice: Json = {"index": 0}
    if frame.route is Route.CHAT:
        choice["message"] = {"role": "assistant", "content": text}
    else:
        choice["text"] = text
    choice |= {"logprobs": None, "finish_reason": reason}
    head = _head(frame, OBJECT[frame.route])
    return _dump({**head, "choices": [choice], "usage": _usage(seal), "apogee": _apogee(seal)})


def embedding_answer(
    frame: Frame, vectors: npt.NDArray[np.float32], seal: Seal, *, as_base64: bool
) -> bytes:
    """An embeddings answer; numbers as float32, in shortest decimals or base64."""
    data = [
        {"object": "embedding", "index": position, "embedding": _numbers(row, as_base64)}
        for position, row in enumerate(vectors)
    ]
    receipt = seal.signed.receipt
    usage: Json = {
        "prompt_tokens": receipt.input_tokens,
        "total_tokens": receipt.input_tokens,
        "cost": str(receipt.price),
    }
    return _dump(
        {
            "object": "list",
            "data": data,
            "model": frame.model,
            "usage": usage,
            "apogee": _apogee(seal),
        }
    )


def first_event(frame: Frame) -> bytes:
    """The role, before any text; nothing for completions."""
    if frame.route is not Route.CHAT:
        return b""
    return _event(frame, {"role": "assistant", "content": ""}, None)


def text_event(frame: Frame, text: str) -> bytes:
    """Some text."""
    before, after = text_event_frame(frame)
    return before + _dump(text) + after


@lru_cache(maxsize=64)
def text_event_frame(frame: Frame) -> tuple[bytes, bytes]:
    """What stands around the text, as JSON, of each event: only the text differs."""
    mark = _event(frame, {"content": _MARK}, None)
    before, _, after = mark.partition(_dump(_MARK))
    return before, after


def text_of_event(frame: Frame, event: bytes) -> str | None:
    """The text of such an event; None when these bytes are none in their one form."""
    before, after = text_event_frame(frame)
    if not event.startswith(before) or not event.endswith(after):
        return None
    try:
        text = from_json(event[len(before) : len(event) - len(after)])
    except ValueError:
        return None
    return text if isinstance(text, str) and text_event(frame, text) == event else None


def last_events(frame: Frame, seal: Seal) -> bytes:
    """The reason, the receipt and the end."""
    reason = finish_reason(seal.signed.receipt.finish)
    if not frame.has_usage:
        return _event(frame, {}, reason, seal) + DONE
    head = _head(frame, CHUNK_OBJECT[frame.route])
    body = {**head, "choices": [], "usage": _usage(seal), "apogee": _apogee(seal)}
    return _event(frame, {}, reason) + _line(body) + DONE


def error_event(error: Json) -> bytes:
    """A stream that cannot go on, and proves nothing of what it sent."""
    return _line({"error": error})


def vector_bytes(vectors: npt.NDArray[np.float32]) -> bytes:
    """What an embedding's answer hash is made of: float32, little endian, row by row."""
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def finish_reason(finish: Finish) -> str:
    """The protocol's word; a cut answer stands as one that reached its limit."""
    return "stop" if finish is Finish.STOP else "length"


def answer_name(route: Route, request_id: bytes) -> str:
    """The `id` of an answer."""
    return PREFIX[route] + request_id.hex()


def _event(frame: Frame, delta: Json, reason: str | None, seal: Seal | None = None) -> bytes:
    choice: Json = {"index": 0}
    if frame.route is Route.CHAT:
        choice["delta"] = delta
    else:
        choice["text"] = delta.get("content", "")
    choice |= {"logprobs": None, "finish_reason": reason}
    body = {**_head(frame, CHUNK_OBJECT[frame.route]), "choices": [choice]}
    if frame.has_usage:
        body["usage"] = None
    if seal is not None:
        body["apogee"] = _apogee(seal)
    return _line(body)


def _head(frame: Frame, name: str) -> Json:
    return {
        "id": answer_name(frame.route, frame.request_id),
        "object": name,
        "created": frame.created,
        "model": frame.model,
    }


def _usage(seal: Seal) -> Json:
    receipt = seal.signed.receipt
    return {
        "prompt_tokens": receipt.input_tokens,
        "completion_tokens": receipt.output_tokens,
        "total_tokens": receipt.input_tokens + receipt.output_tokens,
        "cost": str(receipt.price),
    }


def _apogee(seal: Seal) -> Json:
    receipt = seal.signed.receipt
    return {
        "receipt": receipt_json(receipt),
        "signature": show(seal.signed.signature),
        "service": show(receipt.service),
        "cost": str(receipt.price),
        "level": int(seal.verifiability.level),
        "simulated": seal.verifiability.is_simulated,
        "opening": {
            "header": show(seal.opening.data),
            "leaves": seal.opening.leaves,
            "siblings": [show(one) for one in seal.opening.siblings],
        },
    }


def _numbers(row: npt.NDArray[np.float32], as_base64: bool) -> str | list[float]:
    if as_base64:
        return base64.b64encode(vector_bytes(row)).decode()
    return [float(str(number)) for number in row]


def _line(body: Json) -> bytes:
    return b"data: " + _dump(body) + b"\n\n"


def _dump(body: Json | str) -> bytes:
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
