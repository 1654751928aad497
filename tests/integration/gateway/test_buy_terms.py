"""What bounds buying through the gateway: keys and their terms, deposits, options, bodies, logs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from offchain.compute.model import Kind, Level, Verifiability
from offchain.gateway.key_model import Scope
from tests.support.compute import NOW, PAYER
from tests.support.compute_gateway import CHAT, CHAT_PATH, Shop, bearer, in_shop, two
from tests.support.scripted_provider import ScriptedProvider


def test_requests__many_at_once_under_one_cap__never_exceed_it(tmp_path: Path) -> None:
    provider = ScriptedProvider("one")

    async def story(shop: Shop) -> None:
        headers = shop.key(cap_total=1_000)
        asked = [shop.client.post(CHAT_PATH, json=CHAT, headers=headers) for _ in range(40)]
        codes = [answer.status_code for answer in await asyncio.gather(*asked)]

        assert set(codes) == {200, 402}
        await shop.compute.settled()
        record = shop.record(1)
        assert record.held == 0
        assert record.spent == sum(one.receipt.price for one in provider.sold.values()) <= 1_000
        assert len(provider.nonces) == codes.count(200)

    in_shop(tmp_path, story, provider)


def test_cap__that_leaves_less_than_the_hold__is_a_402_with_what_to_do(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        answer = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key(cap_day=10))

        error = answer.json()["error"]
        assert answer.status_code == 402
        assert error["code"] == "key_cap_reached"
        assert error["metadata"]["limit_source"] == "key"
        assert error["metadata"]["fields"]["left"] == 10

    in_shop(tmp_path, story, ScriptedProvider("one"))


@pytest.mark.parametrize(("deposit", "code"), [(0, "deposit_empty"), (50, "bucket_low")])
def test_deposit__that_does_not_cover_it__is_a_402_with_the_least_that_helps(
    tmp_path: Path, deposit: int, code: str
) -> None:
    provider = ScriptedProvider("one")

    async def story(shop: Shop) -> None:
        answer = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key())
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (402, code)

        missing = error["metadata"]["fields"]["missing"]
        owner = provider.owner.address
        shop.market.deposit(PAYER.address, owner, provider.row.token, missing - 1)
        low = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key())
        assert low.json()["error"]["code"] == "bucket_low"
        shop.market.deposit(PAYER.address, owner, provider.row.token, 1)
        assert (await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key())).is_success

    in_shop(tmp_path, story, provider, deposit=deposit)


def test_key__revoked_while_in_use__is_refused_at_once(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        headers = shop.key()
        assert (await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)).is_success
        shop.book.revoke("k1")

        for wanted in (CHAT, {**CHAT, "stream": True}):
            answer = await shop.client.post(CHAT_PATH, json=wanted, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "gateway.key_revoked"

    in_shop(tmp_path, story, ScriptedProvider("one"))


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        ({"models": frozenset({"other"})}, 403, "gateway.key_model"),
        ({"kinds": frozenset({int(Kind.EMBEDDING)})}, 403, "gateway.key_model"),
        ({"min_level": 1}, 409, "compute.level_not_offered"),
        ({"token": b"\x09" * 20}, 422, "compute.nothing_fits"),
        ({"expiry": NOW}, 401, "gateway.key_expired"),
        ({"scopes": frozenset({Scope.DA, Scope.STORAGE})}, 403, "gateway.key_scope"),
    ],
)
def test_key__with_terms_that_do_not_fit__says_which(
    tmp_path: Path, terms: dict[str, object], status: int, code: str
) -> None:
    provider = ScriptedProvider("one")

    async def story(shop: Shop) -> None:
        answer = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key(**terms))

        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert provider.asked == 0

    in_shop(tmp_path, story, provider)


def test_key__asked_more_often_than_its_rate__is_a_429(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        headers = shop.key(per_second=0.001)
        first = await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)
        again = await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)

        assert (first.status_code, again.status_code) == (200, 429)
        assert int(again.headers["retry-after"]) >= 1

    in_shop(tmp_path, story, ScriptedProvider("one"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Apogee-Max-Price": "1"}, 422),
        ({"X-Apogee-Max-Price": "100000"}, 200),
        ({"X-Apogee-Min-Level": "AUDITED"}, 409),
        ({"X-Apogee-Providers": "0x" + "09" * 20}, 422),
        ({"X-Apogee-Charter": "0x" + "09" * 32}, 422),
        ({"X-Apogee-Min-Level": "GOLD"}, 400),
        ({"X-Apogee-Max-Price": "-1"}, 400),
        ({"X-Apogee-Providers": "nobody"}, 400),
        ({"X-Apogee-Simulated": "maybe"}, 400),
    ],
)
def test_option__of_a_request__is_obeyed_or_named(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async def story(shop: Shop) -> None:
        answer = await shop.client.post(CHAT_PATH, json=CHAT, headers={**shop.key(), **headers})
        assert answer.status_code == status
        metadata = {
            name.lower().removeprefix("x-").replace("-", "_"): value
            for name, value in headers.items()
        }
        wanted = {**CHAT, "metadata": metadata}
        again = await shop.client.post(CHAT_PATH, json=wanted, headers=shop.key())
        assert again.status_code == status

    in_shop(tmp_path, story, ScriptedProvider("one"))


def test_option__simulated_evidence__is_not_taken_unless_allowed(tmp_path: Path) -> None:
    provider = ScriptedProvider("one")
    provider.verifiability = Verifiability(Level.AUDITED, True, 0)

    async def story(shop: Shop) -> None:
        refused = await shop.client.post(CHAT_PATH, json=CHAT, headers=shop.key())
        assert refused.json()["error"]["metadata"]["fields"]["reason"] == "simulated"
        headers = {**shop.key(), "X-Apogee-Simulated": "allow"}
        assert (await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)).is_success
        models = (await shop.client.get("/v1/models")).json()
        assert models["data"][0]["offers"][0]["simulated"] is True

    in_shop(tmp_path, story, provider)


def test_option__simulated_evidence_on_a_public_chain__is_never_taken(tmp_path: Path) -> None:
    provider = ScriptedProvider("one")
    provider.verifiability = Verifiability(Level.AUDITED, True, 0)

    async def story(shop: Shop) -> None:
        headers = {**shop.key(), "X-Apogee-Simulated": "allow"}
        refused = await shop.client.post(CHAT_PATH, json=CHAT, headers=headers)

        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (409, "compute.level_not_offered")
        assert error["metadata"]["fields"]["reason"] == "simulated"
        assert provider.asked == 0

    in_shop(tmp_path, story, provider, may_simulate=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"model":"tiny","messages":[]}',
        json.dumps({**CHAT, "n": 2}).encode(),
        json.dumps({**CHAT, "n": 10**30}).encode(),
        json.dumps({**CHAT, "max_tokens": 10**9}).encode(),
        json.dumps({**CHAT, "messages": [{"role": "user", "content": "\ud800"}]}).encode(),
    ],
)
def test_body__that_is_malformed_or_a_bomb__is_a_400_and_reaches_nobody(
    tmp_path: Path, body: bytes
) -> None:
    provider = ScriptedProvider("one")

    async def story(shop: Shop) -> None:
        answer = await shop.client.post(CHAT_PATH, content=body, headers=shop.key())

        assert answer.status_code == 400
        assert answer.json()["error"]["metadata"]["next_step"]
        assert provider.asked == 0

    in_shop(tmp_path, story, provider)


def test_body__of_more_than_4_mib__is_a_413(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(80):
                yield b"x" * 65_536

        for content in (b"x" * (4 * 1024 * 1024 + 1), endless()):
            answer = await shop.client.post(CHAT_PATH, content=content, headers=shop.key())
            assert answer.status_code == 413

    in_shop(tmp_path, story, ScriptedProvider("one"))


def test_logs__of_good_and_bad_requests__have_neither_key_nor_prompt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cheap, dear = two()
    cheap.script.refuse = (503, "x")
    secret = "my secret prompt"
    keys: list[str] = []

    async def story(shop: Shop) -> None:
        keys.append(shop.new_key(cap_total=1_000))
        wanted = {**CHAT, "messages": [{"role": "user", "content": secret}]}
        for body in (wanted, {**wanted, "stream": True}, {**wanted, "n": 9}):
            await shop.client.post(CHAT_PATH, json=body, headers=bearer(keys[0]))
        await shop.client.post(CHAT_PATH, json=wanted, headers=bearer("apk_" + "9" * 64))
        await shop.client.get(f"/v1/models?api_key={keys[0]}")

    with caplog.at_level("DEBUG"):
        in_shop(tmp_path, story, cheap, dear)

    own = [one for one in caplog.records if not one.name.startswith("httpx")]  # the buyer's own
    told = "\n".join(str(vars(record)) for record in own)
    assert "provider_failed" in told
    for word in (secret, keys[0], keys[0][8:40]):
        assert word not in told
