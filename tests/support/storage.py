"""The storage market on the real log, stake and beacon; seats and proofs as a test needs them.

`deploy_market` puts a twin in the place of StorageSeats that a test moves as it likes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boa
from eth_abi import encode

from offchain.core.hashing import Digest, keccak
from offchain.storage.log_entries import Submission
from offchain.storage.market_book import BookedFile, GroupOffer, MarketBook, MarketClock, Opening
from offchain.storage.model import FileState, profile_of, submission_id
from tests.support.da import raw
from tests.support.native_evm import record_block_hash
from tests.support.staking import AnOperator, a_wallet
from tests.support.storage_log import LogSite, a_submission, deploy_log, submit

TWIN = Path(__file__).with_name("seats_twin.vy")
PRICE = 4 * 10**8  # about a coin for a TB-month
LONGEST = 600  # epochs
SOLO, LOCAL, STANDARD, DURABLE, HOT, REPLICA = range(6)


@dataclass(frozen=True, slots=True)
class MarketSite:
    """A market whose seats are a twin; `proofs` is the account that may void files."""

    base: LogSite
    seats: Any
    proofs: str

    @property
    def market(self) -> Any:
        return self.base.market

    @property
    def operators(self) -> tuple[AnOperator, ...]:
        return self.base.da.operators

    def clock(self) -> MarketClock:
        stake = self.base.da.stake
        return MarketClock(stake.epoch_start(0), stake.epoch_length(), *self.market.windows())

    def book(self) -> MarketBook:
        """The model of a market that nobody has used."""
        owners = {one.operator_id: raw(one.owner) for one in self.operators}
        return MarketBook(self.clock(), owners=owners)

    def id_of(self, submission: Submission) -> Digest:
        return submission_id(
            chain_id=self.base.chain_id,
            log=raw(self.base.log.address),
            owner=submission.owner,
            root=submission.root,
            nonce=submission.nonce,
        )


@cache
def twin_deployer() -> Any:
    return boa.load_partial(str(TWIN))


def deploy_market() -> MarketSite:
    """Market on twins of its seats and proofs."""
    seats, proofs = twin_deployer().deploy(), twin_deployer().deploy()
    log = deploy_log(market_seats=seats)
    seats.wire(log.market.address)
    log.market.wire(proofs.address, sender=log.governance)
    return MarketSite(log, seats, str(proofs.address))


def open_group(
    site: MarketSite,
    group: int = 1,
    *,
    profile: int = LOCAL,
    prices: Sequence[int] | None = None,
    max_price: int = 2 * PRICE,
    longest: int = LONGEST,
) -> list[tuple[int, int]]:
    """Open a group whose seats go round the site's operators; (operator, price) of each seat."""
    asked = list(prices) if prices is not None else [PRICE] * profile_of(profile).seats
    seats = [
        (site.operators[seat % len(site.operators)].operator_id, price)
        for seat, price in enumerate(asked)
    ]
    max_rate = max_price * len(asked)
    site.seats.open_group(group, profile, longest, max_rate, [one for one, _ in seats], asked)
    return seats


def offer_of(max_price: int, seats: int, longest: int = LONGEST) -> GroupOffer:
    return GroupOffer(max_price * seats, longest, boa.env.timestamp)


def a_file(owner: str, **changes: Any) -> Submission:
    """A submission in the local profile for ten epochs."""
    return a_submission(owner, **{"profile": LOCAL, **changes})


def opening_of(submission: Submission) -> Opening:
    return Opening(
        submission.owner,
        submission.profile,
        submission.length,
        submission.term_epochs,
        submission.max_cost,
    )


def entropy_of(block: int) -> bytes:
    """What this test chain answers for a block."""
    return keccak(b"block", block.to_bytes(8, "big"))


def mine_entropy(site: MarketSite, file_id: bytes, blocks: int = 300) -> bytes:
    """Let blocks pass until the one after the submission is remembered; its hash."""
    after = site.base.log.submitted(file_id)[1] + 1
    boa.env.evm.patch.block_number = max(boa.env.evm.patch.block_number, after + blocks)
    record_block_hash(after, entropy_of(after))
    return entropy_of(after)


def randomness_of(site: MarketSite, file_id: bytes) -> bytes:
    """R_e of the epoch of a file's submission."""
    clock = site.clock()
    submitted_at = site.base.log.submitted(file_id)[2]
    return bytes(site.base.da.beacon.randomness(clock.epoch_of(submitted_at)))


def placed(site: MarketSite, submission: Submission) -> Digest:
    """Submit and place a file; its id."""
    file_id = site.id_of(submission)
    submit(site.base, submission)
    mine_entropy(site, file_id)
    site.market.place(file_id, sender=a_wallet("relayer"))
    return file_id


def receipts(
    site: MarketSite, file_id: bytes, absent: int = 0, **changes: Any
) -> tuple[bytes, int, bytes, bytes]:
    """Arguments of `confirm` that the twin accepts; `changes` are what the seats signed instead."""
    file = site.market.file(file_id)
    needed = profile_of(file.profile).receipts
    parts = {
        "group": file.group,
        "absent": absent,
        "digest": site.market.held_digest(file_id),
        "needed": needed,
        "keys": keccak(b""),
    } | changes
    shown = keccak(
        encode(["uint256", "uint256", "bytes32", "uint256", "bytes32"], list(parts.values()))
    )
    return file_id, absent, shown + bytes(224), b""


def stored(site: MarketSite, submission: Submission, absent: int = 0) -> Digest:
    """Submit, place and confirm a file; its id."""
    file_id = placed(site, submission)
    site.market.confirm(*receipts(site, file_id, absent), sender=a_wallet("relayer"))
    return file_id


def booked(site: MarketSite, file_id: bytes) -> tuple[Any, ...]:
    """What contract and model both say of a file."""
    file = site.market.file(file_id)
    return (
        FileState(int(file.state)),
        file.deposit,
        file.bytes,
        file.group,
        file.started,
        file.end,
        file.leaves,
        file.first_byte,
    )


def booked_model(file: BookedFile) -> tuple[Any, ...]:
    return (
        file.state,
        file.deposit,
        file.kept,
        file.group,
        file.started,
        file.end,
        file.leaves,
        file.first_byte,
    )
