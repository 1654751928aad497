"""Gas of storage transactions: a submission, a batch of key-value operations, what comes with them.

Figures are whole transactions on the devnet chain, mined by py-evm: intrinsic cost, calldata, cold
storage, refunds and the floor of EIP-7623 are in them. A submission is held to its worst case among
those that find the log as it usually is and send exactly what they may cost. Beside it, without a
bar, stand those that cost more: one that gets change back pays for one more transfer, the first of
an epoch writes down the root of the one before (two slots), and one that fills the log up to a
power of two takes a new slot.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

from eth_account import Account

from benchmarks.da_gas import CertificateStage, fields_of
from benchmarks.rows import Row, at_most, measure
from benchmarks.storage_proof_gas import proof_rows
from benchmarks.storage_seats_gas import seat_rows
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN

COMMAND = "apogee bench storage --json"
OPERATORS = 4
BAR_SUBMIT = 160_000
BAR_BATCH = 110_000
MAX_COST = WEI_PER_COIN // 10
FILLED = 16  # entries before the figures begin
TYPICAL_STREAMS = 8
MOST_STREAMS = 64
INLINE_BYTES = 512  # two or three operations


class LogStage(CertificateStage):
    """A chain with a log that is in use, an owner of files and an available blob."""

    def __init__(self) -> None:
        super().__init__(OPERATORS)
        self.secret = self.secrets[0]
        self.owner = Account.from_key(self.secret).address
        self.nonce = 0
        self.blob_id = self._available_blob()
        for _ in range(FILLED):
            self.submit()

    def submit(self, *, change: int = 0, nonce: int | None = None) -> int:
        """Submit a file as its owner; what is sent above its maximum cost comes back."""
        number = self.nonce if nonce is None else nonce
        self.nonce += nonce is None
        submission = (
            self.owner,
            number,
            keccak(b"root", number.to_bytes(4, "big")),
            1,
            1_000_000,
            3,
            1,
            100,
            MAX_COST,
            2**63,
        )
        return self.stage.value_call(
            self.secret, "StorageLog", "submit", submission, b"", value=MAX_COST + change
        )

    def signed_submit(self) -> int:
        """Submit a file that its owner has signed, paid by somebody else."""
        submission = (self.owner, 10**6, keccak(b"signed"), 1, 10**6, 3, 1, 100, MAX_COST, 2**63)
        digest = self.stage.read("StorageLog", "submission_digest", submission)
        signature = bytes(Account.unsafe_sign_hash(digest, self.secret).signature)
        return self.stage.send(
            "StorageLog", "submit", submission, signature, sender=2, value=MAX_COST
        )

    def next_epoch(self) -> None:
        self.stage.chain.increase_time(self.stage.read("StakeManager", "epoch_length"))
        self.stage.chain.mine()

    def batch(self, streams: int) -> int:
        return self.stage.send("StorageLog", "append_batch", _streams(streams), self.blob_id)

    def inline(self, streams: int, size: int) -> int:
        operations = keccak(b"operations") * (size // 32)
        return self.stage.send("StorageLog", "append_inline", _streams(streams), operations)

    def _available_blob(self) -> bytes:
        blob = replace(self._blob(0), length=1_000_000, columns=32)
        self.certificate_gas(0, salt=0, blob=blob)
        return bytes(self.stage.read("DAEntrance", "blob_id", fields_of(blob)))


def log_rows() -> list[Row]:
    """The log and the streams."""
    stage = LogStage()
    usual = max(stage.submit() for _ in range(FILLED - 1))
    new_level = stage.submit()
    changed = max(stage.submit(change=1) for _ in range(FILLED))
    again = stage.submit(nonce=0)
    signed = stage.signed_submit()
    created = stage.stage.send("KVStreams", "create", bytes(32))
    batch, wide = stage.batch(TYPICAL_STREAMS), stage.batch(MOST_STREAMS)
    inline = stage.inline(1, INLINE_BYTES)
    stage.next_epoch()
    return [
        at_most("storage.submit.gas", usual, "gas", BAR_SUBMIT, command=COMMAND),
        _plain("storage.submit.gas.with_change", changed),
        _plain("storage.submit.gas.signed", signed),
        _plain("storage.submit.gas.new_level", new_level),
        _plain("storage.submit.gas.first_of_epoch", stage.submit()),
        _plain("storage.submit.gas.again", again),
        at_most("storage.kv_batch.gas", batch, "gas", BAR_BATCH, command=COMMAND),
        _plain("storage.kv_batch.gas.64_streams", wide),
        _plain("storage.kv_batch.gas.inline", inline),
        _plain("storage.kv_create.gas", created),
    ]


PARTS: tuple[Callable[[], list[Row]], ...] = (log_rows, seat_rows, proof_rows)


def run() -> list[Row]:
    """Measure everything; raises when a transaction that must succeed does not."""
    return [row for part in PARTS for row in part()]


def _streams(count: int) -> list[bytes]:
    return [keccak(b"stream", bytes([number])) for number in range(count)]


def _plain(name: str, gas: int) -> Row:
    return at_most(name, gas, "gas", None, command=COMMAND)


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
