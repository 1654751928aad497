"""All of storage on the real ledger, beacon and court: log, market, seats, draws and proofs."""

from dataclasses import dataclass
from typing import Any

import boa

from offchain.storage.log_entries import Submission
from offchain.storage.market_book import MarketBook, MarketClock
from offchain.storage.model import submission_id
from tests.support.da import raw
from tests.support.native_evm import record_block_hash
from tests.support.staking import (
    DAY,
    STORAGE,
    a_member,
    a_wallet,
    deploy_staking,
    staking_deployer,
)
from tests.support.storage import entropy_of
from tests.support.storage_log import MARKET_WINDOWS, storage_deployer, submission_tuple
from tests.support.storage_proofs import (
    ANSWER,
    EVIDENCE,
    MIN_BOND,
    MISSED,
    PROVEN,
    STO_DECLARED_LOSS,
    STO_NO_PROOF,
)
from tests.support.storage_seats import STAKE, SeatSite, ask, signed


@dataclass(frozen=True, slots=True)
class WholeSite:
    """Everything wired; `seats` is what tests of seats and draws take."""

    seats: SeatSite
    proofs: Any
    court: Any
    treasury: str

    @property
    def market(self) -> Any:
        return self.seats.market

    def book(self) -> MarketBook:
        """The model of a market that nobody has used."""
        stake = self.seats.stake
        clock = MarketClock(stake.epoch_start(0), stake.epoch_length(), *self.market.windows())
        owners = {one.operator_id: raw(one.owner) for one in self.seats.operators}
        return MarketBook(clock, owners=owners)

    def id_of(self, submission: Submission) -> bytes:
        return submission_id(
            chain_id=self.seats.id.chain_id,
            log=raw(self.seats.log.address),
            owner=submission.owner,
            root=submission.root,
            nonce=submission.nonce,
        )

    def submit(self, submission: Submission) -> tuple[bytes, bytes]:
        """As its owner; the id, and the hash of the block behind it."""
        file_id, value = self.id_of(submission), submission.max_cost
        owner = "0x" + submission.owner.hex()
        self.seats.log.submit(submission_tuple(submission), b"", value=value, sender=owner)
        after = self.seats.log.submitted(file_id)[1] + 1
        boa.env.evm.patch.block_number = max(boa.env.evm.patch.block_number, after + 257)
        record_block_hash(after, entropy_of(after))
        return file_id, entropy_of(after)

    def confirm(self, file_id: bytes) -> None:
        """With the signatures of every seat that is not vacant."""
        group = self.market.file(file_id).group
        parts = signed(self.seats, group, self.market.held_digest(file_id))
        self.market.confirm(file_id, *parts, sender=a_wallet("relayer"))


def deploy_storage(operators: int = 6) -> WholeSite:
    """Deploy and wire all; operators stake 100 coin in STORAGE and ask, from epoch 1 on."""
    staking = deploy_staking(court="")
    treasury, governance = a_wallet("treasury"), staking.governance
    registry, stake = staking.registry.address, staking.stake.address
    court = staking_deployer("SlashingCourt").deploy(stake, governance, treasury, 29 * DAY)
    staking.stake.wire_court(court.address, sender=governance)
    beacon = staking_deployer("RandomBeacon").deploy(stake, governance, 7 * DAY)
    # the log asks its entrance about batches alone, and there are none here
    log = storage_deployer("StorageLog").deploy(stake, beacon.address, governance)
    seats = storage_deployer("StorageSeats").deploy(registry, stake, governance)
    around = (log.address, seats.address, stake, beacon.address)
    market = storage_deployer("StorageMarket").deploy(*around, governance, MARKET_WINDOWS)
    draws = storage_deployer("StorageDraws").deploy(registry, stake, beacon.address, seats.address)
    judged = (market.address, seats.address, stake, beacon.address, court.address)
    proofs = storage_deployer("StorageProofs").deploy(*judged, ANSWER, EVIDENCE, MIN_BOND)
    for offence, kind in ((STO_NO_PROOF, MISSED), (STO_DECLARED_LOSS, PROVEN)):
        rule = (kind, STORAGE, 0, 500, 0, EVIDENCE, False, False, proofs.address)
        court.add_type(offence, rule, sender=governance)
    log.wire(market.address, beacon.address, sender=governance)
    seats.wire(draws.address, market.address, proofs.address, sender=governance)
    market.wire(proofs.address, sender=governance)
    members = tuple(
        a_member(staking, number, service=STORAGE, own=STAKE) for number in range(operators)
    )
    address = str(proofs.address)
    site = SeatSite(staking, beacon, log, market, seats, draws, address, members)
    for operator in members:
        ask(site, operator)
    return WholeSite(site, proofs, court, treasury)
