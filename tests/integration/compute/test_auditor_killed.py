"""`apogee auditor` as a process, killed without a word: what it sealed it opens, and none is twice.

Its node keeps back what it sends, so that it dies with its ballots written down and not on chain;
and again with a conviction on its way.
"""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from offchain.apps.keystore import Keystore
from offchain.apps.operators import Enrolment
from offchain.chain.event_ranges import events_between
from offchain.compute.adapters.cheating_engine import Cheat
from offchain.compute.onchain_audit_court import AuditState, BallotCommitted, Voted
from offchain.jobs.model import JobKind
from offchain.node.disk import LocalDisk
from offchain.node.journal import Entry, FileJournal
from tests.support.apogee_command import start_apogee
from tests.support.audit_market import AuditMarket
from tests.support.judged_work import auditor_roles
from tests.support.served_chain import ServedChain, served_chain
from tests.support.waiting import wait_until

PATIENCE_SECONDS = 180
SEATS = 3


@dataclass(frozen=True)
class Auditors:
    """The process that judges for everybody in the market, over a node that may hang."""

    market: AuditMarket
    node: ServedChain
    url: str
    log: Path

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Killed at the end, wherever it is then."""
        home, roles = self.market.home.root, auditor_roles(self.market).values()
        named = [flag for role in roles for flag in ("--as", role)]
        place = ("--home", str(home), "--rpc-url", self.url, "--model", str(self.market.model))
        process = start_apogee("auditor", *place, *named, log=self.log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def begun(self) -> list[Path]:
        """Journals with something in them."""
        found = (self.market.home.root / "auditors").glob("*/ballots.journal")
        return [one for one in found if one.stat().st_size]

    def ballots(self) -> dict[Path, list[Entry]]:
        """Ballots as the next process finds them; for while none runs."""
        found = {}
        for path in self.begun():
            journal = FileJournal(LocalDisk(), path)
            journal.open()
            found[path] = list(journal.entries())
        return found

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Beside the loop, in which the provider answers."""
        await asyncio.to_thread(wait_until, is_so, seconds=PATIENCE_SECONDS, what=what)


def test_auditor__killed_mid_judgement_and_mid_conviction__convicts_once_and_loses_nothing(
    market: AuditMarket, tmp_path: Path
) -> None:
    asyncio.run(_killed(market, tmp_path))


async def _killed(market: AuditMarket, folder: Path) -> None:
    roles, network = auditor_roles(market), market.network
    keys = Keystore(market.home.keys)
    Enrolment(network, market.home).fund([keys.account(role) for role in roles.values()])
    first = market.height()
    with served_chain(market.chain, market.home) as (node, url):
        auditors = Auditors(market, node, url, folder / "auditor.log")
        async with market.shop("killed-before", Cheat.DROPPED_LAYER) as shop:
            await shop.sell("What is a leaf?")
            batch = await shop.post()
            market.mine()
            market.do_due(JobKind.DRAW_AUDIT, _hex(batch))
            assert await shop.seal.round() == [batch]

            with node.holding(), auditors.running():
                await auditors.until(
                    lambda: bool(auditors.begun()) and node.held > 0, "a ballot on its way"
                )
            written = auditors.ballots()
            assert any(written.values())
            assert not any(seat.is_sealed for seat in market.view(batch).seats)

            with auditors.running() as process:
                await auditors.until(
                    lambda: all(seat.has_voted for seat in market.view(batch).seats), "the votes"
                )
                if market.view(batch).state is AuditState.VOTING:
                    market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
                had = market.free(market.payer)
                with node.holding():
                    market.pass_until(market.view(batch).deadline)
                    market.do_due(JobKind.ADVANCE_AUDIT, _hex(batch))
                    await auditors.until(lambda: node.held >= 1, "a conviction on its way")
                    process.kill()
                    process.wait()
            assert market.view(batch).state is AuditState.UPHELD
            found = auditors.ballots()
            assert [len(one) for one in found.values()] == [1] * SEATS
            assert all(found[path] == kept for path, kept in written.items() if kept)

            with auditors.running():
                await auditors.until(
                    lambda: market.view(batch).state is AuditState.PUNISHED, "the conviction"
                )

    assert market.free(market.payer) == had + shop.prices[0]
    assert len(market.cases_against(shop.service)) == 1
    blocks = (first, market.height())
    for kind in (BallotCommitted, Voted):
        told = events_between(network.node, network.audits, kind, blocks, {})
        assert len([one for one in told if one.audit == batch]) == SEATS


def _hex(audit: int) -> str:
    return "0x" + audit.to_bytes(32, "big").hex()
