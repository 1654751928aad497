"""From paying for an agent to its opened bundle of 10 MB: oracles, storage and chain, on Anvil.

  python -m benchmarks.agents_buy_to_run [--megabytes 10] [--rounds 2] [--json]

A devnet with eight operators, their storage nodes and `apogee relayer`, over sockets; seller and
buyer are this process. A round buys, has three oracles re-encrypt, stores the new file, fetches it
back from storage, opens it, takes it and holds its plaintext; the seller is whoever bought last.
The figure is the slowest round, in wall time; its parts are of that round. Oracles run in the
software TEE of the devnet: SIMULATED.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.rows import Row, at_most, flags_of, show
from offchain.agents.mint_agent import MintWish
from offchain.agents.template import template_bundle
from offchain.apps.agent_home import Trader, open_trader
from offchain.apps.demo.agents import ORACLES, AgentActs
from offchain.apps.demo.report import Story
from offchain.apps.demo.stage import build_network, staged
from offchain.apps.settings import UpSettings
from offchain.core.units import MEGABYTE

NODES: Final = 8
ROUNDS: Final = 2
MEGABYTES: Final = 10
BAR_SECONDS: Final = 15.0
ORACLES_BAR: Final = 2.0
ROLES: Final = ("bench-north", "bench-south")
COMMAND: Final = "python -m benchmarks.agents_buy_to_run"


@dataclass(slots=True)
class Clock:
    """When each step of a round began, by its name."""

    begun: dict[str, float] = field(default_factory=dict)

    def __call__(self, step: str) -> None:
        self.begun.setdefault(step, time.perf_counter())

    def between(self, step: str, later: str) -> float:
        return self.begun[later] - self.begun[step]


# What a part of a round is called, and from which step to which it lasts.
PARTS: Final = {
    "buy": ("bought", "locked"),
    "oracles": ("committed", "stored"),
    "store": ("stored", "signed"),
    "sign": ("signed", "proven"),
    "fetch_open_take": ("proven", "usable"),
}


def run(megabytes: int = MEGABYTES, rounds: int = ROUNDS) -> list[Row]:
    """Bring a devnet up, mint, sell there and back, take it down."""
    with staged(UpSettings(nodes=NODES, backend="anvil"), None) as system:
        story = Story()
        build_network(system, story)
        system.launch_relayer()
        system.wait_relayer()
        acts = AgentActs(system, system.network(), story, thinker=bytes(32))
        clocks = asyncio.run(measure(acts, megabytes, rounds))
    return rows_of(clocks)


def rows_of(clocks: Sequence[Clock]) -> list[Row]:
    """The slowest round and its parts, and the quickest one."""
    whole = {clock.between("bought", "usable"): clock for clock in clocks}
    slowest, name = whole[max(whole)], "agents.buy_to_run"
    rows = [
        at_most(f"{name}.s", max(whole), "s, slowest", BAR_SECONDS, command=COMMAND),
        at_most(f"{name}.least_s", min(whole), "s, quickest", None, command=COMMAND),
    ]
    for part, (first, last) in PARTS.items():
        bar = ORACLES_BAR if part == "oracles" else None
        seconds = slowest.between(first, last)
        rows.append(at_most(f"{name}.{part}_s", seconds, "s", bar, command=COMMAND))
    return rows


async def measure(acts: AgentActs, megabytes: int, rounds: int) -> list[Clock]:
    """The steps of each round."""
    clocks: list[Clock] = []

    def watch(step: str) -> None:
        if clocks:
            clocks[-1](step)

    async with AsyncExitStack() as stack:
        home, network = acts.system.home, acts.network
        traders: list[Trader] = [
            await stack.enter_async_context(open_trader(home, network, role, watch))
            for role in ROLES
        ]
        files = template_bundle("Bench", model_hash=bytes(32), stream=bytes(32))
        files["content.bin"] = filled(megabytes)
        token = await traders[0].mint.mint(files, MintWish("bench", ORACLES))
        for number in range(rounds):
            seller, buyer = traders[number % 2], traders[(number + 1) % 2]
            await acts.standing()
            signed = await acts.order(seller, ROLES[number % 2], token)
            quote = await buyer.buy.quote(signed)
            clocks.append(Clock())
            watch("bought")
            sale = await buyer.buy.buy(signed, price=quote.price)
            watch("locked")
            proofs = await seller.sell.prove(sale)
            watch("proven")
            forget_copies(home.root)
            [opened] = await buyer.buy.take(sale, proofs)
            watch("usable")
            assert len(opened.data) > megabytes * MEGABYTE
        return clocks


def forget_copies(home: Path) -> None:
    """Seller and buyer share a home here: without this the buyer would read the seller's copy."""
    for copy in (home / "agents" / "files").glob("*.agb"):
        copy.unlink()


def filled(megabytes: int) -> bytes:
    """Bytes that no step can make smaller than they are told to be."""
    unit = bytes(range(251))
    size = megabytes * MEGABYTE
    return (unit * (size // len(unit) + 1))[:size]


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    return show(run(asked.megabytes, asked.rounds), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
