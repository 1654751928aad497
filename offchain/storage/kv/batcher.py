"""A batcher: promises operations, collects them for a moment, brings them into the log in order.

An operation is checked against everything promised before it, written to the journal, and only then
acknowledged. One batch is on its way at a time, so that a signer's nonces never overtake each
other; it keeps its key until the log has it, whatever crashes in between. What falls out of the log
by a reorganisation is still promised until its time is over, and goes in again. Source:
docs/protocol/storage.md#key-value-streams, INV-KV-11.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from offchain.core.errors import ApogeeError, Corrupt
from offchain.core.hashing import keccak
from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.errors import BatcherFull, OpMalformed, OpTooLong
from offchain.storage.kv.hot import HotState, Promised
from offchain.storage.kv.moment import OpResult
from offchain.storage.kv.op import MAX_OP_BYTES, HoldsKey, parse_op
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.ports import BatchSink, PromiseJournal
from offchain.storage.kv.promise import SoftAck, promise

MAX_STREAMS: Final = 64
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When a batch is cut and how much may wait.

    `window_seconds` and `window_bytes`: whichever comes first; `batch_bytes` at most in one batch;
    `promise_seconds` of log time to bring an operation in; `waiting_bytes` not in the log yet;
    `op_bytes` of one operation at most, less where batches go into the log itself.
    """

    window_seconds: float = 0.25
    window_bytes: int = 256 << 10
    batch_bytes: int = 4 << 20
    promise_seconds: int = 600
    waiting_bytes: int = 64 << 20
    retry_seconds: float = 0.5
    op_bytes: int = MAX_OP_BYTES


@dataclass(frozen=True, slots=True)
class BatcherParts:
    """What a batcher works with; `now` is log time, `applied` the entries its replica has seen."""

    hot: HotState
    journal: PromiseJournal
    sink: BatchSink
    account: bytes
    key: HoldsKey
    domain: bytes
    now: Callable[[], int]
    result_of: Callable[[bytes], OpResult | None]
    applied: Callable[[], int]


