"""Draw the current epoch's table of DA signers: load at one block, decide, apply.

The subject is the epoch; a table is drawn once, whoever draws it. Where members and stake have not
changed, the next payment carries the old table over by itself and there is nothing to do.
"""

from dataclasses import dataclass

from offchain.chain.due import execute_due
from offchain.chain.model import BlockHash
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.bls import PublicKey
from offchain.core.errors import Rejected
from offchain.da.onchain import DASignersClient
from offchain.da.quorums import Member, Page, draw_table
from offchain.da.reverts import EpochNotDrawn
from offchain.jobs.model import Outcome
from offchain.staking.model import Service, pool_id
from offchain.staking.onchain import OperatorRegistryClient, StakeManagerClient


@dataclass(frozen=True, slots=True)
class DrawParts:
    """What drawing reads and who sends it."""

    reader: ChainReader
    registry: OperatorRegistryClient
    stake: StakeManagerClient
    signers: DASignersClient
    sender: TransactionSender | None  # None: only asked what is due


class DrawTable:
    """Draws tables, one page after the other."""

    def __init__(self, parts: DrawParts) -> None:
        self._parts = parts

    def current_epoch(self) -> int:
        return self._parts.stake.current_epoch(at=self._parts.reader.block().hash)

    def is_due(self, epoch: int) -> bool:
        """Whether this epoch is the current one, has members, and no table serves it."""
        at = self._parts.reader.block().hash
        signers = self._parts.signers
        return (
            self._parts.stake.current_epoch(at=at) == epoch
            and signers.member_count(epoch, at=at) > 0
            and not self._is_served(epoch, at)
        )

    def draw(self, epoch: int) -> Outcome:
        """Draw an epoch's table. Raises: TableInvalid, Rejected from the contract."""
        parts, at = self._parts, self._parts.reader.block().hash
        if parts.stake.current_epoch(at=at) != epoch:
            return Outcome.NOT_DUE
        if not self.is_due(epoch):
            return Outcome.ALREADY
        pages = self._pages(epoch, at)
        sender = parts.sender
        assert sender
        try:
            for page in pages:
                call = parts.signers.draw(epoch, page)
                execute_due(sender, call, key=f"da.draw:{epoch}:{page.position}")
        except Rejected:
            if not self.is_due(epoch):  # somebody else was faster
                return Outcome.ALREADY
            raise
        return Outcome.DONE

    def _is_served(self, epoch: int, at: BlockHash) -> bool:
        """Whether a payment now would use a table of this very epoch, drawn or carried over."""
        try:
            return self._parts.signers.serving_epoch(at=at) == epoch
        except EpochNotDrawn:
            return False

    def _pages(self, epoch: int, at: BlockHash) -> tuple[Page, ...]:
        parts = self._parts
        known = range(1, parts.registry.operator_count(at=at) + 1)
        members = []
        for operator in parts.signers.were_members(known, epoch, at=at):
            weight = parts.stake.weight_at(pool_id(operator, Service.DA), epoch, at=at)
            key = PublicKey.parse(parts.stake.key_at(operator, epoch, at=at))
            members.append(Member(operator, weight, key))
        return draw_table(members, parts.signers.seed(epoch, at=at)).pages
