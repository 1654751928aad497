"""A gateway that stops while another thread still writes what it answered."""

import sqlite3
import threading
from pathlib import Path

from offchain.gateway.answers import AnswerBook

ROUNDS = 20


def test_close__while_another_thread_writes__waits_for_it_and_refuses_what_comes_later(
    tmp_path: Path,
) -> None:
    refused: list[sqlite3.ProgrammingError] = []

    def write_until_closed(book: AnswerBook, started: threading.Event) -> None:
        try:
            while True:
                book.finish(bytes(32))
                started.set()
        except sqlite3.ProgrammingError as error:
            refused.append(error)

    for number in range(ROUNDS):
        book = AnswerBook(tmp_path / f"answers-{number}.sqlite", lambda: 0)
        started = threading.Event()
        writer = threading.Thread(target=write_until_closed, args=(book, started))
        writer.start()
        assert started.wait(30)

        book.close()

        writer.join(30)
        assert not writer.is_alive()
    assert len(refused) == ROUNDS
