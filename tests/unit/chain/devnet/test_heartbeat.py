"""When empty blocks are due."""

from offchain.chain.devnet.heartbeat import IDLE_SECONDS, Heartbeat


def gaps_after_activity(heartbeat: Heartbeat, *, now: float, beats: int) -> list[float]:
    """Seconds between beats when each is made the moment it is due."""
    gaps = []
    for _ in range(beats):
        gaps.append(heartbeat.due - now)
        now = heartbeat.due
        heartbeat.record_beat(now)
    return gaps


def test_gap__nothing_happens__doubles_up_to_the_idle_rate() -> None:
    heartbeat = Heartbeat.starting(100.0, first_seconds=1.0)

    assert gaps_after_activity(heartbeat, now=100.0, beats=7) == [
        1,
        1,
        2,
        4,
        8,
        IDLE_SECONDS,
        IDLE_SECONDS,
    ]


def test_activity__while_idle__next_block_soon_again() -> None:
    heartbeat = Heartbeat.starting(0.0, first_seconds=1.0)
    gaps_after_activity(heartbeat, now=0.0, beats=8)
    now = heartbeat.due - IDLE_SECONDS

    heartbeat.record_activity(now + 3)

    assert heartbeat.due == now + 4


def test_activity__without_end__a_due_block_is_not_put_off() -> None:
    heartbeat = Heartbeat.starting(0.0, first_seconds=1.0)

    for tenth in range(30):
        heartbeat.record_activity(tenth / 10)

    assert heartbeat.due == 1.0


def test_gap__first_longer_than_idle__kept() -> None:
    heartbeat = Heartbeat.starting(0.0, first_seconds=20.0)

    assert gaps_after_activity(heartbeat, now=0.0, beats=3) == [20, 20, 20]
