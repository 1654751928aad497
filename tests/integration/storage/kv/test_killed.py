"""INV-STO-13, INV-KV-1: a replica killed at any moment of a commit stands at a whole entry.

The child commits entry after entry and names each one only after its commit. It is killed with
SIGKILL at many different moments; what it leaves is compared with a replay in memory.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from offchain.storage.kv.adapters.lmdb_store import LmdbStore
from offchain.storage.kv.adapters.memory_log import Log, MemoryLog
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.entry import Batch
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.ports import KVStore
from offchain.storage.kv.proof import StreamRoot
from tests.support.kv import DOMAIN, STREAM, Writer, batch, created

ROOT = Path(__file__).resolve().parents[4]
ENTRIES = 40
CHILD = """
import json, sys
from pathlib import Path
from offchain.storage.kv.adapters.lmdb_store import LmdbStore
from offchain.storage.kv.adapters.memory_log import Log, MemoryLog
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.entry import NO_BLOB, AccessChange, Batch
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import Subject
kind, folder, file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
told = json.loads(file.read_text())
stream, domain = bytes.fromhex(told["stream"]), bytes.fromhex(told["domain"])
owner = Subject.account(bytes.fromhex(told["owner"]))
log = Log()
log.add(AccessChange(1, stream, 1, 0, owner, b"", 0, 0))
for raw in told["batches"]:
    log.add(Batch((stream,), NO_BLOB, bytes.fromhex(raw)))
source = MemoryLog(log)
store = SqliteStore(folder) if kind == "sqlite" else LmdbStore(folder, map_bytes=1 << 26)
replica = Replica(ReplicaParts(store, source, source, domain))
replica.follow(stream)
whole, log.entries = log.entries, []
for entry in whole:
    log.entries.append(entry)
    source.final = len(log.entries)
    replica.advance()
    print(len(log.entries), flush=True)
"""


def _log() -> Log:
    rng, writer, log = random.Random(4), Writer(), Log()
    log.add(created())
    for _ in range(ENTRIES):
        ops = [writer.put(b"%d" % rng.randrange(300), rng.randbytes(40)) for _ in range(20)]
        log.add(batch(ops))
    return log


def _opened(kind: str, folder: Path) -> KVStore:
    return SqliteStore(folder) if kind == "sqlite" else LmdbStore(folder, map_bytes=1 << 26)


def _root(replica: Replica) -> StreamRoot:
    with replica.moment() as moment:
        return moment.stream(STREAM).root_at(moment.next_seq - 1)


@pytest.mark.parametrize("kind", ["sqlite", "lmdb"])
def test_replica__killed_at_any_moment__stands_at_a_whole_entry(kind: str, tmp_path: Path) -> None:
    log = _log()
    bodies = [entry.body for entry in log.entries]
    told = {
        "stream": STREAM.hex(),
        "domain": DOMAIN.hex(),
        "owner": created().subject.digest[12:].hex(),
        "batches": [body.operations.hex() for body in bodies if isinstance(body, Batch)],
    }
    file = tmp_path / "log.json"
    file.write_text(json.dumps(told))

    for lines in (1, 2, 5, 11, 23, 38):
        folder = tmp_path / f"killed-{lines}"
        folder.mkdir()
        command = [sys.executable, "-c", CHILD, kind, str(folder), str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stdout
            for _ in range(lines):
                committed = int(child.stdout.readline())
            child.kill()  # somewhere in the commits that follow

        store = _opened(kind, folder)
        source = MemoryLog(log)
        replica = Replica(ReplicaParts(store, source, source, DOMAIN))
        position = replica.position()
        assert position.applied == position.final >= committed
        short = Log(log.entries[: position.applied])
        fresh_source = MemoryLog(short)
        fresh = Replica(ReplicaParts(MemoryStore(), fresh_source, fresh_source, DOMAIN))
        fresh.follow(STREAM)
        fresh.advance()
        assert _root(replica) == _root(fresh)
        source.final = len(log.entries)
        replica.advance()
        assert replica.position().final == len(log.entries)
        store.close()
