"""The log on the real stake, data availability and market, with streams; in model terms."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import boa
from eth_account import Account

from offchain.core.hashing import Digest, keccak
from offchain.storage.log_book import LogBook
from offchain.storage.log_entries import (
    EntryKind,
    LoggedEntry,
    Submission,
    submission_digest,
    submission_domain,
)
from tests.support.da import DaSite, a_blob, ballot, confirm, deploy_da, mine_entropy, pay, raw
from tests.support.staking import COIN, CONTRACTS, EPOCH, a_wallet

MARKET_WINDOWS = (36, 6 * EPOCH, 2 * EPOCH)  # receipts, grace, repair: seconds
MAX_COST = COIN // 10
FAR = 2**63  # a time that no test reaches


@dataclass(frozen=True, slots=True)
class LogSite:
    """Log and market wired; streams are `kv`, whose seats are `seats`."""

    da: DaSite
    log: Any
    market: Any
    kv: Any
    seats: Any

    @property
    def governance(self) -> str:
        return self.da.governance

    @property
    def chain_id(self) -> int:
        return self.da.chain_id

    def book(self) -> LogBook:
        """The model of a log that nobody has used."""
        stake = self.da.stake
        return LogBook(
            self.chain_id, raw(self.log.address), stake.epoch_start(0), stake.epoch_length()
        )

    def digest(self, submission: Submission) -> Digest:
        """What the owner signs."""
        domain = submission_domain(chain_id=self.chain_id, log=raw(self.log.address))
        return submission_digest(domain, submission)


@cache
def storage_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "storage" / f"{name}.vy"))


def deploy_log(da: DaSite | None = None, seats: Any = None, *, market_seats: Any = None) -> LogSite:
    """Log, market and streams on a site of data availability.

    Without `seats` no root can be posted: DASigners stands in their place, which knows no group.
    The market listens to `market_seats`, or to the same.
    """
    site = da or deploy_da(own=[400, 100, 100, 100, 100])
    stake = site.stake.address
    log = deploy_log_alone(site)
    keepers = seats or site.signers
    payers = market_seats or keepers
    around = (log.address, payers.address, stake, site.beacon.address)
    market = storage_deployer("StorageMarket").deploy(*around, site.governance, MARKET_WINDOWS)
    kv = storage_deployer("KVStreams").deploy(log.address, keepers.address, stake)
    log.wire(market.address, kv.address, sender=site.governance)
    return LogSite(site, log, market, kv, keepers)


def deploy_log_alone(site: DaSite) -> Any:
    return storage_deployer("StorageLog").deploy(
        site.stake.address, site.entrance.address, site.governance
    )


def a_submission(owner: str | bytes, **changes: Any) -> Submission:
    """One segment of a file for ten epochs in the durable profile."""
    submission = Submission(
        owner=owner if isinstance(owner, bytes) else raw(owner),
        nonce=0,
        root=keccak(b"a file's root"),
        segments=1,
        length=1_000_000,
        profile=3,
        kind=EntryKind.FILE,
        term_epochs=10,
        max_cost=MAX_COST,
        valid_until=FAR,
    )
    return replace(submission, **changes)


def submission_tuple(submission: Submission) -> tuple[Any, ...]:
    return (
        "0x" + submission.owner.hex(),
        submission.nonce,
        submission.root,
        submission.segments,
        submission.length,
        submission.profile,
        submission.kind,
        submission.term_epochs,
        submission.max_cost,
        submission.valid_until,
    )


def submit(
    site: LogSite,
    submission: Submission,
    *,
    value: int | None = None,
    signature: bytes = b"",
    sender: str = "",
) -> int:
    """Submit with the maximum cost as the owner, unless told otherwise; the place."""
    return int(
        site.log.submit(
            submission_tuple(submission),
            signature,
            value=submission.max_cost if value is None else value,
            sender=sender or "0x" + submission.owner.hex(),
        )
    )


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """An account whose key the test knows, so that it can sign."""

    address: str
    secret: bytes

    def sign(self, digest: bytes) -> bytes:
        return bytes(Account.unsafe_sign_hash(digest, self.secret).signature)


def a_key_holder(name: str) -> KeyHolder:
    secret = keccak(b"key holder", name.encode())
    address = str(Account.from_key(secret).address)
    boa.env.set_balance(address, 10**9 * COIN)
    return KeyHolder(address, secret)


def entry_of(event: Any) -> LoggedEntry:
    """An Appended event of the contract as its entry."""
    return LoggedEntry(
        seq=event.seq,
        id=bytes(event.id),
        author=raw(event.author),
        kind=EntryKind(event.kind),
        time=event.time,
        data=bytes(event.data),
        block_number=boa.env.evm.patch.block_number,
        block_hash=bytes(32),
    )


def logged(site: LogSite, contract: Any = None) -> LoggedEntry:
    """The one entry that the last call made; name the contract that was called."""
    called = contract or site.log
    [event] = [one for one in called.get_logs() if type(one).__name__ == "Appended"]
    return entry_of(event)


def an_available_blob(site: DaSite, salt: bytes = bytes(32)) -> bytes:
    """Pay for a blob and confirm it; its id."""
    owner = site.operators[0].owner
    blob = a_blob(owner, owner, salt=salt)
    identifier = pay(site, blob)
    votes = ballot(site, blob, mine_entropy(site, identifier))
    confirm(site, blob, votes.certificate(), a_wallet("relayer"))
    return identifier
