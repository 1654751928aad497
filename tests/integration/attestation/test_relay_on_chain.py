"""Relayers on the real contracts: a quote of the software TEE becomes a level, and falls again.

Everything goes over sockets and through the verifier, the policy and the registry that hardware
would go through; only the root differs, and so everything reads SIMULATED.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.apps.home import RELAYER, Manifest
from offchain.attestation.adapters.http_relayer import (
    add_notices,
    build_relayer_app,
    relayer_server,
)
from offchain.attestation.adapters.software_collateral import EVALUATION_NUMBER
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.notice_desk import NoticeDesk, VoteFile
from offchain.attestation.prosecute import DemandKind, accuse
from offchain.attestation.reasons import EvidenceRefused, Reason
from offchain.attestation.relay_ports import VerdictState
from offchain.chain.devnet.ports import free_port
from offchain.compute.dispute import CLOCK_SECONDS
from offchain.compute.model import Level
from offchain.core.errors import Unavailable
from offchain.core.hashing import keccak
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.node.disk import LocalDisk
from tests.support.apogee_command import run_apogee
from tests.support.attested import OPERATORS, Attested, forged, open_attested, until
from tests.support.disputed import Bought, Disputes, bought
from tests.support.judged import judged_from_files
from tests.support.served_app import serving
from tests.support.served_chain import served_chain
from tests.support.trusted import trusted_by_a_buyer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attested]:
    found = open_attested(tmp_path_factory.mktemp("attested"))
    yield found
    found.chain.close()


def test_level__of_a_service_in_the_software_tee__is_reached_and_renewed_simulated(
    world: Attested, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_reach_and_renew(world, tmp_path, capsys))


async def _reach_and_renew(
    world: Attested, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enclave = world.enclave()
    keep = world.keep(enclave)
    async with world.face(), world.relays(folder) as relays:
        rounds = await until(relays, keep, lambda: world.live() is not None)
        first = world.live()
        assert first is not None
        assert (rounds, first.simulated, len(first.signers)) == (1, True, 3)
        found = world.verifiability()
        assert (found.level, found.is_simulated) == (Level.BROKER_IN_TEE, True)
        kept = world.shelf.show(first.verdict.evidence_id)
        assert first.verdict.bundle_root == kept.root()
        assert len(world.shelf.signed(first.verdict.evidence_id)) == 3
        await trusted_by_a_buyer(world, first)
        judged_from_files(world, first, folder, capsys)

        while world.now() < first.verdict.not_after - world.bench().life // 2:
            world.enter_epoch()
        await until(relays, keep, lambda: _id_of(world) != first.attestation_id)

    second = world.live()
    assert second is not None
    assert second.verdict.not_after > first.verdict.not_after
    at = world.network.node.block().hash
    assert world.network.attestations.stood(first.attestation_id, world.now(), at=at)
    world.pass_until(second.verdict.not_after)
    assert world.live() is None
    assert world.verifiability().level < Level.BROKER_IN_TEE


def _id_of(world: Attested) -> bytes:
    found = world.live()
    return b"" if found is None else found.attestation_id


def test_forged_quote__vouched_for_by_three__costs_their_stake_and_the_level(
    world: Attested, tmp_path: Path
) -> None:
    asyncio.run(_forged(world, tmp_path))


async def _forged(world: Attested, folder: Path) -> None:
    world.enter_epoch()
    world.enc_key = b"\x02" * 32
    keep = world.keep(world.enclave())
    await keep.round()
    [offer] = world.collect.offers()
    lie = forged(offer.bundle)
    async with world.relays(folder) as relays:
        right = await relays[0].sign(offer.bundle, world.bench())
        with pytest.raises(EvidenceRefused) as caught:
            await relays[1].sign(lie, world.bench())
    assert caught.value.reasons == (Reason.QUOTE_SIGNATURE_INVALID,)
    said = replace(right.verdict, quote_hash=keccak(lie.quote), bundle_root=lie.root())
    attestation_id = world.collude(said)
    assert _id_of(world) == attestation_id
    never = keccak(b"evidence that nobody registered")
    goods = bought(world, attestation_id, attestation_id, never)
    disputes = Disputes.of(world)
    assert disputes.due() == []
    guilty = world.network.attestations.relayers_of(
        attestation_id, at=world.network.node.block().hash
    )
    before = {who: world.stake_of(who) for who in guilty}

    hidden = EvidenceShelf(LocalDisk(), folder / "reporter")
    hidden.keep(said.evidence_id, lie)
    honest = next(who for who in range(1, OPERATORS + 1) if who not in guilty)
    async with world.reporter(honest - 1, [hidden]) as reporter:
        assert [await reporter.round(), await reporter.round()] == [1, 0]

    assert world.live() is None
    assert world.state_of(said) is VerdictState.VOID
    for who in guilty:
        assert world.stake_of(who) == before[who] // 2
    seated = world.bench().judges_of(said.nonce)
    assert seated is not None
    assert not set(seated.members) & set(guilty), "who has lied signs no more"
    await _paid_back(goods, disputes)
    world.heal(guilty)


async def _paid_back(goods: Bought, disputes: Disputes) -> None:
    """Two answers rested on the lie: the worker disputes one, the command the other.

    A third rested on nothing: the worker disputes it once its time is over.
    """
    world, free = goods.world, goods.free()
    prices = [one.receipt.price for one in goods.receipts]
    names = ["0x" + one.receipt.request_id.hex() for one in goods.receipts]
    assert {job.subject for job in disputes.due()} >= set(names[:2])
    world.pass_until(goods.receipts[2].receipt.time + CLOCK_SECONDS)
    found = {job.subject: job for job in disputes.due()}
    assert set(found) == set(names)
    first, second, dead = (found[name] for name in names)

    with pytest.raises(Unavailable):  # the provider does not answer: later
        await asyncio.to_thread(disputes.do, first)
    async with world.face(goods.show_leaves):
        assert await asyncio.to_thread(disputes.do, first) is Outcome.DONE
        assert await asyncio.to_thread(disputes.do, first) is Outcome.NOT_DUE
        assert await asyncio.to_thread(disputes.do, dead) is Outcome.DONE
        assert await asyncio.to_thread(disputes.do, dead) is Outcome.NOT_DUE
        assert disputes.due() == [second]
        assert Disputes.of(world).due() == [second], "another process knows it from the chain"
        assert goods.free() == free + prices[0] + prices[2]

        with served_chain(world.chain, world.home) as (_, url):
            place = ("--home", str(world.home.root), "--rpc-url", url, "--json")
            ran = await asyncio.to_thread(run_apogee, "compute", "dispute", names[1], *place)
        told = ran.json()
        assert (told["evidence"], told["refunded"]) == ("void", str(prices[1]))
        assert goods.free() == free + sum(prices)
        assert await asyncio.to_thread(disputes.do, second) is Outcome.NOT_DUE
    assert disputes.due() == []
    assert world.network.escrow.batch(goods.opened.posted.id, at=goods.payer.at).held == 0


def test_notice__given_by_command__is_signed_by_the_committee_and_counts(world: Attested) -> None:
    asyncio.run(_noticed(world))


async def _noticed(world: Attested) -> None:
    world.enter_epoch()
    port = free_port()
    Manifest(world.network.chain_id, "pyevm", OPERATORS, {RELAYER: port}).save(world.home)
    (world.home.root / "relayers").mkdir(exist_ok=True)
    votes = VoteFile(LocalDisk(), world.home.root / "relayers")
    signers = {number + 1: key for number, key in enumerate(world.chain.signers)}
    app = build_relayer_app(None, _ready)
    add_notices(app, NoticeDesk(votes, signers, world.bench))
    collateral = keccak(b"collateral that somebody broke")
    notices = (
        ("raise-evaluation", str(EVALUATION_NUMBER)),
        ("revoke-collateral", "0x" + collateral.hex()),
    )

    with served_chain(world.chain, world.home) as (_, url):
        place = ("--home", str(world.home.root), "--rpc-url", url, "--json")
        voted = [
            await asyncio.to_thread(run_apogee, "relayer", "notice", *one, *place)
            for one in notices[:1]
        ]
        async with serving(relayer_server(app, port)):
            posted = [
                await asyncio.to_thread(run_apogee, "relayer", "notice", *one, *place)
                for one in notices
            ]

    assert [one.json()["posted"] for one in voted] == [False], "a vote alone is none"
    assert [one.json()["posted"] for one in posted] == [True, True]
    assert all(len(one.json()["signed_by"]) >= 3 for one in posted)
    at, registry = world.network.node.block().hash, world.network.attestations
    assert registry.min_eval_number(at=at)[1] == EVALUATION_NUMBER
    assert registry.is_collateral_revoked(collateral, at=at)
    assert not registry.is_collateral_revoked(bytes(32), at=at)


async def _ready() -> str | None:
    return None


def test_demand__for_bytes__keeps_the_level_when_answered_and_ends_it_when_not(
    world: Attested, tmp_path: Path
) -> None:
    asyncio.run(_demanded(world, tmp_path))


async def _demanded(world: Attested, folder: Path) -> None:
    first = await _level_with(world, folder / "first", b"\x04" * 32)
    asking = world.spare(1)
    async with world.reporter(asking, patience=0) as asker:  # the face is down: no bytes
        assert await asker.round() == 1
    assert any(world.demand_on(first).challenger)
    async with world.reporter(world.spare(2), [world.shelf]) as relayer:
        assert await relayer.round() == 1
    assert not any(world.demand_on(first).challenger)
    assert _id_of(world) == first

    second = await _level_with(world, folder / "second", b"\x05" * 32)
    async with world.reporter(asking, patience=0) as asker:
        assert await asker.round() == 1
    subject = f"0x{second.hex()}/{int(DemandKind.BYTES)}"
    assert world.do(JobKind.CLOSE_EVIDENCE, subject) is Outcome.NOT_DUE
    world.pass_until(world.demand_on(second).deadline)
    assert Job(JobKind.CLOSE_EVIDENCE, subject) in world.due()
    assert world.do(JobKind.CLOSE_EVIDENCE, subject) is Outcome.DONE
    assert world.do(JobKind.CLOSE_EVIDENCE, subject) is Outcome.NOT_DUE
    assert world.live() is None
    signers = world.network.attestations.relayers_of(second, at=world.network.node.block().hash)
    before = sum(map(world.stake_of, signers))
    subject = f"0x{second.hex()}/1"
    assert Job(JobKind.PUNISH_RELAYERS, subject) in world.due()
    assert world.do(JobKind.PUNISH_RELAYERS, subject) is Outcome.DONE
    assert world.do(JobKind.PUNISH_RELAYERS, subject) is Outcome.NOT_DUE
    after = sum(map(world.stake_of, signers))
    assert before * 9 // 10 <= after < before, "a tenth each, as far as the epoch's cap allows now"


async def _level_with(world: Attested, folder: Path, enc_key: bytes) -> bytes:
    """A new verdict, over evidence with this key; its id."""
    world.enter_epoch()
    world.enc_key, before = enc_key, _id_of(world)
    keep = world.keep(world.enclave())
    async with world.face(), world.relays(folder) as relays:
        await until(relays, keep, lambda: _id_of(world) not in (b"", before))
    return _id_of(world)


def test_equivocation__told_to_a_subject__costs_the_relayer_all_of_its_stake(
    world: Attested, tmp_path: Path
) -> None:
    asyncio.run(_equivocation(world, tmp_path))


async def _equivocation(world: Attested, folder: Path) -> None:
    world.enter_epoch()
    world.enc_key = b"\x06" * 32
    await world.keep(world.enclave()).round()
    [offer] = world.collect.offers()
    bench = world.bench()
    async with world.relays(folder) as relays:
        for relay in relays:
            with suppress(EvidenceRefused):
                one = await relay.sign(offer.bundle, bench)
    liar = bench.committees[-1].members[0]
    stories = [
        world.signed_by(liar, verdict)
        for verdict in (one.verdict, replace(one.verdict, tcb_eval_number=99))
    ]
    world.collect.accept(stories[0], liar, bench)
    with pytest.raises(EvidenceRefused):
        world.collect.accept(stories[1], liar, bench)
    assert world.stake_of(liar) > 0

    assert await accuse(world.collect, world.equivocations()) == 1

    assert world.stake_of(liar) == 0
    assert await accuse(world.collect, world.equivocations()) == 0
    world.heal([liar])


def test_draw__as_a_job__seats_the_relayers_of_an_epoch_once(world: Attested) -> None:
    epoch = world.enter_epoch(seats=False)
    assert Job(JobKind.DRAW_RELAYERS, str(epoch)) in world.due()

    assert world.do(JobKind.DRAW_RELAYERS, str(epoch)) is Outcome.DONE

    assert world.do(JobKind.DRAW_RELAYERS, str(epoch)) is Outcome.NOT_DUE
    assert world.do(JobKind.DRAW_RELAYERS, str(epoch + 1)) is Outcome.NOT_DUE
    assert not [one for one in world.due() if one.kind is JobKind.DRAW_RELAYERS]
    assert world.bench().judges_of(world.bench().nonces[epoch]) is not None


def test_code__taken_off_the_list__loses_its_level_in_that_block_and_is_refused(
    world: Attested, tmp_path: Path
) -> None:
    asyncio.run(_delisted(world, tmp_path))


async def _delisted(world: Attested, folder: Path) -> None:
    world.enter_epoch()
    world.enc_key = b"\x03" * 32
    enclave = world.enclave()
    keep = world.keep(enclave)
    async with world.face(), world.relays(folder) as relays:
        await until(relays, keep, lambda: world.live() is not None)
        call = world.network.attestations.delist_measurement(enclave.measurement_id)
        world.chain.senders[0].execute(call, key="delist")
        assert world.live() is None
        world.enter_epoch()
        await keep.round()

        [offer] = world.collect.offers()
        with pytest.raises(EvidenceRefused) as caught:
            await relays[0].sign(offer.bundle, world.bench())

    assert caught.value.reasons == (Reason.MEASUREMENT_NOT_LISTED,)
