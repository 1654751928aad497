"""DAChallenges as a place to challenge and to answer, each step one transaction under its own key.

What is open against an operator is found from `open_of` and the events of one answer window, newest
first, so nothing has to be remembered between two looks.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np

from offchain.chain.event_ranges import RANGE_BLOCKS, events_between
from offchain.chain.model import Block, Receipt
from offchain.chain.ports import ChainReader
from offchain.core.field import FIELD_BYTES
from offchain.core.hashing import DIGEST_BYTES
from offchain.core.layout import COSET_DEPTH
from offchain.core.units import BlockNumber, Seconds
from offchain.core.wire import Row
from offchain.da.adapters.chain_blobs import ChainBlobs
from offchain.da.adapters.chain_till import settlement_of
from offchain.da.challenge_book import Asked
from offchain.da.dispute_ports import Fate, OpenChallenge, Posted
from offchain.da.onchain import DAEntranceClient
from offchain.da.onchain_challenges import (
    Answered,
    Challenged,
    Closed,
    DAChallengesClient,
    Reclaimed,
    RowPublished,
    challenge_id,
)
from offchain.da.ports import Settlement
from offchain.node.leased_sender import Sends

NOBODY: Final = bytes(20)
T = TypeVar("T")


class ChainChallenges:
    """A `ChallengeBoard` and an `AnswerDesk`; the sender is the challenger or the operator."""

    def __init__(
        self,
        reader: ChainReader,
        entrance: DAEntranceClient,
        challenges: DAChallengesClient,
        sender: Sends,
    ) -> None:
        self._reader = reader
        self._entrance = entrance
        self._challenges = challenges
        self._sender = sender
        self._blobs = ChainBlobs(reader, entrance)

    # ChallengeBoard

    def post(self, asked: Asked, *, deposit_wei: int, attempt: int) -> Posted:
        call = self._challenges.challenge(
            self._blobs.blob(asked.blob_id),
            asked.row,
            asked.leaf,
            self._blobs.signed_by(asked.blob_id),
            value_wei=deposit_wei,
        )
        receipt = self._sender.execute(call, key=f"da.challenge:{_id(asked).hex()}:{attempt}")
        [event] = self._challenges.events_in(Challenged, receipt.logs)
        return Posted(
            asked=asked,
            operator=event.operator_id,
            block=receipt.block_number,
            deadline=event.deadline,
            bond=event.bond,
            settlement=settlement_of(receipt, event.bond),
        )

    def fate(self, posted: Posted) -> Fate:
        indexed = {"challenge_id": _id(posted.asked)}
        for _ in self._since(posted.block, Answered, indexed):
            return Fate.ANSWERED
        for closed in self._since(posted.block, Closed, indexed):
            return Fate.CONVICTED if closed.is_convicted else Fate.DISMISSED
        for _ in self._since(posted.block, Reclaimed, indexed):
            return Fate.DISMISSED
        return Fate.OPEN

    def published(self, posted: Posted) -> Row | None:
        asked = posted.asked
        indexed = {"blob_id": asked.blob_id, "row": asked.row}
        for event in self._since(posted.block, RowPublished, indexed):
            data = np.frombuffer(event.data, np.uint8).reshape(-1, FIELD_BYTES)
            siblings = range(0, COSET_DEPTH * DIGEST_BYTES, DIGEST_BYTES)
            path = tuple(event.path[start : start + DIGEST_BYTES] for start in siblings)
            return Row(asked.row, path, data)
        return None

    def close(self, posted: Posted) -> Settlement:
        asked = posted.asked
        call = self._challenges.close(asked.blob_id, asked.row, asked.leaf)
        key = f"da.close:{_id(asked).hex()}:{posted.deadline}"
        return settlement_of(self._sender.execute(call, key=key))

    def collect(self) -> int:
        account = self._sender.account
        at = self._reader.block()
        credit = self._challenges.credit_of(account, at=at.hash)
        if credit:
            key = f"da.challenges.withdraw:{at.hash.hex()}"
            self._sender.execute(self._challenges.withdraw(account), key=key)
        return credit

    # AnswerDesk

    def open_against(self, operator: int) -> Sequence[OpenChallenge]:
        head = self._reader.block()
        count = self._challenges.open_of(operator, at=head.hash)
        if not count:
            return ()
        found: dict[Asked, OpenChallenge] = {}
        for event in self._challenged(operator, head):
            asked = Asked(event.blob_id, event.row, event.leaf)
            standing = self._challenges.challenge_of(event.challenge_id, at=head.hash)
            if standing.challenger != NOBODY and head.timestamp <= standing.deadline:
                found[asked] = OpenChallenge(asked, operator, standing.opened_at, standing.deadline)
            if len(found) == count:
                break
        return sorted(found.values(), key=lambda one: one.deadline)

    def answer_leaf(self, challenge: OpenChallenge, frame: bytes) -> Settlement:
        blob = self._blobs.blob(challenge.asked.blob_id)
        receipt = self._sender.execute(
            self._challenges.answer_leaf(blob, frame), key=_answer_key(challenge)
        )
        return self._earned(receipt)

    def answer_row(self, challenge: OpenChallenge, data: bytes, path: bytes) -> Settlement:
        blob = self._blobs.blob(challenge.asked.blob_id)
        call = self._challenges.answer_row(blob, challenge.asked.row, data, path)
        return self._earned(self._sender.execute(call, key=_answer_key(challenge)))

    # Internal

    def _since(self, block: int, kind: type[T], indexed: Mapping[str, object]) -> Iterator[T]:
        """Events of one kind from a block on, oldest first."""
        blocks = (block, self._reader.block().number)
        return events_between(self._reader, self._challenges, kind, blocks, indexed)

    def _earned(self, receipt: Receipt) -> Settlement:
        [answered] = self._challenges.events_in(Answered, receipt.logs)
        mine = answered.answerer == self._sender.account
        return settlement_of(receipt, answered.bond if mine else 0)

    def _challenged(self, operator: int, head: Block) -> Iterator[Challenged]:
        """Challenges of an operator, newest first, as far back as an answer would be in time."""
        window = Seconds(self._entrance.windows(at=head.hash).answer)
        last: int = head.number
        while last >= 0:
            first = max(0, last - RANGE_BLOCKS + 1)
            indexed = {"operator_id": operator}
            blocks = (first, last)
            found = events_between(self._reader, self._challenges, Challenged, blocks, indexed)
            yield from reversed(list(found))
            if self._reader.block(BlockNumber(first)).timestamp + window < head.timestamp:
                return
            last = first - 1


def _id(asked: Asked) -> bytes:
    return challenge_id(asked.blob_id, asked.row, asked.leaf)


def _answer_key(challenge: OpenChallenge) -> str:
    """One answer for one opening: the same place may be asked for again later."""
    return f"da.answer:{_id(challenge.asked).hex()}:{challenge.opened_at}"
