"""An agent's shop on real contracts: what a buyer pays once, what is refused, what nobody owes."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from offchain.agents.adapters.a2a_peer import work
from offchain.agents.runtime_errors import OverBudget, ToolFailed
from offchain.apps import agent_ask
from offchain.apps.agent_intent import IntentFlags
from offchain.apps.keystore import Keystore
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.buy import Order
from offchain.compute.errors import ProviderRefused
from offchain.compute.model import Voucher
from offchain.compute.signatures import sign_voucher
from offchain.jobs.model import Outcome
from offchain.sdk.ask_agent import AskWish, ask_agent
from tests.support.agent_shops import (
    BUYER,
    PRICE,
    SAID,
    STRANGER,
    ShopSite,
    buyer_of,
    open_shop_site,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopSite]:
    found = open_shop_site(tmp_path_factory.mktemp("shops"))
    yield found
    found.network.node.close()


def flags(question: str, budget: int = PRICE) -> IntentFlags:
    return IntentFlags(
        goal="Say what it is about.",
        budget=f"{budget}wei",
        deadline="15m",
        skill="answer",
        inputs=(f"question={question}",),
    )


async def asked(site: ShopSite, url: str, wish: IntentFlags) -> int:
    """`apogee agent ask`, typed by who is no owner and no renter."""
    return await asyncio.to_thread(agent_ask.ask, site.buyer(), url, wish, is_agreed=True)


@dataclass(frozen=True, slots=True)
class Signed:
    """An order of the buyer, to be changed and signed anew."""

    order: Order
    signer: LocalSigner

    def but(self, **changes: object) -> Order:
        said: Voucher = replace(self.order.voucher.voucher, **changes)  # type: ignore[arg-type]  # the fields are the voucher's own
        return replace(self.order, voucher=sign_voucher(said, self.signer, self.order.facts.domain))


async def code_of(client: HttpProviderClient, order: Order) -> str:
    with pytest.raises(ProviderRefused) as caught:
        await client.ask(order.endpoint, order.route, order.body, order.voucher)
    return caught.value.remote_code


def test_shop__not_paid_for__is_refused_with_its_reason_and_costs_nothing(site: ShopSite) -> None:
    async def story() -> None:
        async with site.model() as mouth, site.shop() as url, HttpProviderClient() as client:
            buyer, secret = buyer_of(site, client), Keystore(site.buying.keys).account(BUYER).secret
            order = await buyer.order(site.sold_at(), work("what is it about?"))
            one = Signed(order, LocalSigner.from_secret(secret))
            place = f"{order.endpoint}/v1/chat/completions"
            async with httpx.AsyncClient(trust_env=False) as http:
                unpaid = await http.post(place, content=order.body)

            assert unpaid.status_code == 402
            assert "voucher_missing" in unpaid.text
            assert await code_of(client, order) == "deposit_empty"
            assert await code_of(client, one.but(price_version=9)) == "price_retired"
            assert await code_of(client, one.but(expiry=1)) == "voucher_expired"
            with pytest.raises(OverBudget):
                await asked(site, url, flags("what?", PRICE - 1))
            assert site.bucket().balance == 0
            assert mouth.thoughts == 0

            site.deposit(PRICE)
            assert await code_of(client, one.but(cap=PRICE - 1)) == "voucher_cap_low"
            assert mouth.thoughts == 0

    asyncio.run(story())


def test_shop__a_voucher_comes_again__pays_for_its_own_request_alone(site: ShopSite) -> None:
    async def story() -> None:
        async with site.model() as mouth, site.shop(), HttpProviderClient() as client:
            buyer = buyer_of(site, client)
            order = await buyer.order(site.sold_at(), work("what is it about?"))
            first, again = await buyer.ask(order), await buyer.ask(order)
            other = replace(order, body=work("something else").body)

            assert (first.text, first.receipt.price) == (SAID, PRICE)
            assert again.receipt == first.receipt
            assert await code_of(client, other) == "compute.nonce.used"
            assert mouth.thoughts == 1

    asyncio.run(story())
    assert asyncio.run(site.settle()) == 1
    assert site.bucket().spent == PRICE


def test_shop__the_run_log_of_a_sale__is_its_buyers_alone(site: ShopSite) -> None:
    async def story() -> None:
        async with site.model(), site.shop() as url:
            wish = AskWish("Say it.", PRICE, skill="answer", inputs={"question": "what?"})
            ended = await ask_agent(*site.owner(), url, wish)
            request = ended.checks[0].detail.rpartition("0x")[2]

            assert ended.report == SAID
            assert await asyncio.to_thread(agent_ask.log, site.buyer(), url, request) == 0
            with pytest.raises(ToolFailed) as caught:
                await asyncio.to_thread(agent_ask.log, site.buyer(STRANGER), url, request)
            assert caught.value.fields["code"] == "compute.ask.rejected"

    asyncio.run(story())


def test_shop__its_host_is_killed_in_an_answer__the_same_order_is_answered_and_paid_once(
    site: ShopSite, tmp_path: Path
) -> None:
    asyncio.run(site.settle())
    before = site.bucket().spent
    wish = AskWish("Say it.", PRICE, skill="answer", inputs={"question": "is it killed?"})

    async def story() -> None:
        async with site.model() as mouth:
            async with site.shop() as url:
                mouth.held = asyncio.Event()
                asking = asyncio.create_task(ask_agent(*site.owner(), url, wish))
                await mouth.asked.wait()
                site.leave(tmp_path)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                mouth.held.set()
            site.find(tmp_path)
            assert await site.settle() == 0  # nothing is owed for what was not answered

            async with site.shop() as again:
                ended = await ask_agent(*site.owner(), again, wish)
            assert (again, ended.report, mouth.thoughts) == (url, SAID, 1)

    asyncio.run(story())
    assert asyncio.run(site.settle()) == 1
    assert site.bucket().spent == before + PRICE


def test_shop__its_buyer_is_killed__typed_again_is_the_same_sale(
    site: ShopSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left, wish = tmp_path / "left", flags("who is killed?")
    before = site.bucket().spent

    async def story() -> None:
        async with site.model() as mouth, site.shop() as url:
            mouth.held = asyncio.Event()
            asking = asyncio.create_task(asked(site, url, wish))
            await mouth.asked.wait()
            shutil.copytree(site.buying.root, left)
            mouth.held.set()
            assert await asking == 0
            shutil.rmtree(site.buying.root)
            shutil.move(left, site.buying.root)
            capsys.readouterr()

            assert await asked(site, url, wish) == 0
            assert json.loads(capsys.readouterr().out)["report"] == SAID
            assert mouth.thoughts == 1
            assert await asked(site, url, wish) == 0  # it was told: this is another sale
            assert mouth.thoughts == 2

    asyncio.run(story())
    asyncio.run(site.settle())
    assert site.bucket().spent == before + 2 * PRICE


def test_shop__sales_are_settled_and_released__what_was_paid_and_the_rest_are_the_deposit(
    site: ShopSite,
) -> None:
    asyncio.run(site.settle())
    batches, bucket = site.batches(), site.bucket()
    assert asyncio.run(site.settle()) == 0
    assert [site.release(number) for number in range(1, len(batches) + 1)] == [
        Outcome.NOT_DUE for _ in batches
    ]

    assert site.deposited() == bucket.spent + bucket.balance
    assert site.earned() == bucket.spent
    assert bucket.spent % PRICE == 0
