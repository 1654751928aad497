"""JSON-RPC over HTTP on one keep-alive connection; answers are bounded in size and time.

Reads and resends of the same signed bytes are harmless, so an unanswered request is repeated with
growing pauses. A batch is cut so that no request passes the limits geth and the devnet have.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

import httpx

from offchain.chain.adapters.direct_http import AnswerTooLarge, DirectPoster
from offchain.chain.errors import AnswerMalformed, NodeOverloaded, NodeUnreachable
from offchain.chain.jsonrpc import read_answers, write_requests
from offchain.chain.ports import Answer, Question

MAX_BATCH: Final = 250
MAX_REQUEST_BYTES: Final = 3_000_000  # Anvil refuses bodies above about 3.7 MB
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_BUSY: Final = frozenset({429, 502, 503, 504})
_HEADERS: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class HttpPatience:
    """How long and how often a node is asked before it counts as unreachable."""

    timeout_seconds: float = 30.0  # heavy calls take seconds on py-evm
    attempts: int = 4  # with the pauses below about 1.4 s, a node's restart
    first_pause_seconds: float = 0.2  # doubles


class HttpTransport:
    """One node at one URL; safe to share between threads."""

    def __init__(
        self,
        url: str,
        *,
        patience: HttpPatience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._patience = patience or HttpPatience()
        self._sleep = sleep
        self._lock = threading.Lock()
        host = urlsplit(url).hostname or ""
        # A proxy in the environment is for the outside, never for this machine's own node.
        seconds = self._patience.timeout_seconds
        self._client = httpx.Client(timeout=seconds, trust_env=host not in _LOOPBACK)
        self._direct: DirectPoster | None = None
        if host in _LOOPBACK and urlsplit(url).scheme == "http":
            self._direct = DirectPoster(url, timeout_seconds=seconds, max_bytes=MAX_ANSWER_BYTES)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        answers: list[Answer] = []
        with self._lock:
            for body, count in _bodies(questions):
                answers.extend(read_answers(self._post(body), count))
        return answers

    def close(self) -> None:
        self._client.close()
        if self._direct is not None:
            self._direct.close()

    def _post(self, body: bytes) -> bytes:
        pause = self._patience.first_pause_seconds
        for _ in range(self._patience.attempts - 1):
            try:
                return self._post_once(body)
            except (NodeUnreachable, NodeOverloaded):
                self._sleep(pause)
                pause *= 2
        return self._post_once(body)

    def _post_once(self, body: bytes) -> bytes:
        node = _shown(self._url)
        status, raw = self._exchange(body, node)
        if status in _BUSY:
            raise NodeOverloaded(node=node, status=status)
        if status != httpx.codes.OK and not raw.lstrip().startswith((b"{", b"[")):
            raise AnswerMalformed(node=node, status=status)
        return raw

    def _exchange(self, body: bytes, node: str) -> tuple[int, bytes]:
        """Status and answer. Raises: NodeUnreachable, AnswerMalformed."""
        if self._direct is not None:
            try:
                return self._direct.post(body)
            except AnswerTooLarge as error:
                raise _too_large() from error
            except (OSError, HTTPException) as error:
                raise NodeUnreachable(node=node, reason=type(error).__name__) from error
        try:
            with self._client.stream("POST", self._url, content=body, headers=_HEADERS) as response:
                raw = bytearray()
                for part in response.iter_bytes():
                    raw += part
                    if len(raw) > MAX_ANSWER_BYTES:
                        raise _too_large()
                return response.status_code, bytes(raw)
        except httpx.UnsupportedProtocol as error:
            raise AnswerMalformed(node=node, reason=str(error)) from error
        except httpx.HTTPError as error:
            raise NodeUnreachable(node=node, reason=str(error) or type(error).__name__) from error
        except httpx.InvalidURL as error:
            raise AnswerMalformed(node=node, reason=str(error)) from error


def _too_large() -> AnswerMalformed:
    return AnswerMalformed(reason="answer too large", limit=MAX_ANSWER_BYTES)


def _bodies(questions: Sequence[Question]) -> list[tuple[bytes, int]]:
    """Request bodies within the limits, each with its number of questions."""
    bodies: list[tuple[bytes, int]] = []
    group: list[Question] = []
    size = 0
    for question in questions:
        length = 100 + sum(len(str(value)) for value in question.params)
        if group and (len(group) >= MAX_BATCH or size + length > MAX_REQUEST_BYTES):
            bodies.append((write_requests(group), len(group)))
            group, size = [], 0
        group.append(question)
        size += length
    if group:
        bodies.append((write_requests(group), len(group)))
    return bodies


def _shown(url: str) -> str:
    """The URL without what may be a secret: user info, path and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
