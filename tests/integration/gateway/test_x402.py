"""x402 as the second door: paid before it is served, once, for one request; the rest is credit."""

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.errors import Unavailable
from offchain.core.hashing import keccak
from offchain.gateway.x402 import (
    MAX_HEADER_BYTES,
    Asset,
    Authorization,
    PaymentInvalid,
    PaymentMalformed,
    parse_payment,
)
from offchain.gateway.x402_chain import transfer_call
from tests.support.compute import NOW, PAYER
from tests.support.compute_gateway import CHAT, Shop, a_shop, bearer
from tests.support.scripted_provider import ScriptedProvider
from tests.support.x402 import BUYER, PATH, price
from tests.support.x402 import a_payment as signed_payment

TOKEN = b"\x70" * 20
ASSET = Asset(TOKEN, "Test Dollar", "2", 31_337, PAYER.address)
Story = Callable[[Shop], Awaitable[None]]


class MemoryToken:
    """An EIP-3009 token's rules: a payer's nonce is used once, and only what he has moves."""

    def __init__(self, balance: int = 10**9) -> None:
        self.balances = {BUYER.address: balance}
        self.used: dict[tuple[bytes, bytes], bytes] = {}
        self.moved = 0
        self.is_down = False
        self._turn = threading.Lock()

    def settle(self, paid: Authorization) -> bytes:
        with self._turn:
            if self.is_down:
                raise Unavailable
            place = (paid.payer, paid.nonce)
            if place not in self.used:
                if self.balances.get(paid.payer, 0) < paid.value:
                    raise PaymentInvalid(reason="insufficient_funds")
                self.balances[paid.payer] -= paid.value
                self.moved += paid.value
                self.used[place] = keccak(paid.payer, paid.nonce)
            return self.used[place]


def in_shop(
    folder: Path, story: Story, token: MemoryToken, provider: ScriptedProvider | None = None
) -> None:
    one = provider or ScriptedProvider("one")
    one.row = replace(one.row, token=TOKEN)

    async def run() -> None:
        async with a_shop(folder, one, asset=ASSET, facilitator=token) as shop:
            await story(shop)

    asyncio.run(run())


def a_payment(amount: int, **changes: object) -> dict[str, str]:
    return signed_payment(ASSET, amount, **changes)  # type: ignore[arg-type]


