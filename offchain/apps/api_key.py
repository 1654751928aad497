"""The key that lets a program spend this home's money over HTTP: made once, readable by its owner.

keys/gateway.key   `apg_` and 64 hex digits; remove it and restart the gateway for another one
"""

import secrets
from typing import Final

from offchain.apps.files import PRIVATE, FileMissing, FileUnreadable, write_bytes
from offchain.apps.home import Home

NAME: Final = "gateway.key"
_PREFIX: Final = "apg_"
_LENGTH: Final = len(_PREFIX) + 64


def api_key_of(home: Home) -> str:
    """The home's API key. Raises: FileMissing before the first gateway, FileUnreadable."""
    path = home.keys / NAME
    try:
        key = path.read_text().strip()
    except FileNotFoundError as error:
        raise FileMissing(path=path) from error
    if path.stat().st_mode & 0o077:
        raise FileUnreadable(path=path, reason="others may read it; run chmod 600 on it")
    if len(key) != _LENGTH or not key.startswith(_PREFIX):
        raise FileUnreadable(path=path, reason="not an API key")
    return key


def ensure_api_key(home: Home) -> str:
    """The home's API key, made when there is none. Raises: FileUnreadable."""
    try:
        return api_key_of(home)
    except FileMissing:
        home.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _PREFIX + secrets.token_hex(32)
        write_bytes(home.keys / NAME, f"{key}\n".encode(), mode=PRIVATE)
        return key
