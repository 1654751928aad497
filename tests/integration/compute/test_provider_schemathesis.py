"""Requests made by schemathesis from the provider's own document: whatever they are, no 5xx."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from offchain.compute.adapters.http_provider import ProviderFace, build_provider_app
from offchain.compute.asks import ASK_HEADER, ask_header
from offchain.compute.forms import VOUCHER_HEADER, voucher_header
from offchain.compute.signatures import sign_voucher
from tests.support.compute import DOMAIN, NOW, PAYER, PROVIDER, a_voucher
from tests.support.compute_provider import CHAT, EMBED, World, a_world

ORIGIN = "http://provider"
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
PAID = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
PATHS = {
    **dict.fromkeys((*PAID, "/v1/vouchers"), "POST"),
    "/v1/purse": "GET",
    "/v1/receipts/{request_id}": "GET",
    "/v1/batches/{batch}/leaves": "GET",
    "/v1/audits/{audit}": "GET",
}
quick = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


class Provider:
    """A provider in a loop of its own, asked as over a wire; it signs a new voucher a request."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._nonce = 0
        self.world: World = self._run(a_world())

        async def ready() -> str | None:
            return None

        app = build_provider_app(ProviderFace(self.world.serve, self.world.show, ready))
        self.document = app.openapi()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def send(self, request: httpx.Request) -> httpx.Response:
        return self._run(self._client.send(request))

    def voucher(self, path: str) -> str:
        self._nonce += 1
        service = EMBED if path.endswith("embeddings") else CHAT
        said = a_voucher(service=service, nonce=self._nonce, cap=1 << 90)
        return voucher_header(sign_voucher(said, PAYER, DOMAIN))

    def close(self) -> None:
        self._run(self._client.aclose())
        self._run(self.world.engine.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.close()


@pytest.mark.parametrize("mode", [POSITIVE, NEGATIVE], ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_provider__any_request_from_its_document__is_no_fault(
    provider: Provider, path: str, mode: Any
) -> None:
    schema = schemathesis.openapi.from_dict(provider.document)
    operation = schema[path][PATHS[path]]

    @quick
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        arguments = case.as_transport_kwargs(base_url=ORIGIN)
        request = httpx.Request(
            arguments["method"],
            arguments["url"],
            params=arguments.get("params"),
            headers={**dict(arguments.get("headers") or {}), **extra(provider, path)},
            json=arguments.get("json"),
            content=arguments.get("data") if isinstance(arguments.get("data"), bytes) else None,
        )
        answer = provider.send(request)
        assert answer.status_code < 500, answer.text

    ask()


def extra(provider: Provider, path: str) -> dict[str, str]:
    """A voucher that holds, or a question that was asked for another path."""
    if path in PAID:
        return {VOUCHER_HEADER: provider.voucher(path)}
    return {ASK_HEADER: ask_header(PAYER, PROVIDER.address, NOW, f"GET {path}")}
