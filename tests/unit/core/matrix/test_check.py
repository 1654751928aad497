"""A node believes a header and rows only when all of it holds, and names the first fault."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.errors import ApogeeError
from offchain.core.field import MODULUS, elements_of
from offchain.core.layout import K, N
from offchain.core.matrix.check import (
    CheckedHeader,
    _commitments_hold,
    check_header,
    check_headers,
    check_rows,
    path_holds,
)
from offchain.core.matrix.encode import encode
from offchain.core.wire import Header, Row, parse_rows
from offchain.da.errors import (
    CombinationMismatch,
    CommitmentInvalid,
    CommitmentMismatch,
    CosetRootsMismatch,
    ElementNotCanonical,
    EncodingFault,
    HeaderCombinationNotCanonical,
    PaddingNotZero,
    PathMismatch,
    RowIndexOutOfRange,
    RowLength,
    TopByteNotZero,
)
from tests.support.matrices import a_payload, coded_rows, sealed

OWN = (0, 3, 1_023, 1_024, 2_048, 3_071)


def changed(header: Header, **fields: object) -> Header:
    names = ("columns", "length", "data_root", "coset_roots", "commitment", "combinations")
    return Header(**({name: getattr(header, name) for name in names} | fields))


def with_combination(header: Header, row: int, value: int) -> Header:
    combinations = header.combinations.copy()
    combinations[row] = elements_of([value])[0]
    return changed(header, combinations=combinations)


def test_check_header__honest__extends_q_to_every_row(blob, checked, engine):
    assert np.array_equal(engine.combine(blob.rows, checked.challenge), checked.values[:N])
    assert not checked.values.flags.writeable


def test_check_rows__honest_rows__accepted(blob, checked, engine):
    check_rows(checked, [blob.row(index) for index in OWN], engine)
    check_rows(checked, [], engine)


@pytest.mark.parametrize("value", [MODULUS, MODULUS + 5, (1 << 256) - 1])
def test_inv_da_5__combination_not_below_r__refused(blob, engine, value):
    header = with_combination(blob.header, 9, value)

    with pytest.raises(HeaderCombinationNotCanonical):
        check_header(header, engine)


def test_inv_da_5__other_coset_root__refused(blob, engine):
    b0, b1, b2 = blob.header.coset_roots

    with pytest.raises(CosetRootsMismatch):
        check_header(changed(blob.header, coset_roots=(b1, b0, b2)), engine)


def test_inv_da_5__commitment_to_something_else__refused(blob, engine):
    other = encode(a_payload(seed=2), engine).header.commitment

    with pytest.raises(CommitmentMismatch):
        check_header(changed(blob.header, commitment=other), engine)


def test_inv_da_5__commitment_that_is_no_point__refused(blob, engine):
    with pytest.raises(CommitmentInvalid):
        check_header(changed(blob.header, commitment=b"\xff" * 48), engine)


@given(bit=st.integers(0, 32_960 * 8 - 1))
def test_inv_da_5__one_bit_of_the_header__named_error_before_the_rows_are_believed(
    blob, engine, bit
):
    raw = bytearray(blob.header.to_bytes())
    raw[bit // 8] ^= 1 << bit % 8

    with pytest.raises(ApogeeError) as caught:
        check_rows(
            check_header(Header.parse(bytes(raw)), engine), [blob.row(i) for i in OWN], engine
        )

    assert caught.value.code.startswith("da.")


@pytest.mark.parametrize("position", range(15))
def test_inv_da_5__bits_of_the_fields_before_d__named_error(blob, engine, position):
    raw = bytearray(blob.header.to_bytes())
    raw[position] ^= 0x10

    with pytest.raises(ApogeeError) as caught:
        check_rows(check_header(Header.parse(bytes(raw)), engine), [blob.row(0)], engine)

    assert caught.value.code.startswith("da.")


@given(row=st.sampled_from(OWN), bit=st.integers(0, 256 * 8 - 1))
def test_inv_da_5__one_bit_of_a_row__named_error(blob, checked, engine, row, bit):
    data = blob.rows[row].copy()
    data.reshape(-1)[bit // 8] ^= 1 << bit % 8

    with pytest.raises((PathMismatch, EncodingFault)) as caught:
        check_rows(checked, [(row, blob.row_path(row), data)], engine)

    assert caught.value.fields["row"] == row


@given(row=st.sampled_from(OWN), bit=st.integers(0, 320 * 8 - 1))
def test_inv_da_5__one_bit_of_a_path__path_mismatch(blob, checked, engine, row, bit):
    raw = bytearray(b"".join(blob.row_path(row)))
    raw[bit // 8] ^= 1 << bit % 8
    path = [bytes(raw[start : start + 32]) for start in range(0, 320, 32)]

    with pytest.raises(PathMismatch):
        check_rows(checked, [(row, path, blob.rows[row])], engine)


def test_inv_da_5__row_at_another_index__path_mismatch(blob, checked, engine):
    with pytest.raises(PathMismatch):
        check_rows(checked, [(1_025, blob.row_path(1_024), blob.rows[1_024])], engine)


@pytest.mark.parametrize("index", [-1, N, 1 << 31])
def test_inv_da_5__index_outside_the_matrix__refused(blob, checked, engine, index):
    with pytest.raises(RowIndexOutOfRange):
        check_rows(checked, [(index, blob.row_path(0), blob.rows[0])], engine)


@pytest.mark.parametrize("columns", [0, 7, 9, 16])
def test_inv_da_5__row_of_another_length__refused(blob, checked, engine, columns):
    data = np.zeros((columns, 32), np.uint8)

    with pytest.raises(RowLength):
        check_rows(checked, [(0, blob.row_path(0), data)], engine)


def test_inv_da_5__path_of_nine_siblings__refused(blob, checked, engine):
    with pytest.raises(PathMismatch):
        check_rows(checked, [(0, blob.row_path(0)[:9], blob.rows[0])], engine)


def published(spoil, engine) -> tuple[CheckedHeader, list[Row]]:
    """A matrix spoilt by its disperser, who then hashed and combined it as if it were good."""
    shape, rows = coded_rows(a_payload(), engine)
    spoil(rows)
    bad = sealed(rows, shape, engine)
    return check_header(bad.header, engine), [bad.row(index) for index in range(N)]


def add_modulus(rows: np.ndarray, row: int) -> None:
    value = int.from_bytes(rows[row, 2].tobytes(), "big") + MODULUS
    rows[row, 2] = np.frombuffer(value.to_bytes(32, "big"), np.uint8)


def set_byte(rows: np.ndarray, place: tuple[int, int, int]) -> None:
    rows[place] ^= 1


@pytest.mark.parametrize(
    ("spoil", "row", "error"),
    [
        (lambda rows: add_modulus(rows, 1_500), 1_500, ElementNotCanonical),
        (lambda rows: add_modulus(rows, 20), 20, ElementNotCanonical),
        (lambda rows: set_byte(rows, (20, 2, 0)), 20, TopByteNotZero),
        (lambda rows: set_byte(rows, (1_023, 7, 31)), 1_023, PaddingNotZero),
        (lambda rows: set_byte(rows, (2_500, 4, 31)), 2_500, CombinationMismatch),
    ],
    ids=["parity element", "data element", "top byte", "padding", "parity value"],
)
def test_inv_da_5__row_spoilt_by_the_disperser__named_and_provable(engine, spoil, row, error):
    checked, rows = published(spoil, engine)

    with pytest.raises(error):
        check_rows(checked, [rows[row]], engine)

    assert issubclass(error, EncodingFault)
    assert path_holds(checked, rows[row], engine)


def test_path_holds__row_spoilt_by_the_sender__does_not(blob, checked, engine):
    data = blob.rows[2_500].copy()
    data[4, 31] ^= 1

    assert not path_holds(checked, (2_500, blob.row_path(2_500), data), engine)
    assert not path_holds(checked, (2_500, blob.row_path(2_500), data[:4]), engine)
    assert path_holds(checked, blob.row(2_500), engine)


def test_parity_value_taken_from_the_sender__would_hide_a_bad_row__is_not_taken(engine):
    """The values a row is held against come from the header's data rows, never from the row."""

    def spoil(rows: np.ndarray) -> None:
        rows[K:] = 0

    checked, rows = published(spoil, engine)

    with pytest.raises(CombinationMismatch):
        check_rows(checked, rows[K : K + 1], engine)


