"""One delivery oracle: with others it makes a key that nobody had, and signs what came of it.

  commit   c = keccak(r ‖ order), signed, beside the enclave's key
  share    r, sealed to each other's enclave and bound to the list of all commitments
  derive   the joint seed of all r; the old file opened and sealed again under the new key
  sign     Delivery, once the new file lies in Apogee storage at the location named

  oracle.journal   LISTED  order id, digest of the list       before a share leaves
                   SIGNED  order id, digest of the Delivery    before the signature

r follows from the enclave's sealing key and the order, so a killed oracle that comes back says the
same again: an order has one seed, and one signature. Nobody learns a key here: the old one comes
sealed to this enclave, the new one leaves sealed to the buyer's. Everything an oracle needs to
trust is on the chain, and is read there: the entry, the epoch, the threshold, and that each enclave
key named is that of an enrolled oracle. Source: docs/protocol/agents.md#delivery-oracle.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from offchain.agents.oracle_errors import (
    CommitmentFalse,
    DeliveryFixed,
    EntryChanged,
    NotDerivedYet,
    OracleBusy,
    OrderRefused,
)
from offchain.agents.oracle_ports import (
    MAX_AHEAD_SECONDS,
    MAX_FILE_BYTES,
    MAX_SIGNERS,
    Commitment,
    Derived,
    DeriveWish,
    OracleLedger,
    Order,
    Share,
)
from offchain.agents.oracle_words import (
    commitment_digest,
    commitment_of,
    list_digest,
    old_key_info,
    open_sealed,
    seal_to,
    share_info,
)
from offchain.agents.recrypt import Engines, Recrypted, delivery_digest, recrypt
from offchain.chain.keys import LocalSigner
from offchain.core.ecdsa import signer_of
from offchain.core.hashing import (
    DIGEST_BYTES,
    TAG_AGENT_ENCLAVE,
    Digest,
    keccak,
)
from offchain.node.journal import Entry, Journal, JournalBroken

LISTED: Final = 1
SIGNED: Final = 2
KEPT_ORDERS: Final = 4_096  # in memory and journal; the oldest are forgotten
KEPT_RESULTS: Final = 64  # derived and not signed yet
AT_ONCE: Final = 2  # bundles in memory
WAITING: Final = 8
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OracleKeys:
    """What an enclave holds, made from its sealing key: the same after every start of its code."""

    signer: LocalSigner
    secret: X25519PrivateKey
    seed: bytes

    @classmethod
    def of(cls, sealing_key: bytes) -> "OracleKeys":
        signer, enclave, seed = (
            keccak(TAG_AGENT_ENCLAVE, what, sealing_key) for what in (b"signer", b"key", b"seed")
        )
        secret = X25519PrivateKey.from_private_bytes(enclave)
        return cls(LocalSigner.from_secret(signer), secret, seed)

    @property
    def public(self) -> bytes:
        """The key that shares and old data keys are sealed to."""
        return self.secret.public_key().public_bytes_raw()

    def share_of(self, order_id: bytes) -> bytes:
        """r, 32 bytes."""
        return keccak(TAG_AGENT_ENCLAVE, b"share", self.seed, order_id)


@dataclass(frozen=True, slots=True)
class OracleParts:
    """The chain, the enclave's keys, the journal, and what computes."""

    ledger: OracleLedger
    keys: OracleKeys
    journal: Journal
    chain_id: int
    verifier: bytes
    engines: Engines


