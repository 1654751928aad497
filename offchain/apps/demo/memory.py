"""The demo's agent: it writes its memory to a stream, and reads it back with proofs it checks.

Two replicas that share nothing but the log replay the same operations, one into SQLite and one into
memory; the agent believes neither: it takes a root both have, and what folds to it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from offchain.apps.demo.report import Story
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import SETTLED_DEPTH, Network, address_of, open_sender
from offchain.apps.operators import Enrolment
from offchain.chain.keys import LocalSigner
from offchain.core.errors import Corrupt
from offchain.core.hashing import keccak
from offchain.storage.kv.adapters.chain_log import ChainLog, InlineSink
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.cells import Space
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import (
    AccountKey,
    Mode,
    Op,
    sign_op,
)
from offchain.storage.kv.ports import KVStore
from offchain.storage.kv.proof import key_hash, verify_absence, verify_presence
from offchain.storage.kv.state import Found

AGENT: Final = "agent"
FACTS: Final = (
    (b"goal", b"keep what people paid for"),
    (b"seen/half-the-seats-died", b"every byte came back"),
    (b"seen/one-seat-too-many", b"the reader was told, the owner paid back"),
)
NEVER_WRITTEN: Final = b"seen/a-lie"


class MemoryFalse(Corrupt):
    """A replica's answer does not fold to the root, or replicas differ."""

    code = "demo.memory_false"
    next_step = "Run again with --keep DIR: replay or proofs have a bug."


class NoBlobs:
    """A `PayloadSource` for a log whose batches are all inline."""

    def payload(self, blob_id: bytes) -> bytes | None:  # noqa: ARG002 - none is ever asked for
        return None


def remember(network: Network, home: Home, story: Story) -> int:
    """Write facts, read them back from two replicas with proofs; how many answers were proven."""
    keystore = Keystore(home.keys)
    account = keystore.account(AGENT)
    Enrolment(network, home).fund([account])
    address = address_of(account)
    key = AccountKey(address, LocalSigner.from_secret(account.secret))
    at = network.node.block().hash
    domain = network.streams.domain_separator(at=at)
    salt = keccak(b"the demo's agent")
    stream = network.streams.stream_id(address, salt, at=at)
    with story.step("agent writes its memory") as step:
        ops = [
            Op(Mode.PUT, stream, 1, name, value, number, bytes(20))
            for number, (name, value) in enumerate(FACTS, 1)
        ]
        batch = encode_batch([sign_op(op, key, domain).to_bytes() for op in ops])
        with open_sender(network, home, AGENT, account) as sender:
            sender.execute(network.streams.create(salt), key=f"demo.create:{stream.hex()}")
            seq = InlineSink(network.log, sender).append("demo", [stream], batch)
        step.detail = f"{len(ops)} signed operations are entry {seq} of the log"
    with story.step("agent reads it with proofs") as step:
        stores: list[KVStore] = [SqliteStore(_folder(home)), MemoryStore()]
        answers = [_answers(network, domain, store, stream) for store in stores]
        proven = sum(_check(found) for found in answers)
        if answers[0][0].root != answers[1][0].root:
            raise MemoryFalse(reason="replicas differ")
        step.detail = f"{proven} answers of 2 replicas proven, {len(stores)} of them absent"
    return proven


def _answers(network: Network, domain: bytes, store: KVStore, stream: bytes) -> list[Found]:
    """What one replica says of every fact, and of one that was never written."""
    first = network.deployments.first_block()
    source = ChainLog(network.node, network.log, first_block=first, finality=SETTLED_DEPTH)
    replica = Replica(ReplicaParts(store, source, NoBlobs(), domain))
    replica.follow(stream)
    while replica.advance():
        pass
    with replica.moment() as moment:
        view = moment.stream(stream)
        names = [*(name for name, _ in FACTS), NEVER_WRITTEN]
        found = [view.find(Space.USER, name, moment.next_seq - 1) for name in names]
    store.close()
    return found


def _check(answers: Sequence[Found]) -> int:
    """Fold every answer to its root. Raises: MemoryFalse."""
    *facts, nothing = answers
    for (name, value), found in zip(FACTS, facts, strict=True):
        if found.cell is None or found.cell.value != value:
            raise MemoryFalse(key=name.decode(), reason="another value")
        leaf = found.cell.leaf(Space.USER, name)
        if not verify_presence(found.root.tree_root, leaf, found.proof.siblings):
            raise MemoryFalse(key=name.decode(), reason="the proof does not fold")
    hashed = key_hash(Space.USER, NEVER_WRITTEN)
    if nothing.cell or not verify_absence(nothing.root.tree_root, hashed, nothing.proof):
        raise MemoryFalse(key=NEVER_WRITTEN.decode(), reason="absence is not proven")
    return len(answers)


def _folder(home: Home) -> Path:
    folder = home.root / "agent"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
