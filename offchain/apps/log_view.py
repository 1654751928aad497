"""`apogee logs`: the last lines of each process, then new ones; JSON lines with `--json`."""

import json
import sys
import threading

from offchain.apps.home import Home
from offchain.apps.lifecycle import NoSuchLog, follow_logs, read_log


def show_logs(home: Home, names: list[str], *, lines: int, follow: bool, as_json: bool) -> None:
    """Print logs to stdout. Raises: NoSuchLog when nothing has run here."""
    if not names:
        raise NoSuchLog(home=home.root)
    for name in names:
        for line in read_log(home, name, lines=lines):
            _print(name, line, as_json=as_json)
    if follow:
        for name, line in follow_logs(home, names, threading.Event()):
            _print(name, line, as_json=as_json)


def _print(name: str, line: str, *, as_json: bool) -> None:
    text = json.dumps({"process": name, "line": line}) if as_json else f"{name:<12} {line}"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
