"""What buyers owe here: a request is written down before the engine starts, and priced once.

  RESERVED  request id (32) || u96 hold || signing key (20) || JSON of the signed voucher
  SERVED    16 words of the receipt || its signature          CUT  the same, for a cut answer
  VOID      request id (32): nothing was sold
  ACKED     as RESERVED, hold 0 and request id zero: a voucher that came by itself
  SETTLED   payer (20) || token (20) || u64 last nonce: up to here it is on chain, deep enough

Every entry is durable before anybody acts on it. For each nonce the voucher of that nonce covers
everything up to it, so that any run of served requests can be settled by the last one's voucher. A
reservation that a crash left open is void at the next start: its receipt was never given away, so
nothing is owed, and the same request may come again. Source: docs/protocol/compute.md#provider.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from offchain.compute.batch import RECEIPT_BYTES, parse_receipt
from offchain.compute.errors import (
    AnswerPending,
    BucketLow,
    DelegateSpent,
    DepositEmpty,
    NonceUsed,
    ReceiptUnknown,
    VoucherCapLow,
)
from offchain.compute.forms import pack_voucher, parse_voucher
from offchain.compute.model import Finish, Receipt, SignedReceipt, SignedVoucher
from offchain.compute.ports import Bucket, Delegate
from offchain.core.hashing import DIGEST_BYTES
from offchain.node.journal import Entry, Journal, JournalBroken

RESERVED: Final = 1
SERVED: Final = 2
CUT: Final = 3
VOID: Final = 4
ACKED: Final = 5
SETTLED: Final = 6
SLACK_ENTRIES: Final = 4_096  # useless entries that a start leaves in the journal
_AMOUNT_BYTES: Final = 12
_FRONT_BYTES: Final = DIGEST_BYTES + _AMOUNT_BYTES + 20
NO_REQUEST: Final = bytes(DIGEST_BYTES)
PurseKey = tuple[bytes, bytes]  # payer, token


@dataclass(frozen=True, slots=True)
class Line:
    """One request: what it may cost, and once it is answered, its receipt.

    `key`: who signed the voucher, the payer or a delegate.
    """

    request_id: bytes
    voucher: SignedVoucher = field(repr=False)
    key: bytes
    hold: int
    signed: SignedReceipt | None = field(default=None, repr=False)

    @property
    def nonce(self) -> int:
        return self.voucher.voucher.nonce

    @property
    def amount(self) -> int:
        """What counts against the payer now: the price, or the hold while it runs."""
        return self.hold if self.signed is None else self.signed.receipt.price

    @property
    def purse(self) -> PurseKey:
        return self.voucher.voucher.payer, self.voucher.voucher.token


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that wants to be reserved; `delegate` None: the payer signed it himself."""

    request_id: bytes
    voucher: SignedVoucher
    hold: int
    delegate: Delegate | None = None

    @property
    def key(self) -> bytes:
        return self.voucher.voucher.payer if self.delegate is None else self.delegate.key


@dataclass(slots=True)
class _Purse:
    """What is open between one payer and this provider in one token."""

    bucket: Bucket = field(default_factory=Bucket)
    lines: dict[int, Line] = field(default_factory=dict)
    open_amount: int = 0
    top: int = 0  # the highest nonce among the lines
    acked: SignedVoucher | None = None
    acked_key: bytes = b""


