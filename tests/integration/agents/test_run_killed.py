"""A run that is killed with SIGKILL and goes on: one payment for each act."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from offchain.agents.plan import follow
from offchain.agents.standing import Stop
from offchain.agents.think import Mind, Ordered, Thought
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.scripted_engine import Script
from offchain.compute.errors import ProviderRefused, ProviderUnreachable
from tests.support.agents_runtime import (
    ACCOUNT,
    STORE_PRICE,
    TEXT,
    Around,
    a_run,
    a_skill,
    an_intent,
    paying_market,
    said_in_turn,
)
from tests.support.compute_provider import a_world, on_socket

NOTES = ("one", "two", "three", "four", "all of it")

KILLED_AFTER = (13,)  # entries of its journal: the thoughts are paid, the storage may be or not
ROOT = Path(__file__).resolve().parents[3]
# A package of the same name among the installed ones would win over this folder.
LAUNCH = (
    "import runpy, sys, types; sys.modules['tests'] = types.ModuleType('tests'); "
    "sys.modules['tests'].__path__ = ['tests']; "
    "runpy.run_path('tests/support/agent_process.py', run_name='__main__')"
)


def test_run__killed__pays_and_acts_once(tmp_path: Path) -> None:
    async def story() -> None:
        market = paying_market()
        world = await a_world(market, Script(said_in_turn(*NOTES)))
        async with on_socket(world) as url:
            for count in KILLED_AFTER:
                assert await until_killed(tmp_path, url, count) == ""
            said = await until_killed(tmp_path, url, None)
            owed = world.book.owed(ACCOUNT, bytes(20))

        word, spent, *_ = said.split(" ", 2)
        assert word == "done"
        assert int(spent) == owed + STORE_PRICE
        payments = (tmp_path / "stored" / "payments").read_text().splitlines()
        assert len(payments) == 1

    asyncio.run(story())


class Cut:
    """A mind whose first answer is cut off by a kill; the provider refuses the order then."""

    def __init__(self, mind: Mind, faults: list[Exception]) -> None:
        self._mind, self._faults = mind, faults
        self.price, self.order, self.restore = mind.price, mind.order, mind.restore

    async def send(self, ordered: Ordered) -> Thought:
        if self._faults:
            raise self._faults.pop(0)
        return await self._mind.send(ordered)


def test_run__killed_in_a_thought_that_was_not_sold__orders_it_anew_and_pays_once(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        around = Around(folder=tmp_path)
        world = await a_world(around.market, Script(said_in_turn(*NOTES)))
        file = around.storage.add(TEXT.encode()).hex()
        faults: list[Exception] = [ProviderUnreachable(), ProviderRefused(remote_code="nonce")]
        async with on_socket(world), HttpProviderClient() as http:
            for _ in range(2):
                run = a_run(around, http, an_intent(file=file))
                run.parts = replace(run.parts, mind=Cut(run.parts.mind, faults))
                with suppress(ProviderUnreachable):
                    report = await follow(run, a_skill())

        assert (report.reason, faults) == (Stop.GOAL, [])
        owed = world.book.owed(ACCOUNT, bytes(20))
        assert report.log.spent == owed + STORE_PRICE
        assert len([step for step in report.log.steps if step.receipt is not None]) == 5

    asyncio.run(story())


async def until_killed(folder: Path, url: str, count: int | None) -> str:
    """Let it write so many acts, kill it; what it said at its end, "" when it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LAUNCH,
        str(folder),
        url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    written, said = 0, ""
    async with asyncio.timeout(120):
        while line := (await process.stdout.readline()).decode():
            if line.startswith("done"):
                said = line.strip()
            written += 1
            if written == count:
                os.kill(process.pid, signal.SIGKILL)
                break
        await process.wait()
    return said
