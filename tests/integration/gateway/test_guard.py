"""What a browser, a stranger and a clumsy client meet before any route."""

import asyncio
from pathlib import Path

import httpx
import pytest

from offchain.gateway.face import GatewayFace
from offchain.gateway.model import Quote
from tests.support.da_network import a_site, memory_network
from tests.support.gateway import BEARER, KEY, a_face, below_site, running


def a_quiet_face(folder: Path) -> GatewayFace:
    site = a_site(4)
    return a_face(below_site(site, memory_network(site)), folder)


def ask(folder: Path, method: str, path: str, **more: object) -> httpx.Response:
    async def story() -> httpx.Response:
        async with running(a_quiet_face(folder)) as client:
            return await client.request(method, path, **more)

    return asyncio.run(story())


@pytest.mark.parametrize("path", ["/healthz", "/v1/da/quote?len=1", "/openapi.json", "/nothing"])
def test_dns_rebinding__a_name_that_leads_here__is_misdirected_on_every_route(
    path: str, tmp_path: Path
) -> None:
    answer = ask(tmp_path, "GET", path, headers={"Host": "rebound.example:8080"})

    assert (answer.status_code, answer.json()["code"]) == (421, "gateway.host")


def test_dns_rebinding__with_the_key_even__is_refused_before_the_body(tmp_path: Path) -> None:
    headers = {**BEARER, "Host": "rebound.example", "Idempotency-Key": "k"}

    answer = ask(tmp_path, "POST", "/v1/da/blobs", headers=headers, content=b"x")

    assert answer.status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": "https://evil.example"}, {"Origin": "null"}),
        *({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_page__of_another_site__is_refused_even_where_reading_is_public(
    headers: dict[str, str], tmp_path: Path
) -> None:
    answer = ask(tmp_path, "GET", "/v1/da/quote?len=1", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "gateway.origin")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("authorisation", [None, "Bearer wrong", "Basic YTpi"])
def test_publish__without_the_key__is_unauthorised_and_nothing_is_kept(
    authorisation: str | None, tmp_path: Path
) -> None:
    headers = {"Idempotency-Key": "k"}
    if authorisation:
        headers["Authorization"] = authorisation

    answer = ask(tmp_path, "POST", "/v1/da/blobs", headers=headers, content=b"x" * 1_000)

    assert (answer.status_code, answer.json()["code"]) == (401, "gateway.api_key")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "wrong" not in answer.text


def test_answer__every_one__carries_a_request_id_and_runs_nowhere(tmp_path: Path) -> None:
    named = ask(tmp_path, "GET", "/healthz", headers={"X-Request-Id": "mine-7"})
    strange = ask(tmp_path, "GET", "/nothing", headers={"X-Request-Id": "<script>"})

    assert named.headers["x-request-id"] == "mine-7"
    assert strange.headers["x-request-id"] == strange.json()["request_id"] != "<script>"
    for answer in (named, strange):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "gateway.no_route"),
        ("GET", "/v1/da/blobs/", 404, "gateway.no_route"),
        ("DELETE", "/v1/da/blobs", 405, "gateway.request"),
        ("GET", "/v1/da/blobs/" + "0" * 63, 400, "gateway.request"),
        ("GET", "/v1/da/blobs/" + "0" * 64, 404, "da.blob.unknown"),
        ("GET", "/v1/da/blobs/" + "0" * 64 + "/data", 404, "da.blob.unknown"),
        ("GET", "/v1/da/blobs/" + "0" * 64 + "/items/65536", 400, "gateway.request"),
        ("POST", "/v1/da/blobs/" + "0" * 64 + "/sample?confidence=1", 400, "gateway.request"),
        ("POST", "/v1/da/blobs/" + "0" * 64 + "/sample", 404, "da.blob.unknown"),
        ("GET", "/v1/da/quote", 400, "gateway.request"),
        ("GET", "/v1/da/quote?len=32505857", 400, "gateway.request"),
        ("GET", "/v1/da/quote?len=1&days=0", 400, "gateway.request"),
    ],
)
def test_request__that_makes_no_sense__is_a_problem_document(
    method: str, path: str, status: int, code: str, tmp_path: Path
) -> None:
    answer = ask(tmp_path, method, path)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["next_step"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "gateway.request"),  # no Idempotency-Key
        ({"Idempotency-Key": ""}, 400, "gateway.request"),
        ({"Idempotency-Key": "k" * 129}, 400, "gateway.request"),
        ({"Idempotency-Key": "k", "Content-Length": "0"}, 400, "da.payload.empty"),
        ({"Idempotency-Key": "k", "Content-Length": "99999999"}, 413, "da.payload.too_large"),
        ({"Idempotency-Key": "k", "Content-Length": "1e3"}, 400, "da.request.malformed"),
        ({"Idempotency-Key": "k", "Content-Length": "5"}, 400, "da.body.size"),
    ],
)
def test_publish__with_headers_that_make_no_sense__is_refused(
    headers: dict[str, str], status: int, code: str, tmp_path: Path
) -> None:
    answer = ask(tmp_path, "POST", "/v1/da/blobs", headers={**BEARER, **headers}, content=b"four")

    assert (status, code) == (answer.status_code, answer.json()["code"])


def test_process__its_own_routes__answer(tmp_path: Path) -> None:
    assert ask(tmp_path, "GET", "/healthz").json() == {"status": "alive"}
    assert ask(tmp_path, "GET", "/readyz").text == "ready"
    assert "apogee_gateway_uploads_under_way 0" in ask(tmp_path, "GET", "/metrics").text
    assert ask(tmp_path, "GET", "/openapi.json").json()["openapi"].startswith("3.1")


def test_key__in_a_url__opens_nothing_and_in_a_header_is_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="offchain")
    in_url = ask(
        *(tmp_path, "POST", f"/v1/da/blobs?key={KEY}&access_token={KEY}"),
        headers={"Idempotency-Key": "k"},
        content=b"x",
    )
    refused = ask(
        *(tmp_path, "POST", "/v1/da/blobs?days=0"),
        headers={**BEARER, "Idempotency-Key": "secret-name"},
        content=b"plain text",
    )

    assert (in_url.status_code, refused.status_code) == (400, 400)
    assert in_url.json()["code"] == "gateway.key_in_url"
    assert "request_refused" in caplog.text
    fields = str([vars(record) for record in caplog.records if record.name.startswith("offchain")])
    for word in (KEY, "plain text", "secret-name"):
        assert word not in fields
        assert word not in in_url.text + refused.text


def test_fault__inside__is_a_problem_that_tells_nothing_of_the_inside(tmp_path: Path) -> None:
    def broken(length: int, days: int) -> Quote:
        raise KeyError("somebody/secret")

    async def story() -> httpx.Response:
        face = a_quiet_face(tmp_path)
        face.quote = broken
        async with running(face) as client:
            return await client.get("/v1/da/quote?len=1")

    answer = asyncio.run(story())

    assert (answer.status_code, answer.json()["code"]) == (500, "gateway.fault")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "somebody" not in answer.text
