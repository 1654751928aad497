"""Jobs on a real devnet: a worker process finds them on the chain and does each once.

One devnet for the file; the stories do not share blobs, cases or epochs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.apps.genesis import DEVNET_DIVISOR, Durations
from offchain.apps.network import DEVNET_POLICY
from offchain.apps.operators import RELAYER_STAKE_WEI
from offchain.apps.worker import WORKER_ROLE
from offchain.core.hashing import keccak
from offchain.core.layout import columns_for
from offchain.core.units import BPS
from offchain.da.model import Blob, BlobState
from offchain.da.onchain import BlobRefunded
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.staking.beacon import SEATS
from offchain.staking.court import CaseState
from offchain.staking.court_events import CaseClosed, CaseOpened, Contributed
from offchain.staking.model import Service, pool_id
from tests.support.deployed_chain import DeployedChain
from tests.support.epochs import await_served_epoch
from tests.support.job_home import JobHome, a_job_home, another_home
from tests.support.waiting import wait_until

PORTS = [9_301, 9_302]
PATIENCE_SECONDS = 120
LENGTH = 1_000
DEPTH = DEVNET_POLICY.finality_blocks + 2
SEAT_WEI = RELAYER_STAKE_WEI * 50 // BPS  # what an empty seat costs


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, deployed_chain: DeployedChain
) -> Iterator[JobHome]:
    """Two operators with nodes and the disperser, in an epoch that they are members of."""
    with a_job_home(tmp_path_factory.mktemp("jobs"), deployed_chain) as place:
        place.enrol(PORTS)
        place.enter_first_open()
        yield place


def due(place: JobHome, kind: JobKind) -> list[Job]:
    return [job for job in place.work().find_due() if job.kind is kind]


def pay(place: JobHome, salt: bytes) -> tuple[bytes, int]:
    """Pay for a blob that nobody will ever confirm; its id and fee."""
    network, payer = place.network, place.account("disperser")
    draw_table(place)
    commitment = bytes([0xC0, *bytes(47)])
    blob = Blob(payer, payer, bytes(32), keccak(commitment), columns_for(LENGTH), LENGTH, 1, salt)
    at = network.node.block().hash
    fee = network.entrance.quote(blob.length, blob.retention_days, at=at)
    call = network.entrance.pay(blob, commitment, b"", value_wei=fee)
    place.send("disperser", call, f"pay:{salt.hex()}")
    return network.entrance.blob_id(blob, at=network.node.block().hash), fee


def draw_table(place: JobHome) -> None:
    work = place.work()
    for job in list(work.find_due()):
        if job.kind is JobKind.DRAW_EPOCH:
            assert work.draw_epoch(job.subject) is Outcome.DONE


def state_of(place: JobHome, blob_id: bytes) -> BlobState:
    network = place.network
    return network.entrance.record(blob_id, at=network.node.block().hash).state


def refunds(place: JobHome, blob_id: bytes) -> list[BlobRefunded]:
    network = place.network
    wanted = network.entrance.event_filter(
        BlobRefunded, first_block=1, last_block=network.node.block().number
    )
    found = network.entrance.events_in(BlobRefunded, network.node.logs(wanted))
    return [one for one in found if one.blob_id == blob_id]


def test_refund_blob__deadline_passed__worker_refunds_it_once(
    place: JobHome,
) -> None:
    blob_id, fee = pay(place, b"\x01" * 32)
    subject = "0x" + blob_id.hex()
    network = place.network
    deadline = network.entrance.record(blob_id, at=network.node.block().hash).deadline
    assert place.work().refund_blob(subject) is Outcome.NOT_DUE
    place.travel(deadline - place.now() + 1)

    with place.worker():
        wait_until(
            lambda: state_of(place, blob_id) is BlobState.REFUNDED,
            seconds=PATIENCE_SECONDS,
            what="the refund",
        )
        wait_until(
            lambda: subject in place.log() and '"outcome": "done"' in place.log(),
            seconds=PATIENCE_SECONDS,
            what="the job's end",
        )
    sent = place.worker_transactions()

    assert [one.fee for one in refunds(place, blob_id)] == [fee]
    assert due(place, JobKind.REFUND_BLOB) == []
    assert place.work().refund_blob(subject) is Outcome.ALREADY
    assert place.worker_transactions() == sent


def test_refund_blob__lost_behind_the_senders_finality__is_found_again_and_done_once(
    place: JobHome,
) -> None:
    blob_id, fee = pay(place, b"\x02" * 32)
    subject, network = "0x" + blob_id.hex(), place.network
    deadline = network.entrance.record(blob_id, at=network.node.block().hash).deadline
    place.travel(deadline - place.now() + 1)
    place.rpc.ask("anvil_mine", hex(DEPTH))
    assert place.work().refund_blob(subject) is Outcome.DONE
    place.rpc.ask("anvil_mine", hex(DEPTH))
    place.settle(WORKER_ROLE)  # the sender forgets how to repeat it

    place.rpc.ask("anvil_reorg", DEPTH + 2, [])
    place.travel(deadline - place.now() + 1)

    assert state_of(place, blob_id) is BlobState.PAID
    assert due(place, JobKind.REFUND_BLOB) == [Job(JobKind.REFUND_BLOB, subject)]
    with place.worker():
        wait_until(
            lambda: state_of(place, blob_id) is BlobState.REFUNDED,
            seconds=PATIENCE_SECONDS,
            what="the refund",
        )
    assert [one.fee for one in refunds(place, blob_id)] == [fee]
    assert due(place, JobKind.REFUND_BLOB) == []
    assert list((place.home.jobs / "alarms").iterdir()) == []


def waiting_cases(place: JobHome) -> list[bytes]:
    """Cases that the cap on missed duties made wait."""
    network = place.network
    wanted = network.court.event_filter(
        CaseOpened, first_block=1, last_block=network.node.block().number
    )
    opened = network.court.events_in(CaseOpened, network.node.logs(wanted))
    at = network.node.block().hash
    return [
        one.offence_id
        for one in opened
        if network.court.case_of(one.offence_id, at=at).state is CaseState.QUEUED
    ]


def closed_since(place: JobHome, block: int) -> list[bytes]:
    network = place.network
    wanted = network.court.event_filter(
        CaseClosed, first_block=block + 1, last_block=network.node.block().number
    )
    return [
        one.offence_id for one in network.court.events_in(CaseClosed, network.node.logs(wanted))
    ]


def test_settle_slash__cases_wait_for_room_under_the_cap__worker_executes_each_once_later(
    place: JobHome, tmp_path: Path
) -> None:
    watcher = another_home(place, tmp_path / "watcher")
    epoch = place.to_window()
    place.enter(epoch)  # and nobody contributed
    assert watcher.work().convict_absent(str(epoch)) is Outcome.DONE
    waiting = waiting_cases(place)
    found_at = place.network.node.block().number
    jobs = {Job(JobKind.SETTLE_SLASH, "0x" + one.hex()) for one in waiting}
    assert 0 < len(waiting) < SEATS
    assert place.work().settle_slash("0x" + waiting[0].hex()) is Outcome.NOT_DUE
    assert due(place, JobKind.SETTLE_SLASH) == []
    place.travel(Durations().divided(DEVNET_DIVISOR).veto)
    assert set(due(place, JobKind.SETTLE_SLASH)) == jobs

    with place.worker():
        wait_until(
            lambda: waiting_cases(place) == [], seconds=PATIENCE_SECONDS, what="the cases' end"
        )

    pools = [pool_id(one, Service.RELAYER) for one in (1, 2)]
    assert sum(slashed(place, pool, epoch - 1) for pool in pools) == SEATS * SEAT_WEI
    assert sorted(closed_since(place, found_at)) == sorted(waiting)
    assert due(place, JobKind.SETTLE_SLASH) == []
    assert place.work().settle_slash("0x" + waiting[0].hex()) is Outcome.NOT_DUE
    watcher.close()


def untold(place: JobHome) -> int:
    """Pools whose weight the tree has not heard of since a slash."""
    network = place.network
    return network.stake.untold(Service.RELAYER, at=network.node.block().hash)


def slashed(place: JobHome, pool: int, epoch: int) -> int:
    network = place.network
    return network.stake.slashed_at(pool, epoch, at=network.node.block().hash)


def seats(place: JobHome, epoch: int) -> int:
    network = place.network
    return network.beacon.seats_of(epoch, at=network.node.block().hash)


def contributions(place: JobHome, epoch: int) -> list[Contributed]:
    network = place.network
    wanted = network.beacon.event_filter(
        Contributed, first_block=1, last_block=network.node.block().number
    )
    found = network.beacon.events_in(Contributed, network.node.logs(wanted))
    return [one for one in found if one.epoch == epoch]


def test_contribute_beacon__window_is_open__worker_fills_own_seats_once(place: JobHome) -> None:
    with place.worker():
        epoch = await_served_epoch(place.network, place.rpc, seconds=PATIENCE_SECONDS)
    sent = place.worker_transactions()
    assert due(place, JobKind.CONTRIBUTE_BEACON) == []
    assert place.work().contribute_beacon(str(epoch)) is Outcome.ALREADY
    place.enter(epoch)

    at = place.network.node.block().hash
    assert len(contributions(place, epoch)) == 1
    assert place.worker_transactions() == sent
    assert not place.network.beacon.is_weak(epoch, at=at)
    assert place.work().contribute_beacon(str(epoch)) is Outcome.NOT_DUE


def test_convict_absent__anothers_seats_stayed_empty__worker_convicts_each_once_and_not_its_own(
    place: JobHome, tmp_path: Path
) -> None:
    stranger = another_home(place, tmp_path / "stranger")
    guilty = stranger.enrol([9_303])["operator-0"]
    place.enter_first_open()
    epoch = place.to_window()
    assert place.contribute(epoch) == "done"
    empty = SEATS - seats(place, epoch).bit_count()
    place.enter(epoch)
    pool = pool_id(guilty, Service.RELAYER)
    assert empty > 0
    assert Job(JobKind.CONVICT_ABSENT, str(epoch)) in due(place, JobKind.CONVICT_ABSENT)
    assert stranger.work().convict_absent(str(epoch)) is Outcome.ALREADY  # it spares its own

    with place.worker():
        wait_until(
            lambda: slashed(place, pool, epoch - 1) == empty * SEAT_WEI,
            seconds=PATIENCE_SECONDS,
            what="the convictions",
        )
        wait_until(
            lambda: untold(place) == 0, seconds=PATIENCE_SECONDS, what="the tree hearing of it"
        )

    assert due(place, JobKind.REWEIGH_POOL) == []
    assert place.work().reweigh_pool(str(pool)) is Outcome.ALREADY
    assert Job(JobKind.CONVICT_ABSENT, str(epoch)) not in due(place, JobKind.CONVICT_ABSENT)
    assert slashed(place, pool_id(1, Service.RELAYER), epoch - 1) == 0
    assert place.work().convict_absent(str(epoch)) is Outcome.ALREADY
    stranger.close()