class ReservationBook:
    """Purses over a `Journal`; all checks and their effect happen before the first wait."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._purses: dict[PurseKey, _Purse] = {}
        self._lines: dict[bytes, Line] = {}

    def open(self) -> None:
        """Take up what earlier runs wrote down. Raises: JournalBroken."""
        entries = self._journal.entries()
        for entry in entries:
            self._take(entry)
        for line in [line for line in self._lines.values() if line.signed is None]:
            self._drop(line)
        for purse in self._purses.values():
            self._recount(purse)
        kept = list(self._all())
        if len(entries) > 2 * len(kept) + SLACK_ENTRIES:
            self._journal.replace(kept)

    def observe(self, payer: bytes, token: bytes, bucket: Bucket) -> None:
        """What the chain says of the payer's bucket now."""
        purse = self._purse((payer, token))
        purse.bucket = bucket
        self._recount(purse)

    def line(self, request_id: bytes) -> Line | None:
        """The request of this id, running or answered; None when it is void or unknown."""
        return self._lines.get(request_id)

    def spent(self, payer: bytes, token: bytes) -> int:
        """What was settled of a purse, as the chain last said."""
        return self._purse((payer, token)).bucket.spent

    def owed(self, payer: bytes, token: bytes) -> int:
        """All that was ever spent here, with what is not settled yet and what is on hold."""
        purse = self._purse((payer, token))
        return purse.bucket.spent + purse.open_amount

    def next_nonce(self, payer: bytes, token: bytes) -> int:
        """The lowest nonce that no request has used."""
        purse = self._purse((payer, token))
        return max(purse.bucket.last_nonce, purse.top) + 1

    async def reserve(self, wish: Wish) -> Line:
        """Write a request down; durable on return, and only then may the engine start.

        An answered request of the same id comes back with its receipt. Raises: AnswerPending,
        NonceUsed, VoucherCapLow, DepositEmpty, BucketLow, DelegateSpent, StoreBroken.
        """
        voucher = wish.voucher.voucher
        purse = self._purse((voucher.payer, voucher.token))
        known = self._lines.get(wish.request_id)
        if known is not None:
            if known.signed is None:
                raise AnswerPending(request_id=wish.request_id.hex())
            return known
        if voucher.nonce <= purse.bucket.last_nonce or voucher.nonce in purse.lines:
            raise NonceUsed(nonce=voucher.nonce, next=max(purse.bucket.last_nonce, purse.top) + 1)
        self._require_cover(purse, wish)
        line = Line(wish.request_id, wish.voucher, wish.key, wish.hold)
        self._add(line)
        try:
            await self._journal.append(_reserved(RESERVED, line))
        except BaseException:
            self._drop(line)
            raise
        return line

    async def answer(self, signed: SignedReceipt) -> None:
        """Write a receipt down; durable on return, and only then may it be given away.

        Raises: ReceiptUnknown when the request is not reserved, StoreBroken.
        """
        receipt = signed.receipt
        line = self._lines.get(receipt.request_id)
        if line is None or line.signed is not None:
            raise ReceiptUnknown(request_id=receipt.request_id.hex())
        await self._journal.append(_answered(signed))
        self._replace(line, replace(line, signed=signed))

    async def void(self, request_id: bytes) -> None:
        """Let go of a reservation that sold nothing."""
        line = self._lines.get(request_id)
        if line is not None and line.signed is None:
            await self._journal.append(Entry(VOID, request_id))
            self._drop(line)

    async def acknowledge(self, voucher: SignedVoucher, key: bytes) -> None:
        """Keep a voucher that came by itself. Raises: VoucherCapLow, NonceUsed."""
        said = voucher.voucher
        purse = self._purse((said.payer, said.token))
        if said.nonce <= max(purse.bucket.last_nonce, purse.top):
            raise NonceUsed(nonce=said.nonce, next=max(purse.bucket.last_nonce, purse.top) + 1)
        owed = purse.bucket.spent + purse.open_amount
        if said.cap < owed:
            raise VoucherCapLow(cap=said.cap, needed=owed)
        held = purse.acked
        if held is not None and said.cumulative < held.voucher.cumulative:
            raise VoucherCapLow(cumulative=said.cumulative, needed=held.voucher.cumulative)
        entry = _reserved(ACKED, Line(NO_REQUEST, voucher, key, 0))
        await self._journal.append(entry)
        self._take(entry)

    def promised(self, token: bytes) -> int:
        """What is open in a token with all payers together: settled next, or on hold."""
        return sum(purse.open_amount for (_, paid), purse in self._purses.items() if paid == token)

    def purses(self) -> list[PurseKey]:
        """Everybody who has something open here."""
        return [key for key, purse in self._purses.items() if purse.lines]

    def unsettled(self, payer: bytes, token: bytes) -> list[Line]:
        """Requests after the last settled nonce, in order; running ones have no receipt yet."""
        purse = self._purse((payer, token))
        last = purse.bucket.last_nonce
        return [purse.lines[nonce] for nonce in sorted(purse.lines) if nonce > last]

    def acknowledged(self, payer: bytes, token: bytes) -> SignedVoucher | None:
        """The newest voucher that came by itself."""
        return self._purse((payer, token)).acked

    async def settled(self, payer: bytes, token: bytes, last_nonce: int) -> None:
        """Forget what is on chain, so deep that it will not leave again."""
        purse = self._purse((payer, token))
        if any(nonce <= last_nonce for nonce in purse.lines):
            entry = Entry(SETTLED, payer + token + last_nonce.to_bytes(8, "big"))
            await self._journal.append(entry)
            self._take(entry)

    def _require_cover(self, purse: _Purse, wish: Wish) -> None:
        """Raises: VoucherCapLow, DepositEmpty, BucketLow, DelegateSpent."""
        voucher, spent = wish.voucher.voucher, purse.bucket.spent
        if purse.top < voucher.nonce:
            needed = spent + purse.open_amount + wish.hold
            if voucher.cap < needed:
                raise VoucherCapLow(cap=voucher.cap, needed=needed)
        else:
            _require_each_covered(purse, wish)
        missing = purse.open_amount + wish.hold - purse.bucket.available
        if missing > 0:
            kind = BucketLow if purse.bucket.available else DepositEmpty
            raise kind(available=purse.bucket.available, needed=wish.hold, missing=missing)
        if wish.delegate is not None:
            own = sum(line.amount for line in purse.lines.values() if line.key == wish.key)
            used = wish.delegate.spent + own
            if used + wish.hold > wish.delegate.cap:
                raise DelegateSpent(cap=wish.delegate.cap, used=used, needed=used + wish.hold)

    def _purse(self, key: PurseKey) -> _Purse:
        return self._purses.setdefault(key, _Purse())

    def _add(self, line: Line) -> None:
        purse = self._purse(line.purse)
        before = purse.lines.get(line.nonce)
        if before is not None:  # a crash left it open, and its nonce was used again
            del self._lines[before.request_id]
        self._lines[line.request_id] = line
        purse.lines[line.nonce] = line
        purse.top = max(purse.top, line.nonce)
        if line.nonce > purse.bucket.last_nonce:
            purse.open_amount += line.amount

    def _drop(self, line: Line) -> None:
        purse = self._purse(line.purse)
        del self._lines[line.request_id]
        del purse.lines[line.nonce]
        self._recount(purse)

    def _replace(self, line: Line, answered: Line) -> None:
        purse = self._purse(line.purse)
        self._lines[line.request_id] = answered
        purse.lines[line.nonce] = answered
        if line.nonce > purse.bucket.last_nonce:
            purse.open_amount += answered.amount - line.amount

    def _recount(self, purse: _Purse) -> None:
        last = purse.bucket.last_nonce
        purse.open_amount = sum(one.amount for one in purse.lines.values() if one.nonce > last)
        purse.top = max(purse.lines, default=0)

    def _all(self) -> Iterator[Entry]:
        for purse in self._purses.values():
            for line in purse.lines.values():
                yield _reserved(RESERVED, line)
                if line.signed is not None:
                    yield _answered(line.signed)
            if purse.acked is not None:
                yield _reserved(ACKED, Line(NO_REQUEST, purse.acked, purse.acked_key, 0))

    def _take(self, entry: Entry) -> None:
        match entry.kind:
            case 1:
                self._add(_line_of(entry.body))
            case 2 | 3:
                signed = _signed_of(entry.body)
                line = self._known(signed.receipt.request_id)
                self._replace(line, replace(line, signed=signed))
            case 4:
                self._drop(self._known(entry.body))
            case 5:
                line = _line_of(entry.body)
                purse = self._purse(line.purse)
                purse.acked, purse.acked_key = line.voucher, line.key
            case 6:
                purse = self._purse((entry.body[:20], entry.body[20:40]))
                self._forget(purse, int.from_bytes(entry.body[40:], "big"))
            case _:
                raise JournalBroken(reason="entry", kind=entry.kind)

    def _known(self, request_id: bytes) -> Line:
        line = self._lines.get(request_id)
        if line is None:
            raise JournalBroken(reason="request", request_id=request_id.hex())
        return line

    def _forget(self, purse: _Purse, last_nonce: int) -> None:
        for line in [one for one in purse.lines.values() if one.nonce <= last_nonce]:
            del self._lines[line.request_id]
            del purse.lines[line.nonce]
        self._recount(purse)


