"""Answers: the one true leaf clears a challenge and earns the bond; nothing else does."""

from typing import Any

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.core.layout import LEAF_BYTES
from offchain.da.onchain_challenges import WHOLE_ROW
from tests.contracts.da.da_challenges.conftest import LENGTH, Unmoved
from tests.support.da import WINDOWS, whole_transaction_gas
from tests.support.da_challenges import PaidBlob, confirmed, set_base_fee
from tests.support.da_encoding import frame_of, honest, path_of
from tests.support.staking import CONTRACTS, DA, a_wallet

HALF = WINDOWS.answer // 2
BAR_GAS = 95_000


@pytest.fixture
def row(blob: PaidBlob) -> int:
    return blob.row_of(blob.site.operators[0])


def bond_of(blob: PaidBlob, identifier: bytes) -> int:
    return int(blob.site.challenges.challenge_of(identifier).bond)


def test_inv_da_16__true_leaf_in_time__clears_the_challenge_and_earns_the_bond(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    site, signer = blob.site, blob.site.operators[0]
    identifier = blob.challenge(challenger, row, 3)
    bond = bond_of(blob, identifier)
    boa.env.time_travel(seconds=WINDOWS.answer)

    blob.answer(signer.owner, row, 3)
    (event,) = site.challenges.get_logs()

    assert site.challenges.credit_of(signer.owner) == bond
    assert site.challenges.open_of(signer.operator_id) == 0
    assert int(site.challenges.challenge_of(identifier).challenger, 16) == 0
    assert site.stake.slashed_at(signer.pool(DA), blob.ballot.record.epoch) == 0
    assert (event.challenge_id, event.blob_id, event.operator_id) == (
        identifier,
        blob.identifier,
        signer.operator_id,
    )
    assert (event.row, event.leaf, event.answerer, event.bond) == (row, 3, signer.owner, bond)


def test_inv_da_16__answer__costs_less_than_it_earns_at_the_challenges_base_fee(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    """Also with a fresh credit slot, the widest leaf path, and the caller to be looked up."""
    site = blob.site
    wide = confirmed(site, honest(8 * LENGTH), payer=site.operators[1], salt=keccak(b"wide"))
    place = wide.row_of(site.operators[0])
    before = boa.env.evm.vm.state.execution_context.base_fee_per_gas
    for base_fee in (0, 10**9, 500 * 10**9):
        set_base_fee(base_fee)
        try:
            identifier = wide.challenge(challenger, place, base_fee % 7)
        finally:
            set_base_fee(before)
        bond = bond_of(wide, identifier)
        frame = frame_of(wide.encoded, place, base_fee % 7)
        site.challenges.answer_leaf(wide.fields, frame, sender=site.operators[0].owner)
        calldata = site.challenges.answer_leaf.prepare_calldata(wide.fields, frame)
        gas = whole_transaction_gas(site.challenges, calldata)

        assert gas <= BAR_GAS
        assert bond >= gas * base_fee + 10**16


def test_answer__first_half__pays_the_signer_whoever_answers(
    blob: PaidBlob, challenger: str, stranger: str, row: int
) -> None:
    """The challenger copies the signer's answer from the mempool to get its bond back."""
    site, signer = blob.site, blob.site.operators[0]
    bond = bond_of(blob, blob.challenge(challenger, row))
    boa.env.time_travel(seconds=HALF)

    blob.answer(challenger, row)

    assert site.challenges.credit_of(challenger) == 0
    assert site.challenges.credit_of(signer.owner) == bond


def test_answer__first_half_by_the_hot_signer__pays_it(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    site, signer, hot = blob.site, blob.site.operators[0], a_wallet("hot signer")
    site.staking.registry.offer_signer(hot, sender=signer.owner)
    site.staking.registry.accept_signer(signer.operator_id, sender=hot)
    bond = bond_of(blob, blob.challenge(challenger, row))

    blob.answer(hot, row)

    assert site.challenges.credit_of(hot) == bond
    assert site.challenges.credit_of(signer.owner) == 0


def test_answer__second_half__pays_whoever_answers(
    blob: PaidBlob, challenger: str, stranger: str, row: int
) -> None:
    bond = bond_of(blob, blob.challenge(challenger, row))
    boa.env.time_travel(seconds=HALF + 1)

    blob.answer(stranger, row)

    assert blob.site.challenges.credit_of(stranger) == bond
    assert blob.site.challenges.credit_of(blob.site.operators[0].owner) == 0


def test_answer__a_second_late__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    boa.env.time_travel(seconds=WINDOWS.answer + 1)

    with unmoved("da_challenges: too late"):
        blob.answer(blob.site.operators[0].owner, row)


def test_answer__replayed__is_refused(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    blob.answer(stranger, row)

    with unmoved("challenge_book: not open"):
        blob.answer(stranger, row)


def test_answer__another_leaf_of_the_row__is_refused(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row, 1)

    with unmoved("challenge_book: not open"):
        blob.answer(stranger, row, 2)
    with unmoved("challenge_book: not open"):
        blob.answer(stranger, row, WHOLE_ROW)


def test_inv_da_16__every_byte_altered__is_no_answer(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    """Data, path, coset roots; the row and leaf numbers then name what nobody asked for."""
    blob.challenge(challenger, row, 1)
    frame = frame_of(blob.encoded, row, 1)
    places = [*range(8), *range(8, 8 + LEAF_BYTES, 85), *range(264, len(frame), 32)]
    for place in (*places, len(frame) - 1):
        altered = bytearray(frame)
        altered[place] ^= 1
        with boa.reverts():
            blob.site.challenges.answer_leaf(blob.fields, bytes(altered), sender=stranger)
    with unmoved("row_path: not under the root"):
        blob.site.challenges.answer_leaf(
            blob.fields, frame[:-1] + bytes([frame[-1] ^ 1]), sender=stranger
        )


def test_answer__frame_too_short_or_long__is_refused(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    frame = frame_of(blob.encoded, row, 0)
    for wrong in (b"", frame[:-1], frame[:-32], frame + b"\0", frame + bytes(32)):
        with unmoved("row_path: wrong length"):
            blob.site.challenges.answer_leaf(blob.fields, wrong, sender=stranger)


def test_answer__place_outside_the_matrix__is_refused(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row)
    frame = frame_of(blob.encoded, row, 0)
    outside = (3_072).to_bytes(4, "big") + frame[4:], frame[:4] + b"\0\0\0\4" + frame[8:]
    for wrong in outside:
        with unmoved("row_path: no such place"):
            blob.site.challenges.answer_leaf(blob.fields, wrong, sender=stranger)


def test_answer_row__published__stands_in_the_log(
    blob: PaidBlob, challenger: str, stranger: str, row: int
) -> None:
    site = blob.site
    identifier = blob.challenge(challenger, row, WHOLE_ROW)
    bond = bond_of(blob, identifier)
    boa.env.time_travel(seconds=WINDOWS.answer)

    blob.answer(stranger, row, WHOLE_ROW)
    answered, published = site.challenges.get_logs()

    assert (published.blob_id, published.row) == (blob.identifier, row)
    assert published.data == blob.encoded.rows[row].tobytes()
    assert published.path == path_of(blob.encoded, row)
    assert (answered.leaf, answered.answerer) == (WHOLE_ROW, stranger)
    assert site.challenges.credit_of(stranger) == bond


def test_answer_row__wrong_bytes_path_or_place__is_refused(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row, WHOLE_ROW)
    data, path = blob.encoded.rows[row].tobytes(), path_of(blob.encoded, row)
    wrong: list[tuple[str, Any]] = [
        ("row_tree: wrong length", (row, data[:-1], path)),
        ("row_tree: wrong length", (row, data[:-256], path)),
        ("row_tree: wrong length", (row, data + bytes(256), path)),
        ("row_tree: wrong length", (row, b"", path)),
        ("row_path: wrong length", (row, data, path[:-1])),
        ("row_path: wrong length", (row, data, b"")),
        ("row_path: no such place", (3_072, data, path)),
        ("row_path: not under the root", (row, data[:-1] + bytes([data[-1] ^ 1]), path)),
        ("row_path: not under the root", (row, data, path[:-1] + bytes([path[-1] ^ 1]))),
        ("row_path: not under the root", (row, data, bytes([path[0] ^ 1]) + path[1:])),
        ("row_path: not under the root", (row ^ 1, data, path)),
    ]
    for reason, arguments in wrong:
        with unmoved(reason):
            blob.site.challenges.answer_row(blob.fields, *arguments, sender=stranger)


def test_answer__leaf_challenge__is_not_cleared_by_nobodys_row(
    blob: PaidBlob, challenger: str, stranger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row, 0)

    with unmoved("challenge_book: not open"):
        blob.answer(stranger, row, WHOLE_ROW)


def test_answer__blob_expires_meanwhile__still_counts(
    blob: PaidBlob, challenger: str, row: int
) -> None:
    boa.env.time_travel(seconds=blob.ballot.record.expiry - boa.env.timestamp - 1)
    bond = bond_of(blob, blob.challenge(challenger, row))
    boa.env.time_travel(seconds=WINDOWS.answer)

    blob.answer(blob.site.operators[0].owner, row)

    assert blob.site.challenges.credit_of(blob.site.operators[0].owner) == bond


def test_withdraw__receiver_reverts_or_reenters__bond_stays_a_credit(
    blob: PaidBlob, challenger: str, row: int, stranger: str, unmoved: Unmoved
) -> None:
    site = blob.site
    hostile = boa.load_partial(
        str(CONTRACTS.parent / "tests/contracts/staking/hostile_receiver.vy")
    ).deploy()
    bond = bond_of(blob, blob.challenge(challenger, row))
    boa.env.time_travel(seconds=HALF + 1)
    call = site.challenges.answer_leaf.prepare_calldata(blob.fields, frame_of(blob.encoded, row, 0))
    answer = boa.loads(ANSWERER)
    answer.act(site.challenges.address, call)
    take = site.challenges.withdraw.prepare_calldata(hostile.address)
    again = site.challenges.withdraw.prepare_calldata(stranger)

    for mode in (1, 2):
        hostile.set_mode(mode, site.challenges.address, b"")
        with boa.reverts():  # one mode burns all the gas it gets
            answer.act(site.challenges.address, take, gas=ENOUGH_GAS)
        assert site.challenges.credit_of(answer.address) == bond
    hostile.set_mode(3, site.challenges.address, again)
    answer.act(site.challenges.address, take)

    assert not hostile.reentered()
    assert boa.env.get_balance(hostile.address) == bond
    assert boa.env.get_balance(site.challenges.address) == 0
    with unmoved("bond_ledger: nothing to withdraw"):
        site.challenges.withdraw(stranger, sender=stranger)


ENOUGH_GAS = 1_000_000
ANSWERER = """
# pragma version 0.4.3
@external
def act(target: address, payload: Bytes[2048]):
    raw_call(target, payload)
"""


def test_withdraw__to_nobody__is_refused(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row, value=10**18)

    with unmoved("bond_ledger: no receiver"):
        blob.site.challenges.withdraw("0x" + "00" * 20, sender=challenger)
    assert blob.site.challenges.withdraw(challenger, sender=challenger) > 0


def test_withdraw__receiver_refuses__reason_is_named(
    blob: PaidBlob, challenger: str, row: int, unmoved: Unmoved
) -> None:
    blob.challenge(challenger, row, value=10**18)

    with unmoved("bond_ledger: receiver refused"):
        blob.site.challenges.withdraw(blob.site.stake.address, sender=challenger)