def test_check_headers__eight_honest__all_accepted_as_alone(engine):
    headers = [encode(a_payload(40_000 + size), engine).header for size in range(8)]

    verdicts = check_headers(headers, engine)

    for header, verdict in zip(headers, verdicts, strict=True):
        alone = check_header(header, engine)
        assert isinstance(verdict, CheckedHeader)
        assert verdict.header is header
        assert verdict.challenge == alone.challenge
        assert np.array_equal(alone.values, verdict.values)


def test_check_headers__each_kind_of_fault_among_good__judged_one_by_one(blob, engine):
    good = blob.header
    other = encode(a_payload(seed=3), engine).header
    b0, b1, b2 = good.coset_roots
    headers = [
        good,
        changed(good, commitment=other.commitment),
        with_combination(good, 0, MODULUS),
        changed(good, commitment=bytes(48)),
        changed(good, coset_roots=(b2, b1, b0)),
        other,
        with_combination(good, 1, 5),
    ]

    verdicts = check_headers(headers, engine)

    assert [type(verdict) for verdict in verdicts] == [
        CheckedHeader,
        CommitmentMismatch,
        HeaderCombinationNotCanonical,
        CommitmentInvalid,
        CosetRootsMismatch,
        CheckedHeader,
        CommitmentMismatch,
    ]


def test_check_headers__two_faults_that_cancel_in_a_plain_sum__both_refused(blob, engine):
    """Swapped commitments sum to the same point; weights tell them apart."""
    other = encode(a_payload(seed=3), engine).header
    swapped = [
        changed(blob.header, commitment=other.commitment),
        changed(other, commitment=blob.header.commitment),
    ]

    verdicts = check_headers(swapped, engine)

    assert [type(verdict) for verdict in verdicts] == [CommitmentMismatch] * 2


def test_inv_da_5__batch_equation__holds_for_good_headers_and_only_by_its_weights(blob, engine):
    other = encode(a_payload(seed=3), engine).header
    good = [blob.header, other]
    swapped = [
        changed(blob.header, commitment=other.commitment),
        changed(other, commitment=blob.header.commitment),
    ]

    assert _commitments_hold(good, 7, engine)
    assert not _commitments_hold(swapped, 7, engine)
    assert _commitments_hold(swapped, 1, engine), "equal weights would let the swap through"


def test_check_headers__none__nothing(engine):
    assert check_headers([], engine) == []


def test_check_rows__frame_from_the_wire__accepted(blob, checked, engine):
    frame = parse_rows(blob.rows_frame(bytes(32), OWN), columns=8)

    check_rows(checked, frame.rows, engine)
