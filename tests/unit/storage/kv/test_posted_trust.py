"""When a reader takes a state for final: between two posted roots, behind the newest, forged."""

import asyncio
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from offchain.sdk.open_kv import posted_trust
from offchain.storage.kv.proof import StreamRoot

STREAM = b"\x07" * 32
POSTED = StreamRoot(STREAM, 9, 1, b"\x01" * 32, 3, 70)


@dataclass(frozen=True, slots=True)
class Posts:
    """KVStreams with the roots that were posted of one stream; the last is the newest."""

    roots: tuple[StreamRoot, ...]

    def stream(self, stream: bytes, *, at: bytes) -> SimpleNamespace:
        return SimpleNamespace(head=self.roots[-1].seq + 1 if self.roots else 0)

    def root_of(self, stream: bytes, seq: int, *, at: bytes) -> bytes:
        return next((root.digest for root in self.roots if root.seq == seq), bytes(32))


@dataclass(frozen=True, slots=True)
class Head:
    """A chain that stands still."""

    def block(self) -> SimpleNamespace:
        return SimpleNamespace(hash=b"\x01" * 32)


def is_final(root: StreamRoot, *posted: StreamRoot) -> bool:
    trust = posted_trust(Posts(posted), Head())  # type: ignore[arg-type]  # what it reads of both
    return asyncio.run(trust(root))


@pytest.mark.parametrize("seq", [9, 10, 10_000])
def test_final__nothing_changed_since_the_post__holds_at_any_later_entry(seq: int) -> None:
    assert is_final(replace(POSTED, seq=seq), POSTED)


@pytest.mark.parametrize(
    "change",
    [{"tree_root": b"\x02" * 32}, {"keys": 4}, {"byte_count": 71}, {"generation": 2}],
)
def test_final__stream_changed_between_two_posts__waits_for_the_next_one(
    change: dict[str, object],
) -> None:
    changed = replace(POSTED, seq=12, **change)

    assert not is_final(changed, POSTED)
    assert is_final(changed, POSTED, changed)
    assert is_final(replace(changed, seq=15), POSTED, changed)


def test_final__replica_behind_the_newest_post__is_no_answer_though_it_was_posted_once() -> None:
    newer = replace(POSTED, seq=12, tree_root=b"\x02" * 32)

    assert not is_final(POSTED, POSTED, newer)


def test_final__nothing_posted_or_another_streams_post__is_not_trusted() -> None:
    assert not is_final(POSTED)
    assert not is_final(replace(POSTED, stream=b"\x08" * 32), POSTED)
