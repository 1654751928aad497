"""What oracles and their clients say to each other, in bytes; bounded, and strict when read; pure.

  order        JSON object of its fields; bytes as hex, numbers as numbers
  commitment   {"signer", "key", "commitment", "signature"}
  share        {"sender", "receiver", "sealed"}
  parcel       u32 length of JSON || JSON || a file of any length, to the end

A parcel carries the old file to an oracle with the wish to derive, and the new one back.
Source: docs/protocol/agents.md#delivery-oracle.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import from_json

from offchain.agents.oracle_errors import OracleFormBroken
from offchain.agents.oracle_ports import (
    DELIVERY_KEY_BYTES,
    KEY_BYTES,
    MAX_FILE_BYTES,
    MAX_SIGNERS,
    Commitment,
    DataEntry,
    Derived,
    DeriveWish,
    Op,
    Order,
    Share,
)
from offchain.core.ecdsa import SIGNATURE_BYTES
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.typed_data import ADDRESS_BYTES

MAX_WORDS_BYTES: Final = 16_384  # of any message without its file
MAX_PARCEL_BYTES: Final = 4 + MAX_WORDS_BYTES + MAX_FILE_BYTES
MAX_SEALED_BYTES: Final = 256
MAX_SEALED_KEY_BYTES: Final = 512
MAX_NUMBER: Final = (1 << 96) - 1
Json = dict[str, object]
_ENTRY: Final = ("data_hash", "content_root", "key_root", "key_commit", "location")


def dump(value: object) -> bytes:
    """JSON as it is sent."""
    return json.dumps(value, separators=(",", ":")).encode()


def order_json(order: Order) -> Json:
    return {
        "chain_id": order.chain_id,
        "verifier": order.verifier.hex(),
        "collection": order.collection.hex(),
        "token": str(order.token),
        "epoch": order.epoch,
        "op": int(order.op),
        "receiver": order.receiver.hex(),
        "old": {name: getattr(order.old, name).hex() for name in _ENTRY},
        "delivery_key": order.delivery_key.hex(),
        "nonce": order.nonce.hex(),
        "deadline": order.deadline,
        "signers": [one.hex() for one in order.signers],
    }


def commitment_json(one: Commitment) -> Json:
    return {
        "signer": one.signer.hex(),
        "key": one.key.hex(),
        "commitment": one.commitment.hex(),
        "signature": one.signature.hex(),
    }


def share_json(one: Share) -> Json:
    return {
        "sender": one.sender.hex(),
        "receiver": one.receiver.hex(),
        "sealed": one.sealed.hex(),
    }


def wish_json(wish: DeriveWish) -> Json:
    return {
        "order": order_json(wish.order),
        "commitments": [commitment_json(one) for one in wish.commitments],
        "shares": [share_json(one) for one in wish.shares],
        "old_key": wish.old_key.hex(),
        "wants_file": wish.wants_file,
    }


def derived_json(found: Derived) -> Json:
    return {
        "new_data_hash": found.new_data_hash.hex(),
        "key_root": found.key_root.hex(),
        "key_commit": found.key_commit.hex(),
        "sealed_key": found.sealed_key.hex(),
    }


def parcel(words: Json, file: bytes = b"") -> bytes:
    """A message and a file in one body."""
    head = dump(words)
    return len(head).to_bytes(4, "big") + head + file


def open_parcel(raw: bytes) -> tuple[Json, bytes]:
    """Raises: OracleFormBroken."""
    length = int.from_bytes(raw[:4], "big")
    if len(raw) < 4 + length or length > MAX_WORDS_BYTES or len(raw) > MAX_PARCEL_BYTES:
        raise OracleFormBroken(part="parcel", bytes=len(raw))
    return read_object(raw[4 : 4 + length]), raw[4 + length :]


def read_object(raw: bytes) -> Json:
    """A JSON object of a bounded length. Raises: OracleFormBroken."""
    if len(raw) > MAX_WORDS_BYTES:
        raise OracleFormBroken(bytes=len(raw), maximum=MAX_WORDS_BYTES)
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise OracleFormBroken(part="json") from error
    return _object(found, "json")


def parse_order(found: object) -> Order:
    """Raises: OracleFormBroken."""
    fields = _object(found, "order")
    old = _object(fields.get("old"), "old")
    signers = _list(fields.get("signers"), "signers", MAX_SIGNERS)
    op = _number(fields, "op")
    if op not in tuple(Op):
        raise OracleFormBroken(part="op", value=op)
    return Order(
        chain_id=_number(fields, "chain_id"),
        verifier=_hex(fields, "verifier", ADDRESS_BYTES),
        collection=_hex(fields, "collection", ADDRESS_BYTES),
        token=_number(fields, "token"),
        epoch=_number(fields, "epoch"),
        op=Op(op),
        receiver=_hex(fields, "receiver", ADDRESS_BYTES),
        old=DataEntry(**{name: _hex(old, name, DIGEST_BYTES) for name in _ENTRY}),
        delivery_key=_hex(fields, "delivery_key", DELIVERY_KEY_BYTES),
        nonce=_hex(fields, "nonce", DIGEST_BYTES),
        deadline=_number(fields, "deadline"),
        signers=tuple(_raw(one, "signers", ADDRESS_BYTES) for one in signers),
    )


def parse_commitment(found: object) -> Commitment:
    """Raises: OracleFormBroken."""
    fields = _object(found, "commitment")
    return Commitment(
        signer=_hex(fields, "signer", ADDRESS_BYTES),
        key=_hex(fields, "key", KEY_BYTES),
        commitment=_hex(fields, "commitment", DIGEST_BYTES),
        signature=_hex(fields, "signature", SIGNATURE_BYTES),
    )


def parse_commitments(found: object) -> tuple[Commitment, ...]:
    """Raises: OracleFormBroken."""
    return tuple(parse_commitment(one) for one in _list(found, "commitments", MAX_SIGNERS))


def parse_shares(found: object) -> tuple[Share, ...]:
    """Raises: OracleFormBroken."""
    return tuple(_share(one) for one in _list(found, "shares", MAX_SIGNERS))


def parse_wish(fields: Mapping[str, object]) -> DeriveWish:
    """Raises: OracleFormBroken."""
    wants_file = fields.get("wants_file")
    if not isinstance(wants_file, bool):
        raise OracleFormBroken(part="wants_file")
    return DeriveWish(
        order=parse_order(fields.get("order")),
        commitments=parse_commitments(fields.get("commitments")),
        shares=parse_shares(fields.get("shares")),
        old_key=_hex(fields, "old_key", None),
        wants_file=wants_file,
    )


def parse_derived(fields: Mapping[str, object]) -> Derived:
    """Raises: OracleFormBroken."""
    return Derived(
        new_data_hash=_hex(fields, "new_data_hash", DIGEST_BYTES),
        key_root=_hex(fields, "key_root", DIGEST_BYTES),
        key_commit=_hex(fields, "key_commit", DIGEST_BYTES),
        sealed_key=_hex(fields, "sealed_key", None, MAX_SEALED_KEY_BYTES),
    )


def parse_location(fields: Mapping[str, object]) -> bytes:
    """Raises: OracleFormBroken."""
    return _hex(fields, "location", DIGEST_BYTES)


def parse_signature(fields: Mapping[str, object]) -> bytes:
    """Raises: OracleFormBroken."""
    return _hex(fields, "signature", SIGNATURE_BYTES)


def _share(found: object) -> Share:
    fields = _object(found, "share")
    return Share(
        sender=_hex(fields, "sender", ADDRESS_BYTES),
        receiver=_hex(fields, "receiver", ADDRESS_BYTES),
        sealed=_hex(fields, "sealed", None),
    )


def _object(found: object, part: str) -> Json:
    if not isinstance(found, dict):
        raise OracleFormBroken(part=part)
    return found


def _list(found: object, part: str, most: int) -> Sequence[object]:
    if not isinstance(found, list) or len(found) > most:
        raise OracleFormBroken(part=part)
    return found


def _number(fields: Mapping[str, object], name: str) -> int:
    """A number; a token's, which may be longer than a JSON number is safe, as decimal digits."""
    found = fields.get(name)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 29:
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= MAX_NUMBER:
        raise OracleFormBroken(part=name)
    return found


def _hex(
    fields: Mapping[str, object], name: str, length: int | None, most: int = MAX_SEALED_BYTES
) -> bytes:
    return _raw(fields.get(name), name, length, most)


def _raw(found: object, part: str, length: int | None, most: int = MAX_SEALED_BYTES) -> bytes:
    if not isinstance(found, str) or len(found) > 2 * max(most, length or 0):
        raise OracleFormBroken(part=part)
    try:
        raw = bytes.fromhex(found)
    except ValueError as error:
        raise OracleFormBroken(part=part) from error
    if raw.hex() != found or (length is not None and len(raw) != length):
        raise OracleFormBroken(part=part)
    return raw
