"""A gateway over HTTP, as its client sees it: bounded answers, and repeats that are paid once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import httpx

from offchain.da.ports import Bytes
from offchain.node.bounded_answer import json_object, read_bounded
from offchain.sdk.errors import GatewayContradicted, GatewayUnreachable, problem_of

MAX_ANSWER_BYTES: Final = 65_536
BUSY: Final = frozenset({429, 503})
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """`seconds`: an upload with all its repeats; `request_seconds`: one of them; `first_pause`
    before the second, doubled each time up to `longest_pause`; Retry-After counts when longer.
    """

    seconds: float = 600.0
    request_seconds: float = 180.0
    first_pause: float = 0.2
    longest_pause: float = 5.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a gateway says it wrote down; nothing here is believed before it is compared."""

    blob_id: bytes
    data_root: bytes
    commitment: bytes
    matrix_bytes: int
    days: int
    payer: bytes
    disperser: bytes
    salt: bytes
    fee_wei: int
    number: int | None = None
    item_hash: bytes = b""
    item_length: int = 0
    signature: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, found: object) -> "Taken":
        """Raises: GatewayContradicted."""
        try:
            assert isinstance(found, dict)
            receipt = found.get("receipt") or {}
            return cls(
                blob_id=_bytes(found["blob_id"], 32),
                data_root=_bytes(found["data_root"], 32),
                commitment=_bytes(found["commitment"], 48),
                matrix_bytes=int(found["matrix_bytes"]),
                days=int(found["days"]),
                payer=_bytes(found["payer"], 20),
                disperser=_bytes(found["disperser"], 20),
                salt=_bytes(found["salt"], 32),
                fee_wei=int(found["fee_wei"]),
                number=int(receipt["number"]) if receipt else None,
                item_hash=_bytes(receipt["item_hash"], 32) if receipt else b"",
                item_length=int(receipt["length"]) if receipt else 0,
                signature=_bytes(receipt["signature"], 65) if receipt else b"",
            )
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            raise GatewayContradicted("the answer is none", reason=str(error)[:120]) from error


class GatewayClient:
    """One gateway; use it as an asynchronous context manager."""

    def __init__(
        self,
        url: str,
        api_key: str,
        rules: GatewayRules | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._rules = rules or GatewayRules()
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=5.0),
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

    async def publish(self, payload: Bytes, *, key: str, days: int, lane: str) -> Taken:
        """Hand bytes over under an idempotency key, again and again while the gateway is busy.

        Raises: GatewayUnreachable, GatewayProblem, GatewayContradicted.
        """
        content = bytes(payload)

        def build() -> httpx.Request:
            return self._http.build_request(
                "POST",
                "/v1/da/blobs",
                params={"days": days, "lane": lane},
                headers={"Idempotency-Key": key, "Content-Type": "application/octet-stream"},
                content=content,
            )

        return Taken.parse(await self._patiently(build))

    async def problem_with(self, blob_id: bytes) -> str | None:
        """Why the gateway does not go on with a blob, when it says so."""
        path = f"/v1/da/blobs/{blob_id.hex()}"
        found = await self._patiently(lambda: self._http.build_request("GET", path))
        return str(found["problem"]) if found.get("problem") else None

    async def _patiently(self, build: Callable[[], httpx.Request]) -> dict[str, object]:
        rules = self._rules
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + rules.seconds, rules.first_pause
        while True:
            retry_after = 0.0
            try:
                status, body, retry_after = await self._once(build())
                if status < 300:
                    return body
                failure: Exception = problem_of(status, body)
                is_final = status not in BUSY
            except (httpx.HTTPError, TimeoutError) as error:
                failure, is_final = GatewayUnreachable(reason=type(error).__name__), False
                failure.__cause__ = error
            wait = max(pause, retry_after)
            if is_final or loop.time() + wait > deadline:
                raise failure
            await asyncio.sleep(wait)
            pause = min(2 * pause, rules.longest_pause)

    async def _once(self, request: httpx.Request) -> tuple[int, dict[str, object], float]:
        """Status, parsed body and Retry-After of one request."""
        async with asyncio.timeout(self._rules.request_seconds):
            answer = await self._http.send(request, stream=True)
            try:
                raw, is_all = await read_bounded(answer, MAX_ANSWER_BYTES)
            finally:
                await answer.aclose()
        text = answer.headers.get("retry-after", "0")
        retry_after = float(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0.0
        if not is_all:
            raise GatewayContradicted("the answer has no end", maximum=MAX_ANSWER_BYTES)
        return answer.status_code, json_object(raw), retry_after


def _bytes(text: object, size: int) -> bytes:
    raw = bytes.fromhex(str(text).removeprefix("0x"))
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes, not {size}")
    return raw
