"""Events once each and in order: restarts, reorganisations, small ranges, confirmations."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.chain.errors import ReorgTooDeep, TooManyResults
from offchain.chain.event_cursor import EventCursor
from offchain.chain.events import EventBatch, EventSource
from offchain.chain.model import Log, LogFilter
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from tests.integration.chain.conftest import DevControls
from tests.support.probe import Bumped, ProbeClient
from tests.support.waiting import wait_until


class Follower:
    """What a reader of events does: keep a list that mirrors the chain, survive restarts."""

    def __init__(self, node: Node, probe: ProbeClient, path: Path, **knobs: int) -> None:
        self._node = node
        self._probe = probe
        self._path = path
        self._knobs = {"start_block": 0, **knobs}
        self.seen: list[tuple[bytes, int]] = []
        self.taken_back = 0
        self.restart()

    def restart(self) -> None:
        self.cursor = EventCursor.open(self._path, name="follower")
        wanted = self._probe.event_filter(Bumped)
        self.source = EventSource(self._node, self.cursor, wanted, **self._knobs)

    def follow(self) -> list[EventBatch]:
        """Apply until nothing is new."""
        batches = []
        while (batch := self.source.poll()).step is not None:
            self.apply(batch)
            self.source.commit(batch)
            batches.append(batch)
        return batches

    def apply(self, batch: EventBatch) -> None:
        for one in batch.removed:
            assert one.is_removed
            assert self.seen.pop() == (one.block_hash, one.log_index)
            self.taken_back += 1
        self.seen += [(one.block_hash, one.log_index) for one in batch.added]


@pytest.fixture
def follower(node: Node, probe: ProbeClient, tmp_path: Path) -> Follower:
    return Follower(node, probe, tmp_path / "cursor.db")


def on_chain(
    node: Node, probe: ProbeClient, last_block: int | None = None
) -> list[tuple[bytes, int]]:
    last = node.block().number if last_block is None else last_block
    wanted = probe.event_filter(Bumped, last_block=last)
    return [(one.block_hash, one.log_index) for one in node.logs(wanted)]


def bump(sender: TransactionSender, probe: ProbeClient, *names: str) -> None:
    """One event a block."""
    for name in names:
        sender.execute(probe.bump(name.encode().ljust(32)), key=name)


def test_poll__events_come__each_once_in_order(
    node: Node, sender: TransactionSender, probe: ProbeClient, follower: Follower
) -> None:
    bump(sender, probe, "a", "b", "c")
    follower.follow()
    bump(sender, probe, "d")
    follower.follow()

    assert len(follower.seen) == 4
    assert on_chain(node, probe) == follower.seen
    assert follower.source.poll().is_empty


def test_poll__not_committed__comes_again_after_a_restart(
    node: Node, sender: TransactionSender, probe: ProbeClient, follower: Follower
) -> None:
    bump(sender, probe, "a", "b")
    lost = follower.source.poll()
    follower.cursor.close()
    follower.restart()

    follower.follow()

    assert len(lost.added) == 2
    assert on_chain(node, probe) == follower.seen


def test_poll__committed__does_not_come_again_after_a_restart(
    sender: TransactionSender, probe: ProbeClient, follower: Follower
) -> None:
    bump(sender, probe, "a")
    follower.follow()
    follower.cursor.close()
    follower.restart()

    assert follower.follow() == []


@pytest.mark.parametrize("events", [1, 3, 6])
def test_poll__blocks_left_the_chain__taken_back_then_replayed(
    node: Node,
    sender: TransactionSender,
    probe: ProbeClient,
    follower: Follower,
    controls: DevControls,
    events: int,
) -> None:
    bump(sender, probe, *"abcdef")
    follower.follow()
    before = list(follower.seen)
    first_gone = node.block(before[-events][0]).number  # a sender that waited has empty ones mined
    standing = set(on_chain(node, probe, last_block=first_gone - 1))
    controls.reorganise(node.block().number - first_gone + 1)
    follower.follow()
    assert on_chain(node, probe) == follower.seen
    assert [one for one in before if one in standing] == follower.seen

    def is_replayed() -> bool:
        sender.maintain()
        follower.follow()
        return len(follower.seen) == 6

    wait_until(is_replayed, seconds=60, what="the transactions that were taken back")

    assert follower.taken_back == len(before) - len(standing) == events
    assert on_chain(node, probe) == follower.seen


def test_poll__chain_became_shorter__taken_back_at_once(
    node: Node,
    sender: TransactionSender,
    probe: ProbeClient,
    follower: Follower,
    controls: DevControls,
) -> None:
    bump(sender, probe, *"abc")
    follower.follow()
    controls.ask("anvil_rollback", 2)

    follower.follow()

    assert follower.taken_back > 0
    assert on_chain(node, probe) == follower.seen


def test_poll__reorganised_between_poll_and_restart__mirror_is_right(
    node: Node,
    sender: TransactionSender,
    probe: ProbeClient,
    follower: Follower,
    controls: DevControls,
) -> None:
    bump(sender, probe, *"abc")
    follower.follow()
    bump(sender, probe, "d")
    follower.source.poll()  # read, never applied
    follower.cursor.close()
    controls.reorganise(2)
    bump(sender, probe, "e")
    follower.restart()

    follower.follow()

    assert on_chain(node, probe) == follower.seen


def test_poll__reorganised_deeper_than_remembered__stops_with_an_alarm(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls, tmp_path: Path
) -> None:
    follower = Follower(node, probe, tmp_path / "cursor.db", memory_blocks=4)
    bump(sender, probe, *"abcdefgh")
    follower.follow()
    controls.reorganise(7)

    with pytest.raises(ReorgTooDeep):
        follower.source.poll()


def test_poll__confirmations__event_comes_when_it_is_deep(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls, tmp_path: Path
) -> None:
    follower = Follower(node, probe, tmp_path / "cursor.db", confirmations=3)
    bump(sender, probe, "a")
    follower.follow()
    assert follower.seen == []
    controls.mine(3)

    follower.follow()

    assert on_chain(node, probe) == follower.seen


def test_poll__short_ranges__same_events(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls, tmp_path: Path
) -> None:
    follower = Follower(node, probe, tmp_path / "cursor.db", max_range_blocks=2)
    bump(sender, probe, *"abcdefg")
    controls.mine(5)

    batches = follower.follow()

    assert len(batches) > 4
    assert on_chain(node, probe) == follower.seen


class TightNode(Node):
    """A real node that answers at most `limit` logs at once, as public ones do."""

    limit = 2
    asked: int = 0

    def logs(self, wanted: LogFilter) -> list[Log]:
        self.asked += 1
        found = super().logs(wanted)
        if len(found) > self.limit:
            raise TooManyResults(found=len(found))
        return found


@pytest.fixture
def tight(transport: object) -> Iterator[TightNode]:
    yield TightNode(transport)  # type: ignore[arg-type]  # the fixture's type is checked there


def test_poll__too_many_results__range_is_halved_until_it_fits(
    tight: TightNode, sender: TransactionSender, probe: ProbeClient, tmp_path: Path
) -> None:
    follower = Follower(tight, probe, tmp_path / "cursor.db")
    bump(sender, probe, *"abcdefghij")

    follower.follow()

    assert len(follower.seen) == 10
    assert on_chain_unbounded(tight, probe) == follower.seen


def test_poll__one_block_holds_too_many__says_so(
    tight: TightNode, sender: TransactionSender, probe: ProbeClient, tmp_path: Path
) -> None:
    bump(sender, probe, "a")
    tight.limit = 0

    with pytest.raises(TooManyResults):
        Follower(tight, probe, tmp_path / "cursor.db").follow()


def on_chain_unbounded(tight: TightNode, probe: ProbeClient) -> list[tuple[bytes, int]]:
    wanted = probe.event_filter(Bumped, last_block=tight.block().number)
    return [(one.block_hash, one.log_index) for one in Node.logs(tight, wanted)]


def test_cursors__two_names_in_one_file__do_not_disturb_each_other(
    node: Node, sender: TransactionSender, probe: ProbeClient, tmp_path: Path
) -> None:
    bump(sender, probe, "a")
    path = tmp_path / "cursor.db"
    Follower(node, probe, path).follow()
    other = EventSource(
        node, EventCursor.open(path, name="other"), probe.event_filter(Bumped), start_block=0
    )

    assert len(other.poll().added) == 1
