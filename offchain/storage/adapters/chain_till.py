"""Payments, receipts and terms of files as transactions, each under the key of its effect."""

from typing import Final

from offchain.chain.due import execute_due
from offchain.chain.model import BlockHash, Receipt, TypedCall
from offchain.chain.ports import ChainReader
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber
from offchain.node.leased_sender import Sends
from offchain.storage.adapters.waiting_endings import WaitingEndings
from offchain.storage.client_errors import NoGroup
from offchain.storage.client_ports import Order, Paid, Quorum, Quote
from offchain.storage.log_entries import EntryKind, Submission
from offchain.storage.model import PRICE_UNIT, Profile, submission_id
from offchain.storage.onchain_log import StorageLogClient
from offchain.storage.onchain_market import FileRenewed, GroupQuote, StorageMarketClient

VALID_SECONDS: Final = 3_600  # a submission that is not in the log by then is written anew
KEY_DIGEST_BYTES: Final = 8
KEY_BYTES: Final = 48
MAX_TERM_EPOCHS: Final = 10_950  # the market takes no longer one


class ChainStorageTill:
    """A `StorageTill` and `TermTill` whose sender owns what it submits."""

    def __init__(
        self,
        reader: ChainReader,
        log: StorageLogClient,
        market: StorageMarketClient,
        sender: Sends,
        *,
        epoch_seconds: int,
        confirmations: int = 1,
    ) -> None:
        self._reader = reader
        self._log = log
        self._market = market
        self._sender = sender
        self._waiting = WaitingEndings(reader, market)
        self.epoch_seconds = epoch_seconds
        self._confirmations = confirmations

    @property
    def owner(self) -> bytes:
        return self._sender.account

    def file_id(self, root: bytes, nonce: int) -> bytes:
        return submission_id(
            chain_id=self._reader.chain_id(),
            log=self._log.address,
            owner=self.owner,
            root=root,
            nonce=nonce,
        )

    def quote(self, length: int, profile: Profile, term_epochs: int) -> Quote:
        return quote(self._market, self._head(), length, profile=profile, term_epochs=term_epochs)

    def longest_epochs(self, profile: Profile) -> int:
        """The longest term that some open group takes; 0 without one."""
        at = self._head()
        groups = self._market.listed_groups(profile.number, at=at)
        terms = [self._market.group(one, at=at).longest_epochs - 1 for one in groups]
        return min(max(terms, default=0), MAX_TERM_EPOCHS)

    def submit(self, order: Order, *, max_cost_wei: int) -> Paid:
        file_id, at = self.file_id(order.root, order.nonce), self._reader.block()
        if self._log.is_known(file_id, at=at.hash):
            return Paid(b"", 0)
        submission = Submission(
            owner=self.owner,
            nonce=order.nonce,
            root=order.root,
            segments=order.shape.segments,
            length=order.shape.length,
            profile=order.profile.number,
            kind=EntryKind.FILE,
            term_epochs=order.term_epochs,
            max_cost=max_cost_wei,
            valid_until=_valid_until(at.timestamp),
        )
        call = self._log.submit(submission, value_wei=max_cost_wei)
        # Another price or hour is another transaction; the log takes an id's money once all the
        # same, and gives the whole value of a second one back.
        return self._paid(self._execute(call, _bound("submit", file_id, call)), max_cost_wei)

    def place(self, file_id: bytes) -> Paid:
        return self._paid(self._execute(self._market.place(file_id), _key("place", file_id)))

    def confirm(self, file_id: bytes, quorum: Quorum) -> Paid:
        keys = b"".join(_packed(key.eip2537()) for key in quorum.absent_keys)
        call = self._market.confirm(file_id, quorum.absent_bits, quorum.signature, keys)
        return self._paid(self._execute_in(file_id, call, _bound("confirm", file_id, call)))

    def refund(self, file_id: bytes) -> Paid:
        return self._paid(self._execute(self._market.refund(file_id), _key("refund", file_id)))

    def release(self, file_id: bytes) -> Paid:
        call = self._market.release(file_id)
        return self._paid(self._execute_in(file_id, call, _key("release", file_id)))

    def renewal_price(self, file_id: bytes, epochs: int) -> int:
        """Of so many more epochs at the highest price; the deposit covers all before them."""
        at = self._head()
        file = self._market.file(file_id, at=at)
        rate = self._market.group(file.group, at=at).max_rate
        return -(-file.bytes * rate * epochs * self.epoch_seconds // PRICE_UNIT)

    def renew(self, file_id: bytes, epochs: int, *, value_wei: int) -> Paid:
        end = self._market.file(file_id, at=self._head()).end
        call = self._market.renew(file_id, epochs, value_wei=value_wei)
        receipt = self._execute_in(file_id, call, f"{_key('renew', file_id)}:{end}:{epochs}")
        paid = sum(one.paid for one in self._market.events_in(FileRenewed, receipt.logs))
        return self._paid(receipt, paid)

    def _head(self) -> BlockHash:
        return self._reader.block().hash

    def _execute(self, call: TypedCall, key: str) -> Receipt:
        # The contracts take each of these once, so what a deep reorganisation took may be sent
        # again.
        return execute_due(self._sender, call, key=key, confirmations=self._confirmations)

    def _execute_in(self, file_id: bytes, call: TypedCall, key: str) -> Receipt:
        """Of a call that meets the endings of the file's group."""
        group = self._market.file(file_id, at=self._head()).group
        return self._waiting.execute(
            self._sender, call, group=group, key=key, confirmations=self._confirmations
        )

    def _paid(self, receipt: Receipt, value_wei: int = 0) -> Paid:
        return Paid(receipt.transaction_hash, receipt.gas_used, value_wei)


def quote(
    market: StorageMarketClient,
    at: BlockHash | BlockNumber,
    length: int,
    *,
    profile: Profile,
    term_epochs: int,
) -> Quote:
    """The dearest open group's price. Raises: NoGroup."""
    groups = [
        group
        for group in market.listed_groups(profile.number, at=at)
        if market.group(group, at=at).longest_epochs > term_epochs
    ]
    if not groups:
        raise NoGroup(profile=profile.name, term_epochs=term_epochs)
    found = market.quotes(groups, length, term_epochs, at=at)
    dearest: GroupQuote = max(found, key=lambda one: one.deposit)
    return Quote(dearest.bytes, dearest.cost, dearest.deposit, len(groups))


def _key(step: str, file_id: bytes) -> str:
    return f"storage.{step}:{file_id.hex()}"


def _bound(step: str, file_id: bytes, call: TypedCall) -> str:
    """The key of a step whose words a reorganisation may change: a new effect has a new key."""
    return f"{_key(step, file_id)}:{keccak(call.data)[:KEY_DIGEST_BYTES].hex()}"


def _valid_until(now: int) -> int:
    """The same for a whole hour, so that a repetition within it is the same transaction."""
    return (now // VALID_SECONDS + 2) * VALID_SECONDS


def _packed(key: bytes) -> bytes:
    """X and y of a padded key, 48 bytes each."""
    half = len(key) // 2
    return key[half - KEY_BYTES : half] + key[-KEY_BYTES:]
