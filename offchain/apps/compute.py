"""`apogee compute ...`: what is offered, what it costs, money with providers, answers checked.

Money belongs to a role of this home (`--as`), the gateway's by default: it is what its answers are
paid from. Everything is read at one block before anything is sent.
"""

from dataclasses import dataclass, replace
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.exit_codes import ExitCode
from offchain.apps.gateway_compute import market_source, open_book
from offchain.apps.home import Home
from offchain.apps.output import print_json, print_table
from offchain.apps.settings import GatewaySettings, read_settings
from offchain.apps.stake import Actor, perform
from offchain.chain.model import Address, parse_address, show_address
from offchain.compute.errors import ReceiptUnknown
from offchain.compute.model import NATIVE_COIN, Kind, Level
from offchain.compute.route import Offer, Want, route
from offchain.core.errors import Conflict, InvalidInput, NotFound
from offchain.gateway.book_model import Attempt
from offchain.gateway.compute_errors import ModelUnknown, NothingFits
from offchain.gateway.market import Market

LAST: Final = "last"
_DIGITS: Final = 64


class ProviderUnknown(NotFound):
    """No service here has this provider or id."""

    code = "compute.provider_unknown"
    next_step = "Take a provider or service from `apogee compute list`."


class ReceiptIdInvalid(InvalidInput):
    """A receipt is named by 64 hex digits, an answer's id, or `last`."""

    code = "compute.receipt_id"
    next_step = "Pass X-Apogee-Receipt or the `id` of an answer, or `last`."


class NothingThere(Conflict):
    """There is nothing to take out."""

    code = "compute.nothing_there"
    next_step = "`apogee compute balance` shows what lies where."


@dataclass(frozen=True, slots=True)
class QuoteWish:
    """What was typed."""

    model: str
    input_tokens: int
    output_tokens: int
    level: str
    max_price: str | None


def show_offers(one: Actor, model: str | None) -> int:
    """Every service with a price, cheapest first."""
    market = _market(one)
    wanted = [offer for offer in market.offers if model is None or model.lower() in offer.names]
    rows = [_described(offer) for offer in sorted(wanted, key=_price)]
    if one.as_json:
        print_json({"block": market.block, "services": rows})
        return ExitCode.DONE
    columns = ("model", "kind", "provider", "level", "input", "output", "request", "serving")
    print_table("prices for 1,000,000 tokens, in coins", columns, _cells(rows, columns))
    return ExitCode.DONE


def quote(one: Actor, wish: QuoteWish) -> int:
    """What a request may cost at most, at each provider that serves it, best first.

    Raises: ModelUnknown, NothingFits.
    """
    market = _market(one)
    kinds = {offer.service.kind for offer in market.offers if wish.model.lower() in offer.names}
    if not kinds:
        raise ModelUnknown(model=wish.model[:80])
    if wish.level.upper() not in Level.__members__:
        raise InvalidInput("no such level", level=wish.level[:40])
    want = Want(
        kind=min(kinds),
        model=wish.model.lower(),
        input_tokens=wish.input_tokens,
        max_tokens=wish.output_tokens or None,
        min_level=int(Level[wish.level.upper()]),
        max_price=None if wish.max_price is None else parse_amount(wish.max_price),
    )
    routed = route(want, [_boundless(offer) for offer in market.offers], {})
    if not routed.choices:
        raise NothingFits(reason=str(routed.only_reason()), model=wish.model[:80])
    rows: list[dict[str, object]] = []
    for choice in routed.choices:
        found = market.offer_of(choice.offer.service.id)
        covered = 0 if found is None else found.covered
        rows.append(
            {
                "provider": show_address(choice.offer.service.provider),
                "service": "0x" + choice.offer.service.id.hex(),
                "costs_at_most": show_amount(choice.hold),
                "costs_at_most_wei": str(choice.hold),
                "deposited": show_amount(covered),
                "deposit_needed": show_amount(max(0, choice.hold - covered)),
            }
        )
    if one.as_json:
        print_json({"block": market.block, "model": wish.model, "quotes": rows})
        return ExitCode.DONE
    columns = ("provider", "costs_at_most", "deposited", "deposit_needed")
    print_table("amounts in coins", columns, _cells(rows, columns))
    return ExitCode.DONE


def deposit(one: Actor, to: str, amount: str) -> int:
    """Put money into the bucket of one provider; only he can be paid from it."""
    wei, provider = parse_amount(amount), _provider(one, to)
    call = one.network.escrow.deposit(one.address, wei, provider=provider)

    def told(_: object) -> dict[str, object]:
        bucket = one.network.escrow.bucket(one.address, provider, NATIVE_COIN, at=one.at)
        return {
            "deposited": show_amount(wei),
            "provider": show_address(provider),
            "balance": show_amount(bucket.balance),
        }

    return perform(one, call, one.unique_key(f"compute.deposit:{provider.hex()}"), told)


