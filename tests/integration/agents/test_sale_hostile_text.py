"""What strangers write into metadata, bundles and trade files: refused, or shown without acting."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.agents.bundle_files import pack_files
from offchain.agents.manifest import parse_manifest
from offchain.agents.mint_agent import MintWish, roots_of
from offchain.agents.onchain_nft import IntelligentData
from offchain.agents.runtime_errors import BundleMalformed, ToolForbidden
from offchain.agents.token_view import read_token
from offchain.agents.tools import ToolBox
from offchain.agents.trade_files import (
    TradeFileBroken,
    parse_invite_text,
    parse_offer_text,
    parse_order_text,
    parse_proofs_text,
    proofs_text,
)
from offchain.apps.agent import plain, read_content
from offchain.apps.agent_quote import token_told
from offchain.apps.output import error_text, print_json, print_table
from offchain.core.errors import ApogeeError, InvalidInput, Rejected
from tests.support.agents_runtime import TOOLS, a_bundle
from tests.support.trade_world import PRICE, TradeWorld, minted, ordered, the_bundle

ESCAPES = ("\x1b[2J", "\x1b]8;;http://evil\x07", "\u202eevil", "\u2066x", "a\nb", "\x00", "\x9b1m")
MARKUP = ("<svg/onload=alert(1)>", "javascript:alert(1)", "[red]x[/red]", "<script src=//e>")
FAR = str((1 << 256) - 1)


def is_harmless(text: str) -> bool:
    """A terminal shows it as it is, line by line."""
    return all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("description", [*ESCAPES, "é", "x" * 32, ""])
def test_description__that_a_terminal_would_act_on__refused_before_anything_is_paid(
    trade: TradeWorld, description: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        asyncio.run(trade["seller"].mint.mint(the_bundle(), MintWish(description)))

    assert is_harmless(error_text(refused.value))
    assert trade.store.paid == []


def test_description__of_a_client_without_manners__refused_by_the_contract(
    trade: TradeWorld,
) -> None:
    seller = trade["seller"]
    made = asyncio.run(seller.mint.make(the_bundle()))
    for description in ("\x1b[2J", "\u202e"):
        data = IntelligentData(description, made.entry.data_hash)
        call = trade.nft.mint(
            seller.address, [data], [roots_of(made.entry)], [made.sealed_key], 3, 0
        )
        with pytest.raises((Rejected, InvalidInput)):
            seller.act(call)
    assert trade.nft.total_supply(at=trade.at) == 0


def test_description__of_markup__is_text_in_table_and_json(
    trade: TradeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    async def mint() -> list[int]:
        seller = trade["seller"].mint
        return [
            await seller.mint(the_bundle(one), MintWish(one[:31], again=number))
            for number, one in enumerate(MARKUP)
        ]

    tokens = asyncio.run(mint())
    told = [token_told(read_token(trade.clients, one)) for one in tokens]

    print_table("agents", ("description",), [[plain(one["description"])] for one in told])
    print_json(told)

    table, _, listed = capsys.readouterr().out.partition("[\n")
    assert list(MARKUP) == [one["description"] for one in json.loads("[\n" + listed)]
    assert all(one in table for one in MARKUP)  # whole: nothing of it was taken for markup
    assert is_harmless(table)


@pytest.mark.parametrize("text", ESCAPES)
def test_error__that_quotes_a_stranger__is_shown_spelt_out(text: str) -> None:
    broken = json.dumps({"apogee": text, "version": 1})

    with pytest.raises(TradeFileBroken) as refused:
        parse_order_text(broken)

    assert is_harmless(error_text(refused.value))


PARSERS = (parse_order_text, parse_offer_text, parse_invite_text, parse_proofs_text)
BOMBS = {
    "deep": "[" * 60_000,
    "deep objects": '{"a":' * 13_000,
    "long": json.dumps({"apogee": "agent-order", "version": 1, "x": "a" * 10_000_000}),
    "a number of a million digits": '{"version":' + "9" * 60_000 + "}",
    "no text": "\ud800",
}


@pytest.mark.parametrize("name", BOMBS)
def test_trade_file__made_to_hurt__refused(name: str) -> None:
    for parse in PARSERS:
        with pytest.raises(TradeFileBroken):
            parse(BOMBS[name])


def test_trade_file__every_number_as_large_as_it_gets__typed_refusal(trade: TradeWorld) -> None:
    async def story() -> None:
        seller, buyer = trade["seller"], trade["buyer"]
        token = await minted(seller)
        order = ordered(seller, token)
        numbers = ("token", "price", "end_price", "account_state", "royalty_max", "min_step")
        for name in (*numbers, "start", "end", "nonce"):
            hostile = replace(order, order=replace(order.order, **{name: int(FAR)}))
            with pytest.raises(ApogeeError):
                await buyer.buy.quote(hostile)
                await buyer.buy.buy(hostile, price=PRICE)
        sale = await buyer.buy.buy(order, price=PRICE)
        proofs = await seller.sell.prove(sale)
        body = json.loads(proofs_text(proofs))
        body["proofs"][0]["deadline"] = FAR
        with pytest.raises(ApogeeError):
            await buyer.buy.take(sale, parse_proofs_text(json.dumps(body)))
        with pytest.raises(ApogeeError):
            await seller.sell.deliver(sale, parse_proofs_text(json.dumps(body)))
        with pytest.raises(ApogeeError):
            await buyer.hold.agree(parse_proofs_text(json.dumps(body | {"epoch": FAR})))
        gift = json.loads(proofs_text(replace(proofs, proofs=proofs.proofs * 2)))
        with pytest.raises(ApogeeError):
            await buyer.hold.agree(parse_proofs_text(json.dumps(gift)))
        await buyer.buy.take(sale, proofs)
        assert trade.owner(token) == buyer.address

    asyncio.run(story())


@pytest.mark.parametrize(
    "name", ["../up", "/etc/passwd", "a/../../b", "a//b", ".", "a\x00b", "a\x1b[2J", "\u202egnp.md"]
)
def test_bundle__name_that_leaves_or_hides__refused(name: str) -> None:
    with pytest.raises(BundleMalformed) as refused:
        pack_files({**a_bundle(), name: b"x"})

    assert is_harmless(error_text(refused.value))


def test_bundle__links_in_its_folder__are_not_followed(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "bundle"
    outside.mkdir()
    folder.mkdir()
    (outside / "secret").write_text("a key")
    (folder / "manifest.json").write_text("{}")
    (folder / "file").symlink_to(outside / "secret")
    (folder / "folder").symlink_to(outside, target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)

    assert set(read_content(folder)) == {"manifest.json"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "\x1b[2J"},
        {"name": "\u202egnp"},
        {"name": "x" * 10_000_000},
        {"description": "\x07"},
        {"public": ["x" * 100]},
        {"tools": [{"name": "web.get", "hosts": ["\x1b[31mevil"]}]},
    ],
)
def test_manifest__hostile_field__is_not_minted(
    trade: TradeWorld, change: dict[str, object]
) -> None:
    with pytest.raises(BundleMalformed):
        asyncio.run(trade["seller"].mint.mint(a_bundle(**change), MintWish("an agent")))
    assert trade.store.paid == []


def test_manifest__deep_json__is_not_minted(trade: TradeWorld) -> None:
    files = {**a_bundle(), "manifest.json": b"[" * 60_000}
    with pytest.raises(BundleMalformed):
        asyncio.run(trade["seller"].mint.mint(files, MintWish("an agent")))
    assert trade.store.paid == []


def test_manifest__without_the_tool_that_its_skill_names__tool_is_forbidden() -> None:
    manifest = parse_manifest(a_bundle(tools=[{"name": "text.split"}]))
    box = ToolBox(manifest.tools, frozenset(TOOLS), {})

    with pytest.raises(ToolForbidden):
        asyncio.run(box.call("act", "storage.read", {"file": "00" * 32}))
    assert box.offered() == []
