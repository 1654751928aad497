"""Storage on the embedded chain: a group of three seats, files in it, clocks and the worker's jobs.

Four operators keep, so that a seat that is lost finds a successor.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from offchain.chain.model import Block, TypedCall
from offchain.chain.sender import TransactionSender
from offchain.core.bls import aggregate_signatures
from offchain.core.errors import Rejected
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.units import WEI_PER_COIN
from offchain.jobs.model import JobKind, Outcome
from offchain.jobs.storage_groups import GroupParts, ServeGroups
from offchain.jobs.storage_proofs import ProofParts, WatchProofs
from offchain.staking.model import Service
from offchain.staking.onchain import (
    OperatorRegistryClient,
    RandomBeaconClient,
    StakeManagerClient,
)
from offchain.storage.adapters.bls_held_signer import BlsHeldSigner
from offchain.storage.adapters.chain_keeper import ChainKeeperDesk, ChainKeeperLedger
from offchain.storage.adapters.chain_ledger import ChainStorageLedger, StorageClients
from offchain.storage.adapters.challenge_finder import ChallengeFinder
from offchain.storage.adapters.draw_planner import DrawPlanner, DrawSources
from offchain.storage.adapters.group_events import EventRules, GroupEvents
from offchain.storage.keep_ports import Challenge, LeafProof
from offchain.storage.log_entries import EntryKind, Submission
from offchain.storage.model import (
    FileState,
    GroupState,
    Profile,
    SeatState,
    Segment,
    file_root,
    profile_named,
    segment_path,
    submission_id,
)
from offchain.storage.onchain_draws import StorageDrawsClient
from offchain.storage.onchain_log import StorageLogClient
from offchain.storage.onchain_market import File, StandingOrdersClient, StorageMarketClient
from offchain.storage.onchain_proofs import ShownSegment, StorageProofsClient
from offchain.storage.onchain_seats import StorageSeatsClient
from offchain.storage.ports import GroupView
from tests.support.da_chain import DaChain, deploy_chain

KEEPERS = 4
PRICE = 4 * 10**8
CAPACITY = 1 << 40
LONGEST = 600
STAKE_WEI = 200 * WEI_PER_COIN
MAX_COST = 10**16


@dataclass(frozen=True, slots=True)
class ChainFile:
    """A file of one matrix on the chain."""

    file_id: bytes
    encoded: EncodedBlob

    @property
    def segments(self) -> tuple[Segment, ...]:
        return (Segment.of(0, self.encoded.header),)

    def proof(self, row: int, leaf: int) -> LeafProof:
        frame = self.encoded.leaf_frame(row, leaf).to_bytes()
        return LeafProof(self.segments[0], segment_path(self.segments, 0), frame)

    def shown(self) -> ShownSegment:
        return ShownSegment(self.segments[0], segment_path(self.segments, 0))


@dataclass
class StorageChain:
    """One chain, its storage clients, and operators 1..4 with keys; operator 1 owns files."""

    base: DaChain
    profile: Profile = field(default_factory=lambda: profile_named("local"))
    group: int = 0
    sent: int = 0
    nonce: int = 0
    files: dict[bytes, ChainFile] = field(default_factory=dict)

    # Clients

    @cached_property
    def clients(self) -> StorageClients:
        deployments, node = self.base.deployments, self.base.node
        return StorageClients(
            node,
            StakeManagerClient(deployments, node),
            StorageSeatsClient(deployments, node),
            StorageDrawsClient(deployments, node),
            StorageMarketClient(deployments, node),
            StorageProofsClient(deployments, node),
            RandomBeaconClient(deployments, node),
        )

    @cached_property
    def log(self) -> StorageLogClient:
        return StorageLogClient(self.base.deployments, self.base.node)

    @cached_property
    def orders(self) -> StandingOrdersClient:
        return StandingOrdersClient(self.base.deployments, self.base.node)

    @cached_property
    def ledger(self) -> ChainStorageLedger:
        return ChainStorageLedger(self.clients)

    @cached_property
    def events(self) -> GroupEvents:
        return GroupEvents(self.clients, EventRules(0, depth=1))

    @cached_property
    def finder(self) -> ChallengeFinder:
        return ChallengeFinder(self.clients, self.events)

    @cached_property
    def keeper(self) -> ChainKeeperLedger:
        return ChainKeeperLedger(self.clients, self.ledger, self.events, depth=1)

    @cached_property
    def proofs_jobs(self) -> WatchProofs:
        parts = ProofParts(
            self.clients, self.ledger, self.finder, lambda _: {2}, self.worker.account
        )
        return WatchProofs(parts)

    @cached_property
    def group_jobs(self) -> ServeGroups:
        one, clients = self.base, self.clients
        registry = OperatorRegistryClient(one.deployments, one.node)
        sources = DrawSources(
            one.node, registry, clients.stake, clients.beacon, clients.seats, clients.draws, 0
        )
        return ServeGroups(
            GroupParts(
                one.node,
                clients.stake,
                clients.seats,
                clients.market,
                DrawPlanner(sources),
                self.worker.account,
                lambda _: (self.profile,),
            )
        )

    @property
    def worker(self) -> TransactionSender:
        """The account of operator 4: everything that anybody may send."""
        return self.base.senders[KEEPERS - 1]

    def desk(self, operator: int) -> ChainKeeperDesk:
        signer = BlsHeldSigner(self.base.secrets[operator])
        return ChainKeeperDesk(self.clients, self.base.senders[operator - 1], signer)

    # The chain

    def head(self) -> Block:
        return self.base.node.block()

    def view(self) -> GroupView:
        return self.ledger.group(self.group, at=self.head().hash)

    def file(self, file_id: bytes) -> File:
        return self.clients.market.file(file_id, at=self.head().hash)

    def send(self, call: TypedCall, *, operator: int = KEEPERS) -> None:
        self.sent += 1
        self.base.senders[operator - 1].execute(call, key=f"test:{self.sent}")

    def epoch(self) -> int:
        return self.clients.stake.current_epoch(at=self.head().hash)

    def enter_epoch(self, ahead: int = 1, *, offset: int = 1) -> int:
        """Travel to shortly after the start of a coming epoch."""
        epoch = self.epoch() + ahead
        start = self.clients.stake.epoch_start(epoch, at=self.head().hash)
        self.travel(start + offset)
        return epoch

    def travel(self, time: int) -> None:
        if time > self.head().timestamp:
            self.base.ask("evm_setNextBlockTimestamp", time)
        self.base.mine()

    # Stories

    def keep(self) -> None:
        """Stake the keepers, let them ask, and open a group of their seats."""
        stake, draws = self.clients.stake, self.clients.draws
        for operator in range(1, KEEPERS + 1):
            joining = stake.join(Service.STORAGE, 1_000, stake_wei=STAKE_WEI)
            self.send(joining, operator=operator)
            endpoint = f"http://127.0.0.1:{9_500 + operator}"
            self.send(draws.set_ask(PRICE, CAPACITY, LONGEST, endpoint), operator=operator)
        self.enter_epoch()
        assert self.group_jobs.request(self.profile, self.worker) is Outcome.DONE
        self.group = self.clients.seats.newest_group(at=self.head().hash)
        self.enter_epoch(2)
        self.group_jobs.draw(self.group, self.worker)
        assert self.view().state is GroupState.OPEN

    def submit(
        self, encoded: EncodedBlob, *, term: int = 30, max_cost: int = MAX_COST
    ) -> ChainFile:
        """Operator 1 pays for a file."""
        self.nonce += 1
        root = file_root((Segment.of(0, encoded.header),))
        owner, length = self.base.senders[0].account, encoded.header.length
        submission = Submission(
            owner, self.nonce, root, 1, length, self.profile.number, EntryKind.FILE, term,
            max_cost, 2**63,
        )  # fmt: skip
        self.send(self.log.submit(submission, value_wei=max_cost), operator=1)
        self.base.mine()
        self.base.mine()
        file_id = submission_id(
            chain_id=self.base.node.chain_id(),
            log=self.log.address,
            owner=owner,
            root=root,
            nonce=self.nonce,
        )
        self.files[file_id] = ChainFile(file_id, encoded)
        return self.files[file_id]

    def store(self, encoded: EncodedBlob, *, term: int = 30) -> ChainFile:
        """Paid, placed and confirmed by every seat."""
        file = self.submit(encoded, term=term)
        self.send(self.clients.market.place(file.file_id))
        self.confirm(file.file_id)
        assert self.file(file.file_id).state is FileState.STORED
        return file

    def confirm(self, file_id: bytes) -> None:
        market = self.clients.market
        digest = market.held_digest(file_id, at=self.head().hash)
        signatures = [self.base.secrets[one.operator].sign(digest) for one in self.view().seats]
        self.send(market.confirm(file_id, 0, aggregate_signatures(signatures), b""))

    def challenges(self, seats: Sequence[int]) -> list[Challenge]:
        """What the beacon of this epoch, or a demand, asks these seats for."""
        head = self.head()
        operators = {self.view().seats[seat].operator for seat in seats}
        found = [one for who in sorted(operators) for one in self.keeper.challenges(who, at=head)]
        return [one for one in found if one.seat in seats and one.group == self.group]

    def asked_epoch(self, seats: int) -> dict[int, Challenge]:
        """Travel to an epoch in which the beacon asks so many seats for something that is owed."""
        for _ in range(12):
            self.enter_epoch()
            found = {one.seat: one for one in self.challenges((0, 1, 2)) if not one.is_bonded}
            if len(found) >= seats:
                return found
        raise AssertionError("the beacon asks too few")

    def prove(self, challenge: Challenge) -> None:
        operator = self.view().seats[challenge.seat].operator
        proof = self.files[challenge.file_id].proof(challenge.row, challenge.leaf)
        self.desk(operator).prove(challenge, proof)

    def restore(self, seat: int) -> None:
        """A suspect seat shows what the beacon asks it for."""
        for _ in range(12):
            if self.view().seats[seat].state is not SeatState.SUSPECT:
                return
            self.enter_epoch()
            for challenge in self.challenges([seat]):
                self.prove(challenge)
        raise AssertionError("it is never asked")

    def refill(self, seat: int) -> None:
        """A lost or leaving seat gets a successor, who takes it over; epochs pass."""
        for _ in range(12):
            self.enter_epoch(2)
            self.group_jobs.draw_successor(self.group, seat, self.worker)
            one = self.view().seats[seat]
            if one.successor:
                placed = self.keeper.placed_in(self.group, at=self.head())
                self.desk(one.successor).take_over(self.group, one, placed=placed)
                assert self.view().seats[seat].state is SeatState.SERVING
                return
        raise AssertionError("nobody follows")

    def due(self, kind: JobKind) -> list[str]:
        """Subjects of the jobs of a kind that are due now."""
        found = self.proofs_jobs.find_due([self.group], self.head())
        return [one.subject for one in found if one.kind is kind]

    def is_refused(self, call: TypedCall) -> bool:
        """Whether the contract would refuse a call now."""
        with suppress(Rejected):
            self.base.node.calls([call.call_from(self.worker.account)], at=self.head().hash)
            return False
        return True


def open_storage_chain(folder: Path) -> StorageChain:
    """Deploy all of Apogee, and open a group."""
    endpoints = [f"http://127.0.0.1:{9_400 + one}" for one in range(1, KEEPERS)]
    chain = StorageChain(deploy_chain(folder, endpoints, finality_blocks=3))
    try:
        chain.keep()
    except BaseException:
        chain.base.close()
        raise
    return chain
