"""Challenges, proofs of fraud and the lottery in this process's memory, over a `MemoryChain`.

The second adapters of the ports in `dispute_ports.py`, for tests and rehearsals: the rules are
those of the books that the contracts are tested against (`challenge_book.py`, `sampling_book.py`),
proofs are judged by `fraud.py` itself. Everybody in a quorum has signed; gas costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from offchain.core.erasure import ErasureEngine
from offchain.core.field import FIELD_BYTES
from offchain.core.hashing import DIGEST_BYTES, keccak
from offchain.core.layout import COSET_DEPTH
from offchain.core.matrix.check import check_header
from offchain.core.merkle import verify_leaf_path, verify_row_path
from offchain.core.typed_data import words
from offchain.core.units import Seconds, Wei
from offchain.core.wire import LeafFrame, Row
from offchain.da.adapters.memory_chain import MemoryChain
from offchain.da.challenge_book import Asked, Caller, ChallengeBook, Duty
from offchain.da.dispute_ports import Draw, Fate, OpenChallenge, Posted
from offchain.da.duties import BlobView
from offchain.da.fraud import BadLeaf, FraudProof, find_fraud, first_dirty_leaf
from offchain.da.model import BlobState
from offchain.da.ports import Settlement
from offchain.da.prosecute import evidence_of
from offchain.da.reverts import EncodingSound, NotAnnounced, NothingToConvict, PathInvalid
from offchain.da.sampling_book import MAX_WINS, SamplingBook, reward_of

WINDOW: Final = Seconds(3_600)
MIN_BOND: Final = Wei(10**16)
NO_GAS: Final = 0
FREE: Final = Wei(0)


@dataclass
class MemoryDisputes:
    """What all accounts share: the books, announcements, and what became of everything."""

    chain: MemoryChain
    engine: ErasureEngine
    pool: int = 0
    cost: Wei = FREE
    challenges: ChallengeBook = field(default_factory=lambda: ChallengeBook(WINDOW, MIN_BOND))
    lottery: SamplingBook = field(default_factory=lambda: SamplingBook(31_337, bytes(20), 600))
    posted: dict[tuple[bytes, Asked, int], Posted] = field(default_factory=dict)
    fates: dict[tuple[Asked, int], Fate] = field(default_factory=dict)
    rows: dict[Asked, Row] = field(default_factory=dict)
    commitments: dict[bytes, int] = field(default_factory=dict)

    def view(self, blob_id: bytes) -> BlobView:
        return self.chain.view(blob_id, at=self.chain.head().block)

    def settle(self, value_wei: int = 0) -> Settlement:
        """Mine what was done."""
        self.chain.mine()
        block = self.chain.head().block
        return Settlement(keccak(b"dispute", block.to_bytes(8, "big")), NO_GAS, value_wei)

    @property
    def now(self) -> int:
        return self.chain.head().time


@dataclass(frozen=True)
class MemoryBoard:
    """A `ChallengeBoard` and an `AnswerDesk` of one account; `operator` 0 belongs to none."""

    world: MemoryDisputes
    account: bytes
    operator: int = 0

    def post(self, asked: Asked, *, deposit_wei: int, attempt: int) -> Posted:
        known = self.world.posted.get((self.account, asked, attempt))
        if known is not None:
            return known
        view = self.world.view(asked.blob_id)
        assert view.duties is not None
        owner = view.duties.owners().get(asked.row)
        duty = Duty(
            state=view.record.state,
            expiry=Seconds(view.record.expiry),
            columns=view.record.shape.columns,
            epoch=view.duties.epoch,
            operator_id=owner.operator if owner else 0,
        )
        book, now = self.world.challenges, self.world.now
        book.challenge(asked, duty, self.account, value=deposit_wei, base_fee=NO_GAS, now=now)
        opened = book.opened[asked]
        posted = Posted(
            asked=asked,
            operator=duty.operator_id,
            block=self.world.chain.head().block + 1,
            deadline=opened.deadline,
            bond=opened.bond,
            settlement=self.world.settle(opened.bond),
        )
        self.world.fates[asked, opened.deadline] = Fate.OPEN
        self.world.posted[self.account, asked, attempt] = posted
        return posted

    def fate(self, posted: Posted) -> Fate:
        return self.world.fates[posted.asked, posted.deadline]

    def published(self, posted: Posted) -> Row | None:
        return self.world.rows.get(posted.asked)

    def close(self, posted: Posted) -> Settlement:
        state = self.world.view(posted.asked.blob_id).record.state
        is_convicted = self.world.challenges.close(posted.asked, state, now=self.world.now)
        fate = Fate.CONVICTED if is_convicted else Fate.DISMISSED
        self.world.fates[posted.asked, posted.deadline] = fate
        return self.world.settle()

    def collect(self) -> int:
        credit = self.world.challenges.credits.get(self.account, 0)
        return self.world.challenges.withdraw(self.account) if credit else 0

    def open_against(self, operator: int) -> Sequence[OpenChallenge]:
        return [
            OpenChallenge(asked, operator, one.opened_at, one.deadline)
            for asked, one in self.world.challenges.opened.items()
            if one.operator_id == operator and self.world.now <= one.deadline
        ]

    def answer_leaf(self, challenge: OpenChallenge, frame: bytes) -> Settlement:
        record = self.world.view(challenge.asked.blob_id).record
        leaf = LeafFrame.parse(frame, record.shape)
        place = (challenge.asked.row, challenge.asked.leaf)
        is_there = (leaf.row, leaf.leaf) == place and verify_leaf_path(
            record.data_root, record.shape, place, leaf=leaf.data, path=leaf.path
        )
        return self._answer(challenge, is_there=is_there)

    def answer_row(self, challenge: OpenChallenge, data: bytes, path: bytes) -> Settlement:
        asked = challenge.asked
        parts = [path[at : at + DIGEST_BYTES] for at in range(0, len(path), DIGEST_BYTES)]
        elements = np.frombuffer(data, np.uint8).reshape(-1, FIELD_BYTES)
        row = Row(asked.row, tuple(parts[:COSET_DEPTH]), elements)
        root = self.world.engine.row_roots(elements[np.newaxis])[0].tobytes()
        is_there = verify_row_path(parts[COSET_DEPTH:], row.index, root, row.path)
        settlement = self._answer(challenge, is_there=is_there)
        self.world.rows[asked] = row
        return settlement

    def _answer(self, challenge: OpenChallenge, *, is_there: bool) -> Settlement:
        if not is_there:
            raise PathInvalid(row=challenge.asked.row, leaf=challenge.asked.leaf)
        bond = self.world.challenges.opened.get(challenge.asked)
        caller = Caller(self.account, self.operator)
        self.world.challenges.answer(challenge.asked, caller, self.account, now=self.world.now)
        self.world.fates[challenge.asked, challenge.deadline] = Fate.ANSWERED
        return self.world.settle(bond.bond if bond else 0)


@dataclass(frozen=True)
class MemoryFraud:
    """A `FraudDesk` of one account."""

    world: MemoryDisputes
    reporter: bytes

    def committed_block(self, commitment: bytes) -> int | None:
        return self.world.commitments.get(commitment)

    def commit(self, commitment: bytes) -> Settlement:
        if commitment in self.world.commitments:
            raise NotAnnounced(reason="committed already")
        self.world.commitments[commitment] = self.world.chain.head().block + 1
        return self.world.settle()

    def prove(self, blob_id: bytes, proof: FraudProof, salt: bytes) -> Settlement:
        record = self.world.view(blob_id).record
        commitment = keccak(words(evidence_of(blob_id, proof), self.reporter, salt))
        announced = self.world.commitments.get(commitment)
        if not record.is_header(proof.header) or not self._is_bad(proof):
            raise EncodingSound(fault=proof.fault)
        if announced is None or announced >= self.world.chain.head().block + 1:
            raise NotAnnounced(block=announced)
        if record.state is BlobState.VOID:
            raise NothingToConvict(blob_id=blob_id.hex())
        self.world.chain.void(blob_id)
        return self.world.settle()

    def is_worthwhile(self, blob_id: bytes, row: int) -> bool:
        del row
        return self.world.view(blob_id).record.state is not BlobState.VOID

    def _is_bad(self, proof: FraudProof) -> bool:
        if not isinstance(proof, BadLeaf):
            checked = check_header(proof.header, self.world.engine)
            return find_fraud(checked, [proof.row], self.world.engine) is not None
        leaf, shape = proof.leaf, proof.header.shape
        row = np.zeros((shape.columns, FIELD_BYTES), np.uint8)
        row.reshape(shape.leaves, -1)[leaf.leaf] = np.frombuffer(leaf.data, np.uint8)
        return first_dirty_leaf(row, leaf.row, shape) is not None and verify_leaf_path(
            proof.header.data_root, shape, (leaf.row, leaf.leaf), leaf=leaf.data, path=leaf.path
        )


@dataclass(frozen=True)
class MemoryLottery:
    """A `Lottery` of one operator."""

    world: MemoryDisputes
    operator: int

    def running(self) -> Draw | None:
        book = self.world.lottery
        is_open = book.number_at(self.world.now) == book.round.number
        if not is_open or book.round.wins >= MAX_WINS:
            return None
        return Draw(book.round, reward_of(self.world.pool), self.world.cost)

    def has_signed(self, blob_id: bytes, signer: int) -> bool:
        del signer
        record = self.world.view(blob_id).record
        return record.state is BlobState.CONFIRMED and self.world.now < record.expiry

    def claim(self, number: int, blob_id: bytes, frame: LeafFrame) -> Settlement:
        del number
        self.world.lottery.win(self.world.now, (blob_id, frame.row, frame.leaf), frame.data)
        reward = reward_of(self.world.pool)
        self.world.pool -= reward
        return self.world.settle(reward)
