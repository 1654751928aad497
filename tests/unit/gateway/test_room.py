"""Room: bounded by count and bytes, given back once, and the first thing always fits."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from offchain.gateway.errors import GatewayBusy
from offchain.gateway.room import Place, Room


def test_room__one_thing_larger_than_all_of_it__fits_when_nothing_else_is_there() -> None:
    room = Room("uploads", most=2, most_bytes=10)
    place = room.take(50)

    with pytest.raises(GatewayBusy):
        room.take(1)
    place.release()
    assert room.take(1).is_taken


def test_room__a_failure_inside__gives_it_back() -> None:
    room = Room("uploads", most=1, most_bytes=10)
    with pytest.raises(KeyError), room.held(5):
        raise KeyError

    assert (room.count, room.bytes) == (0, 0)


class RoomMachine(RuleBasedStateMachine):
    """Any order of taking and giving back, twice too."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room("uploads", most=3, most_bytes=100)
        self.places: list[Place] = []

    @rule(size=st.integers(0, 120))
    def take(self, size: int) -> None:
        held = [place.size for place in self.places if place.is_taken]
        fits = len(held) < 3 and (not held or sum(held) + size <= 100)
        if fits:
            self.places.append(self.room.take(size))
        else:
            with pytest.raises(GatewayBusy):
                self.room.take(size)

    @rule(choice=st.integers(0, 1_000))
    def release(self, choice: int) -> None:
        if self.places:
            self.places[choice % len(self.places)].release()

    @invariant()
    def counts_are_those_held(self) -> None:
        held = [place.size for place in self.places if place.is_taken]
        assert (len(held), sum(held)) == (self.room.count, self.room.bytes)


TestRoom = RoomMachine.TestCase
