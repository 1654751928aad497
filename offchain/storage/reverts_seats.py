"""Why StorageSeats and StorageDraws refuse a call, each reason with its error.

InvalidInput
  AskInvalid            storage.ask.invalid              price, capacity, term or endpoint is none
NotFound
  SeatUnheld            storage.seat.unheld              nobody answers for this seat
Conflict
  GroupNotRequested     storage.group.not_requested      nothing is left to draw, or another seat
  GroupStateWrong       storage.group.state_wrong        not open, not full, has room, keeps files
  GroupsEnough          storage.group.enough             draw or fill those there are first
  SuccessorNotSought    storage.seat.successor_not_sought  nobody is sought, or one is drawn
  SuccessorMissing      storage.seat.successor_missing   none is drawn, or he may still come
  SeatLeaving           storage.seat.leaving             leaves already, not at all, or not yet
  SeatCovered           storage.seat.covered             stake covers what the seats commit
  KeyUnchanged          storage.seat.key_unchanged       holds no seat here, or by the same key
  SeatsWired            storage.seats.wired              wired already, or not yet
Rejected
  AskRefused            storage.ask.refused              no operator with STORAGE stake
  DrawInvalid           storage.draw.invalid             a shown attempt is not what was drawn
  QuorumInvalid         storage.quorum.invalid           too few seats, or not their signature
  TakeOverInvalid       storage.seat.take_over_invalid   not the successor's word for these segments
  SeatRoleMissing       storage.seats.role_missing       only one contract or operator may do this
Unavailable
  SeatSeedNotReady      storage.draw.seed_not_ready      the epoch that decides has not begun
Source: docs/protocol/storage.md#seats.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import (
    ApogeeError,
    Conflict,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
)


class AskInvalid(InvalidInput):
    """Price, capacity, longest term or endpoint is none."""

    code = "storage.ask.invalid"
    next_step = "Name a price in steps of 256 wei per 2^30 byte-seconds, and an endpoint."


class SeatUnheld(NotFound):
    """Nobody answers for this seat."""

    code = "storage.seat.unheld"


class GroupNotRequested(Conflict):
    """The group waits for no draw, or for that of another seat."""

    code = "storage.group.not_requested"
    next_step = "Read the group and go on from the seats that are drawn."


class GroupStateWrong(Conflict):
    """The group is not in the state that this step starts from."""

    code = "storage.group.state_wrong"


class GroupsEnough(Conflict):
    """Enough groups of this profile wait for their draw, or are open."""

    code = "storage.group.enough"
    next_step = "Draw the requested groups; anybody may."


class SuccessorNotSought(Conflict):
    """The seat is neither vacant nor leaving, or its successor is drawn."""

    code = "storage.seat.successor_not_sought"


class SuccessorMissing(Conflict):
    """No successor is drawn; or one is, and his day is not over."""

    code = "storage.seat.successor_missing"


class SeatLeaving(Conflict):
    """The seat leaves already, does not leave, or has to wait for a successor."""

    code = "storage.seat.leaving"


class SeatCovered(Conflict):
    """The operator's stake covers what its seats commit."""

    code = "storage.seat.covered"


class KeyUnchanged(Conflict):
    """The operator holds no seat here, or its newest key counts already."""

    code = "storage.seat.key_unchanged"


class SeatsWired(Conflict):
    """The contracts of storage are named already, or not yet."""

    code = "storage.seats.wired"


class AskRefused(Rejected):
    """Only an operator with STORAGE stake asks."""

    code = "storage.ask.refused"
    next_step = "Join the STORAGE service with stake first."


class DrawInvalid(Rejected):
    """What the call shows is not what stake and beacon draw."""

    code = "storage.draw.invalid"
    next_step = "Plan the draw again from the chain's state at one block."


class QuorumInvalid(Rejected):
    """Too few seats signed, an absent one's key is wrong, or the signature is not theirs."""

    code = "storage.quorum.invalid"
    next_step = "Read who holds the seats, leave out the vacant, and collect signatures again."