def balance(one: Actor) -> int:
    """Money with each provider, what of it is on its way out, and what is free."""
    at = one.at
    escrow = one.network.escrow
    market = _market(one)
    rows: list[dict[str, object]] = []
    for lane in sorted(market.floors, key=lambda lane: (lane.provider, lane.token)):
        bucket = escrow.bucket(one.address, lane.provider, lane.token, at=at)
        if bucket.balance or bucket.spent:
            rows.append(
                {
                    "provider": show_address(Address(lane.provider)),
                    "token": "coin" if lane.token == NATIVE_COIN else "0x" + lane.token.hex(),
                    "balance": show_amount(bucket.balance),
                    "spent": show_amount(bucket.spent),
                    "leaving": show_amount(bucket.exit_amount),
                    "leaves_at": bucket.exit_at or None,
                }
            )
    free = escrow.free_of(one.address, NATIVE_COIN, at=at)
    if one.as_json:
        address = show_address(one.address)
        print_json({"account": address, "free": show_amount(free), "buckets": rows})
        return ExitCode.DONE
    columns = ("provider", "token", "balance", "spent", "leaving", "leaves_at")
    print_table(f"free: {show_amount(free)} coins", columns, _cells(rows, columns))
    return ExitCode.DONE


def withdraw(one: Actor, source: str | None, amount: str | None) -> int:
    """One step on the way out: ask for the bucket's money, fetch it when its lock is over, and
    without a provider take what is free to the account.
    """
    escrow, at = one.network.escrow, one.at
    if source is None:
        free = escrow.free_of(one.address, NATIVE_COIN, at=at)
        wei = free if amount is None else parse_amount(amount)
        if not wei:
            raise NothingThere
        call = escrow.withdraw(NATIVE_COIN, wei, one.address)
        return perform(
            one,
            call,
            one.unique_key("compute.withdraw"),
            lambda _: {"withdrawn": show_amount(wei)},
        )
    provider = _provider(one, source)
    bucket = escrow.bucket(one.address, provider, NATIVE_COIN, at=at)
    now = one.network.node.block().timestamp
    if bucket.exit_amount and now >= bucket.exit_at:
        call = escrow.finish_exit(one.address, provider, NATIVE_COIN)
        step = {"freed": show_amount(min(bucket.exit_amount, bucket.balance))}
    else:
        wei = bucket.balance if amount is None else parse_amount(amount)
        if not wei:
            raise NothingThere(provider=show_address(provider))
        call = escrow.request_exit(provider, NATIVE_COIN, wei)
        step = {"asked_for": show_amount(wei)}

    def told(_: object) -> dict[str, object]:
        found = escrow.bucket(one.address, provider, NATIVE_COIN, at=one.at)
        return {**step, "provider": show_address(provider), "leaves_at": found.exit_at or None}

    return perform(one, call, one.unique_key(f"compute.exit:{provider.hex()}"), told)


def _market(one: Actor) -> Market:
    return market_source(one.network, one.address).read()


def _provider(one: Actor, text: str) -> Address:
    """Whose bucket: an address, or a service's id. Raises: ProviderUnknown, AddressInvalid."""
    digits = text.removeprefix("0x").lower()
    for offer in _market(one).offers:
        service = offer.service
        if digits in (service.provider.hex(), service.id.hex()):
            return parse_address(service.provider)
    parse_address(text)
    raise ProviderUnknown(provider=text[:80])


def attempt_of(home: Home, text: str) -> Attempt:
    """An answer of the gateway's book. Raises: ReceiptUnknown, ReceiptIdInvalid."""
    url = read_settings(GatewaySettings, home=home.root).book_url
    book = open_book(home, None if url is None else url.get_secret_value())
    try:
        if text == LAST:
            found = book.last_answer()
        else:
            digits = text.rpartition("-")[2].removeprefix("0x").lower()
            if len(digits) != _DIGITS or not set(digits) <= set("0123456789abcdef"):
                raise ReceiptIdInvalid(receipt=text[:80])
            found = book.attempt(bytes.fromhex(digits))
    finally:
        book.close()
    if found is None:
        raise ReceiptUnknown
    return found


def _described(offer: Offer) -> dict[str, object]:
    service, row, found = offer.service, offer.row, offer.verifiability
    own = {"0x" + service.model_hash.hex(), "0x" + service.id.hex()}
    named = sorted(offer.names - own)
    level = found.level.name + (" SIMULATED" if found.is_simulated else "")
    return {
        "model": named[0] if named else "0x" + service.model_hash.hex(),
        "kind": service.kind.name.lower(),
        "service": "0x" + service.id.hex(),
        "provider": show_address(Address(service.provider)),
        "level": level,
        "input": show_amount(row.input_price),
        "output": show_amount(row.output_price),
        "request": show_amount(row.request_price),
        "token": "0x" + row.token.hex(),
        "max_input": service.limits.max_input,
        "max_output": service.limits.max_output,
        "numerics": service.numerics.name,
        "endpoint": service.endpoint,
        "serving": offer.is_serving,
        "deposited": show_amount(offer.covered),
    }


def _price(offer: Offer) -> tuple[Kind, int, int, bytes]:
    row = offer.row
    return offer.service.kind, row.output_price, row.input_price, offer.service.id


def _boundless(offer: Offer) -> Offer:
    """As if everything were deposited: a quote comes before the money."""
    return replace(offer, covered=1 << 96)


def _cells(rows: list[dict[str, object]], columns: tuple[str, ...]) -> list[list[object]]:
    return [[row[name] for name in columns] for row in rows]
