"""`apogee agent let | rent | end | collect | leases | license`: agents for a time.

What is held for a lease comes back where it is not used; nothing is signed that was not shown.
"""

from dataclasses import dataclass

from offchain.agents.lease_agent import LeaseAgent
from offchain.agents.onchain_leases import (
    CloneOrder,
    Lease,
    Licence,
    OrderState,
    Rented,
    RentTerms,
)
from offchain.agents.token_view import read_token
from offchain.agents.trade_errors import OtherCurrency, SaleNotHere
from offchain.apps.agent import traded_in_thread
from offchain.apps.agent_endings import chain_leases
from offchain.apps.agent_home import Trader, trade_clients
from offchain.apps.agent_money import Currency
from offchain.apps.agent_pay import price_told
from offchain.apps.agent_quote import (
    NOT_MOVED,
    Told,
    clock,
    cost_told,
    goods_told,
    require_agreed,
    require_own,
)
from offchain.apps.exit_codes import ExitCode
from offchain.apps.output import print_json, print_table, say
from offchain.apps.stake import Actor
from offchain.chain.model import Address, show_address
from offchain.core.errors import Conflict
from offchain.core.units import DAY

MAX_LISTED = 256


class LeaseOver(Conflict):
    """The lease has ended: what it held is credit by now."""

    code = "agents.lease.over"
    next_step = "`apogee agent withdraw` takes the credit; `apogee agent rent` rents anew."


class LeaseNotYours(Conflict):
    """Another wallet rents it."""

    code = "agents.lease.not_yours"
    next_step = "Act as the renter with --as ROLE; `apogee agent leases` lists a wallet's own."


@dataclass(frozen=True, slots=True)
class LetFlags:
    """What was typed to offer a token for rent; `price` is of a second."""

    price: str
    shortest: int
    longest: int
    days: float
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class LicenceFlags:
    """What was typed to offer clones."""

    fee: str
    clones: int
    royalty_percent: float
    may_clone_again: bool
    days: float
    currency: str | None = None


def let(one: Actor, token: int, flags: LetFlags, *, is_agreed: bool) -> int:
    """Offer an own token for rent; nothing is locked by that."""
    view, currency = read_token(trade_clients(one.network), token), Currency.named(flags.currency)
    require_own(one, view)
    expiry = view.block.timestamp + int(flags.days * DAY)
    price = currency.parse(flags.price)
    terms = RentTerms(price, currency.address, flags.shortest, flags.longest, expiry)
    quote = {
        **goods_told(one, view),
        "rent_a_second": currency.show(price),
        "shortest_seconds": flags.shortest,
        "longest_seconds": flags.longest,
        "offered_until": clock(expiry),
        "you_must": "keep a host running: `apogee agent serve`; a sale ends every lease",
        **cost_told(one, one.network.agent_leases.set_rent(token, terms)),
    }
    require_agreed(one, "let", quote, is_agreed=is_agreed)
    name = one.unique_key(f"agent.let:{token}")
    traded_in_thread(one, lambda trader: leases_of(one, trader).let(token, terms, name=name))
    told = {"token": token, "rent_a_second": currency.show(price), "ends": clock(expiry)}
    return one.say({**told, "next": f"who wants it: apogee agent rent {token} SECONDS"})


def rent(
    one: Actor, token: int, seconds: int, most: str | None, paid: str | None, *, is_agreed: bool
) -> int:
    """Pay for a time in advance; where a lease runs already, that one is told and nothing paid."""
    running = traded_in_thread(one, lambda trader: leases_of(one, trader).running_lease(token))
    if running is not None:
        say(f"     rented before: lease {running.lease}")
        return _say_rented(one, running)
    view, currency = read_token(trade_clients(one.network), token), Currency.named(paid)
    leases = one.network.agent_leases
    terms = leases.rent_of(token, at=view.block.hash)
    if not terms.shortest:
        raise SaleNotHere(token=token, missing="rent")
    price, shown = terms.price * seconds, Currency(terms.currency)
    if currency != shown:
        raise OtherCurrency(currency=shown.address.hex(), meant=currency.address.hex())
    call = leases.rent(token, seconds, terms, value_wei=shown.value(price))
    quote = {
        **goods_told(one, view),
        "price": shown.show(price),
        "seconds": seconds,
        "until": clock(view.block.timestamp + seconds),
        "paid_in_any_case": shown.show(terms.price * min(terms.shortest, seconds)),
        "comes_back": "what is not used, when you end it or the token is sold",
        "changes_hands": "the right to use it until the time is over; not the bundle",
        "cannot": NOT_MOVED[1],
        **price_told(one, leases, shown, price, call),
    }
    require_agreed(one, "rent", quote, is_agreed=is_agreed)
    limit = price if most is None else currency.parse(most)
    rented = traded_in_thread(
        one,
        lambda trader: leases_of(one, trader).rent(
            token, seconds, most=limit, currency=currency.address
        ),
    )
    return _say_rented(one, rented)


def end(one: Actor, lease: int, *, is_agreed: bool) -> int:
    """As the renter: give an agent back before the time is over.

    Raises: LeaseOver, LeaseNotYours.
    """
    found, now = _lease(one, lease), one.network.node.block().timestamp
    if found.renter != one.address:
        raise LeaseNotYours(lease=lease, renter=show_address(Address(found.renter)))
    currency, paid = Currency(found.currency), max(now, found.least)
    quote = {
        "lease": lease,
        "token": found.token,
        "was_until": clock(found.until),
        "comes_back_about": currency.show((found.until - paid) * found.price),
        "changes": "the right to use it ends at once",
        **cost_told(one, one.network.agent_leases.end_lease(lease)),
    }
    require_agreed(one, "end", quote, is_agreed=is_agreed)
    back = traded_in_thread(one, lambda trader: leases_of(one, trader).end(lease))
    return one.say(
        {"lease": lease, "refunded": currency.show(back), "next": "apogee agent withdraw"}
    )


