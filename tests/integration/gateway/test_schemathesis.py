"""Requests made by schemathesis from our own document: no fault, and every answer as it says."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from offchain.compute.model import Kind
from offchain.core.hashing import keccak
from offchain.gateway.app import build_routes, openapi_of
from tests.support.compute_gateway import ORIGIN, Shop, a_shop
from tests.support.scripted_provider import ScriptedProvider

BOUGHT = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
ASKED = [  # a request without parameters cannot be wrong
    *((path, mode) for path in BOUGHT for mode in (POSITIVE, NEGATIVE)),
    ("/v1/models", POSITIVE),
    ("/v1/receipts/{receipt_id}", POSITIVE),
    ("/v1/receipts/{receipt_id}", NEGATIVE),
]
quick = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Gateway:
    """A shop in a loop of its own, asked from here as over a wire."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        vectors = ScriptedProvider("two", kind=Kind.EMBEDDING, model=keccak(b"vectors"))
        self._context = a_shop(folder, ScriptedProvider("one"), vectors)
        self.shop: Shop = self._run(self._context.__aenter__())
        self.document = openapi_of(build_routes(self.shop.face))
        self.key = self.shop.key()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def send(self, request: httpx.Request) -> httpx.Response:
        return self._run(self.shop.client.send(request))

    def close(self) -> None:
        self._run(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("schemathesis"))
    yield running
    running.close()


@pytest.mark.parametrize(("path", "mode"), ASKED, ids=str)
def test_route__asked_as_its_document_says_and_otherwise__answers_as_documented(
    gateway: Gateway, path: str, mode: schemathesis.GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(gateway.document)
    [operation] = schema[path].values()
    seen: list[int] = []

    @quick
    @given(case=operation.as_strategy(mode))
    def ask(case: schemathesis.Case) -> None:
        parts = case.as_transport_kwargs(base_url=ORIGIN, headers=gateway.key)
        parts.pop("cookies", None)
        if "data" in parts:
            parts["content"] = parts.pop("data")
        asked = httpx.Request(**{**parts, "headers": clean(parts["headers"])})
        answer = gateway.send(asked)
        seen.append(answer.status_code)
        assert answer.status_code != 500, (parts, answer.text)
        case.validate_response(answer, checks=CHECKS)

    ask()

    assert seen


def clean(headers: Any) -> list[tuple[bytes, bytes]]:
    """Headers as bytes: a generator writes what no client could encode."""
    pairs = dict(headers).items()
    return [(str(name).encode(), str(value).encode("latin-1", "replace")) for name, value in pairs]
