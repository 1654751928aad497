"""What traders hand each other outside the chain, as JSON text; bounded, strict when read; pure.

  order    {"apogee": "agent-order", "version": 1, "chain_id", "market", "order", "signature"}
  offer    the same with "offer", and "delivery_key", whose hash the offer names
  invite   what a receiver of a gift or clone gives: "receiver", "delivery_key", token and epoch
  proofs   deliveries that oracles signed: what `accept`, `deliver` and `iTransfer` take

Nothing here is believed: the chain checks signatures and states, the client everything it shows.
Names of fields are those that are signed. Source: docs/protocol/agents.md#trading.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic_core import from_json

from offchain.agents.delivery import AccessProof, OwnershipProof, RootWords
from offchain.agents.orders import Offer, OrderKind, SellOrder
from offchain.core.errors import InvalidInput

MAX_TEXT_BYTES: Final = 65_536
MAX_PROOFS: Final = 4
MAX_WORD: Final = (1 << 256) - 1
MAX_TIME: Final = (1 << 64) - 1
VERSION: Final = 1
Json = dict[str, object]
T = TypeVar("T")
_ORDER_NUMBERS: Final = frozenset(
    ("token", "price", "endPrice", "accountState", "royaltyMax", "minStep", "start", "end", "nonce")
)
_OFFER_NUMBERS: Final = frozenset(("token", "price", "accountState", "expiry", "nonce"))
_ROOTS: Final = (
    *("content_root", "old_key_root", "old_key_commit", "old_location"),
    *("key_root", "key_commit", "location"),
)


class TradeFileBroken(InvalidInput):
    """The text is not an order, an offer, an invite or proofs."""

    code = "agents.trade_file"
    next_step = "Ask whoever gave it for the file again, unchanged."


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """A sell order as it is posted."""

    chain_id: int
    market: bytes
    order: SellOrder
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedOffer:
    """A buyer's offer, with the key that his delivery is to be sealed to."""

    chain_id: int
    market: bytes
    offer: Offer
    delivery_key: bytes
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invite:
    """Where a receiver wants a token's data keys sealed to."""

    chain_id: int
    collection: bytes
    token: int
    epoch: int
    receiver: bytes
    delivery_key: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """One entry's delivery; `access` empty bytes where a locker holds the key."""

    ownership: OwnershipProof
    access: bytes = b""

    def fields(self) -> tuple[object, ...]:
        """As contracts take it: access proof, ownership proof."""
        own = self.ownership
        access = AccessProof(
            own.old_data_hash, own.new_data_hash, own.nonce, own.public_key, self.access
        )
        return (access.fields(), own.fields())


@dataclass(frozen=True, slots=True)
class Proofs:
    """A delivery of all of a token's entries, in their order."""

    chain_id: int
    collection: bytes
    token: int
    epoch: int
    op: int
    receiver: bytes
    proofs: tuple[Proof, ...]


def order_text(signed: SignedOrder) -> str:
    return _text(
        "agent-order",
        {
            "chain_id": signed.chain_id,
            "market": _hex(signed.market),
            "order": _message(signed.order.message()),
            "signature": _hex(signed.signature),
        },
    )


def parse_order_text(text: str | bytes) -> SignedOrder:
    """Raises: TradeFileBroken."""
    found = _read(text, "agent-order")
    values = _fields(found, "order", _ORDER_NUMBERS)
    kind = _number_of(values, "kind")
    if kind not in tuple(OrderKind):
        raise TradeFileBroken(field="kind", value=kind)
    order = SellOrder(
        seller=_bytes_of(values, "seller", 20),
        collection=_bytes_of(values, "collection", 20),
        token=_number_of(values, "token"),
        kind=OrderKind(kind),
        price=_number_of(values, "price"),
        end_price=_number_of(values, "endPrice"),
        currency=_bytes_of(values, "currency", 20),
        data_root=_bytes_of(values, "dataRoot", 32),
        account=_bytes_of(values, "account", 20),
        account_state=_number_of(values, "accountState"),
        royalty_max=_number_of(values, "royaltyMax"),
        min_step=_number_of(values, "minStep"),
        start=_number_of(values, "start"),
        end=_number_of(values, "end"),
        nonce=_number_of(values, "nonce"),
        taker=_bytes_of(values, "taker", 20),
    )
    return SignedOrder(
        _number_of(found, "chain_id"),
        _bytes_of(found, "market", 20),
        order,
        _bytes_of(found, "signature", None),
    )


def offer_text(signed: SignedOffer) -> str:
    return _text(
        "agent-offer",
        {
            "chain_id": signed.chain_id,
            "market": _hex(signed.market),
            "offer": _message(signed.offer.message()),
            "delivery_key": _hex(signed.delivery_key),
            "signature": _hex(signed.signature),
        },
    )


def parse_offer_text(text: str | bytes) -> SignedOffer:
    """Raises: TradeFileBroken."""
    found = _read(text, "agent-offer")
    values = _fields(found, "offer", _OFFER_NUMBERS)
    offer = Offer(
        buyer=_bytes_of(values, "buyer", 20),
        collection=_bytes_of(values, "collection", 20),
        token=_number_of(values, "token"),
        price=_number_of(values, "price"),
        currency=_bytes_of(values, "currency", 20),
        data_root=_bytes_of(values, "dataRoot", 32),
        account=_bytes_of(values, "account", 20),
        account_state=_number_of(values, "accountState"),
        key_hash=_bytes_of(values, "keyHash", 32),
        expiry=_number_of(values, "expiry"),
        nonce=_number_of(values, "nonce"),
    )
    return SignedOffer(
        _number_of(found, "chain_id"),
        _bytes_of(found, "market", 20),
        offer,
        _bytes_of(found, "delivery_key", 64),
        _bytes_of(found, "signature", None),
    )


