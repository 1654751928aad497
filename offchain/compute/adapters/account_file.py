"""A buyer's books in one file each: <folder>/<provider>-<token>.json, replaced whole.

{"acknowledged": "...", "next_nonce": n, "holds": {"nonce": "amount"}}
"""

import json
from pathlib import Path

from offchain.compute.buy import Account
from offchain.core.errors import Corrupt
from offchain.node.disk import Disk, refused, write_durably


class AccountUnreadable(Corrupt):
    """A buyer's book makes no sense."""

    code = "compute.account.unreadable"
    next_step = "Remove the file; what is settled on chain is the beginning of a new book."


class AccountFiles:
    """An `AccountShelf` in a folder."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        disk.names(folder)

    def load(self, provider: bytes, token: bytes) -> Account | None:
        """Raises: AccountUnreadable, StoreBroken."""
        path = self._path(provider, token)
        try:
            found = json.loads(self._disk.read(path))
            holds = {int(nonce): int(hold) for nonce, hold in found["holds"].items()}
            return Account(int(found["acknowledged"]), int(found["next_nonce"]), holds)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error, path) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AccountUnreadable(file=path.name) from error

    def save(self, provider: bytes, token: bytes, account: Account) -> None:
        """Raises: StoreFull, StoreBroken."""
        body = {
            "acknowledged": str(account.acknowledged),
            "next_nonce": account.next_nonce,
            "holds": {str(nonce): str(hold) for nonce, hold in dict(account.holds).items()},
        }
        write_durably(self._disk, self._path(provider, token), [json.dumps(body).encode()])

    def _path(self, provider: bytes, token: bytes) -> Path:
        return self._folder / f"{provider.hex()}-{token.hex()}.json"