class Batcher:
    """Takes operations on an event loop; `run` brings them into the log."""

    def __init__(self, parts: BatcherParts, rules: BatchRules | None = None) -> None:
        self._parts = parts
        self._rules = rules or BatchRules()
        self._promised: dict[bytes, tuple[Promised, int]] = {}
        self._queue: dict[bytes, Promised] = {}
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._sent: dict[bytes, int] = {}

    def adopt(self, rules: BatchRules) -> None:
        """Cut by other rules from the next batch on; what is promised stays promised."""
        self._rules = rules

    async def open(self) -> None:
        """Take up what was promised before a restart; the replica has read the log."""
        parts, gone = self._parts, []
        ops = [
            (Promised(parse_op(raw), raw, keccak(raw)), by) for raw, by in parts.journal.waiting()
        ]
        fresh = [op for op, _ in ops if parts.result_of(op.digest) is None]
        outcomes = await asyncio.to_thread(parts.hot.admit, fresh, parts.now())
        refused = dict(zip((op.digest for op in fresh), outcomes, strict=True))
        for op, include_by in ops:
            result = parts.result_of(op.digest)
            is_final = result is not None and result.is_final
            if is_final or refused.get(op.digest, Outcome.APPLIED) is not Outcome.APPLIED:
                gone.append(op.digest)  # its nonce is used: the log has it, or a later one
                continue
            self._promised[op.digest] = (op, include_by)
            self._bytes += len(op.raw)
            if result is None:
                self._queue[op.digest] = op
            else:
                self._sent[op.digest] = result.seq
        await asyncio.to_thread(parts.journal.done, gone)
        if self._queue:
            self._arrived.set()

    @property
    def waiting(self) -> int:
        """Operations that are promised and not in the log."""
        return len(self._promised)

    async def submit(self, raws: Sequence[bytes]) -> list[SoftAck | Outcome]:
        """A promise for each operation, or what it would have come to; durable when it returns.

        Raises: BatcherFull, OpTooLong, StoreBroken.
        """
        if self._bytes + sum(map(len, raws)) > self._rules.waiting_bytes:
            raise BatcherFull(waiting_bytes=self._bytes)
        longest = max(map(len, raws), default=0)
        if longest > self._rules.op_bytes:
            raise OpTooLong(bytes=longest, maximum=self._rules.op_bytes)
        async with self._turn:
            answers = await asyncio.to_thread(self._promise, raws)
        self._arrived.set()
        if self._queued_bytes() >= self._rules.window_bytes:
            self._full.set()
        return answers

    def _promise(self, raws: Sequence[bytes]) -> list[SoftAck | Outcome]:
        parts, now = self._parts, self._parts.now()
        ops = [_parsed(raw) for raw in raws]
        known = [op for op in ops if op is not None]
        outcomes = dict(zip((op.digest for op in known), parts.hot.admit(known, now), strict=True))
        include_by = now + self._rules.promise_seconds
        fresh = [
            op
            for op in {op.digest: op for op in known}.values()
            if outcomes[op.digest] is Outcome.APPLIED and op.digest not in self._promised
        ]
        try:
            if fresh:
                parts.journal.record([(op.raw, include_by) for op in fresh])
        except BaseException:
            parts.hot.forget([op.digest for op in fresh], now)
            raise
        for op in fresh:
            self._promised[op.digest] = (op, include_by)
            self._queue[op.digest] = op
            self._bytes += len(op.raw)
        return [self._answer(op, outcomes) for op in ops]

    def _answer(self, op: Promised | None, outcomes: dict[bytes, Outcome]) -> SoftAck | Outcome:
        if op is None:
            return Outcome.MALFORMED
        if outcomes[op.digest] is not Outcome.APPLIED:
            return outcomes[op.digest]
        parts = self._parts
        by = self._promised[op.digest][1]
        batcher = (parts.account, parts.key)
        return promise(op.op.stream, op.digest, by, batcher=batcher, domain=parts.domain)

    async def run(self) -> None:
        """Bring promised operations into the log until cancelled."""
        earlier = self._parts.journal.batch()
        if earlier is not None:
            await self._bring(earlier[0], [one for one in earlier[1] if one in self._queue])
        while True:
            await self._arrived.wait()
            await self._window()
            self._arrived.clear()
            while digests := self._cut():
                key = keccak(b"".join(digests), self._parts.now().to_bytes(8, "big"))
                await asyncio.to_thread(self._parts.journal.batched, key, digests)
                await self._bring(key, digests)

    async def moved(self) -> None:
        """The replica has moved: settle what is final, queue again what the log has lost."""
        parts, applied = self._parts, self._parts.applied()
        logged: list[bytes] = []
        done: list[bytes] = []
        back: list[Promised] = []
        # Copied at once: a thread that promises may add to it meanwhile.
        for digest, (op, _) in tuple(self._promised.items()):
            result = parts.result_of(digest)
            if result is None:
                if self._sent.get(digest, applied) < applied:
                    back.append(op)
                continue
            self._sent[digest] = result.seq
            if digest in parts.hot:
                logged.append(digest)
            if result.is_final:
                done.append(digest)
                if result.outcome is not Outcome.APPLIED:
                    log.warning("promise_without_effect", extra={"outcome": result.outcome.value})
        if logged or done or back:
            async with self._turn:
                await asyncio.to_thread(self._settle, logged, done, back)
        if back:
            log.warning("promises_taken_back", extra={"operations": len(back)})
            self._arrived.set()

    def _settle(
        self, logged: Sequence[bytes], done: Sequence[bytes], back: Sequence[Promised]
    ) -> None:
        # whoever looked at the same time may have settled some of them already
        done = [digest for digest in done if digest in self._promised]
        back = [one for one in back if one.digest in self._sent]
        if done:
            self._parts.journal.done(done)
        for digest in done:
            op, _ = self._promised.pop(digest)
            self._bytes -= len(op.raw)
            self._sent.pop(digest, None)
        for digest in (*logged, *done):
            self._queue.pop(digest, None)
        if logged or back:
            self._parts.hot.forget(logged, self._parts.now(), is_logged=not back)
        if back:
            self._parts.hot.admit(back, self._parts.now())
            for one in back:
                del self._sent[one.digest]
            self._queue = {one.digest: one for one in back} | self._queue

    async def _window(self) -> None:
        """Until the window is over or full."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rules.window_seconds):
                await self._full.wait()
        self._full.clear()

    def _queued_bytes(self) -> int:
        return sum(len(op.raw) for op in tuple(self._queue.values()))

    def _cut(self) -> list[bytes]:
        """The next batch: in the order of promises, few streams, not too long, no group torn."""
        digests: list[bytes] = []
        streams: set[bytes] = set()
        size = 0
        for digest, one in list(self._queue.items()):
            is_start = one.op.group_place == 0
            is_full = size + len(one.raw) > self._rules.batch_bytes
            is_wide = len(streams | {one.op.stream}) > MAX_STREAMS
            if digests and (is_wide or (is_full and is_start)):
                break
            digests.append(digest)
            streams.add(one.op.stream)
            size += len(one.raw) + 4
        return digests

    async def _bring(self, key: bytes, digests: Sequence[bytes]) -> None:
        ops = [self._promised[digest][0] for digest in digests if digest in self._promised]
        if not ops:
            return
        batch = encode_batch([one.raw for one in ops])
        streams = sorted({one.op.stream for one in ops})
        while True:
            try:
                seq = await asyncio.to_thread(self._parts.sink.append, key.hex(), streams, batch)
                break
            except Corrupt:
                raise
            except ApogeeError as error:  # whatever the chain or the nodes say, it is promised
                log.warning("batch_delayed", extra={"code": error.code, "operations": len(ops)})
                await asyncio.sleep(self._rules.retry_seconds)
        for digest in digests:
            self._queue.pop(digest, None)
            if digest in self._promised:
                self._sent[digest] = seq


def _parsed(raw: bytes) -> Promised | None:
    try:
        return Promised(parse_op(raw), raw, keccak(raw))
    except OpMalformed:
        return None
