"""The demo's acts of compute: an answer bought with `openai`, verified, settled, audited.

Two providers are honest, the third undercuts them and leaves a layer of the model out. Auditors who
were drawn replay one prefill of each: the honest answer stands, the cheat's customer gets his money
back and the cheat's stake pays. Nothing here is a path of its own: provider, gateway, auditors and
the worker's jobs do what they do under `apogee up`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from offchain.apps.amounts import show_amount
from offchain.apps.api_key import ensure_api_key
from offchain.apps.compute_clients import chain_audits
from offchain.apps.compute_jobs import compute_jobs
from offchain.apps.demo.buyer import Bought, buy
from offchain.apps.demo.epochs import enter_served_epoch
from offchain.apps.demo.model_facts import AskedFacts
from offchain.apps.demo.report import Story
from offchain.apps.demo.waiting import wait_in_step, wait_until
from offchain.apps.devnet_time import travel_to
from offchain.apps.gateway_compute import ROLE as BUYER
from offchain.apps.genesis import Durations
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment
from offchain.apps.provider_init import ProviderInit, Wish
from offchain.apps.stake import Actor
from offchain.apps.storage_jobs import WORKER_ROLE
from offchain.apps.system import System
from offchain.chain.contract import ContractClient
from offchain.chain.due import execute_due
from offchain.chain.event_ranges import events_between
from offchain.chain.model import Address, Receipt, TypedCall, show_address
from offchain.compute.adapters.open_engine import EngineSpec
from offchain.compute.audit_ports import AuditView
from offchain.compute.engine import ModelFacts
from offchain.compute.model import ServiceState
from offchain.compute.onchain_audit_court import AuditState, DrawConvicted
from offchain.compute.onchain_escrow import BatchPosted
from offchain.core.units import WEI_PER_COIN
from offchain.jobs.model import JobKind, Outcome
from offchain.staking.court_events import CaseOpened, Slashed

MODEL: Final = "smollm2"
HONEST: Final = ("provider-north", "provider-south")
CHEAT: Final = "provider-cheap"
DROPPED: Final = "dropped_layer"
PRICES: Final = {HONEST[0]: "4gwei", HONEST[1]: "5gwei", CHEAT: "1gwei"}  # a million output tokens
DEPOSIT_WEI: Final = WEI_PER_COIN // 100
QUESTION: Final = "What is the capital of France?"
SETTLE_SECONDS: Final = 2
ANSWER_SECONDS: Final = 600.0
T = TypeVar("T")
Jobs = Mapping[JobKind, Callable[[str], Outcome]]


@dataclass(frozen=True, slots=True)
class MarketFigures:
    """What the acts have to show."""

    answer: str
    receipt: str
    checks: int
    settled_wei: int
    honest_cleared: bool
    cheat_refunded_wei: int
    cheat_slashed_wei: int

    @property
    def is_good(self) -> bool:
        caught = self.cheat_refunded_wei > 0 and self.cheat_slashed_wei > 0
        return bool(self.answer) and self.checks > 0 and self.honest_cleared and caught

    def as_json(self) -> dict[str, object]:
        return {
            "answer": self.answer,
            "answer_receipt": self.receipt,
            "answer_checks": self.checks,
            "answers_settled_wei": self.settled_wei,
            "honest_provider_cleared": self.honest_cleared,
            "cheat_refunded_wei": self.cheat_refunded_wei,
            "cheat_slashed_wei": self.cheat_slashed_wei,
        }


@dataclass(slots=True)
class MarketActs:
    """The acts, in order; each tells its step."""

    system: System
    network: Network
    story: Story
    services: dict[str, bytes] = field(default_factory=dict)

    def play(self) -> MarketFigures:
        """All after `open_shops`. Raises: NotInTime and whatever the network refuses."""
        self._serve()
        honest = self.buy("buy an answer", HONEST[0])
        self.buy("a third undercuts them", CHEAT)
        batches, settled = self._settle()
        views = self._audit(batches)
        cleared = not views[HONEST[0]].failed
        refunded = self._refund(batches, views)
        slashed = self._slash()
        return MarketFigures(
            answer=honest.text,
            receipt=honest.receipt,
            checks=honest.checks,
            settled_wei=settled,
            honest_cleared=cleared,
            cheat_refunded_wei=refunded,
            cheat_slashed_wei=slashed,
        )

    def open_shops(self, asked: AskedFacts) -> None:
        """Three newcomers register, stake and load their model, while other acts go on."""
        with self.story.step("three providers") as step:
            facts = {EngineSpec(MODEL): asked.get()}
            for role, price in PRICES.items():
                self.services[role] = self._init(role, price, facts)
                flags = ["--adversary", DROPPED] if role == CHEAT else []
                self.system.launch_provider(role, "--settle-seconds", str(SETTLE_SECONDS), *flags)
            self.system.launch_auditor()
            step.detail = f"{MODEL} on torch, each staked, its model's hash on chain"

    def thinker(self) -> bytes:
        """The hash of the model that an honest provider serves."""
        service = self.services[HONEST[0]]
        at = self.network.node.block().hash
        return self.network.services.service(service, at=at).model_hash

    def _serve(self) -> None:
        """Their stake counts, they answer, and so do auditors and a gateway."""
        with self.story.step("gateway and auditors") as step:
            self.system.start_gateway()
            self.system.wait_providers(tuple(PRICES))
            wait_until("stake that counts", self._has_room)
            self.system.wait_auditor()
            step.detail = "one endpoint for `openai` clients; auditors staked in ALIGNMENT"

    def _has_room(self) -> bool:
        """Whether every provider may sell; enters the next epoch while one may not."""
        network, at = self.network, self.network.node.block().hash
        operators = [network.stake.operator_of(self._account(role), at=at) for role in PRICES]
        if all(network.escrow.room_of(one, at=at) for one in operators):
            return True
        enter_served_epoch(self.system, network)
        return False

    def _init(self, role: str, price: str, facts: dict[EngineSpec, ModelFacts]) -> bytes:
        one = Actor(self.system.home, self.network, role, as_json=False)
        init = ProviderInit(one, Wish(specs=(EngineSpec(MODEL),), output_price=price), facts)
        for _ in init.steps():
            pass
        [offered] = init.file().offered
        return offered.service

    def buy(self, name: str, role: str) -> Bought:
        """Pay into one provider's bucket, ask, and have the gateway show what it checked."""
        network = self.network
        with self.story.step(name) as step:
            escrow, payer = network.escrow, self._account(BUYER)
            Enrolment(network, self.system.home).fund(
                [Keystore(self.system.home.keys).account(BUYER)]
            )
            provider = self._account(role)
            call = escrow.deposit(payer, DEPOSIT_WEI, provider=provider)
            self._send(BUYER, call, f"demo.deposit:{role}")
            wait_in_step(self.system, network, tuple(PRICES))
            url = self.system.manifest.url("gateway")
            bought = buy(
                f"{url}/v1",
                ensure_api_key(self.system.home),
                QUESTION,
                provider=show_address(provider),
                seconds=ANSWER_SECONDS,
            )
            assert bought.provider == provider, "the gateway bought from another provider"
            step.detail = (
                f'"{bought.text}" {bought.tokens} tokens, {bought.cost_wei} wei, '
                f"{bought.checks} checks of its receipt"
            )
        return bought

    def _settle(self) -> tuple[dict[str, int], int]:
        """Both providers post a batch by themselves; its number by provider."""
        with self.story.step("settle") as step:
            wanted = (HONEST[0], CHEAT)
            wait_until("settlements", lambda: all(self._batches(role) for role in wanted))
            posted = {role: self._batches(role)[-1] for role in wanted}
            total = sum(one.total for one in posted.values())
            step.detail = f"{total:,} wei held until the answers have stood their audits"
        return {role: one.batch for role, one in posted.items()}, total

    def _audit(self, batches: Mapping[str, int]) -> dict[str, AuditView]:
        """Committees are drawn by the beacon, fetch what was sealed, and vote."""
        with self.story.step("audit") as step:
            jobs = self._jobs()
            for batch in batches.values():
                wait_until("the seed", lambda number=batch: self._drawn(jobs, number))  # type: ignore[misc]  # bound in this round
            wait_until("ballots", lambda: self._all(jobs, batches, AuditState.DECIDED))
            views = {role: self._view(batch) for role, batch in batches.items()}
            seats = len(views[CHEAT].seats)
            step.detail = (
                f"{seats} auditors each, one prefill an answer: "
                f"{HONEST[0]} {_verdict(views[HONEST[0]])}, {CHEAT} {_verdict(views[CHEAT])}"
            )
        return views

    def _refund(self, batches: Mapping[str, int], views: Mapping[str, AuditView]) -> int:
        """Nobody escalates: the verdicts stand, the leaf is shown, its payer is paid back."""
        with self.story.step("refund") as step:
            first = self.network.node.block().number
            travel_to(self.system.rpc, max(one.deadline for one in views.values()) + 1)
            jobs = self._jobs()
            for batch in batches.values():
                assert jobs[JobKind.ADVANCE_AUDIT](_hex(batch)) is not Outcome.NOT_DUE
            wait_until("the refund", lambda: self._view(batches[CHEAT]).state.is_final)
            convicted = self._events(self.network.audits, DrawConvicted, first, {})
            refunded = sum(one.refunded for one in convicted if one.batch == batches[CHEAT])
            state = self.network.services.service(
                self.services[CHEAT], at=self.network.node.block().hash
            ).state
            assert state is ServiceState.SUSPENDED, state
            step.detail = f"{refunded:,} wei back to the buyer, the service is suspended"
        return refunded

    def _slash(self) -> int:
        """The court's case waits for a veto; nobody objects, and the stake pays."""
        network = self.network
        with self.story.step("slash the cheat") as step:
            operator = network.stake.operator_of(self._account(CHEAT), at=network.node.block().hash)
            first = network.deployments.first_block()
            opened = self._events(network.court, CaseOpened, first, {})
            cases = [one for one in opened if one.pool >> 8 == operator]
            veto = Durations().divided(self.system.settings.divisor).veto
            travel_to(self.system.rpc, network.node.block().timestamp + veto + 1)
            for case in cases:
                call = network.court.execute(case.offence_id)
                receipt = self._send(WORKER_ROLE, call, f"demo.execute:{case.offence_id.hex()}")
                step.gas = receipt.gas_used
            slashed = [
                one
                for one in self._events(network.court, Slashed, first, {})
                if one.pool >> 8 == operator
            ]
            taken = sum(one.taken for one in slashed)
            step.detail = f"{show_amount(taken)} coins of stake for an answer of a smaller model"
        return taken

    def _jobs(self) -> dict[JobKind, Callable[[str], Outcome]]:
        network, home = self.network, self.system.home
        account = Keystore(home.keys).account(WORKER_ROLE)
        Enrolment(network, home).fund([account])
        sender = address_of(account)
        made = compute_jobs(
            network, sender, lambda: open_sender(network, home, WORKER_ROLE, account)
        )
        return dict(made.handlers())

    def _drawn(self, jobs: Jobs, batch: int) -> bool:
        done = jobs[JobKind.DRAW_AUDIT](_hex(batch))
        return done is not Outcome.NOT_DUE or self._view(batch).state is not AuditState.NONE

    def _all(self, jobs: Jobs, batches: Mapping[str, int], state: AuditState) -> bool:
        """Whether every audit came so far; what waits for everybody's ballot is moved on."""
        is_there = True
        for batch in batches.values():
            found = self._view(batch).state
            if found is AuditState.VOTING:
                jobs[JobKind.ADVANCE_AUDIT](_hex(batch))
            is_there = is_there and self._view(batch).state is state
        return is_there

    def _view(self, batch: int) -> AuditView:
        audits = chain_audits(self.network)
        return audits.audit(batch, at=self.network.node.block().hash)

    def _batches(self, role: str) -> list[BatchPosted]:
        first = self.network.deployments.first_block()
        indexed = {"service": self.services[role]}
        return self._events(self.network.escrow, BatchPosted, first, indexed)

    def _events(
        self, client: ContractClient, kind: type[T], first: int, indexed: Mapping[str, object]
    ) -> list[T]:
        last = self.network.node.block().number
        return list(events_between(self.network.node, client, kind, (first, last), indexed))

    def _account(self, role: str) -> Address:
        return address_of(Keystore(self.system.home.keys).account(role))

    def _send(self, role: str, call: TypedCall, key: str) -> Receipt:
        account = Keystore(self.system.home.keys).account(role)
        with open_sender(self.network, self.system.home, role, account) as sender:
            return execute_due(sender, call, key=key)


def _verdict(view: AuditView) -> str:
    return "FAILED" if view.failed else "passed"


def _hex(audit: int) -> str:
    return "0x" + audit.to_bytes(32, "big").hex()
