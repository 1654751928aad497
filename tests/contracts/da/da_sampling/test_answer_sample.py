"""Answers earn exactly when a signing owner shows a leaf that wins the open round."""

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.da.model import Blob
from offchain.da.sampling_book import MAX_WINS, REWARD_DIVISOR, Round, is_win
from tests.contracts.da.conftest import Refused
from tests.support.da import SAMPLE_PERIOD, DaSite, a_blob, blob_tuple, mine_entropy, pay
from tests.support.da_encoding import frame_of
from tests.support.da_sampling import SampledBlob, a_sampled_blob
from tests.support.staking import DAY, AnOperator, a_wallet


def round_of(site: DaSite) -> Round:
    return Round(*site.sampling.round())


def last_event(site: DaSite) -> object:
    [event] = [e for e in site.sampling.get_logs() if type(e).__name__ == "SampleAnswered"]
    return event


def a_hot_key(site: DaSite, operator: AnOperator) -> str:
    """Another account that acts for the operator but owns nothing."""
    signer = a_wallet("hot key")
    site.staking.registry.offer_signer(signer, sender=operator.owner)
    site.staking.registry.accept_signer(operator.operator_id, sender=signer)
    return str(signer)


def test_answer_sample__winning_leaf__credits_the_owner_out_of_the_pool(
    sampled: SampledBlob,
) -> None:
    site = sampled.site
    pool, opened = site.entrance.reward_pool(), round_of(site)
    owner = sampled.owner(5)
    assert site.sampling.reward_now() == pool // REWARD_DIVISOR

    paid = sampled.answer(5, 3)

    event = last_event(site)
    assert (event.round, event.operator_id, event.blob_id) == (
        opened.number,
        owner.operator_id,
        sampled.identifier,
    )
    assert (event.row, event.leaf, event.amount) == (5, 3, paid)
    assert paid == pool // REWARD_DIVISOR > 0
    assert site.entrance.credit_of(owner.owner) == paid
    assert site.entrance.reward_pool() == pool - paid
    assert round_of(site).wins == 1
    assert site.sampling.last_win(sampled.identifier, 5, 3) == opened.number


def test_answer_sample__hot_key__is_paid_to_the_owner(sampled: SampledBlob) -> None:
    site = sampled.site
    operator = sampled.owner(1_500)
    signer = a_hot_key(site, operator)

    paid = sampled.answer(1_500, sender=signer)

    assert site.entrance.credit_of(operator.owner) == paid
    assert site.entrance.credit_of(signer) == 0


def test_inv_da_21__same_leaf_again__wins_once_a_round(
    sampled: SampledBlob, refused: Refused
) -> None:
    sampled.answer(7, 1)
    with refused("sampling_rounds: won already"):
        sampled.answer(7, 1)
    sampled.answer(7, 2)
    boa.env.time_travel(seconds=SAMPLE_PERIOD)
    sampled.site.sampling.open_round()

    sampled.answer(7, 1)

    assert round_of(sampled.site).wins == 1


def test_inv_da_21__anybody_but_the_signing_owner__is_refused(
    sampled: SampledBlob, stranger: str, refused: Refused
) -> None:
    owner = sampled.owner(9)
    others = [one.owner for one in sampled.site.operators if one != owner]
    for caller in (stranger, sampled.site.governance, *others):
        with refused("da_sampling: not your row"):
            sampled.answer(9, sender=caller)

    assert sampled.answer(9) > 0


def test_inv_da_21__owner_that_did_not_sign__is_refused(
    sampling_site: DaSite, stranger: str, refused: Refused
) -> None:
    idle = sampling_site.operators[1]  # not the one that holds half of the slots
    sampled = a_sampled_blob(sampling_site, absent=[idle])
    row = sampled.rows_of(idle)[0]

    for caller in (idle.owner, stranger):
        with refused("da_sampling: owner was absent"):
            sampled.answer(row, sender=caller)
    other = next(row for row in range(3_072) if sampled.owner(row) != idle)
    assert sampled.answer(other) > 0


def test_answer_sample__other_seed_or_absent__is_refused(
    sampling_site: DaSite, refused: Refused
) -> None:
    idle = sampling_site.operators[1]  # not the one that holds half of the slots
    sampled = a_sampled_blob(sampling_site, absent=[idle])
    row = sampled.rows_of(idle)[0]

    with refused("da_sampling: wrong certificate"):
        sampled.answer(row, absent=(0, 0, 0, 0))
    with refused("da_sampling: wrong certificate"):
        sampled.answer(row, absent=(sampled.absent[0] << 1, 0, 0, 0))
    with refused("da_sampling: wrong certificate"):
        sampled.answer(row, seed=keccak(b"a seed that makes the row mine"))


def test_answer_sample__unknown_paid_or_refunded_blob__is_refused(
    sampling_site: DaSite, refused: Refused
) -> None:
    site = sampling_site
    sampled = a_sampled_blob(site)
    owner = site.operators[0].owner
    paid: Blob = a_blob(owner, owner, salt=keccak(b"paid"))
    with refused("da_sampling: not available"):
        sampled.answer(0, blob=paid)
    mine_entropy(site, pay(site, paid))
    with refused("da_sampling: not available"):
        sampled.answer(0, blob=paid)
    boa.env.time_travel(seconds=1_000)
    site.entrance.refund(blob_tuple(paid))

    with refused("da_sampling: not available"):
        sampled.answer(0, blob=paid)


