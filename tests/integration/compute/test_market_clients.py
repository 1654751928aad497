"""Clients of registry, escrow and jobs, and `apogee jobs`, over contracts on one embedded chain."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from offchain.apps import court_dues, job_market
from offchain.apps.home import Home
from offchain.apps.network import Network
from offchain.apps.stake import Actor
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.model import TypedCall
from offchain.compute.errors import PriceUnknown, ServiceUnknown
from offchain.compute.job_terms import case_id, milestone_amounts, parse_plan
from offchain.compute.model import (
    NATIVE_COIN,
    Kind,
    Numerics,
    compute_domain,
    service_id,
)
from offchain.compute.onchain_escrow import (
    ComputeEscrowClient,
    DelegateTerms,
    Delegation,
    Deposited,
    ExitFinished,
    ExitRequested,
)
from offchain.compute.onchain_job_market import CaseState, JobState
from offchain.compute.onchain_registry import ServiceRegistryClient, Terms
from offchain.compute.ports import BatchState, Bucket
from offchain.compute.reverts_compute import (
    DelegateInvalid,
    EscrowBatchUnknown,
    ExitLocked,
    FundsTooLow,
    NotTheProvider,
    PaymentWrong,
    SignatureRejected,
)
from offchain.compute.reverts_jobs import JobStateWrong, JobTooEarly, NotYourJob
from offchain.core.units import WEI_PER_COIN
from offchain.staking.model import Service
from tests.support.audit_market import CountingClock, network_over
from tests.support.da_chain import DaChain, deploy_chain

PROVIDER = b"\x77" * 20
KEY = b"\x66" * 20
ANY = bytes(20)
UNKNOWN = b"\x01" * 32
FAR = 2**63


@dataclass
class Desk:
    """A chain, its clients, accounts that call, and a home whose roles do."""

    chain: DaChain
    network: Network
    home: Home
    calls: int = 0

    @property
    def registry(self) -> ServiceRegistryClient:
        return self.network.services

    @property
    def escrow(self) -> ComputeEscrowClient:
        return self.network.escrow

    def pass_(self, seconds: int) -> None:
        """Let the next block be so much later."""
        later = self.chain.node.block().timestamp + seconds
        self.chain.ask("evm_setNextBlockTimestamp", later)
        self.chain.mine()

    def actor(self, role: str) -> Actor:
        return Actor(self.home, self.network, role, as_json=True)

    @property
    def at(self) -> bytes:
        return self.chain.node.block().hash

    def account(self, number: int) -> bytes:
        return bytes(self.chain.senders[number].account)

    def send(self, number: int, call: TypedCall) -> None:
        self.calls += 1
        self.chain.senders[number].execute(call, key=f"call {self.calls}")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("chain")
    clock = CountingClock()  # no test waits, and none is late on a slow machine
    chain = deploy_chain(folder, ["http://127.0.0.1:1"], transport=EmbeddedTransport(clock=clock))
    clock.stop()
    yield Desk(chain, network_over(chain), Home.at(folder / "home"))
    chain.close()


@pytest.fixture(scope="module")
def service(desk: Desk) -> bytes:
    """Operator 1 serves chats; the role `provider` of the home signs for it."""
    network, owner = desk.network, desk.account(0)
    role = desk.actor("provider")
    desk.send(0, network.stake.join(Service.COMPUTE, 0, stake_wei=100 * WEI_PER_COIN))
    desk.send(0, network.registry.offer_signer(role.address))
    role.send(network.registry.accept_signer(1), "accept signer")
    for _ in range(2):
        desk.pass_(144)
    terms = Terms(Kind.CHAT, Numerics.TORCH_FP32, UNKNOWN, bytes(32), 64, 64, 1, bytes(32))
    at = desk.at
    desk.send(0, desk.registry.register(terms, signer=KEY, endpoint="http://127.0.0.1:1"))
    found = desk.registry.service_id(owner, Kind.CHAT, bytes(32), at=desk.at)
    prices = {"input_price": 1, "output_price": 1, "request_price": 0}
    desk.send(0, desk.registry.announce_price(found, token=NATIVE_COIN, **prices))
    desk.send(0, desk.registry.activate(found))
    assert desk.registry.services(at=at) == []
    return found


def test_escrow__money_in_and_out__reads_as_it_moved(desk: Desk) -> None:
    escrow, payer, friend = desk.escrow, desk.account(0), desk.account(1)
    first = int(desk.chain.node.block().number) + 1

    desk.send(1, escrow.deposit(payer, 100))
    desk.send(0, escrow.deposit(payer, 50, provider=PROVIDER))
    desk.send(0, escrow.fund(payer, PROVIDER, NATIVE_COIN, 30))
    desk.send(0, escrow.give(NATIVE_COIN, friend, 10))
    desk.send(0, escrow.request_exit(PROVIDER, NATIVE_COIN, 60))

    windows = escrow.windows(at=desk.at)
    bucket = escrow.bucket(payer, PROVIDER, NATIVE_COIN, at=desk.at)
    assert bucket == Bucket(balance=80, exit_amount=60, exit_at=bucket.exit_at)
    assert bucket.available == 20
    with pytest.raises(ExitLocked):
        desk.send(1, escrow.finish_exit(payer, PROVIDER, NATIVE_COIN))
    desk.pass_(2 * windows.withdraw_lock)
    desk.send(1, escrow.finish_exit(payer, PROVIDER, NATIVE_COIN))
    desk.send(0, escrow.withdraw(NATIVE_COIN, 120, payer))
    assert escrow.free_of(payer, NATIVE_COIN, at=desk.at) == 0
    assert escrow.free_of(friend, NATIVE_COIN, at=desk.at) == 10
    with pytest.raises(FundsTooLow):
        desk.send(0, escrow.withdraw(NATIVE_COIN, 1, payer))
    with pytest.raises(PaymentWrong):
        desk.send(0, escrow.deposit(ANY, 1))

    last = int(desk.chain.node.block().number)
    kinds = (Deposited, ExitRequested, ExitFinished)
    logs = desk.chain.node.logs(escrow.event_filter(*kinds, first_block=first, last_block=last))
    assert escrow.events_in(Deposited, logs) == [
        Deposited(payer, ANY, NATIVE_COIN, 100, friend),
        Deposited(payer, PROVIDER, NATIVE_COIN, 50, payer),
    ]
    assert [one.amount for one in escrow.events_in(ExitRequested, logs)] == [60]
    assert [one.co_signed for one in escrow.events_in(ExitFinished, logs)] == [False]


def test_escrow__delegates__read_as_they_were_set(desk: Desk) -> None:
    escrow, payer = desk.escrow, desk.account(0)
    assert escrow.delegate(payer, KEY, at=desk.at) is None

    desk.send(0, escrow.set_delegate(KEY, DelegateTerms(NATIVE_COIN, 9, FAR, PROVIDER, UNKNOWN)))

    told = escrow.delegation(payer, KEY, at=desk.at)
    assert told == Delegation(NATIVE_COIN, 9, 0, FAR, PROVIDER, UNKNOWN, 0, False, False)
    desk.send(0, escrow.revoke_delegate(KEY))
    delegate = escrow.delegate(payer, KEY, at=desk.at)
    assert delegate is not None
    assert (delegate.cap, delegate.is_revoked) == (9, True)
    assert delegate.serves(PROVIDER, UNKNOWN, NATIVE_COIN)
    with pytest.raises(DelegateInvalid):
        desk.send(0, escrow.revoke_delegate(KEY))


def test_escrow__what_is_not_there__reads_empty_and_refuses(desk: Desk) -> None:
    escrow, at = desk.escrow, desk.at
    identity = desk.chain.node.chain_id()
    assert escrow.batch(1, at=at).state is BatchState.NONE
    assert (escrow.batch_count(at=at), escrow.held_of(1, at=at)) == (0, 0)
    assert escrow.open_cases_of(1, at=at) == 0
    assert escrow.is_covered(1, at=at)
    assert escrow.room_of(1, at=at) == 0
    assert escrow.wei_of(NATIVE_COIN, 5, at=at) == 5
    assert escrow.refunded_of(1, 0, at=at) == 0
    assert not escrow.is_refunded(UNKNOWN, at=at)
    domain = compute_domain(chain_id=identity, escrow=bytes(escrow.address))
    assert escrow.domain_separator(at=at) == domain
    assert len(escrow.release_digest(KEY, PROVIDER, NATIVE_COIN, 1, at=at)) == 32
    with pytest.raises(EscrowBatchUnknown):
        desk.send(0, escrow.release(1))
    signature = bytes(64) + b"\x1b"
    with pytest.raises(SignatureRejected):
        desk.send(0, escrow.release_exit(KEY, PROVIDER, NATIVE_COIN, 1, signature=signature))
    with pytest.raises(NotTheProvider):
        desk.send(0, escrow.settle(UNKNOWN, NATIVE_COIN, [], bytes(32)))


def test_registry__what_is_not_there__is_unknown(desk: Desk) -> None:
    registry, at = desk.registry, desk.at
    with pytest.raises(ServiceUnknown):
        registry.service(UNKNOWN, at=at)
    with pytest.raises(PriceUnknown):
        registry.price_row(UNKNOWN, 1, at=at)
    assert registry.services(at=at) == []
    assert registry.signer_at(UNKNOWN, 1, at=at) == ANY
    assert registry.operator_of(UNKNOWN, at=at) == 0
    assert registry.head().hash == desk.at
    wanted = service_id(
        chain_id=desk.chain.node.chain_id(),
        registry=bytes(registry.address),
        provider=PROVIDER,
        kind=Kind.CHAT,
        salt=UNKNOWN,
    )
    assert registry.service_id(PROVIDER, Kind.CHAT, UNKNOWN, at=at) == wanted


PLAN = "40:600,60:1200"


def a_job(desk: Desk, service: bytes, price: str = "0.5eth") -> int:
    """Posted by the buyer's role, bid for by the provider's, opened and awarded: `apogee jobs`."""
    buyer, provider = desk.actor("buyer"), desk.actor("provider")
    wish = job_market.PostWish("0x" + "ab" * 32, "1eth", PLAN, "chat", "none", None, 10, 60, 60, 60)
    job_market.post(buyer, wish)
    number = desk.network.jobs.job_count(at=desk.at)
    job_market.bid(provider, number, "0x" + service.hex(), price)
    with pytest.raises(JobTooEarly):
        job_market.cancel(buyer, number)
    desk.pass_(61)
    job_market.reveal(provider, number)
    desk.pass_(61)
    job_market.award(buyer, number)
    return number


def test_jobs__whole_way__pays_by_the_milestone_and_gives_bonds_back(
    desk: Desk, service: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    market, owner = desk.network.jobs, desk.account(0)
    buyer, provider = desk.actor("buyer"), desk.actor("provider")
    number = a_job(desk, service)
    price, bond = WEI_PER_COIN // 2, WEI_PER_COIN // 10
    amounts = milestone_amounts(price, market.milestones(number, at=desk.at))

    job_market.deliver(provider, number, "0x" + "cd" * 32, None)
    with pytest.raises(NotYourJob):
        job_market.accept(provider, number)
    job_market.accept(buyer, number)
    assert market.free_of(owner, NATIVE_COIN, at=desk.at) == amounts[0]
    job_market.deliver(provider, number, "0x" + "ce" * 32, "0x" + "ee" * 32)
    desk.pass_(61)
    job_market.settle(provider, number)

    assert market.milestones(number, at=desk.at) == parse_plan(PLAN)
    assert market.job(number, at=desk.at).state is JobState.SETTLED
    assert market.free_of(owner, NATIVE_COIN, at=desk.at) == price + bond
    assert market.record_of(1, at=desk.at).settled == 1
    assert market.risk_of(1, at=desk.at) == 1_111
    desk.send(0, market.withdraw(NATIVE_COIN, price + bond, owner))
    job_market.withdraw(buyer)
    with pytest.raises(job_market.NothingToDecide):
        job_market.withdraw(buyer)
    capsys.readouterr()
    job_market.list_jobs(buyer)
    [shown] = json.loads(capsys.readouterr().out)["jobs"]
    assert (shown["job"], shown["state"], shown["price"]) == (number, "settled", "0.5")
    with pytest.raises(JobStateWrong):
        job_market.accept(buyer, number)


def test_jobs__disputed_where_nobody_judges__is_split(desk: Desk, service: bytes) -> None:
    market, stranger = desk.network.jobs, desk.actor("stranger")
    number = a_job(desk, service)
    job_market.deliver(desk.actor("provider"), number, "0x" + "cd" * 32, None)
    owed = market.free_of(desk.account(0), NATIVE_COIN, at=desk.at)
    job_market.dispute(desk.actor("buyer"), number, "0x" + "ff" * 32)
    case = case_id(number, 0)
    assert market.case(case, at=desk.at).state is CaseState.WAITING
    for _ in range(3):
        desk.chain.mine()

    job_market.judge(stranger, number, None)

    assert market.case(case, at=desk.at).state is CaseState.UNDECIDED
    assert market.job(number, at=desk.at).state is JobState.SPLIT
    half, bond = WEI_PER_COIN // 10, WEI_PER_COIN // 10
    assert market.free_of(desk.account(0), NATIVE_COIN, at=desk.at) == owed + half + bond
    with pytest.raises(job_market.NothingToDecide):
        job_market.judge(stranger, number, "fine")
    with pytest.raises(job_market.BidForgotten):
        job_market.reveal(stranger, number)


def test_court_dues__nothing_owed__says_so_and_sends_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = desk.chain.node.block().number

    court_dues.collect(desk.actor("provider"), is_taken=True)

    told = json.loads(capsys.readouterr().out)
    assert [row["owed"] for row in told["credits"]] == ["0", "0"]
    assert desk.chain.node.block().number == before
