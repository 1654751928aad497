"""A provider answers its audits, auditors judge them: once, durably, for the committee only."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec

import pytest

from offchain.compute.audit_draw import Span
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.errors import AskRejected, BatchUnknown, ProviderUnreachable
from offchain.compute.model import PriceRow, Service
from offchain.compute.onchain_audit_court import AuditState
from offchain.compute.ports import BatchState, PostedBatch
from offchain.compute.seal import SealAudits
from offchain.compute.sit import ModelNotHeld, Sit, SitParts
from offchain.node.disk import LocalDisk
from offchain.node.journal import MemoryJournal
from tests.support.compute import DOMAIN, PROVIDER, SIGNER, STRANGER, a_row, a_service
from tests.support.compute_audits import AUDITORS, Trial, a_trial
from tests.unit.compute.test_judge_draw import NothingToReplay

WINDOW = 100
P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run


@dataclass
class Chain:
    """A `ServiceLedger` and an `EscrowLedger` of the one batch, as an auditor reads them."""

    trial: Trial

    def service(self, service: bytes, *, at: object) -> Service:
        return a_service(id=service)

    def price_row(self, service: bytes, version: int, *, at: object) -> PriceRow:
        return a_row(version=version)

    def signer_at(self, service: bytes, time: int, *, at: object) -> bytes:
        return SIGNER.address

    def domain(self) -> bytes:
        return DOMAIN

    def batch(self, batch: int, *, at: object) -> PostedBatch:
        opened = self.trial.opened
        return PostedBatch(
            id=batch,
            provider=PROVIDER.address,
            service=a_service().id,
            token=bytes(20),
            root=opened.tree.root.hash,
            total=opened.tree.root.total,
            items=len(opened.items),
            posted_block=1,
            posted_at=0,
            release_at=0,
            held=opened.tree.root.total,
            open_cases=0,
            state=BatchState.POSTED,
        )


@dataclass
class Direct:
    """A `BundleSource` that asks the provider in this process; `change` is what the wire does."""

    seal: SealAudits
    account: bytes
    change: Callable[[bytes], bytes] = bytes
    is_down: bool = False

    async def fetch(self, endpoint: str, provider: bytes, audit: int) -> bytes:
        if self.is_down:
            raise ProviderUnreachable(endpoint=endpoint)
        return self.change(await self.seal.bundle(audit, self.account))


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    trial = a_trial(tmp_path)
    spans = (Span(0, 0), Span(trial.whole.last, trial.whole.last))
    trial.audits.open(1, list(AUDITORS), spans, WINDOW)
    return trial


def a_seat(
    trial: Trial, operator_id: int, seal: SealAudits, journal: MemoryJournal | None = None
) -> tuple[Sit, Direct]:
    """One auditor with a journal that outlives it."""
    source = Direct(seal, AUDITORS[operator_id])
    chain = Chain(trial)
    sit = Sit(
        SitParts(
            ledger=trial.audits,
            acts=trial.audits,
            services=chain,
            escrow=chain,
            bundles=source,
            journal=journal or MemoryJournal(),
            shelf=BundleShelf(LocalDisk(), trial.folder / str(operator_id)),
            replayer=lambda _: NothingToReplay(),
            operator_id=operator_id,
        )
    )
    sit.open()
    return sit, source


async def play(trial: Trial, *seats: Sit) -> AuditState:
    """Rounds of everybody until nothing moves."""
    while [audit for sit in seats for audit in await sit.round()]:
        pass
    return trial.audits.views[1].state


@in_a_loop
async def test_round__of_an_honest_provider__three_ballots_clear_it(trial: Trial) -> None:
    seal = trial.seal()
    seats = [a_seat(trial, one, seal)[0] for one in AUDITORS]

    answered = await seal.round()
    state = await play(trial, *seats)

    assert answered == [1]
    assert state is AuditState.CLEARED
    assert trial.audits.views[1].failed == 0


@in_a_loop
async def test_seal__asked_again__answers_once(trial: Trial) -> None:
    seal = trial.seal()

    assert [await seal.round(), await seal.round()] == [[1], []]


@in_a_loop
async def test_seal__killed_before_it_revealed__answers_with_the_same_bundle(trial: Trial) -> None:
    first = trial.seal()
    await first.round()
    digest = trial.audits.views[1].bundle
    trial.audits.open(1, list(AUDITORS), trial.audits.views[1].spans, WINDOW)

    await trial.seal().round()

    assert trial.audits.views[1].bundle == digest


@in_a_loop
async def test_seal__after_the_deadline__sends_nothing(trial: Trial) -> None:
    trial.audits.now += WINDOW + 1

    assert await trial.seal().round() == []


@pytest.mark.parametrize(
    "account",
    [STRANGER.address, PROVIDER.address, bytes(20)],
    ids=["stranger", "provider", "nobody"],
)
@in_a_loop
async def test_bundle__for_anybody_but_the_committee__is_refused(
    trial: Trial, account: bytes
) -> None:
    seal = trial.seal()
    await seal.round()

    with pytest.raises(AskRejected):
        await seal.bundle(1, account)


@in_a_loop
async def test_bundle__of_a_final_audit__is_forgotten(trial: Trial) -> None:
    seal = trial.seal()
    await seal.round()
    view = trial.audits.views[1]
    trial.audits.views[1] = replace(view, state=AuditState.CLEARED)
    await seal.round()

    with pytest.raises(BatchUnknown):
        await seal.bundle(1, AUDITORS[1])


@in_a_loop
async def test_sit__what_was_withheld__fails_every_draw_before_the_deadline(trial: Trial) -> None:
    seal = trial.seal()
    await seal.round()
    seats = [a_seat(trial, one, seal) for one in AUDITORS]
    for _, source in seats:
        source.is_down = True

    early = [await sit.round() for sit, _ in seats]
    trial.audits.now += WINDOW - 10
    state = await play(trial, *(sit for sit, _ in seats))

    assert early == [[], [], []]
    assert state is AuditState.UPHELD
    assert trial.audits.views[1].failed == 0b11


@in_a_loop
async def test_sit__other_bytes_than_were_bound__fail_every_draw(trial: Trial) -> None:
    seal = trial.seal()
    await seal.round()
    seats = [a_seat(trial, one, seal) for one in AUDITORS]
    for _, source in seats:
        source.change = lambda raw: raw[:-2] + b" }"
    for sit, _ in seats:
        await sit.round()
    trial.audits.now += WINDOW - 10

    assert await play(trial, *(sit for sit, _ in seats)) is AuditState.UPHELD


@in_a_loop
async def test_sit__killed_after_its_ballot__opens_what_it_sealed(trial: Trial) -> None:
    seal = trial.seal()
    await seal.round()
    journal = MemoryJournal()
    first, _ = a_seat(trial, 1, seal, journal)
    await first.round()
    others = [a_seat(trial, one, seal)[0] for one in (2, 3)]

    again, source = a_seat(trial, 1, seal, journal)
    source.is_down = True
    state = await play(trial, again, *others)

    assert state is AuditState.CLEARED
    assert len(journal.entries()) == 1


@in_a_loop
async def test_sit__a_failed_draw__its_leaf_is_convicted_once(trial: Trial) -> None:
    for request_id in list(trial.evidence._kept):
        trial.evidence.drop(request_id)  # the provider kept nothing it could open
    seal = trial.seal()
    await seal.round()
    seats = [a_seat(trial, one, seal)[0] for one in AUDITORS]

    state = await play(trial, *seats)

    assert state is AuditState.PUNISHED
    convicted = [shown.draw for _, shown in trial.audits.convicted]
    assert sorted(convicted) == [0, 1]
    payers = {shown.item.payer for _, shown in trial.audits.convicted}
    assert payers == {item.payer for item in trial.opened.items}


@in_a_loop
async def test_sit__without_the_model__judges_nothing_and_says_so(trial: Trial) -> None:
    seal = trial.seal()
    await seal.round()
    sit, _ = a_seat(trial, 1, seal)
    sit = Sit(replace(sit._parts, replayer=lambda _: None))

    with pytest.raises(ModelNotHeld):
        await sit.round()
    assert not trial.audits.ballots
