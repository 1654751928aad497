"""The demo's acts over a running system: publish, lose two nodes, read back, convict a cheat."""

import asyncio
import hashlib
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.apps.demo.money import Balances, MoneyPath, trace_money
from offchain.apps.demo.report import Step, Story, say_live
from offchain.apps.disperser import ledger_of, open_publisher, open_reader
from offchain.apps.home import node_name
from offchain.apps.keystore import AccountKey, Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment, node_role
from offchain.apps.system import System
from offchain.chain.model import TransactionHash
from offchain.core.bls import Signature
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Unavailable
from offchain.core.layout import MAX_PAYLOAD_BYTES, N
from offchain.core.matrix.encode import encode
from offchain.core.units import MEGABYTE
from offchain.da.accept import read_view
from offchain.da.accuse import Accuse, SignedAttestation, Verdict, find_equivocation
from offchain.da.adapters.chain_court import ChainCourt
from offchain.da.adapters.equivocating_signer import EquivocatingSigner
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.dispersals import Stage
from offchain.da.disperse import Dispersed, Progress
from offchain.da.model import Equivocation
from offchain.da.ports import Settlement
from offchain.da.split import FetchFile, PublishedFile, PublishFile

DAYS: Final = 14
KILLED: Final = 2
CHEAT: Final = 0  # which node's operator equivocates; the last two are killed
THREADS: Final = 2
WARM_BYTES: Final = 1_000_000
ASKED_AGAIN: Final = 12  # of five seconds each


@dataclass(slots=True)
class Watch:
    """When each blob came to each stage, and how it goes, on one live line."""

    reached: dict[Stage, dict[bytes, float]] = field(default_factory=dict)

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        self.reached.setdefault(progress.stage, {}).setdefault(progress.blob_id, now)
        if progress.slices_needed:
            say_live(
                f"{progress.slices_signed}/{progress.slices_needed} slices signed, "
                f"{progress.bytes_sent / MEGABYTE:.1f} MB sent"
            )

    def seconds(self, begin: Stage, end: Stage) -> float:
        """From one stage to a later one, summed over blobs."""
        began = self.reached[begin]
        return sum(at - began[blob] for blob, at in self.reached[end].items())