def invite_text(invite: Invite) -> str:
    return _text(
        "agent-invite",
        {
            "chain_id": invite.chain_id,
            "collection": _hex(invite.collection),
            "token": str(invite.token),
            "epoch": invite.epoch,
            "receiver": _hex(invite.receiver),
            "delivery_key": _hex(invite.delivery_key),
        },
    )


def parse_invite_text(text: str | bytes) -> Invite:
    """Raises: TradeFileBroken."""
    found = _read(text, "agent-invite")
    return Invite(
        _number_of(found, "chain_id"),
        _bytes_of(found, "collection", 20),
        _number_of(found, "token"),
        _number_of(found, "epoch"),
        _bytes_of(found, "receiver", 20),
        _bytes_of(found, "delivery_key", 64),
    )


def proofs_text(proofs: Proofs) -> str:
    return _text(
        "agent-proofs",
        {
            "chain_id": proofs.chain_id,
            "collection": _hex(proofs.collection),
            "token": str(proofs.token),
            "epoch": proofs.epoch,
            "op": proofs.op,
            "receiver": _hex(proofs.receiver),
            "proofs": [_proof_json(one) for one in proofs.proofs],
        },
    )


def parse_proofs_text(text: str | bytes) -> Proofs:
    """Raises: TradeFileBroken."""
    found = _read(text, "agent-proofs")
    listed = found.get("proofs")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_PROOFS:
        raise TradeFileBroken(field="proofs")
    return Proofs(
        chain_id=_number_of(found, "chain_id"),
        collection=_bytes_of(found, "collection", 20),
        token=_number_of(found, "token"),
        epoch=_number_of(found, "epoch"),
        op=_number_of(found, "op"),
        receiver=_bytes_of(found, "receiver", 20),
        proofs=tuple(_proof(one) for one in listed),
    )


def _proof_json(one: Proof) -> Json:
    own = one.ownership
    return {
        "old_data_hash": _hex(own.old_data_hash),
        "new_data_hash": _hex(own.new_data_hash),
        "sealed_key": _hex(own.sealed_key),
        "delivery_key": _hex(own.public_key),
        "nonce": _hex(own.nonce),
        **{name: _hex(getattr(own.roots, name)) for name in _ROOTS},
        "deadline": own.deadline,
        "signatures": [_hex(each) for each in own.signatures],
        "access": _hex(one.access),
    }


def _proof(found: object) -> Proof:
    fields = _object(found, "proof")
    signatures = fields.get("signatures")
    if not isinstance(signatures, list) or len(signatures) > 5:
        raise TradeFileBroken(field="signatures")
    own = OwnershipProof(
        old_data_hash=_bytes_of(fields, "old_data_hash", 32),
        new_data_hash=_bytes_of(fields, "new_data_hash", 32),
        sealed_key=_bytes_of(fields, "sealed_key", None),
        public_key=_bytes_of(fields, "delivery_key", 64),
        nonce=_bytes_of(fields, "nonce", None),
        roots=RootWords(**{name: _bytes_of(fields, name, 32) for name in _ROOTS}),
        deadline=_number_of(fields, "deadline", most=MAX_TIME),
        signatures=tuple(_raw(one, "signatures", 65) for one in signatures),
    )
    return Proof(own, _bytes_of(fields, "access", None))


def _text(kind: str, fields: Json) -> str:
    return json.dumps({"apogee": kind, "version": VERSION, **fields}, indent=2) + "\n"


def _read(text: str | bytes, kind: str) -> Json:
    if len(text) > MAX_TEXT_BYTES:
        raise TradeFileBroken(bytes=len(text), maximum=MAX_TEXT_BYTES)
    try:
        raw = text if isinstance(text, bytes) else text.encode()
        found = _object(from_json(raw, allow_inf_nan=False), "json")
    except ValueError as error:
        raise TradeFileBroken(field="json") from error
    if found.get("apogee") != kind or found.get("version") != VERSION:
        raise TradeFileBroken(expected=kind, found=str(found.get("apogee"))[:40])
    return found


def _message(values: Mapping[str, int | bytes]) -> Json:
    """Numbers as decimal text: some are longer than a JSON number is safe."""
    return {
        name: str(int(value)) if isinstance(value, int) else _hex(value)
        for name, value in values.items()
    }


def _fields(found: Json, name: str, numbers: frozenset[str]) -> Json:
    fields = _object(found.get(name), name)
    missing = numbers - set(fields)
    if missing:
        raise TradeFileBroken(field=min(missing))
    return fields


def _object(found: object, name: str) -> Json:
    if not isinstance(found, dict):
        raise TradeFileBroken(field=name)
    return found


def _number_of(fields: Mapping[str, object], name: str, *, most: int = MAX_WORD) -> int:
    found = fields.get(name)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 78:
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise TradeFileBroken(field=name)
    return found


def _bytes_of(fields: Mapping[str, object], name: str, length: int | None) -> bytes:
    return _raw(fields.get(name), name, length)


def _raw(found: object, name: str, length: int | None) -> bytes:
    if not isinstance(found, str) or not found.startswith("0x") or len(found) > 2_050:
        raise TradeFileBroken(field=name)
    try:
        raw = bytes.fromhex(found[2:])
    except ValueError as error:
        raise TradeFileBroken(field=name) from error
    if length is not None and len(raw) != length:
        raise TradeFileBroken(field=name, bytes=len(raw), expected=length)
    return raw


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
