"""Private answers through the gateway: it routes, pays and verifies, and reads nothing."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from offchain.compute.adapters.scripted_engine import Script
from offchain.compute.buy import FactsReader
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import EnclaveKeys
from offchain.compute.verify import Policy
from offchain.sdk.errors import GatewayConflict
from offchain.sdk.gateway_private import AsyncGatewayPrivate, GatewayParts
from tests.support.compute import NOW
from tests.support.compute_gateway import ORIGIN, Shop, a_shop
from tests.support.compute_provider import CHAT, on_socket
from tests.support.private import Attested, a_verdict, an_attested_world

SECRET = "my blood pressure is 181"
SAID = ("take ", "a ", "secretwalk ", "daily")
TALK = [{"role": "user", "content": SECRET}]
ALLOWED = Policy(allow_simulated=True)
Change = Callable[[httpx.Request, bytes], bytes]


class Meddler(httpx.AsyncBaseTransport):
    """The gateway's operator: sees everything that passes, and may change answers."""

    def __init__(self, inner: httpx.AsyncBaseTransport, change: Change) -> None:
        self._inner = inner
        self._change = change
        self.seen = bytearray()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen += await request.aread()
        answer = await self._inner.handle_async_request(request)
        raw = self._change(request, await answer.aread())
        self.seen += raw
        headers = {k: v for k, v in answer.headers.items() if k != "content-length"}
        return httpx.Response(answer.status_code, headers=headers, stream=httpx.ByteStream(raw))


def _as_it_came(request: httpx.Request, raw: bytes) -> bytes:
    del request
    return raw


@asynccontextmanager
async def a_private_shop(
    folder: Path, change: Change = _as_it_came, *, may_simulate: bool = True
) -> AsyncIterator[tuple[Attested, Shop, AsyncGatewayPrivate, Meddler]]:
    """A provider with a key in a verdict, a gateway before it, and a buyer with an API key."""
    found = await an_attested_world(Script(lambda _: SAID))
    async with on_socket(found.world):
        market = found.world.market
        async with a_shop(folder, market=market, deposit=0, evidence=found.evidence) as shop:
            inner = shop.client._transport  # the gateway, without its socket
            meddler = Meddler(inner, change)
            parts = GatewayParts(
                url=ORIGIN,
                api_key=shop.new_key(),
                reader=FactsReader(market, market, found.evidence),
                keys=found.source(),
                clock=lambda: float(NOW),
                may_simulate=may_simulate,
                transport=meddler,
            )
            async with AsyncGatewayPrivate(parts) as private:
                yield found, shop, private, meddler


def test_private__through_the_gateway__is_paid_verified_and_unread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story() -> bytes:
        async with a_private_shop(tmp_path) as (found, shop, private, meddler):
            whole = await private.chat(TALK, service=CHAT, policy=ALLOWED)
            stream = await private.stream(TALK, service=CHAT, policy=ALLOWED)
            texts = [text async for text in stream]
            await shop.compute.settled()

            assert whole.text == "".join(SAID) == "".join(texts)
            assert stream.verified is not None
            paid = whole.receipt.price + stream.verified.receipt.price
            assert shop.record(1).spent == paid > 0
            assert found.world.book.owed(whole.receipt.payer, bytes(20)) == paid
            return bytes(meddler.seen)

    seen = asyncio.run(story())
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for place in (seen, kept, caplog.text.encode()):
        for plain in (b"blood", b"secretwalk"):
            assert plain not in place


def _another_answer(request: httpx.Request, raw: bytes) -> bytes:
    """Plain text of the gateway's own, in the provider's form."""
    if b'"content":"' not in raw:
        return raw
    found = json.loads(raw)
    found["choices"][0]["message"]["content"] = "trust me"
    return json.dumps(found, separators=(",", ":")).encode()


def _dropped(request: httpx.Request, raw: bytes) -> bytes:
    events = raw.split(b"\n\n")
    return b"\n\n".join([events[0], *events[2:]]) if len(events) > 5 else raw


def _doubled(request: httpx.Request, raw: bytes) -> bytes:
    events = raw.split(b"\n\n")
    return b"\n\n".join([*events[:2], *events[1:]]) if len(events) > 5 else raw


def _cut(request: httpx.Request, raw: bytes) -> bytes:
    events = raw.split(b"\n\n")
    return b"\n\n".join(events[:3]) + b"\n\n" if len(events) > 5 else raw


def _other_voucher(request: httpx.Request, raw: bytes) -> bytes:
    if request.method != "GET":
        return raw
    found = json.loads(raw)
    found["voucher"]["cap"] = str(int(found["voucher"]["cap"]) + 1)
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("change", "reasons", "is_streamed"),
    [
        (_another_answer, {Reason.ANSWER_MISMATCH}, False),
        (_other_voucher, {Reason.REQUEST_ID_WRONG}, False),
        (_dropped, {Reason.SEAL_BROKEN}, True),
        (_doubled, {Reason.SEAL_BROKEN}, True),
        (_cut, {Reason.RECEIPT_MISSING}, True),
    ],
)
def test_private__gateway_changes_what_passes__is_refused(
    tmp_path: Path, change: Change, reasons: set[Reason], is_streamed: bool
) -> None:
    async def story() -> None:
        async with a_private_shop(tmp_path, change) as (_, _, private, _):
            with pytest.raises(UnverifiedAnswer) as caught:
                if not is_streamed:
                    await private.chat(TALK, service=CHAT, policy=ALLOWED)
                else:
                    stream = await private.stream(TALK, service=CHAT, policy=ALLOWED)
                    assert [text async for text in stream] != list(SAID)
            assert caught.value.reason in reasons

    asyncio.run(story())


def test_private__gateway_swaps_the_key__nothing_is_sent(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_private_shop(tmp_path) as (found, _, private, meddler):
            mine = EnclaveKeys().public
            found.show(mine, a_verdict(mine))
            with pytest.raises(SealKeyUntrusted) as caught:
                await private.chat(TALK, service=CHAT, policy=ALLOWED)

            assert caught.value.doubt is KeyDoubt.OTHER_VERDICT
            assert not meddler.seen

    asyncio.run(story())


def test_private__gateway_forwards_to_a_lower_level__is_a_409(tmp_path: Path) -> None:
    """Between sealing and routing the evidence ended."""

    async def story() -> None:
        async with a_private_shop(tmp_path) as (found, shop, private, _):
            found.world.market.state.levels.clear()
            await shop.compute.watch.look()
            with pytest.raises(GatewayConflict) as caught:
                await private.chat(TALK, service=CHAT, policy=ALLOWED)

            assert caught.value.fields["remote_code"] == "compute.level_not_offered"
            assert shop.record(1).spent == 0

    asyncio.run(story())


def test_private__plain_client_of_the_protocol__is_forwarded_as_it_came(tmp_path: Path) -> None:
    """A client without the SDK is not private: it says so itself, by sending plain text."""

    async def story() -> None:
        async with a_private_shop(tmp_path) as (_, shop, _, _):
            body = {"model": "0x" + CHAT.hex(), "messages": TALK, "max_tokens": 8}
            headers = {**shop.key(), "X-Apogee-Simulated": "allow"}
            answer = await shop.client.post("/v1/chat/completions", json=body, headers=headers)

            assert answer.json()["choices"][0]["message"]["content"] == "".join(SAID)

    asyncio.run(story())
