"""Errors as clients of the OpenAI protocol read them, for the routes of the compute market.

  {"error": {"message", "type", "code", "param", "metadata": {"limit_source", "next_step", ...}}}

A 402 names the limit that was hit (`code`, one of ten reasons) and in `metadata` the least that
helps; 429 and 503 carry Retry-After.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import Response

from offchain.compute.engine_errors import RequestMalformed
from offchain.compute.errors import PaymentRefused, UnverifiedAnswer
from offchain.core.errors import ApogeeError
from offchain.gateway import errors
from offchain.gateway.book_model import BucketLow
from offchain.gateway.compute_errors import BodyTooLarge, ModelForbidden, NobodyServes
from offchain.gateway.errors import ApiKeyWrong, KeyCapReached
from offchain.gateway.x402 import PaymentInvalid, PaymentWanted
from offchain.node.http_face import RETRY_SECONDS

ROUTES: Final = frozenset(
    {"/v1/models", "/v1/chat/completions", "/v1/completions", "/v1/embeddings"}
)
RECEIPTS: Final = "/v1/receipts/"
_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "payment_required",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_STATUS: Final[tuple[tuple[type[ApogeeError], HTTPStatus], ...]] = (
    (PaymentRefused, HTTPStatus.PAYMENT_REQUIRED),
    (BucketLow, HTTPStatus.PAYMENT_REQUIRED),
    (PaymentWanted, HTTPStatus.PAYMENT_REQUIRED),
    (PaymentInvalid, HTTPStatus.PAYMENT_REQUIRED),
    (ModelForbidden, HTTPStatus.FORBIDDEN),
    (BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnverifiedAnswer, HTTPStatus.BAD_GATEWAY),
)


def speaks_openai(path: str) -> bool:
    """Whether a path's errors have OpenAI's form."""
    return path in ROUTES or path.startswith(RECEIPTS)


def openai_problem(
    error: ApogeeError, request_id: str, status: HTTPStatus | None = None
) -> Response:
    """An error as a client of the protocol reads it."""
    code, source = _named(error)
    status = status or status_of(error)
    described = error.as_json()
    fields = error.fields
    param = fields.get("field") or fields.get("option") or fields.get("parameter")
    body = {
        "error": {
            "message": str(error)[:1_000],
            "type": _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error"),
            "code": code,
            "param": None if param is None else str(param),
            "metadata": {
                "limit_source": source,
                "next_step": error.next_step,
                "request_id": request_id,
                "fields": described["fields"],
            },
        }
    }
    headers = {}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        wait = error.retry_after_seconds if isinstance(error, NobodyServes) else RETRY_SECONDS
        headers["Retry-After"] = str(wait)
    if isinstance(error, ApiKeyWrong):
        headers["WWW-Authenticate"] = 'Bearer realm="apogee"'
    return Response(json.dumps(body), status, headers, media_type="application/json")


def status_of(error: ApogeeError) -> HTTPStatus:
    """The HTTP status of an error on these routes."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return errors.status_of(error)


def _named(error: ApogeeError) -> tuple[str, str | None]:
    """The code, and whose limit was hit."""
    if isinstance(error, PaymentRefused):
        source = "provider" if error.reason == "provider_full" else "deposit"
        return error.reason, source
    if isinstance(error, BucketLow):
        return "bucket_low", "deposit"
    if isinstance(error, KeyCapReached):
        return "key_cap_reached", "key"
    if isinstance(error, NobodyServes):
        return error.code, "provider"
    if isinstance(error, RequestMalformed):
        return error.code, "request"
    return error.code, None
