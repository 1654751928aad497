"""What a provider's OpenAPI says of bodies and headers that its routes read by themselves."""

from typing import Any, Final

from offchain.compute.asks import ASK_HEADER
from offchain.compute.forms import VOUCHER_HEADER

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_AMOUNT: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,29}$"}
_ADDRESS: Final[Schema] = {"type": "string", "pattern": "^0x[0-9a-f]{40}$"}
_DIGEST: Final[Schema] = {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
_SAMPLING: Final[Schema] = {
    "model": _TEXT,
    "max_tokens": {"type": "integer", "minimum": 1},
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "seed": {"type": "integer"},
    "n": {"type": "integer", "enum": [1]},
    "stop": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 4}]},
    "stream": {"type": "boolean"},
    "stream_options": {
        "type": "object",
        "properties": {"include_usage": {"type": "boolean"}},
    },
    "metadata": {
        "type": "object",
        "properties": {"audit_ok": {"anyOf": [{"type": "boolean"}, {"const": "true"}]}},
    },
}


def _header(name: str, summary: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": summary,
        "schema": {"type": "string", "maxLength": 4_096},
    }


def _body(schema: Schema, *headers: Schema) -> Schema:
    return {
        "parameters": list(headers),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


def _object(required: list[str], properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


_VOUCHER_HEADER: Final = _header(
    VOUCHER_HEADER, "base64url of {voucher, signature}: what pays for the request."
)
CHAT_BODY: Final = _body(
    _object(
        ["messages"],
        {
            "messages": {
                "type": "array",
                "minItems": 1,
                "items": _object(["role", "content"], {"role": _TEXT, "content": _TEXT}),
            },
            **_SAMPLING,
        },
    ),
    _VOUCHER_HEADER,
)
COMPLETION_BODY: Final = _body(_object(["prompt"], {"prompt": _TEXT, **_SAMPLING}), _VOUCHER_HEADER)
EMBEDDING_BODY: Final = _body(
    _object(
        ["input"],
        {
            "input": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 256}]},
            "model": _TEXT,
            "encoding_format": {"enum": ["float", "base64"]},
        },
    ),
    _VOUCHER_HEADER,
)
VOUCHER_BODY: Final = _body(
    _object(
        ["voucher", "signature"],
        {
            "voucher": _object(
                ["payer", "provider", "service", "priceVersion", "token", "cumulative", "cap"],
                {
                    "payer": _ADDRESS,
                    "provider": _ADDRESS,
                    "service": _DIGEST,
                    "priceVersion": {"type": "integer"},
                    "token": _ADDRESS,
                    "cumulative": _AMOUNT,
                    "cap": _AMOUNT,
                    "expiry": {"type": "integer"},
                    "nonce": {"type": "integer"},
                },
            ),
            "signature": {"type": "string", "pattern": "^0x[0-9a-f]+$"},
        },
    )
)
ASKED: Final[Schema] = {
    "parameters": [_header(ASK_HEADER, "base64url of {address, time, signature}: who asks.")]
}
_ERROR: Final[Schema] = {
    "application/json": {
        "schema": _object(["error"], {"error": {"type": "object"}}),
    }
}
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": what, "content": _ERROR}
    for status, what in (
        (400, "The request is malformed."),
        (402, "The request is not paid for; the code names the limit."),
        (403, "Not for who asks."),
        (404, "It is not there."),
        (409, "The state does not allow it."),
        (413, "The body is too long."),
        (422, "The voucher is not for this provider, or signed by nobody who may."),
        (503, "Somebody needed does not answer; Retry-After says when to try again."),
    )
}
