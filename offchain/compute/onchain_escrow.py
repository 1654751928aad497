"""Client of ComputeEscrow: deposits, buckets, delegates, batches and what becomes of them.

Method and field names are the contract's; addresses are 20 raw bytes (20 zero bytes as a token:
the native coin), amounts base units, times seconds. Source: docs/protocol/compute.md#escrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.compute.batch import SettledItem, SettleItem
from offchain.compute.model import NATIVE_COIN
from offchain.compute.ports import BatchState, Bucket, Delegate, PostedBatch, SkipReason
from offchain.compute.reverts_compute import ESCROW

KEY_SIGNATURE_BYTES: Final = 65
LOW_160: Final = (1 << 160) - 1
LOW_96: Final = (1 << 96) - 1
LOW_64: Final = (1 << 64) - 1
ItemWords = tuple[int, int, int, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class EscrowWindows:
    """Seconds: settling to release, an exit's lock, what an ended delegate's vouchers have left."""

    dispute: int
    withdraw_lock: int
    delegate_grace: int


@dataclass(frozen=True, slots=True)
class DelegateTerms:
    """What a key may sign for its payer; zero provider or service: any."""

    token: bytes
    cap: int
    expiry: int
    provider: bytes
    service: bytes


@dataclass(frozen=True, slots=True)
class Delegation:
    """A key's terms and what it has spent; all zero when it was never set."""

    token: bytes
    cap: int
    spent: int
    expiry: int
    provider: bytes
    service: bytes
    epoch: int
    has_epoch: bool
    is_revoked: bool


@dataclass(frozen=True, slots=True)
class _Batch:
    """The contract's struct; `state` 0 when there is no such batch."""

    provider: bytes
    service: bytes
    token: bytes
    root: bytes
    total: int
    items: int
    leaves: int
    posted_block: int
    posted_at: int
    release_at: int
    held: int
    fee: int
    open_cases: int
    state: BatchState


@dataclass(frozen=True, slots=True)
class Deposited:
    account: bytes
    provider: bytes
    token: bytes
    amount: int
    by: bytes


@dataclass(frozen=True, slots=True)
class Funded:
    payer: bytes
    provider: bytes
    token: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Row:
    """An accepted item as the event of its batch tells it: fields side by side in words.

    party: payer u160 | price version u32 << 160; span: first nonce u64 | last nonce u64 << 64 |
    leaf count u32 << 128; moved: amount u96 | claimed u96 << 96.
    """

    party: int
    span: int
    moved: int
    leaves_root: bytes

    def item(self) -> SettledItem:
        return SettledItem(
            payer=(self.party & LOW_160).to_bytes(20, "big"),
            price_version=self.party >> 160,
            first_nonce=self.span & LOW_64,
            last_nonce=self.span >> 64 & LOW_64,
            amount=self.moved & LOW_96,
            claimed=self.moved >> 96,
            leaf_count=self.span >> 128,
            leaves_root=self.leaves_root,
        )


@dataclass(frozen=True, slots=True)
class DelegateSet:
    payer: bytes
    key: bytes
    terms: DelegateTerms
    epoch: int


@dataclass(frozen=True, slots=True)
class ItemSkipped:
    """`index` is the place among the items presented."""

    service: bytes
    payer: bytes
    index: int
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class BatchPosted:
    """`items`: what was accepted, in the order of places."""

    batch: int
    service: bytes
    provider: bytes
    token: bytes
    root: bytes
    data_root: bytes
    total: int
    leaves: int
    release_at: int
    items: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Refunded:
    batch: int
    payer: bytes
    key: bytes
    index: int
    amount: int


@dataclass(frozen=True, slots=True)
class BatchReleased:
    batch: int
    provider: bytes
    amount: int
    fee: int


@dataclass(frozen=True, slots=True)
class ExitRequested:
    """`amount` 0: called off."""

    payer: bytes
    provider: bytes
    token: bytes
    amount: int
    exit_at: int


@dataclass(frozen=True, slots=True)
class ExitFinished:
    payer: bytes
    provider: bytes
    token: bytes
    amount: int
    co_signed: bool


