"""Who may ask what: default deny, one line a route, and no web page may ask at all.

  PUBLIC    reads; whoever reaches the loopback may
  DA        spends on data availability       `Authorization: Bearer KEY` of that scope
  STORAGE   spends on storage                 the same
  COMPUTE   shows what a buyer bought         the same
  BUYER     buys an answer                    a key of scope compute, or a payment (x402)

The home's own key (keys/gateway.key) has every scope. A browser can be led to 127.0.0.1 under
another name (DNS rebinding) or from another site, so the Host must be the loopback's and an Origin,
when there is one, the gateway's own. A key in a URL ends in logs and histories: it is refused.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol

from offchain.gateway.errors import (
    AccessUndecided,
    ApiKeyWrong,
    HostNotAllowed,
    KeyInUrl,
    OriginNotAllowed,
)
from offchain.gateway.key_model import KeyRecord, Scope

MAX_HOST_BYTES: Final = 64
MADE_PREFIX: Final = "apk_"  # of keys that `apogee key new` makes; the home's own has apg_
_LOOPBACK: Final = re.compile(
    r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
_IN_URL: Final = re.compile(rb"ap[gk]_[0-9a-f]{16}|(?:^|&)api[-_]?key=", re.IGNORECASE)
_SCHEME: Final = "bearer "


class KeyFinder(Protocol):
    """Where keys are known by the SHA-256 of what is sent."""

    async def find(self, digest: bytes, *, is_fresh: bool) -> KeyRecord | None:
        """One key, usable now; not fresh: a revocation may be unseen, a later charge sees it.

        Raises: KeyRevoked, KeyExpired.
        """
        ...


class Access(Enum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    DA = "da"
    STORAGE = "storage"
    COMPUTE = "compute"
    BUYER = "buyer"

    @property
    def scope(self) -> Scope | None:
        """What a key must be good for; None where none is asked for."""
        return _SCOPES.get(self)


_SCOPES: Final[Mapping[Access, Scope]] = {
    Access.DA: Scope.DA,
    Access.STORAGE: Scope.STORAGE,
    Access.COMPUTE: Scope.COMPUTE,
    Access.BUYER: Scope.COMPUTE,
}

ROUTES: Final[Mapping[tuple[str, str], Access]] = {
    ("GET", "/healthz"): Access.PUBLIC,
    ("GET", "/readyz"): Access.PUBLIC,
    ("GET", "/metrics"): Access.PUBLIC,
    ("GET", "/openapi.json"): Access.PUBLIC,
    ("GET", "/v1/da/quote"): Access.PUBLIC,
    ("POST", "/v1/da/blobs"): Access.DA,
    ("GET", "/v1/da/blobs/{blob_id}"): Access.PUBLIC,
    ("GET", "/v1/da/blobs/{blob_id}/data"): Access.PUBLIC,
    ("GET", "/v1/da/blobs/{blob_id}/items/{number}"): Access.PUBLIC,
    ("POST", "/v1/da/blobs/{blob_id}/sample"): Access.PUBLIC,  # reads; changes and costs nothing
    ("GET", "/v1/storage/quote"): Access.PUBLIC,
    ("GET", "/v1/storage/files"): Access.PUBLIC,  # as the chain tells everybody
    ("POST", "/v1/storage/files"): Access.STORAGE,
    ("GET", "/v1/storage/files/{reference}"): Access.PUBLIC,
    ("GET", "/v1/storage/files/{reference}/data"): Access.PUBLIC,  # bytes as stored: sealed stay so
    ("GET", "/v1/models"): Access.PUBLIC,  # what the chain tells everybody: prices before a key
    ("POST", "/v1/chat/completions"): Access.BUYER,
    ("POST", "/v1/completions"): Access.BUYER,
    ("POST", "/v1/embeddings"): Access.BUYER,
    ("GET", "/v1/receipts/{receipt_id}"): Access.COMPUTE,
}


class ApiKey:
    """The home's own key; only its digest is kept."""

    def __init__(self, key: str) -> None:
        self.digest = digest_of(key)

    def is_given_by(self, authorisation: str | None) -> bool:
        """Whether this is the key of an Authorization header."""
        return hmac.compare_digest(digest_of(bearer_in(authorisation)), self.digest)

    def require(self, authorisation: str | None) -> None:
        """Raises: ApiKeyWrong."""
        if not self.is_given_by(authorisation):
            raise ApiKeyWrong(has_key=bool(bearer_in(authorisation)))


async def require_access(
    access: Access | None, *, authorisation: str | None, own: ApiKey, keys: KeyFinder | None
) -> KeyRecord | None:
    """Let a caller through: his key, or None for the home's own and where none is asked for.

    Whether such a caller without a key pays otherwise, a BUYER route decides itself.
    Raises: AccessUndecided, ApiKeyWrong; KeyRevoked, KeyExpired, ScopeMissing.
    """
    if access is None:
        raise AccessUndecided
    if access is Access.PUBLIC or (access is Access.BUYER and authorisation is None):
        return None
    if own.is_given_by(authorisation):
        return None
    given = bearer_in(authorisation)
    record = None
    if keys is not None and given.startswith(MADE_PREFIX):
        record = await keys.find(digest_of(given), is_fresh=access is not Access.BUYER)
    if record is None:
        raise ApiKeyWrong(has_key=bool(given))
    assert access.scope is not None
    record.require_scope(access.scope)
    return record


def bearer_in(authorisation: str | None) -> str:
    """The key of an Authorization header; empty when there is none."""
    text = authorisation or ""
    return text[len(_SCHEME) :] if text[: len(_SCHEME)].lower() == _SCHEME else ""


def require_loopback(host: str | None) -> None:
    """Raises: HostNotAllowed unless Host names the loopback, with or without a port."""
    if _LOOPBACK.fullmatch(host or "") is None:
        raise HostNotAllowed(host=(host or "")[:MAX_HOST_BYTES])


def require_origin(origin: str | None, host: str | None, fetch_site: str | None) -> None:
    """Raises: OriginNotAllowed for a request that a page of another site makes."""
    is_foreign = origin is not None and origin.lower() != f"http://{(host or '').lower()}"
    if is_foreign or fetch_site in ("cross-site", "same-site"):
        raise OriginNotAllowed(origin=(origin or "")[:80])


def require_no_key_in_url(path: bytes, query: bytes) -> None:
    """Raises: KeyInUrl."""
    if _IN_URL.search(query) is not None or _IN_URL.search(path) is not None:
        raise KeyInUrl


def digest_of(key: str) -> bytes:
    """What is kept of a key: 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
