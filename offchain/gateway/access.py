"""Who may ask what: default deny, one line a route, and no web page may ask at all.

  PUBLIC   reads; whoever reaches the loopback may
  KEY      spends this home's money; `Authorization: Bearer KEY`, compared in constant time

A browser can be led to 127.0.0.1 under another name (DNS rebinding) or from another site, so the
Host must be the loopback's and an Origin, when there is one, the gateway's own.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from offchain.gateway.errors import (
    AccessUndecided,
    ApiKeyWrong,
    HostNotAllowed,
    OriginNotAllowed,
)

MAX_HOST_BYTES: Final = 64
_LOOPBACK: Final = re.compile(
    r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
_SCHEME: Final = "bearer "


class Access(Enum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    KEY = "key"


ROUTES: Final[Mapping[tuple[str, str], Access]] = {
    ("GET", "/healthz"): Access.PUBLIC,
    ("GET", "/readyz"): Access.PUBLIC,
    ("GET", "/metrics"): Access.PUBLIC,
    ("GET", "/openapi.json"): Access.PUBLIC,
    ("GET", "/v1/da/quote"): Access.PUBLIC,
    ("POST", "/v1/da/blobs"): Access.KEY,
    ("GET", "/v1/da/blobs/{blob_id}"): Access.PUBLIC,
    ("GET", "/v1/da/blobs/{blob_id}/data"): Access.PUBLIC,
    ("GET", "/v1/da/blobs/{blob_id}/items/{number}"): Access.PUBLIC,
    ("POST", "/v1/da/blobs/{blob_id}/sample"): Access.PUBLIC,  # reads; changes and costs nothing
}


class ApiKey:
    """The one key of a home; only its digest is kept."""

    def __init__(self, key: str) -> None:
        self._digest = _digest(key)

    def require(self, authorisation: str | None) -> None:
        """Raises: ApiKeyWrong."""
        text = authorisation or ""
        given = text[len(_SCHEME) :] if text[: len(_SCHEME)].lower() == _SCHEME else ""
        if not hmac.compare_digest(_digest(given), self._digest):
            raise ApiKeyWrong(has_key=bool(given))


def require_access(method: str, path: str, *, authorisation: str | None, key: ApiKey) -> None:
    """Let a request to a route's path template through. Raises: AccessUndecided, ApiKeyWrong."""
    access = ROUTES.get((method, path))
    if access is None:
        raise AccessUndecided(method=method, path=path)
    if access is Access.KEY:
        key.require(authorisation)


def require_loopback(host: str | None) -> None:
    """Raises: HostNotAllowed unless Host names the loopback, with or without a port."""
    if _LOOPBACK.fullmatch(host or "") is None:
        raise HostNotAllowed(host=(host or "")[:MAX_HOST_BYTES])


def require_origin(origin: str | None, host: str | None, fetch_site: str | None) -> None:
    """Raises: OriginNotAllowed for a request that a page of another site makes."""
    is_foreign = origin is not None and origin.lower() != f"http://{(host or '').lower()}"
    if is_foreign or fetch_site in ("cross-site", "same-site"):
        raise OriginNotAllowed(origin=(origin or "")[:80])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