class Oracle:
    """One oracle."""

    def __init__(self, parts: OracleParts) -> None:
        self._parts = parts
        self._listed: dict[bytes, bytes] = {}
        self._signed: dict[bytes, bytes] = {}
        self._results: dict[bytes, Derived] = {}
        self._writing = asyncio.Lock()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @property
    def signer(self) -> bytes:
        return self._parts.keys.signer.address

    def open(self) -> None:
        """Take up what was fixed in earlier runs, the newest of it. Raises: JournalBroken."""
        found = self._parts.journal.entries()
        if len(found) > 2 * KEPT_ORDERS:
            found = found[-KEPT_ORDERS:]
            self._parts.journal.replace(found)
        for entry in found:
            if entry.kind not in (LISTED, SIGNED) or len(entry.body) != 2 * DIGEST_BYTES:
                raise JournalBroken(reason="entry", kind=entry.kind)
            known = self._listed if entry.kind == LISTED else self._signed
            known[entry.body[:DIGEST_BYTES]] = entry.body[DIGEST_BYTES:]

    async def commit(self, order: Order) -> Commitment:
        """Its commitment, the same whenever it is asked. Raises: OrderRefused, .."""
        await asyncio.to_thread(self._require, order)
        keys = self._parts.keys
        committed = commitment_of(keys.share_of(order.id), order.id, self.signer)
        digest = commitment_digest(order.id, committed, keys.public)
        return Commitment(self.signer, keys.public, committed, keys.signer.sign_digest(digest))

    async def share(self, order: Order, commitments: Sequence[Commitment]) -> list[Share]:
        """R for every other oracle. Raises: OrderRefused, DeliveryFixed, CommitmentFalse, .."""
        await asyncio.to_thread(self._require, order)
        await asyncio.to_thread(self._require_list, order, commitments)
        await self._fix(LISTED, self._listed, order.id, list_digest(commitments))
        keys, listed = self._parts.keys, list_digest(commitments)
        secret = keys.share_of(order.id)
        return [
            Share(
                self.signer,
                one.signer,
                seal_to(secret, one.key, share_info(order.id, listed, self.signer, one.signer)),
            )
            for one in commitments
            if one.signer != self.signer
        ]

    async def derive(self, wish: DeriveWish, old_file: bytes) -> tuple[Derived, bytes]:
        """The new key's commitments and the new file; every oracle of the order makes the same.

        Raises: OrderRefused, DeliveryFixed, CommitmentFalse, OracleBusy, BundleBroken.
        """
        order = wish.order
        if len(old_file) > MAX_FILE_BYTES:
            raise OrderRefused(part="file", bytes=len(old_file), maximum=MAX_FILE_BYTES)
        await asyncio.to_thread(self._require, order)
        listed = list_digest(wish.commitments)
        if self._listed.get(order.id) != listed:
            raise DeliveryFixed(part="commitments")
        if self._waiting >= WAITING:
            raise OracleBusy(waiting=WAITING)
        self._waiting += 1
        try:
            async with self._room:
                made = await asyncio.to_thread(self._recrypt, wish, listed, old_file)
        finally:
            self._waiting -= 1
        while len(self._results) >= KEPT_RESULTS:
            del self._results[next(iter(self._results))]
        self._results[order.id] = made.derived
        extra = {"order": order.id.hex(), "token": order.token, "label": "SIMULATED"}
        log.info("delivery_derived", extra=extra)
        return made.derived, made.file if wish.wants_file else b""

    async def sign(self, order: Order, location: bytes) -> bytes:
        """Its word for the delivery. Raises: NotDerivedYet, DeliveryFixed, .."""
        await asyncio.to_thread(self._require, order)
        derived = self._results.get(order.id)
        if derived is None:
            raise NotDerivedYet(order=order.id.hex())
        stored = await asyncio.to_thread(self._parts.ledger.stored_root, location)
        if stored != derived.new_data_hash:
            raise OrderRefused(part="location", location=location.hex())
        digest = delivery_digest(order, derived, location)
        await self._fix(SIGNED, self._signed, order.id, digest)
        log.info("delivery_signed", extra={"order": order.id.hex(), "token": order.token})
        return self._parts.keys.signer.sign_digest(digest)

    def _recrypt(self, wish: DeriveWish, listed: bytes, old_file: bytes) -> Recrypted:
        keys, order = self._parts.keys, wish.order
        secrets = self._secrets(wish, listed)
        old_key = open_sealed(wish.old_key, keys.secret, old_key_info(order.id, self.signer))
        return recrypt(order, secrets, old_key, old_file, self._parts.engines)

    def _secrets(self, wish: DeriveWish, listed: bytes) -> list[bytes]:
        """Every r in the order of the signers, each what was committed to."""
        keys, order = self._parts.keys, wish.order
        sealed = {one.sender: one for one in wish.shares if one.receiver == self.signer}
        found = []
        for one in wish.commitments:
            if one.signer == self.signer:
                found.append(keys.share_of(order.id))
                continue
            share = sealed.get(one.signer)
            if share is None:
                raise OrderRefused(part="shares", missing=one.signer.hex())
            info = share_info(order.id, listed, one.signer, self.signer)
            secret = open_sealed(share.sealed, keys.secret, info)
            if commitment_of(secret, order.id, one.signer) != one.commitment:
                raise CommitmentFalse(oracle=one.signer.hex())
            found.append(secret)
        return found

    def _require(self, order: Order) -> None:
        """That the chain has this delivery to make now. Raises: OrderRefused, EntryChanged."""
        parts = self._parts
        if (order.chain_id, order.verifier) != (parts.chain_id, parts.verifier):
            raise OrderRefused(part="chain")
        signers = order.signers
        if self.signer not in signers or list(signers) != sorted(set(signers)):
            raise OrderRefused(part="signers")
        view = parts.ledger.token(order.collection, order.token)
        if not view.time < order.deadline <= view.time + MAX_AHEAD_SECONDS:
            raise OrderRefused(part="deadline", now=view.time)
        if not view.threshold <= len(signers) <= MAX_SIGNERS:
            raise OrderRefused(part="signers", threshold=view.threshold)
        entry = (order.old.data_hash, order.old.roots_hash)
        if view.epoch != order.epoch or entry not in view.entries:
            raise EntryChanged(token=order.token, epoch=view.epoch)

    def _require_list(self, order: Order, commitments: Sequence[Commitment]) -> None:
        """That every commitment is of an enrolled oracle, its own among them."""
        if tuple(one.signer for one in commitments) != order.signers:
            raise OrderRefused(part="commitments")
        for one in commitments:
            place = self._parts.ledger.oracle(one.signer)
            if place is None or place.key_hash != keccak(one.key):
                raise OrderRefused(part="oracle", oracle=one.signer.hex())
            digest = commitment_digest(order.id, one.commitment, one.key)
            if signer_of(digest, one.signature) != one.signer:
                raise CommitmentFalse(oracle=one.signer.hex())
        own = commitment_of(self._parts.keys.share_of(order.id), order.id, self.signer)
        if all(one.commitment != own for one in commitments if one.signer == self.signer):
            raise DeliveryFixed(part="commitment")

    async def _fix(
        self, kind: int, known: dict[bytes, bytes], order_id: Digest, word: bytes
    ) -> None:
        """Say one thing of an order, never another; durable on return. Raises: DeliveryFixed."""
        async with self._writing:
            before = known.get(order_id)
            if before is None:
                await self._parts.journal.append(Entry(kind, order_id + word))
                while len(known) >= KEPT_ORDERS:
                    del known[next(iter(known))]
                known[order_id] = word
            elif before != word:
                raise DeliveryFixed(part="commitments" if kind == LISTED else "location")
