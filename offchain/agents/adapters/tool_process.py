"""Runs a tool in a process of its own: isolated interpreter, no environment, shut in, killed late.

Hosts are resolved here and handed over as addresses, so the process needs no name service and a
name that changes its address between check and use (rebinding) changes nothing.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from offchain.agents.runtime_errors import ToolFailed, ToolForbidden
from offchain.agents.skills import Value
from offchain.agents.tools import Call

PROGRAM: Final = Path(__file__).with_name("tool_program.py")
MEMORY_BYTES: Final = 1 << 29
MOST_HOSTS: Final = 8


class ProcessTools:
    """A `ToolRunner`; `needs_kernel`: refuse tools with reach where the kernel cannot lock them."""

    def __init__(self, *, needs_kernel: bool = False) -> None:
        self._needs_kernel = needs_kernel

    async def run(self, call: Call) -> Value:
        """Raises: ToolFailed, ToolForbidden."""
        hosts = await asyncio.to_thread(_resolved, call.reach.hosts)
        body = {
            "tool": call.tool.name,
            "arguments": dict(call.arguments),
            "read": list(call.reach.read),
            "write": list(call.reach.write),
            "hosts": hosts,
            "seconds": call.tool.seconds,
            "memory": MEMORY_BYTES,
            "output": call.tool.output_bytes,
        }
        with tempfile.TemporaryDirectory(prefix="apogee-tool-") as folder:
            raw = await _answer(call, json.dumps(body).encode() + b"\n", folder)
        found = _parsed(call, raw)
        has_reach = bool(hosts or call.reach.read or call.reach.write)
        if self._needs_kernel and has_reach and found.get("jail") != "kernel":
            raise ToolForbidden(tool=call.tool.name, reason="this kernel has no Landlock")
        if "error" in found:
            reason = str(found["error"])[:400]
            if reason.startswith("PermissionError"):
                raise ToolForbidden(tool=call.tool.name, reason=reason)
            raise ToolFailed(tool=call.tool.name, reason=reason)
        said = found.get("ok")
        if isinstance(said, list):
            return [str(one) for one in said]
        return str(said)


async def _answer(call: Call, body: bytes, folder: str) -> bytes:
    """What the process printed, bounded in bytes and time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        env={"LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    most = 8 * call.tool.output_bytes + 4_096  # JSON may write six characters for one
    try:
        async with asyncio.timeout(call.tool.seconds + 5):
            process.stdin.write(body)
            process.stdin.close()
            raw = b""
            while piece := await process.stdout.read(1 << 16):
                raw += piece
                if len(raw) > most:
                    raise ToolFailed(tool=call.tool.name, reason="too much", most=most)
            await process.wait()
            return raw
    except TimeoutError as error:
        raise ToolFailed(tool=call.tool.name, reason="late") from error
    except ConnectionError as error:
        raise ToolFailed(tool=call.tool.name, reason="it ended at once") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _parsed(call: Call, raw: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise ToolFailed(tool=call.tool.name, reason="it ended without an answer") from error
    if not isinstance(found, dict):
        raise ToolFailed(tool=call.tool.name, reason="no object")
    return found


def _resolved(hosts: tuple[str, ...]) -> list[tuple[str, int, str]]:
    """(address, port, name) of each `host:port`. Raises: ToolForbidden."""
    out = []
    for one in hosts[:MOST_HOSTS]:
        name, _, port = one.rpartition(":")
        try:
            found = socket.getaddrinfo(name, int(port), type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise ToolForbidden(host=one[:120], reason="cannot be resolved") from error
        out.append((str(found[0][4][0]), int(port), name))
    return out
