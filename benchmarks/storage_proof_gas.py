"""Gas of showing a leaf of a stored file, and of punishing who did not.

The file has 33 full segments, so rows of 1,024 columns; every leaf of it has the same bytes, random
ones, so that whichever leaf the beacon asks for is at hand. Whole transactions on the devnet
chain, on the real log, market, seats, beacon and court; one operator keeps all of a `solo` group.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_account import Account

from benchmarks.chain_stage import CHAIN_ID, ChainStage
from benchmarks.rows import Row, at_most
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN
from offchain.staking.tree import Leaf, StakeTree
from offchain.storage.challenge_draw import Place, chance_of, place_of, position_of
from offchain.storage.model import (
    SEGMENT_BYTES,
    Segment,
    file_root,
    profile_named,
    segment_path,
)
from offchain.storage.seat_draw import (
    Ask,
    Candidate,
    DrawsId,
    Load,
    Lottery,
    draw_calls,
    draw_group,
)

COMMAND = "apogee bench storage --json"
BAR_PROVE = 85_000
STORAGE = 2
SEGMENTS = 33
LENGTH = SEGMENTS * SEGMENT_BYTES
COLUMNS, LEAF_DEPTH, COSET_DEPTH = 1_024, 7, 10
STAKE_WEI = 10_000 * WEI_PER_COIN
PRICE, CAPACITY, LONGEST = 4 * 10**8, 2**42, 600
SEAT, TERM_EPOCHS = 0, 100
MAX_COST = WEI_PER_COIN
SOLO = profile_named("solo")
LEAF = keccak(b"leaf") * 8


@dataclass(frozen=True, slots=True)
class Uniform:
    """A matrix in which every leaf is the same: each level of its trees has one digest."""

    levels: tuple[bytes, ...]

    @classmethod
    def build(cls) -> "Uniform":
        levels = [keccak(LEAF)]
        for _ in range(LEAF_DEPTH + COSET_DEPTH):
            levels.append(keccak(levels[-1], levels[-1]))
        return cls(tuple(levels))

    @property
    def root(self) -> bytes:
        coset = self.levels[-1]
        return keccak(keccak(coset, coset), coset)

    def frame(self, row: int, leaf: int) -> bytes:
        head = row.to_bytes(4, "big") + leaf.to_bytes(4, "big")
        return head + LEAF + b"".join(self.levels[:-1]) + 3 * self.levels[-1]


class ProofStage:
    """A chain on which one operator keeps one large file, stored in an earlier epoch."""

    def __init__(self) -> None:
        self.stage = ChainStage()
        owner, treasury = ("0x" + one.address.hex() for one in dev_accounts()[:2])
        self.stage.deploy(scaled_genesis(governance=owner, treasury=treasury))
        self.matrix = Uniform.build()
        self.segments = [
            Segment(number, self.matrix.root, keccak(b"C"), COLUMNS, SEGMENT_BYTES)
            for number in range(SEGMENTS)
        ]
        self.secret = keccak(b"storage operator")
        self.key = SecretKey.from_seed(self.secret)
        self.operator_id = self._join()
        self.group = self._open_group()
        self.file_id = self._store()

    def prove(self) -> int:
        """Prove the leaf that the running epoch asks for."""
        epoch = self._epoch()
        here = self._drawn(epoch)
        path = b"".join(segment_path(self.segments, here.segment))
        one = self.segments[here.segment]
        frame = self.matrix.frame(here.row, here.leaf)
        shown = (self.file_id, one.data_root, one.commitment_hash, path, frame)
        return self.stage.send_as(
            self.secret, "StorageProofs", "prove", epoch, self.group, SEAT, [], *shown
        )

    def default(self) -> int:
        """Punish the miss of the epoch whose window has just passed."""
        epoch = self._epoch()
        wait = int(self.stage.read("StorageProofs", "answer_seconds")) + 1
        begun = int(self.stage.read("StakeManager", "epoch_start", epoch))
        self._wait_until(begun + wait)
        return self.stage.send(
            "StorageProofs", "default_", epoch, self.group, SEAT, [], self.file_id, sender=2
        )

    def next_epoch(self) -> None:
        """Travel to the first seconds of the next epoch."""
        start = self.stage.read("StakeManager", "epoch_start", self._epoch() + 1)
        self._wait_until(int(start) + 1)

    @cached_property
    def owner(self) -> bytes:
        return bytes.fromhex(Account.from_key(self.secret).address[2:])

    def _drawn(self, epoch: int) -> Place:
        randomness = self.stage.read("RandomBeacon", "randomness", epoch)
        kept = int(self.stage.read("StorageMarket", "bytes_at", self.group, epoch))
        position = position_of(chance_of(randomness, self.group, SEAT), 0, kept)
        return place_of(position, LENGTH, SOLO, SEAT)

    def _join(self) -> int:
        stage = self.stage
        stage.fund(self.owner, STAKE_WEI + 100 * WEI_PER_COIN)
        raw = self.key.public_key().eip2537()
        digest = stage.read("OperatorRegistry", "possession_digest", self.owner, raw)
        proof = self.key.sign(digest, DST_POSSESSION).eip2537()
        stage.send_as(self.secret, "OperatorRegistry", "register", raw, proof)
        stage.value_call(self.secret, "StakeManager", "join", STORAGE, 0, value=STAKE_WEI)
        ask = (PRICE, CAPACITY, LONGEST, "http://127.0.0.1:5001")
        stage.send_as(self.secret, "StorageDraws", "set_ask", *ask)
        self.next_epoch()
        self.next_epoch()
        return int(stage.read("StakeManager", "operator_of", self.owner))

    def _open_group(self) -> int:
        stage = self.stage
        stage.send("StorageSeats", "request_group", SOLO.number, 2 * PRICE)
        group = int(stage.read("StorageSeats", "newest_group"))
        self.next_epoch()
        self.next_epoch()
        record = stage.read("StorageSeats", "group", group)
        epoch = int(stage.read("StorageDraws", "seed_epoch", record[2]))
        lottery = Lottery(
            DrawsId(CHAIN_ID, stage.contracts["StorageDraws"].address),
            group,
            SOLO,
            stage.read("RandomBeacon", "randomness", epoch),
            self._tree(epoch),
            2 * PRICE,
            int(stage.read("OperatorRegistry", "clock")[3]),
        )
        ask = Ask(*stage.read("StorageDraws", "ask_at", self.operator_id, epoch))
        candidates = {self.operator_id: Candidate(ask, Load(0, 0, 0))}
        raw = self.key.public_key().eip2537()
        words = [raw[start : start + 32] for start in range(0, 128, 32)]
        for call in draw_calls(lottery, 0, list(draw_group(lottery, 0, candidates))):
            cover = (list(call.cover.words), list(call.cover.hashes))
            keys = [words for _ in call.operators]
            stage.send("StorageDraws", "draw", group, call.seat, *cover, keys, call.picks)
        return group

    def _tree(self, epoch: int) -> StakeTree:
        pool = self.operator_id << 8 | STORAGE
        seat = int(self.stage.read("OperatorRegistry", "seat_of", pool)) - 1
        weight = int(self.stage.read("StakeManager", "weight_at", pool, epoch))
        key = self.stage.read("StakeManager", "key_at", self.operator_id, epoch)
        return StakeTree({seat: Leaf(self.operator_id, weight, keccak(key))})

    def _store(self) -> bytes:
        stage, root = self.stage, file_root(self.segments)
        submission: tuple[Any, ...] = (
            Account.from_key(self.secret).address,
            1,
            root,
            SEGMENTS,
            LENGTH,
            SOLO.number,
            1,
            TERM_EPOCHS,
            MAX_COST,
            2**63,
        )
        stage.value_call(self.secret, "StorageLog", "submit", submission, b"", value=MAX_COST)
        file_id = bytes(stage.read("StorageLog", "submission_id", submission[0], root, 1))
        stage.chain.mine()
        stage.chain.mine()
        stage.send("StorageMarket", "place", file_id)
        digest = stage.read("StorageMarket", "held_digest", file_id)
        signature = self.key.sign(digest).eip2537()
        stage.send("StorageMarket", "confirm", file_id, 0, signature, b"")
        return file_id

    def _epoch(self) -> int:
        return int(self.stage.read("StakeManager", "current_epoch"))

    def _wait_until(self, time: int) -> None:
        self.stage.chain.mine()
        start = int(self.stage.read("StakeManager", "epoch_start", 0))
        length = int(self.stage.read("StakeManager", "epoch_length"))
        while self._epoch() < (time - start) // length:
            self.stage.chain.increase_time(length // 4)
            self.stage.chain.mine()
        begun = start + (time - start) // length * length
        if time > begun + 1:
            self.stage.chain.increase_time(time - begun)
            self.stage.chain.mine()


def proof_rows() -> list[Row]:
    """A proof, the first of a seat's life, and a miss."""
    stage = ProofStage()
    stage.next_epoch()
    first = stage.prove()
    stage.next_epoch()
    prove = stage.prove()
    stage.next_epoch()
    default = stage.default()
    return [
        at_most("storage.prove.gas", prove, "gas", BAR_PROVE, command=COMMAND),
        at_most("storage.prove.gas.first", first, "gas", None, command=COMMAND),
        at_most("storage.default.gas", default, "gas", None, command=COMMAND),
    ]
