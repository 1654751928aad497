"""`apogee key ...` and `apogee compute verify` on a home without a network: book, words, codes."""

import json
from pathlib import Path

import pytest

from offchain.apps.cli import main
from offchain.apps.exit_codes import ExitCode
from offchain.apps.gateway_compute import open_book
from offchain.apps.home import Home
from offchain.core.units import WEI_PER_COIN
from offchain.gateway.access import digest_of
from offchain.gateway.book_model import Find
from offchain.gateway.errors import KeyRevoked
from offchain.gateway.key_model import KeyRecord


def run(
    capsys: pytest.CaptureFixture[str], home: Path, *words: str
) -> tuple[int, dict[str, object]]:
    code = main([*words, "--home", str(home), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_key__made_listed_and_revoked__is_what_the_gateway_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--cap 0.5eth --cap-day 5gwei --days 7 --scope compute --scope da --model M --rate 2"
    code, made = run(capsys, tmp_path, "key", "new", "my app", *words.split(), "--kind", "chat")
    assert code == ExitCode.DONE
    key = str(made["key"])
    assert key.startswith("apk_")
    assert len(key) == 68

    book = open_book(Home.at(tmp_path), None)
    [record] = book.apply([Find(digest_of(key))])
    assert isinstance(record, KeyRecord)
    assert record.terms.cap_total == WEI_PER_COIN // 2
    assert record.terms.cap_day == 5 * 10**9
    assert record.terms.models == {"m"}
    assert record.terms.scopes == {"compute", "da"}

    code, listed = run(capsys, tmp_path, "key", "list")
    assert [one["id"] for one in listed["keys"]] == [made["id"]]  # type: ignore[attr-defined, index]
    assert key not in json.dumps(listed)
    assert key.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "gateway").iterdir()
    )

    code, revoked = run(capsys, tmp_path, "key", "revoke", str(made["id"]))
    assert (code, revoked["state"]) == (ExitCode.DONE, "revoked")
    [told] = book.apply([Find(digest_of(key))])
    assert isinstance(told, KeyRevoked)
    book.close()


@pytest.mark.parametrize(
    "words",
    [
        ("key", "new", "--cap", "much"),
        ("key", "new", "--scope", "everything"),
        ("key", "new", "--kind", "poem"),
        ("key", "new", "--level", "gold"),
        ("key", "new", "\n"),
        ("key", "revoke", "k_nobody"),
    ],
)
def test_key__with_words_that_mean_nothing__is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, told = run(capsys, tmp_path, *words)

    assert code == ExitCode.WRONG_INPUT
    assert told["error"]["next_step"]  # type: ignore[index]


def test_key__in_a_database_of_no_kind__is_wrong_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APOGEE_BOOK_URL", "mysql://somewhere/x")

    code, told = run(capsys, tmp_path, "key", "list")

    assert code == ExitCode.WRONG_INPUT
    assert "somewhere" not in json.dumps(told)
