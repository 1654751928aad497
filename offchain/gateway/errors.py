"""What the gateway itself refuses, and every error as an HTTP answer (RFC 9457).

InvalidInput
  HostNotAllowed         gateway.host              421  a name that is not this machine's loopback
  RangeUnsatisfiable     gateway.range             416  no byte of the blob lies in the range
Conflict
  KeyUsedForOther        gateway.idempotency       409  the key was used with another request
Rejected
  ApiKeyWrong            gateway.api_key           401  no bearer key, or not this home's
  OriginNotAllowed       gateway.origin            403  a web page of another site asks
  AccessUndecided        gateway.access            403  the route is in no access table
Unavailable
  GatewayBusy            gateway.busy              503  no room now
  PublisherBusy          gateway.publisher_busy    503  another process publishes for this home

All other errors come from the domains; their kind decides (`status_of`).
"""

from http import HTTPStatus
from typing import Final

from fastapi import Response

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, Rejected, Unavailable
from offchain.core.layout import PayloadTooLarge
from offchain.da.errors import SharedMatrixTooLarge
from offchain.node import http_face


class HostNotAllowed(InvalidInput):
    """The request names a host that is not this machine's loopback."""

    code = "gateway.host"
    next_step = (
        "Ask http://127.0.0.1:PORT or http://localhost:PORT; put a proxy in front of others."
    )


class RangeUnsatisfiable(InvalidInput):
    """No byte of the blob lies in the range."""

    code = "gateway.range"
    next_step = "Ask for bytes below the length in Content-Range."

    @property
    def length(self) -> int:
        return int(str(self.fields["length"]))


class KeyUsedForOther(Conflict):
    """The idempotency key was used with another body, retention or lane."""

    code = "gateway.idempotency"
    next_step = "Send a new Idempotency-Key with a new request; repeat one only with the same."


class ApiKeyWrong(Rejected):
    """The route spends this home's money and wants its API key."""

    code = "gateway.api_key"
    next_step = "Send `Authorization: Bearer KEY` with the key in keys/gateway.key of the home."


class OriginNotAllowed(Rejected):
    """A web page of another site asks."""

    code = "gateway.origin"
    next_step = "Call the gateway from a program, or from a page that it serves itself."


class AccessUndecided(Rejected):
    """The route is in no access table, so nobody may use it."""

    code = "gateway.access"
    next_step = "Report this as a bug: every route has a line in offchain/gateway/access.py."


class GatewayBusy(Unavailable):
    """There is no room for this request now."""

    code = "gateway.busy"
    next_step = "Send the same request with the same Idempotency-Key after Retry-After seconds."


class PublisherBusy(Unavailable):
    """Another process publishes for this home."""

    code = "gateway.publisher_busy"
    next_step = "Try again after Retry-After seconds; `apogee da put` ends by itself."


_BY_CLASS: Final[dict[type[ApogeeError], HTTPStatus]] = {
    HostNotAllowed: HTTPStatus.MISDIRECTED_REQUEST,
    RangeUnsatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    ApiKeyWrong: HTTPStatus.UNAUTHORIZED,
    OriginNotAllowed: HTTPStatus.FORBIDDEN,
    AccessUndecided: HTTPStatus.FORBIDDEN,
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    SharedMatrixTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


def status_of(error: ApogeeError) -> HTTPStatus:
    """The HTTP status of an error: its own, or its kind's."""
    own = next((status for kind, status in _BY_CLASS.items() if isinstance(error, kind)), None)
    return own or http_face.status_of(error)


def problem(error: ApogeeError, request_id: str, *, status: HTTPStatus | None = None) -> Response:
    """An error as `application/problem+json`, with what a client should do next."""
    answer = http_face.problem(error, status or status_of(error), request_id=request_id)
    if isinstance(error, ApiKeyWrong):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="apogee"'
    if isinstance(error, RangeUnsatisfiable):
        answer.headers["Content-Range"] = f"bytes */{error.length}"
    return answer
