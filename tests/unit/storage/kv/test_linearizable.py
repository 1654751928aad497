"""INV-KV-8: what clients see at label `final`, with batchers that fail, race and are restarted."""

import random

import pytest

from offchain.storage.kv.adapters.memory_log import Log, MemoryLog
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.cells import ABSENT, Space
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import Mode, Op
from tests.support.kv import DOMAIN, STREAM, Writer, account, batch, created, granted
from tests.support.linearizable import Call, is_linearizable

KEYS = [b"x", b"y"]


def test_checker__histories_with_known_answers__are_judged_right() -> None:
    write, read = Call("write", b"1", 0, 1), Call("read", b"1", 2, 3)
    stale = Call("read", None, 2, 3)
    slow = Call("write", b"2", 0, 9)

    assert is_linearizable([write, read])
    assert not is_linearizable([write, stale])
    assert is_linearizable([slow, stale, Call("read", b"2", 4, 5)])
    assert not is_linearizable([slow, Call("read", b"2", 2, 3), Call("read", None, 4, 5)])
    assert is_linearizable([Call("write", b"3", 0), read, write])  # may never have happened
    assert not is_linearizable([write, Call("cas", b"2", 2, 3, expected=None), read])
    assert is_linearizable([write, Call("cas", b"2", 2, 3, expected=b"9", is_done=False), read])


class Client:
    """One session of its own key: one operation at a time, each seen through to final."""

    def __init__(self, name: str) -> None:
        self.writer = Writer(account(name))
        self.open: tuple[Op, bytes, str, bytes | None, float] | None = None


class Cluster:
    """Clients, two replicas at different distances, a log that reorders, repeats and forks."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.log = Log()
        self.source = MemoryLog(self.log)
        self.clients = [Client(f"client {number}") for number in range(3)]
        self.log.add(created())
        for client in self.clients:
            self.log.add(granted(client.writer.key.subject, 2))
        self.source.final = 4
        self.stores = [MemoryStore(), MemoryStore()]
        self.replicas = [self._replica(store) for store in self.stores]
        self.replicas[0].advance()
        self.waiting: list[Op] = []
        self.history: dict[bytes, list[Call]] = {key: [] for key in KEYS}
        self.now = 0.0

    def step(self) -> None:
        self.now += 1
        self.rng.choice([self.write, self.write, self.seal, self.seal, self.fault, self.read])()
        for replica in self.replicas:
            if self.rng.random() < 0.7:
                replica.advance()
        self.settle()

    def write(self) -> None:
        client = self.rng.choice(self.clients)
        if client.open is not None:
            return
        key, value = self.rng.choice(KEYS), self.rng.randbytes(4)
        if self.rng.random() < 0.5:
            op, expected, kind = client.writer.put(key, value), None, "write"
        else:
            with self.replicas[0].moment(final=True) as moment:
                cell = moment.stream(STREAM).cell(Space.USER, key)
            version = ABSENT if cell is None else cell.version
            op = client.writer.op(Mode.CAS, key, value, expected=version)
            expected, kind = (None if cell is None else cell.value), "cas"
        client.open = (op, key, kind, expected, self.now)
        self.waiting.append(op)

    def seal(self) -> None:
        """A batcher takes some of what waits, in any order, perhaps twice."""
        if self.waiting:
            taken = self.rng.sample(self.waiting, self.rng.randrange(1, len(self.waiting) + 1))
            self.log.add(batch(taken))
            if self.rng.random() < 0.7:
                self.waiting = [op for op in self.waiting if op not in taken]
        if self.rng.random() < 0.6:
            size = len(self.log.entries)
            self.source.final = max(self.source.final, size - self.rng.randrange(3))

    def fault(self) -> None:
        """A reorganisation, or a replica that is killed."""
        if self.rng.random() < 0.5:
            for entry in self.log.fork(max(self.source.final, len(self.log.entries) - 2)):
                self.log.add(entry.body)
        else:
            index = self.rng.randrange(2)
            self.replicas[index] = self._replica(self.stores[index])

    def read(self) -> None:
        """From the one replica that final reads are pinned to, as a client with posted roots is."""
        key = self.rng.choice(KEYS)
        replica = self.replicas[0]
        replica.advance()
        with replica.moment(final=True) as moment:
            cell = moment.stream(STREAM).cell(Space.USER, key)
        value = None if cell is None else cell.value
        self.history[key].append(Call("read", value, self.now, self.now + 0.5))

    def settle(self) -> None:
        """A client's call ends when its replica says that the outcome is final."""
        for client in self.clients:
            if client.open is None:
                continue
            op, key, kind, expected, start = client.open
            result = self.replicas[0].result_of(op.digest)
            if result is not None and result.is_final:
                is_done = result.outcome.value == "APPLIED"
                assert is_done or kind == "cas"
                end = self.now + 0.9
                call = Call(kind, op.value, start, end, expected=expected, is_done=is_done)
                self.history[key].append(call)
                client.open = None

    def _replica(self, store: MemoryStore) -> Replica:
        replica = Replica(ReplicaParts(store, self.source, self.source, DOMAIN))
        replica.follow(STREAM)
        return replica


@pytest.mark.parametrize("seed", range(12))
def test_inv_kv_8__final_histories_under_faults__are_linearizable(seed: int) -> None:
    cluster = Cluster(seed)
    for _ in range(70):
        cluster.step()
    for client in cluster.clients:
        if client.open is not None:
            op, key, kind, expected, start = client.open
            cluster.history[key].append(Call(kind, op.value, start, expected=expected))

    for key, calls in cluster.history.items():
        assert is_linearizable(sorted(calls, key=lambda call: call.start)), key
    assert sum(map(len, cluster.history.values())) > 10


def test_inv_kv_8__history_with_one_read_changed__is_not_linearizable() -> None:
    cluster = Cluster(3)
    for _ in range(70):
        cluster.step()
    key, calls = max(cluster.history.items(), key=lambda pair: len(pair[1]))

    wrong = [*calls, Call("read", b"never written", cluster.now + 1, cluster.now + 2)]

    assert not is_linearizable(wrong), key
