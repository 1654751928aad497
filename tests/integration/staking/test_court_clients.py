"""Court and beacon through their clients: a relayer contributes, and another epoch it does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.deployments import Deployments
from offchain.core.units import WEI_PER_COIN
from offchain.staking.beacon import absences
from offchain.staking.contribute import BeaconParts, apply, decide, load
from offchain.staking.court import CaseState, OffenceClass
from offchain.staking.court_errors import DoneAlready, NothingToDo, TooEarly
from offchain.staking.court_events import CaseOpened, Contributed, Slashed
from offchain.staking.events import WeightSet
from offchain.staking.model import Service, pool_id
from offchain.staking.onchain import RandomBeaconClient, SlashingCourtClient
from offchain.staking.weight_book import WeightBook
from tests.integration.staking.test_staking_clients import KEY, RAW_KEY, Bench
from tests.support.beacon import BEACON_ABSENT, EVIDENCE_SECONDS
from tests.support.court import RULE_DELAY, a_rule, rule_tuple
from tests.support.staking import CUTOFF, EPOCH

POOL = pool_id(1, Service.RELAYER)
ALL_SEATS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class CourtBench:
    """The ledger's bench with court and beacon wired to it, and one relayer."""

    bench: Bench
    court: SlashingCourtClient
    beacon: RandomBeaconClient
    parts: BeaconParts
    book: WeightBook

    def to_window(self) -> int:
        """Go to the cut-off of the next epoch that is still open; returns it."""
        at = self.bench.at
        epoch = self.bench.stake.current_epoch(at=at) + 2
        start = self.bench.stake.epoch_start(epoch, at=at)
        now = self.bench.node.block().timestamp
        self.bench.pass_seconds(start - CUTOFF - now)
        return epoch


@pytest.fixture
def site(tmp_path: Path) -> Iterator[CourtBench]:
    transport = EmbeddedTransport()
    bench = Bench(transport, tmp_path / "outbox.db")
    bench.execute(bench.registry._build("wire_stake", bench.stake.address))
    owner, stake = bench.owner, bench.stake.address
    made = (
        bench.create("SlashingCourt", stake, owner, owner, RULE_DELAY),
        bench.create("RandomBeacon", stake, owner, EVIDENCE_SECONDS),
    )
    deployments = Deployments("test", bench.node.chain_id()).including(*made)
    court = SlashingCourtClient(deployments, bench.node)
    beacon = RandomBeaconClient(deployments, bench.node)
    rule = a_rule(
        "0x" + beacon.address.hex(),
        offence_class=OffenceClass.MISSED,
        service=Service.RELAYER,
        base_bps=50,
        reporter_bps=500,
        evidence_seconds=EVIDENCE_SECONDS,
    )
    fields = (*rule_tuple(rule)[:-1], beacon.address)
    bench.execute(bench.stake._build("wire_court", court.address))
    bench.execute(beacon._build("wire_court", court.address))
    bench.execute(court._build("add_type", BEACON_ABSENT, fields))
    bench.execute(bench.registry.register(RAW_KEY, bench.prove(owner)))
    bench.execute(bench.stake.join(Service.RELAYER, 0, stake_wei=1_000 * WEI_PER_COIN))
    bench.pass_seconds(2 * EPOCH)
    parts = BeaconParts(bench.node, bench.registry, bench.stake, beacon, 0)
    book = parts.open_book()
    yield CourtBench(bench, court, beacon, parts, book)
    book.close()
    bench.sender.close()
    transport.close()


def test_contribute__a_relayers_seats__are_added_once(site: CourtBench) -> None:
    epoch = site.to_window()
    contribution = decide(load(site.parts, site.book), {1: KEY})
    assert contribution

    receipt = apply(site.beacon, site.bench.sender, contribution)

    [event] = site.beacon.events_in(Contributed, receipt.logs)
    assert (event.epoch, event.seats) == (epoch, ALL_SEATS)
    assert site.beacon.seats_of(epoch, at=site.bench.at) == ALL_SEATS
    assert apply(site.beacon, site.bench.sender, contribution) == receipt
    assert decide(load(site.parts, site.book), {1: KEY}) is None
    with pytest.raises(DoneAlready):
        site.bench.execute(site.beacon.contribute(contribution))
    site.bench.pass_seconds(CUTOFF)
    assert site.beacon.randomness(epoch, at=site.bench.at) == event.value
    assert not site.beacon.is_weak(epoch, at=site.bench.at)


def test_convict_absent__through_the_clients__slashes_and_credits(site: CourtBench) -> None:
    epoch = site.to_window()
    view = load(site.parts, site.book)
    with pytest.raises(TooEarly):
        site.beacon.randomness(epoch, at=site.bench.at)
    missing = absences(view.tree, view.prior, epoch=epoch, bitmap=view.bitmap)[0]
    site.bench.pass_seconds(CUTOFF)

    receipt = site.bench.execute(site.beacon.convict_absent(missing))

    at = site.bench.at
    [slashed] = site.court.events_in(Slashed, receipt.logs)
    [opened] = site.court.events_in(CaseOpened, receipt.logs)
    case = site.court.case_of(slashed.offence_id, at=at)
    assert (case.state, case.pool, case.epoch) == (CaseState.CLOSED, POOL, epoch - 1)
    assert slashed.taken == 5 * WEI_PER_COIN
    assert opened.reserved == 0
    number = site.court.offence_id_of(BEACON_ABSENT, POOL, opened.subject, at=at)
    assert number == slashed.offence_id
    credit = slashed.to_reporter + slashed.to_treasury  # one account is both
    assert site.court.credit_of(site.bench.owner, at=at) == credit
    assert site.court.insurance_held(at=at) == slashed.to_insurance
    assert site.court.type_of(BEACON_ABSENT, at=at).base_bps == 50
    assert site.court.room_of(POOL, epoch, at=at) > 0
    site.bench.execute(site.court.withdraw(b"\x77" * 20))
    assert site.bench.node.balance(b"\x77" * 20, at=site.bench.at) == credit
    with pytest.raises(NothingToDo):
        site.bench.execute(site.court.execute(slashed.offence_id))


def test_reweigh__after_a_conviction__tells_the_tree_what_is_left(site: CourtBench) -> None:
    bench, epoch = site.bench, site.to_window()
    view = load(site.parts, site.book)
    missing = absences(view.tree, view.prior, epoch=epoch, bitmap=view.bitmap)[0]
    bench.pass_seconds(CUTOFF)
    bench.execute(site.beacon.convict_absent(missing))
    assert bench.stake.untold(Service.RELAYER, at=bench.at) == 1

    receipt = bench.execute(bench.stake.reweigh(POOL))

    [told] = bench.registry.events_in(WeightSet, receipt.logs)
    assert (told.pool, told.stake, told.weight) == (POOL, 995 * WEI_PER_COIN, 995 * WEI_PER_COIN)
    assert bench.stake.untold(Service.RELAYER, at=bench.at) == 0
