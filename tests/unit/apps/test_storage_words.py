"""What people type to storage: terms, ranges, references; and what they see while it works."""

import pytest

from offchain.apps.storage import PutLine, ReferenceInvalid, parse_reference, share_of
from offchain.apps.terms import RangeMalformed, TermInvalid, epochs_in, parse_range, parse_term
from offchain.storage.client_ports import PutStage
from offchain.storage.put_model import PutProgress


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3_600), ("30d", 2_592_000), ("2w", 1_209_600), ("6m", 15_552_000), ("1Y", 31_536_000)],
)
def test_term__with_a_unit__is_so_many_seconds(text: str, seconds: int) -> None:
    assert seconds == parse_term(text)


@pytest.mark.parametrize("text", ["", "0d", "30", "d", "-1d", "1.5d", "1000000d", "1d1d"])
def test_term__malformed__is_refused(text: str) -> None:
    with pytest.raises(TermInvalid):
        parse_term(text)


@pytest.mark.parametrize(("seconds", "epochs"), [(1, 1), (14_400, 1), (14_401, 2)])
def test_epochs__cover_the_time(seconds: int, epochs: int) -> None:
    assert epochs == epochs_in(seconds, 14_400)


def test_range__both_ends_counted__is_start_and_stop() -> None:
    assert parse_range("0-0") == (0, 1)
    assert parse_range("100-199") == (100, 200)


@pytest.mark.parametrize("text", ["", "5", "9-3", "-1-3", "0-", "1e3-9"])
def test_range__malformed__is_refused(text: str) -> None:
    with pytest.raises(RangeMalformed):
        parse_range(text)


@pytest.mark.parametrize("text", ["", "7f", "g" * 64, "00" * 33])
def test_reference__malformed__is_refused(text: str) -> None:
    with pytest.raises(ReferenceInvalid):
        parse_reference(text)


def test_progress__of_a_put__never_goes_back_and_knows_what_to_resume() -> None:
    stages = [
        PutProgress(PutStage.PLANNED, 50, 100),
        PutProgress(PutStage.PLANNED, 100, 100),
        PutProgress(PutStage.PLACED, 0, 100, 0, 32, b"\x7f" * 32, 10**16),
        PutProgress(PutStage.PLACED, 60, 100, 3, 32, b"\x7f" * 32, 10**16),
        PutProgress(PutStage.HELD, 100, 100),
    ]
    line = PutLine()

    shares = [share_of(one) for one in stages]
    for one in stages:
        line(one)
    line.close()

    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert line.file_id == b"\x7f" * 32