def test_answer_sample__void_blob__is_refused(sampled: SampledBlob, refused: Refused) -> None:
    site = sampled.site
    site.entrance.void(blob_tuple(sampled.blob), sender=site.fraud_proofs.address)

    with refused("da_sampling: not available"):
        sampled.answer(0)


def test_answer_sample__expired_blob__is_refused_from_the_second_on(
    sampled: SampledBlob, refused: Refused
) -> None:
    site = sampled.site
    expiry = sampled.ballot.record.expiry
    assert expiry - sampled.ballot.record.paid_at == 14 * DAY
    boa.env.time_travel(seconds=expiry - 1 - boa.env.timestamp)
    site.sampling.open_round()
    with boa.env.anchor():
        assert sampled.answer(0) > 0
    boa.env.time_travel(seconds=1)

    with refused("da_sampling: not available"):
        sampled.answer(0)


def test_answer_sample__altered_frame__is_refused(sampled: SampledBlob, refused: Refused) -> None:
    frame = frame_of(sampled.encoded, 2_050, 1)
    owner = sampled.owner(2_050).owner

    def flipped(position: int) -> bytes:
        return frame[:position] + bytes([frame[position] ^ 1]) + frame[position + 1 :]

    for altered, reason in (
        (b"", "row_path: wrong length"),
        (frame[:-1], "row_path: wrong length"),
        (frame + bytes(32), "row_path: wrong length"),
        (b"\x00\x00\x0c\x00" + frame[4:], "row_path: no such place"),
        (frame[:4] + b"\x00\x00\x00\x04" + frame[8:], "row_path: no such place"),
        (flipped(7), "row_path: not under the root"),
        (flipped(3), "row_path: not under the root"),
        (flipped(8), "row_path: not under the root"),
        (flipped(263), "row_path: not under the root"),
        (flipped(264), "row_path: not under the root"),
        (flipped(len(frame) - 1), "row_path: not under the root"),
        (flipped(len(frame) - 96), "row_path: not under the root"),
    ):
        with refused(reason):
            sampled.answer(2_050, 1, sender=owner, frame=altered)
    assert sampled.answer(2_050, 1) > 0


def test_answer_sample__round_not_opened_or_over__is_refused(
    sampling_site: DaSite, refused: Refused
) -> None:
    site = sampling_site
    sampled = a_sampled_blob(site)
    boa.env.time_travel(seconds=SAMPLE_PERIOD)

    with refused("sampling_rounds: not open"):
        sampled.answer(0)
    site.sampling.open_round()
    sampled.answer(0)
    boa.env.time_travel(seconds=SAMPLE_PERIOD)
    with refused("sampling_rounds: not open"):
        sampled.answer(0)


def test_inv_da_21__a_round_won_out__pays_nobody_more(
    sampled: SampledBlob, refused: Refused
) -> None:
    site = sampled.site
    earned = site.entrance.reward_pool()
    paid = [sampled.answer(row) for row in range(MAX_WINS)]

    with refused("sampling_rounds: all won"):
        sampled.answer(MAX_WINS)
    assert round_of(site).wins == MAX_WINS
    assert earned - sum(paid) == site.entrance.reward_pool()
    assert sum(paid) <= MAX_WINS * (earned // REWARD_DIVISOR)


def test_answer_sample__leaf_above_the_target__is_refused(
    sampled: SampledBlob, refused: Refused
) -> None:
    site = sampled.site
    for row in range(MAX_WINS):
        sampled.answer(row)
    boa.env.time_travel(seconds=SAMPLE_PERIOD)
    site.sampling.open_round()
    opened = round_of(site)
    won = {r: is_win(opened, sampled.place(r), sampled.leaf(r)) for r in range(200)}
    winner = next(row for row, is_winner in won.items() if is_winner)
    loser = next(row for row, is_winner in won.items() if not is_winner)

    with refused("sampling_rounds: no win"):
        sampled.answer(loser)
    assert sampled.answer(winner) > 0


def test_answer_sample__empty_pool__is_refused(sampled: SampledBlob, refused: Refused) -> None:
    site = sampled.site
    left = REWARD_DIVISOR - 1
    taken = site.entrance.reward_pool() - left
    site.entrance.reward(site.treasury, taken, sender=site.sampling.address)

    with refused("da_sampling: pool is empty"):
        sampled.answer(0)
    assert site.entrance.reward_pool() == left


@pytest.mark.parametrize("length", [1, 253_952, 253_953, 700_000])
def test_answer_sample__any_width__takes_first_and_last_leaf(
    sampling_site: DaSite, length: int
) -> None:
    sampled = a_sampled_blob(sampling_site, length)
    sampling_site.sampling.open_round()

    for row, leaf in ((0, 0), (3_071, sampled.encoded.shape.leaves - 1)):
        assert sampled.answer(row, leaf) > 0
