"""Upload tokens: the same command finds the same salt, and nothing else does."""

import os
from pathlib import Path

import pytest

from offchain.apps.files import FileUnreadable
from offchain.apps.uploads import DONE, OPEN, SaltInvalid, UploadBook

SALT = "5a" * 32


@pytest.fixture
def book(tmp_path: Path) -> UploadBook:
    return UploadBook(tmp_path / "uploads")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"a photograph")
    return path


def test_upload__begun_again_by_another_process__has_the_same_salt(
    book: UploadBook, file: Path, tmp_path: Path
) -> None:
    first = book.begin(file, days=14)

    again = UploadBook(tmp_path / "uploads").begin(file, days=14)

    assert first == again
    assert len(first.raw_salt) == 32


def test_upload__of_a_changed_file_or_other_terms__is_another_one(
    book: UploadBook, file: Path
) -> None:
    first = book.begin(file, days=14)
    other_days = book.begin(file, days=3)
    file.write_bytes(b"a photograpH")
    os.utime(file, ns=(1, 1))
    changed = book.begin(file, days=14)

    assert len({first.salt, other_days.salt, changed.salt}) == 3


def test_upload__that_is_finished__the_next_command_is_a_new_publication(
    book: UploadBook, file: Path
) -> None:
    first = book.begin(file, days=14)
    book.finish(first, "apogee:da:blob:" + "ab" * 32)

    second = book.begin(file, days=14)

    assert first.salt != second.salt
    assert sorted(one.state for one in book.all()) == [DONE, OPEN]
    assert book.all()[0].reference or book.all()[1].reference


def test_upload__whose_fee_came_back__is_forgotten(book: UploadBook, file: Path) -> None:
    first = book.begin(file, days=14)
    book.forget(first)

    assert book.all() == []
    assert book.begin(file, days=14).salt != first.salt


def test_upload__with_a_salt__is_that_one(book: UploadBook, file: Path) -> None:
    given = book.begin(file, days=14, salt="0x" + SALT.upper())

    assert given.salt == SALT
    assert book.begin(file, days=14, salt=SALT) == given


@pytest.mark.parametrize("salt", ["5a", "zz" * 32, "5a" * 33])
def test_upload__with_a_salt_that_is_none__is_refused(
    salt: str, book: UploadBook, file: Path
) -> None:
    with pytest.raises(SaltInvalid):
        book.begin(file, days=14, salt=salt)
    assert book.all() == []


def test_uploads__finished_long_ago__are_forgotten_and_open_ones_never(
    file: Path, tmp_path: Path
) -> None:
    book = UploadBook(tmp_path / "uploads", kept=2)
    waiting = book.begin(file, days=20)
    for days in range(1, 5):
        book.finish(book.begin(file, days=days), "reference")

    assert [one.state for one in book.all() if one.salt == waiting.salt] == [OPEN]
    assert sum(one.state == DONE for one in book.all()) == 2


def test_uploads__a_damaged_token__is_named(book: UploadBook, file: Path, tmp_path: Path) -> None:
    book.begin(file, days=14)
    [token] = (tmp_path / "uploads").glob("*.json")
    token.write_text('{"file": 1}')

    with pytest.raises(FileUnreadable):
        book.all()
