"""Terms of later blobs, and what a deployment refuses."""

from dataclasses import replace

import boa
import pytest
from eth.vm.forks.prague.computation import PragueComputation
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.layout import N
from offchain.da.model import StakeTimes, Terms, TermsInvalid, check_terms
from tests.contracts.da.conftest import Refused
from tests.support.da import (
    TERMS,
    WINDOWS,
    DaSite,
    a_blob,
    ballot,
    confirm,
    da_deployer,
    deploy_entrance,
    mine_entropy,
    pay,
    table_of,
    terms_tuple,
    windows_tuple,
)
from tests.support.staking import COIN, CUTOFF, DAY, EPOCH
from tests.support.staking import TERMS as STAKE_TERMS

UNBONDING, EVIDENCE = STAKE_TERMS[0], STAKE_TERMS[2]
STAKE_TIMES = StakeTimes(EPOCH, CUTOFF, UNBONDING, EVIDENCE)


def test_set_terms__governance__counts_for_later_blobs_only(site: DaSite) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    fee = site.entrance.quote(blob.length, blob.retention_days)
    votes = ballot(site, blob, mine_entropy(site, pay(site, blob)))
    absent = votes.index_of(site.operators[1])

    strict = Terms(2 * TERMS.price, N, 2_048, 10)
    site.entrance.set_terms(terms_tuple(strict), sender=site.governance)

    assert tuple(site.entrance.terms()) == terms_tuple(strict)
    assert site.entrance.quote(blob.length, 10) == 2 * fee * 10 // 14
    assert site.record(site.blob_id(blob)).fee == fee
    confirm(site, blob, votes.certificate([absent]))
    later = replace(blob, salt=b"\1" * 32, retention_days=10)
    stricter = ballot(site, later, mine_entropy(site, pay(site, later)))
    with boa.reverts("da_entrance: too few slices"):
        confirm(site, later, stricter.certificate([absent]))
    confirm(site, later, stricter.certificate())


@pytest.mark.parametrize("spare", [0, -1])
def test_inv_da_7__threshold__is_met_to_the_slice(site: DaSite, spare: int) -> None:
    quorum = table_of(site, site.stake.current_epoch()).quorums[0]
    absent, signer = next(
        (index, signer) for index, signer in enumerate(quorum.signers) if signer.slices < 1_000
    )
    asked = N - signer.slices - spare
    site.entrance.set_terms(
        terms_tuple(replace(TERMS, confirm_slices=asked)), sender=site.governance
    )
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    votes = ballot(site, blob, mine_entropy(site, pay(site, blob)))

    if spare < 0:
        with boa.reverts("da_entrance: too few slices"):
            confirm(site, blob, votes.certificate([absent]))
    else:
        confirm(site, blob, votes.certificate([absent]))
        assert site.entrance.is_available(site.blob_id(blob))


def test_set_terms_and_set_paused__stranger__is_refused(
    undrawn_site: DaSite, stranger: str, refused: Refused
) -> None:
    entrance = undrawn_site.entrance

    with refused("governed: not governance"):
        entrance.set_terms(terms_tuple(TERMS), sender=stranger)
    with refused("governed: not governance"):
        entrance.set_paused(True, sender=stranger)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": 0}, "blob_terms: price out of range"),
        ({"price": 1 << 128}, "blob_terms: price out of range"),
        ({"confirm_slices": N + 1}, "blob_terms: confirm > N"),
        ({"confirm_slices": 2_047}, "blob_terms: confirm < 2/3 N"),
        ({"safety_slices": 1_025}, "blob_terms: confirm - safety < K"),
        ({"max_retention_days": 0}, "blob_terms: no retention"),
        ({"max_retention_days": 1 << 16}, "blob_terms: retention too long"),
        ({"max_retention_days": 26}, "blob_terms: unbonding too short"),
        ({"max_retention_days": 24}, "blob_terms: evidence window too short"),
    ],
)
def test_inv_da_8__unsafe_terms__are_refused(
    undrawn_site: DaSite, changes: dict[str, int], reason: str, refused: Refused
) -> None:
    site = undrawn_site
    unsafe = replace(TERMS, **changes)

    with refused(reason):
        site.entrance.set_terms(terms_tuple(unsafe), sender=site.governance)
    with boa.reverts(reason):
        deploy_entrance(site.staking, site.signers, site.treasury, terms=unsafe)


def test_inv_da_8__leaving_right_after_the_cut_off__is_counted_to_the_second(
    undrawn_site: DaSite,
) -> None:
    """Who leaves then is in the table of two epochs more, and still has stake for its last blob."""
    site = undrawn_site
    liable = TERMS.max_retention_days * DAY + 2 * EPOCH + 2 * WINDOWS.answer
    most = UNBONDING - CUTOFF - liable
    check_terms(TERMS, replace(WINDOWS, veto=most), STAKE_TIMES)

    deploy_entrance(site.staking, site.signers, site.treasury, windows=replace(WINDOWS, veto=most))

    longer = replace(WINDOWS, veto=most + 1)
    with pytest.raises(TermsInvalid, match="unbonding too short"):
        check_terms(TERMS, longer, STAKE_TIMES)
    with boa.reverts("blob_terms: unbonding too short"):
        deploy_entrance(site.staking, site.signers, site.treasury, windows=longer)


