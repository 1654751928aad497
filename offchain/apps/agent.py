"""`apogee agent mint | show | list | oracles | invite | transfer | agree`: tokens and gifts.

Everything that is signed is shown before: price, royalty, fee and gas, what changes hands and what
cannot. A sale's number, the chain and the wallet's key are enough to go on after a kill. What
strangers wrote is shown escaped and never fetched.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Final, TypeVar

import httpx

from offchain.agents.mint_agent import MintWish
from offchain.agents.onchain_nft import Cloned
from offchain.agents.oracle_ports import Op
from offchain.agents.token_view import read_token
from offchain.agents.trade_files import (
    MAX_TEXT_BYTES,
    Proofs,
    TradeFileBroken,
    invite_text,
    parse_invite_text,
    parse_proofs_text,
    proofs_text,
)
from offchain.apps.agent_home import TERM_SECONDS, Trader, open_trader, trade_clients
from offchain.apps.agent_money import Currency
from offchain.apps.agent_quote import (
    CANNOT,
    MOVES,
    clock,
    cost_told,
    goods_told,
    open_rentals,
    oracles_told,
    require_agreed,
)
from offchain.apps.exit_codes import ExitCode
from offchain.apps.files import write_bytes
from offchain.apps.oracles import chain_oracles
from offchain.apps.output import print_json, print_table, say
from offchain.apps.shown_text import shown
from offchain.apps.stake import Actor
from offchain.chain.model import Address, show_address
from offchain.core.errors import InvalidInput

FETCH_SECONDS: Final = 10.0
BPS: Final = 10_000
MAX_LISTED: Final = 200
MAX_FILES: Final = 256
MINT_GAS: Final = 350_000
TERM_DAYS: Final = TERM_SECONDS // 86_400
CLONED: Final = (
    "a clone under a key of its own: the content as it is; an empty wallet, memory and reputation"
)
T = TypeVar("T")
Task = Callable[[Trader], Coroutine[None, None, T]]


def mint(one: Actor, source: Path, wish: MintWish, *, is_agreed: bool) -> int:
    """Encrypt a folder, store it, mint a token for it."""
    content = read_content(source)
    length = sum(map(len, content.values()))
    quote = {
        "files": len(content),
        "bytes": length,
        "description": shown(wish.description),
        "oracles_that_sign": wish.threshold,
        "royalty_percent": wish.royalty_bps / 100,
        "what_happens": "encrypted here, stored for pay, sealed to this wallet's key",
        "storage": f"the file's size at this home's price, {TERM_DAYS} days at most",
        "oracles": oracles_told(one.network, wish.threshold),
        "gas": f"about {MINT_GAS} with one entry",
        "again": "the same folder is minted once; --again N makes another token of it",
    }
    require_agreed(one, "mint", quote, is_agreed=is_agreed)
    token = traded(one, lambda trader: trader.mint.mint(content, wish))
    return one.say(
        {"token": token, "owner": show_address(one.address), "next": f"apogee agent show {token}"}
    )


def show(one: Actor, token: int) -> int:
    """A token: what it is, holds, and is offered for."""
    view = read_token(trade_clients(one.network), token)
    leases, at = one.network.agent_leases, view.block.hash
    rent, licence = leases.rent_of(token, at=at), leases.licence_of(token, at=at)
    told = goods_told(one, view)
    if rent.shortest:
        price = Currency(rent.currency).show(rent.price)
        told["rent"] = (
            f"{price} a second, {rent.shortest} to {rent.longest} s, {clock(rent.expiry)}"
        )
    if licence.max_clones:
        fee = Currency(licence.currency).show(licence.fee)
        royalty = licence.royalty_bps / 100
        told["clone"] = f"{fee}, {royalty} % of its sales, until {clock(licence.expiry)}"
    told["leases"] = ", ".join(str(number) for number, _ in open_rentals(one.network, view)) or None
    return one.say(told)


def list_tokens(one: Actor, *, is_all: bool) -> int:
    """Tokens of this wallet, or all, newest last."""
    nft, block = one.network.agents, one.network.node.block()
    count = nft.total_supply(at=block.hash)
    rows = []
    for token in range(max(1, count - MAX_LISTED + 1), count + 1):
        owner = nft.owner_of(token, at=block.hash)
        if is_all or owner == one.address:
            [first, *_] = nft.intelligent_data_of(token, at=block.hash)
            epoch, _ = nft.epoch_of(token, at=block.hash)
            rows.append(
                {
                    "token": token,
                    "owner": show_address(Address(owner)),
                    "epoch": epoch,
                    "locked": nft.is_locked(token, at=block.hash),
                    "description": shown(first.description),
                }
            )
    if one.as_json:
        print_json({"block": block.number, "tokens": rows})
        return ExitCode.DONE
    columns = ("token", "owner", "epoch", "locked", "description")
    print_table("agents", columns, [[plain(row[name]) for name in columns] for row in rows])
    return ExitCode.DONE


def oracles(one: Actor) -> int:
    """Who re-encrypts when an agent is sold."""
    found = chain_oracles(one.network).standing()
    rows: list[dict[str, object]] = [
        {
            "oracle": show_address(Address(each.signer)),
            "operator": each.operator_id,
            "until": clock(each.until),
            "endpoint": shown(each.endpoint),
            "label": "SIMULATED" if each.is_simulated else "",
        }
        for each in found
    ]
    if one.as_json:
        print_json({"oracles": rows})
        return ExitCode.DONE
    columns = ("oracle", "operator", "until", "endpoint", "label")
    print_table("delivery oracles", columns, [[row[name] for name in columns] for row in rows])
    return ExitCode.DONE


def invite(one: Actor, token: int, out: Path) -> int:
    """Say where a gift's data keys are to be sealed to; signs nothing."""
    made = traded_in_thread(one, lambda trader: trader.hold.invite(token))
    write_bytes(out, invite_text(made).encode())
    return one.say(
        {"token": token, "invite": str(out), "next": f"its owner: apogee agent transfer {out}"}
    )


