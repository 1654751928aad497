"""Fetch what a provider sealed for a committee: `BundleSource` over HTTP, asked in a signed way."""

import asyncio
from collections.abc import Callable
from typing import Final

from offchain.compute.adapters.provider_http import ProviderHttp
from offchain.compute.asks import ASK_HEADER, ask_header
from offchain.compute.audit_bundle import MAX_BUNDLE_BYTES
from offchain.compute.signatures import DigestSigner
from offchain.node.peer_http import PeerCall

FETCH_SECONDS: Final = 60.0


class HttpBundles(ProviderHttp):
    """A `BundleSource`; `now` is chain time, which providers compare the question's time with."""

    def __init__(self, signer: DigestSigner, now: Callable[[], int]) -> None:
        super().__init__()
        self._signer = signer
        self._now = now

    async def fetch(self, endpoint: str, provider: bytes, audit: int) -> bytes:
        """Raises: ProviderUnreachable, ProviderRefused, ProviderAnswerTooLong."""
        path = f"/v1/audits/{audit}"
        now = await asyncio.to_thread(self._now)
        headers = {ASK_HEADER: ask_header(self._signer, provider, now, f"GET {path}")}
        call = PeerCall("GET", path, MAX_BUNDLE_BYTES, FETCH_SECONDS, headers=headers)
        return await self.call(endpoint, call)
