"""Private answers from a provider on a socket: sealed both ways, and nothing plain on the way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.scripted_engine import Script
from offchain.compute.answers import Route
from offchain.compute.buy import Order, Wanted
from offchain.compute.engine import Job
from offchain.compute.errors import ProviderRefused
from offchain.compute.evidence import FolderEvidence
from offchain.compute.model import Level, SignedVoucher
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import EnclaveKeys, KeyWish
from offchain.compute.verify import Policy
from offchain.node.disk import LocalDisk
from tests.support.compute import NOW, SIGNER
from tests.support.compute_provider import CHAT, EMBED, a_world, chat_body, on_socket
from tests.support.private import Attested, a_verdict, an_attested_world

SECRET = "my blood pressure is 181"
SAID = ("take ", "a ", "secretwalk ", "daily")
TALK = [{"role": "user", "content": SECRET}]
ALLOWED = Policy(allow_simulated=True)


def secretive(job: Job) -> tuple[str, ...]:
    assert SECRET.encode() in job.body
    return SAID


class Tap(HttpProviderClient):
    """A client that keeps every byte that goes over the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = bytearray()

    async def ask(self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher) -> bytes:
        raw = await super().ask(endpoint, route, body, voucher)
        self.wire += body + raw
        return raw

    async def stream(
        self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher
    ) -> AsyncIterator[bytes]:
        self.wire += body
        async for piece in super().stream(endpoint, route, body, voucher):
            self.wire += piece
            yield piece


async def an_order(found: Attested, http: HttpProviderClient, **more: object) -> Order:
    """A private chat, sealed and paid for, not sent."""
    buyer = found.buyer(http)
    facts = await buyer.facts(CHAT)
    wish = KeyWish(allows_simulated=True)
    key = await found.source().key_of(CHAT, wish)
    plain = chat_body(SECRET, max_tokens=16, **{"model": "0x" + CHAT.hex(), **more})
    private = PrivateRequest.of(Route.CHAT, plain, key, service=CHAT, now=facts.now)
    return await buyer.order(CHAT, Wanted(Route.CHAT, private.body, 64, 16, private))


def test_private__chat_whole_and_streamed__is_read_by_the_buyer_only(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story() -> bytes:
        shelf = FolderEvidence(LocalDisk(), tmp_path)
        found = await an_attested_world(Script(secretive), shelf=shelf)
        async with on_socket(found.world), Tap() as http:
            compute = found.compute(found.buyer(http))
            whole = await compute.chat(TALK, service=CHAT, policy=ALLOWED, private=True)
            stream = await compute.stream(TALK, service=CHAT, policy=ALLOWED, private=True)
            texts = [text async for text in stream]

            assert whole.text == "".join(SAID)
            assert texts == list(SAID)
            assert stream.verified is not None
            assert stream.verified.text == whole.text
            live = found.evidence.verdicts[SIGNER.address]
            assert whole.receipt.attestation_id == live.attestation_id
            assert whole.not_proven == stream.verified.not_proven
            assert len(whole.not_proven) == 1
            assert any(check.name == "private" for check in whole.checks)
            return bytes(http.wire)

    wire = asyncio.run(story())
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert kept
    for place in (wire, kept, caplog.text.encode()):
        for plain in (b"blood", b"secretwalk", b"c2VjcmV0d2Fsa"):
            assert plain not in place


def test_private__embeddings__are_sealed_vectors() -> None:
    async def story() -> None:
        found = await an_attested_world(service=EMBED)
        async with on_socket(found.world), Tap() as http:
            compute = found.compute(found.buyer(http))
            sealed = await compute.embed([SECRET, "b"], service=EMBED, policy=ALLOWED, private=True)
            found.world.market.state.levels.pop(EMBED)
            found.evidence.verdicts.clear()
            await found.world.watch.refresh()
            plain = await compute.embed([SECRET, "b"], service=EMBED)

            assert sealed.vectors is not None
            assert plain.vectors is not None
            assert np.array_equal(sealed.vectors, plain.vectors)
            assert http.wire.count(SECRET.encode()) == 1  # of the plain one

    asyncio.run(story())


def test_private__sent_again_after_a_broken_line__is_the_same_answer_paid_once() -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), HttpProviderClient() as http:
            order = await an_order(found, http)
            first = await http.ask(order.endpoint, order.route, order.body, order.voucher)
            again = await http.ask(order.endpoint, order.route, order.body, order.voucher)

            assert first == again

    asyncio.run(story())


def test_private__same_sealed_bytes_under_another_voucher__are_refused() -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), HttpProviderClient() as http:
            buyer = found.buyer(http)
            order = await an_order(found, http)
            await http.ask(order.endpoint, order.route, order.body, order.voucher)
            await buyer.order(CHAT, Wanted(Route.CHAT, order.body, 64, 16))
            again = await buyer.order(CHAT, Wanted(Route.CHAT, order.body, 64, 16))
            owed = found.world.book.owed(order.voucher.voucher.payer, bytes(20))
            with pytest.raises(ProviderRefused) as caught:
                await buyer.ask(again, ALLOWED)

            assert caught.value.remote_code == "compute.private.again"
            assert found.world.book.owed(order.voucher.voucher.payer, bytes(20)) == owed

    asyncio.run(story())


