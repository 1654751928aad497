"""A process that sends calls from an account and dies, without a word, at a chosen step.

Usage: dying_sender.py URL OUTBOX SECRET_HEX STEP TO_HEX DATA_HEX...
STEP is one of STEPS; each DATA is one call to TO, with its hex as key. Prints `survived` last.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from offchain.chain.adapters.rpc import HttpTransport
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, Call, Receipt, TransactionHash, TypedCall
from offchain.chain.node import Node
from offchain.chain.ports import UnsignedTransaction
from offchain.chain.sender import TransactionSender
from offchain.core.errors import ApogeeError

STEPS = (
    "before estimate",
    "before signing",
    "before broadcast",
    "amid broadcast",
    "after broadcast",
    "before receipts",
    "after receipts",
    "never",
)


class MortalNode(Node):
    """The real node; the process ends around one of its methods."""

    def __init__(self, url: str, step: str) -> None:
        super().__init__(HttpTransport(url))
        self._step = step

    def estimate(self, calls: Sequence[Call]) -> list[int]:
        self._die_at("before estimate")
        return super().estimate(calls)

    def broadcast(self, signed: Sequence[bytes]) -> list[ApogeeError | None]:
        self._die_at("before broadcast")
        if self._step == "amid broadcast":
            super().broadcast(signed[: (len(signed) + 1) // 2])
            self._die_at("amid broadcast")
        answers = super().broadcast(signed)
        self._die_at("after broadcast")
        return answers

    def receipts(self, transactions: Sequence[TransactionHash]) -> list[Receipt | None]:
        self._die_at("before receipts")
        found = super().receipts(transactions)
        self._die_at("after receipts")
        return found

    def _die_at(self, step: str) -> None:
        if self._step == step:
            die()


class MortalSigner:
    """The real signer; the process may end before the last of its signatures."""

    def __init__(self, signer: LocalSigner, step: str, count: int) -> None:
        self._signer = signer
        self._left = count if step == "before signing" else 0

    @property
    def address(self) -> Address:
        return self._signer.address

    def sign_transaction(self, transaction: UnsignedTransaction) -> bytes:
        self._left -= 1
        if self._left == 0:
            die()
        return self._signer.sign_transaction(transaction)

    def sign_digest(self, digest: bytes) -> bytes:
        return self._signer.sign_digest(digest)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, outbox: str, secret: str, step: str, to: str, *payloads: str) -> None:
    node = MortalNode(url, step)
    signer = MortalSigner(LocalSigner.from_secret(bytes.fromhex(secret)), step, len(payloads))
    receiver = Address(bytes.fromhex(to))
    calls = [
        (data, TypedCall(receiver, bytes.fromhex(data), 0, "Probe", "bump")) for data in payloads
    ]
    with TransactionSender.open(node, signer, Path(outbox)) as sender:
        sender.wait_all(sender.send_many(calls))
    sys.stdout.write("survived\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
