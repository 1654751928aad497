"""Loopback ports that stay free until their process starts.

The system gives ports above a bound to outgoing connections: one that is free now may be a client's
when a node wants to listen on it a minute later. So they come from below, as one run at a random
place: two homes chosen at once then seldom meet. Source: Linux, ip-sysctl, ip_local_port_range.
"""

import secrets
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOWEST: Final = 15_000
FIRST_OUTGOING: Final = 32_768  # where the system does not tell
RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
TRIES: Final = 64


def free_ports(count: int) -> list[int]:
    """So many different ports of loopback that nobody listens on."""
    room = _first_outgoing() - LOWEST - count
    for _ in range(TRIES if room > 0 else 0):
        first = LOWEST + secrets.randbelow(room)
        ports = list(range(first, first + count))
        if _held(ports) is not None:
            return ports
    found = _held([0] * count)  # no run is free: the system's choice
    assert found is not None
    return found


def free_port() -> int:
    return free_ports(1)[0]


def _held(ports: list[int]) -> list[int] | None:
    """The ports, all bound at the same time for a moment; none where one is taken."""
    with ExitStack() as stack:
        found = []
        for port in ports:
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                if not port:
                    raise
                return None
            found.append(int(probe.getsockname()[1]))
        return found


def _first_outgoing() -> int:
    if not RANGE_FILE.exists():
        return FIRST_OUTGOING
    return int(RANGE_FILE.read_text().split()[0])
