"""What a provider shows: its offer to everybody, money and proofs to whom they concern.

Leaves go to their payer, the bundle of an audit to its committee, a receipt to its payer or to the
key that signed for him. Source: docs/protocol/compute.md#provider.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from offchain.compute.asks import asker_of
from offchain.compute.batch import BatchItem
from offchain.compute.batch_shelf import BatchShelf, Opened
from offchain.compute.errors import AskMalformed, AskRejected, BatchUnknown
from offchain.compute.forms import receipt_json, show
from offchain.compute.model import Receipt
from offchain.compute.reserve import ReservationBook
from offchain.compute.serve import Serve
from offchain.compute.terms_watch import Terms, TermsWatch

Json = Mapping[str, object]
MAX_DIGITS: Final = 20


class AuditDesk(Protocol):
    """What a provider has sealed for auditors."""

    async def bundle(self, audit: int, asker: bytes) -> bytes:
        """The bundle of an audit, for a member of its committee.

        Raises: BatchUnknown, AskRejected.
        """
        ...


class NoAudits:
    """An `AuditDesk` of a provider that no audit was drawn for."""

    async def bundle(self, audit: int, asker: bytes) -> bytes:
        del asker
        raise BatchUnknown(audit=audit)


class ShowProvider:
    """Views of one provider."""

    def __init__(
        self,
        provider: bytes,
        watch: TermsWatch,
        book: ReservationBook,
        serve: Serve,
        batches: BatchShelf,
        audits: AuditDesk | None = None,
    ) -> None:
        self._provider = provider
        self._watch = watch
        self._book = book
        self._serve = serve
        self._batches = batches
        self._audits = audits or NoAudits()

    def asker(self, header: str | None, target: str) -> bytes:
        """Who asks. Raises: AskMalformed, AskRejected."""
        return asker_of(header, self._provider, self._watch.time.now(), target)

    def models(self) -> Json:
        """OpenAI's list of models, one a service, with its price. Raises: TermsUnread."""
        reading = self._watch.reading()
        return {"object": "list", "data": [self._model(one) for one in reading.terms.values()]}

    def levels(self) -> Json:
        """The level of each service at one block, and what it rests on. Raises: TermsUnread."""
        reading = self._watch.reading()
        return {
            "block": reading.block,
            "services": [self._evidence(one) for one in reading.terms.values()],
        }

    def purse(self, payer: bytes, token: bytes) -> Json:
        """What is open between a payer and this provider."""
        acked = self._book.acknowledged(payer, token)
        return {
            "payer": show(payer),
            "token": show(token),
            "spent": str(self._book.spent(payer, token)),
            "owed": str(self._book.owed(payer, token)),
            "acknowledged": str(0 if acked is None else acked.voucher.cumulative),
            "nextNonce": self._book.next_nonce(payer, token),
        }

    async def own_purse(self, asker: bytes, payer: str, token: str) -> Json:
        """A purse for its payer or for a key that signs for him. Raises: AskRejected."""
        who, paid = _raw(payer, 20), _raw(token, 20)
        keys = {line.key for line in self._book.unsettled(who, paid)}
        if asker not in {who, *keys}:
            raise AskRejected(reason="payer")
        return self.purse(who, paid)

    async def receipt(self, request_id: str, asker: bytes) -> Json:
        """A receipt with its signature. Raises: ReceiptUnknown, AskRejected."""
        seal = await self._serve.receipt(_raw(request_id, 32), asker)
        return {
            "receipt": receipt_json(seal.signed.receipt),
            "signature": show(seal.signed.signature),
            "level": int(seal.verifiability.level),
            "simulated": seal.verifiability.is_simulated,
        }

    async def leaves(self, batch: str, asker: bytes) -> Json:
        """A payer's items of a batch. Raises: BatchUnknown."""
        opened = await asyncio.to_thread(self._batches.opened, _number(batch))
        mine = [
            item_json(opened, index)
            for index, item in enumerate(opened.items)
            if item.payer == asker
        ]
        if not mine:
            raise BatchUnknown(batch=batch[:MAX_DIGITS])
        return {"batch": opened.posted.id, "root": show(opened.posted.root), "items": mine}

    async def bundle(self, audit: str, asker: bytes) -> bytes:
        """The bundle of an audit. Raises: BatchUnknown, AskRejected."""
        return await self._audits.bundle(_number(audit), asker)

    def _evidence(self, terms: Terms) -> dict[str, object]:
        key = self._serve.encryption_key
        return {**_level_json(terms), "encryption_key": None if key is None else show(key)}

    def _model(self, terms: Terms) -> dict[str, object]:
        service, row = terms.service, terms.newest
        facts = self._serve.engines[service.id].facts()
        return {
            "id": facts.name,
            "object": "model",
            "created": 0 if row is None else row.valid_from,
            "owned_by": show(service.provider),
            "apogee": {
                "service": show(service.id),
                "kind": service.kind.name.lower(),
                "serving": terms.is_serving,
                "limits": {
                    "input": service.limits.max_input,
                    "output": service.limits.max_output,
                    "concurrency": service.limits.concurrency,
                },
                "price": None
                if row is None
                else {
                    "version": row.version,
                    "token": show(row.token),
                    "input": str(row.input_price),
                    "output": str(row.output_price),
                    "request": str(row.request_price),
                    "per": 1_000_000,
                },
                **_level_json(terms),
            },
        }


def _level_json(terms: Terms) -> dict[str, object]:
    service, found = terms.service, terms.verifiability
    return {
        "service": show(service.id),
        "model_hash": show(service.model_hash),
        "numerics": service.numerics.name,
        "signer": show(terms.signer),
        "level": int(found.level),
        "simulated": found.is_simulated,
        "until": found.until,
        "attestation": show(terms.attestation_id) if any(terms.attestation_id) else None,
    }


def item_json(opened: Opened, index: int) -> dict[str, object]:
    item = opened.items[index]
    return {
        "index": index,
        "item": {
            "payer": show(item.payer),
            "priceVersion": item.price_version,
            "firstNonce": item.first_nonce,
            "lastNonce": item.last_nonce,
            "amount": str(item.amount),
            "claimed": str(item.claimed),
            "leafCount": item.tree.count,
            "leavesRoot": show(item.tree.root.hash),
        },
        "path": show(opened.tree.path_bytes(index)),
        "leaves": _leaves_json(item),
    }


def _leaves_json(item: BatchItem) -> list[dict[str, object]]:
    return [
        {
            "receipt": receipt_json(one.receipt),
            "signature": show(one.signature),
            "path": show(item.tree.path_bytes(position)),
        }
        for position, one in enumerate(item.leaves)
    ]


def leaf_of(opened: Opened, index: int, leaf: int) -> tuple[Receipt, bytes, bytes]:
    """Receipt, signature and path of one leaf of a taken item. Raises: BatchUnknown."""
    if not (0 <= index < len(opened.items) and 0 <= leaf < len(opened.items[index].leaves)):
        raise BatchUnknown(batch=opened.posted.id, index=index, leaf=leaf)
    item = opened.items[index]
    return item.leaves[leaf].receipt, item.leaves[leaf].signature, item.tree.path_bytes(leaf)


def _raw(text: str, size: int) -> bytes:
    """Bytes in a path or a query. Raises: AskMalformed."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise AskMalformed(value=text[:80]) from error
    if len(raw) != size:
        raise AskMalformed(value=text[:80])
    return raw


def _number(text: str) -> int:
    """A number in a path. Raises: AskMalformed."""
    if not text.isascii() or not text.isdigit() or len(text) > 78:
        raise AskMalformed(value=text[:80])
    return int(text)
