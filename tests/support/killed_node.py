"""A node as a process of its own, which tests kill and start again on its disk."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 300


def start(program: str, arguments: Sequence[object]) -> subprocess.Popen[bytes]:
    """Run a program of tests/support."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/support" / program), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )


@asynccontextmanager
async def a_node_process(
    program: str, port: int, arguments: Sequence[object]
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a program of tests/support until its node is ready; it is gone after the block."""
    child = start(program, arguments)
    try:
        await _until_ready(port, child)
        yield child
    finally:
        child.kill()
        child.communicate()


async def _until_ready(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < deadline and child.poll() is None:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    child.kill()
    _, errors = child.communicate()
    pytest.fail(f"the node did not start: {child.returncode}\n{errors.decode()[-2_000:]}")
