"""JSON from strangers: nested less deeply than any decoder's stack can bear; pure.

A decoder recurses once a bracket, and some libraries raise the interpreter's recursion limit so far
that a text of brackets alone ends the process. The count of brackets bounds the depth.
"""

import json
from typing import Any, Final

MAX_BRACKETS: Final = 4_000  # an event log of 1,024 events and real collateral have fewer


class TooManyBrackets(ValueError):
    """The text could be nested too deeply."""


def loads_bounded(text: str | bytes) -> Any:  # what JSON is, is for the caller to say
    """Decode JSON. Raises: ValueError, RecursionError as `json.loads`; TooManyBrackets."""
    check_brackets(text)
    return json.loads(text)


def check_brackets(text: str | bytes) -> None:
    """Raises: TooManyBrackets."""
    opened = (
        text.count(b"[") + text.count(b"{")
        if isinstance(text, bytes)
        else text.count("[") + text.count("{")
    )
    if opened > MAX_BRACKETS:
        raise TooManyBrackets(opened)
