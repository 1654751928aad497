"""The order of a sale that its buyer was not told the end of, in one file: {"voucher": "<hex>"}.

It is kept before it is sent. Killed between, the same words find it: sent again it is one sale.
"""

import json
from pathlib import Path
from typing import Protocol

from offchain.compute.errors import VoucherMalformed
from offchain.compute.forms import pack_voucher, parse_voucher
from offchain.compute.model import SignedVoucher
from offchain.core.errors import Corrupt
from offchain.node.disk import Disk, refused, remove_durably, write_durably


class OrderUnreadable(Corrupt):
    """What was kept of a sale makes no sense."""

    code = "agents.order.unreadable"
    next_step = "Remove the file; what was sold under its voucher is still owed."


class OrderShelf(Protocol):
    """Where one order survives its process; blocking, called in a thread."""

    def load(self) -> SignedVoucher | None:
        """Its voucher; None: there is no such order. Raises: OrderUnreadable, StoreBroken."""
        ...

    def save(self, voucher: SignedVoucher) -> None:
        """Durable on return. Raises: StoreFull, StoreBroken."""
        ...

    def drop(self) -> None:
        """It ended, and that was told. Raises: StoreBroken."""
        ...


class KeptOrder:
    """An `OrderShelf` in a file."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._path = path
        disk.names(path.parent)

    def load(self) -> SignedVoucher | None:
        try:
            found = json.loads(self._disk.read(self._path))
            return parse_voucher(bytes.fromhex(found["voucher"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error, self._path) from error
        except (ValueError, KeyError, TypeError, VoucherMalformed) as error:
            raise OrderUnreadable(file=self._path.name) from error

    def save(self, voucher: SignedVoucher) -> None:
        body = {"voucher": pack_voucher(voucher).hex()}
        write_durably(self._disk, self._path, [json.dumps(body).encode()])

    def drop(self) -> None:
        remove_durably(self._disk, self._path)
