"""What a command says: the result on stdout, everything else on stderr.

With `--json` stdout carries exactly one object; an error is `{"error": {...}}` there, and the
sentence for people still goes to stderr.
"""

import json
import sys
from collections.abc import Mapping, Sequence

from offchain.apps.shown_text import shown
from offchain.core.errors import ApogeeError, kind_of

MAX_FIELD = 2_000  # characters of an error's field that are shown

KIND_WORDS = {
    "InvalidInput": "Wrong input",
    "NotFound": "Not found",
    "Conflict": "Conflict",
    "Rejected": "Rejected",
    "Unavailable": "Unavailable",
    "Corrupt": "Corrupt",
    "ApogeeError": "Error",
}


_progress = {"is_quiet": False}  # of this process, as its streams are


def be_quiet(value: bool) -> None:
    """Drop progress, or say it again."""
    _progress["is_quiet"] = value


def is_quiet() -> bool:
    return _progress["is_quiet"]


def say(line: str) -> None:
    """One line of progress, for people, on stderr; nothing with --quiet."""
    if is_quiet():
        return
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def print_json(value: object) -> None:
    """The one object a `--json` command ends with, on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
    sys.stdout.flush()


def print_fields(fields: Mapping[str, object]) -> None:
    """A result as `name  value` lines on stdout."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        sys.stdout.write(f"{name:<{width}}  {value}\n")


def print_result(value: Mapping[str, object], *, as_json: bool) -> None:
    """A result on stdout, as one JSON object or as lines."""
    if as_json:
        print_json(value)
    else:
        print_fields(value)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; colours only on a terminal and without NO_COLOR."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def error_text(error: ApogeeError) -> str:
    """What happened, why, and what to type next."""
    word = KIND_WORDS[kind_of(error).__name__]
    lines = [f"{word}: {error.message} ({error.code})"]
    # what strangers wrote may be in a field: a contract's reason, a file's name
    lines += [f"  {name}: {shown(str(value), MAX_FIELD)}" for name, value in error.fields.items()]
    lines.append(f"  next: {error.next_step}")
    return "\n".join(lines)


def print_error(error: ApogeeError, *, as_json: bool) -> None:
    """An error for people on stderr, and for programs as one object on stdout."""
    sys.stderr.write(error_text(error) + "\n")
    sys.stderr.flush()
    if as_json:
        print_json({"error": error.as_json()})
