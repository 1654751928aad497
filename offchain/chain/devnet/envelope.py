"""JSON-RPC 2.0 over HTTP: parse a body into requests and faults, in order; write answers.

Source: https://www.jsonrpc.org/specification. A request without `id` is a notification: it runs
and gets no answer.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import pydantic_core

from offchain.chain.devnet.faults import BadRequest, LimitExceeded, NotJson, RpcFault
from offchain.chain.devnet.limits import MAX_BATCH

MAX_METHOD_CHARACTERS: Final = 128

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One well-formed request."""

    method: str
    params: list[Any]
    id: Any
    wants_answer: bool


@dataclass(frozen=True, slots=True)
class Invalid:
    """A member of a batch that is no request; `id` when one could be read."""

    fault: RpcFault
    id: Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one body held."""

    members: list[Request | Invalid]
    is_batch: bool


def parse_body(raw: bytes) -> Envelope:
    """Raises: NotJson, LimitExceeded for a batch that is too long, BadRequest for an empty one."""
    try:
        # Not the standard parser: it recurses on the C stack up to the interpreter's limit, which
        # py-evm raises so far that deep nesting would end the process. This one stops at 200.
        body = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise NotJson("parse error") from error
    if not isinstance(body, list):
        return Envelope([_member(body)], is_batch=False)
    if not body:
        raise BadRequest("empty batch")
    if len(body) > MAX_BATCH:
        raise LimitExceeded(f"batch of {len(body)} requests, limit {MAX_BATCH}")
    return Envelope([_member(one) for one in body], is_batch=True)


def success(identifier: Any, result: Any) -> Json:
    return {"jsonrpc": "2.0", "id": identifier, "result": result}


def failure(identifier: Any, fault: RpcFault) -> Json:
    return {"jsonrpc": "2.0", "id": identifier, "error": fault.as_rpc()}


def encode(answer: Any) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def _member(body: Any) -> Request | Invalid:
    if not isinstance(body, dict):
        return Invalid(BadRequest("invalid request: not an object"), None)
    identifier = body.get("id")
    if isinstance(identifier, dict | list | bool):
        return Invalid(BadRequest("invalid request: id is a string, a number or null"), None)
    method = body.get("method")
    if not isinstance(method, str) or len(method) > MAX_METHOD_CHARACTERS:
        return Invalid(BadRequest("invalid request: method is missing or no string"), identifier)
    params = body.get("params")
    if params is None:
        params = []
    if not isinstance(params, list):
        return Invalid(BadRequest("invalid request: params is a list"), identifier)
    return Request(method, params, identifier, wants_answer="id" in body)
