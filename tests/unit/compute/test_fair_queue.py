"""Fairness between payers, whatever one of them queues."""

import pytest

from offchain.compute.engine_errors import EngineFull
from offchain.compute.fair_queue import FairQueue


def always(_item: str) -> bool:
    return True


def test_pop__one_payer_queues_many__others_are_served_in_between() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for item in ("a1", "a2", "a3"):
        queue.push(b"a", item)
    queue.push(b"b", "b1")

    served = [queue.pop({}, always) for _ in range(4)]

    assert served == ["a1", "b1", "a2", "a3"]


def test_pop__payer_has_running_requests__the_other_comes_first() -> None:
    queue: FairQueue[str] = FairQueue(10)
    queue.push(b"a", "a1")
    queue.push(b"b", "b1")

    assert queue.pop({b"a": 1}, always) == "b1"


def test_pop__first_does_not_fit__nobody_overtakes() -> None:
    queue: FairQueue[str] = FairQueue(10)
    queue.push(b"a", "large")
    queue.push(b"b", "small")

    assert queue.pop({}, lambda item: item == "small") is None
    assert len(queue) == 2


def test_push__queue_at_its_limit__refused() -> None:
    queue: FairQueue[str] = FairQueue(1)
    queue.push(b"a", "a1")

    with pytest.raises(EngineFull):
        queue.push(b"b", "b1")


def test_take__unwanted__are_gone_and_the_rest_keeps_its_order() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for item in ("a1", "x", "a2"):
        queue.push(b"a", item)

    assert queue.take(lambda item: item == "x") == ["x"]
    assert [queue.pop({}, always) for _ in range(3)] == ["a1", "a2", None]
