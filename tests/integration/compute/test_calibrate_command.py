"""`apogee compute calibrate` on a model that is made here."""

import json
from pathlib import Path

import pytest

from offchain.apps.cli import main


def test_calibrate__same_class_on_one_device__flags_no_honest_answer(
    llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compute", "calibrate", str(llama_folder), "--answers", "3", "--tokens", "4"]

    assert main(words) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["answers"] == 3
    assert told["curve"][-1]["flagged"] == 0
    assert main([*words, "--served", "int4"]) != 0
