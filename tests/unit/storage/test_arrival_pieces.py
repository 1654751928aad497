"""A large file on its way in: what is durable and unchanged is kept, the rest is fetched again."""

import hashlib
from pathlib import Path

import pytest

from offchain.storage.adapters.arrival import CHECKPOINT_BYTES, Arrival
from offchain.storage.content_mark import MARK_BYTES, Marker, is_marked, mark_of

FILE_ID = b"\x07" * 32
TAIL = b"the last bytes of it"
LENGTH = CHECKPOINT_BYTES + len(TAIL)


def an_arrival(folder: Path) -> Arrival:
    return Arrival(folder / "out", FILE_ID, length=LENGTH, is_raw=True)


def begun_at(folder: Path) -> int:
    arrival = an_arrival(folder)
    try:
        return arrival.begin()
    finally:
        arrival.close()


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """The folder of an arrival that ended in the middle of its second piece."""
    arrival = an_arrival(tmp_path)
    assert arrival.begin() == 0
    arrival.write(bytes(CHECKPOINT_BYTES - 5))
    arrival.write(bytes(5) + TAIL[:3])
    arrival.close()
    return tmp_path


def test_arrival__cut_off_after_a_whole_piece__goes_on_behind_it(cut_off: Path) -> None:
    again = an_arrival(cut_off)

    assert again.begin() == CHECKPOINT_BYTES

    again.write(TAIL)
    again.finish()
    with (cut_off / "out").open("rb") as file:
        file.seek(CHECKPOINT_BYTES - 2)
        assert file.read() == bytes(2) + TAIL
    assert (cut_off / "out").stat().st_size == LENGTH


def test_arrival__piece_changed_meanwhile__is_fetched_again(cut_off: Path) -> None:
    with (cut_off / "out.part" / "content").open("r+b") as file:
        file.seek(70_000_000)
        file.write(b"\x01")

    assert begun_at(cut_off) == 0


def test_arrival__state_with_no_mark_in_it__is_fetched_again(cut_off: Path) -> None:
    state = cut_off / "out.part" / "state.json"
    before, _, after = state.read_text().partition('"pieces": ["')
    state.write_text(f'{before}"pieces": ["zz{after[2:]}')

    assert begun_at(cut_off) == 0


def test_mark__same_bytes_in_any_pieces__fits_and_no_other_does() -> None:
    content = bytes(range(256)) * 300
    mark = mark_of(content)
    marker = Marker.again(mark)
    for start in range(0, len(content), 1_001):
        marker.update(content[start : start + 1_001])

    assert marker.mark() == mark
    assert len(mark) == MARK_BYTES
    assert is_marked(content, mark)
    assert mark_of(content) != mark  # under a key of its own
    for other in (content[:-1], content + b"\0", b"\1" + content[1:], b""):
        assert not is_marked(other, mark)
    assert is_marked(content, hashlib.sha256(content).digest())  # what earlier plans have
    assert not is_marked(content[1:], hashlib.sha256(content).digest())
    for wrong in (mark[:-1], mark + b"\0", b"", bytes([mark[0] ^ 1]) + mark[1:]):
        assert not is_marked(content, wrong)
