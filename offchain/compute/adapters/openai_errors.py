"""Errors as clients of OpenAI's protocol read them, with what to do next beside.

  {"error": {"message", "type", "param", "code", "metadata": {"limit_source", "next_step", ...}}}

402 carries one of the named reasons as its code; 429 and 503 carry Retry-After.
Source: docs/protocol/compute.md#errors.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import Response

from offchain.compute.engine_errors import EngineFull
from offchain.compute.errors import (
    AskRejected,
    BucketLow,
    DelegateSpent,
    DepositEmpty,
    PaymentRefused,
    PriceRetired,
    ProviderFull,
    TokenNotAccepted,
    VoucherCapLow,
    VoucherExpired,
    VoucherMissing,
)
from offchain.core.errors import (
    ApogeeError,
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
    kind_of,
)
from offchain.node.http_face import status_of

_TYPES: Final[Mapping[type[ApogeeError], str]] = {
    InvalidInput: "invalid_request_error",
    NotFound: "not_found_error",
    Conflict: "conflict_error",
    Rejected: "rejected_error",
    Unavailable: "unavailable_error",
    Corrupt: "server_error",
}
_LIMITS: Final[Mapping[type[ApogeeError], str]] = {
    DepositEmpty: "deposit",
    BucketLow: "deposit",
    VoucherMissing: "voucher",
    VoucherCapLow: "voucher",
    VoucherExpired: "voucher",
    PriceRetired: "price",
    TokenNotAccepted: "price",
    DelegateSpent: "delegate",
    ProviderFull: "stake",
    EngineFull: "queue",
}


class BodyTooLarge(InvalidInput):
    """The body is longer than a request may be."""

    code = "compute.body.too_large"
    next_step = "Send at most `maximum` bytes."


def openai_status(error: ApogeeError) -> HTTPStatus:
    """The HTTP status of an error."""
    if isinstance(error, PaymentRefused):
        return HTTPStatus.PAYMENT_REQUIRED
    if isinstance(error, BodyTooLarge):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if isinstance(error, AskRejected):
        return HTTPStatus.FORBIDDEN
    return status_of(error)


def openai_error(error: ApogeeError) -> dict[str, object]:
    """The members of `error`."""
    described = error.as_json()
    fields = described["fields"]
    named = dict(fields) if isinstance(fields, dict) else {}
    is_payment = isinstance(error, PaymentRefused)
    return {
        "message": str(error),
        "type": "payment_required" if is_payment else _TYPES.get(kind_of(error), "server_error"),
        "param": named.get("field"),
        "code": error.reason if isinstance(error, PaymentRefused) else error.code,
        "metadata": {
            "limit_source": _LIMITS.get(type(error)),
            "next_step": error.next_step,
            **{name: _shown(value) for name, value in named.items()},
        },
    }


def openai_response(error: ApogeeError) -> Response:
    """An error as an answer."""
    status = openai_status(error)
    headers = {}
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["Retry-After"] = str(getattr(error, "retry_after_seconds", 1))
    body = json.dumps({"error": openai_error(error)})
    return Response(body, status, headers, media_type="application/json")


def _shown(value: object) -> object:
    """Amounts of coins are too long for the numbers of many readers."""
    is_long = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53
    return str(value) if is_long else value
