"""What the gateway itself refuses, and every error as an HTTP answer (RFC 9457).

InvalidInput
  HostNotAllowed         gateway.host              421  a name that is not this machine's loopback
  RangeUnsatisfiable     gateway.range             416  no byte of the blob lies in the range
  KeyInUrl               gateway.key_in_url        400  an API key in a path or a query
Conflict
  KeyUsedForOther        gateway.idempotency       409  the key was used with another request
Rejected
  ApiKeyWrong            gateway.api_key           401  no bearer key, or one that nobody knows
    KeyRevoked           gateway.key_revoked       401
    KeyExpired           gateway.key_expired       401
  ScopeMissing           gateway.key_scope         403  the key is not good for this route
  KeyCapReached          compute.key_cap_reached   402  the key's cap leaves less than the hold
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


class KeyInUrl(InvalidInput):
    """An API key stands in the URL, which logs and histories keep."""

    code = "gateway.key_in_url"
    next_step = "Send it as `Authorization: Bearer KEY`, and revoke it: `apogee key revoke ID`."


class ApiKeyWrong(Rejected):
    """The route wants an API key, and this is none that is known here."""

    code = "gateway.api_key"
    next_step = (
        "Send `Authorization: Bearer KEY`: the key in keys/gateway.key of the home, or one that"
        " `apogee key new` printed."
    )


class KeyRevoked(ApiKeyWrong):
    """The API key was revoked."""

    code = "gateway.key_revoked"
    next_step = "Use another key; `apogee key new` makes one."


class KeyExpired(ApiKeyWrong):
    """The API key's time is over."""

    code = "gateway.key_expired"
    next_step = "Use another key; `apogee key new --days 30` makes one."


class ScopeMissing(Rejected):
    """The API key is not good for this route."""

    code = "gateway.key_scope"
    next_step = "Use a key with the scope named above: `apogee key new --scope SCOPE`."


class KeyCapReached(Rejected):
    """The API key's cap leaves less than this request may cost."""

    code = "compute.key_cap_reached"
    next_step = (
        "Ask for fewer tokens (`max_tokens`), wait for the next day (UTC) if the daily cap is"
        " reached, or have a key with a higher cap: `apogee key new --cap AMOUNT`."
    )


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
    ScopeMissing: HTTPStatus.FORBIDDEN,
    KeyCapReached: HTTPStatus.PAYMENT_REQUIRED,
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
