"""Delivery oracles around one token, in memory: chain, enclaves, files, and a leader."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from offchain.agents.adapters.memory_deliveries import MemoryFiles, MemoryShelf
from offchain.agents.adapters.memory_oracle import MemoryOracleLedger, MemoryOracles
from offchain.agents.bundle import encrypt_bundle
from offchain.agents.deliver import Deliver, DeliverParts, DeliverRules, DeliverWish
from offchain.agents.delivery_keys import DeliveryKeys
from offchain.agents.oracle import Oracle, OracleKeys, OracleParts
from offchain.agents.oracle_ports import DataEntry, Op, OraclePlace, Oracles, Order, TokenView
from offchain.agents.recrypt import Engines
from offchain.core.hashing import keccak
from offchain.node.journal import Journal, MemoryJournal

CHAIN_ID = 31_337
VERIFIER = b"\xee" * 20
COLLECTION = b"\xcc" * 20
RECEIVER = b"\xb0" * 20
TOKEN = 7
NOW = 1_700_000_000
OLD_KEY = b"\x11" * 32
PLAIN = b"the agent's prompt, charter and memory key\n" * 100
PURPOSE = keccak(b"an order")
ENDPOINT = "http://127.0.0.1:9500"


def root_of(file: bytes) -> bytes:
    """A stand-in for the root of storage: any hash of the whole file will do."""
    return keccak(b"root", file)


@functools.cache
def old_bundle() -> bytes:
    """The file on sale, with salts of its own."""
    return encrypt_bundle(PLAIN, key=OLD_KEY, draw=lambda size: b"\x5a" * size).file


@functools.cache
def old_entry() -> DataEntry:
    made = encrypt_bundle(PLAIN, key=OLD_KEY, draw=lambda size: b"\x5a" * size)
    roots = made.roots
    location = keccak(b"old location")
    return DataEntry(
        root_of(made.file), roots.content_root, roots.key_root, roots.key_commit, location
    )


@dataclass(slots=True)
class OracleWorld:
    """Some oracles that stand, and a token whose entry is `old_entry`."""

    count: int = 3
    threshold: int = 3
    rules: DeliverRules = field(default_factory=lambda: DeliverRules(again_seconds=0.0))
    ledger: MemoryOracleLedger = field(default_factory=MemoryOracleLedger)
    journals: dict[bytes, Journal] = field(default_factory=dict)
    oracles: dict[bytes, Oracle] = field(default_factory=dict)
    files: MemoryFiles = field(default_factory=lambda: MemoryFiles(root_of))
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    keys: DeliveryKeys = field(
        default_factory=lambda: DeliveryKeys(b"\x77" * 32, CHAIN_ID, COLLECTION)
    )

    def __post_init__(self) -> None:
        entry = old_entry()
        view = TokenView(NOW, 0, self.threshold, ((entry.data_hash, entry.roots_hash),))
        self.ledger.tokens[COLLECTION, TOKEN] = view
        self.files.stored = self.ledger.stored
        self.files.content[entry.location] = old_bundle()
        for number in range(self.count):
            self.start(number)

    def start(self, number: int) -> Oracle:
        """An oracle's process; started again it has its journal, and nothing else."""
        keys = OracleKeys.of(bytes([number + 1]) * 32)
        signer = keys.signer.address
        journal = self.journals.setdefault(signer, MemoryJournal())
        parts = OracleParts(
            ledger=self.ledger,
            keys=keys,
            journal=journal,
            chain_id=CHAIN_ID,
            verifier=VERIFIER,
            engines=Engines(root_of),
        )
        oracle = Oracle(parts)
        oracle.open()
        self.oracles[signer] = oracle
        self.ledger.places[signer] = OraclePlace(
            signer=signer,
            operator_id=number + 1,
            endpoint=ENDPOINT,
            until=NOW + 1_000,
            key_hash=keccak(keys.public),
            is_simulated=True,
        )
        return oracle

    @property
    def places(self) -> Sequence[OraclePlace]:
        return list(self.ledger.places.values())

    def leader(
        self, oracles: Oracles | None = None, randomness: Callable[[int], bytes] | None = None
    ) -> Deliver:
        drawn = iter(range(1, 1_000))
        return Deliver(
            DeliverParts(
                oracles=oracles or MemoryOracles(self.oracles),
                standing=lambda: self.places,
                files=self.files,
                shelf=self.shelf,
                randomness=randomness or (lambda size: keccak(bytes([next(drawn)]))[:size]),
                chain_id=CHAIN_ID,
                verifier=VERIFIER,
                rules=self.rules,
            )
        )

    def wish(self, **changes: object) -> DeliverWish:
        wish = DeliverWish(
            name="sale-1",
            collection=COLLECTION,
            token=TOKEN,
            epoch=0,
            op=Op.TRANSFER,
            receiver=RECEIVER,
            old=old_entry(),
            delivery_key=self.keys.public(PURPOSE),
            threshold=self.threshold,
            now=NOW,
            deadline=NOW + 3_600,
            data_key=OLD_KEY,
        )
        return replace(wish, **changes)

    def order(self, **changes: object) -> Order:
        """A delivery that every oracle here would make."""
        order = Order(
            chain_id=CHAIN_ID,
            verifier=VERIFIER,
            collection=COLLECTION,
            token=TOKEN,
            epoch=0,
            op=Op.TRANSFER,
            receiver=RECEIVER,
            old=old_entry(),
            delivery_key=self.keys.public(PURPOSE),
            nonce=b"\x01" * 32,
            deadline=NOW + 3_600,
            signers=tuple(sorted(self.oracles)),
        )
        return replace(order, **changes)
