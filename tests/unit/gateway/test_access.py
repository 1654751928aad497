"""Default deny: every route has a line, money wants the key, and no web page gets in."""

import asyncio

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from offchain.gateway.access import (
    ROUTES,
    Access,
    ApiKey,
    digest_of,
    require_access,
    require_loopback,
    require_no_key_in_url,
    require_origin,
)
from offchain.gateway.errors import (
    AccessUndecided,
    ApiKeyWrong,
    HostNotAllowed,
    KeyInUrl,
    OriginNotAllowed,
    ScopeMissing,
)
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope
from tests.support.gateway import BEARER, KEY

WANTS = {
    ("POST", "/v1/storage/files"): Access.STORAGE,
    ("POST", "/v1/da/blobs"): Access.DA,
    ("POST", "/v1/chat/completions"): Access.BUYER,
    ("POST", "/v1/completions"): Access.BUYER,
    ("POST", "/v1/embeddings"): Access.BUYER,
    ("GET", "/v1/receipts/{receipt_id}"): Access.COMPUTE,
}


def test_routes__every_one_of_the_application__is_in_the_access_table_and_the_reverse(
    routes: FastAPI,
) -> None:
    assert all(isinstance(route, APIRoute) for route in routes.routes)
    found = {
        (method, route.path)
        for route in routes.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }

    assert set(ROUTES) == found


def test_routes__every_one__asks_the_table_before_anything_else(routes: FastAPI) -> None:
    for route in routes.routes:
        assert isinstance(route, APIRoute)
        [first, *_] = route.dependant.dependencies
        assert first.call is not None
        assert "authorise" in first.call.__qualname__


def test_routes__those_that_spend__want_the_key() -> None:
    wanting = {where: access for where, access in ROUTES.items() if access is not Access.PUBLIC}

    assert wanting == WANTS


def test_routes__one_that_nobody_decided__lets_nobody_in(routes: FastAPI) -> None:
    [first, *_] = routes.routes[0].dependant.dependencies  # type: ignore[attr-defined]
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"authorization", BEARER["Authorization"].encode())],
        "route": APIRoute("/v1/new", endpoint=lambda: None),
    }

    with pytest.raises(AccessUndecided):
        asyncio.run(first.call(Request(scope)))


@pytest.mark.parametrize("given_key", [KEY, KEY.upper(), "", KEY[:-1], KEY + "0", "é" * 10])
def test_key__of_another__is_refused(given_key: str) -> None:
    key = ApiKey(KEY)
    if given_key == KEY:
        key.require(f"Bearer {given_key}")
        key.require(f"bearer {given_key}")
        return
    with pytest.raises(ApiKeyWrong):
        key.require(f"Bearer {given_key}")


@pytest.mark.parametrize("header", [None, "", KEY, f"Basic {KEY}", "Bearer", f"Bearer{KEY}"])
def test_key__not_given_as_a_bearer__is_refused(header: str | None) -> None:
    with pytest.raises(ApiKeyWrong):
        asyncio.run(require_access(Access.DA, authorisation=header, own=ApiKey(KEY), keys=None))


@given(st.text(max_size=100))
def test_key__any_other_text__is_refused_without_a_fault(text: str) -> None:
    if text.removeprefix("Bearer ") != KEY:
        with pytest.raises(ApiKeyWrong):
            ApiKey(KEY).require(text)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8080"]
)
def test_host__of_the_loopback__is_taken(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "rebound.example", "rebound.example:8080", "127.0.0.1.example"),
        *("localhost.example", "127.0.0.1:8080:1", "127.0.0.1:x", "127.0.0.1@e.example"),
        *("::1", "0.0.0.0", "169.254.169.254", "a" * 500, "127.0.0.1:²", ":8080"),
    ],
)
def test_host__of_anybody_else__is_refused(host: str | None) -> None:
    with pytest.raises(HostNotAllowed):
        require_loopback(host)


