"""Who may talk to the devnet: only programs of this machine, never a web page nobody allowed.

The accounts are unlocked, so any page that a browser shows could otherwise spend their money:
directly (its Origin betrays it) or by DNS rebinding (its Host does).
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Titanoboa names itself here; a browser sends `null` or scheme://host and can never send this.
TOOL_ORIGINS: Final = frozenset({"titanoboa"})
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Guard:
    """The Host names and Origins let in, lower case; an Origin as `scheme://host[:port]`."""

    hosts: frozenset[str] = LOOPBACK_HOSTS
    origins: frozenset[str] = frozenset()

    def admits_host(self, header: str | None) -> bool:
        """Whether the Host header names this machine. An absent one is refused."""
        if not header:
            return False
        try:
            name = urlsplit(f"//{header}").hostname
        except ValueError:
            return False
        return name is not None and name.lower() in self.hosts

    def admits_origin(self, header: str | None) -> bool:
        """Whether the request comes from no page (no Origin) or from an allowed one."""
        if header is None:
            return True
        origin = header.lower()
        return origin in self.origins or origin in TOOL_ORIGINS
