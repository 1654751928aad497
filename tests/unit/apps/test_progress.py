"""The line of progress: what it says, when, and that a pipe gets whole lines."""

import io

from offchain.apps.progress import ProgressLine, PutProgress
from offchain.da.dispersals import Stage
from offchain.da.disperse import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_line__names_share_rate_and_time_left() -> None:
    line = ProgressLine(100_000_000, "put", io.StringIO(), Clock())
    line.show(0)

    text = line.line(25_000_000, 5.0, "1 of 4 confirmed")

    expected = "put  25 %  25.0 of 100.0 MB  5.0 MB/s  15 s left  1 of 4 confirmed"
    assert expected == text


def test_line__on_a_terminal__is_one_line_that_is_rewritten_and_removed() -> None:
    stream, clock = Terminal(), Clock()
    line = ProgressLine(10_000_000, "get", stream, clock)
    for done in (1, 2, 3):
        clock.now += 1
        line.show(done * 1_000_000)
    line.close()

    assert "\n" not in stream.getvalue()
    assert stream.getvalue().count("\r\033[K") == 4
    assert stream.getvalue().endswith("\r\033[K")


def test_line__in_a_pipe__is_whole_lines_and_few() -> None:
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(10_000_000, "get", stream, clock)
    for done in range(100):
        clock.now += 0.1
        line.show(done * 100_000)
    line.close()

    lines = stream.getvalue().splitlines()
    assert 1 <= len(lines) <= 2
    assert all(one.startswith("get ") for one in lines)


def test_line__of_what_an_earlier_run_did__is_no_rate_of_this_one() -> None:
    line = ProgressLine(100_000_000, "get", io.StringIO(), Clock())
    line.show(50_000_000)

    assert "0.0 MB/s" in line.line(50_000_000, 5.0, "")


def test_put__over_several_blobs__grows_and_ends_whole() -> None:
    stream, clock = io.StringIO(), Clock()
    watch = PutProgress(ProgressLine(3_000_000, "put", stream, clock), blobs=3)
    shown = []
    for number in range(3):
        blob_id = bytes([number]) * 32
        for stage, signed in (
            (Stage.PLANNED, 0),
            (Stage.PAID, 0),
            (Stage.PAID, 1_000),
            (Stage.PAID, 500),
            (Stage.ATTESTED, 0),
            (Stage.CONFIRMED, 0),
        ):
            clock.now += 10
            watch(Progress(blob_id, stage, signed, 2_048 if signed else 0))
            shown.append(int(stream.getvalue().splitlines()[-1].split("%")[0].split()[1]))

    assert shown == sorted(shown)
    assert shown[-1] == 100
    assert stream.getvalue().splitlines()[-1].endswith("3 of 3 confirmed")