@pytest.mark.parametrize(
    ("origin", "site"),
    [(None, None), (None, "none"), (None, "same-origin"), ("http://127.0.0.1:8080", "same-origin")],
)
def test_origin__of_a_program_or_of_ourselves__is_taken(
    origin: str | None, site: str | None
) -> None:
    require_origin(origin, "127.0.0.1:8080", site)


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        *(("https://evil.example", None), ("null", None), ("http://127.0.0.1:9", None)),
        *((None, "cross-site"), (None, "same-site"), ("http://localhost:8080", None)),
    ],
)
def test_origin__of_another_page__is_refused(origin: str | None, site: str | None) -> None:
    with pytest.raises(OriginNotAllowed):
        require_origin(origin, "127.0.0.1:8080", site)


class OneKey:
    """Knows one key, with its scopes."""

    def __init__(self, key: str, *scopes: Scope, **terms: int) -> None:
        self.digest = digest_of(key)
        settled = KeyTerms(frozenset(scopes), **terms)  # type: ignore[arg-type]  # caps
        self.record = KeyRecord("k1", "one", settled, made_at=1)

    async def find(self, digest: bytes, *, is_fresh: bool) -> KeyRecord | None:
        return self.record if digest == self.digest else None


MADE = "apk_" + "cd" * 32
SPENDING = [access for access in Access if access is not Access.PUBLIC]


def let_through(access: Access | None, header: str | None, keys: OneKey) -> KeyRecord | None:
    own = ApiKey(KEY)
    return asyncio.run(require_access(access, authorisation=header, own=own, keys=keys))


@pytest.mark.parametrize("access", SPENDING)
@pytest.mark.parametrize("scope", list(Scope))
def test_made_key__opens_what_its_scope_says__and_nothing_else(
    access: Access, scope: Scope
) -> None:
    keys = OneKey(MADE, scope)

    if access.scope is scope:
        assert let_through(access, f"Bearer {MADE}", keys) is keys.record
        return
    with pytest.raises(ScopeMissing):
        let_through(access, f"Bearer {MADE}", keys)


@pytest.mark.parametrize("cap", ["cap_total", "cap_day"])
@pytest.mark.parametrize("access", SPENDING)
def test_made_key__with_a_cap__opens_only_what_is_counted_against_it(
    access: Access, cap: str
) -> None:
    keys = OneKey(MADE, *Scope, **{cap: 1})

    if access.scope is Scope.COMPUTE:
        assert let_through(access, f"Bearer {MADE}", keys) is keys.record
        return
    with pytest.raises(ScopeMissing):
        let_through(access, f"Bearer {MADE}", keys)


@pytest.mark.parametrize("access", SPENDING)
def test_own_key__opens_everything__and_an_unknown_one_nothing(access: Access) -> None:
    keys = OneKey(MADE, *Scope)

    assert let_through(access, f"Bearer {KEY}", keys) is None
    for unknown in (f"Bearer {MADE[:-1]}0", f"Bearer {'ab' * 32}", "Bearer apk_", ""):
        with pytest.raises(ApiKeyWrong):
            let_through(access, unknown, keys)


def test_caller__without_a_key__may_ask_only_where_a_payment_would_do() -> None:
    keys = OneKey(MADE, *Scope)

    assert let_through(Access.BUYER, None, keys) is None
    assert let_through(Access.PUBLIC, None, keys) is None
    for access in set(SPENDING) - {Access.BUYER}:
        with pytest.raises(ApiKeyWrong):
            let_through(access, None, keys)


@pytest.mark.parametrize(
    "query", [f"key={MADE}", f"x=1&k={KEY}", "api_key=secret", "a=b&API-KEY=x", f"{MADE}"]
)
def test_key__in_a_query__is_refused(query: str) -> None:
    with pytest.raises(KeyInUrl):
        require_no_key_in_url(b"/v1/models", query.encode())


def test_key__in_a_path__is_refused_and_other_urls_are_not() -> None:
    with pytest.raises(KeyInUrl):
        require_no_key_in_url(f"/v1/models/{MADE}".encode(), b"")

    require_no_key_in_url(b"/v1/da/blobs/0x5f5f", b"len=1&days=14&keyboard=apk_")
