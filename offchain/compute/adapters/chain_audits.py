"""Audits over the contracts: what is open, who is to be drawn, and what an auditor sends.

Source: docs/protocol/compute.md#audits.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from offchain.chain.due import execute_due
from offchain.chain.followed import Followed
from offchain.chain.model import Block, BlockRef, TypedCall
from offchain.chain.ports import ChainReader
from offchain.compute.audit_bundle import ShownAnswer
from offchain.compute.audit_draw import (
    FIRST_SEATS,
    SECOND_SEATS,
    SEED_BLOCKS,
    Ballot,
    candidates_of,
    committee_of,
    seed_of,
)
from offchain.compute.audit_ports import AuditSeat, AuditView
from offchain.compute.onchain_audit_court import (
    Audit,
    AuditCourtClient,
    AuditorsPaid,
    AuditRequested,
    AuditState,
    CommitteeDrawn,
)
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.onchain_registry import ServiceRegistryClient
from offchain.compute.shown import HashedLeaf, ShownItem
from offchain.core.units import BlockNumber
from offchain.node.leased_sender import Sends
from offchain.staking.frozen_tree import TreeSources, frozen_tree
from offchain.staking.model import Service
from offchain.staking.onchain import RandomBeaconClient

T = TypeVar("T")
REMEMBERED_BLOCKS: Final = 8_191  # EIP-2935
WAITS_FOR_DRAW: Final = frozenset({AuditState.NONE, AuditState.REQUESTED, AuditState.ESCALATED})


@dataclass(frozen=True, slots=True)
class AuditClients:
    """The contracts that audits touch; `depth`: blocks after which nothing is taken back."""

    node: ChainReader
    court: AuditCourtClient
    escrow: ComputeEscrowClient
    registry: ServiceRegistryClient
    beacon: RandomBeaconClient
    tree: TreeSources
    depth: int


class ChainAudits:
    """An `AuditLedger`."""

    def __init__(self, clients: AuditClients) -> None:
        self._clients = clients
        self._drawn = self._follow(CommitteeDrawn)
        self._requested = self._follow(AuditRequested)
        self._paid = self._follow(AuditorsPaid)
        self._over: dict[int, AuditState] = {}

    def head(self) -> Block:
        return self._clients.node.block()

    def open_audits(self, block: Block) -> list[int]:
        known = dict.fromkeys(one.audit for one in self._drawn.upto(block))
        return [audit for audit in known if not self._state(audit, block).is_final]

    def is_over(self, audit: int, block: Block) -> bool:
        self._state(audit, block)
        return audit in self._over

    def unpaid(self, block: Block) -> list[int]:
        """Final audits that may still owe or be owed something, as far as this reader knows."""
        known = dict.fromkeys(one.audit for one in self._drawn.upto(block))
        paid = {one.audit for one in self._paid.upto(block)}
        return [one for one in known if one not in paid and self._state(one, block).is_final]

    def undrawn(self, block: Block) -> list[int]:
        """Batches and requests without a committee, and escalations that wait for theirs."""
        last = self._clients.escrow.batch_count(at=block.hash)
        known = [*range(1, last + 1), *(one.audit for one in self._requested.upto(block))]
        return [one for one in known if self._state(one, block) in WAITS_FOR_DRAW]

    def audit(self, audit: int, *, at: BlockRef) -> AuditView:
        court = self._clients.court
        told = court.audit(audit, at=at)
        if told.state is AuditState.NONE:
            return AuditView(audit, 0, told.state, 0, 0, bytes(32), 0, 0, (), ())
        return AuditView(
            id=audit,
            batch=told.batch,
            state=told.state,
            round=told.round,
            deadline=told.deadline,
            bundle=told.bundle,
            failed=told.failed,
            left=told.left,
            seats=self._seats(audit, told, at),
            spans=tuple(court.point(audit, number, at=at) for number in range(told.draws)),
        )

    def operator_of(self, account: bytes, *, at: BlockRef) -> int:
        return int(self._clients.tree.stake.operator_of(account, at=at))

    def draw_call(self, audit: int, block: Block) -> TypedCall | None:
        """What seats a committee; None while its seed is not known. Raises: TreeMismatch."""
        clients = self._clients
        told = clients.court.audit(audit, at=block.hash)
        if told.state not in WAITS_FOR_DRAW:
            return None
        is_batch = told.state is AuditState.NONE
        batch = clients.escrow.batch(audit if is_batch else told.batch, at=block.hash)
        clock = clients.tree.registry.clock(at=block.hash)
        epoch, seed_block, rnd = told.epoch, told.seed_block, told.round
        if is_batch:
            epoch, rnd = clock.current_epoch(batch.posted_at), 1
            seed_block = batch.posted_block + SEED_BLOCKS
        if block.number <= seed_block:
            return None
        is_known = block.number - seed_block <= REMEMBERED_BLOCKS
        drawn = clients.node.block(BlockNumber(seed_block)).hash if is_known else bytes(32)
        seed_epoch = epoch if is_known else clock.current_epoch(block.timestamp)
        random = clients.beacon.randomness(seed_epoch, at=block.hash)
        tree = frozen_tree(clients.tree, Service.ALIGNMENT, epoch, at=block)
        committee = committee_of(
            seed_of(random, drawn, audit=audit, rnd=rnd),
            tree,
            seats=FIRST_SEATS if rnd == 1 else SECOND_SEATS,
            barred=clients.registry.operator_of(batch.service, at=block.hash),
        )
        return clients.court.draw(audit, candidates_of(committee, tree))

    def _follow(self, kind: type[T]) -> Followed[T]:
        return Followed(
            self._clients.node,
            self._clients.court,
            kind,
            indexed={},
            first_block=self._clients.tree.first_block,
            depth=self._clients.depth,
        )

    def _seats(self, audit: int, told: Audit, at: BlockRef) -> tuple[AuditSeat, ...]:
        most = FIRST_SEATS if told.round == 1 else SECOND_SEATS
        court = self._clients.court
        cast = (court.ballot(audit, told.round, seat, at=at) for seat in range(most))
        return tuple(
            AuditSeat(one.operator_id, any(one.commitment), one.has_voted)
            for one in cast
            if one.operator_id
        )

    def _state(self, audit: int, block: Block) -> AuditState:
        """How far it is; an end that no reorganisation takes back is not asked for again."""
        if audit in self._over:
            return self._over[audit]
        court = self._clients.court
        state = court.audit(audit, at=block.hash).state
        if state.is_final:
            deep = BlockNumber(max(0, block.number - self._clients.depth))
            if court.audit(audit, at=deep).state is state:
                self._over[audit] = state
        return state


class ChainAuditActs:
    """`AuditActs` from one account."""

    def __init__(self, court: AuditCourtClient, sender: Sends) -> None:
        self._court = court
        self._sender = sender

    def reveal(self, audit: int, bundle: bytes) -> None:
        self._send(self._court.reveal(audit, bundle), f"reveal:{audit:x}")

    def commit(self, ballot: Ballot) -> None:
        self._send(self._court.commit(ballot), f"commit:{ballot.audit:x}:{ballot.rnd}")

    def vote(self, ballot: Ballot) -> None:
        self._send(self._court.vote(ballot), f"vote:{ballot.audit:x}:{ballot.rnd}")

    def convict(self, audit: int, batch: int, shown: ShownAnswer) -> None:
        one = shown.item
        fields = (
            one.payer,
            one.price_version,
            one.first_nonce,
            one.last_nonce,
            one.amount,
            one.claimed,
            one.leaf_count,
            one.leaves_root,
        )
        item = ShownItem(batch, shown.index, fields, shown.item_path)
        leaf = HashedLeaf(shown.leaf, shown.leaf_hash, shown.leaf_path)
        call = self._court.convict(audit, shown.draw, item, leaf)
        self._send(call, f"convict:{audit:x}:{shown.draw}")

    def _send(self, call: TypedCall, key: str) -> None:
        execute_due(self._sender, call, key=f"compute.audit.{key}")
