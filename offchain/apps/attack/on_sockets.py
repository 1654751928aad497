"""Attacks on a node's socket: floods of connections, slow readers and writers, huge headers.

All at once against one honest node. Meanwhile a reader must still get its blob, and afterwards the
node must be healthy and small: nobody pays but the attacker with its own sockets.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import psutil

from offchain.apps.attack.arena import Arena
from offchain.apps.attack.report import Outcome, require
from offchain.apps.home import LOOPBACK, node_name
from offchain.core.units import MEGABYTE

NODE: Final = 5
SIZE: Final = 300_000
CONNECTIONS: Final = 300
SLOW_READERS: Final = 16
MOST_MB: Final = 400
HEALTHY_SECONDS: Final = 120.0
ANSWER_BYTES: Final = 4_096
FLOOD: Final = "flood of connections, slow readers, oversized headers"


def attack_sockets(arena: Arena) -> list[Outcome]:
    """Everything a socket allows, against one node, while a blob is read."""
    payload, done = arena.publish(SIZE)
    port = arena.system.manifest.ports[node_name(NODE)]
    rows = ",".join(map(str, arena.duty(arena.view(done.blob_id), NODE).rows[:64]))
    with _idle(port, CONNECTIONS), _slow_readers(port, done.blob_id.hex(), rows):
        answers = [_ask(port, raw) for raw in _malformed(done.blob_id.hex())]
        got = arena.read(done.blob_id)
        memory = psutil.Process(arena.system.supervisor.pid_of(node_name(NODE))).memory_info().rss
    require(got.payload == payload, FLOOD, "a reader did not get the blob")
    require(memory < MOST_MB * MEGABYTE, FLOOD, f"the node grew to {memory / MEGABYTE:.0f} MB")
    good = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200")]
    require(not good, FLOOD, "a malformed request was served")
    arena.wait_until(
        lambda: _ask(port, b"GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n").startswith(
            b"HTTP/1.1 200"
        ),
        seconds=HEALTHY_SECONDS,
        what="a healthy node after the flood",
    )
    shown = (
        f"{CONNECTIONS} idle, {SLOW_READERS} slow; node at {memory / MEGABYTE:.0f} MB, blob read"
    )
    return [Outcome(FLOOD, shown)]


def _malformed(blob: str) -> Iterator[bytes]:
    """Requests that no client sends."""
    start = b"GET /v1/blobs/%s/header HTTP/1.1\r\nHost: node\r\n" % blob.encode()
    yield start + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n"
    yield start + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)) + b"\r\n"
    yield (
        b"POST /v1/blobs/%s/rows HTTP/1.1\r\nHost: node\r\nContent-Length: 99999999999\r\n\r\n"
        % (blob.encode())
    )
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(512)


@contextmanager
def _idle(port: int, count: int) -> Iterator[None]:
    """Connections that say half a request and then nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            try:
                one = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=2))
                one.sendall(b"GET /v1/blobs/")
            except OSError:
                continue  # the node takes no more of them, which is its right
        yield


@contextmanager
def _slow_readers(port: int, blob: str, rows: str) -> Iterator[None]:
    """Readers that ask for rows and take none of the answer."""
    asked = f"GET /v1/blobs/{blob}/rows?i={rows} HTTP/1.1\r\nHost: node\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(SLOW_READERS):
            try:
                one = stack.enter_context(socket.create_connection((LOOPBACK, port), timeout=2))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
                one.sendall(asked)
            except OSError:
                continue
        yield


def _ask(port: int, raw: bytes) -> bytes:
    """The beginning of the answer; nothing when the node hangs up or says nothing."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as one:
            one.sendall(raw)
            return one.recv(ANSWER_BYTES)
    except OSError:
        return b""
