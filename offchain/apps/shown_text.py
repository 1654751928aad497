"""Text of strangers, made safe to show: no control characters, no bidirectional tricks, no markup.

Nothing in it is ever opened, fetched or interpreted; what a terminal could act on is spelt out.
"""

import unicodedata
from typing import Final

MAX_SHOWN: Final = 200
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def shown(text: str, most: int = MAX_SHOWN) -> str:
    """The text on one line; what is not printable as its code point, what is too long cut."""
    safe = "".join(map(_spelt, text[:most]))
    return safe + ("..." if len(text) > most else "")


def _spelt(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN:
        return f"<U+{ord(character):04X}>"
    return character