class TakeOverInvalid(Rejected):
    """Not the successor's signature, or over another number of segments."""

    code = "storage.seat.take_over_invalid"
    next_step = "Count the group's segments again and sign anew."


class SeatRoleMissing(Rejected):
    """Only the seat's operator, or one contract, may do this."""

    code = "storage.seats.role_missing"


class SeatSeedNotReady(Unavailable):
    """The epoch whose weights and beacon value decide has not begun."""

    code = "storage.draw.seed_not_ready"
    next_step = "Wait for the next epoch; two, when the beacon was weak."


_COVER: Final = (
    "gap or overlap",
    "hash left over",
    "hash missing",
    "key left over",
    "key missing",
    "no such leaf",
    "no such level",
    "sum too large",
    "too long",
    "too short",
)
DRAWS: Final[Mapping[str, type[ApogeeError]]] = {
    "asks: id too large": AskInvalid,
    "asks: no such price": AskInvalid,
    "asks: no such term": AskInvalid,
    "asks: too much capacity": AskInvalid,
    "storage_draws: no endpoint": AskInvalid,
    "storage_draws: not an operator": AskRefused,
    "storage_draws: no STORAGE stake": AskRefused,
    "storage_draws: nothing to draw": GroupNotRequested,
    "storage_draws: not the next seat": GroupNotRequested,
    "storage_draws: nobody is sought": SuccessorNotSought,
    "storage_draws: seed not known": SeatSeedNotReady,
    "storage_draws: weak seed": SeatSeedNotReady,
    "storage_draws: not StorageSeats": SeatRoleMissing,
    "storage_draws: not a contract": SeatsWired,
    "seat_draw: another is drawn": DrawInvalid,
    "seat_draw: attempt left over": DrawInvalid,
    "seat_draw: attempt missing": DrawInvalid,
    "seat_draw: no such leaf": DrawInvalid,
    "seat_draw: not the frozen tree": DrawInvalid,
    **{f"stake_cover: {reason}": DrawInvalid for reason in _COVER},
    "storage_seats: nobody is sought": SuccessorNotSought,
}
SEATS: Final[Mapping[str, type[ApogeeError]]] = {
    "profiles: no such profile": AskInvalid,
    "group_life: no such price": AskInvalid,
    "group_life: draw those first": GroupsEnough,
    "group_life: enough are open": GroupsEnough,
    "group_life: not wired": SeatsWired,
    "group_life: not open": GroupStateWrong,
    "group_life: has room": GroupStateWrong,
    "group_life: not full": GroupStateWrong,
    "group_life: receipts may come": GroupStateWrong,
    "group_life: keeps files": GroupStateWrong,
    "seat_keys: key left over": QuorumInvalid,
    "seat_keys: key missing": QuorumInvalid,
    "seat_keys: key of another": QuorumInvalid,
    "seat_keys: no such seat": QuorumInvalid,
    "seat_keys: too few seats": QuorumInvalid,
    "seat_keys: wrong signature": QuorumInvalid,
    "seat_wiring: already wired": SeatsWired,
    "seat_wiring: not a contract": SeatsWired,
    "seat_wiring: not StorageDraws": SeatRoleMissing,
    "seat_wiring: not StorageProofs": SeatRoleMissing,
    "governed: not governance": SeatRoleMissing,
    "storage_seats: seat of another": SeatRoleMissing,
    "storage_seats: nobody holds it": SeatUnheld,
    "storage_seats: nobody is sought": SuccessorNotSought,
    "storage_seats: no successor": SuccessorMissing,
    "storage_seats: he may still come": SuccessorMissing,
    "storage_seats: leaving already": SeatLeaving,
    "storage_seats: not leaving": SeatLeaving,
    "storage_seats: he has to wait": SeatLeaving,
    "storage_seats: stake covers it": SeatCovered,
    "storage_seats: holds no seat": KeyUnchanged,
    "storage_seats: same key": KeyUnchanged,
    "storage_seats: not open": GroupStateWrong,
    "storage_seats: other segments": TakeOverInvalid,
    "storage_seats: wrong signature": TakeOverInvalid,
}
