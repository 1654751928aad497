"""Tables of the gateway's book, and what goes between their rows and values."""

import functools
import json
from typing import Any, Final, Protocol

import sqlalchemy as sql

from offchain.gateway.book_model import Attempt, AttemptState, Close, Lane, LaneKey
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope


class Row(Protocol):
    """A row by its columns' names."""

    def __getitem__(self, name: str, /) -> Any: ...


metadata: Final = sql.MetaData()
_AMOUNT: Final = sql.String(32)  # decimal digits: wei do not fit 64 bits

keys: Final = sql.Table(
    "keys",
    metadata,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("digest", sql.LargeBinary(32), unique=True, nullable=False),
    sql.Column("label", sql.String(64), nullable=False),
    sql.Column("terms", sql.Text, nullable=False),
    sql.Column("made_at", sql.BigInteger, nullable=False),
    sql.Column("revoked_at", sql.BigInteger),
    sql.Column("spent", _AMOUNT, nullable=False),
    sql.Column("held", _AMOUNT, nullable=False),
    sql.Column("day", sql.BigInteger, nullable=False),
    sql.Column("day_spent", _AMOUNT, nullable=False),
    sql.Column("last_used", sql.BigInteger, nullable=False),
    sql.Column("origin", sql.LargeBinary(32), unique=True),
)
lanes: Final = sql.Table(
    "lanes",
    metadata,
    sql.Column("provider", sql.LargeBinary(20), primary_key=True),
    sql.Column("token", sql.LargeBinary(20), primary_key=True),
    sql.Column("next_nonce", sql.BigInteger, nullable=False),
    sql.Column("acknowledged", _AMOUNT, nullable=False),
    sql.Column("held", _AMOUNT, nullable=False),
)
attempts: Final = sql.Table(
    "attempts",
    metadata,
    sql.Column("provider", sql.LargeBinary(20), primary_key=True),
    sql.Column("token", sql.LargeBinary(20), primary_key=True),
    sql.Column("nonce", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("owner", sql.String(64), nullable=False),
    sql.Column("state", sql.String(8), nullable=False),
    sql.Column("key", sql.String(32)),
    sql.Column("service", sql.LargeBinary(32), nullable=False),
    sql.Column("price_version", sql.BigInteger, nullable=False),
    sql.Column("cumulative", _AMOUNT, nullable=False),
    sql.Column("cap", _AMOUNT, nullable=False),
    sql.Column("hold", _AMOUNT, nullable=False),
    sql.Column("expiry", sql.BigInteger, nullable=False),
    sql.Column("request_hash", sql.LargeBinary(32), nullable=False),
    sql.Column("opened_at", sql.BigInteger, nullable=False),
    sql.Column("closed_at", sql.BigInteger),
    sql.Column("price", _AMOUNT, nullable=False),
    sql.Column("request_id", sql.LargeBinary(32), index=True),
    sql.Column("receipt", sql.Text),
    sql.Index("attempts_open", "state", "owner"),
)

# Statements are built once: building one takes as long as running it.
SELECT_LANE: Final = (
    sql.select(lanes)
    .where(
        lanes.c.provider == sql.bindparam("of_provider"), lanes.c.token == sql.bindparam("of_token")
    )
    .with_for_update()
)
SELECT_KEY: Final = sql.select(keys).where(keys.c.id == sql.bindparam("of_id")).with_for_update()
SELECT_KEYS: Final = (
    sql.select(keys)
    .where(keys.c.id.in_(sql.bindparam("ids", expanding=True)))
    .order_by(keys.c.id)
    .with_for_update()
)
# Not locked: who looks a key up changes nothing, and digests are in no order.
SELECT_DIGEST: Final = sql.select(keys).where(keys.c.digest == sql.bindparam("of_digest"))
SELECT_ATTEMPT: Final = sql.select(attempts).where(
    attempts.c.provider == sql.bindparam("of_provider"),
    attempts.c.token == sql.bindparam("of_token"),
    attempts.c.nonce == sql.bindparam("of_nonce"),
)
SELECT_PRICES: Final = sql.select(attempts.c.nonce, attempts.c.price).where(
    attempts.c.provider == sql.bindparam("of_provider"),
    attempts.c.token == sql.bindparam("of_token"),
    attempts.c.nonce > sql.bindparam("of_nonce"),
    attempts.c.state == sql.bindparam("of_state"),
)
INSERT_ATTEMPT: Final = sql.insert(attempts)
UPDATE_LANE: Final = (
    sql.update(lanes)
    .where(
        lanes.c.provider == sql.bindparam("of_provider"), lanes.c.token == sql.bindparam("of_token")
    )
    .values(
        next_nonce=sql.bindparam("new_nonce"),
        acknowledged=sql.bindparam("new_acknowledged"),
        held=sql.bindparam("new_held"),
    )
)
UPDATE_KEY: Final = (
    sql.update(keys)
    .where(keys.c.id == sql.bindparam("of_id"))
    .values(
        spent=sql.bindparam("new_spent"),
        held=sql.bindparam("new_held"),
        day=sql.bindparam("new_day"),
        day_spent=sql.bindparam("new_day_spent"),
        last_used=sql.bindparam("new_last_used"),
    )
)
CLOSE_ATTEMPT: Final = (
    sql.update(attempts)
    .where(
        attempts.c.provider == sql.bindparam("of_provider"),
        attempts.c.token == sql.bindparam("of_token"),
        attempts.c.nonce == sql.bindparam("of_nonce"),
    )
    .values(
        state=sql.bindparam("new_state"),
        price=sql.bindparam("new_price"),
        request_id=sql.bindparam("new_request_id"),
        receipt=sql.bindparam("new_receipt"),
        closed_at=sql.bindparam("new_closed_at"),
    )
)


def key_row(record: KeyRecord, digest: bytes, origin: bytes | None) -> dict[str, Any]:
    """A new key's row."""
    return {
        "id": record.id,
        "digest": digest,
        "label": record.label,
        "terms": _terms_text(record.terms),
        "made_at": record.made_at,
        "revoked_at": record.revoked_at,
        "spent": str(record.spent),
        "held": str(record.held),
        "day": record.day,
        "day_spent": str(record.day_spent),
        "last_used": record.last_used,
        "origin": origin,
    }


def record_of(row: Row) -> KeyRecord:
    return KeyRecord(
        id=row["id"],
        label=row["label"],
        terms=_terms_of(row["terms"]),
        made_at=row["made_at"],
        revoked_at=row["revoked_at"],
        spent=int(row["spent"]),
        held=int(row["held"]),
        day=row["day"],
        day_spent=int(row["day_spent"]),
        last_used=row["last_used"],
    )


def spending(record: KeyRecord) -> dict[str, Any]:
    """Parameters of UPDATE_KEY."""
    return {
        "of_id": record.id,
        "new_spent": str(record.spent),
        "new_held": str(record.held),
        "new_day": record.day,
        "new_day_spent": str(record.day_spent),
        "new_last_used": record.last_used,
    }


def lane_row(key: LaneKey, lane: Lane) -> dict[str, Any]:
    """A new lane's row."""
    return {
        "provider": key.provider,
        "token": key.token,
        "next_nonce": lane.next_nonce,
        "acknowledged": str(lane.acknowledged),
        "held": str(lane.held),
    }


def lane_of(row: Row) -> Lane:
    return Lane(row["next_nonce"], int(row["acknowledged"]), int(row["held"]))


def lane_change(key: LaneKey, lane: Lane) -> dict[str, Any]:
    """Parameters of UPDATE_LANE."""
    return {
        "of_provider": key.provider,
        "of_token": key.token,
        "new_nonce": lane.next_nonce,
        "new_acknowledged": str(lane.acknowledged),
        "new_held": str(lane.held),
    }


def attempt_row(one: Attempt, owner: str) -> dict[str, Any]:
    """A new attempt's row."""
    return {
        "provider": one.lane.provider,
        "token": one.lane.token,
        "nonce": one.nonce,
        "owner": owner,
        "state": one.state.value,
        "key": one.key,
        "service": one.service,
        "price_version": one.price_version,
        "cumulative": str(one.cumulative),
        "cap": str(one.cap),
        "hold": str(one.hold),
        "expiry": one.expiry,
        "request_hash": one.request_hash,
        "opened_at": one.opened_at,
        "price": "0",
    }


def attempt_of(row: Row) -> Attempt:
    request_id = row["request_id"]
    return Attempt(
        lane=LaneKey(bytes(row["provider"]), bytes(row["token"])),
        nonce=row["nonce"],
        state=AttemptState(row["state"]),
        key=row["key"],
        service=bytes(row["service"]),
        price_version=row["price_version"],
        cumulative=int(row["cumulative"]),
        cap=int(row["cap"]),
        hold=int(row["hold"]),
        expiry=row["expiry"],
        request_hash=bytes(row["request_hash"]),
        opened_at=row["opened_at"],
        price=int(row["price"]),
        request_id=None if request_id is None else bytes(request_id),
        receipt=row["receipt"],
    )


def closing(close: Close, now: int) -> dict[str, Any]:
    """Parameters of CLOSE_ATTEMPT."""
    state = AttemptState.FAILED if close.receipt is None else AttemptState.DONE
    return {
        "of_provider": close.lane.provider,
        "of_token": close.lane.token,
        "of_nonce": close.nonce,
        "new_state": state.value,
        "new_price": str(close.price),
        "new_request_id": close.request_id,
        "new_receipt": close.receipt,
        "new_closed_at": now,
    }


def _terms_text(terms: KeyTerms) -> str:
    return json.dumps(
        {
            "scopes": sorted(terms.scopes),
            "models": sorted(terms.models),
            "kinds": sorted(terms.kinds),
            "min_level": terms.min_level,
            "simulated": terms.is_simulated_allowed,
            "token": terms.token.hex(),
            "cap_total": None if terms.cap_total is None else str(terms.cap_total),
            "cap_day": None if terms.cap_day is None else str(terms.cap_day),
            "per_second": terms.per_second,
            "expiry": terms.expiry,
        }
    )


@functools.lru_cache(maxsize=1_024)
def _terms_of(text: str) -> KeyTerms:
    kept = json.loads(text)
    total, day = kept["cap_total"], kept["cap_day"]
    return KeyTerms(
        scopes=frozenset(Scope(one) for one in kept["scopes"]),
        models=frozenset(kept["models"]),
        kinds=frozenset(kept["kinds"]),
        min_level=kept["min_level"],
        is_simulated_allowed=kept["simulated"],
        token=bytes.fromhex(kept["token"]),
        cap_total=None if total is None else int(total),
        cap_day=None if day is None else int(day),
        per_second=kept["per_second"],
        expiry=kept["expiry"],
    )
