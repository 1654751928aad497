"""A subject keeps its level alive: quote, offer, post; again long before the verdict ends.

Nothing is taken from memory that was not on disk: within one epoch the same enclave makes evidence
of the same id, so the bytes that were offered first are offered again after a kill, and relayers
sign the verdict that they have written down. Times are the chain's.
Source: docs/protocol/attestation.md#relayers.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from offchain.attestation.bundle import Bundle
from offchain.attestation.canonical import canonical_bytes
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.ports import Enclave
from offchain.attestation.post import post
from offchain.attestation.quote import evidence_id, parse_quote
from offchain.attestation.relay_ports import (
    Bench,
    Registered,
    RegistryActs,
    RelayLedger,
    SignedVerdict,
)
from offchain.attestation.report_data import Subject, key_hash, report_data

RENEW_PART: Final = 2  # a verdict is renewed in the last half of its life
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LevelParts:
    """The chain, the enclave that this code runs in, and the desk that relayers come to.

    `signers`: the signing key of each service; `keys`: the HPKE and TLS public keys of this moment.
    """

    ledger: RelayLedger
    acts: RegistryActs
    enclave: Enclave
    collect: Collect
    shelf: EvidenceShelf
    signers: Mapping[bytes, bytes]
    keys: Callable[[], tuple[bytes, bytes]]
    has_gpu: bool = False


class KeepLevel:
    """The levels of one process's services."""

    def __init__(self, parts: LevelParts) -> None:
        self._parts = parts

    async def round(self) -> int:
        """Do what is due for every service; how many verdicts were posted. Raises: Unavailable."""
        ledger = self._parts.ledger
        head = await asyncio.to_thread(ledger.head)
        bench = await asyncio.to_thread(ledger.bench, head)
        posted = 0
        for service_id, signer in self._parts.signers.items():
            posted += await asyncio.to_thread(self._keep, service_id, signer, bench)
        return posted

    def _keep(self, service_id: bytes, signer: bytes, bench: Bench) -> int:
        parts = self._parts
        live = parts.ledger.live(signer, bench.block)
        if live is not None and self._is_enough(live, bench):
            parts.collect.withdraw(service_id)
            return 0
        laid_out = parts.collect.laid_out(service_id)
        if laid_out is not None and self._keys_of(laid_out) != parts.keys():
            parts.collect.withdraw(service_id)
            laid_out = None
        posting = parts.collect.complete(service_id, bench)
        if posting is not None:
            signed = [SignedVerdict(posting.verdict, one) for one in posting.signatures]
            parts.shelf.note(posting.verdict.evidence_id, signed)
            is_posted = post(posting, parts.ledger, parts.acts)
            parts.collect.withdraw(service_id)
            return int(is_posted)
        epoch = bench.open_epoch
        if laid_out is None or laid_out.epoch != epoch:
            self._offer(service_id, signer, epoch, bench)
        return 0

    @staticmethod
    def _keys_of(bundle: Bundle) -> tuple[bytes, bytes]:
        return bundle.enc_key, bundle.tls_key

    def _is_enough(self, live: Registered, bench: Bench) -> bool:
        """Whether a verdict lasts a while yet and speaks of the keys that are used."""
        left = live.verdict.not_after - bench.block.timestamp
        enc_key, tls_key = self._parts.keys()
        has_keys = (live.verdict.enc_key_hash, live.verdict.tls_key_hash) == (
            key_hash(enc_key),
            key_hash(tls_key),
        )
        return has_keys and left * RENEW_PART > bench.life

    def _offer(self, service_id: bytes, signer: bytes, epoch: int, bench: Bench) -> None:
        """Lay out evidence with this epoch's nonce: what was laid out before a kill, or new."""
        parts = self._parts
        made = self._make(service_id, signer, epoch, bench)
        name = evidence_id(parse_quote(made.quote))
        if parts.ledger.registered(name, bench.block) is not None:
            return  # it was judged; only another nonce makes other evidence
        kept = parts.shelf.find(name)
        if kept is None:
            parts.shelf.keep(name, made)
        parts.collect.offer(kept or made, name)
        log.info("evidence_offered", extra={"service": service_id.hex(), "epoch": epoch})

    def _make(self, service_id: bytes, signer: bytes, epoch: int, bench: Bench) -> Bundle:
        enclave, (enc_key, tls_key) = self._parts.enclave, self._parts.keys()
        subject = Subject(service_id, signer, key_hash(enc_key), key_hash(tls_key))
        nonce, has_gpu = bench.nonces[epoch], self._parts.has_gpu
        asked = report_data(bench.domain, subject, nonce, has_gpu=has_gpu)
        return Bundle(
            domain=bench.domain,
            epoch=epoch,
            service_id=service_id,
            signer=signer,
            enc_key=enc_key,
            tls_key=tls_key,
            quote=canonical_bytes(enclave.quote(asked)),
            collateral=enclave.collateral(bench.block.timestamp),
            event_log=enclave.event_log,
            compose=enclave.compose,
            gpu=enclave.gpu_evidence(asked) if has_gpu else "",
        )
