"""Providers over HTTP: bytes out as they were signed for, bytes in as they came, all bounded.

No redirects, no proxies from the environment, only endpoints that are scheme, host and port: they
are written by strangers. Refusals keep the code that the provider named.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, Self

import httpx

from offchain.attestation.bundle import MAX_BUNDLE_BYTES, BundleMalformed, parse_bundle
from offchain.attestation.model import Verdict, parse_verdict
from offchain.compute.answers import Route
from offchain.compute.asks import ASK_HEADER, ask_header
from offchain.compute.engine import TOTAL_SECONDS
from offchain.compute.errors import ProviderAnswerTooLong, ProviderRefused, ProviderUnreachable
from offchain.compute.forms import VOUCHER_HEADER, pack_voucher, voucher_header
from offchain.compute.model import SignedVoucher
from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import ShownKey
from offchain.compute.read_answer import MAX_ANSWER_BYTES
from offchain.compute.signatures import DigestSigner
from offchain.compute.trust import Evidence
from offchain.core.errors import InvalidInput
from offchain.node.bounded_answer import json_object, read_bounded
from offchain.node.peer_http import MAX_PROBLEM_BYTES, origin_in

PATHS: Final = {
    Route.CHAT: "/v1/chat/completions",
    Route.COMPLETION: "/v1/completions",
    Route.EMBEDDING: "/v1/embeddings",
}
CONNECT_SECONDS: Final = 5.0
ASK_SECONDS: Final = TOTAL_SECONDS + 30.0
SHORT_SECONDS: Final = 30.0
MAX_SHOWN_BYTES: Final = 1 << 20
MAX_LEAVES_BYTES: Final = 64 << 20
MOST_SIGNATURES: Final = 32
NO_HEADERS: Final[Mapping[str, str]] = {}
_JSON: Final = "application/json"


class HttpProviderClient:
    """A `ProviderClient` over httpx; use it as an asynchronous context manager."""

    def __init__(self, *, connections: int = 64) -> None:
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def ask(self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher) -> bytes:
        """The whole answer's bytes."""
        sent = self._post(endpoint, PATHS[route], body, voucher, seconds=ASK_SECONDS)
        async with sent as answer:
            return await _whole(endpoint, answer)

    async def stream(
        self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher
    ) -> AsyncIterator[bytes]:
        """The answer's bytes as they come."""
        sent = self._post(endpoint, PATHS[route], body, voucher, seconds=ASK_SECONDS)
        size = 0
        async with sent as answer:
            async for piece in answer.aiter_raw():
                size += len(piece)
                if size > MAX_ANSWER_BYTES:
                    raise ProviderAnswerTooLong(endpoint=endpoint, maximum=MAX_ANSWER_BYTES)
                yield piece

    async def acknowledge(self, endpoint: str, voucher: SignedVoucher) -> None:
        """Pay for what was answered."""
        raw = pack_voucher(voucher)
        async with self._post(endpoint, "/v1/vouchers", raw, None, seconds=SHORT_SECONDS) as answer:
            await _whole(endpoint, answer)

    async def shown_key(self, endpoint: str, service: bytes, attestation_id: bytes) -> ShownKey:
        """What requests may be sealed to, and the verdict about it, both unchecked."""
        offered = await self.shown(endpoint, "/v1/evidence")
        judged = await self.shown(endpoint, f"/v1/attestation/verdicts/0x{attestation_id.hex()}")
        return ShownKey(_key_in(offered, service), verdict_in(judged))

    async def shown_evidence(self, endpoint: str, attestation_id: bytes) -> Evidence:
        """A verdict and the bundle it is about, both unchecked."""
        found = await self.shown(endpoint, f"/v1/attestation/verdicts/0x{attestation_id.hex()}")
        verdict = verdict_in(found)
        path = f"/v1/attestation/bundles/0x{verdict.evidence_id.hex()}"
        raw = await self._raw(endpoint, path, MAX_BUNDLE_BYTES)
        try:
            return Evidence(verdict, parse_bundle(raw), signatures_in(found))
        except BundleMalformed as error:
            raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="bundle") from error

    async def shown(self, endpoint: str, path: str) -> dict[str, object]:
        """A JSON object that anybody may see. Raises: ProviderUnreachable, ProviderRefused."""
        return json_object(await self._raw(endpoint, path, MAX_SHOWN_BYTES))

    async def shown_leaves(
        self, endpoint: str, batch: int, signer: DigestSigner, *, provider: bytes, time: int
    ) -> dict[str, object]:
        """A payer's items of a batch, asked for with his key at a chain time; unchecked."""
        path = f"/v1/batches/{batch}/leaves"
        header = ask_header(signer, provider, time, f"GET {path}")
        raw = await self._raw(endpoint, path, MAX_LEAVES_BYTES, {ASK_HEADER: header})
        return json_object(raw)

    async def _raw(
        self, endpoint: str, path: str, most: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> bytes:
        call = ("GET", path, b"", {"Accept-Encoding": "identity", **headers})
        async with self._open(endpoint, call, seconds=SHORT_SECONDS) as answer:
            raw, is_all = await read_bounded(answer, most)
        if not is_all:
            raise ProviderAnswerTooLong(endpoint=endpoint, maximum=most)
        return raw

    def _post(
        self,
        endpoint: str,
        path: str,
        body: bytes,
        voucher: SignedVoucher | None,
        *,
        seconds: float,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """A good answer, open."""
        headers = {"Content-Type": _JSON, "Accept-Encoding": "identity"}
        if voucher is not None:
            headers[VOUCHER_HEADER] = voucher_header(voucher)
        return self._open(endpoint, ("POST", path, body, headers), seconds=seconds)

    @asynccontextmanager
    async def _open(
        self, endpoint: str, call: tuple[str, str, bytes, dict[str, str]], *, seconds: float
    ) -> AsyncIterator[httpx.Response]:
        """A good answer, open. Raises: ProviderUnreachable, ProviderRefused."""
        origin = origin_in(endpoint)
        if origin is None:
            raise ProviderUnreachable(endpoint=endpoint[:96])
        method, path, body, headers = call
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream(method, origin + path, content=body, headers=headers) as answer,
            ):
                if not answer.is_success:
                    raise await _refusal(endpoint, answer)
                yield answer
        except TimeoutError as error:
            raise ProviderUnreachable(endpoint=endpoint, seconds=seconds) from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise ProviderUnreachable(endpoint=endpoint, reason=type(error).__name__) from error


async def _whole(endpoint: str, answer: httpx.Response) -> bytes:
    raw, is_all = await read_bounded(answer, MAX_ANSWER_BYTES)
    if not is_all:
        raise ProviderAnswerTooLong(endpoint=endpoint, maximum=MAX_ANSWER_BYTES)
    return raw


async def _refusal(endpoint: str, answer: httpx.Response) -> ProviderRefused | ProviderUnreachable:
    raw, _ = await read_bounded(answer, MAX_PROBLEM_BYTES)
    error = json_object(raw).get("error")
    members = error if isinstance(error, dict) else {}
    code, more = members.get("code"), members.get("metadata")
    named = code[:80] if isinstance(code, str) else ""
    told = {
        name: more[name]
        for name in ("needed", "next", "missing", "current")
        if isinstance(more, dict) and isinstance(more.get(name), int | str)
    }
    kind = ProviderUnreachable if answer.status_code >= 500 else ProviderRefused
    return kind(endpoint=endpoint, status=answer.status_code, remote_code=named, **told)


def verdict_in(found: Mapping[str, object]) -> Verdict:
    """The verdict in what /v1/attestation/verdicts shows. Raises: SealKeyUntrusted."""
    try:
        return parse_verdict(_bytes(found.get("verdict")))
    except (InvalidInput, ValueError) as error:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="verdict") from error


def signatures_in(found: Mapping[str, object]) -> tuple[bytes, ...]:
    """The relayers' signatures beside a verdict. Raises: SealKeyUntrusted."""
    listed = found.get("signatures", [])
    if not isinstance(listed, list) or len(listed) > MOST_SIGNATURES:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="signatures")
    try:
        return tuple(_bytes(one) for one in listed)
    except ValueError as error:
        raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="signatures") from error


def _key_in(found: Mapping[str, object], service: bytes) -> bytes:
    """The key of a service in what /v1/evidence shows. Raises: SealKeyUntrusted."""
    listed = found.get("services")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and one.get("service") == "0x" + service.hex():
            try:
                return _bytes(one.get("encryption_key"))
            except ValueError as error:
                raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="key") from error
    raise SealKeyUntrusted(KeyDoubt.MALFORMED, part="service")


def _bytes(value: object) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("no bytes")
    return bytes.fromhex(value[2:])
