"""Bytes and paths that somebody must show, or the verdict falls."""

from typing import Any

import boa
import pytest

from offchain.attestation.adapters.software_vendor import LeafPlan
from offchain.attestation.faults import chain_of
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import (
    LIFE,
    MIN_BOND,
    OPEN_WINDOW,
    WITHHELD,
    AttestationSite,
    Vouched,
    a_quote,
    attestation_deployer,
    fields_of,
    hex_of,
    root_key,
    stakes_of,
    subject_key,
    vouch,
)
from tests.support.attestation_forgery import always_yes, precompile
from tests.support.evidence import machine, vendor
from tests.support.staking import COIN, DAY, a_wallet

BYTES, PATH = 1, 2
VOID = 32
KEY = hex_of(subject_key().address)


@pytest.fixture
def challenger() -> str:
    return a_wallet("challenger")


def ask(site: AttestationSite, vouched: Vouched, kind: int, challenger: str) -> int:
    bond = int(site.demands.bond(kind))
    site.demands.demand(vouched.id, kind, value=bond + 7, sender=challenger)
    return bond


def answer(site: AttestationSite, vouched: Vouched, kind: int, by: str, **shown: Any) -> None:
    chain = chain_of(vouched.quote)
    parts = {"leaf": chain.leaf, "ca": chain.ca, "key": root_key(vendor())} | shown
    certificates = (b"", b"", b"") if kind == BYTES else tuple(parts.values())[:3]
    told = fields_of(vouched.verdict)
    site.demands.answer(kind, told, vouched.quote, *certificates, sender=by)


@pytest.mark.parametrize("kind", [BYTES, PATH])
def test_answer__in_time__earns_the_bond_and_is_owed_no_more(
    site: AttestationSite, unmoved: Unmoved, challenger: str, stranger: str, kind: int
) -> None:
    vouched = vouch(site)
    bond = ask(site, vouched, kind, challenger)
    told = site.demands.demand_of(vouched.id, kind)
    assert (told.challenger, told.bond) == (challenger, bond)
    assert (
        told.deadline
        == boa.env.timestamp + OPEN_WINDOW
        == site.demands.open_seconds() + (boa.env.timestamp)
    )

    answer(site, vouched, kind, stranger)

    assert site.demands.credit_of(stranger) == bond
    assert site.demands.credit_of(challenger) == 7
    assert site.registry.level(KEY, boa.env.timestamp) == 2
    with unmoved("verdict_demands: shown already", vouched.id):
        site.demands.demand(vouched.id, kind, value=bond, sender=challenger)
    before = boa.env.get_balance(stranger)
    site.demands.withdraw(stranger, sender=stranger)
    assert boa.env.get_balance(stranger) == before + bond
    with unmoved("credits: nothing to take", vouched.id):
        site.demands.withdraw(stranger, sender=stranger)


@pytest.mark.parametrize("kind", [0, BYTES | PATH])
def test_demand__of_no_kind__refused(
    site: AttestationSite, unmoved: Unmoved, challenger: str, kind: int
) -> None:
    """A flag's type lets it through; who answers looks for two kinds alone."""
    vouched = vouch(site)
    bond = int(site.demands.bond(PATH))

    with unmoved("demands: no such kind", vouched.id):
        site.demands.demand(vouched.id, kind, value=bond, sender=challenger)


@pytest.mark.parametrize("kind", [BYTES, PATH])
def test_close__nobody_answered__void_and_a_tenth_is_lost(
    site: AttestationSite, unmoved: Unmoved, challenger: str, kind: int
) -> None:
    vouched = vouch(site)
    bond = ask(site, vouched, kind, challenger)
    with unmoved("demands: too early", vouched.id):
        site.demands.close(vouched.id, kind)
    boa.env.time_travel(seconds=OPEN_WINDOW + 1)
    before, guilty = stakes_of(site), site.registry.relayers_of(vouched.id)

    with unmoved("verdict_demands: too late", vouched.id):
        answer(site, vouched, kind, challenger)
    site.demands.close(vouched.id, kind)
    site.demands.punish(vouched.id)

    assert site.registry.verdict(vouched.id).state == VOID
    assert site.demands.credit_of(challenger) == bond + 7
    after = stakes_of(site)
    assert all(after[one] < before[one] for one in guilty)
    assert all(after[one] == before[one] for one in before if one not in guilty)
    with unmoved("verdict_demands: none is open", vouched.id):
        site.demands.close(vouched.id, kind)


