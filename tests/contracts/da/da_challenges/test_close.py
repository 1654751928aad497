"""Silence: after the deadline the signer pays, once a row; the challenger gets its bond back."""

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW
from tests.contracts.da.da_challenges.conftest import Unmoved
from tests.support.da import EVIDENCE_SECONDS, WINDOWS
from tests.support.da_challenges import DA_SILENCE, PaidBlob
from tests.support.staking import COIN, DA, EPOCH


@pytest.fixture
def row(blob: PaidBlob) -> int:
    return blob.row_of(blob.site.operators[1])


def pool(blob: PaidBlob) -> int:
    return blob.site.operators[1].pool(DA)


def slashed(blob: PaidBlob) -> int:
    return int(blob.site.stake.slashed_at(pool(blob), blob.ballot.record.epoch))


def test_inv_da_16__nobody_answers__signer_loses_a_tenth_and_the_challenger_gains(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    site = blob.site
    identifier = blob.challenge(challenger, row, 2)
    bond = site.challenges.challenge_of(identifier).bond
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    assert blob.close(row, 2)
    closed = next(one for one in site.challenges.get_logs() if type(one).__name__ == "Closed")

    assert (closed.challenge_id, closed.row, closed.leaf, closed.is_convicted) == (
        identifier,
        row,
        2,
        True,
    )
    assert slashed(blob) == 10 * COIN
    assert site.court.credit_of(challenger) == 2 * COIN
    assert site.challenges.credit_of(challenger) == bond
    assert site.challenges.open_of(site.operators[1].operator_id) == 0
    subject = site.challenges.silence_subject(blob.identifier, row)
    assert subject == keccak(words(blob.identifier, row))
    offence = site.court.offence_id_of(DA_SILENCE, pool(blob), subject)
    assert site.court.case_of(offence).reporter == challenger
    assert site.challenges.withdraw(challenger, sender=challenger) == bond
    assert boa.env.get_balance(site.challenges.address) == 0


def test_close__answer_may_still_come__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    boa.env.time_travel(seconds=WINDOWS.answer)

    with unmoved("da_challenges: answer may come"):
        blob.close(row)


def test_close__never_opened_or_answered__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    with unmoved("challenge_book: not open"):
        blob.close(row)
    blob.challenge(challenger, row)
    blob.answer(blob.site.operators[1].owner, row)
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    with unmoved("challenge_book: not open"):
        blob.close(row)
    assert slashed(blob) == 0


def test_close__twice__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    boa.env.time_travel(seconds=WINDOWS.answer + 1)
    blob.close(row)

    with unmoved("challenge_book: not open"):
        blob.close(row)
    assert slashed(blob) == 10 * COIN


def test_close__second_leaf_of_a_punished_row__gives_the_bond_back_and_takes_nothing(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    site = blob.site
    blob.challenge(challenger, row, 0)
    bond = site.challenges.challenge_of(blob.challenge(stranger, row, WHOLE_ROW)).bond
    boa.env.time_travel(seconds=WINDOWS.answer + 1)
    assert blob.close(row, 0)

    assert not blob.close(row, WHOLE_ROW)

    assert site.challenges.credit_of(stranger) == bond
    assert slashed(blob) == 10 * COIN
    assert site.court.credit_of(stranger) == 0
    with unmoved("da_challenges: punished already"):
        blob.challenge(challenger, row, 1, value=COIN)


def test_close__several_rows__stop_at_the_cap_of_an_epoch(blob: PaidBlob, challenger: str) -> None:
    """A service loses at most 5 % of its stake an epoch to silence; the rest waits in court."""
    rows = [blob.row_of(blob.site.operators[1], number) for number in range(5)]
    for place in rows:
        blob.challenge(challenger, place)
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    for place in rows:
        assert blob.close(place)

    total = sum(
        blob.site.stake.stake_at(operator.pool(DA), blob.ballot.record.epoch)
        for operator in blob.site.operators
    )
    assert slashed(blob) <= 30 * COIN
    assert slashed(blob) == min(30 * COIN, total // 20)


def test_close__self_challenge__costs_the_signer_more_than_it_gets(
    blob: PaidBlob, row: int
) -> None:
    site, culprit = blob.site, blob.site.operators[1]
    blob.challenge(culprit.owner, row)
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    blob.close(row, who=culprit.owner)

    assert site.court.credit_of(culprit.owner) == slashed(blob) // 5
    assert site.court.credit_of(culprit.owner) < slashed(blob)


def test_close__blob_expired_meanwhile__still_convicts(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    boa.env.time_travel(seconds=blob.ballot.record.expiry - boa.env.timestamp - 1)
    blob.challenge(challenger, row)
    boa.env.time_travel(seconds=2 * WINDOWS.answer)

    assert blob.close(row)

    assert slashed(blob) == 10 * COIN


def test_close__blob_became_void__gives_the_bond_back_and_takes_nothing(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    site = blob.site
    bond = site.challenges.challenge_of(blob.challenge(challenger, row)).bond
    site.entrance.void(blob.fields, sender=site.fraud_proofs.address)
    assert site.record(blob.identifier).state is BlobState.VOID
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    assert not blob.close(row)

    assert (slashed(blob), site.challenges.credit_of(challenger)) == (0, bond)


def test_challenge__void_blob__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.site.entrance.void(blob.fields, sender=blob.site.fraud_proofs.address)

    with unmoved("da_challenges: not confirmed"):
        blob.challenge(challenger, row)


def test_close__signer_left_meanwhile__still_pays(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    culprit = blob.site.operators[1]
    blob.site.signers.leave(sender=culprit.owner)
    blob.site.stake.leave(DA, sender=culprit.owner)
    boa.env.time_travel(seconds=2 * EPOCH)
    blob.challenge(challenger, row)
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    assert blob.close(row)

    assert slashed(blob) == 10 * COIN


def test_reclaim__court_may_still_judge__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    barred_at = blob.site.stake.epoch_start(blob.ballot.record.epoch + 1) + EVIDENCE_SECONDS
    boa.env.time_travel(seconds=barred_at - boa.env.timestamp)

    with unmoved("da_challenges: court may judge"):
        blob.site.challenges.reclaim(blob.identifier, row, 0)
    assert blob.close(row)


def test_reclaim__court_takes_no_more__gives_the_bond_back_once(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    site = blob.site
    identifier = blob.challenge(challenger, row)
    bond = site.challenges.challenge_of(identifier).bond
    barred_at = site.stake.epoch_start(blob.ballot.record.epoch + 1) + EVIDENCE_SECONDS
    boa.env.time_travel(seconds=barred_at + 1 - boa.env.timestamp)
    with unmoved("court: evidence too late"):
        blob.close(row)

    site.challenges.reclaim(blob.identifier, row, 0)
    (event,) = site.challenges.get_logs()

    assert (event.challenge_id, event.challenger, event.bond) == (identifier, challenger, bond)
    assert site.challenges.credit_of(challenger) == bond
    assert site.challenges.open_of(site.operators[1].operator_id) == 0
    with unmoved("challenge_book: not open"):
        site.challenges.reclaim(blob.identifier, row, 0)
