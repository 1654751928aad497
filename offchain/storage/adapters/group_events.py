"""Which groups concern an operator and which files lie in a group, from events, settled once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from offchain.chain.contract import ContractClient
from offchain.chain.followed import Followed
from offchain.chain.model import Block
from offchain.storage.adapters.chain_ledger import StorageClients
from offchain.storage.model import FileState
from offchain.storage.onchain_draws import SeatsDrawn
from offchain.storage.onchain_market import File, FilePlaced
from offchain.storage.onchain_proofs import Demanded
from offchain.storage.onchain_seats import GroupRequested, SeatChanged, SuccessorNamed

ENDED: Final = frozenset({FileState.CLOSED, FileState.REFUNDED, FileState.LOST, FileState.VOID})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EventRules:
    """`first_block`: of the deployment. `depth`: blocks after which nothing is taken back."""

    first_block: int
    depth: int


@dataclass(slots=True)
class _Concerns:
    """An operator's events: draws as successor, seats that it got or lost."""

    followed: Followed[SuccessorNamed]
    changed: Followed[SeatChanged]


@dataclass(slots=True)
class _Files:
    """The files placed in one group; `over` are those that ended at a settled block."""

    placed: Followed[FilePlaced]
    over: dict[bytes, File] = field(default_factory=dict)


class GroupEvents:
    """Remembers what is settled of every operator and group it was asked about."""

    def __init__(self, clients: StorageClients, rules: EventRules) -> None:
        self._clients = clients
        self._rules = rules
        self._concerns: dict[int, _Concerns] = {}
        self._files: dict[int, _Files] = {}
        self._demands: dict[int, Followed[Demanded]] = {}
        self._demanded: Followed[Demanded] | None = None  # of all operators
        self._requested: Followed[GroupRequested] | None = None
        self._drawn: Followed[SeatsDrawn] | None = None  # first draws of all groups

    def groups_of(self, operator: int, at: Block) -> list[int]:
        """Groups in which an operator was ever drawn, in rising order."""
        if operator not in self._concerns:
            seats = self._clients.seats
            indexed = {"operator_id": operator}
            self._concerns[operator] = _Concerns(
                self._follow(seats, SuccessorNamed, indexed),
                self._follow(seats, SeatChanged, indexed),
            )
        concerns = self._concerns[operator]
        if self._drawn is None:
            self._drawn = self._follow(self._clients.draws, SeatsDrawn, {})
        groups = {one.group for one in self._drawn.upto(at) if operator in one.operators}
        groups |= {one.group for one in concerns.followed.upto(at)}
        groups |= {one.group for one in concerns.changed.upto(at)}
        return sorted(groups)

    def groups(self, at: Block) -> list[int]:
        """Every group that was ever requested."""
        if self._requested is None:
            self._requested = self._follow(self._clients.seats, GroupRequested, {})
        return sorted({one.group for one in self._requested.upto(at)})

    def files(self, group: int, at: Block) -> dict[bytes, File]:
        """Every file that was placed in a group, as the market has it at this block."""
        if group not in self._files:
            placed = self._follow(self._clients.market, FilePlaced, {"group": group})
            self._files[group] = _Files(placed)
        files = self._files[group]
        ids = list(dict.fromkeys(one.id for one in files.placed.upto(at)))
        asked = [one for one in ids if one not in files.over]
        records = self._clients.market.files(asked, at=at.hash)
        found = {**files.over, **dict(zip(asked, records, strict=True))}
        if self._is_settled(at):
            files.over |= {one: file for one, file in found.items() if file.state in ENDED}
        return {one: found[one] for one in ids}

    def demands_of(self, operator: int, at: Block) -> list[Demanded]:
        """Every demand that was ever made of an operator."""
        if operator not in self._demands:
            indexed = {"operator_id": operator}
            self._demands[operator] = self._follow(self._clients.proofs, Demanded, indexed)
        return self._demands[operator].upto(at)

    def demands(self, at: Block) -> list[Demanded]:
        """Every demand that was ever made."""
        if self._demanded is None:
            self._demanded = self._follow(self._clients.proofs, Demanded, {})
        return self._demanded.upto(at)

    def _is_settled(self, at: Block) -> bool:
        newest = self._clients.reader.block()
        return at.number + self._rules.depth <= newest.number

    def _follow(
        self, client: ContractClient, kind: type[T], indexed: Mapping[str, object]
    ) -> Followed[T]:
        return Followed(
            self._clients.reader,
            client,
            kind,
            indexed=indexed,
            first_block=self._rules.first_block,
            depth=self._rules.depth,
        )
