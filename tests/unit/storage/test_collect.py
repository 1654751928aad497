"""No shard goes while it is owed; every one goes at last: INV-STO-11 against a model."""

import asyncio
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from offchain.storage.adapters.memory_keeper import MemoryKeeper
from offchain.storage.collect import CollectParts, CollectRules, CollectShards
from offchain.storage.model import FileState, SeatState
from offchain.storage.ports import ShardKey, StoredFile
from tests.support.keeping import TERM, KeepWorld, KeptFile

RULES = CollectRules(hand_over_seconds=259_200, linger_seconds=3_600)
ME = 1


def collector(world: KeepWorld, *, busy: frozenset[bytes] = frozenset()) -> CollectShards:
    peer = world.peer(ME)
    parts = CollectParts(ME, world.chain, peer.shelf, peer.book, busy.__contains__)
    return CollectShards(parts, RULES)


def passes(collect: CollectShards, chain: MemoryKeeper) -> list[ShardKey]:
    """Collect, let it linger, collect again: what was removed."""
    gone = asyncio.run(collect.collect())
    chain.seal(RULES.linger_seconds)
    chain.settle()
    return gone + asyncio.run(collect.collect())


def test_inv_sto_11__before_the_end_of_grace__is_kept_after_it_goes() -> None:
    world = KeepWorld("local")
    file = world.store()
    collect = collector(world)
    world.chain.seal(TERM - 10_000)
    world.chain.settle()

    assert passes(collect, world.chain) == []
    world.chain.seal(10_000)
    world.chain.settle()
    assert passes(collect, world.chain) == [file.shard(0, 0).key]


def test_inv_sto_11__over_at_the_head_but_not_final__is_kept() -> None:
    world = KeepWorld("local")
    world.store()
    collect = collector(world)
    world.chain.seal(2 * TERM)

    assert asyncio.run(collect.collect()) == []


def test_inv_sto_11__renewed_in_grace__is_kept() -> None:
    world = KeepWorld("local")
    file = world.store()
    collect = collector(world)
    world.chain.seal(TERM - 60)
    world.chain.put_file(replace(file.stored, keep_until=file.stored.keep_until + TERM))
    world.chain.settle()

    assert passes(collect, world.chain) == []


def test_inv_sto_11__seat_taken_over__goes_only_then() -> None:
    world = KeepWorld("local")
    file = world.store()
    collect = collector(world)
    world.chain.change_seat(1, 0, state=SeatState.LEAVING, successor=4)
    world.chain.settle()

    assert passes(collect, world.chain) == []
    asyncio.run(world.repair(4).repair())
    world.chain.settle()
    assert passes(collect, world.chain) == [file.shard(0, 0).key]


def test_inv_sto_11__vacated_and_nobody_came__is_kept_three_days() -> None:
    world = KeepWorld("local")
    file = world.store()
    collect = collector(world)
    world.chain.put_file(_long(file))
    world.chain.change_seat(1, 0, state=SeatState.VACANT, since=world.chain.now)
    world.chain.settle()
    world.chain.seal(RULES.hand_over_seconds - 10_000)
    world.chain.settle()

    assert passes(collect, world.chain) == []
    world.chain.seal(10_000)
    world.chain.settle()
    assert passes(collect, world.chain) == [file.shard(0, 0).key]


def test_collect__same_matrix_in_two_files__goes_with_the_last() -> None:
    world = KeepWorld("local")
    first, second = world.store(seed=1), world.store(seed=1)
    assert first.shard(0, 0).key == second.shard(0, 0).key
    collect = collector(world)
    world.chain.put_file(_ended(first))
    world.chain.settle()

    assert passes(collect, world.chain) == []
    world.chain.put_file(_ended(second))
    world.chain.settle()
    assert passes(collect, world.chain) == [first.shard(0, 0).key]


def test_collect__matrix_being_uploaded__is_kept() -> None:
    world = KeepWorld("local")
    file = world.store()
    collect = collector(world, busy=frozenset({file.encoded[0].header.data_root}))
    world.chain.put_file(_ended(file))
    world.chain.settle()

    assert passes(collect, world.chain) == []


def test_collect__segments_of_a_stored_file_unknown__removes_nothing_at_all() -> None:
    world = KeepWorld("local")
    file, over = world.store(seed=1), world.store(seed=2)
    world.chain.put_file(_ended(over))
    world.chain.settle()
    world.peer(ME).book.kept.pop(file.stored.root)

    assert passes(collector(world), world.chain) == []


def test_collect__awaited_file_never_came__keeps_nothing_from_going() -> None:
    world = KeepWorld("local")
    over = world.store(seed=1)
    world.store(seed=2, absent=[0, 1, 2], state=FileState.PLACED)
    world.chain.put_file(_ended(over))
    world.chain.settle()

    assert passes(collector(world), world.chain) == [over.shard(0, 0).key]


class Owing(RuleBasedStateMachine):
    """Files come and end, a seat changes hands, blocks are taken back; a model says who owes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = KeepWorld("local", spare=1)
        self.collect = collector(self.world)
        self.files: list[KeptFile] = []
        self.gone: set[ShardKey] = set()

    @rule(seed=st.integers(1, 4))
    def store(self, seed: int) -> None:
        file = self.world.store(seed=seed)
        self.files.append(file)
        if self.world.group.seats[0].operator == ME:
            self.gone.discard(file.shard(0, 0).key)

    @precondition(lambda self: self.files)
    @rule(place=st.integers(0, 20), state=st.sampled_from([FileState.CLOSED, FileState.LOST]))
    def end(self, place: int, state: FileState) -> None:
        file = self.files[place % len(self.files)]
        now = self.world.chain.state.files[file.stored.file_id]
        self.world.chain.put_file(replace(now, state=state))
        self.world.chain.seal()

    @rule()
    def leave(self) -> None:
        if self.world.group.seats[0].operator == ME:
            self.world.chain.change_seat(1, 0, state=SeatState.LEAVING, successor=4)
            self.world.chain.seal()

    @rule()
    def follow(self) -> None:
        asyncio.run(self.world.repair(4).repair())
        self.world.chain.seal()

    @rule(seconds=st.sampled_from([12, 3_600, TERM]))
    def wait(self, seconds: int) -> None:
        self.world.chain.seal(seconds)
        self.world.chain.settle()

    @rule()
    def reorganise(self) -> None:
        self.world.chain.reorganise(1)

    @rule()
    def sweep(self) -> None:
        self.gone |= set(asyncio.run(self.collect.collect()))

    @invariant()
    def invariant_sto_11_nothing_owed_is_gone(self) -> None:
        chain = self.world.chain
        seat = self.world.group.seats[0]
        if seat.operator != ME:
            return
        for file in chain.state.files.values():
            if file.is_owed(chain.now):
                kept = next(one for one in self.files if one.stored.file_id == file.file_id)
                assert kept.shard(0, 0).key not in self.gone

    def teardown(self) -> None:
        """At last everything goes: no file is owed any more."""
        chain = self.world.chain
        for file in list(chain.state.files.values()):
            chain.put_file(replace(file, state=FileState.CLOSED))
        chain.settle()
        passes(self.collect, chain)
        assert self.world.peer(ME).shelf.shards == {}


TestOwing = Owing.TestCase
TestOwing.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)


def _ended(file: KeptFile) -> StoredFile:
    return replace(file.stored, state=FileState.CLOSED)


def _long(file: KeptFile) -> StoredFile:
    return replace(file.stored, keep_until=file.stored.keep_until + 10 * TERM)
