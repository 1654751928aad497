"""Agents among themselves: cards, envelopes, paid work, MCP; with the official packages."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from offchain.agents.adapters import a2a_peer
from offchain.agents.adapters.a2a_face import Answerer, Desk, Offered, a2a_app, card_of
from offchain.agents.adapters.a2a_peer import PeerTalk
from offchain.agents.adapters.agent_engine import AgentEngine
from offchain.agents.adapters.mcp_face import McpFace, mcp_app
from offchain.agents.adapters.mcp_tools import McpServer, McpTools
from offchain.agents.adapters.paid_desk import PaidDesk
from offchain.agents.envelope import (
    NO_VOUCHER,
    Conversation,
    Envelope,
    Mailbox,
    SignedEnvelope,
    Speaker,
    message_domain,
)
from offchain.agents.manifest import Capability
from offchain.agents.runtime_errors import EnvelopeRefused, ToolFailed, ToolForbidden
from offchain.agents.tools import Call, Tool
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.engine import Deadlines
from offchain.compute.errors import ProviderUnreachable
from offchain.compute.model import Numerics
from offchain.core.hashing import keccak
from offchain.node.journal import Entry, MemoryJournal
from tests.support.agents_runtime import a_skill
from tests.support.answered import a_body, a_job
from tests.support.compute import NOW, PAYER
from tests.support.compute_provider import (
    CHAT,
    a_market,
    a_world,
    chat_body,
    on_socket,
    wanted,
)
from tests.support.served_app import listening

CHAIN = 31_337
ASKER, SELLER = b"\xa1" * 20, b"\xb2" * 20
ASKER_KEY = LocalSigner.from_secret(keccak(b"asker"))
SELLER_KEY = LocalSigner.from_secret(keccak(b"seller"))
TALK = keccak(b"talk")


class Rights:
    """Sessions that live now."""

    def __init__(self) -> None:
        self.live = {(ASKER, ASKER_KEY.address), (SELLER, SELLER_KEY.address)}

    def may_sign(self, account: bytes, key: bytes, domain: bytes) -> bool:
        return (account, key) in self.live and domain == message_domain(CHAIN, account)


def a_mailbox(account: bytes, rights: Rights, journal: MemoryJournal | None = None) -> Mailbox:
    return Mailbox(account, CHAIN, rights, journal or MemoryJournal(), lambda: NOW)


def a_talk() -> Conversation:
    return Conversation(Speaker(ASKER, CHAIN, ASKER_KEY), SELLER, TALK)


def refused(mailbox: Mailbox, signed: SignedEnvelope, body: bytes) -> str:
    with pytest.raises(EnvelopeRefused) as caught:
        asyncio.run(mailbox.take(signed, body))
    return str(caught.value.fields["reason"])


def test_envelope__in_order__is_taken_once_also_after_a_restart() -> None:
    rights, journal, talk = Rights(), MemoryJournal(), a_talk()
    mailbox = a_mailbox(SELLER, rights, journal)
    first, second = talk.say(b"one", NOW), talk.say(b"two", NOW)

    assert refused(mailbox, second, b"two") == "seq"
    assert asyncio.run(mailbox.take(first, b"one")).seq == 1
    assert refused(mailbox, first, b"one") == "seq"
    again = a_mailbox(SELLER, rights, journal)
    assert refused(again, first, b"one") == "seq"
    assert asyncio.run(again.take(second, b"two")).seq == 2


CHANGES: list[tuple[str, Mapping[str, object]]] = [
    ("addressee", {"to": b"\x01" * 20}),
    ("body", {"body_hash": keccak(b"other")}),
    ("expired", {"sent": NOW - 400, "expires": NOW - 1}),
    ("early", {"sent": NOW + 100, "expires": NOW + 200}),
    ("term", {"expires": NOW + 100_000}),
    ("term", {"sent": NOW + 5, "expires": NOW + 5}),
]


@pytest.mark.parametrize(("reason", "change"), CHANGES)
def test_envelope__of_another_place_or_time__is_refused(
    reason: str, change: Mapping[str, object]
) -> None:
    talk = a_talk()
    envelope: Envelope = replace(talk.say(b"x", NOW).envelope, **change)

    assert refused(a_mailbox(SELLER, Rights()), talk.speaker.sign(envelope), b"x") == reason


def test_envelope__a_dead_epoch_a_stranger_or_a_changed_field__is_refused() -> None:
    rights, talk = Rights(), a_talk()
    mailbox, signed = a_mailbox(SELLER, rights), talk.say(b"x", NOW)
    stranger = Speaker(ASKER, CHAIN, LocalSigner.from_secret(keccak(b"stranger")))
    foreign = Speaker(ASKER, 1, ASKER_KEY)  # another chain's domain

    assert refused(mailbox, stranger.sign(signed.envelope), b"x") == "right"
    assert refused(mailbox, foreign.sign(signed.envelope), b"x") == "right"
    lied = replace(signed, envelope=replace(signed.envelope, seq=1, voucher=b"\x01" * 32))
    assert refused(mailbox, lied, b"x") == "right"
    assert refused(mailbox, replace(signed, signature=bytes(65)), b"x") == "signature"
    rights.live.clear()  # the agent was sold
    assert refused(mailbox, signed, b"x") == "right"


def test_envelope__as_json__comes_back_or_is_refused() -> None:
    signed = a_talk().say(b"x", NOW)

    assert SignedEnvelope.from_json(signed.as_json()) == signed
    for field, bad in (("seq", "1"), ("seq", -1), ("from", "0x00"), ("signature", "zz")):
        with pytest.raises(EnvelopeRefused):
            SignedEnvelope.from_json({**signed.as_json(), field: bad})


def an_offer() -> Offered:
    return Offered("Scribe", "Reads and summarises.", "1", {"summarise": "Summarise a file."})


class Echo:
    async def admit(self, one: Envelope, voucher: str) -> None:
        assert (voucher, one.voucher) == ("", NO_VOUCHER)

    async def answer(self, one: Envelope, body: bytes, voucher: str) -> bytes:
        del one, voucher
        return b"heard " + body


def serving(desk: Desk, rights: Rights) -> object:
    answerer = Answerer(
        a_mailbox(SELLER, rights), Speaker(SELLER, CHAIN, SELLER_KEY), desk, lambda: NOW
    )
    return lambda port: a2a_app(card_of(an_offer(), f"http://127.0.0.1:{port}/"), answerer)


def asking(http: httpx.AsyncClient, rights: Rights) -> PeerTalk:
    return PeerTalk(http, a_talk(), a_mailbox(ASKER, rights), lambda: NOW)


def test_a2a__card_and_messages__in_envelopes_both_ways() -> None:
    async def story() -> None:
        rights = Rights()
        async with (
            listening(serving(Echo(), rights)) as port,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            url = f"http://127.0.0.1:{port}"
            talk = asking(http, rights)
            peer = await talk.find(url)
            assert peer.card.name == "Scribe"
            assert [one.id for one in peer.card.skills] == ["summarise"]
            assert await talk.say(peer, b"hello") == b"heard hello"
            assert await talk.say(peer, b"again") == b"heard again"
            rights.live.discard((ASKER, ASKER_KEY.address))
            with pytest.raises(ToolFailed, match="right"):
                await talk.say(peer, b"sold")
            unsigned = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "message/send",
                "params": {
                    "message": {
                        "kind": "message",
                        "role": "user",
                        "messageId": "m",
                        "parts": [{"kind": "text", "text": "hello"}],
                    }
                },
            }
            answer = (await http.post(url, json=unsigned)).json()
            assert answer["error"]["data"]["fields"]["reason"] == "form"
            evil = await http.get(
                url + "/.well-known/agent-card.json", headers={"Host": "evil.example"}
            )
            assert evil.status_code == 400

    asyncio.run(story())


def test_a2a__a_host_that_drips_or_floods__is_left_within_what_was_given_to_it() -> None:
    async def story() -> None:
        async def dripping(scope: Scope, receive: Receive, send: Send) -> None:
            head = {"type": "http.response.start", "status": 200, "headers": []}
            await send(head)
            piece = b" " if scope["path"].startswith("/drip") else b" " * (1 << 20)
            await receive()
            gone = asyncio.ensure_future(receive())
            while not gone.done():  # a drop at a time
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(0.01)

        async with listening(lambda _: dripping) as port, a2a_peer.peer_client(0.3) as http:
            talk = asking(http, Rights())
            for path in ("drip", "flood"):
                with pytest.raises(ToolFailed):
                    await talk.find(f"http://127.0.0.1:{port}/{path}")

    asyncio.run(story())


def selling_market() -> MemoryMarket:
    market = a_market()
    service = market.state.services[CHAT]
    market.state.services[CHAT] = replace(service, numerics=Numerics.OPAQUE)
    return market


def test_a2a__paid_work__is_done_by_the_agent_verified_and_owed() -> None:
    async def story() -> None:
        done: list[str] = []

        async def work(request: str, run: str) -> str:
            done.append(request)
            assert len(run) == 64
            return f"I did: {request}"

        rights, market = Rights(), selling_market()
        engine = AgentEngine("Scribe", market.state.services[CHAT].model_hash, work)
        world = await a_world(market, engine=engine)
        desk = PaidDesk(world.serve, CHAT, market.domain())
        async with (
            on_socket(world),
            listening(serving(desk, rights)) as port,
            httpx.AsyncClient(trust_env=False, timeout=30) as http,
            HttpProviderClient() as provider,
        ):
            talk, buyer = asking(http, rights), world.buyer(provider)
            peer = await talk.find(f"http://127.0.0.1:{port}")
            found = await talk.buy(peer, buyer, CHAT, a2a_peer.work("count the ships", 32))

            assert found.text == "I did: count the ships"
            assert found.receipt.price > 0
            assert world.book.owed(PAYER.address, bytes(20)) == found.receipt.price
            direct = await buyer.ask(await buyer.order(CHAT, _chat("as any provider")))
            assert direct.text == "I did: as any provider"
            assert done == ["count the ships", "as any provider"]
            with pytest.raises(ToolFailed, match="voucher"):
                order = await buyer.order(CHAT, _chat("x"))
                from offchain.compute.forms import voucher_header

                await talk.say(peer, order.body, voucher=voucher_header(order.voucher))
            assert len(done) == 2

    asyncio.run(story())


def test_a2a__work_is_broken_off__nothing_is_owed_for_it() -> None:
    async def story() -> None:
        begun = asyncio.Event()

        async def work(request: str, run: str) -> str:
            begun.set()
            return await asyncio.Future()

        market = selling_market()
        engine = AgentEngine("Scribe", market.state.services[CHAT].model_hash, work)
        world = await a_world(market, engine=engine)
        async with on_socket(world), HttpProviderClient() as provider:
            buyer = world.buyer(provider)
            asking = asyncio.create_task(buyer.ask(await buyer.order(CHAT, _chat("a long one"))))
            await begun.wait()
            await engine.close()  # the host is stopped
            with pytest.raises(ProviderUnreachable, match=r"engine\.stopped"):
                await asking
        assert world.book.owed(PAYER.address, bytes(20)) == 0

    asyncio.run(story())


def test_a2a__work_takes_longer_than_a_models_first_token__is_waited_for() -> None:
    async def story() -> None:
        async def work(request: str, run: str) -> str:
            for _ in range(8):
                await asyncio.sleep(0)
            return "done"

        engine = AgentEngine("Scribe", bytes(32), work)
        late = replace(
            await a_job(engine, a_body("one")), deadlines=Deadlines(first_token=0.0, total=60.0)
        )
        assert [piece.text async for piece in engine.stream(late)] == ["done"]

    asyncio.run(story())


def test_a2a__two_sales_with_one_seed__are_two_runs() -> None:
    async def story() -> None:
        runs: list[str] = []

        async def work(request: str, run: str) -> str:
            runs.append(run)
            return request

        market = selling_market()
        engine = AgentEngine("Scribe", market.state.services[CHAT].model_hash, work)
        world = await a_world(market, engine=engine)
        async with on_socket(world), HttpProviderClient() as provider:
            buyer = world.buyer(provider)
            for text in ("first", "second"):
                body = chat_body(text, max_tokens=16, seed=7)
                order = await buyer.order(CHAT, wanted(body))
                found = await buyer.ask(order)
                assert found.text == text
                assert runs[-1] == found.receipt.request_id.hex()
        assert len(set(runs)) == 2

    asyncio.run(story())


def _chat(text: str) -> object:
    return wanted(chat_body(text, max_tokens=16))


TOKEN = "t" * 32


def mcp_face(done: list[Mapping[str, str]]) -> McpFace:
    async def work(skill: str, inputs: Mapping[str, str]) -> str:
        done.append({"skill": skill, **inputs})
        return "the summary"

    return McpFace("Scribe", {"summarise": a_skill()}, work, TOKEN)


def mcp_call(port: int, tool: Tool, **arguments: object) -> Call:
    return Call("a", tool, arguments, Capability(tool.name, hosts=(f"127.0.0.1:{port}",)))


def test_mcp__a_skill_of_one_agent__is_a_tool_of_another() -> None:
    async def story() -> None:
        done: list[Mapping[str, str]] = []
        async with listening(lambda port: mcp_app(mcp_face(done), port)) as port:
            place = f"127.0.0.1:{port}"
            runner = McpTools({"scribe": McpServer("scribe", place, TOKEN)})
            named = (Capability("mcp.scribe.summarise", hosts=(place,)), Capability("calculate"))
            [tool] = await runner.tools(named)
            assert tool.name == "mcp.scribe.summarise"
            assert await runner.run(mcp_call(port, tool, file="ab")) == "the summary"
            assert done == [{"skill": "summarise", "file": "ab"}]
            with pytest.raises(ToolFailed):
                await runner.run(mcp_call(port, tool, other="ab"))
            elsewhere = replace(
                mcp_call(port, tool, file="ab"),
                reach=Capability(tool.name, hosts=("127.0.0.1:1",)),
            )
            with pytest.raises(ToolForbidden):
                await runner.run(elsewhere)
            stranger = McpTools({"scribe": McpServer("scribe", place, "wrong")})
            with pytest.raises(ToolFailed):
                await stranger.run(mcp_call(port, tool, file="ab"))
            assert len(done) == 1

    asyncio.run(story())


def test_mcp__another_host_or_origin__is_refused() -> None:
    async def story() -> None:
        async with (
            listening(lambda port: mcp_app(mcp_face([]), port)) as port,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            url = f"http://127.0.0.1:{port}/mcp"
            headers = {
                "Authorization": f"Bearer {TOKEN}",
                "Accept": "application/json, text/event-stream",
            }
            body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

            async def status(**more: str) -> int:
                return (await http.post(url, json=body, headers={**headers, **more})).status_code

            assert await status(Host="evil.example") == 421
            assert await status(Origin="http://evil.example") == 403
            assert await status(Authorization="Bearer no") == 401
            assert await status() < 500
            big = await http.post(url, content=b"x" * (1 << 19), headers=headers)
            assert big.status_code in {400, 413}

    asyncio.run(story())


def test_mailbox__a_journal_entry__is_read_back() -> None:
    numbers = (5).to_bytes(8, "big") + (NOW + 10).to_bytes(8, "big")
    journal = MemoryJournal([Entry(1, ASKER + TALK + numbers)])
    talk = a_talk()
    talk.seq = 5

    assert asyncio.run(a_mailbox(SELLER, Rights(), journal).take(talk.say(b"", NOW), b"")).seq == 6
