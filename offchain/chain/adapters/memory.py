"""The embedded devnet in this process: a real EVM executing real bytecode, without sockets.

For tests and short tools. Requests run on one thread with the deep stack that py-evm needs.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from offchain.chain.devnet import envelope
from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.embedded import EXECUTION_STACK_BYTES, EmbeddedNode
from offchain.chain.devnet.ledger import Ledger
from offchain.chain.devnet.network import DEFAULT_CHAIN_ID
from offchain.chain.errors import NodeUnreachable
from offchain.chain.jsonrpc import read_answer
from offchain.chain.ports import Answer, Question


class EmbeddedTransport:
    """A node that lives and dies with this object; its state is kept where a path is given."""

    def __init__(
        self,
        state_path: Path | None = None,
        *,
        chain_id: int = DEFAULT_CHAIN_ID,
        clock: Callable[[], float] = time.time,
    ) -> None:
        previous = threading.stack_size(EXECUTION_STACK_BYTES)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evm")
        opened = self._thread.submit(
            lambda: EmbeddedNode(
                DevChain(Ledger(state_path), chain_id=chain_id, clock=clock),
                monotonic=time.monotonic,
            )
        )
        threading.stack_size(previous)
        self._node = opened.result()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        try:
            answered = self._thread.submit(self._answer_all, questions)
        except RuntimeError as error:
            raise NodeUnreachable(node="embedded", reason="closed") from error
        return answered.result()

    def close(self) -> None:
        """Write everything down and stop."""
        self._thread.submit(self._node.chain.ledger.close).result()
        self._thread.shutdown()

    def _answer_all(self, questions: Sequence[Question]) -> list[Answer]:
        return [
            read_answer(
                self._node.answer(
                    envelope.Request(one.method, list(one.params), index, wants_answer=True)
                )
            )
            for index, one in enumerate(questions)
        ]
