"""Fetch what a provider sealed for a committee: `BundleSource` over HTTP, asked in a signed way."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import httpx

from offchain.compute.asks import ASK_HEADER, ask_header
from offchain.compute.audit_bundle import MAX_BUNDLE_BYTES
from offchain.compute.errors import ProviderAnswerTooLong, ProviderRefused, ProviderUnreachable
from offchain.compute.signatures import DigestSigner
from offchain.node.bounded_answer import read_bounded
from offchain.node.peer_http import origin_in

FETCH_SECONDS: Final = 60.0


class HttpBundles:
    """A `BundleSource`; `now` is chain time, which providers compare the question's time with."""

    def __init__(self, signer: DigestSigner, now: Callable[[], int]) -> None:
        self._signer = signer
        self._now = now
        self._http = httpx.AsyncClient(timeout=FETCH_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def fetch(self, endpoint: str, provider: bytes, audit: int) -> bytes:
        """Raises: ProviderUnreachable, ProviderRefused, ProviderAnswerTooLong."""
        origin, path = origin_in(endpoint), f"/v1/audits/{audit}"
        if origin is None:
            raise ProviderUnreachable(endpoint=endpoint[:96])
        header = ask_header(self._signer, provider, self._now(), f"GET {path}")
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                self._http.stream("GET", origin + path, headers={ASK_HEADER: header}) as answer,
            ):
                raw, is_all = await read_bounded(answer, MAX_BUNDLE_BYTES)
        except TimeoutError as error:
            raise ProviderUnreachable(endpoint=endpoint, seconds=FETCH_SECONDS) from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise ProviderUnreachable(endpoint=endpoint, reason=type(error).__name__) from error
        if not answer.is_success:
            kind = ProviderUnreachable if answer.status_code >= 500 else ProviderRefused
            raise kind(endpoint=endpoint, status=answer.status_code)
        if not is_all:
            raise ProviderAnswerTooLong(endpoint=endpoint, maximum=MAX_BUNDLE_BYTES)
        return raw
