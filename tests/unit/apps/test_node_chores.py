"""A node's chores go on, whatever one pass of them does."""

import asyncio

import pytest

from offchain.apps.node_chores import Chore, repeat
from offchain.da.refusals import NodeUnreachable


@pytest.mark.parametrize("failure", [NodeUnreachable(), KeyError("a bug")])
def test_repeat__pass_fails__logged_and_done_again(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    passes: list[int] = []
    is_over = asyncio.Event()

    async def work() -> int:
        passes.append(len(passes))
        if len(passes) == 1:
            raise failure
        is_over.set()
        return 1

    async def story() -> None:
        task = asyncio.create_task(repeat(Chore("answer", 0.0, work)))
        await is_over.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())

    assert len(passes) >= 2
    assert {"chore_failed", "chore_crashed"} & set(caplog.messages)
