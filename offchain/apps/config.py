"""`apogee config show`: every setting of every process, its value, and where it came from.

A flag wins over the environment, that over apogee.toml, that over the default; flags belong to one
command and are not shown. Secrets are masked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic_settings import EnvSettingsSource, PyprojectTomlConfigSettingsSource

from offchain.apps.exit_codes import ExitCode
from offchain.apps.output import print_json, print_table
from offchain.apps.settings import FILE, ProcessSettings, read_settings

SECRET_WORDS: Final = ("secret", "key", "token", "password", "passphrase")
MASK: Final = "***"
LONGEST_PATH: Final = 3  # a database's number; anything longer may be a provider's key


@dataclass(frozen=True, slots=True)
class Setting:
    """One knob: who reads it, its value and the source of that."""

    name: str
    value: str | None
    source: str
    environment: str
    read_by: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "setting": self.name,
            "value": self.value,
            "source": self.source,
            "environment": self.environment,
            "read_by": list(self.read_by),
        }


def show_config(*, as_json: bool) -> int:
    """Print every setting. Raises: SettingInvalid when one cannot be used."""
    found = list(settings_in_force())
    if as_json:
        print_json([one.as_json() for one in found])
    else:
        columns = ("setting", "value", "source", "environment", "read by")
        cells = [
            (one.name, one.value, one.source, one.environment, ", ".join(one.read_by))
            for one in found
        ]
        print_table("settings: flag > environment > apogee.toml > default", columns, cells)
    return ExitCode.DONE


def settings_in_force() -> Iterator[Setting]:
    """Every setting by name; one that several processes read is told once."""
    readers: dict[str, list[type[ProcessSettings]]] = {}
    for kind in _kinds(ProcessSettings):
        for name in kind.model_fields:
            readers.setdefault(name, []).append(kind)
    for name, kinds in sorted(readers.items()):
        names = sorted(_process(kind) for kind in kinds if not kind.__subclasses__())
        yield Setting(
            name=name,
            value=masked(name, getattr(read_settings(kinds[0]), name)),
            source=_source(kinds[0], name),
            environment=f"APOGEE_{name.upper()}",
            read_by=tuple(names),
        )


def masked(name: str, value: object) -> str | None:
    """A value as it may be shown: no secret, and none inside an address."""
    if value is None:
        return None
    if any(word in name.lower().split("_") for word in SECRET_WORDS):
        return MASK
    text = str(value)
    scheme, is_address, rest = text.partition("://")
    if not is_address:
        return text
    rest, has_query, _ = rest.partition("?")
    before, has_path, path = rest.rpartition("@")[2].partition("/")
    shown = f"{scheme}://{MASK + '@' if '@' in rest else ''}{before}"
    shown += has_path + (path if len(path) <= LONGEST_PATH else MASK)
    return shown + (f"?{MASK}" if has_query else "")


def _source(kind: type[ProcessSettings], name: str) -> str:
    if name in EnvSettingsSource(kind)():
        return "environment"
    if name in PyprojectTomlConfigSettingsSource(kind, FILE)():
        return FILE.name
    return "default"


def _kinds(kind: type[ProcessSettings]) -> Iterator[type[ProcessSettings]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def _process(kind: type[ProcessSettings]) -> str:
    """`DaNodeSettings` -> `da-node`."""
    words = re.findall("[A-Z][a-z]*", kind.__name__.removesuffix("Settings"))
    return "-".join(words).lower()