NEAR = st.sampled_from([0, 1, 1_023, 1_024, 1_025, 2_047, 2_048, 2_049, 3_071, 3_072, 3_073])
ANY_TERMS = st.builds(
    Terms,
    price=st.sampled_from([0, 1, 10**9, (1 << 128) - 1, 1 << 128]),
    confirm_slices=st.one_of(NEAR, st.integers(2_048, N)),
    safety_slices=st.one_of(NEAR, st.integers(0, 2_048)),
    max_retention_days=st.sampled_from([0, 1, 21, 24, 25, 26, 65_535, 65_536]),
)


@given(sequence=st.lists(ANY_TERMS, min_size=1, max_size=6))
def test_inv_da_8__any_sequence_of_setters__leaves_safe_terms_as_the_model_judges(
    undrawn_site: DaSite, sequence: list[Terms]
) -> None:
    site = undrawn_site
    with boa.env.anchor():
        in_force = TERMS
        for terms in sequence:
            try:
                check_terms(terms, WINDOWS, STAKE_TIMES)
            except TermsInvalid as fault:
                with boa.reverts(f"blob_terms: {fault.fields['rule']}"):
                    site.entrance.set_terms(terms_tuple(terms), sender=site.governance)
            else:
                site.entrance.set_terms(terms_tuple(terms), sender=site.governance)
                in_force = terms

        assert tuple(site.entrance.terms()) == terms_tuple(in_force)
        assert in_force.confirm_slices - in_force.safety_slices >= 1_024
        assert 2 * N <= 3 * in_force.confirm_slices <= 3 * N
        liable = in_force.max_retention_days * DAY + 2 * EPOCH + 2 * WINDOWS.answer
        assert CUTOFF + liable + WINDOWS.veto <= UNBONDING
        assert liable <= EVIDENCE


@pytest.mark.parametrize(
    "changes",
    [
        {"confirm": 0},
        {"confirm": 1 << 32},
        {"day": 0},
        {"day": 1 << 32},
        {"answer": 1 << 32},
        {"veto": 1 << 32},
    ],
)
def test_deploy__windows_out_of_range__is_refused(
    undrawn_site: DaSite, changes: dict[str, int]
) -> None:
    site = undrawn_site

    with boa.reverts("da_entrance: bad window"):
        deploy_entrance(
            site.staking, site.signers, site.treasury, windows=replace(WINDOWS, **changes)
        )


def test_deploy__without_contracts_or_treasury__is_refused(
    undrawn_site: DaSite, stranger: str
) -> None:
    site = undrawn_site
    stake, signers = site.stake.address, site.signers.address
    rest = (site.governance, windows_tuple(WINDOWS), terms_tuple(TERMS))
    nobody = "0x" + "00" * 20

    for addresses, reason in (
        ((stranger, stake, site.treasury), "da_entrance: no contract"),
        ((signers, stranger, site.treasury), "da_entrance: no contract"),
        ((signers, stake, nobody), "da_entrance: no treasury"),
    ):
        with boa.reverts(reason):
            da_deployer("DAEntrance").deploy(*addresses, *rest)
    with boa.reverts("governed: no governance"):
        da_deployer("DAEntrance").deploy(
            signers, stake, site.treasury, nobody, windows_tuple(WINDOWS), terms_tuple(TERMS)
        )
    with boa.reverts("da_signers: no contract"):
        da_deployer("DASigners").deploy(stranger, site.beacon.address)
    with boa.reverts("da_signers: no contract"):
        da_deployer("DASigners").deploy(stake, stranger)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (0x05, "bls12_381: MODEXP failed"),
        (0x0A, "point_evaluation: wrong answer"),
        (0x0B, "bls12_381: G1ADD failed"),
        (0x0D, "bls12_381: G2ADD failed"),
        (0x0F, "bls12_381: pairing is wrong"),
        (0x11, "bls12_381: MAP_FP2_TO_G2 failed"),
    ],
)
def test_inv_da_7__precompile_missing__no_da_contract_can_be_deployed(
    undrawn_site: DaSite, missing: int, reason: str
) -> None:
    site = undrawn_site
    address = missing.to_bytes(20, "big")
    table = PragueComputation._precompiles
    held = table.pop(address)
    judged = [one.address for one in (site.entrance, site.signers, site.stake, site.court)]
    try:
        with boa.reverts(reason):
            deploy_entrance(site.staking, site.signers, site.treasury)
        if missing == 0x0A:
            with boa.reverts(reason):
                da_deployer("DAFraudProofs").deploy(*judged, 24 * DAY)
        else:
            with boa.reverts(reason):
                da_deployer("DAChallenges").deploy(*judged, 24 * DAY, COIN)
            with boa.reverts(reason):
                da_deployer("DASigners").deploy(site.stake.address, site.beacon.address)
    finally:
        table[address] = held
