"""The compute market without a chain: services, purses and settlement by the contracts' rules.

For tests, and for programs that want to try a provider without a network. Time is what it is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Final

from offchain.chain.model import Block, BlockHash, BlockRef
from offchain.compute.batch import BatchItem, SettleItem
from offchain.compute.errors import PriceUnknown, ServiceUnknown
from offchain.compute.model import (
    Level,
    PriceRow,
    Service,
    ServiceState,
    Verifiability,
    compute_domain,
)
from offchain.compute.ports import (
    BatchState,
    Bucket,
    Delegate,
    PostedBatch,
    Settlement,
    SkipReason,
)
from offchain.compute.signatures import signer_of
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber

GRACE_SECONDS: Final = 86_400
DISPUTE_SECONDS: Final = 86_400
PurseKey = tuple[bytes, bytes, bytes]
Takes = Callable[[bytes, bytes], bool]  # whether a payer's contract takes (digest, signature)


@dataclass(slots=True)
class MarketState:
    """Everything that the two contracts would keep."""

    services: dict[bytes, Service] = field(default_factory=dict)
    rows: dict[bytes, list[PriceRow]] = field(default_factory=dict)
    levels: dict[bytes, Verifiability] = field(default_factory=dict)
    buckets: dict[PurseKey, Bucket] = field(default_factory=dict)
    delegates: dict[tuple[bytes, bytes], Delegate] = field(default_factory=dict)
    contracts: dict[bytes, Takes] = field(default_factory=dict)
    batches: list[PostedBatch] = field(default_factory=list)
    room: int = 1 << 80


class MemoryMarket:
    """`ServiceLedger`, `EscrowLedger` and `SettleDesk` in one."""

    def __init__(self, *, now: int, chain_id: int = 31_337, escrow: bytes = b"\xee" * 20) -> None:
        self.now = now
        self.state = MarketState()
        self.settlements = 0
        self._domain = compute_domain(chain_id=chain_id, escrow=escrow)
        self._block = 1
        self._lock = RLock()
        self._settlements: dict[bytes, Settlement] = {}

    def head(self) -> Block:
        number = self._block
        named = [BlockHash(keccak(at.to_bytes(8, "big"))) for at in (number, number - 1)]
        return Block(BlockNumber(number), named[0], named[1], self.now, 0, 0)

    def add(self, service: Service, *rows: PriceRow) -> None:
        """Register a service with its rows."""
        with self._lock:
            self.state.services[service.id] = service
            self.state.rows[service.id] = list(rows)
            self._block += 1

    def deposit(self, payer: bytes, provider: bytes, token: bytes, amount: int) -> None:
        """Put money into a payer's bucket; a negative amount takes it out again."""
        with self._lock:
            key = (payer, provider, token)
            bucket = self.state.buckets.get(key, Bucket())
            self.state.buckets[key] = replace(bucket, balance=bucket.balance + amount)
            self._block += 1

    def service(self, service: bytes, *, at: BlockRef) -> Service:
        del at
        found = self.state.services.get(service)
        if found is None:
            raise ServiceUnknown(service=service.hex())
        return found

    def services(self, *, at: BlockRef) -> Sequence[Service]:
        del at
        return list(self.state.services.values())

    def price_row(self, service: bytes, version: int, *, at: BlockRef) -> PriceRow:
        del at
        for row in self.state.rows.get(service, []):
            if row.version == version:
                return row
        raise PriceUnknown(service=service.hex(), version=version)

    def signer_at(self, service: bytes, time: int, *, at: BlockRef) -> bytes:
        del time
        return self.service(service, at=at).signer

    def is_serving(self, service: bytes, *, at: BlockRef) -> bool:
        return self.service(service, at=at).state is ServiceState.ACTIVE

    def verifiability_of(self, service: bytes, *, at: BlockRef) -> Verifiability:
        del at
        unverified = Verifiability(Level.NONE, is_simulated=False, until=0)
        return self.state.levels.get(service, unverified)

    def domain(self) -> bytes:
        return self._domain

    def price_grace_seconds(self) -> int:
        return GRACE_SECONDS

    def bucket(self, payer: bytes, provider: bytes, token: bytes, *, at: BlockRef) -> Bucket:
        del at
        with self._lock:
            return self.state.buckets.get((payer, provider, token), Bucket())

    def delegate(self, payer: bytes, key: bytes, *, at: BlockRef) -> Delegate | None:
        del at
        return self.state.delegates.get((payer, key))

    def room(self, provider: bytes, token: bytes, *, at: BlockRef) -> int:
        del provider, token, at
        return self.state.room

    def takes_signature(
        self, payer: bytes, digest: bytes, signature: bytes, *, at: BlockRef
    ) -> bool:
        del at
        takes = self.state.contracts.get(payer)
        return takes is not None and takes(digest, signature)

    def batch(self, batch: int, *, at: BlockRef) -> PostedBatch:
        del at
        if 1 <= batch <= len(self.state.batches):
            return self.state.batches[batch - 1]
        nothing = bytes(32)
        return PostedBatch(
            batch,
            bytes(20),
            nothing,
            bytes(20),
            nothing,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            BatchState.NONE,
        )

    def settle(
        self, service: bytes, token: bytes, items: Sequence[SettleItem], root: bytes
    ) -> Settlement:
        with self._lock:
            self.settlements += 1
            skipped: dict[int, SkipReason] = {}
            moved = 0
            for position, item in enumerate(items):
                reason = self._reason(service, token, item)
                if reason is not None:
                    skipped[position] = reason
                    continue
                moved += self._move(token, item)
            if len(skipped) == len(items):
                return Settlement(0, skipped)
            taken = len(items) - len(skipped)
            batch = self._post(service, token, items=taken, moved=moved)
            settlement = Settlement(batch, skipped)
            self._settlements[root] = settlement
            return settlement

    def find(self, items: Sequence[BatchItem], root: bytes) -> Settlement | None:
        del items
        return self._settlements.get(root)

    def _reason(self, service: bytes, token: bytes, item: SettleItem) -> SkipReason | None:
        """Why the escrow would not take an item."""
        said = item.voucher.voucher
        bucket = self.state.buckets.get((said.payer, said.provider, token), Bucket())
        key = signer_of(said.digest(self._domain), item.voucher.signature)
        delegate = self.state.delegates.get((said.payer, key or b""))
        takes = self.state.contracts.get(said.payer)
        is_payers = key == said.payer or (
            takes is not None and takes(said.digest(self._domain), item.voucher.signature)
        )
        row = {one.version: one for one in self.state.rows[service]}.get(said.price_version)
        is_payable = row is not None and row.is_payable(self.now, GRACE_SECONDS)
        rules = (
            (SkipReason.SIGNATURE, is_payers or delegate is not None),
            (SkipReason.EXPIRED, self.now <= said.expiry),
            (SkipReason.PRICE_ROW, is_payable and row is not None and row.token == token),
            (SkipReason.CLAIM, bucket.spent < item.claim <= said.cap >= said.cumulative),
            (
                SkipReason.NONCE,
                bucket.last_nonce < item.first_nonce <= item.last_nonce <= said.nonce,
            ),
            (SkipReason.LEAVES, 1 <= item.leaf_count <= item.last_nonce - item.first_nonce + 1),
            (SkipReason.DELEGATE, is_payers or self._covers(delegate, item, bucket)),
            (SkipReason.BALANCE, item.claim - bucket.spent <= bucket.balance),
            (SkipReason.STAKE, item.claim - bucket.spent <= self.state.room),
        )
        return next((reason for reason, holds in rules if not holds), None)

    def _covers(self, delegate: Delegate | None, item: SettleItem, bucket: Bucket) -> bool:
        said, amount = item.voucher.voucher, item.claim - bucket.spent
        return (
            delegate is not None
            and delegate.serves(said.provider, said.service, said.token)
            and self.now <= delegate.expiry
            and delegate.spent + amount <= delegate.cap
        )

    def _move(self, token: bytes, item: SettleItem) -> int:
        said = item.voucher.voucher
        key = (said.payer, said.provider, token)
        bucket = self.state.buckets[key]
        amount = item.claim - bucket.spent
        self.state.buckets[key] = replace(
            bucket,
            balance=bucket.balance - amount,
            spent=item.claim,
            last_nonce=item.last_nonce,
        )
        signer = signer_of(said.digest(self._domain), item.voucher.signature) or b""
        delegate = self.state.delegates.get((said.payer, signer))
        if delegate is not None:
            spent = delegate.spent + amount
            self.state.delegates[said.payer, signer] = replace(delegate, spent=spent)
        return amount

    def _post(self, service: bytes, token: bytes, *, items: int, moved: int) -> int:
        number = len(self.state.batches) + 1
        posted = PostedBatch(
            id=number,
            provider=self.state.services[service].provider,
            service=service,
            token=token,
            root=bytes(32),
            total=moved,
            items=items,
            posted_block=self._block,
            posted_at=self.now,
            release_at=self.now + DISPUTE_SECONDS,
            held=moved,
            open_cases=0,
            state=BatchState.POSTED,
        )
        self.state.batches.append(posted)
        self._block += 1
        return number
