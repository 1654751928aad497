"""Delivery oracles of a home: enclaves inside `apogee relayer` that re-encrypt agents when sold.

<home>/relayers/<role>/oracle.journal     what was fixed of each delivery, before it was said
<home>/relayers/<role>/attestation/       evidence that was offered, and verdicts over it

An oracle runs in the devnet's software TEE, so all it says reads SIMULATED. Its keys follow from
the enclave's sealing key: the same code has the same keys after every start, changed code others.
It quotes itself, posts the verdict of the relayers that judged it, and enrols; again in time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offchain.agents.adapters.chain_oracles import ChainOracles, OracleClients
from offchain.agents.adapters.storage_root import storage_engines
from offchain.agents.delivery import oracle_service
from offchain.agents.oracle import Oracle, OracleKeys, OracleParts
from offchain.agents.oracle_words import oracle_subject
from offchain.apps.attestation import (
    ORACLE,
    chain_relay,
    has_software_tee,
    open_enclave,
    relay_clients,
)
from offchain.apps.home import Home
from offchain.apps.network import SETTLED_DEPTH, Network
from offchain.apps.node_chores import Chore
from offchain.attestation.adapters.chain_relay import ChainRegistryActs, ChainRelay
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_desk import SharedDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.keep_level import KeepLevel, LevelParts
from offchain.chain.due import execute_due
from offchain.core.errors import Conflict, Rejected
from offchain.node.disk import LocalDisk
from offchain.node.journal import FileJournal
from offchain.node.leased_sender import LeasedSender

LEVEL_SECONDS: Final = 0.8
ENROL_SECONDS: Final = 1.0
NO_TLS: Final = b""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OracleSeat:
    """An operator that delivers: its folder, its id, and its way to the chain."""

    folder: Path
    operator_id: int
    sender: LeasedSender


@dataclass(frozen=True, slots=True)
class Enclave:
    """One oracle with what keeps its level."""

    seat: OracleSeat
    oracle: Oracle
    keep: KeepLevel


class OracleHouse:
    """The oracles of one process."""

    def __init__(
        self,
        network: Network,
        enclaves: Sequence[Enclave],
        desk: SharedDesk,
        url: str,
        prepare: Callable[[], object],
    ) -> None:
        self._network = network
        self._prepare = prepare
        self._enclaves = tuple(enclaves)
        self._ledger = chain_relay(network)
        self.desk = desk  # evidence: theirs for relayers that sit, all of it for everybody
        self._url = url

    @property
    def oracles(self) -> dict[bytes, Oracle]:
        """By their signers."""
        return {one.oracle.signer: one.oracle for one in self._enclaves}

    async def prepare(self) -> int:
        """Choose engines now: the first sale would wait a second for it."""
        await asyncio.to_thread(self._prepare)
        return 0

    @property
    def chores(self) -> list[Chore]:
        """Quote, offer, post, renew; say where they answer; enrol."""
        return [
            Chore("oracle_level", LEVEL_SECONDS, self._level),
            Chore("oracle_enrol", ENROL_SECONDS, self._enrol),
        ]

    async def _level(self) -> int:
        return sum([await one.keep.round() for one in self._enclaves])

    async def _enrol(self) -> int:
        return sum([await asyncio.to_thread(self._enrol_one, one) for one in self._enclaves])

    def _enrol_one(self, one: Enclave) -> int:
        """Announce the endpoint, and have the signer count as long as its verdict does."""
        verifier, block = self._network.verifier, self._network.node.block()
        seat, signer = one.seat, one.oracle.signer
        if verifier.endpoint_of(seat.operator_id, at=block.hash) != self._url:
            key = f"oracle.announce:{seat.operator_id}:{block.hash.hex()}"
            execute_due(seat.sender, verifier.announce(self._url), key=key)
        live = self._ledger.live(signer, block)
        known = verifier.oracle(signer, at=block.hash)
        if live is None or (known.operator_id and known.until >= live.verdict.not_after):
            return 0
        key = f"oracle.enrol:{live.attestation_id.hex()}:{block.hash.hex()}"
        try:
            execute_due(seat.sender, verifier.enrol(signer), key=key)
        except (Conflict, Rejected) as error:
            log.warning("oracle_not_enrolled", extra={"code": error.code, "error": str(error)})
            return 0
        log.warning("oracle_enrolled", extra={"label": "SIMULATED", "signer": signer.hex()})
        return 1


def open_oracles(
    network: Network,
    home: Home,
    seats: Sequence[OracleSeat],
    shelves: Sequence[EvidenceShelf],
    url: str,
) -> OracleHouse | None:
    """Oracles for these operators; None where there is no TEE to run in, or nobody to serve.

    `shelves`: evidence that this process vouches for, shown beside the oracles' own.
    """
    if not seats or not has_software_tee(network, home):
        return None
    ledger, collect = chain_relay(network), Collect()
    oracles = chain_oracles(network, ledger)
    engines = storage_engines()
    tee = open_enclave(network, home, ORACLE)
    enclaves, shown = [], []
    for seat in seats:
        service = oracle_service(seat.operator_id)
        keys = OracleKeys.of(tee.sealing_key(service))
        seat.folder.mkdir(parents=True, exist_ok=True)
        journal = FileJournal(LocalDisk(), seat.folder / "oracle.journal")
        journal.open()
        parts = OracleParts(
            ledger=oracles,
            keys=keys,
            journal=journal,
            chain_id=network.chain_id,
            verifier=network.verifier.address,
            engines=engines,
        )
        oracle = Oracle(parts)
        oracle.open()
        shelf = EvidenceShelf(LocalDisk(), seat.folder / "attestation")
        keep = KeepLevel(
            LevelParts(
                ledger=ledger,
                acts=ChainRegistryActs(relay_clients(network), seat.sender),
                enclave=tee,
                collect=collect,
                shelf=shelf,
                signers={service: keys.signer.address},
                keys=partial(_keys, keys.public),
            )
        )
        shown.append(shelf)
        enclaves.append(Enclave(seat, oracle, keep))
    log.warning("oracles_opened", extra={"label": "SIMULATED", "oracles": len(enclaves)})
    operators = [one.operator_id for one in seats]
    services = {oracle_subject(one): oracle_service(one) for one in operators}
    desk = SharedDesk(services, ledger, collect, [*shown, *shelves])
    prepare = partial(engines.root_of, bytes(1))
    return OracleHouse(network, enclaves, desk, url, prepare)


def chain_oracles(network: Network, ledger: ChainRelay | None = None) -> ChainOracles:
    """Oracles and tokens of a network."""
    return ChainOracles(
        OracleClients(
            node=network.node,
            nft=network.agents,
            verifier=network.verifier,
            relay=ledger or chain_relay(network),
            storage=network.market,
            first_block=network.deployments.first_block(),
            depth=SETTLED_DEPTH,
        )
    )


def _keys(public: bytes) -> tuple[bytes, bytes]:
    return public, NO_TLS
