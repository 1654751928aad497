"""Any log, garbage and reorganisations included: every replica has the model's state.

INV-KV-1, 3, 7, 12: one replica follows both streams from the start, one only the second, and
follows the first late; one is made anew over its store again and again.
"""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.cells import ABSENT, Space, counter_value
from offchain.storage.kv.entry import AccessChange, Batch, Entry, Other
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import Mode, Op
from offchain.storage.kv.proof import verify_absence, verify_presence
from offchain.storage.kv.replay import Replayed
from offchain.storage.kv.roles import Action, Right, Role, wish_bytes
from tests.support.kv import (
    DOMAIN,
    OWNER,
    STRANGER,
    STREAM,
    Log,
    MemoryLog,
    Writer,
    account,
    batch,
    created,
    hashed,
    session,
)
from tests.support.kv_model import Model

SECOND = hashed(b"second stream")
KEYS = [OWNER, STRANGER, account("admin"), account("writer"), session("phone")]
NAMES = [b"a", b"b", b"list", b"p/x", b"p/y"]
seeds = st.integers(0, 1 << 32)


class ReplayMachine(RuleBasedStateMachine):
    """One log, one model, three replicas."""

    @initialize()
    def start(self) -> None:
        self.log = Log()
        self.source = MemoryLog(self.log)
        self.model = Model()
        self.before: list[Model] = []
        self.outcomes: dict[int, list[str] | str] = {}
        self.generation = 1
        self.stores = [MemoryStore() for _ in range(3)]
        self.replicas = [self._replica(store) for store in self.stores]
        self.replicas[0].follow(STREAM)
        for replica in self.replicas:
            replica.follow(SECOND)
        self.replicas[2].follow(STREAM)
        self.seen: dict[int, Replayed] = {}
        self.replicas[0].watch(lambda effect: self.seen.__setitem__(effect.seq, effect))
        self._add(created())
        self._add(created(stream=SECOND))

    @rule(seed=seeds)
    def send(self, seed: int) -> None:
        rng = random.Random(seed)
        ops: list[Op | bytes] = []
        for _ in range(rng.randrange(1, 8)):
            ops += self._some(rng)
        rng.random() < 0.15 and rng.shuffle(ops)
        tags = rng.choice([(STREAM, SECOND), (STREAM,), (SECOND,)])
        body = batch(ops, *tags)
        if rng.random() < 0.4:
            blob = rng.randbytes(32)
            cut = body.operations[: rng.choice([9, len(body.operations), 1 << 30])]
            self.source.payloads[blob] = rng.choice([cut, body.operations, None])
            body = Batch(tags, blob, b"")
        self._add(body)

    @rule(seed=seeds)
    def access(self, seed: int) -> None:
        rng = random.Random(seed)
        role = rng.choice([Role.ADMIN, Role.WRITER, Role.KEY_WRITER])
        prefix = b"p/" if role is Role.KEY_WRITER else b""
        action = rng.choice([Action.GRANT, Action.GRANT, Action.GRANT, Action.REVOKE])
        subject = rng.choice(KEYS[1:]).subject
        limits = (rng.choice([0, 0, 30]), rng.choice([0, 0, 200]))
        self._add(AccessChange(action, STREAM, self.generation, role, subject, prefix, *limits))

    @rule(owner=st.sampled_from(KEYS[:3]))
    def transfer(self, owner) -> None:
        self.generation += 1
        change = AccessChange(Action.TRANSFER, STREAM, self.generation, 0, owner.subject, b"", 0, 0)
        self._add(change)

    @rule()
    def something_else(self) -> None:
        self._add(Other())

    @rule(depth=st.integers(1, 4))
    def reorganise(self, depth: int) -> None:
        at = max(self.source.final, len(self.log.entries) - depth, 2)
        self.log.fork(at)
        self.model = self.before[at] if at < len(self.before) else self.model
        del self.before[at:]
        self.outcomes = {seq: one for seq, one in self.outcomes.items() if seq < at}
        changes = [e.body for e in self.log.entries if isinstance(e.body, AccessChange)]
        self.generation = max(one.generation for one in changes if one.stream == STREAM)

    @rule(ahead=st.integers(0, 3))
    def finalise(self, ahead: int) -> None:
        self.source.final = max(self.source.final, len(self.log.entries) - ahead)

    @rule()
    def restart(self) -> None:
        self.replicas[2] = self._replica(self.stores[2])

    @rule()
    def follow_late(self) -> None:
        self.replicas[1].follow(STREAM)

    @invariant()
    def inv_kv_1_replicas_have_the_models_state(self) -> None:
        for replica in self.replicas:
            replica.advance()
            assert replica.position().applied == len(self.log.entries)
            assert replica.position().final == self.source.final
            for stream in replica.streams:
                self._compare(replica, stream)

    @invariant()
    def inv_kv_3_outcomes_are_the_models(self) -> None:
        for seq, expected in self.outcomes.items():
            effect = self.seen[seq]
            found = (
                effect.fault.value if effect.fault else [r.outcome.value for r in effect.results]
            )
            assert found == expected

    def _compare(self, replica: Replica, stream: bytes) -> None:
        model = self.model.streams[stream]
        with replica.moment() as moment:
            view = moment.stream(stream)
            root = view.root_at(moment.next_seq - 1)
            assert root.tree_root == model.root()
            assert (root.keys, root.byte_count) == model.size()
            assert root.generation == model.generation
            for name in NAMES:
                found = view.find(Space.USER, name, moment.next_seq - 1)
                cell = model.cells.get((0, name))
                if cell is None:
                    assert found.cell is None
                    assert verify_absence(root.tree_root, hashed(b"\x00", name), found.proof)
                else:
                    assert found.cell
                    assert (found.cell.version, found.cell.kind, found.cell.value) == cell
                    leaf = found.cell.leaf(Space.USER, name)
                    assert verify_presence(root.tree_root, leaf, found.proof.siblings)
            wanted = sorted(key for space, key in model.cells if space == 0)
            assert [key for key, _ in view.scan(b"", None, 99)] == wanted

    def _some(self, rng: random.Random) -> list[Op | bytes]:
        """One operation, a group, or garbage; mostly of somebody who may."""
        if rng.random() < 0.1:
            return [rng.randbytes(rng.choice([0, 5, 200]))]
        key = rng.choice([*KEYS, OWNER, OWNER])
        stream = rng.choice([STREAM, STREAM, SECOND, hashed(b"nobody's")])
        generation = self.generation if stream == STREAM else 1
        writer = Writer(key, stream=stream, generation=max(1, generation - (rng.random() < 0.1)))
        writer.nonce = len(self.log.entries) * 50 + rng.randrange(50) - rng.choice([0, 0, 0, 60])
        writer.nonce = max(0, writer.nonce)
        if rng.random() < 0.25:
            wanted = [self._wish(rng)[:4] for _ in range(rng.randrange(1, 4))]
            ops = writer.group(*wanted)
            return ops[: rng.choice([len(ops), len(ops), 1])]
        mode, name, value, expected = self._wish(rng)
        until = rng.choice([(1 << 64) - 1, (1 << 64) - 1, len(self.log.entries) * 12])
        op = writer.op(mode, name, value, expected=expected, valid_until=until)
        if rng.random() < 0.05:
            return [op.to_bytes()[:-1] + b"\x00"]
        return [op, op] if rng.random() < 0.1 else [op]

    def _wish(self, rng: random.Random) -> tuple[Mode, bytes, bytes, int]:
        name, value = rng.choice(NAMES), rng.randbytes(rng.randrange(4))
        streams = self.model.streams
        cell = streams[STREAM].cells.get((0, name)) if STREAM in streams else None
        expected = rng.choice([cell[0] if cell else ABSENT, ABSENT, 5])
        match rng.choice(list(Mode)):
            case Mode.PUT:
                return Mode.PUT, name, value, 0
            case Mode.CAS:
                return Mode.CAS, name, value, expected
            case Mode.ASSERT:
                return Mode.ASSERT, name, b"", expected
            case Mode.APPEND:
                return Mode.APPEND, rng.choice([name, b"list"]), value, 0
            case Mode.ADD:
                number = rng.choice([1, -5, (1 << 127) - 1])
                return Mode.ADD, name, counter_value(number), 0
            case Mode.DELETE:
                drop = rng.choice([b"", b"", (1).to_bytes(8, "big")])
                return Mode.DELETE, name, drop, rng.choice([0, expected])
            case Mode.ACCESS:
                right = Right(1, rng.choice(list(Role)), rng.choice([b"", b"p/"]), 0, 0)
                return Mode.ACCESS, rng.choice(KEYS).subject.key, wish_bytes(right), 0

    def _add(self, body: AccessChange | Batch | Other) -> Entry:
        entry = self.log.add(body)
        self.before.append(self.model)
        self.model = _copy(self.model)
        payload: bytes | None = b""
        if isinstance(body, Batch):
            payload = body.operations if body.is_inline else self.source.payloads[body.blob_id]
        result = self.model.apply(entry, payload)
        if isinstance(body, Batch):
            self.outcomes[entry.seq] = result
        return entry

    def _replica(self, store: MemoryStore) -> Replica:
        return Replica(ReplicaParts(store, self.source, self.source, DOMAIN))


def _copy(model: Model) -> Model:
    other = Model()
    other.streams = dict(model.streams)
    for name, stream in model.streams.items():
        copied = type(stream)(
            stream.generation, dict(stream.cells), dict(stream.rights), dict(stream.accounts)
        )
        other.streams[name] = copied
    return other


TestReplayMachine = ReplayMachine.TestCase
TestReplayMachine.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
