"""A file is stored and the chain takes it back: client and nodes end where the chain ends.

Real contracts on the embedded chain; payment, place and receipts are all rolled back once, while
the client waits for the confirmation to be deep. The log goes back with them.
"""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from offchain.core.erasure import ErasureEngine
from offchain.core.matrix.encode import encode
from offchain.node.disk import LocalDisk
from offchain.storage.adapters.chain_till import ChainStorageTill
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.memory_seats import MemorySeat, MemorySeats
from offchain.storage.log_book import LogTree
from offchain.storage.model import FileState
from offchain.storage.put import PutFile
from offchain.storage.put_model import PutParts, PutRules, Stored, Wish
from offchain.storage.sources import BytesSource
from tests.support.storage_chain import ChainFile, StorageChain
from tests.support.storage_client import FAST

DEEP = 4
CONTENT = random.Random(12).randbytes(100_000)
BEAT_SECONDS = 0.05


@dataclass
class Miner:
    """Mines only what the client waits for, and once takes back everything since the payment.

    Blocks that nobody waits for would run the time for receipts down on a slow machine.
    """

    chain: StorageChain
    paid_before: int
    stored_before: int
    taken_back: int = 0

    @classmethod
    def over(cls, chain: StorageChain) -> "Miner":
        return cls(chain, chain.log.size(at=chain.head().hash), stored_in(chain))

    def beat(self) -> None:
        chain, head = self.chain, self.chain.head()
        if chain.log.size(at=head.hash) == self.paid_before:
            return  # not paid yet, or again not
        files = chain.keeper.files_of(chain.group, at=head)
        if any(one.state is FileState.PLACED for one in files):
            return  # receipts are on their way
        if stored_in(chain) > self.stored_before and not self.taken_back:
            self.take_back()
        else:
            chain.base.mine()

    def take_back(self) -> None:
        chain = self.chain
        head = chain.head().number
        [paid] = [one for one in chain.log.entries(0, head) if one.seq == self.paid_before]
        self.taken_back = head - paid.block_number + 1
        chain.base.ask("anvil_rollback", self.taken_back)
        for _ in range(self.taken_back + 1):  # longer than what it takes the place of
            chain.base.mine()
        assert stored_in(chain) == self.stored_before
        assert chain.log.size(at=chain.head().hash) == self.paid_before

    async def run(self) -> None:
        while True:
            await asyncio.to_thread(self.beat)
            await asyncio.sleep(BEAT_SECONDS)


def test_put__stored_and_reorganised_away__client_nodes_and_log_end_as_the_chain_does(
    storage_chain: StorageChain, engine: ErasureEngine, tmp_path: Path
) -> None:
    chain = storage_chain
    log_size = chain.log.size(at=chain.head().hash)
    miner = Miner.over(chain)

    stored = asyncio.run(put(chain, engine, tmp_path, miner))

    head = chain.head()
    assert miner.taken_back > 0
    assert chain.log.size(at=head.hash) == log_size + 1
    entries = chain.log.entries(0, head.number)
    assert [one.seq for one in entries] == list(range(log_size + 1))
    tree = LogTree()
    for entry in entries:
        tree.append(entry.leaf)
    assert tree.root() == chain.log.root(at=head.hash)
    record = chain.file(stored.file_id)
    assert (record.state, record.absent) == (FileState.STORED, 0)
    kept = [one.file_id for one in chain.keeper.files_of(chain.group, at=head)]
    assert kept.count(stored.file_id) == 1
    market = chain.clients.market
    assert market.group(chain.group, at=head.hash).bytes >= record.bytes
    assert stored.paid is not None
    chain.files[stored.file_id] = ChainFile(stored.file_id, encode(CONTENT, engine))


def stored_in(chain: StorageChain) -> int:
    """Files of the group that count as stored at the newest block, as nodes see them."""
    files = chain.keeper.files_of(chain.group, at=chain.head())
    return sum(one.state is FileState.STORED for one in files)


async def put(chain: StorageChain, engine: ErasureEngine, folder: Path, miner: Miner) -> Stored:
    """Store with a client that waits for depth, while blocks come and go."""
    seats = {
        one.endpoint: MemorySeat(one.operator, chain.base.secrets[one.operator])
        for one in chain.view().seats
    }
    journal = DiskPuts(LocalDisk(), folder / "puts")
    journal.open()
    node = chain.base.node
    epoch_seconds = chain.clients.stake.epoch_length(at=chain.head().hash)
    sender = chain.base.senders[0]
    till = ChainStorageTill(
        node, chain.log, chain.clients.market, sender, epoch_seconds=epoch_seconds
    )
    client = MemorySeats(chain.ledger, seats, engine)
    randomness = random.Random(11).randbytes
    parts = PutParts(chain.ledger, till, client, journal, engine, randomness)
    rules = PutRules(settled_depth=DEEP, poll_seconds=0.01, again_seconds=0.05, delivery=FAST)
    mining = asyncio.create_task(miner.run())
    try:
        source = BytesSource(CONTENT)
        return await PutFile(parts, rules).put(source, Wish(chain.profile, 30))
    finally:
        mining.cancel()
        await asyncio.gather(mining, return_exceptions=True)
