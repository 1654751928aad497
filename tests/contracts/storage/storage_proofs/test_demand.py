"""A demand ends once: whoever shows the leaf earns the bond, or the silent operator is fined."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.storage.onchain_proofs import Wanted
from offchain.storage.proof_book import bond_wei
from tests.support.da_challenges import set_base_fee
from tests.support.refusal import Refused
from tests.support.staking import COIN, a_wallet
from tests.support.storage_proofs import (
    ANSWER,
    EVIDENCE,
    GROUP,
    MIN_BOND,
    PRICE,
    SERVING,
    SUSPECT,
    AFile,
    ProofsSite,
    default,
    fine,
    store,
    to_epoch,
    with_end,
)

SEAT = 4
ROW, LEAF = 64 * SEAT + 9, 2


def fields(wanted: Wanted) -> tuple[object, ...]:
    return (wanted.id, wanted.segment, wanted.seat, wanted.row, wanted.leaf)


@pytest.fixture
def wanted(files: list[AFile]) -> Wanted:
    return Wanted(files[0].id, 0, SEAT, ROW, LEAF)


@pytest.fixture
def demander() -> str:
    return a_wallet("demander")


@contextmanager
def base_fee(wei: int) -> Iterator[None]:
    """What `block.basefee` says inside; the anchor of a test would not undo it."""
    before = boa.env.evm.vm.state.execution_context._base_fee_per_gas
    set_base_fee(wei)
    try:
        yield
    finally:
        set_base_fee(before)


def demand(site: ProofsSite, wanted: Wanted, who: str, *, value: int | None = None) -> bytes:
    bond = site.proofs.bond(site.operators[wanted.seat % 3].operator_id)
    paid = bond if value is None else value
    return bytes(site.proofs.demand(fields(wanted), value=paid, sender=who))


def answer(site: ProofsSite, file: AFile, wanted: Wanted, who: str) -> None:
    frame = file.frame(wanted.row, wanted.leaf)
    site.proofs.answer(wanted.id, wanted.seat, file.shown(), frame, sender=who)


def test_demand__bond__covers_half_as_much_again_as_the_answer(
    site: ProofsSite, wanted: Wanted, demander: str
) -> None:
    operator = site.operators[SEAT % 3]
    with base_fee(10**9):
        assert bond_wei(waiting=0, base_fee=10**9, min_bond=MIN_BOND) == site.proofs.bond(
            operator.operator_id
        )
    bond = site.proofs.bond(operator.operator_id)

    demand_id = demand(site, wanted, demander, value=bond + 5)
    event = next(one for one in site.proofs.get_logs() if type(one).__name__ == "Demanded")

    assert wanted.demand_id() == demand_id == event.demand_id
    assert (operator.operator_id, GROUP, demander, bond) == (
        event.operator_id,
        event.group,
        event.demander,
        event.bond,
    )
    assert site.proofs.credit_of(demander) == 5
    assert bond + 5 == boa.env.get_balance(site.proofs.address)
    assert site.proofs.demands_open(operator.operator_id) == 1
    assert bond == tuple(site.proofs.demand_of(demand_id))[-1]


@pytest.mark.parametrize(
    "case",
    [
        ("operator", 0, "operator"),
        ("copier", ANSWER // 2, "operator"),
        ("copier", ANSWER // 2 + 1, "copier"),
        ("operator", ANSWER, "operator"),
    ],
)
def test_answer__in_time__earns_the_bond(
    site: ProofsSite,
    files: list[AFile],
    wanted: Wanted,
    demander: str,
    case: tuple[str, int, str],
) -> None:
    """A copied answer earns nothing while the operator may still be on its way."""
    who, offset, earns = case
    owner, copier = site.operators[SEAT % 3].owner, a_wallet("copier")
    accounts = {"operator": owner, "copier": copier}
    demand(site, wanted, demander)
    bond = site.proofs.bond(site.operators[SEAT % 3].operator_id)
    boa.env.time_travel(seconds=offset)

    answer(site, files[0], wanted, accounts[who])

    assert bond == site.proofs.credit_of(accounts[earns])
    assert site.proofs.demands_open(site.operators[SEAT % 3].operator_id) == 0
    balance = boa.env.get_balance(copier)
    if earns == "copier":
        site.proofs.withdraw(copier, sender=copier)
        assert balance + bond == boa.env.get_balance(copier)
        assert boa.env.get_balance(site.proofs.address) == 0


def test_answer__late_wrong_or_nobodys__is_refused(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str, unmoved: Refused
) -> None:
    demand(site, wanted, demander)
    owner = site.operators[SEAT % 3].owner

    with unmoved("open_demands: not open"):
        answer(site, files[0], replace(wanted, leaf=LEAF ^ 1), owner)
    with unmoved("open_demands: not open"):
        answer(site, files[0], replace(wanted, seat=SEAT + 1), owner)
    with unmoved("segment_path: not in the file"):
        shown = (0, keccak(b"other"), *files[0].shown()[2:])
        frame = files[0].frame(ROW, LEAF)
        site.proofs.answer(wanted.id, SEAT, shown, frame, sender=owner)
    with unmoved("segment_path: no such segment"):
        shown = (1, *files[0].shown()[1:])
        site.proofs.answer(wanted.id, SEAT, shown, frame, sender=owner)
    with unmoved("row_path: wrong length"):
        site.proofs.answer(wanted.id, SEAT, files[0].shown(), frame[:-1], sender=owner)
    boa.env.time_travel(seconds=ANSWER + 1)
    with unmoved("leaf_demands: too late"):
        answer(site, files[0], wanted, owner)


def test_demand__leaf_that_the_seat_does_not_owe__is_refused(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str, unmoved: Refused
) -> None:
    now = boa.env.timestamp
    absent = replace(files[1], kept=replace(files[1].kept, absent=1 << SEAT))
    store(site, [files[0], absent, with_end(files[2], now + ANSWER)])

    for reason, other in (
        ("leaf_demands: not owed", replace(wanted, id=files[2].id)),
        ("leaf_demands: not owed", replace(wanted, id=keccak(b"nobody's"))),
        ("leaf_demands: never signed", replace(wanted, id=absent.id)),
        ("leaf_demands: no such seat", replace(wanted, seat=32)),
        ("leaf_demands: no such leaf", replace(wanted, leaf=4)),
        ("leaf_demands: no such leaf", replace(wanted, row=64 * SEAT - 1)),
        ("leaf_demands: no such leaf", replace(wanted, row=64 * SEAT + 64)),
        ("segment_path: no such segment", replace(wanted, segment=1)),
        ("segment_path: no such segment", replace(wanted, segment=2**255)),
    ):
        with unmoved(reason):
            demand(site, other, demander, value=COIN)
    with unmoved("leaf_demands: bond too low"):
        demand(site, wanted, demander, value=MIN_BOND - 1)
    site.files.vacate(GROUP, SEAT)
    with unmoved("leaf_demands: nobody's seat"):
        demand(site, wanted, demander, value=COIN)


def test_demand__same_leaf_twice__is_refused_while_open(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str, unmoved: Refused
) -> None:
    demand(site, wanted, demander)
    with unmoved("open_demands: open already"):
        demand(site, wanted, demander)
    answer(site, files[0], wanted, site.operators[SEAT % 3].owner)

    demand(site, wanted, demander)

    assert site.proofs.demands_open(site.operators[SEAT % 3].operator_id) == 1


def test_demand__flood__doubles_every_sixteen(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str
) -> None:
    operator = site.operators[SEAT % 3]
    plain = site.proofs.bond(operator.operator_id)
    for number in range(32):
        assert plain << number // 16 == site.proofs.bond(operator.operator_id)
        demand(site, replace(wanted, row=64 * SEAT + number), demander)

    for number in range(32):
        answer(site, files[0], replace(wanted, row=64 * SEAT + number), operator.owner)

    assert 48 * plain == site.proofs.credit_of(operator.owner)
    assert site.proofs.credit_of(demander) == 0


def test_demand__more_than_256_that_wait_for_one_operator__is_refused(
    site: ProofsSite, wanted: Wanted, demander: str, unmoved: Refused
) -> None:
    for number in range(256):
        demand(site, replace(wanted, row=64 * SEAT + number // 4, leaf=number % 4), demander)

    with unmoved("open_demands: too many open"):
        demand(site, replace(wanted, seat=SEAT + 3, row=64 * (SEAT + 3)), demander)


def test_close__no_answer__bond_back_and_operator_fined_once(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str, unmoved: Refused
) -> None:
    """However many leaves are demanded of a seat in an epoch, its silence is one."""
    operator, second = site.operators[SEAT % 3], replace(wanted, leaf=0)
    bond = site.proofs.bond(operator.operator_id)
    demand(site, wanted, demander)
    demand(site, second, demander)
    with unmoved("leaf_demands: answer may come"):
        site.proofs.close(fields(wanted), sender=demander)
    boa.env.time_travel(seconds=ANSWER + 1)

    assert site.proofs.close(fields(wanted), sender=a_wallet("anybody"))
    assert not site.proofs.close(fields(second), sender=demander)

    assert fine(files) == site.slashed(operator, 10)
    assert 2 * bond == site.proofs.credit_of(demander)
    assert site.seat_state(SEAT) == SUSPECT
    with unmoved("open_demands: not open"):
        site.proofs.close(fields(wanted), sender=demander)
    with unmoved("storage_proofs: punished already"):
        default(site, files, 10, SEAT)


def test_close__file_over_or_void__gives_the_bond_back(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str
) -> None:
    bond = site.proofs.bond(site.operators[SEAT % 3].operator_id)
    demand(site, wanted, demander)
    site.files.void(files[0].id)
    boa.env.time_travel(seconds=ANSWER + 1)

    assert not site.proofs.close(fields(wanted), sender=demander)

    assert bond == site.proofs.credit_of(demander)
    assert site.seat_state(SEAT) == SERVING


def test_close__seat_taken_over_meanwhile__who_was_asked_pays(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str
) -> None:
    before, after = site.operators[SEAT % 3], site.operators[(SEAT + 1) % 3]
    demand(site, wanted, demander)
    boa.env.time_travel(seconds=1)
    site.files.set_seat(GROUP, SEAT, after.operator_id, PRICE)
    boa.env.time_travel(seconds=ANSWER)

    assert site.proofs.close(fields(wanted), sender=demander)

    assert (fine(files), 0) == (site.slashed(before, 10), site.slashed(after, 10))
    assert site.seat_state(SEAT) == SERVING


def test_close__court_barred__gives_the_bond_back(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str
) -> None:
    bond = site.proofs.bond(site.operators[SEAT % 3].operator_id)
    demand(site, wanted, demander)
    boa.env.time_travel(seconds=site.clock.start_of(11) + EVIDENCE + 1 - boa.env.timestamp)

    assert not site.proofs.close(fields(wanted), sender=demander)

    assert bond == site.proofs.credit_of(demander)


def test_withdraw__nothing_or_nowhere__is_refused(
    site: ProofsSite, files: list[AFile], wanted: Wanted, demander: str, unmoved: Refused
) -> None:
    zero = "0x" + "00" * 20
    with unmoved("credits: nothing to withdraw"):
        site.proofs.withdraw(demander, sender=demander)
    demand(site, wanted, demander, value=COIN)
    with unmoved("credits: no receiver"):
        site.proofs.withdraw(zero, sender=demander)
    with unmoved("credits: receiver refused"):
        site.proofs.withdraw(site.files.address, sender=demander)


def test_demand__griefer__pays_the_operator_and_moves_nothing_else(
    site: ProofsSite, files: list[AFile], wanted: Wanted
) -> None:
    """Demanding of honest seats costs the griefer each bond; the operator earns it."""
    griefer, operator = a_wallet("griefer", COIN), site.operators[SEAT % 3]
    for epoch in (10, 11):
        to_epoch(site, epoch, offset=1)
        demand(site, wanted, griefer)
        answer(site, files[0], wanted, operator.owner)

    assert boa.env.get_balance(griefer) <= COIN - 2 * MIN_BOND
    assert site.proofs.credit_of(operator.owner) >= 2 * MIN_BOND
    assert site.slashed(operator, 10) + site.slashed(operator, 11) == 0
    assert site.seat_state(SEAT) == SERVING
