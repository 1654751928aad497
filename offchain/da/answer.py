"""A node answers the challenges against its operator by itself, from the rows on its disk.

Every pass asks the chain what is open, so a restart forgets nothing and an answer that another
process of the operator sent is not sent again. What cannot be answered, because the row is lost
here, is logged as an alarm once a pass: its stake is gone when the deadline passes.
Source: docs/protocol/da.md#challenges, INV-DA-16.
"""

import asyncio
import logging
from dataclasses import dataclass

from offchain.core.errors import ApogeeError, Corrupt, NotFound
from offchain.core.matrix.encode import leaf_frame_of
from offchain.core.wire import Header, Row
from offchain.da.challenge_book import Asked
from offchain.da.dispute_ports import AnswerDesk, OpenChallenge
from offchain.da.onchain_challenges import WHOLE_ROW
from offchain.da.ports import RowStore, Settlement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """A challenge that this pass answered."""

    asked: Asked
    settlement: Settlement


class AnswerChallenges:
    """One operator's watcher."""

    def __init__(self, operator: int, store: RowStore, desk: AnswerDesk) -> None:
        self._operator = operator
        self._store = store
        self._desk = desk

    async def answer(self) -> list[Answered]:
        """Answer everything that is open; a failure of one leaves the others to be answered.

        Raises: Unavailable when the chain cannot be read at all.
        """
        waiting = await asyncio.to_thread(self._desk.open_against, self._operator)
        found = await asyncio.gather(*(self._answer(challenge) for challenge in waiting))
        return [one for one in found if one is not None]

    async def _answer(self, challenge: OpenChallenge) -> Answered | None:
        asked = challenge.asked
        named = {"blob_id": asked.blob_id.hex(), "row": asked.row, "leaf": asked.leaf}
        try:
            header = await self._store.header(asked.blob_id)
            [row] = await self._store.rows(asked.blob_id, [asked.row])
            settlement = await asyncio.to_thread(self._send, challenge, row, header)
        except (NotFound, Corrupt) as error:
            named |= {"code": error.code, "deadline": challenge.deadline}
            log.critical("challenge_not_answerable", extra=named)
            return None
        except ApogeeError as error:
            log.warning("answer_failed", extra=named | {"code": error.code, "error": str(error)})
            return None
        log.info("challenge_answered", extra=named | {"gas": settlement.gas_used})
        return Answered(asked, settlement)

    def _send(self, challenge: OpenChallenge, row: Row, header: Header) -> Settlement:
        if challenge.asked.leaf == WHOLE_ROW:
            data, path = row_answer(row, header)
            return self._desk.answer_row(challenge, data, path)
        frame = leaf_frame_of(row, challenge.asked.leaf, header)
        return self._desk.answer_leaf(challenge, frame.to_bytes())


def row_answer(row: Row, header: Header) -> tuple[bytes, bytes]:
    """A row and what ties it to D, as the contracts take them."""
    return row.data.tobytes(), b"".join((*row.path, *header.coset_roots))