def test_request__without_key_or_payment__is_told_what_to_pay(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        asked = await shop.client.post(PATH, json=CHAT)

        assert asked.status_code == 402
        required = json.loads(base64.b64decode(asked.headers["payment-required"]))
        assert required["x402Version"] == 2
        assert required["resource"]["url"].endswith(PATH)
        [one] = required["accepts"]
        assert (one["scheme"], one["network"]) == ("exact", "eip155:31337")
        assert one["asset"] == "0x" + TOKEN.hex()
        assert one["extra"]["name"] == "Test Dollar"
        assert shop.providers[0].asked == 0

    in_shop(tmp_path, story, MemoryToken())


def test_payment__of_what_is_asked__is_settled_then_served_and_the_rest_is_credit(
    tmp_path: Path,
) -> None:
    token = MemoryToken()

    async def story(shop: Shop) -> None:
        amount = await price(shop)
        bought = await shop.client.post(PATH, json=CHAT, headers=a_payment(amount + 5_000))

        assert bought.status_code == 200
        told = json.loads(base64.b64decode(bought.headers["payment-response"]))
        assert told["success"] is True
        assert told["amount"] == str(amount + 5_000)
        credit = bearer(bought.headers["x-apogee-credit-key"])
        again = await shop.client.post(PATH, json=CHAT, headers=credit)
        assert again.status_code == 200
        receipt = await shop.client.get(
            "/v1/receipts/" + bought.headers["x-apogee-receipt"], headers=credit
        )
        assert receipt.status_code == 200
        [key] = shop.book.all_keys()
        cost = int(bought.json()["usage"]["cost"])
        assert (key.spent, key.terms.cap_total) == (2 * cost, amount + 5_000)

    in_shop(tmp_path, story, token)
    assert token.moved == 10**9 - token.balances[BUYER.address]


def test_payment__posted_many_times_at_once__moves_once_and_serves_once(tmp_path: Path) -> None:
    token = MemoryToken()

    async def story(shop: Shop) -> None:
        amount = await price(shop)
        payment = a_payment(amount)
        posts = [shop.client.post(PATH, json=CHAT, headers=payment) for _ in range(20)]
        codes = [answer.status_code for answer in await asyncio.gather(*posts)]

        assert sorted(codes) == [200] + [409] * 19
        assert token.moved == amount
        assert shop.providers[0].asked == 1
        late = await shop.client.post(PATH, json=CHAT, headers=payment)
        assert late.json()["error"]["code"] == "x402.used"

    in_shop(tmp_path, story, token)


def test_payment__for_another_body__is_refused(tmp_path: Path) -> None:
    token = MemoryToken()

    async def story(shop: Shop) -> None:
        payment = a_payment(await price(shop) + 9_000)
        token.is_down = True
        down = await shop.client.post(PATH, json=CHAT, headers=payment)
        assert down.status_code == 503
        token.is_down = False
        other = {**CHAT, "max_tokens": 7}
        refused = await shop.client.post(PATH, json=other, headers=payment)
        assert refused.status_code == 409
        assert token.moved == 0
        assert (await shop.client.post(PATH, json=CHAT, headers=payment)).status_code == 200

    in_shop(tmp_path, story, token)


def test_payment__that_was_settled_while_no_provider_serves__is_credit(tmp_path: Path) -> None:
    token, provider = MemoryToken(), ScriptedProvider("one")
    provider.script.refuse = (503, "x")

    async def story(shop: Shop) -> None:
        failed = await shop.client.post(PATH, json=CHAT, headers=a_payment(await price(shop)))
        assert failed.status_code == 503
        provider.script.refuse = None
        shop.compute.records.served(provider.service.id, 0.1)  # as if its Retry-After had passed
        credit = bearer(failed.headers["x-apogee-credit-key"])
        assert (await shop.client.post(PATH, json=CHAT, headers=credit)).status_code == 200

    in_shop(tmp_path, story, token, provider)
    assert len(token.used) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signer": PAYER}, "invalid_exact_evm_payload_signature"),
        ({"to": b"\x09" * 20}, "invalid_exact_evm_payload_recipient_mismatch"),
        ({"valid_after": NOW + 5}, "invalid_exact_evm_payload_authorization_valid_after"),
        ({"valid_before": NOW + 1}, "invalid_exact_evm_payload_authorization_valid_before"),
        ({"value": 1}, "invalid_exact_evm_payload_authorization_value"),
    ],
)
def test_payment__that_does_not_pay__is_a_402_with_the_reason_and_moves_nothing(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    token = MemoryToken()

    async def story(shop: Shop) -> None:
        payment = a_payment(await price(shop), **changes)  # type: ignore[arg-type]
        refused = await shop.client.post(PATH, json=CHAT, headers=payment)

        assert refused.status_code == 402
        assert refused.json()["error"]["metadata"]["fields"]["reason"] == reason
        assert token.moved == shop.providers[0].asked == 0

    in_shop(tmp_path, story, token)


def test_payment__of_less_than_the_price__is_a_402(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        low = await shop.client.post(PATH, json=CHAT, headers=a_payment(await price(shop) - 1))
        assert low.status_code == 402

    in_shop(tmp_path, story, MemoryToken())


@given(
    st.one_of(st.text(max_size=80), st.binary(max_size=80).map(lambda one: one.decode("latin-1")))
)
def test_header__of_nonsense__is_malformed_and_never_a_fault(header: str) -> None:
    with pytest.raises(PaymentMalformed):
        parse_payment(header, ASSET)


@pytest.mark.parametrize("depth", [MAX_HEADER_BYTES, 4_000])
def test_header__that_nests_or_is_long__is_malformed(depth: int) -> None:
    with pytest.raises(PaymentMalformed):
        parse_payment(base64.b64encode(b"[" * depth).decode(), ASSET)


def test_call__of_a_settlement__is_the_standards() -> None:
    header = a_payment(7)["PAYMENT-SIGNATURE"]
    paid = parse_payment(header, ASSET)
    call = transfer_call(ASSET, paid)

    assert call.data[:4].hex() == "e3ee160e"  # as USDC has it
    assert len(call.data) == 4 + 9 * 32
    assert call.to == TOKEN
