"""Seats under any order of what may happen to them, beside the model."""

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from offchain.core.bls import aggregate_keys
from offchain.storage.group_book import BookedSeat, GroupBook
from offchain.storage.seat_draw import collateral_for
from tests.support.staking import DAY
from tests.support.storage_seats import PRICE, SeatSite, draw_successor, open_group, took

SEATS = st.integers(0, 31)


class SeatMachine(RuleBasedStateMachine):
    """One durable group of eight operators; `site` is set by the test."""

    site: SeatSite

    @initialize()
    def open(self) -> None:
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.group = open_group(self.site)
        operators = self.site.seats.operators_of(self.group)
        self.book = GroupBook([BookedSeat(one, PRICE) for one in operators])

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    @rule(seat=SEATS)
    def leave(self, seat: int) -> None:
        owner = self.site.operator(self.book.seats[seat].operator).owner
        one = self.book.seats[seat]
        if one.is_vacant or one.is_leaving:
            reason = "nobody holds it" if one.is_vacant else "leaving already"
            with boa.reverts(f"storage_seats: {reason}"):
                self.site.seats.leave(self.group, seat, sender=owner)
            return
        self.site.seats.leave(self.group, seat, sender=owner)
        self.book.leave(seat)

    @rule(seat=SEATS, is_suspect=st.booleans())
    def mark(self, seat: int, is_suspect: bool) -> None:
        act = self.site.seats.suspect if is_suspect else self.site.seats.restore
        act(self.group, seat, sender=self.site.proofs)
        self.book.mark(seat, is_suspect=is_suspect)

    @rule(seat=SEATS)
    def vacate(self, seat: int) -> None:
        self.site.seats.vacate(self.group, seat, sender=self.site.proofs)
        if not self.book.seats[seat].is_vacant:
            self.book.vacate(seat)

    @rule()
    def draw_a_successor(self) -> None:
        for seat, one in enumerate(self.book.seats):
            if one.is_sought and not one.successor:
                operator = draw_successor(self.site, self.group, seat)
                if operator:
                    self.book.name(seat, operator, PRICE)
                return

    @rule()
    def take_over(self) -> None:
        for seat, one in enumerate(self.book.seats):
            if one.successor:
                signature = took(self.site, self.group, seat)
                self.site.seats.take_over(self.group, seat, 0, signature)
                self.book.take_over(seat)
                return

    @rule()
    def let_a_day_pass(self) -> None:
        boa.env.time_travel(seconds=DAY + 1)
        for seat, one in enumerate(self.book.seats):
            if one.successor:
                if boa.env.timestamp > self.site.seats.seat(self.group, seat).successor_until:
                    self.site.seats.lapse(self.group, seat)
                    self.book.lapse(seat)
                return

    @invariant()
    def invariant_sto_7_the_market_pays_whoever_serves(self) -> None:
        if hasattr(self, "book"):
            assert self.book.rate() == self.site.market.group(self.group).rate

    @invariant()
    def invariant_sto_8_seats_are_the_models(self) -> None:
        if not hasattr(self, "book"):
            return
        for seat, one in enumerate(self.book.seats):
            kept = self.site.seats.seat(self.group, seat)
            assert (one.operator, one.price, one.state) == (
                kept.operator_id,
                kept.price,
                int(kept.state),
            )
            assert (one.successor, one.generation) == (kept.successor, kept.generation)

    @invariant()
    def invariant_loads_and_keys_are_those_of_the_seats(self) -> None:
        if not hasattr(self, "book"):
            return
        loads = self.book.loads()
        for operator in self.site.operators:
            load = self.site.draws.load_of(operator.operator_id)
            assert loads[operator.operator_id] == load.seats
            assert load.seats * collateral_for(PRICE, DAY) == load.collateral
        held = [self.book.counts(seat) for seat in range(32)]
        keys = [self.site.operator(one).key.public_key() for one in held if one]
        if keys:
            assert aggregate_keys(keys).eip2537() == self.site.seats.group_key(self.group)


@pytest.mark.parametrize("steps", [10])
def test_inv_sto_8__seats_and_model__agree_after_every_step(site: SeatSite, steps: int) -> None:
    class Bound(SeatMachine):
        pass

    Bound.site = site
    examples = max(1, settings.default.max_examples // 25)
    run_state_machine_as_test(
        Bound,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )
