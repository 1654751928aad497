"""How many bytes share a challenge is fixed before anybody can know an epoch's beacon value."""

import boa
import pytest

from offchain.storage.challenge_draw import rate_of
from tests.support.staking import COIN, CUTOFF, DAY, EPOCH, a_wallet
from tests.support.storage_proofs import (
    ANSWER,
    EVIDENCE,
    MIN_BOND,
    ProofsSite,
    storage_deployer,
    to_epoch,
)


def measure(site: ProofsSite, total: int, operators: int) -> int:
    site.files.set_total(total, operators)
    site.proofs.measure(sender=a_wallet("anybody"))
    event = next(iter(site.proofs.get_logs()))
    assert rate_of(total, operators) == event.bytes_per_challenge
    return int(event.epoch)


def test_measure__before_the_cut_off__counts_from_the_next_epoch(site: ProofsSite) -> None:
    to_epoch(site, 11, offset=-CUTOFF - 1)

    assert measure(site, 10**9, 4) == 11
    assert tuple(site.proofs.bytes_per_challenge(one) for one in (10, 11)) == (0, 125_000_000)


def test_measure__after_the_cut_off__counts_one_epoch_later(site: ProofsSite) -> None:
    """The seats of the beacon can know the next value from the cut-off on."""
    to_epoch(site, 11, offset=-CUTOFF)

    assert measure(site, 10**9, 4) == 12
    assert tuple(site.proofs.bytes_per_challenge(one) for one in (10, 11, 12)) == (
        0,
        0,
        125_000_000,
    )


def test_measure__again_and_again__past_epochs_never_change(site: ProofsSite) -> None:
    seen: dict[int, int] = {10: 0}
    for number in range(1, 9):
        to_epoch(site, 10 + number)
        measure(site, 10**9 * number, number % 3)
        measure(site, 10**6 * number, 1 + number)
        seen[11 + number] = rate_of(10**6 * number, 1 + number)

    assert seen == {one: site.proofs.bytes_per_challenge(one) for one in seen}
    assert seen[19] == site.proofs.bytes_per_challenge(1_000)


def test_measure__thousands_of_operators__at_most_4096_challenges(site: ProofsSite) -> None:
    measure(site, 4_096 * 10**6, 10**5)

    assert site.proofs.bytes_per_challenge(11) == 10**6


def test_views__windows__as_built(site: ProofsSite) -> None:
    assert (
        site.proofs.answer_seconds(),
        site.proofs.evidence_seconds(8),
        site.proofs.evidence_seconds(9),
    ) == (ANSWER, EVIDENCE, EVIDENCE)
    with boa.reverts("penalties: unknown offence"):
        site.proofs.evidence_seconds(4)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("penalties: no contract", {0: "0x" + "11" * 20}),
        ("penalties: no contract", {1: "0x" + "11" * 20}),
        ("penalties: no contract", {4: "0x" + "11" * 20}),
        ("penalties: window out of range", {5: 0}),
        ("penalties: window out of range", {5: EPOCH}),
        ("penalties: evidence too short", {6: EPOCH + ANSWER - 1}),
        ("penalties: evidence too long", {6: 62 * EPOCH + 1}),
        ("answer_bonds: minimum out of range", {7: 0}),
        ("answer_bonds: minimum out of range", {7: 2**96}),
    ],
)
def test_deploy__rules_that_do_not_fit__is_refused(
    site: ProofsSite, reason: str, changes: dict[int, object]
) -> None:
    files, stake = site.files.address, site.stake.address
    fitting = [
        files,
        files,
        stake,
        site.beacon.address,
        site.court.address,
        ANSWER,
        EVIDENCE,
        MIN_BOND,
    ]
    arguments = [changes.get(place, one) for place, one in enumerate(fitting)]

    with boa.reverts(reason):
        storage_deployer("StorageProofs").deploy(*arguments)
    assert 7 * DAY == EVIDENCE
    assert COIN > MIN_BOND
