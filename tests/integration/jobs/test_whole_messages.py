"""The embedded broker's messages are there whole or not at all, whoever looks in between."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from offchain.jobs.celery_app import QueueSettings, make_celery

MESSAGES = 500


def a_channel(folder: Path) -> Any:
    """One side's own connection, as the consumer and the reconcile loop have."""
    return make_celery(QueueSettings(folder)).connection_for_read().channel()


class Looking:
    """A part of a message that looks into a folder at the moment it is written down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seen: list[Path] | None = None

    def __json__(self) -> str:
        self.seen = list(self._folder.glob("*.msg"))
        return "looked"


def test_put__message_is_being_written__no_reader_would_find_it(tmp_path: Path) -> None:
    channel, looking = a_channel(tmp_path), Looking(tmp_path / "data")

    channel._put("apogee", {"body": looking})

    assert looking.seen == []
    assert channel._get("apogee") == {"body": "looked"}


def test_put__a_reader_looks_all_the_time__takes_every_message_whole(tmp_path: Path) -> None:
    writing, reading = a_channel(tmp_path), a_channel(tmp_path)
    wanted = [{"body": "x" * 200, "number": number} for number in range(MESSAGES)]
    writer = threading.Thread(target=lambda: [writing._put("apogee", one) for one in wanted])
    taken: list[dict[str, object]] = []

    writer.start()
    while writer.is_alive() or len(taken) < MESSAGES:
        with suppress(Empty):
            taken.append(reading._get("apogee"))
    writer.join()

    assert taken == wanted
    assert list((tmp_path / "data").iterdir()) == []


def test_bind__several_at_once_for_the_first_time__all_find_the_queue(tmp_path: Path) -> None:
    channels = [a_channel(tmp_path) for _ in range(8)]

    def bind(channel: Any) -> list[str]:
        channel._queue_bind("apogee", "apogee", "", "apogee")
        return [one.queue for one in channel.get_table("apogee")]

    with ThreadPoolExecutor(len(channels)) as pool:
        found = list(pool.map(bind, channels))

    assert found == [["apogee"]] * len(channels)
