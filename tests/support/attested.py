"""Attestation on the embedded chain: relayers of five operators, a subject's face, and its enclave.

Whoever has a clock here reads the chain's, which moves only when a test moves it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from offchain.apps.attestation import (
    admit_code,
    chain_relay,
    court_clients,
    open_enclave,
    relay_clients,
    relay_judge,
)
from offchain.apps.compute_jobs import attestation_jobs
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment
from offchain.apps.provider_home import receipts_role
from offchain.apps.provider_init import ProviderInit, Wish, specs_of
from offchain.apps.stake import Actor
from offchain.apps.storage_jobs import WORKER_ROLE
from offchain.attestation.adapters.chain_court import ChainEquivocations, ChainProofDesk
from offchain.attestation.adapters.chain_relay import ChainRegistryActs, ChainRelay
from offchain.attestation.adapters.http_relayer import HttpSubjects, relayer_server
from offchain.attestation.adapters.http_subject import add_offers
from offchain.attestation.adapters.software_tee import SoftwareTee
from offchain.attestation.bundle import Bundle
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_desk import SubjectDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.keep_level import KeepLevel, LevelParts
from offchain.attestation.model import Verdict
from offchain.attestation.onchain_fraud import Demand
from offchain.attestation.post import posting_of
from offchain.attestation.prosecute import DemandKind, Prosecute, ProsecuteParts
from offchain.attestation.relay import Relay, RelayParts
from offchain.attestation.relay_ports import Bench, Registered, SignedVerdict, VerdictState
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.keys import LocalSigner
from offchain.compute.model import Verifiability
from offchain.core.units import WEI_PER_COIN
from offchain.jobs.attestation import AttestationJobs
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.jobs.reweigh import ReweighPools
from offchain.node.disk import LocalDisk
from offchain.node.face_routes import Counters, add_errors
from offchain.node.journal import MemoryJournal
from offchain.node.leased_sender import LeasedSender
from offchain.staking.model import Service as Staked
from offchain.staking.model import pool_id
from tests.support.audit_market import CountingClock, network_over
from tests.support.da_chain import DaChain, deploy_chain
from tests.support.served_app import serving

OPERATORS = 8  # five sit, and three may lose their stake for a lie
STAKE_WEI = 200 * WEI_PER_COIN
COMMISSION = 1_000
EPOCHS = 2  # until what was staked counts
ROLE = "provider"


@dataclass
class Attested:
    """One chain with relayers, and a service whose process runs in the software TEE."""

    chain: DaChain
    network: Network
    home: Home
    init: ProviderInit
    service: bytes
    shelf: EvidenceShelf = field(init=False)
    jobs: AttestationJobs = field(init=False)
    collect: Collect = field(default_factory=Collect)
    enc_key: bytes = b"\x01" * 32

    def __post_init__(self) -> None:
        self.shelf = EvidenceShelf(LocalDisk(), self.home.root / "subject")
        worker = Keystore(self.home.keys).account(WORKER_ROLE)
        Enrolment(self.network, self.home).fund([worker])
        opening = partial(open_sender, self.network, self.home, WORKER_ROLE, worker)
        self.jobs = attestation_jobs(self.network, address_of(worker), opening)

    # The chain

    def now(self) -> int:
        return self.network.node.block().timestamp

    def pass_until(self, time: int) -> None:
        """Travel so far that a block is later than this."""
        if time + 1 > self.now():
            self.chain.ask("evm_setNextBlockTimestamp", time + 1)
        self.chain.mine()

    def enter_epoch(self, *, seats: bool = True) -> int:
        """The next epoch, whose relayers are seated unless told otherwise."""
        at, stake = self.network.node.block().hash, self.network.stake
        epoch = stake.current_epoch(at=at) + 1
        self.pass_until(stake.epoch_start(epoch, at=at))
        if seats:
            self.seat()
        return epoch

    def seat(self) -> bool:
        """Draw the relayers of this epoch."""
        at = self.network.node.block().hash
        acts = ChainRegistryActs(relay_clients(self.network), self.chain.senders[0])
        return acts.draw(self.network.stake.current_epoch(at=at))

    def stake_of(self, operator_id: int) -> int:
        """What an operator has at stake as a relayer."""
        pool = pool_id(operator_id, Staked.RELAYER)
        return self.network.stake.pool_state(pool, at=self.network.node.block().hash).own

    def state_of(self, verdict: Verdict) -> VerdictState:
        ledger = self.ledger()
        found = ledger.registered(verdict.evidence_id, ledger.head())
        return VerdictState.NONE if found is None else found.state

    def demand_on(self, attestation_id: bytes) -> Demand:
        """The open demand for the bytes of a verdict."""
        at = self.network.node.block().hash
        return self.network.evidence_demands.demand_of(attestation_id, DemandKind.BYTES, at=at)

    def due(self) -> list[Job]:
        """What the worker finds to do."""
        return list(self.jobs.find_due(self.network.node.block()))

    def do(self, kind: JobKind, subject: str) -> Outcome:
        return self.jobs.handlers()[kind](subject)

    def spare(self, number: int) -> int:
        """Some account that may report; any will do."""
        return len(self.chain.senders) - number

    def heal(self, guilty: Sequence[int]) -> None:
        """The tree hears of a slash, and the epochs in which liars were drawn pass."""
        network, sender = self.network, self.chain.senders[0]
        weights = ReweighPools(network.node, network.registry, network.stake, sender.account)
        for operator_id in guilty:
            weights.reweigh(pool_id(operator_id, Staked.RELAYER), sender)
        for _ in range(EPOCHS):
            self.enter_epoch()

    def verifiability(self) -> Verifiability:
        return self.network.services.verifiability_of(
            self.service, at=self.network.node.block().hash
        )

    @property
    def signer(self) -> LocalSigner:
        """The key that the service's receipts are signed with."""
        keys = Keystore(self.home.keys)
        return LocalSigner.from_secret(keys.account(receipts_role(ROLE)).secret)

    def ledger(self) -> ChainRelay:
        """What the chain says, read anew."""
        return chain_relay(self.network)

    def live(self) -> Registered | None:
        ledger = self.ledger()
        return ledger.live(self.signer.address, ledger.head())

    def bench(self) -> Bench:
        ledger = self.ledger()
        return ledger.bench(ledger.head())

    # The subject

    def enclave(self) -> SoftwareTee:
        return open_enclave(self.network, self.home)

    def keep(self, enclave: SoftwareTee) -> KeepLevel:
        """What keeps the service's level."""
        return KeepLevel(
            LevelParts(
                ledger=self.ledger(),
                acts=ChainRegistryActs(relay_clients(self.network), self._sender()),
                enclave=enclave,
                collect=self.collect,
                shelf=self.shelf,
                signers={self.service: self.signer.address},
                keys=lambda: (self.enc_key, b""),
            )
        )

    @asynccontextmanager
    async def face(self, *add: Callable[[FastAPI], None]) -> AsyncIterator[None]:
        """The subject's process, as relayers reach it, and whatever is added to it."""
        app = FastAPI()
        add_errors(app, Counters())
        provider = self.init.actor.address
        add_offers(app, SubjectDesk(provider, self.ledger(), self.collect, self.shelf))
        for more in add:
            more(app)
        async with serving(relayer_server(app, self.init.file().port)):
            yield

    # Relayers

    @asynccontextmanager
    async def relays(self, folder: Path) -> AsyncIterator[list[Relay]]:
        """A relayer of every operator, each with a folder of its own."""
        async with AsyncExitStack() as stack:
            ledger, found = self.ledger(), []
            judge = relay_judge(self.network, self.home)
            for number in range(OPERATORS):
                signer = self.chain.signers[number]
                subjects = await stack.enter_async_context(HttpSubjects(signer, self.now))
                acts = ChainRegistryActs(relay_clients(self.network), self.chain.senders[number])
                parts = RelayParts(
                    ledger=ledger,
                    acts=acts,
                    subjects=subjects,
                    judge=judge,
                    signer=signer,
                    journal=MemoryJournal(),
                    shelf=EvidenceShelf(LocalDisk(), folder / f"relayer-{number}"),
                    operator_id=number + 1,
                )
                relay = Relay(parts)
                relay.open()
                found.append(relay)
            yield found

    @asynccontextmanager
    async def reporter(
        self, number: int, shelves: Sequence[EvidenceShelf] = (), **changes: object
    ) -> AsyncIterator[Prosecute]:
        """What an honest relayer does about others, by one operator's account."""
        signer, sender = self.chain.signers[number], self.chain.senders[number]
        desk = ChainProofDesk(court_clients(self.network), self.ledger(), sender, signer)
        async with HttpSubjects(signer, self.now) as subjects:
            yield Prosecute(ProsecuteParts(desk, subjects, shelves, **changes))

    def signed_by(self, operator_id: int, verdict: Verdict) -> SignedVerdict:
        """A verdict with an operator's signature, whatever it says."""
        digest = verdict.digest(relay_clients(self.network).domain)
        return SignedVerdict(verdict, self.chain.signers[operator_id - 1].sign_digest(digest))

    def equivocations(self) -> ChainEquivocations:
        """The court for two verdicts of one relayer, as any account reaches it."""
        last = self.spare(1)
        clients = court_clients(self.network)
        return ChainEquivocations(clients, self.chain.senders[last], self.chain.signers[last])

    def collude(self, verdict: Verdict) -> bytes:
        """Three relayers who sit sign whatever this says, and it is registered; its id."""
        bench = self.bench()
        digest = verdict.digest(bench.domain)
        judges = bench.judges_of(verdict.nonce)
        assert judges is not None
        signed = {
            member: SignedVerdict(verdict, self.chain.signers[member - 1].sign_digest(digest))
            for member in [one for one in judges.members if one > 0][:3]
        }
        posting = posting_of(signed, bench)
        assert posting is not None
        acts = ChainRegistryActs(relay_clients(self.network), self.chain.senders[0])
        acts.register(posting)
        return digest

    def show(self, name: bytes, bundle: Bundle) -> None:
        """The subject keeps these bytes for whoever asks."""
        self.shelf.keep(name, bundle)

    def _sender(self) -> LeasedSender:
        account = Keystore(self.home.keys).account(ROLE)
        opening = partial(open_sender, self.network, self.home, ROLE, account)
        return LeasedSender(self.init.actor.address, opening)


