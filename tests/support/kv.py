"""Streams for tests: keys by role, entries, and a second, simple model of tree and replay.

The model shares no code with offchain/storage/kv but the parsing of operations: a dictionary, and a
tree hashed from scratch by recursion over whole bit strings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sha3 import keccak_256

from offchain.chain.keys import LocalSigner
from offchain.storage.kv.adapters.memory_log import BLOCK_SECONDS, Log, MemoryLog, MemorySink
from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.batcher import Batcher, BatcherParts, BatchRules
from offchain.storage.kv.entry import NO_BLOB, AccessChange, Batch
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.hot import HotState
from offchain.storage.kv.op import (
    AccountKey,
    Mode,
    Op,
    SessionKey,
    Signs,
    Subject,
    domain_separator,
    sign_op,
)
from offchain.storage.kv.ports import KVStore, PromiseJournal
from offchain.storage.kv.proof import stream_id
from offchain.storage.kv.roles import Action, Role
from offchain.storage.kv.serve import KvService, ServiceRules

CHAIN_ID = 1_337
DOMAIN = domain_separator(CHAIN_ID, b"\x77" * 20)


def account(role: str) -> AccountKey:
    """An account by its role; the same one every time."""
    signer = LocalSigner.from_secret(keccak_256(role.encode()).digest())
    return AccountKey(signer.address, signer)


def session(role: str) -> SessionKey:
    """A P-256 key by its role."""
    return SessionKey.from_secret(keccak_256(role.encode()).digest())


OWNER, STRANGER = account("owner"), account("stranger")
STREAM = stream_id(CHAIN_ID, OWNER.signer, bytes(32))


def created(owner: Signs = OWNER, stream: bytes = STREAM) -> AccessChange:
    return AccessChange(Action.CREATE, stream, 1, 0, owner.subject, b"", 0, 0)


def transferred(owner: Signs, generation: int, stream: bytes = STREAM) -> AccessChange:
    return AccessChange(Action.TRANSFER, stream, generation, 0, owner.subject, b"", 0, 0)


def granted(
    subject: Subject, role: Role, *, prefix: bytes = b"", quota: int = 0, expiry: int = 0
) -> AccessChange:
    return AccessChange(Action.GRANT, STREAM, 1, role, subject, prefix, quota, expiry)


def revoked(subject: Subject) -> AccessChange:
    return AccessChange(Action.REVOKE, STREAM, 1, 0, subject, b"", 0, 0)


def batch(ops: Sequence[Op | bytes], *streams: bytes) -> Batch:
    raw = [op if isinstance(op, bytes) else op.to_bytes() for op in ops]
    return Batch(streams or (STREAM,), NO_BLOB, encode_batch(raw))


class Writer:
    """Signs operations of one key, nonces rising."""

    def __init__(self, key: Signs = OWNER, *, stream: bytes = STREAM, generation: int = 1) -> None:
        self.key = key
        self.stream = stream
        self.generation = generation
        self.nonce = 0

    def op(self, mode: Mode, key: bytes, value: bytes = b"", **more: int) -> Op:
        self.nonce += 1
        bare = Op(mode, self.stream, self.generation, key, value, self.nonce, self.key.signer)
        return sign_op(replace(bare, **more), self.key, DOMAIN)

    def put(self, key: bytes, value: bytes, **more: int) -> Op:
        return self.op(Mode.PUT, key, value, **more)

    def group(self, *wanted: tuple[Mode, bytes, bytes, int]) -> list[Op]:
        """Operations that stand or fall together."""
        return [
            self.op(mode, key, value, expected=expected, group_size=len(wanted), group_place=place)
            for place, (mode, key, value, expected) in enumerate(wanted)
        ]


def hashed(*parts: bytes) -> bytes:
    return keccak_256(b"".join(parts)).digest()


def naive_root(leaves: dict[bytes, bytes], depth: int = 0) -> bytes:
    """The root over key hash -> leaf digest, by the definition."""
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return next(iter(leaves.values()))
    sides: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for key, leaf in leaves.items():
        sides[int.from_bytes(key, "big") >> (255 - depth) & 1][key] = leaf
    return hashed(b"\x01", naive_root(sides[0], depth + 1), naive_root(sides[1], depth + 1))


def naive_leaf(key_hash: bytes, version: int, kind: int, value: bytes) -> bytes:
    body = key_hash + version.to_bytes(8, "big") + bytes([kind]) + hashed(value)
    return hashed(b"\x00", body)


@dataclass
class World:
    """A log, a replica that follows it, and a batcher that writes it."""

    log: Log
    source: MemoryLog
    sink: MemorySink
    replica: Replica
    hot: HotState
    batcher: Batcher
    service: KvService

    @classmethod
    def made(
        cls, journal: PromiseJournal, store: KVStore, *, log: Log | None = None, final: int = 0
    ) -> "World":
        """Over a log with one stream, which it makes when none is given."""
        if log is None:
            log = Log()
            log.add(created())
        source, sink = MemoryLog(log, final), MemorySink(log)
        replica = Replica(ReplicaParts(store, source, source, DOMAIN))
        replica.follow(STREAM)
        hot = HotState(replica)
        key = account("batcher")
        parts = BatcherParts(
            hot=hot,
            journal=journal,
            sink=sink,
            account=key.signer,
            key=LocalSigner.from_secret(keccak_256(b"batcher").digest()),
            domain=DOMAIN,
            now=lambda: (len(log.entries) + 1) * BLOCK_SECONDS,
            result_of=replica.result_of,
            applied=lambda: replica.position().applied,
        )
        rules = BatchRules(window_seconds=0.01, retry_seconds=0.01)
        batcher = Batcher(parts, rules)
        service = KvService(replica, batcher, ServiceRules(poll_seconds=0.01, retry_seconds=0.01))
        return cls(log, source, sink, replica, hot, batcher, service)
