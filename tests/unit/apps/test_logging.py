"""One JSON object a line; secrets are masked whatever the caller passes."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from offchain.apps.logging import configure_logging


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("da-node-3", stream=stream)
    yield stream
    root.handlers[:], root.level = before[0], before[1]


def test_log_line__with_fields__is_one_json_object(written: io.StringIO) -> None:
    logging.getLogger("offchain.da").info("rows_stored", extra={"blob_id": b"\x01", "rows": 3})

    [line] = written.getvalue().splitlines()
    value = json.loads(line)
    assert (value["process"], value["event"], value["rows"]) == ("da-node-3", "rows_stored", 3)
    assert value["blob_id"] == "0x01"


def test_log_line__with_a_secret__masks_it(written: io.StringIO) -> None:
    logging.getLogger().warning("key_read", extra={"passphrase": "hunter2", "secret_key": "0xabc"})

    assert "hunter2" not in written.getvalue()
    assert "0xabc" not in written.getvalue()


def test_log_line__with_an_exception__carries_its_traceback(written: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        logging.getLogger().exception("job_refused")

    assert "ValueError: invalid literal" in json.loads(written.getvalue())["traceback"]
