"""The TEE that a provider's process runs in: keys that never leave it, evidence, and its level.

<home>/providers/<role>/attestation/   evidence that was offered, and verdicts over it

On a devnet that has a software vendor every provider runs in the simulated machine; what rests on
it reads SIMULATED everywhere. Off a devnet there is none, and the provider has no such level.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.apps.attestation import (
    chain_relay,
    court_clients,
    has_software_tee,
    open_enclave,
    relay_clients,
)
from offchain.apps.network import Network
from offchain.apps.node_chores import Chore
from offchain.apps.provider_home import ProviderPlace
from offchain.attestation.adapters.chain_court import ChainEquivocations
from offchain.attestation.adapters.chain_relay import ChainRegistryActs
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_desk import SubjectDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.keep_level import KeepLevel, LevelParts
from offchain.attestation.prosecute import accuse
from offchain.compute.private_keys import EnclaveKeys
from offchain.core.ecdsa import DigestSigner
from offchain.node.disk import LocalDisk
from offchain.node.leased_sender import LeasedSender

LEVEL_SECONDS: Final = 0.8
ACCUSE_SECONDS: Final = 30.0
NO_TLS: Final = b""  # the face is plain HTTP on loopback; a proxy's TLS key is not the enclave's
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderTee:
    """What runs beside serving."""

    keys: EnclaveKeys
    desk: SubjectDesk
    keep: KeepLevel
    accuse: Callable[[], Awaitable[int]]

    @property
    def chores(self) -> list[Chore]:
        """Quote, offer, post, renew; and accuse relayers that told two stories."""
        return [
            Chore("level", LEVEL_SECONDS, self.keep.round),
            Chore("accuse", ACCUSE_SECONDS, self.accuse),
        ]


def open_tee(
    network: Network,
    place: ProviderPlace,
    services: Sequence[bytes],
    *,
    signer: bytes,
    sender: LeasedSender,
    owner: DigestSigner,
) -> ProviderTee | None:
    """None where there is no TEE to run in. `owner`: the key of the sender's account."""
    if not has_software_tee(network, place.home):
        return None
    ledger, collect, keys = chain_relay(network), Collect(), EnclaveKeys()
    shelf = EvidenceShelf(LocalDisk(), place.folder / "attestation")
    keep = KeepLevel(
        LevelParts(
            ledger=ledger,
            acts=ChainRegistryActs(relay_clients(network), sender),
            enclave=open_enclave(network, place.home),
            collect=collect,
            shelf=shelf,
            signers=dict.fromkeys(services, signer),
            keys=partial(_keys, keys),
        )
    )
    log.warning("tee_opened", extra={"label": "SIMULATED", "signer": signer.hex()})
    desk = SubjectDesk(sender.account, ledger, collect, shelf)
    court = ChainEquivocations(court_clients(network), sender, owner)
    return ProviderTee(keys, desk, keep, partial(accuse, collect, court))


def _keys(keys: EnclaveKeys) -> tuple[bytes, bytes]:
    return keys.public, NO_TLS