def collect(one: Actor, lease: int, *, is_agreed: bool) -> int:
    """What a lease has earned becomes its owner's credit; ends it when its time is over."""
    found = _lease(one, lease)
    currency = Currency(found.currency)
    quote = {
        "lease": lease,
        "token": found.token,
        "to": show_address(Address(found.owner)),
        "runs_until": clock(found.until),
        "paid_until_now": clock(found.earned_until),
        **cost_told(one, one.network.agent_leases.collect(lease)),
    }
    require_agreed(one, "collect", quote, is_agreed=is_agreed)
    got = traded_in_thread(one, lambda trader: leases_of(one, trader).collect(lease))
    return one.say(
        {"lease": lease, "earned": currency.show(got), "next": "its owner: apogee agent withdraw"}
    )


def list_leases(one: Actor, *, is_all: bool) -> int:
    """Rentals and orders of clones that money is held for: of this wallet, or of everybody."""
    book, block = chain_leases(one.network), one.network.node.block()
    rows = [
        _lease_row(number, lease, block.timestamp)
        for number, lease in book.open_leases(block, most=MAX_LISTED)
        if is_all or one.address in (lease.owner, lease.renter)
    ]
    rows += [
        _order_row(number, order, block.timestamp)
        for number, order in book.open_orders(block, most=MAX_LISTED)
        if is_all or one.address in (order.owner, order.buyer)
    ]
    if one.as_json:
        print_json({"block": block.number, "leases": rows})
        return ExitCode.DONE
    columns = ("what", "number", "token", "state", "until", "held", "next")
    print_table("held money", columns, [[row[name] for name in columns] for row in rows])
    return ExitCode.DONE


def license_clones(one: Actor, token: int, flags: LicenceFlags, *, is_agreed: bool) -> int:
    """Offer clones of an own token."""
    view, currency = read_token(trade_clients(one.network), token), Currency.named(flags.currency)
    require_own(one, view)
    fee, expiry = currency.parse(flags.fee), view.block.timestamp + int(flags.days * DAY)
    licence = Licence(
        max_clones=flags.clones,
        fee=fee,
        currency=currency.address,
        royalty_bps=round(flags.royalty_percent * 100),
        may_clone_again=flags.may_clone_again,
        expiry=expiry,
    )
    leases = one.network.agent_leases
    deliver, look = leases.windows(at=view.block.hash)
    quote = {
        **goods_told(one, view),
        "fee": currency.show(fee),
        "clones_at_most": flags.clones,
        "royalty_percent_of_their_sales": flags.royalty_percent,
        "may_be_cloned_again": flags.may_clone_again,
        "offered_until": clock(expiry),
        "you_must": f"deliver within {deliver} s of each order; its buyer has {look} s to look",
        "cannot": NOT_MOVED[0],
        **cost_told(one, leases.set_licence(token, licence)),
    }
    require_agreed(one, "license", quote, is_agreed=is_agreed)
    name = one.unique_key(f"agent.license:{token}")
    traded_in_thread(one, lambda trader: leases_of(one, trader).license(token, licence, name=name))
    told = {"token": token, "fee": currency.show(fee), "clones": flags.clones}
    return one.say({**told, "next": f"who wants one: apogee agent clone {token}"})


def leases_of(one: Actor, trader: Trader) -> LeaseAgent:
    """What a wallet lets, rents, licenses and clones with."""
    return LeaseAgent(one.network.agent_leases, trader.hold, trader.sell, trader.sell.send)


def _say_rented(one: Actor, rented: Rented) -> int:
    currency = Currency(one.network.agent_leases.lease(rented.lease, at=one.at).currency)
    return one.say(
        {
            "lease": rented.lease,
            "token": rented.token,
            "until": clock(rented.until),
            "held": currency.show(rented.held),
            "next": f"give it back early: apogee agent end {rented.lease}",
        }
    )


def _lease(one: Actor, number: int) -> Lease:
    found = one.network.agent_leases.lease(number, at=one.at)
    if not any(found.renter):
        raise SaleNotHere(lease=number)
    if not found.until:
        raise LeaseOver(lease=number)
    return found


def _lease_row(number: int, lease: Lease, now: int) -> Told:
    is_over = now >= lease.until
    return {
        "what": "rental",
        "number": number,
        "token": lease.token,
        "owner": show_address(Address(lease.owner)),
        "other": show_address(Address(lease.renter)),
        "state": "over" if is_over else "runs",
        "until": clock(lease.until),
        "held": Currency(lease.currency).show((lease.until - lease.earned_until) * lease.price),
        "next": f"collect {number}" if is_over else f"end {number}, collect {number}",
    }


def _order_row(number: int, order: CloneOrder, now: int) -> Told:
    is_over, is_there = now >= order.deadline, order.state is OrderState.DELIVERED
    ways = f"clone-take {number}, clone-dispute {number}" if is_there else f"clone-deliver {number}"
    return {
        "what": "clone",
        "number": number,
        "token": order.token,
        "owner": show_address(Address(order.owner)),
        "other": show_address(Address(order.buyer)),
        "state": order.state.name.lower(),
        "until": clock(order.deadline),
        "held": Currency(order.currency).show(order.fee),
        "next": f"clone-settle {number}" if is_over else ways,
    }
