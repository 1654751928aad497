"""Who judges an audit, what is drawn, and what the court is built of."""

from itertools import pairwise

import boa

from offchain.compute.audit_draw import (
    FIRST_SEATS,
    MAX_DRAWS,
    SECOND_SEATS,
    candidates_of,
    committee_of,
    draws_of,
    seed_of,
    span_of,
)
from offchain.compute.onchain_audit_court import AuditState
from offchain.core.hashing import keccak
from tests.support.audit_steps import state
from tests.support.compute_chain import compute_deployer, hex_of
from tests.support.compute_courts import (
    AUD_MINORITY,
    AUD_SILENT,
    AUDIT_FAIL,
    COMMIT,
    ESCALATE,
    EVIDENCE,
    REVEAL,
    SILENT_AUDIT,
    STANDING,
    VOTE,
    CourtsSite,
    Posted,
    Unmoved,
    a_batch,
    deploy_courts,
    drawn,
    mine_seed,
)
from tests.support.native_evm import return_to
from tests.support.staking import next_epoch

WINDOWS = (REVEAL, COMMIT, VOTE, ESCALATE, STANDING, EVIDENCE)


def test_draw__numbers__are_those_of_the_program(site: CourtsSite, batch: Posted) -> None:
    committee = drawn(site, batch.id, batch)

    record = site.audits.audit(batch.id)
    random = bytes(site.beacon.randomness(batch.epoch))
    block_hash = keccak(b"block", (batch.block + 2).to_bytes(32, "big"))
    seed = seed_of(random, block_hash, audit=batch.id, rnd=1)
    assert (bytes(record.seed), record.draws) == (seed, draws_of(6))
    span = span_of(seed, 0, draws=1, total=batch.total)
    assert tuple(site.audits.point(batch.id, 0)) == (span.first, span.last)
    seats = [site.audits.ballot(batch.id, 1, seat).operator_id for seat in range(7)]
    assert seats == [*committee.members, 0, 0, 0, 0]
    assert site.audits.ballot(batch.id, 1, 7).operator_id == 0
    with boa.reverts("audit_leaves: no such draw"):
        site.audits.point(batch.id, 1)


def test_draw__not_who_the_attempts_fall_on__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    with unmoved("audit_court: seed not known"):
        site.audits.draw(batch.id, [])
    with unmoved("openings: no such batch"):
        site.audits.draw(9, [])
    block_hash = mine_seed(batch.block + 2)
    seed = seed_of(bytes(site.beacon.randomness(batch.epoch)), block_hash, audit=batch.id, rnd=1)
    tree = site.tree(batch.epoch)
    barred = site.provider.operator_id
    shown = candidates_of(committee_of(seed, tree, seats=FIRST_SEATS, barred=barred), tree)
    more = candidates_of(committee_of(seed, tree, seats=SECOND_SEATS, barred=barred), tree)

    with unmoved("committee: candidate missing"):
        site.audits.draw(batch.id, shown[:-1])
    with unmoved("committee: candidate left over"):
        site.audits.draw(batch.id, more)
    with unmoved("committee: another is drawn"):
        site.audits.draw(batch.id, [shown[-1], *shown[1:]])
    with unmoved("committee: another is drawn"):
        site.audits.draw(batch.id, [(shown[0][0], shown[0][1] + 1, *shown[0][2:]), *shown[1:]])
    site.audits.draw(batch.id, shown)
    with unmoved("audit_court: drawn already"):
        site.audits.draw(batch.id, shown)


def test_draw__block_hash_is_forgotten__every_part_of_the_batch_is_drawn(
    site: CourtsSite, batch: Posted
) -> None:
    boa.env.evm.patch.block_number = batch.block + 2 + 8_192
    next_epoch()
    epoch = site.stake.current_epoch()
    seed = seed_of(bytes(site.beacon.randomness(epoch)), bytes(32), audit=batch.id, rnd=1)
    tree = site.tree(batch.epoch)
    chosen = committee_of(seed, tree, seats=FIRST_SEATS, barred=site.provider.operator_id)

    site.audits.draw(batch.id, candidates_of(chosen, tree))

    record = site.audits.audit(batch.id)
    assert record.is_whole and record.draws == MAX_DRAWS
    spans = [tuple(site.audits.point(batch.id, number)) for number in range(MAX_DRAWS)]
    assert spans[0][0] == 0 and spans[-1][1] == batch.total - 1
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(spans))
    for number in range(MAX_DRAWS):
        span = span_of(seed, number, draws=MAX_DRAWS, total=batch.total, is_whole=True)
        assert spans[number] == (span.first, span.last)


def test_draw__nobody_to_judge__void(native_evm: None) -> None:
    with boa.env.anchor():
        site = deploy_courts(auditors=0)
        batch = a_batch(site, payers=1, leaves=1)
        mine_seed(batch.block + 2)

        site.audits.draw(batch.id, [])

        assert state(site, batch.id) == AuditState.VOID and site.audits.is_done(batch.id)
        with boa.reverts("auditor_dues: nobody was asked"):
            site.audits.punish(batch.id, 1, 0)
    return_to("audit court")


def test_constructor__without_contracts_or_windows__refused(site: CourtsSite) -> None:
    nobody = hex_of(bytes(19) + b"\x09")
    good = [
        site.escrow.address,
        site.market.registry.address,
        site.market.staking.registry.address,
        site.stake.address,
        site.beacon.address,
        site.court.address,
        WINDOWS,
        1,
    ]
    cases = [
        (0, nobody, "openings: no contract"),
        (1, nobody, "audit_life: no contract"),
        (2, nobody, "audit_court: no contract"),
        (4, nobody, "audit_court: no contract"),
        (5, nobody, "findings: no contract"),
        (6, (0, *WINDOWS[1:]), "audit_life: empty window"),
        (6, (*WINDOWS[:3], 0, *WINDOWS[4:]), "audit_life: empty window"),
        (6, (*WINDOWS[:4], 6, WINDOWS[5]), "track_record: window too short"),
        (7, 0, "audit_life: pay out of range"),
        (7, 2**96, "audit_life: pay out of range"),
    ]

    for place, value, reason in cases:
        arguments = list(good)
        arguments[place] = value
        with boa.reverts(reason):
            compute_deployer("AuditCourt").deploy(*arguments)


def test_evidence_seconds__own_offences_only(site: CourtsSite) -> None:
    for offence in (AUDIT_FAIL, AUD_SILENT, AUD_MINORITY, SILENT_AUDIT):
        assert site.audits.evidence_seconds(offence) == EVIDENCE
    for offence in (22, 26, 28):
        with boa.reverts("audit_court: unknown offence"):
            site.audits.evidence_seconds(offence)
