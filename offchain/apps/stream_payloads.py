"""Batches of streams in the data availability layer: read by every replica, published by batchers.

Storage knows nothing of data availability; this is where the two meet. An operator that serves DA
publishes as its own disperser, with its own account; any other one through a gateway.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from offchain.apps.disperser import ledger_of, open_reader
from offchain.apps.network import Network, address_of
from offchain.apps.node_chores import Operator
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import ApogeeError, Corrupt
from offchain.core.hashing import keccak
from offchain.core.matrix.errors import Bottom
from offchain.da.adapters.chain_till import ChainTill
from offchain.da.adapters.disk_dispersals import DiskDispersals
from offchain.da.adapters.http_client import HttpNodeClient
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.deliver import DeliverRows, DeliveryRules
from offchain.da.disperse import DispersalRules, DisperseBlob, DisperserParts
from offchain.da.duties import BlobTerms
from offchain.da.model import blob_id
from offchain.da.refusals import BlobNotPaid, NotEnoughSignatures
from offchain.node.disk import LocalDisk
from offchain.node.leased_sender import LeasedSender
from offchain.sdk.gateway_client import GatewayClient
from offchain.sdk.publish import GatewayDisperser, GatewayParts
from offchain.staking.model import Service, pool_id
from offchain.storage.kv.errors import PayloadUnavailable

THREADS: Final = 1
DAYS: Final = 14  # snapshots are far younger
ATTEMPTS: Final = 8  # of one batch, each a blob of its own
KEPT_PAYLOADS: Final = 8
log = logging.getLogger(__name__)
Publish = Callable[[str, bytes], bytes]


class Disperses(Protocol):
    """What both kinds of disperser do."""

    async def publish(self, payload: bytes, salt: bytes) -> bytes:
        """The blob's id, once the chain calls it available."""
        ...


class Keeps(Protocol):
    """Remembers what this process has published."""

    def keep(self, blob_id: bytes, payload: bytes) -> None: ...


class DaPayloads:
    """A `PayloadSource` over the data availability layer; what was published here is at hand."""

    def __init__(self, network: Network, engine: Callable[[], ErasureEngine]) -> None:
        self._network = network
        self._engine = engine
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def payload(self, blob_id: bytes) -> bytes | None:
        """Raises: PayloadUnavailable."""
        kept = self._kept.get(blob_id)
        return asyncio.run(self._payload(blob_id)) if kept is None else kept

    def keep(self, blob_id: bytes, payload: bytes) -> None:
        """Remember what this process has published."""
        self._kept[blob_id] = payload
        while len(self._kept) > KEPT_PAYLOADS:
            self._kept.popitem(last=False)

    async def _payload(self, blob_id: bytes) -> bytes | None:
        engine = await asyncio.to_thread(self._engine)
        async with open_reader(self._network, engine, threads=THREADS) as reader:
            try:
                found = bytes((await reader.retrieve(blob_id)).payload)
            except Bottom:
                return None
            except Corrupt:
                raise
            except ApogeeError as error:
                raise PayloadUnavailable(blob_id=blob_id.hex(), code=error.code) from error
        log.info("batch_read", extra={"blob_id": blob_id.hex(), "bytes": len(found)})
        return found


class PublishBatches:
    """How a batcher publishes: the same key is the same blob, a lost one is another blob."""

    def __init__(self, disperser: Disperses, payloads: Keeps) -> None:
        self._disperser = disperser
        self._payloads = payloads

    def __call__(self, key: str, batch: bytes) -> bytes:
        """The blob's id. Raises: NotEnoughSignatures, Unavailable ..."""
        return asyncio.run(self._publish(key, batch))

    async def _publish(self, key: str, batch: bytes) -> bytes:
        for attempt in range(ATTEMPTS):
            salt = keccak(b"kv batch", key.encode(), attempt.to_bytes(4, "big"))
            try:
                found = await self._disperser.publish(batch, salt)
            except (NotEnoughSignatures, BlobNotPaid) as error:
                log.warning("batch_not_published", extra={"code": error.code, "attempt": attempt})
                continue
            self._payloads.keep(found, batch)
            log.info("batch_published", extra={"blob_id": found.hex(), "bytes": len(batch)})
            return found
        raise PayloadUnavailable(attempts=ATTEMPTS)


@dataclass(frozen=True, slots=True)
class OwnDisperser:
    """The operator itself: it answers for the encoding with its DA stake."""

    network: Network
    operator: Operator
    sender: LeasedSender
    engine: ErasureEngine
    folder: Path

    async def publish(self, payload: bytes, salt: bytes) -> bytes:
        network, account = self.network, self.operator.account
        journal = DiskDispersals(LocalDisk(), self.folder)
        await asyncio.to_thread(journal.open)
        ledger, address = ledger_of(network), address_of(account)
        async with HttpNodeClient() as client:
            signer = LocalRequestSigner(account.secret)
            parts = DisperserParts(
                ledger=ledger,
                till=ChainTill(network.node, network.entrance, self.sender),
                deliver=DeliverRows(ledger, client, signer, rules=DeliveryRules()),
                journal=journal,
                engine=self.engine,
                payer=address,
                disperser=address,
            )
            # The batch stays in the batcher's journal until the log has it for good.
            disperse = DisperseBlob(parts, DispersalRules(threads=THREADS))
            return (await disperse.disperse(payload, days=DAYS, salt=salt)).blob_id


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    """A gateway: its disperser answers, our account there pays; its word is checked."""

    network: Network
    engine: ErasureEngine
    url: str
    api_key: str

    async def publish(self, payload: bytes, salt: bytes) -> bytes:
        network = self.network

        def id_of(terms: BlobTerms) -> bytes:
            entrance = network.entrance.address
            return blob_id(terms.blob(), chain_id=network.chain_id, entrance=entrance)

        async with GatewayClient(self.url, self.api_key) as gateway:
            parts = GatewayParts(
                gateway, ledger_of(network), self.engine, id_of, lambda _: None, threads=THREADS
            )
            disperser = GatewayDisperser(parts)
            planned = await disperser.plan(payload, days=DAYS, salt=salt)
            return (await disperser.carry_out(planned)).blob_id


def serves_da(network: Network, operator: int) -> bool:
    """Whether an operator may answer for encodings of its own."""
    at = network.node.block().hash
    return network.stake.is_member(pool_id(operator, Service.DA), at=at)