def is_cut(receipt: Receipt) -> bool:
    """Whether an answer ended before its end."""
    return receipt.finish is Finish.CUT


def _require_each_covered(purse: _Purse, wish: Wish) -> None:
    """A request that comes before later nonces: each voucher from its own on must cover it."""
    nonce, total = wish.voucher.voucher.nonce, purse.bucket.spent
    lines: Iterable[Line] = (*purse.lines.values(), Line(b"", wish.voucher, b"", wish.hold))
    for line in sorted(lines, key=lambda one: one.nonce):
        if line.nonce > purse.bucket.last_nonce:
            total += line.amount
        if line.nonce >= nonce and line.voucher.voucher.cap < total:
            raise VoucherCapLow(cap=line.voucher.voucher.cap, needed=total, nonce=line.nonce)


def _reserved(kind: int, line: Line) -> Entry:
    front = line.request_id + line.hold.to_bytes(_AMOUNT_BYTES, "big") + line.key
    return Entry(kind, front + pack_voucher(line.voucher))


def _answered(signed: SignedReceipt) -> Entry:
    kind = CUT if is_cut(signed.receipt) else SERVED
    return Entry(kind, signed.receipt.struct_words() + signed.signature)


def _line_of(body: bytes) -> Line:
    amount_end = DIGEST_BYTES + _AMOUNT_BYTES
    return Line(
        request_id=body[:DIGEST_BYTES],
        voucher=parse_voucher(body[_FRONT_BYTES:]),
        key=body[amount_end:_FRONT_BYTES],
        hold=int.from_bytes(body[DIGEST_BYTES:amount_end], "big"),
    )


def _signed_of(body: bytes) -> SignedReceipt:
    return SignedReceipt(parse_receipt(body[:RECEIPT_BYTES]), body[RECEIPT_BYTES:])
