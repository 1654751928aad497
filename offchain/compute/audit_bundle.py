"""What a provider shows a committee: each drawn answer, its place in the batch, what it is made of.

  bundle  RFC 8785 JSON {"version": 1, "audit": decimal, "answers": [...]}; the chain keeps
          keccak(T_BUNDLE || bytes)
  answer  {"draw", "index", "item": 8 words, "item_path", "leaf", "receipt": 16 words, "signature",
           "leaf_path", "evidence": null | {"route", "answer": base64, "leaf_hashes": [...],
           "header", "voucher_digest", "body": base64 | null, "leaves": [...] | null}}

`index` counts the batch's items, `leaf` the item's receipts; paths are as courts take them
(`SumTree.path_bytes`); what is no number is hexadecimal. Body and leaves are there when the buyer
allowed it. Source: docs/protocol/compute.md#audits.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import rfc8785
from pydantic_core import from_json

from offchain.compute.answers import Route
from offchain.compute.batch import SettledItem, parse_receipt
from offchain.compute.batch_shelf import Opened
from offchain.compute.evidence import Evidence
from offchain.compute.model import SignedReceipt
from offchain.compute.sum_tree import SUM_BYTES, PathMismatch, SumNode, receipt_leaf, root_of
from offchain.core.errors import Rejected
from offchain.core.hashing import DIGEST_BYTES, TAG_COMPUTE_BUNDLE, Digest, keccak

VERSION: Final = 1
MAX_BUNDLE_BYTES: Final = 64 << 20
MAX_ANSWERS: Final = 4_096
LEVEL_BYTES: Final = DIGEST_BYTES + 2 * SUM_BYTES
ITEM_WORDS: Final = 8
_WORD: Final = 32


class BundleBroken(Rejected):
    """What a provider showed a committee is not what it bound itself to, or makes no sense."""

    code = "compute.bundle.broken"
    next_step = "Vote that every draw failed: the provider did not open its answers."


@dataclass(frozen=True, slots=True)
class Interval:
    """Units of a batch that one answer was paid by: `first` up to but without `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class ShownEvidence:
    """What an answer is made of, as far as its buyer lets auditors see it."""

    route: Route
    answer: bytes = field(repr=False)
    leaf_hashes: tuple[bytes, ...] = field(repr=False)
    header: bytes = field(repr=False)
    voucher_digest: bytes
    body: bytes | None = field(repr=False)
    leaves: tuple[bytes, ...] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One receipt that a draw fell on."""

    draw: int
    index: int
    item: SettledItem
    item_path: bytes
    leaf: int
    signed: SignedReceipt
    leaf_path: bytes
    evidence: ShownEvidence | None

    @classmethod
    def of(
        cls, draw: int, opened: Opened, place: tuple[int, int], evidence: Evidence | None
    ) -> "ShownAnswer":
        """`place`: index of the item and of its leaf."""
        index, leaf = place
        item = opened.items[index]
        return cls(
            draw=draw,
            index=index,
            item=item.settled,
            item_path=opened.tree.path_bytes(index),
            leaf=leaf,
            signed=item.leaves[leaf],
            leaf_path=item.tree.path_bytes(leaf),
            evidence=None if evidence is None else _shown(evidence),
        )

    @property
    def leaf_hash(self) -> bytes:
        return receipt_leaf(self.signed.receipt, self.signed.signature).hash

    def interval(self, *, root: bytes, items: int) -> Interval:
        """Its place in a batch of so many items with this root. Raises: BundleBroken."""
        leaf = receipt_leaf(self.signed.receipt, self.signed.signature)
        item = self.item
        inner = _climb(leaf, self.leaf, item.leaf_count, self.leaf_path)
        outer = _climb(item.leaf(), self.index, items, self.item_path)
        if inner.root != SumNode(item.leaves_root, item.amount) or outer.root.hash != root:
            raise BundleBroken(part="path", draw=self.draw)
        first = outer.first + inner.first
        return Interval(first, first + leaf.total)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything shown for one audit."""

    audit: int
    answers: tuple[ShownAnswer, ...]

    def of_draw(self, number: int) -> tuple[ShownAnswer, ...]:
        return tuple(one for one in self.answers if one.draw == number)


@dataclass(frozen=True, slots=True)
class Climbed:
    """Where a path leads, and how much lies to the left of its leaf."""

    root: SumNode
    first: int


def bundle_digest(raw: bytes) -> Digest:
    """What the chain keeps of a bundle."""
    return keccak(TAG_COMPUTE_BUNDLE, raw)


def pack_bundle(bundle: Bundle) -> bytes:
    """The bytes that the committee fetches."""
    answers = [_answer_json(one) for one in bundle.answers]
    return rfc8785.dumps(
        {"version": VERSION, "audit": str(bundle.audit), "answers": answers}  # type: ignore[dict-item]  # rfc8785 types its input as one recursive union
    )


def parse_bundle(raw: bytes, *, digest: bytes) -> Bundle:
    """Raises: BundleBroken."""
    if len(raw) > MAX_BUNDLE_BYTES or bundle_digest(raw) != digest:
        raise BundleBroken(part="digest", bytes=len(raw))
    try:
        found = from_json(raw)
        shown = found["answers"]
        if found["version"] != VERSION or len(shown) > MAX_ANSWERS:
            raise BundleBroken(part="version", answers=len(shown))
        return Bundle(int(found["audit"]), tuple(_answer_of(one) for one in shown))
    except (ValueError, KeyError, TypeError, AttributeError, Rejected) as error:
        if isinstance(error, BundleBroken):
            raise
        raise BundleBroken(part="form", error=type(error).__name__) from error


def _climb(leaf: SumNode, index: int, count: int, path: bytes) -> Climbed:
    """Follow a path as courts take it. Raises: BundleBroken."""
    if len(path) % LEVEL_BYTES:
        raise BundleBroken(part="path", length=len(path))
    siblings = []
    for at in range(0, len(path), LEVEL_BYTES):
        total = int.from_bytes(path[at + DIGEST_BYTES : at + DIGEST_BYTES + SUM_BYTES], "big")
        siblings.append(SumNode(path[at : at + DIGEST_BYTES], total))
    try:
        root = root_of(leaf, index, count, siblings)
    except PathMismatch as error:
        raise BundleBroken(part="path", index=index, count=count) from error
    first, rest = 0, iter(siblings)
    while count > 1:
        if index ^ 1 < count:
            sibling = next(rest)
            first += sibling.total if index & 1 else 0
        index, count = index >> 1, (count + 1) >> 1
    return Climbed(root, first)


def _shown(evidence: Evidence) -> ShownEvidence:
    return ShownEvidence(
        route=evidence.route,
        answer=evidence.answer,
        leaf_hashes=evidence.leaf_hashes,
        header=evidence.header,
        voucher_digest=evidence.voucher_digest,
        body=evidence.body,
        leaves=evidence.leaves,
    )


def _answer_json(one: ShownAnswer) -> dict[str, object]:
    evidence = one.evidence
    return {
        "draw": one.draw,
        "index": one.index,
        "item": one.item.words().hex(),
        "item_path": one.item_path.hex(),
        "leaf": one.leaf,
        "receipt": one.signed.receipt.struct_words().hex(),
        "signature": one.signed.signature.hex(),
        "leaf_path": one.leaf_path.hex(),
        "evidence": None if evidence is None else _evidence_json(evidence),
    }


def _evidence_json(one: ShownEvidence) -> dict[str, object]:
    return {
        "route": one.route.value,
        "answer": _text(one.answer),
        "leaf_hashes": _hexes(one.leaf_hashes),
        "header": one.header.hex(),
        "voucher_digest": one.voucher_digest.hex(),
        "body": None if one.body is None else _text(one.body),
        "leaves": None if one.leaves is None else _hexes(one.leaves),
    }


def _answer_of(found: Mapping[str, Any]) -> ShownAnswer:
    receipt = parse_receipt(bytes.fromhex(found["receipt"]))
    shown = found["evidence"]
    numbers = [found[name] for name in ("draw", "index", "leaf")]
    if not all(type(one) is int and 0 <= one < 1 << 32 for one in numbers):
        raise BundleBroken(part="place")
    return ShownAnswer(
        draw=found["draw"],
        index=found["index"],
        item=_item_of(bytes.fromhex(found["item"])),
        item_path=bytes.fromhex(found["item_path"]),
        leaf=found["leaf"],
        signed=SignedReceipt(receipt, bytes.fromhex(found["signature"])),
        leaf_path=bytes.fromhex(found["leaf_path"]),
        evidence=None if shown is None else _evidence_of(shown),
    )


def _evidence_of(found: Mapping[str, Any]) -> ShownEvidence:
    body, leaves = found["body"], found["leaves"]
    return ShownEvidence(
        route=Route(found["route"]),
        answer=base64.b64decode(found["answer"], validate=True),
        leaf_hashes=_raws(found["leaf_hashes"]),
        header=bytes.fromhex(found["header"]),
        voucher_digest=bytes.fromhex(found["voucher_digest"]),
        body=None if body is None else base64.b64decode(body, validate=True),
        leaves=None if leaves is None else _raws(leaves),
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _hexes(found: Sequence[bytes]) -> list[str]:
    return [one.hex() for one in found]


def _raws(found: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(one) for one in found)


def _item_of(raw: bytes) -> SettledItem:
    """Raises: BundleBroken unless these are an item's words exactly."""
    number = [int.from_bytes(raw[at : at + _WORD], "big") for at in range(0, len(raw), _WORD)]
    if len(raw) != ITEM_WORDS * _WORD or number[0] >> 160:
        raise BundleBroken(part="item", length=len(raw))
    version, first, last, amount, claimed, count = number[1:7]
    root = raw[7 * _WORD :]
    return SettledItem(raw[12:_WORD], version, first, last, amount, claimed, count, root)
