"""Client of StorageDraws, and the events it writes.

Method and field names are the contract's; prices are wei per 2^30 byte-seconds of one seat,
capacity is bytes. Source: docs/protocol/storage.md#seats.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.units import Wei
from offchain.staking.tree import Cover
from offchain.storage import reverts_seats as reverts
from offchain.storage.seat_draw import Ask, Load

KeyWords = tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class AskSet:
    operator_id: int
    epoch: int
    price: int
    capacity: int
    longest_epochs: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class SeatsDrawn:
    """Seats from `first_seat` on: price << 32 | operator id each; `picks` as in the call."""

    group: int
    first_seat: int
    seats: tuple[int, ...]
    picks: bytes

    @property
    def operators(self) -> tuple[int, ...]:
        return tuple(one & 2**32 - 1 for one in self.seats)

    @property
    def prices(self) -> tuple[int, ...]:
        return tuple(one >> 32 for one in self.seats)


class StorageDrawsClient(ContractClient):
    """What operators ask, and whom the beacon draws."""

    contract = "StorageDraws"
    reverts = reverts.DRAWS

    def seed_epoch(self, epoch: int, *, at: BlockRef) -> int:
        """Whose beacon value decides a draw asked for in `epoch`. Raises: SeatSeedNotReady."""
        return self._read(int, "seed_epoch", epoch, at=at)

    def operator_count(self, *, at: BlockRef) -> int:
        return self._read(int, "operator_count", at=at)

    def ask_at(self, operator_id: int, epoch: int, *, at: BlockRef) -> Ask:
        return self._read(Ask, "ask_at", operator_id, epoch, at=at)

    def endpoint(self, operator_id: int, *, at: BlockRef) -> str:
        """Where an operator's storage node answers; empty when it never asked."""
        return self._read(str, "endpoint", operator_id, at=at)

    def load_of(self, operator_id: int, *, at: BlockRef) -> Load:
        return self._read(Load, "load_of", operator_id, at=at)

    def collateral_for(self, price: int, *, at: BlockRef) -> Wei:
        """Stake that one seat at this price commits."""
        return Wei(self._read(int, "collateral_for", price, at=at))

    def set_ask(self, price: int, capacity: int, longest_epochs: int, endpoint: str) -> TypedCall:
        """By an operator with STORAGE stake; counts from the next epoch, the endpoint at once."""
        return self._build("set_ask", price, capacity, longest_epochs, endpoint)

    def draw(
        self, group: int, first_seat: int, cover: Cover, keys: Sequence[KeyWords], picks: bytes
    ) -> TypedCall:
        """The next seats of a requested group (offchain/storage/seat_draw.py plans them)."""
        words, hashes = list(cover.words), list(cover.hashes)
        return self._build("draw", group, first_seat, words, hashes, list(keys), picks)

    def draw_successor(
        self, group: int, seat: int, cover: Cover, keys: Sequence[KeyWords], picks: bytes
    ) -> TypedCall:
        """Who follows on a vacant or leaving seat."""
        words, hashes = list(cover.words), list(cover.hashes)
        return self._build("draw_successor", group, seat, words, hashes, list(keys), picks)