def transfer(one: Actor, source: str, out: Path | None, *, is_clone: bool, is_agreed: bool) -> int:
    """Give a token, or a clone of it: lead the oracles with an invite; hand it over once signed."""
    text = read_text(source)
    try:
        asked = parse_invite_text(text)
    except TradeFileBroken:
        return _give(one, parse_proofs_text(text), is_agreed=is_agreed)
    if out is None:
        raise InvalidInput("name a file for the proofs with --out")
    view = read_token(trade_clients(one.network), asked.token)
    quote = {
        **goods_told(one, view),
        "to": show_address(Address(asked.receiver)),
        "price": "0: a gift",
        "signs": "nothing yet: oracles re-encrypt, a new file is stored for pay",
        "changes_hands_later": CLONED if is_clone else MOVES,
        "cannot": CANNOT,
    }
    require_agreed(one, "transfer", quote, is_agreed=is_agreed)
    op = Op.CLONE if is_clone else Op.TRANSFER
    proofs = traded(one, lambda trader: trader.sell.prove_for(asked, op))
    write_bytes(out, proofs_text(proofs).encode())
    return one.say(
        {
            "token": asked.token,
            "proofs": str(out),
            "next": f"the receiver: apogee agent agree {out}",
        }
    )


def agree(one: Actor, source: str, out: Path, *, is_agreed: bool) -> int:
    """Open what is to be given, and sign for it: without that it cannot move."""
    proofs = parse_proofs_text(read_text(source))
    quote = {
        **goods_told(one, read_token(trade_clients(one.network), proofs.token)),
        "price": "0: a gift",
        "you_get": CLONED if proofs.op == Op.CLONE else MOVES,
        "signs": "that the data came, sealed to this wallet's key; it is opened and compared first",
        "until": clock(min(each.ownership.deadline for each in proofs.proofs)),
    }
    require_agreed(one, "agree", quote, is_agreed=is_agreed)
    signed, opened = traded(one, lambda trader: trader.hold.agree(proofs))
    write_bytes(out, proofs_text(signed).encode())
    size = sum(len(each.data) for each in opened)
    return one.say(
        {
            "token": proofs.token,
            "bytes": size,
            "proofs": str(out),
            "next": f"its owner: apogee agent transfer {out}",
        }
    )


def read_content(source: Path) -> dict[str, bytes]:
    """The files of a bundle's folder. Raises: InvalidInput."""
    if not source.is_dir():
        raise InvalidInput("a bundle is a folder with a manifest.json", path=str(source)[:200])
    found = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    if len(found) > MAX_FILES:
        raise InvalidInput("too many files", files=len(found), maximum=MAX_FILES)
    return {path.relative_to(source).as_posix(): path.read_bytes() for path in found}


def read_text(source: str) -> str:
    """A trade file: a path, `-` for stdin, or an http(s) URL. Raises: InvalidInput."""
    if source == "-":
        return sys.stdin.read(MAX_TEXT_BYTES + 1)
    if source.startswith(("http://", "https://")):
        return _fetched(source)
    try:
        with Path(source).open("rb") as file:
            return file.read(MAX_TEXT_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("cannot read this file", path=source[:200]) from error


def plain(value: object) -> str:
    """A cell in which a table sees no markup."""
    return str(value).replace("[", "\\[")


def _fetched(url: str) -> str:
    raw = bytearray()
    try:
        with httpx.stream("GET", url, timeout=FETCH_SECONDS, trust_env=False) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                raw += piece
                if len(raw) > MAX_TEXT_BYTES:
                    raise TradeFileBroken(maximum=MAX_TEXT_BYTES)
            return raw.decode()
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeDecodeError) as error:
        raise InvalidInput("cannot fetch this text", url=shown(url), why=str(error)) from error


def _give(one: Actor, proofs: Proofs, *, is_agreed: bool) -> int:
    is_clone = proofs.op == Op.CLONE
    nft, fields = one.network.agents, [each.fields() for each in proofs.proofs]
    make = nft.i_clone if is_clone else nft.i_transfer
    quote = {
        **goods_told(one, read_token(trade_clients(one.network), proofs.token)),
        "to": show_address(Address(proofs.receiver)),
        "price": "0: a gift",
        "changes_hands": CLONED if is_clone else MOVES,
        "cannot": CANNOT,
        "until": clock(min(each.ownership.deadline for each in proofs.proofs)),
        **cost_told(one, make(proofs.receiver, proofs.token, fields)),
    }
    require_agreed(one, "transfer", quote, is_agreed=is_agreed)
    receipt = traded(one, lambda trader: trader.hold.give(proofs))
    told: dict[str, object] = {"token": proofs.token, "state": "given", "gas": receipt.gas_used}
    if is_clone:
        told["clone"] = nft.events_in(Cloned, receipt.logs)[0].clone
    return one.say(told)


def traded(one: Actor, task: Task[T]) -> T:
    """Run something with this wallet's trader, telling each step of the oracles."""

    async def run() -> T:
        def told(step: str) -> None:
            say(f"     {step}")

        async with open_trader(one.home, one.network, one.role, told) as trader:
            return await task(trader)

    return asyncio.run(run())


def traded_in_thread(one: Actor, task: Callable[[Trader], T]) -> T:
    async def run(trader: Trader) -> T:
        return await asyncio.to_thread(task, trader)

    return traded(one, run)
