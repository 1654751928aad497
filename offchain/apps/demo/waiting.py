"""What the demo waits for: processes that see by themselves what happened on the chain."""

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from offchain.apps.home import LOOPBACK
from offchain.apps.network import Network
from offchain.apps.provider_home import ProviderFile, ProviderPlace
from offchain.apps.rpc_probe import request
from offchain.apps.system import System
from offchain.core.errors import Unavailable

WAIT_SECONDS: Final = 600.0  # seconds on an idle machine; a busy one has all the time it needs
POLL_SECONDS: Final = 0.1


class NotInTime(Unavailable):
    """Processes did not do by themselves what they should."""

    code = "demo.not_in_time"
    next_step = (
        "Run again with --keep DIR and read the logs there; close what keeps the machine busy."
    )


def wait_until(what: str, is_done: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Raises: NotInTime."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise NotInTime(waited_for=what, seconds=seconds)
        time.sleep(POLL_SECONDS)


def wait_in_step(system: System, network: Network, roles: tuple[str, ...]) -> None:
    """Until providers have read this block: they count seconds by it, and the demo's time jumps."""
    head = network.node.block().number
    wait_until(
        "providers that know the time",
        lambda: all(shown_evidence(system, role)[0] >= head for role in roles),
    )


def shown_evidence(system: System, role: str) -> tuple[int, list[int]]:
    """The block that a provider read last, and the level of each of its services there."""
    port = ProviderFile.load(ProviderPlace(system.home, role)).port
    status, text = request("GET", f"http://{LOOPBACK}:{port}/v1/evidence", None)
    if status != HTTPStatus.OK:
        return 0, []
    told = json.loads(text)
    return int(told["block"]), [int(one["level"]) for one in told["services"]]