@dataclass(frozen=True, slots=True)
class Acts:
    """The demo's acts; each tells its step."""

    system: System
    network: Network
    engine: ErasureEngine
    story: Story

    def encode(self, file: Path, length: int) -> None:
        """Encode the first matrix in this process, to show the bare speed of the code."""
        with file.open("rb") as source:
            payload = source.read(MAX_PAYLOAD_BYTES)
        encode(payload[:WARM_BYTES], self.engine, threads=THREADS)  # loads the compiled kernels
        with self.story.step("encode") as step:
            encoded = encode(payload, self.engine, threads=THREADS)
            step.size_bytes = len(payload)
            columns, engine = encoded.shape.columns, self.engine.name
            step.detail = f"{N} rows of {32 * columns:,} bytes, engine {engine}, {THREADS} threads"
            if length > len(payload):
                step.detail += ", first part"

    def publish(self, file: Path, length: int) -> PublishedFile:
        """Pay, send over sockets, collect signatures, have the certificates verified on chain."""
        watch = Watch()
        started = time.monotonic()
        done = asyncio.run(self._publish(file, length, watch))
        self._tell_published(done, watch, time.monotonic() - started)
        return done

    def kill_nodes(self) -> list[str]:
        """SIGKILL the last two nodes, as a power cut would."""
        count = self.system.manifest.nodes
        names = [node_name(index) for index in range(count - KILLED, count)]
        with self.story.step("kill two nodes") as step:
            for name in names:
                self.system.supervisor.kill(name)
            step.detail = ", ".join(names) + " got SIGKILL"
        return names

    def retrieve(self, published: PublishedFile, file: Path, into: Path) -> bool:
        """Read the file back from the survivors, every row verified; whether it is the same."""
        with self.story.step("retrieve") as step:
            step.size_bytes = asyncio.run(self._retrieve(published, into))
            step.detail = "from the surviving nodes, every row verified, re-encoded and compared"
        with self.story.step("compare") as step:
            same = _digest(file) == _digest(into)
            step.detail = "equal byte for byte" if same else "DIFFERENT"
        return same

    def convict(self, blob_id: bytes) -> tuple[MoneyPath, Verdict]:
        """The cheat signs a second statement; somebody who holds both has it slashed."""
        home, network = self.system.home, self.network
        reporter = Keystore(home.keys).account("reporter")
        Enrolment(network, home).fund([reporter])
        operator = self._operator_id(CHEAT)
        before = Balances.read(network, operator, address_of(reporter))
        with self.story.step("equivocation found") as step:
            first, second = asyncio.run(self._two_statements(blob_id))
            key = Keystore(home.keys).bls(node_role(CHEAT)).public_key()
            domain = ledger_of(network).domain()
            case = find_equivocation(key, first, second, domain)
            step.detail = f"operator {operator} signed two expiries for one blob"
        with self.story.step("slash") as step:
            verdict = self._accuse(reporter, case)
            _note(step, verdict.reported)
        receipt = network.node.receipt(TransactionHash(verdict.reported.transaction))
        after = Balances.read(network, operator, address_of(reporter))
        assert receipt
        return trace_money(network, receipt, before, after), verdict

    async def _publish(self, file: Path, length: int, watch: Watch) -> PublishedFile:
        home = self.system.home
        with file.open("rb") as source:
            async with open_publisher(
                self.network, home, self.engine, watch=watch, threads=THREADS
            ) as publisher:
                salt = secrets.token_bytes(32)
                return await PublishFile(publisher.disperse).publish(
                    source.read, length, days=DAYS, salt=salt
                )

    def _tell_published(self, done: PublishedFile, watch: Watch, seconds: float) -> None:
        """Three steps of one run: payments, the way to the nodes, certificates."""
        main = main_blob(done)
        with self.story.step("pay") as step:
            paid = [blob.paid for blob in done.blobs if blob.paid]
            _note(step, paid[0])
            step.seconds = max(seconds - watch.seconds(Stage.PAID, Stage.CONFIRMED), 1e-9)
            wei = sum(one.value_wei for one in paid)
            step.detail = f"{wei:,} wei for {DAYS} days, encoding included"
        with self.story.step("disperse") as step:
            step.size_bytes = done.length
            step.seconds = watch.seconds(Stage.PAID, Stage.ATTESTED)
            sent = sum(blob.bytes_sent for blob in done.blobs)
            step.detail = (
                f"{sent / MEGABYTE:.1f} MB over sockets, from payment to enough signatures"
            )
        with self.story.step("certificate") as step:
            assert main.confirmed
            _note(step, main.confirmed)
            step.seconds = watch.seconds(Stage.ATTESTED, Stage.CONFIRMED)
            step.detail = f"BLS aggregate verified on chain, {len(main.absent)} signers absent"

    async def _retrieve(self, published: PublishedFile, into: Path) -> int:
        async with open_reader(self.network, self.engine, threads=THREADS) as reader:
            with into.open("wb") as sink:
                return await FetchFile(reader).fetch(published.reference, sink.write)

    async def _two_statements(self, blob_id: bytes) -> tuple[SignedAttestation, SignedAttestation]:
        """What the cheat's node signed for everybody, and what it signed beside it."""
        ledger = ledger_of(self.network)
        view = await asyncio.to_thread(read_view, ledger, blob_id)
        assert view.duties
        duty = view.duties.of(self._operator_id(CHEAT))
        assert duty
        async with HttpNodeClient() as client:
            raw = await _signature(client, duty.endpoint, blob_id)
        statement = view.attestation()
        signer = EquivocatingSigner(Keystore(self.system.home.keys).bls(node_role(CHEAT)))
        other, signature = signer.contradict(statement, ledger.domain())
        return (
            SignedAttestation(statement, Signature.parse(raw)),
            SignedAttestation(other, signature),
        )

    def _accuse(self, reporter: AccountKey, case: Equivocation) -> Verdict:
        ledger, network = ledger_of(self.network), self.network
        with open_sender(network, self.system.home, "reporter", reporter) as sender:
            court = ChainCourt(network.node, network.court, network.challenges, sender)
            accuse = Accuse(ledger, court, LocalRequestSigner(reporter.secret))
            return asyncio.run(accuse.accuse(case))

    def _operator_id(self, index: int) -> int:
        account = Keystore(self.system.home.keys).account(node_role(index))
        at = self.network.node.block().hash
        return self.network.stake.operator_of(address_of(account), at=at)


async def _signature(client: HttpNodeClient, endpoint: str, blob_id: bytes) -> bytes:
    """What a node signed; asked again while a loaded machine lets it answer too late."""
    for _ in range(ASKED_AGAIN):
        with suppress(Unavailable):
            return await client.signature(endpoint, blob_id)
    return await client.signature(endpoint, blob_id)


def main_blob(published: PublishedFile) -> Dispersed:
    """The first blob of a file: the whole file when it fits one matrix."""
    return published.blobs[0]


def _note(step: Step, settlement: Settlement) -> None:
    step.gas = settlement.gas_used
    step.transaction = "0x" + settlement.transaction.hex()


def _digest(file: Path) -> bytes:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").digest()
