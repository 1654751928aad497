"""What a provider of this home serves: its services and how each is run, in one file.

<home>/providers/<role>/provider.json   written by `apogee provider init`, read by the process
<home>/providers/<role>/book/           reservations        batches/   posted batch files
<home>/providers/<role>/evidence/       answers             <home>/models/   unpacked models
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.files import FileUnreadable, read_json, write_json
from offchain.apps.home import Home
from offchain.compute.adapters.open_engine import EngineSpec
from offchain.compute.model import Kind, Numerics

VERSION: Final = 1
DEFAULT_ROLE: Final = "provider"


def receipts_role(role: str) -> str:
    """The key that signs receipts: no other than this, and it moves no money."""
    return f"{role}-receipts"


@dataclass(frozen=True, slots=True)
class Offered:
    """One registered service and its engine."""

    service: bytes
    spec: EngineSpec


@dataclass(frozen=True, slots=True)
class ProviderPlace:
    """The folder of one provider."""

    home: Home
    role: str

    @property
    def folder(self) -> Path:
        return self.home.root / "providers" / self.role

    @property
    def models(self) -> Path:
        return self.home.root / "models"

    @property
    def file(self) -> Path:
        return self.folder / "provider.json"


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """What provider.json says."""

    port: int
    offered: tuple[Offered, ...]

    def save(self, place: ProviderPlace) -> None:
        place.folder.mkdir(parents=True, exist_ok=True)
        write_json(
            place.file,
            {
                "version": VERSION,
                "port": self.port,
                "services": [_offered_json(one) for one in self.offered],
            },
        )

    @classmethod
    def load(cls, place: ProviderPlace) -> "ProviderFile":
        """Raises: FileMissing before `apogee provider init`, FileUnreadable."""
        found = read_json(place.file)
        services = found.get("services")
        if found.get("version") != VERSION or not isinstance(services, list):
            raise FileUnreadable(path=place.file, reason="written by another version")
        try:
            return cls(int(str(found["port"])), tuple(_offered_of(one) for one in services))
        except (KeyError, ValueError, TypeError) as error:
            raise FileUnreadable(path=place.file, reason=type(error).__name__) from error


def _offered_json(one: Offered) -> dict[str, object]:
    spec = one.spec
    return {
        "service": one.service.hex(),
        "model": spec.model,
        "kind": spec.kind.name,
        "numerics": spec.numerics.name,
        "url": spec.url,
        "device": spec.device,
        "slots": spec.slots,
    }


def _offered_of(found: dict[str, str]) -> Offered:
    url = found["url"]
    spec = EngineSpec(
        model=str(found["model"]),
        kind=Kind[found["kind"]],
        numerics=Numerics[found["numerics"]],
        url=None if url is None else str(url),
        device=str(found["device"]),
        slots=int(found["slots"]),
    )
    return Offered(bytes.fromhex(found["service"]), spec)
