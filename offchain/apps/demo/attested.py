"""The demo's acts of attestation: an answer from measured code, and a lie about a quote that costs.

Providers run in the devnet's software TEE, so every level here reads SIMULATED. Relayers that were
drawn judge the evidence by themselves; then three of them sign a quote that its key never signed,
and whoever has the bytes proves it. Nothing here is a path of its own.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Final

from offchain.apps.amounts import show_amount
from offchain.apps.attestation import (
    chain_relay,
    court_clients,
    open_enclave,
    relay_clients,
    relay_judge,
)
from offchain.apps.demo.market import CHEAT, HONEST, MarketActs
from offchain.apps.demo.report import Story
from offchain.apps.demo.waiting import shown_evidence, wait_until
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment, node_role
from offchain.apps.system import System
from offchain.attestation.adapters.chain_court import ChainProofDesk
from offchain.attestation.adapters.chain_relay import ChainRegistryActs
from offchain.attestation.adapters.http_relayer import HttpSubjects
from offchain.attestation.bundle import Bundle
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.model import Verdict, verdict_of
from offchain.attestation.post import posting_of
from offchain.attestation.prosecute import Prosecute, ProsecuteParts
from offchain.attestation.relay_ports import Bench, SignedVerdict, VerdictState
from offchain.attestation.report_data import Subject, report_data
from offchain.chain.keys import LocalSigner
from offchain.compute.model import Level, Verifiability
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.staking.model import Service, pool_id

ATTESTED: Final = HONEST[1]
FORGER: Final = "forger"
REPORTER: Final = "reporter"
SIGNATURE_BIT: Final = 632 + 4 + 40  # inside the signature of a version 4 quote


@dataclass(frozen=True, slots=True)
class AttestedFigures:
    """What the acts have to show."""

    level: str
    answer: str
    to_level_seconds: float
    liars: int
    slashed_wei: int

    @property
    def is_good(self) -> bool:
        return self.level.endswith("SIMULATED") and bool(self.answer) and self.slashed_wei > 0

    def as_json(self) -> dict[str, object]:
        return {
            "attested_level": self.level,
            "attested_answer": self.answer,
            "attested_level_s": round(self.to_level_seconds, 1),
            "relayers_that_lied": self.liars,
            "relayers_slashed_wei": self.slashed_wei,
        }


@dataclass(slots=True)
class AttestedActs:
    """The acts, in order; each tells its step."""

    system: System
    network: Network
    story: Story
    market: MarketActs

    def play(self) -> AttestedFigures:
        """Both. Raises: NotInTime and whatever the network refuses."""
        started = time.monotonic()
        level = self._reach_level()
        seconds = time.monotonic() - started
        bought = self.market.buy("attested answer", ATTESTED)
        liars, slashed = self._convict()
        return AttestedFigures(level, bought.text, seconds, liars, slashed)

    def _reach_level(self) -> str:
        """Relayers start; the provider's level follows by itself."""
        with self.story.step("attest") as step:
            self.system.launch_relayer()
            self.system.wait_relayer()
            wait_until("a level", lambda: self._verifiability().level >= Level.BROKER_IN_TEE)
            wait_until("a provider that has seen it", self._is_told)
            found = self._verifiability()
            label = " SIMULATED" if found.is_simulated else ""
            level = f"{found.level.name}{label}"
            step.detail = f"{ATTESTED}: {level}, by the stake of three relayers of five drawn"
        return level

    def _is_told(self) -> bool:
        """Whether the provider names its level; buyers refuse an answer that names another."""
        _, levels = shown_evidence(self.system, ATTESTED)
        return any(one >= Level.BROKER_IN_TEE for one in levels)

    def _convict(self) -> tuple[int, int]:
        """Three relayers vouch for a forged quote; somebody who has its bytes proves the lie."""
        with self.story.step("a forged quote") as step:
            bench, lie, verdict = self._forge()
            attestation_id = self._collude(bench, verdict)
            guilty = self.network.attestations.relayers_of(
                attestation_id, at=self.network.node.block().hash
            )
            before = sum(map(self._stake, guilty))
            step.detail = f"operators {', '.join(map(str, guilty))} signed that it is genuine"
        with self.story.step("prove the lie") as step:
            asyncio.run(self._report(lie, verdict))
            ledger = chain_relay(self.network)
            found = ledger.registered(verdict.evidence_id, ledger.head())
            assert found is not None
            assert found.state is VerdictState.VOID, found.state
            taken = before - sum(map(self._stake, guilty))
            step.detail = f"P-256 says no on chain: {show_amount(taken)} coins of their stake"
        return len(guilty), taken

    def _forge(self) -> tuple[Bench, Bundle, Verdict]:
        """Evidence for a key of nobody, right in all but the signature, and a verdict over it."""
        network, home = self.network, self.system.home
        ledger = chain_relay(network)
        bench = ledger.bench(ledger.head())
        signer = address_of(Keystore(home.keys).account(FORGER))
        service, epoch = self.market.services[CHEAT], bench.open_epoch
        enclave = open_enclave(network, home)
        asked = report_data(bench.domain, Subject(service, signer), bench.nonces[epoch])
        true = Bundle(
            domain=bench.domain,
            epoch=epoch,
            service_id=service,
            signer=signer,
            enc_key=b"",
            tls_key=b"",
            quote=enclave.quote(asked),
            collateral=enclave.collateral(bench.block.timestamp),
            event_log=enclave.event_log,
            compose=enclave.compose,
            gpu="",
        )
        claims = relay_judge(network, home)(true, bench)
        quote = bytearray(true.quote)
        quote[SIGNATURE_BIT] ^= 1
        lie = replace(true, quote=bytes(quote))
        verdict = verdict_of(claims, not_after=bench.ends(epoch))
        return bench, lie, replace(verdict, quote_hash=keccak(lie.quote), bundle_root=lie.root())

    def _collude(self, bench: Bench, verdict: Verdict) -> bytes:
        """Three who sit sign without looking; the verdict's attestation id."""
        keys, digest = Keystore(self.system.home.keys), verdict.digest(bench.domain)
        at, signed = bench.block.hash, {}
        for index in range(self.system.manifest.nodes):
            account = keys.account(node_role(index))
            operator = self.network.stake.operator_of(address_of(account), at=at)
            signature = LocalSigner.from_secret(account.secret).sign_digest(digest)
            signed[int(operator)] = SignedVerdict(verdict, signature)
        posting = posting_of(signed, bench)
        assert posting is not None, "three of those who sit are of this home"
        reporter = keys.account(REPORTER)
        Enrolment(self.network, self.system.home).fund([reporter])
        with open_sender(self.network, self.system.home, REPORTER, reporter) as sender:
            ChainRegistryActs(relay_clients(self.network), sender).register(posting)
        return digest

    async def _report(self, lie: Bundle, verdict: Verdict) -> None:
        """What any honest relayer does with bytes that contradict a verdict."""
        network, home = self.network, self.system.home
        account = Keystore(home.keys).account(REPORTER)
        signer = LocalSigner.from_secret(account.secret)
        shelf = EvidenceShelf(LocalDisk(), home.root / "forged")
        shelf.keep(verdict.evidence_id, lie)
        async with AsyncExitStack() as stack:
            sender = stack.enter_context(open_sender(network, home, REPORTER, account))
            clock = self._now
            subjects = await stack.enter_async_context(HttpSubjects(signer, clock))
            ledger = chain_relay(network)
            desk = ChainProofDesk(court_clients(network), ledger, sender, signer)
            prosecute = Prosecute(ProsecuteParts(desk, subjects, [shelf], demands=False))
            head = ledger.head()
            digest = verdict.digest(ledger.domain())
            fault = await prosecute.prosecute(digest, verdict, lie.quote, head)
            assert fault is not None, "the quote's signature is wrong"

    def _verifiability(self) -> Verifiability:
        service = self.market.services[ATTESTED]
        return self.network.services.verifiability_of(service, at=self.network.node.block().hash)

    def _stake(self, operator_id: int) -> int:
        pool = pool_id(operator_id, Service.RELAYER)
        return self.network.stake.pool_state(pool, at=self.network.node.block().hash).own

    def _now(self) -> int:
        return self.network.node.block().timestamp