class ComputeEscrowClient(ContractClient):
    """Prepaid answers: money, vouchers' effects, batches."""

    contract = "ComputeEscrow"
    reverts = ESCROW

    def free_of(self, account: bytes, token: bytes, *, at: BlockRef) -> int:
        """What the account may take, give or spend."""
        return self._read(int, "free_of", account, token, at=at)

    def bucket(self, payer: bytes, provider: bytes, token: bytes, *, at: BlockRef) -> Bucket:
        return self._read(Bucket, "bucket", payer, provider, token, at=at)

    def delegation(self, payer: bytes, key: bytes, *, at: BlockRef) -> Delegation:
        return self._read(Delegation, "delegation", payer, key, at=at)

    def delegate(self, payer: bytes, key: bytes, *, at: BlockRef) -> Delegate | None:
        """None when the key was never set."""
        told = self.delegation(payer, key, at=at)
        if told.expiry == 0:
            return None
        return Delegate(
            key=key,
            token=told.token,
            cap=told.cap,
            spent=told.spent,
            expiry=told.expiry,
            provider=told.provider,
            service=told.service,
            is_revoked=told.is_revoked,
        )

    def batch(self, batch: int, *, at: BlockRef) -> PostedBatch:
        """State NONE when there is no such batch."""
        told = self._read(_Batch, "batch", batch, at=at)
        return PostedBatch(
            id=batch,
            provider=told.provider,
            service=told.service,
            token=told.token,
            root=told.root,
            total=told.total,
            items=told.items,
            posted_block=told.posted_block,
            posted_at=told.posted_at,
            release_at=told.release_at,
            held=told.held,
            open_cases=told.open_cases,
            state=told.state,
        )

    def batch_count(self, *, at: BlockRef) -> int:
        """Batches are numbered from 1 to this."""
        return self._read(int, "batch_count", at=at)

    def refunded_of(self, batch: int, index: int, *, at: BlockRef) -> int:
        return self._read(int, "refunded_of", batch, index, at=at)

    def is_refunded(self, key: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_refunded", key, at=at)

    def held_of(self, operator_id: int, *, at: BlockRef) -> int:
        """Wei of stake that the operator's unreleased batches stand for."""
        return self._read(int, "held_of", operator_id, at=at)

    def room_of(self, operator_id: int, *, at: BlockRef) -> int:
        """Wei of stake that further batches may stand for at this block."""
        return self._read(int, "room_of", operator_id, at=at)

    def is_covered(self, operator_id: int, *, at: BlockRef) -> bool:
        return self._read(bool, "is_covered", operator_id, at=at)

    def open_cases_of(self, operator_id: int, *, at: BlockRef) -> int:
        return self._read(int, "open_cases_of", operator_id, at=at)

    def wei_of(self, token: bytes, amount: int, *, at: BlockRef) -> int:
        """Wei of stake that an amount stands for; 0 for a token never listed."""
        return self._read(int, "wei_of", token, amount, at=at)

    def windows(self, *, at: BlockRef) -> EscrowWindows:
        return self._read(EscrowWindows, "windows", at=at)

    def domain_separator(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "domain_separator", at=at)

    def release_digest(
        self, payer: bytes, provider: bytes, token: bytes, amount: int, *, at: BlockRef
    ) -> bytes:
        """What a provider signs to let money out of a bucket at once."""
        return self._read(bytes, "release_digest", payer, provider, token, amount, at=at)

    def deposit(
        self, payer: bytes, amount: int, *, provider: bytes = bytes(20), token: bytes = NATIVE_COIN
    ) -> TypedCall:
        """Into a bucket, or free without a provider; a token must have been approved."""
        value = amount if token == NATIVE_COIN else 0
        return self._build("deposit", payer, provider, token, amount, value_wei=value)

    def fund(self, payer: bytes, provider: bytes, token: bytes, amount: int) -> TypedCall:
        return self._build("fund", payer, provider, token, amount)

    def give(self, token: bytes, to: bytes, amount: int) -> TypedCall:
        return self._build("give", token, to, amount)

    def withdraw(self, token: bytes, amount: int, to: bytes) -> TypedCall:
        return self._build("withdraw", token, amount, to)

    def request_exit(self, provider: bytes, token: bytes, amount: int) -> TypedCall:
        """0 calls a running exit off."""
        return self._build("request_exit", provider, token, amount)

    def finish_exit(self, payer: bytes, provider: bytes, token: bytes) -> TypedCall:
        return self._build("finish_exit", payer, provider, token)

    def release_exit(
        self, payer: bytes, provider: bytes, token: bytes, amount: int, *, signature: bytes
    ) -> TypedCall:
        """`signature`: 65 bytes of the provider over `release_digest`."""
        r, vs = compact_signature(signature)
        return self._build("release_exit", payer, provider, token, amount, r, vs)

    def set_delegate(self, key: bytes, terms: DelegateTerms) -> TypedCall:
        fields = (terms.token, terms.cap, terms.expiry, terms.provider, terms.service)
        return self._build("set_delegate", key, fields)

    def revoke_delegate(self, key: bytes) -> TypedCall:
        return self._build("revoke_delegate", key)

    def settle(
        self, service: bytes, token: bytes, items: Sequence[SettleItem], data_root: bytes
    ) -> TypedCall:
        """By the owner or signer of the service's operator."""
        proofs: list[bytes] = []
        fields = [item_words(item, proofs) for item in items]
        return self._build("settle", service, token, fields, proofs, data_root)

    def release(self, batch: int) -> TypedCall:
        """By anyone, once its time has passed, no case is open and its audits are done."""
        return self._build("release", batch)


def compact_signature(signature: bytes) -> tuple[bytes, bytes]:
    """EIP-2098 r and vs of 65 bytes r || s || v with v 27 or 28."""
    s, parity = int.from_bytes(signature[32:64], "big"), signature[64] - 27
    return signature[:32], (s | parity << 255).to_bytes(32, "big")


def item_words(item: SettleItem, proofs: list[bytes]) -> ItemWords:
    """As `settle` takes it; the signature of a payer that is a contract joins `proofs`."""
    voucher, signature = item.voucher.voucher, item.voucher.signature
    if len(signature) == KEY_SIGNATURE_BYTES and signature[64] in (27, 28):
        r, vs = compact_signature(signature)
    else:
        r, vs = len(proofs).to_bytes(32, "big"), bytes(32)
        proofs.append(signature)
    payer = int.from_bytes(voucher.payer, "big")
    party = payer | voucher.price_version << 160 | voucher.expiry << 192
    limits = voucher.cumulative | voucher.cap << 96 | voucher.nonce << 192
    nonces = item.first_nonce | item.last_nonce << 64
    ask = item.claim | nonces << 96 | item.leaf_count << 224
    return party, limits, ask, item.leaves_root, r, vs
