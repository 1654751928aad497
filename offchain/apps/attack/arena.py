"""The network that attacks are run against, and what attackers and their victims use of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final, cast

from offchain.apps.devnet_time import travel_to
from offchain.apps.disperser import ledger_of, open_reader
from offchain.apps.home import node_name
from offchain.apps.keystore import AccountKey, Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment, node_role, pool_of
from offchain.apps.system import System
from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, Call, Receipt, TransactionHash, TypedCall
from offchain.chain.reverts import typed_error
from offchain.chain.sender import TransactionSender
from offchain.core.bls import SecretKey
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError, Unavailable
from offchain.da.accept import read_view
from offchain.da.adapters.chain_blobs import ChainBlobs
from offchain.da.adapters.chain_ledger import ChainLedger
from offchain.da.adapters.chain_till import ChainTill
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.lying_engine import LyingEngine
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.adapters.misconduct import Misconduct
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.challenge_book import Asked
from offchain.da.deliver import DeliverRows, DeliveryRules, Parcel
from offchain.da.disperse import (
    DispersalRules,
    DisperseBlob,
    Dispersed,
    DisperserParts,
    Planned,
)
from offchain.da.duties import BlobView, Duty
from offchain.da.model import Blob, attestation_digest
from offchain.da.retrieve import Retrieved
from offchain.staking.court_events import Slashed

DISPERSER: Final = "disperser"
CUSTOMER: Final = "customer"
DAYS: Final = 14
POLL_SECONDS: Final = 0.5


class NothingHappened(Unavailable):
    """What a process of the network does by itself was not done in time."""

    code = "attack.nothing_happened"
    next_step = "Run again on a machine that is less busy; with --keep DIR the logs stay."


@dataclass(frozen=True, slots=True)
class Disperser:
    """What a disperser is made of, for attackers who use the parts in another way."""

    publish: DisperseBlob
    deliver: DeliverRows
    till: ChainTill
    parts: DisperserParts


@dataclass(frozen=True, slots=True)
class Arena:
    """One network, its engine and the randomness of its attackers."""

    system: System
    network: Network
    engine: ErasureEngine
    randomness: Random

    @property
    def ledger(self) -> ChainLedger:
        return ledger_of(self.network)

    def account(self, role: str) -> AccountKey:
        return Keystore(self.system.home.keys).account(role)

    def address(self, role: str) -> Address:
        return address_of(self.account(role))

    def bls(self, index: int) -> SecretKey:
        return Keystore(self.system.home.keys).bls(node_role(index))

    def fund(self, *roles: str) -> None:
        """Fill accounts of attackers and customers from the devnet's faucet."""
        accounts = [self.account(role) for role in roles]
        Enrolment(self.network, self.system.home).fund(accounts)

    @contextmanager
    def sender(self, role: str) -> Iterator[TransactionSender]:
        with open_sender(self.network, self.system.home, role, self.account(role)) as sender:
            yield sender

    def operator(self, role: str) -> int:
        at = self.network.node.block().hash
        return int(self.network.stake.operator_of(self.address(role), at=at))

    def own_stake(self, role: str) -> int:
        """Wei of an operator's own in its DA pool."""
        at = self.network.node.block().hash
        return self.network.stake.pool_state(pool_of(self.operator(role)), at=at).own

    def travel(self, timestamp: int) -> None:
        """Move the devnet's clock forward."""
        travel_to(self.system.rpc, timestamp)

    def draw_table(self) -> None:
        """Have the current epoch's table drawn, as the worker of a running home does."""
        self.system.open_table()

    def bad_engine(self, bad_row: int) -> ErasureEngine:
        return cast("ErasureEngine", LyingEngine(self.engine, bad_row))

    def restart(self, index: int, misconduct: Misconduct | None = None) -> None:
        """Start a node again, as an adversary or as an honest one."""
        name = node_name(index)
        self.system.supervisor.stop(name)
        flags = ("--adversary", misconduct.value) if misconduct else ()
        self.system.launch_node(index, *flags)
        self.system.supervisor.wait_healthy([name])

    def refusal(self, call: TypedCall, role: str) -> ApogeeError | None:
        """Why the chain would refuse this call of an account; None when it would do it."""
        asked = Call(call.to, call.data, sender=self.address(role), value_wei=call.value_wei)
        try:
            self.network.node.estimate([asked])
        except CallReverted as failure:
            return typed_error(failure, call.contract, call.function, call.reverts)
        return None

    def view(self, blob_id: bytes) -> BlobView:
        return read_view(self.ledger, blob_id)

    def duty(self, view: BlobView, index: int) -> Duty:
        """What the operator of a node answers for."""
        assert view.duties is not None
        duty = view.duties.of(self.operator(node_role(index)))
        assert duty is not None
        return duty

    def blob(self, blob_id: bytes) -> Blob:
        """What was paid for, as the contracts take it."""
        return ChainBlobs(self.network.node, self.network.entrance).blob(blob_id)

    def leaf_frame(self, index: int, asked: Asked) -> bytes:
        """The leaf as a node serves it."""
        duty = self.duty(self.view(asked.blob_id), index)

        async def fetch() -> bytes:
            async with HttpNodeClient() as client:
                return await client.leaf(duty.endpoint, asked.blob_id, asked.row, asked.leaf)

        return asyncio.run(fetch())

    def wait_until(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Let blocks pass until something happened. Raises: NothingHappened."""
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                raise NothingHappened(waited_for=what, seconds=seconds)
            self.system.rpc.ask("evm_mine")
            time.sleep(POLL_SECONDS)

    def receipt(self, transaction: bytes) -> Receipt:
        receipt = self.network.node.receipt(TransactionHash(transaction))
        assert receipt is not None
        return receipt

    def slashes(self, transaction: bytes) -> list[Slashed]:
        """What the court took in a transaction."""
        return list(self.network.court.events_in(Slashed, self.receipt(transaction).logs))

    @asynccontextmanager
    async def disperser(self, engine: ErasureEngine | None = None) -> AsyncIterator[Disperser]:
        """The home's disperser, for a customer that pays; `engine` may be one that lies."""
        key = LocalRequestSigner(self.account(DISPERSER).secret)
        opening = partial(open_sender, self.network, self.system.home, CUSTOMER)
        customer = self.account(CUSTOMER)
        with await asyncio.to_thread(opening, customer) as sender:
            async with HttpNodeClient() as client:
                till = ChainTill(
                    self.network.node, self.network.entrance, sender, authorise=key.sign_digest
                )
                deliver = DeliverRows(self.ledger, client, key, rules=DeliveryRules())
                parts = DisperserParts(
                    ledger=self.ledger,
                    till=till,
                    deliver=deliver,
                    journal=MemoryDispersals(),
                    engine=engine or self.engine,
                    payer=self.address(CUSTOMER),
                    disperser=self.address(DISPERSER),
                )
                publish = DisperseBlob(parts, DispersalRules())
                yield Disperser(publish, deliver, till, parts)

    async def plan(self, disperser: Disperser, size: int) -> Planned:
        """Random bytes, encoded and written down; nothing is paid."""
        payload, salt = self.randomness.randbytes(size), self.randomness.randbytes(32)
        return await disperser.publish.plan(payload, days=DAYS, salt=salt)

    def paid_view(self, disperser: Disperser, planned: Planned) -> BlobView:
        """Pay for what was planned; the blob once its duties are known."""
        disperser.till.pay(planned.record.terms)
        view = self.view(planned.record.blob_id)
        while view.duties is None:
            self.system.rpc.ask("evm_mine")
            view = self.view(planned.record.blob_id)
        return view

    async def parcel(self, planned: Planned, view: BlobView) -> Parcel:
        """Everything that is sent for a paid blob."""
        assert view.duties is not None
        encoded = await planned.matrix.get()
        return Parcel(
            view=view,
            duties=view.duties,
            encoded=encoded,
            header=encoded.header.to_bytes(),
            digest=attestation_digest(view.attestation(), self.ledger.domain()),
            is_resumed=False,
        )

    def publish(self, size: int, engine: ErasureEngine | None = None) -> tuple[bytes, Dispersed]:
        """Publish random bytes; the bytes and where they are."""
        payload = self.randomness.randbytes(size)

        async def publish() -> Dispersed:
            async with self.disperser(engine) as disperser:
                salt = self.randomness.randbytes(32)
                return await disperser.publish.disperse(payload, days=DAYS, salt=salt)

        self.draw_table()
        return payload, asyncio.run(publish())

    def read(self, blob_id: bytes) -> Retrieved:
        """Read a blob as anybody does."""

        async def read() -> Retrieved:
            async with open_reader(self.network, self.engine, threads=1) as reader:
                return await reader.retrieve(blob_id)

        return asyncio.run(read())