async def until(relays: Sequence[Relay], keep: KeepLevel, is_done: Callable[[], bool]) -> int:
    """Rounds of everybody, as few as it takes; how many."""
    for rounds in range(1, 20):
        await keep.round()
        await asyncio.gather(*(one.round() for one in relays))
        await keep.round()
        if is_done():
            return rounds
    raise AssertionError("no level after twenty rounds")


def open_attested(folder: Path) -> Attested:
    """Deploy, stake the relayers, list the code, register a service, and pass its epochs."""
    endpoints = [f"http://127.0.0.1:{9_401 + one}" for one in range(OPERATORS - 1)]
    clock = CountingClock()
    chain = deploy_chain(folder, endpoints, transport=EmbeddedTransport(clock=clock))
    clock.stop()
    network = network_over(chain)
    try:
        for sender in chain.senders:
            joining = network.stake.join(Staked.RELAYER, COMMISSION, stake_wei=STAKE_WEI)
            sender.execute(joining, key="relayer")
        home = Home.at(folder / "home")
        admit_code(network, home)
        wish = Wish(specs=specs_of(["scripted"], url=None, numerics="fp32", device="cpu"))
        init = ProviderInit(Actor(home, network, ROLE, as_json=True), wish)
        for _ in init.steps():
            pass
        [offered] = init.file().offered
        found = Attested(chain, network, home, init, offered.service)
        for _ in range(EPOCHS):
            found.enter_epoch()
    except BaseException:
        chain.close()
        raise
    return found


def forged(bundle: Bundle) -> Bundle:
    """The same evidence with a signature that its attestation key never made."""
    place = 632 + 4 + 40  # inside the signature of a version 4 quote
    quote = bundle.quote
    return replace(bundle, quote=quote[:place] + bytes([quote[place] ^ 1]) + quote[place + 1 :])