def test_private__old_request__is_refused() -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), HttpProviderClient() as http:
            order = await an_order(found, http)
            found.world.market.now = NOW + 601
            await found.world.watch.refresh()
            with pytest.raises(ProviderRefused) as caught:
                await http.ask(order.endpoint, order.route, order.body, order.voucher)

            assert caught.value.remote_code == "compute.private.request_broken"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"max_tokens":16', b'"max_tokens":15'),
        (b'"role":"user"', b'"role":"system"'),
        (b'"metadata":{', b'"temperature":0,"metadata":{'),
        (b'{"model"', b' {"model"'),
    ],
)
def test_private__body_changed_beside_the_seal__is_refused(old: bytes, new: bytes) -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), HttpProviderClient() as http:
            order = await an_order(found, http)
            assert old in order.body
            body = order.body.replace(old, new)
            with pytest.raises(ProviderRefused) as caught:
                await http.ask(order.endpoint, order.route, body, order.voucher)

            assert caught.value.remote_code == "compute.private.request_broken"
            assert found.world.book.owed(order.voucher.voucher.payer, bytes(20)) == 0

    asyncio.run(story())


def test_private__key_renewed__opens_the_one_before_and_refuses_older_ones() -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), HttpProviderClient() as http:
            order, other = await an_order(found, http), await an_order(found, http)
            found.keys.rotate()
            assert await http.ask(order.endpoint, order.route, order.body, order.voucher)
            found.keys.rotate()
            with pytest.raises(ProviderRefused) as caught:
                await http.ask(other.endpoint, other.route, other.body, other.voucher)

            assert caught.value.remote_code == "compute.private.key_unknown"

    asyncio.run(story())


def test_private__provider_without_a_key__says_so_and_answers_no_ciphertext() -> None:
    async def story() -> None:
        found = await an_attested_world()
        plain = await a_world(found.world.market)
        async with on_socket(plain), HttpProviderClient() as http:
            order = await an_order(found, http)
            with pytest.raises(ProviderRefused) as caught:
                await http.ask(plain.url, order.route, order.body, order.voucher)

            assert caught.value.remote_code == "compute.private.not_offered"

    asyncio.run(story())


def _swap(one: Attested) -> None:
    """A gateway between shows its own key, and a verdict that says so."""
    mine = EnclaveKeys().public
    one.show(mine, a_verdict(mine))


@pytest.mark.parametrize(
    ("doubt", "spoil"),
    [
        (KeyDoubt.NO_VERDICT, lambda one: one.evidence.verdicts.clear()),
        (
            KeyDoubt.OTHER_KEY,
            lambda one: one.show(EnclaveKeys().public, a_verdict(one.keys.public)),
        ),
        (KeyDoubt.OTHER_VERDICT, _swap),
        (KeyDoubt.OTHER_SERVICE, lambda one: one.attest(one.keys.public, service_id=EMBED)),
        (KeyDoubt.CLASS_TOO_LOW, lambda one: one.attest(one.keys.public, Level.BROKER_IN_TEE)),
        (KeyDoubt.MALFORMED, lambda one: one.show(b"short", a_verdict(one.keys.public))),
        (KeyDoubt.MALFORMED, lambda one: one.offers.shown.clear()),
        (KeyDoubt.NO_VERDICT, lambda one: one.attest(one.keys.public, not_after=NOW - 1)),
    ],
)
def test_inv_att_12__key_without_a_good_verdict__nothing_is_sent(
    doubt: KeyDoubt, spoil: Callable[[Attested], None]
) -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), Tap() as http:
            spoil(found)
            compute = found.compute(found.buyer(http))
            with pytest.raises(SealKeyUntrusted) as caught:
                await compute.chat(TALK, service=CHAT, policy=ALLOWED, private=True)

            assert caught.value.doubt is doubt
            assert not http.wire

    asyncio.run(story())


@pytest.mark.parametrize(("asks", "chain"), [(False, True), (True, False)])
def test_private__simulated__only_where_asked_for_and_on_a_local_chain(
    asks: bool, chain: bool
) -> None:
    async def story() -> None:
        found = await an_attested_world()
        async with on_socket(found.world), Tap() as http:
            compute = found.compute(found.buyer(http, may_simulate=chain))
            policy = Policy(allow_simulated=asks)
            with pytest.raises(SealKeyUntrusted) as caught:
                await compute.chat(TALK, service=CHAT, policy=policy, private=True)

            assert caught.value.doubt is KeyDoubt.SIMULATED
            assert not http.wire

    asyncio.run(story())


def test_private__broker_asked_for_by_name__says_what_stays_open() -> None:
    async def story() -> None:
        found = await an_attested_world()
        found.attest(found.keys.public, Level.BROKER_IN_TEE)
        await found.world.watch.refresh()
        async with on_socket(found.world), HttpProviderClient() as http:
            compute = found.compute(found.buyer(http))
            policy = Policy(min_level=Level.BROKER_IN_TEE, allow_simulated=True)
            answer = await compute.chat(TALK, service=CHAT, policy=policy, private=True)

            assert "broker" in answer.not_proven[1]

    asyncio.run(story())
