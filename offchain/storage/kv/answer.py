"""What a replica answers about a key, and how a reader checks it; JSON both ways.

  label   hot      promised by this replica's batcher or logged; no proof, seq or root
          logged   by the log as the replica sees it; may change in a reorganisation
          final    by final entries only
  value   base64 of the bytes; kind names what they are; version null while only promised
  root    seq, generation, tree_root, keys, byte_count and digest: the stream root it lies under
  proof   siblings lowest first; `other` is the leaf that an absent key's path ends in

Source: docs/protocol/storage.md#key-value-streams, INV-KV-4.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from offchain.core.bls import InvalidPoint, PublicKey, Signature
from offchain.storage.false_root import SignedRoot
from offchain.storage.kv.cells import Cell, Kind
from offchain.storage.kv.errors import AnswerMalformed, ProofWrong
from offchain.storage.kv.proof import (
    KEY_BITS,
    Leaf,
    Proof,
    StreamRoot,
    key_hash,
    verify_absence,
    verify_presence,
)
from offchain.storage.kv.state import Found

Json = Mapping[str, object]
_U64: Final = 1 << 64


class Label(Enum):
    """How sure an answer is."""

    HOT = "hot"
    LOGGED = "logged"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Answer:
    """A key's cell, or its absence; `root` and `proof` when they were asked for."""

    label: Label
    cell: Cell | None
    root: StreamRoot | None = None
    proof: Proof | None = None


def cell_json(cell: Cell | None) -> dict[str, object]:
    if cell is None:
        return {"value": None, "kind": None, "version": None}
    return {
        "value": base64.b64encode(cell.value).decode(),
        "kind": cell.kind.name.lower(),
        "version": cell.version,
    }


def root_json(root: StreamRoot) -> dict[str, object]:
    return {
        "seq": root.seq,
        "generation": root.generation,
        "tree_root": root.tree_root.hex(),
        "keys": root.keys,
        "byte_count": root.byte_count,
        "digest": root.digest.hex(),
    }


def proof_json(proof: Proof) -> dict[str, object]:
    other = proof.other
    return {
        "siblings": [one.hex() for one in proof.siblings],
        "other": other
        and {
            "key_hash": other.key_hash.hex(),
            "version": other.version,
            "kind": other.kind,
            "value_hash": other.value_hash.hex(),
        },
    }


def found_json(found: Found, label: Label, *, is_proven: bool) -> dict[str, object]:
    """What a replica answers."""
    body = {"label": label.value, **cell_json(found.cell), "root": root_json(found.root)}
    return body | {"proof": proof_json(found.proof)} if is_proven else body


def parse_answer(body: Json, stream: bytes) -> Answer:
    """Read an answer about a key of `stream`. Raises: AnswerMalformed."""
    try:
        root, proof = body.get("root"), body.get("proof")
        return Answer(
            Label(body.get("label")),
            parse_cell(body),
            None if root is None else parse_root(_object(root), stream),
            None if proof is None else _proof(_object(proof)),
        )
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise AnswerMalformed(reason=str(error)[:80]) from error


def verify_answer(answer: Answer, space: int, key: bytes) -> StreamRoot:
    """The root that the answer's proof holds under. Raises: ProofWrong."""
    root, proof = answer.root, answer.proof
    if root is None or proof is None:
        raise ProofWrong(reason="no proof")
    hashed = key_hash(space, key)
    if answer.cell is None:
        is_right = verify_absence(root.tree_root, hashed, proof)
    else:
        leaf = answer.cell.leaf(space, key)
        is_right = verify_presence(root.tree_root, leaf, proof.siblings)
    if not is_right:
        raise ProofWrong(key=key.hex()[:80], seq=root.seq)
    return root


def parse_cell(body: Json) -> Cell | None:
    """Raises: ValueError and its like."""
    value, kind, version = body["value"], body["kind"], body["version"]
    if value is None:
        return None
    if not isinstance(value, str) or not isinstance(kind, str):
        raise TypeError("value")
    number = 0 if version is None else _number(version)
    return Cell(number, Kind[kind.upper()], base64.b64decode(value, validate=True))


def parse_root(body: Json, stream: bytes) -> StreamRoot:
    """Raises: ValueError and its like; AnswerMalformed when the digest is not the root's."""
    root = StreamRoot(
        stream,
        _number(body["seq"]),
        _number(body["generation"]),
        _digest(body["tree_root"]),
        _number(body["keys"]),
        _number(body["byte_count"]),
    )
    if _digest(body["digest"]) != root.digest:
        raise AnswerMalformed(reason="digest of the root")
    return root


def signed_root_json(claim: SignedRoot) -> dict[str, object]:
    """A seat's word for a root."""
    return {
        **root_json(claim.root),
        "group": claim.group,
        "epoch": claim.epoch,
        "key": claim.key.compressed.hex(),
        "signature": claim.signature.compressed.hex(),
    }


def parse_signed_root(body: Json, stream: bytes) -> SignedRoot:
    """Read a seat's word; whether it has signed is not checked. Raises: AnswerMalformed."""
    try:
        return SignedRoot(
            parse_root(body, stream),
            _number(body["group"]),
            _number(body["epoch"]),
            PublicKey.parse(bytes.fromhex(str(body["key"]))),
            Signature.parse(bytes.fromhex(str(body["signature"]))),
        )
    except (ValueError, KeyError, TypeError, InvalidPoint) as error:
        raise AnswerMalformed(reason=str(error)[:80]) from error


def _proof(body: Json) -> Proof:
    siblings = body["siblings"]
    if not isinstance(siblings, list) or len(siblings) > KEY_BITS:
        raise TypeError("siblings")
    other = body["other"]
    return Proof(tuple(map(_digest, siblings)), None if other is None else _leaf(_object(other)))


def _leaf(body: Json) -> Leaf:
    kind = _number(body["kind"])
    if kind > 255:
        raise ValueError("kind")
    return Leaf(
        _digest(body["key_hash"]), _number(body["version"]), kind, _digest(body["value_hash"])
    )


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError("object")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
        raise ValueError("number")
    return value


def _digest(value: object) -> bytes:
    raw = bytes.fromhex(value) if isinstance(value, str) else b""
    if len(raw) != 32:
        raise ValueError("digest")
    return raw
