"""`apogee key new|list|revoke`: keys that let programs spend this home's money, within caps.

The gateway reads the same book, so a new key works and a revoked one does not from the next
request on. A key is shown once; the book keeps its SHA-256.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.exit_codes import ExitCode
from offchain.apps.gateway_compute import open_book
from offchain.apps.home import Home
from offchain.apps.output import print_json, print_result, print_table, say
from offchain.apps.settings import GatewaySettings, read_settings
from offchain.compute.model import Kind, Level
from offchain.core.errors import InvalidInput
from offchain.core.units import DAY
from offchain.gateway.access import MADE_PREFIX, digest_of
from offchain.gateway.book import Book, NewKey
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope, require_label

ID_BYTES: Final = 6


class KeyWordUnknown(InvalidInput):
    """A scope, kind or level that there is none of."""

    code = "key.word_unknown"
    next_step = "Scopes: da, compute, storage. Kinds: chat, embedding. Levels: none, audited, .."


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What was typed."""

    label: str
    scopes: tuple[str, ...]
    cap: str | None
    cap_day: str | None
    days: float | None
    models: tuple[str, ...]
    kinds: tuple[str, ...]
    level: str
    rate: float | None
    allows_simulated: bool


def new(home: Home, wish: KeyWish, *, as_json: bool) -> int:
    """Make a key and show it, this once."""
    terms = _terms(wish, now := int(time.time()))
    key = MADE_PREFIX + secrets.token_hex(32)
    digest = digest_of(key)
    record = KeyRecord(f"k_{secrets.token_hex(ID_BYTES)}", require_label(wish.label), terms, now)
    book = _book(home)
    try:
        book.add(NewKey(record, digest))
    finally:
        book.close()
    print_result({"key": key, **described(record)}, as_json=as_json)
    say("the key is not shown again")
    return ExitCode.DONE


def show_all(home: Home, *, as_json: bool) -> int:
    """Every key of the book, without the keys."""
    book = _book(home)
    try:
        records = [described(one) for one in book.all_keys()]
    finally:
        book.close()
    if as_json:
        print_json({"keys": records})
        return ExitCode.DONE
    columns = ("id", "label", "scopes", "state", "spent", "held", "cap", "cap_day", "expires")
    print_table("", columns, [[one[name] for name in columns] for one in records])
    return ExitCode.DONE


def revoke(home: Home, key: str, *, as_json: bool) -> int:
    """From the next request on the key opens nothing."""
    book = _book(home)
    try:
        record = book.revoke(key)
    finally:
        book.close()
    print_result(described(record), as_json=as_json)
    return ExitCode.DONE


def described(record: KeyRecord) -> dict[str, object]:
    """A key for people and programs; amounts in coins."""
    terms = record.terms
    state = "usable"
    if record.revoked_at is not None:
        state = "revoked"
    elif terms.expiry is not None and time.time() >= terms.expiry:
        state = "expired"
    return {
        "id": record.id,
        "label": record.label,
        "state": state,
        "scopes": ",".join(sorted(terms.scopes)),
        "models": ",".join(sorted(terms.models)) or "all",
        "kinds": ",".join(sorted(Kind(one).name.lower() for one in terms.kinds)) or "all",
        "min_level": Level(terms.min_level).name,
        "cap": _shown(terms.cap_total),
        "cap_day": _shown(terms.cap_day),
        "spent": show_amount(record.spent),
        "held": show_amount(record.held),
        "rate": terms.per_second,
        "expires": _date(terms.expiry),
        "last_used": _date(record.last_used or None),
    }


def _terms(wish: KeyWish, now: int) -> KeyTerms:
    """Raises: KeyWordUnknown, AmountInvalid, KeyTermsInvalid."""
    try:
        return KeyTerms(
            scopes=frozenset(Scope(one.lower()) for one in wish.scopes),
            models=frozenset(one.lower() for one in wish.models),
            kinds=frozenset(int(Kind[one.upper()]) for one in wish.kinds),
            min_level=int(Level[wish.level.upper()]),
            is_simulated_allowed=wish.allows_simulated,
            cap_total=None if wish.cap is None else parse_amount(wish.cap),
            cap_day=None if wish.cap_day is None else parse_amount(wish.cap_day),
            per_second=wish.rate,
            expiry=None if wish.days is None else now + int(wish.days * DAY),
        )
    except (KeyError, ValueError) as error:
        raise KeyWordUnknown(word=str(error)[:80]) from error


def _book(home: Home) -> Book:
    settings = read_settings(GatewaySettings, home=home.root)
    url = settings.book_url
    return open_book(home, None if url is None else url.get_secret_value())


def _shown(cap: int | None) -> str | None:
    return None if cap is None else show_amount(cap)


def _date(moment: int | None) -> str | None:
    if moment is None:
        return None
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment))