def test_close__verdict_void_by_a_proof__gives_the_bond_back_at_once(
    site: AttestationSite, challenger: str
) -> None:
    vouched = vouch(site, evidence_id=b"\x01" * 32)
    bond = ask(site, vouched, BYTES, challenger)
    nothing = (b"", b"", b"", bytes(32))
    site.proofs.prove(1, fields_of(vouched.verdict), vouched.quote, *nothing)

    with boa.reverts("opened_verdicts: void already"):
        answer(site, vouched, BYTES, challenger)
    site.demands.close(vouched.id, BYTES)

    assert site.demands.credit_of(challenger) == bond + 7
    assert not site.demands.is_sentenced(vouched.id)


def test_answer__path_that_is_none__refused(
    site: AttestationSite, unmoved: Unmoved, challenger: str
) -> None:
    foreign = machine(leaf=LeafPlan(by_stranger=True))
    quote = a_quote(site, subject_key(), epoch=site.epoch, by=foreign)
    vouched = vouch(site, quote=quote)
    ask(site, vouched, PATH, challenger)

    with unmoved("demands: not certified", vouched.id):
        answer(site, vouched, PATH, challenger)
    for liar in (None, always_yes):
        with precompile(liar), unmoved("demands: not certified", vouched.id):
            answer(site, vouched, PATH, challenger)
    with unmoved("quote_chain: another ca", vouched.id):
        answer(site, vouched, PATH, challenger, ca=chain_of(quote).leaf)


def test_answer__path_known_from_another_verdict__is_cheaper(
    site: AttestationSite, challenger: str
) -> None:
    first, second = vouch(site), vouch(site, subject_key("other"))
    ask(site, first, PATH, challenger)
    ask(site, second, PATH, challenger)

    answer(site, first, PATH, challenger)
    dear = site.demands._computation.get_gas_used()
    answer(site, second, PATH, challenger)

    assert site.demands._computation.get_gas_used() < dear - 30_000


def test_answer__bytes_that_are_no_quote__has_no_path(
    site: AttestationSite, unmoved: Unmoved, challenger: str
) -> None:
    from offchain.core.hashing import keccak

    good = a_quote(site, subject_key(), epoch=site.epoch)
    vouched = vouch(site, quote=good, quote_hash=keccak(good + b"\x00"))
    ask(site, vouched, PATH, challenger)
    bad = Vouched(vouched.id, vouched.verdict, good + b"\x00", vouched.epoch)

    with unmoved("demands: no TDX quote", vouched.id):
        answer(site, bad, PATH, challenger)


def test_demand__unknown_open_poor_or_late__refused(
    site: AttestationSite, unmoved: Unmoved, challenger: str
) -> None:
    vouched = vouch(site)
    bond = int(site.demands.bond(BYTES))
    assert bond >= MIN_BOND
    with unmoved("opened_verdicts: no such verdict", vouched.id):
        site.demands.demand(bytes(32), BYTES, value=bond, sender=challenger)
    with unmoved("demands: bond too low", vouched.id):
        site.demands.demand(vouched.id, BYTES, value=bond - 1, sender=challenger)
    with unmoved("verdict_demands: none is open", vouched.id):
        answer(site, vouched, BYTES, challenger)
    ask(site, vouched, BYTES, challenger)
    with unmoved("verdict_demands: one is open", vouched.id):
        site.demands.demand(vouched.id, BYTES, value=bond, sender=challenger)
    boa.env.time_travel(seconds=LIFE + 1)
    with unmoved("demands: too late", vouched.id):
        site.demands.demand(vouched.id, PATH, value=10 * bond, sender=challenger)


def test_withdraw__to_nobody_or_who_refuses__refused(
    site: AttestationSite, unmoved: Unmoved, challenger: str
) -> None:
    vouched = vouch(site)
    ask(site, vouched, BYTES, challenger)

    with unmoved("credits: no receiver", vouched.id):
        site.demands.withdraw("0x" + "00" * 20, sender=challenger)
    with unmoved("credits: receiver refused", vouched.id):
        site.demands.withdraw(site.registry.address, sender=challenger)


def test_evidence_seconds__other_offence__refused(site: AttestationSite) -> None:
    assert site.demands.evidence_seconds(WITHHELD) == 24 * DAY
    with boa.reverts("demands: unknown offence"):
        site.demands.evidence_seconds(28)


def test_deploy__no_window_or_bond__refused(site: AttestationSite) -> None:
    deploy = attestation_deployer("AttestationDemands").deploy
    judged = (site.registry.address, site.stake.address, site.court.address)
    with boa.reverts("verdict_demands: no window"):
        deploy(*judged, 0, DAY, COIN)
    with boa.reverts("verdict_demands: bond out of range"):
        deploy(*judged, 1, DAY, 0)
