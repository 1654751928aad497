"""Every route, from its own document: whatever is sent, the answer is one that the document names.

A request is made of values that fit the schema and of values that do not, in every place; the
answer is never a fault, is a problem document when it is an error, and its status is documented.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.gateway.app import build_routes, openapi_of
from offchain.gateway.openai_errors import speaks_openai
from offchain.gateway.publish import DeskRules
from tests.support.da_network import Site, a_site, memory_network
from tests.support.gateway import BEARER, a_face, below_site, running

Draw = Any
header_text = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60)
query_text = st.text(max_size=60)
numbers = st.one_of(
    st.integers(-(1 << 70), 1 << 70).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
)
ORIGIN = "http://127.0.0.1:8080"
hexes = st.binary(max_size=40).map(bytes.hex)
junk = st.one_of(query_text, numbers, hexes, st.just(""), hexes.map(lambda digits: "0x" + digits))


class Running:
    """One gateway over memory nodes, in a loop that lives as long as the file's tests."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.site: Site = a_site(4)
        self.document: dict[str, Any] = {}
        self.client = self.loop.run_until_complete(self._open(folder))
        self.blob_id = self.ask("POST", "/v1/da/blobs", {"Idempotency-Key": "first"}, b"x" * 5_000)[
            "blob_id"
        ]

    async def _open(self, folder: Path) -> httpx.AsyncClient:
        face = a_face(
            below_site(self.site, memory_network(self.site)),
            folder,
            desk_rules=DeskRules(again_seconds=0.05),
        )
        self.document = openapi_of(build_routes(face))
        return await self.stack.enter_async_context(running(face))

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        sent = self.send(method, path, {}, {**BEARER, **headers}, body)
        assert sent.status_code == 202, sent.text
        return dict(sent.json())

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        headers: dict[str, str],
        body: bytes | None,
    ) -> httpx.Response:
        latin = {name: value.encode("latin-1") for name, value in headers.items()}
        return self.loop.run_until_complete(
            self.client.request(method, path, params=query, headers=latin, content=body)
        )

    def close(self) -> None:
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self.stack.aclose()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:  # a batch of items that was still filling
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running_gateway = Running(tmp_path_factory.mktemp("fuzz"))
    yield running_gateway
    running_gateway.close()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, item in sorted(document["paths"].items())
        for method, operation in sorted(item.items())
    ]


def fitting(schema: dict[str, Any], blob_id: str) -> st.SearchStrategy[str]:
    """Values that a parameter's schema allows."""
    if "anyOf" in schema:
        return st.one_of([fitting(one, blob_id) for one in schema["anyOf"] if one != NULL])
    if "$ref" in schema or "enum" in schema:
        return st.sampled_from(["own", "shared"])
    if schema.get("pattern", "").startswith("^(0x)?"):
        return st.one_of(st.just(blob_id), st.binary(min_size=32, max_size=32).map(bytes.hex))
    if schema["type"] == "integer":
        low, high = schema.get("minimum", 0), schema.get("maximum", 70_000)
        return st.integers(low, min(high, 1 << 30)).map(str)
    if schema["type"] == "number":
        return st.floats(0.01, 0.999).map(str)
    if schema.get("pattern") == "^[!-~]+$":
        return st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
    ranges = st.tuples(st.integers(0, 6_000), st.integers(0, 6_000))
    return st.one_of(ranges.map(lambda two: f"bytes={two[0]}-{two[1]}"), st.just("bytes=-3"))


NULL = {"type": "null"}


@settings(max_examples=120)
@given(data=st.data())
def test_routes__any_request__is_answered_as_documented(data: Draw, gateway: Running) -> None:
    method, template, operation = data.draw(st.sampled_from(operations(gateway.document)))
    path, query, headers = template, {}, dict(data.draw(st.sampled_from([BEARER, {}])))
    for parameter in operation.get("parameters", []):
        is_fitting = data.draw(st.integers(0, 3)) > 0
        if parameter["in"] == "path":
            bad = junk.map(lambda text: text.replace("/", "_").replace("?", "_").replace("#", "_"))
        else:
            bad = header_text if parameter["in"] == "header" else junk
        value = data.draw(fitting(parameter["schema"], gateway.blob_id) if is_fitting else bad)
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", value or "_")
        elif not is_fitting and data.draw(st.booleans()):
            continue
        else:
            (headers if parameter["in"] == "header" else query)[parameter["name"]] = value
    body = None
    if method == "POST":
        body = data.draw(st.one_of(st.binary(max_size=200), st.just(b"{}"), st.just(b"y" * 9_000)))
    clean_path = "".join(c if 32 < ord(c) < 127 or ord(c) > 160 else "_" for c in path)

    answer = gateway.send(method, clean_path, query, headers, body)

    note = (method, clean_path, query, headers, answer.status_code, answer.text[:300])
    is_routed = answer.status_code not in (404, 405) or "no_route" not in answer.text
    if is_routed:
        assert str(answer.status_code) in operation["responses"], note
    assert answer.status_code < 500 or answer.status_code == 503, note
    if answer.status_code >= 400 and speaks_openai(template):
        assert json.loads(answer.text)["error"]["metadata"]["next_step"], note
    elif answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", note
        told = json.loads(answer.text)
        assert told["next_step"], note
        assert told["request_id"] == answer.headers["x-request-id"]
    if answer.status_code in (429, 503):
        assert answer.headers["retry-after"], note


@settings(max_examples=60)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"]),
    segments=st.lists(
        st.one_of(st.sampled_from(["v1", "da", "blobs", "..", "."]), hexes), max_size=6
    ),
    names=st.lists(header_text, max_size=4),
)
def test_paths__that_are_nobodys__are_never_a_fault(
    method: str, segments: list[str], names: list[str], gateway: Running
) -> None:
    headers = {f"X-Any-{number}": value for number, value in enumerate(names)}

    answer = gateway.send(method, f"{ORIGIN}/" + "/".join(segments), {}, headers, None)

    assert answer.status_code < 500
