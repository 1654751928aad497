"""`apogee storage renew --auto` and `storage order`: files renewed by whoever comes, out of funds.

The worker of any home renews what is due for the tip; nothing has to run here.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.output import print_json, print_result
from offchain.apps.storage import Place
from offchain.apps.storage_client import Opened, open_files
from offchain.apps.storage_terms import chosen
from offchain.apps.terms import epochs_in, parse_term
from offchain.storage.client_ports import StandingOrder
from offchain.storage.ports import StoredFile

TIP_WEI: Final = 2 * 10**14  # what renewing costs whoever does it, at a gwei


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWish:
    """What was typed."""

    reference: str | None
    is_all: bool
    term: str
    limit: str | None = None
    funds: str | None = None
    is_end: bool = False
    is_dry: bool = False


def order(place: Place, wish: OrderWish) -> int:
    """Set or end standing orders. Raises: NothingNamed, FileNotStored, NotEntitled."""

    async def story() -> list[dict[str, object]]:
        async with open_files(place.home, place.rpc_url) as opened:
            files = await chosen(opened, wish.reference, is_all=wish.is_all)
            return [await _one(opened, file, wish) for file in files]

    rows = asyncio.run(story())
    if place.as_json:
        print_json({"orders": rows})
    else:
        for row in rows:
            print_result(row, as_json=False)
    return 0


def order_for(
    price_wei: int, epochs: int, *, limit_wei: int | None, funds_wei: int | None
) -> StandingOrder:
    """Of what was typed, for a file of which so many epochs cost at most `price_wei`. Pure."""
    most = price_wei if limit_wei is None else limit_wei
    per_epoch = -(-most // epochs) if limit_wei is None else most // epochs
    funds = per_epoch * epochs + TIP_WEI if funds_wei is None else funds_wei
    return StandingOrder(epochs, per_epoch, TIP_WEI, funds)


async def _one(opened: Opened, file: StoredFile, wish: OrderWish) -> dict[str, object]:
    named = {"id": file.file_id.hex()}
    till = opened.files.orders
    if wish.is_end:
        stands = await asyncio.to_thread(till.order, file.file_id)
        held = stands.funds_wei if stands else 0
        if not wish.is_dry:
            held = (await asyncio.to_thread(till.end_order, file.file_id)).value_wei
        result = "would end" if wish.is_dry else "ended"
        return {**named, "result": result, "back": show_amount(held)}
    epochs = epochs_in(parse_term(wish.term), opened.epoch_seconds)
    price = await asyncio.to_thread(opened.files.terms.renewal_price, file.file_id, epochs)
    wanted = order_for(
        price,
        epochs,
        limit_wei=None if wish.limit is None else parse_amount(wish.limit),
        funds_wei=None if wish.funds is None else parse_amount(wish.funds),
    )
    paid = None
    if not wish.is_dry:
        paid = await asyncio.to_thread(till.set_order, file.file_id, wanted)
    return {
        **named,
        "epochs": epochs,
        "limit": show_amount(wanted.limit_wei * epochs),
        "tip": show_amount(wanted.tip_wei),
        "funds": show_amount(wanted.funds_wei),
        "paid": show_amount(paid.value_wei) if paid else None,
    }
