"""A chain in this very process, as keepers of stored bytes see it: groups, files, challenges, time.

Every `seal` is a block that can be read for ever; `reorganise` takes the newest ones back. It keeps
the contract's rules as far as a keeper meets them: a proof is taken once and in time, a seat goes
to its successor only, and only when that one counted everything that was placed.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from offchain.chain.model import Block, BlockHash
from offchain.core.errors import Conflict, Rejected
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber
from offchain.storage.keep_ports import Challenge, LeafProof, Sent
from offchain.storage.model import SeatState, is_segment_of, kept_bytes
from offchain.storage.ports import GroupView, SeatView, StoredFile
from offchain.storage.seat_draw import Ask

GENESIS_TIME: Final = 1_700_000_000
PROOF_GAS: Final = 85_000
ASK_PRICE: Final = 409_600_000
HAND_OVER_SECONDS: Final = 3 * 86_400


@dataclass(frozen=True, slots=True)
class State:
    """What one block says."""

    groups: dict[int, GroupView] = field(default_factory=dict)
    files: dict[bytes, StoredFile] = field(default_factory=dict)
    challenges: dict[str, Challenge] = field(default_factory=dict)
    proven: dict[str, LeafProof] = field(default_factory=dict)


class ProofRefused(Rejected):
    """The leaf does not lie where the challenge points."""

    code = "storage.memory.proof_refused"


class ShownAlready(Conflict):
    """The challenge is settled, or its window is over."""

    code = "storage.memory.settled"


class SeatNotYours(Conflict):
    """Somebody else follows the seat, or more was placed in the group meanwhile."""

    code = "storage.memory.seat_not_yours"


class MemoryKeeper:
    """A `KeeperLedger` and its `FineTerms`; `desk` gives each operator its `KeeperDesk`."""

    def __init__(self, *, depth: int = 2) -> None:
        self._depth = depth
        self.state = State()
        self.endpoints: dict[int, str] = {}
        self.bytes_per_challenge = 0
        self._sealed: list[tuple[Block, State]] = []
        self._time = GENESIS_TIME
        self._salt = 0
        for _ in range(depth + 1):
            self.seal()

    @property
    def now(self) -> int:
        return self._time

    def desk(self, operator: int) -> "MemoryDesk":
        return MemoryDesk(self, operator)

    def seal(self, seconds: int = 12) -> Block:
        """Put what was changed since the last block into a new one."""
        self._time += seconds
        self._salt += 1
        number = BlockNumber(len(self._sealed))
        parent = self._sealed[-1][0].hash if self._sealed else BlockHash(bytes(32))
        salted = keccak(number.to_bytes(8, "big"), self._salt.to_bytes(8, "big"))
        block = Block(number, BlockHash(salted), parent, self._time, 0, 30_000_000)
        self._sealed.append((block, _copy(self.state)))
        return block

    def settle(self) -> None:
        """Make the present state final."""
        for _ in range(self._depth + 1):
            self.seal()

    def reorganise(self, blocks: int) -> None:
        """Take the newest blocks back, and what they changed."""
        assert blocks <= self._depth, "a final block stays"
        del self._sealed[-blocks:]
        self.state = _copy(self._sealed[-1][1])
        self.seal()

    def put_group(self, group: GroupView) -> None:
        self.state.groups[group.group] = group

    def change_seat(self, group: int, seat: int, **changes: object) -> None:
        view = self.state.groups[group]
        seats = list(view.seats)
        seats[seat] = replace(seats[seat], **changes)  # type: ignore[arg-type]  # fields of SeatView
        self.state.groups[group] = replace(view, seats=tuple(seats))

    def put_file(self, file: StoredFile) -> None:
        self.state.files[file.file_id] = file

    def challenge(self, challenge: Challenge) -> None:
        self.state.challenges[challenge.key] = challenge

    def head(self) -> Block:
        return self._sealed[-1][0]

    def final(self) -> Block:
        return self._sealed[-1 - self._depth][0]

    def groups_of(self, operator: int, *, at: Block) -> tuple[GroupView, ...]:
        groups = self._at(at).groups.values()
        return tuple(
            group
            for group in groups
            if any(operator in {seat.operator, seat.successor} for seat in group.seats)
        )

    def files_of(self, group: int, *, at: Block) -> tuple[StoredFile, ...]:
        return tuple(one for one in self._at(at).files.values() if one.group == group)

    def placed_in(self, group: int, *, at: Block) -> int:
        return len(self.files_of(group, at=at))

    def seat_at(self, group: int, seat: int, *, at: Block) -> SeatView:
        return _seat(self._at(at), group, seat)

    def fined_bytes(self, group: int, *, at: Block) -> int:
        kept = sum(kept_bytes(one.profile, one.shape.length) for one in self.files_of(group, at=at))
        return max(kept, self.bytes_per_challenge)

    def file(self, file_id: bytes, *, at: Block) -> StoredFile | None:
        return self._at(at).files.get(file_id)

    def challenges(self, operator: int, *, at: Block) -> tuple[Challenge, ...]:
        state = self._at(at)
        return tuple(
            one
            for key, one in state.challenges.items()
            if key not in state.proven
            and at.timestamp <= one.deadline
            and _seat(state, one.group, one.seat).operator == operator
        )

    def _at(self, at: Block) -> State:
        block, state = self._sealed[at.number]
        assert block == at, "a block that was reorganised away"
        return state


class MemoryDesk:
    """What one operator sends, a `DrainDesk` too; mined at once in a block of its own."""

    def __init__(self, chain: MemoryKeeper, operator: int) -> None:
        self._chain = chain
        self._operator = operator
        self.declared: list[tuple[int, int]] = []
        self._asks = [(0, Ask(0, ASK_PRICE, 1 << 40, 600))]  # from which block on

    def prove(self, challenge: Challenge, proof: LeafProof) -> Sent:
        chain = self._chain
        state = chain.state
        if challenge.key in state.proven or chain.now > challenge.deadline:
            raise ShownAlready(challenge=challenge.key)
        file = state.files[challenge.file_id]
        segment = proof.segment
        if segment.index != challenge.segment or not is_segment_of(
            file.root, file.shape, segment, proof.path
        ):
            raise ProofRefused(challenge=challenge.key)
        state.proven[challenge.key] = proof
        return self._sent()

    def take_over(self, group: int, seat: SeatView, *, placed: int) -> Sent:
        chain = self._chain
        now = _seat(chain.state, group, seat.seat)
        if now.successor != self._operator or placed != chain.placed_in(group, at=chain.head()):
            raise SeatNotYours(group=group, seat=seat.seat)
        chain.change_seat(
            group,
            seat.seat,
            operator=self._operator,
            endpoint=chain.endpoints[self._operator],
            successor=0,
            state=SeatState.SERVING,
            since=chain.now,
        )
        return self._sent()

    def declare_loss(self, group: int, seat: int) -> Sent:
        self.declared.append((group, seat))
        self._chain.change_seat(group, seat, state=SeatState.VACANT, since=self._chain.now)
        return self._sent()

    def ask(self, *, at: Block) -> Ask:
        return next(ask for number, ask in reversed(self._asks) if number <= at.number)

    def set_ask(self, ask: Ask) -> None:
        self._asks.append((self._chain.seal(0).number, ask))

    def leave(self, group: int, seat: int) -> None:
        one = _seat(self._chain.state, group, seat)
        if one.operator != self._operator or one.state is SeatState.LEAVING:
            raise SeatNotYours(group=group, seat=seat)
        self._chain.change_seat(group, seat, state=SeatState.LEAVING, since=self._chain.now)
        self._sent()

    def leaves_at(self, group: int, seat: int, *, at: Block) -> int:
        one = self._chain.seat_at(group, seat, at=at)
        return one.since + HAND_OVER_SECONDS if one.state is SeatState.LEAVING else 0

    def _sent(self) -> Sent:
        block = self._chain.seal(0)
        return Sent(block.hash, block.number, PROOF_GAS)


def _seat(state: State, group: int, seat: int) -> SeatView:
    return state.groups[group].seats[seat]


def _copy(state: State) -> State:
    return State(dict(state.groups), dict(state.files), dict(state.challenges), dict(state.proven))
