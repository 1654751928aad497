"""More endings wait in a group than a call passes: who passes them, and what stood still meanwhile.

The market, seats and proofs are the real ones, on an EVM in this process.
"""

import pytest

from offchain.core.bls import aggregate_signatures
from offchain.core.matrix.encode import EncodedBlob
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.jobs.storage_files import FileParts, MoveFiles
from offchain.storage.adapters.chain_till import ChainStorageTill
from offchain.storage.client_ports import Quorum
from offchain.storage.model import FileState, SeatState
from tests.support.storage_chain import ChainFile, StorageChain

WAITING = 9  # an ordinary call passes eight
LONG_TERM = 90
OWNER = 1


@pytest.fixture
def chain(storage_chain: StorageChain) -> StorageChain:
    return storage_chain


def keep(chain: StorageChain, blob: EncodedBlob, *, ahead: int = 1) -> list[ChainFile]:
    """Files that end in nine epochs, one in each."""
    return [chain.store(blob, term=ahead + one) for one in range(WAITING)]


def fall_behind(chain: StorageChain, files: list[ChainFile]) -> None:
    """They end while nobody calls for their group."""
    chain.travel(max(chain.file(one.file_id).leaves for one in files))
    assert chain.is_refused(chain.clients.market.close(files[0].file_id))


def end(chain: StorageChain, files: list[ChainFile]) -> None:
    """The worker settles files that have left."""
    assert files
    work = MoveFiles(
        FileParts(chain.base.node, chain.clients.market, chain.orders, chain.worker.account)
    )
    ids = frozenset(one.file_id for one in files)
    due = list(work.find_due(ids, chain.head()))
    assert due == [Job(JobKind.CLOSE_FILE, "0x" + one.hex()) for one in sorted(ids)]
    for one in ids:
        assert work.move(JobKind.CLOSE_FILE, one, chain.worker) is Outcome.DONE


def release(chain: StorageChain, file: ChainFile) -> None:
    chain.send(chain.clients.market.release(file.file_id), operator=OWNER)
    chain.enter_epoch()
    end(chain, [file])
    chain.base.mine()


def till_of(chain: StorageChain) -> ChainStorageTill:
    seconds = chain.clients.stake.epoch_length(at=chain.head().hash)
    sender = chain.base.senders[OWNER - 1]
    return ChainStorageTill(
        chain.base.node, chain.log, chain.clients.market, sender, epoch_seconds=seconds
    )


def test_advance__nine_endings_wait__the_worker_passes_them_once_and_all_goes_on(
    chain: StorageChain, blob: EncodedBlob
) -> None:
    long, files = chain.store(blob, term=LONG_TERM), keep(chain, blob)
    fall_behind(chain, files)
    asked = chain.asked_epoch(1)
    [seat, *_] = asked
    chain.travel(asked[seat].deadline + 1)
    assert chain.due(JobKind.DEFAULT_PROOF) == []  # the market refuses that too
    job = Job(JobKind.ADVANCE_GROUP, str(chain.group))
    assert job in list(chain.group_jobs.find_due([chain.group], chain.head()))

    assert chain.group_jobs.advance(chain.group, chain.worker) is Outcome.DONE

    before = chain.head()
    assert chain.group_jobs.advance(chain.group, chain.worker) is Outcome.NOT_DUE
    assert job not in list(chain.group_jobs.find_due([chain.group], chain.head()))
    assert chain.head() == before
    assert f"{chain.epoch()}/{chain.group}/{seat}" in chain.due(JobKind.DEFAULT_PROOF)
    end(chain, files)
    release(chain, long)


def test_desk__a_suspect_proves_while_nine_endings_wait__it_passes_them_and_is_back(
    chain: StorageChain, blob: EncodedBlob
) -> None:
    long, files = chain.store(blob, term=LONG_TERM), keep(chain, blob, ahead=14)
    asked = chain.asked_epoch(1)
    [seat, *_] = asked
    chain.travel(asked[seat].deadline + 1)
    chain.proofs_jobs.default(chain.epoch(), chain.group, seat, chain.worker)
    assert chain.view().seats[seat].state is SeatState.SUSPECT
    fall_behind(chain, files)

    chain.restore(seat)

    assert chain.view().seats[seat].state is SeatState.SERVING
    end(chain, files)
    release(chain, long)


def test_confirm__nine_endings_wait__the_client_passes_them_and_its_file_is_stored(
    chain: StorageChain, blob: EncodedBlob
) -> None:
    market, files = chain.clients.market, keep(chain, blob)
    fall_behind(chain, files)
    file = chain.submit(blob)
    chain.send(market.place(file.file_id))
    digest = market.held_digest(file.file_id, at=chain.head().hash)
    signed = [chain.base.secrets[one.operator].sign(digest) for one in chain.view().seats]

    quorum = Quorum(chain.group, frozenset(), (), aggregate_signatures(signed))
    till_of(chain).confirm(file.file_id, quorum)

    assert chain.file(file.file_id).state is FileState.STORED
    end(chain, files)
    release(chain, file)
