"""Deliveries that were begun, one JSON file each; nothing in them is secret.

<folder>/<name>.json   {"order", "stage", "derived", "location", "signatures"}
"""

import json
import re
from pathlib import Path
from typing import Final

from offchain.agents.delivery_ports import Begun, Stage
from offchain.agents.oracle_errors import OracleFormBroken
from offchain.agents.oracle_forms import derived_json, order_json, parse_derived, parse_order
from offchain.core.errors import Corrupt, InvalidInput
from offchain.node.disk import LocalDisk, refused, remove_durably, write_durably

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,95}")


class DeliveryFileBroken(Corrupt):
    """The file of a delivery is not what was written."""

    code = "agents.delivery.file_broken"
    next_step = "Remove the file named above: the delivery is begun anew, and nothing is lost."


class DiskShelf:
    """`DeliveryShelf` in a folder. Raises: StoreFull, StoreBroken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = LocalDisk()

    def find(self, name: str) -> Begun | None:
        """Raises: DeliveryFileBroken."""
        path = self._path(name)
        try:
            found = json.loads(path.read_bytes())
            derived = found["derived"]
            return Begun(
                order=parse_order(found["order"]),
                stage=Stage(found["stage"]),
                derived=None if derived is None else parse_derived(derived),
                location=bytes.fromhex(found["location"]),
                signatures=tuple(bytes.fromhex(one) for one in found["signatures"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, OracleFormBroken) as error:
            raise DeliveryFileBroken(file=path.name) from error

    def keep(self, name: str, begun: Begun) -> None:
        path = self._path(name)
        content = {
            "order": order_json(begun.order),
            "stage": begun.stage.value,
            "derived": None if begun.derived is None else derived_json(begun.derived),
            "location": begun.location.hex(),
            "signatures": [one.hex() for one in begun.signatures],
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refused(error, path) from error
        text = json.dumps(content, indent=2, sort_keys=True)
        write_durably(self._disk, path, [text.encode()])

    def forget(self, name: str) -> None:
        remove_durably(self._disk, self._path(name))

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(
                "a delivery's name is of small letters, digits and dashes", name=name
            )
        return self._folder / f"{name}.json"
