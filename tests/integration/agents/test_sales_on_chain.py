"""The clients of AgentMarket and AgentLeases, and the jobs that end what waits, over a network.

Tokens without data are sold and let: their delivery needs no oracles, and all else is as
with data.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from offchain.agents.adapters.chain_findings import ChainFindings, FindingClients
from offchain.agents.adapters.chain_leases import ChainLeases, LeaseClients
from offchain.agents.adapters.chain_sales import ChainSales, SaleClients
from offchain.agents.onchain_leases import (
    AgentLeasesClient,
    CloneRefunded,
    LeaseEnded,
    Licence,
    OrderState,
    RentEarned,
    RentTerms,
)
from offchain.agents.onchain_market import (
    AgentMarketClient,
    SaleDelivered,
    SaleLocked,
    SaleRefunded,
    SaleSettled,
    SaleState,
)
from offchain.agents.orders import (
    NOBODY,
    OrderKind,
    SellOrder,
    bond_of,
    fee_of,
    market_domain,
    seal_of,
)
from offchain.agents.reverts_agents_market import (
    OrderSpent,
    SaleStateWrong,
    SaleTooEarly,
    SaleUnknown,
)
from offchain.apps.network import Network
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import ContractClient
from offchain.chain.model import TypedCall
from offchain.chain.sender import TransactionSender
from offchain.core.hashing import keccak
from offchain.jobs.agents import AgentJobs, AgentParts
from offchain.jobs.model import Job, JobKind, Outcome
from offchain.jobs.tried_calls import Sending
from tests.support.agents_market import KEY
from tests.support.audit_market import CountingClock, network_over
from tests.support.da_chain import DaChain, deploy_chain

SELLER, BUYER = 0, 1
PRICE = 1_000_003
FAR = 2**40


@dataclass
class Stall:
    """A chain, its clients, a seller, a buyer and a worker that is the buyer's account."""

    chain: DaChain
    network: Network
    calls: int = 0
    nonce: int = 0

    @property
    def market(self) -> AgentMarketClient:
        return self.network.agent_market

    @property
    def at(self) -> bytes:
        return self.chain.node.block().hash

    def account(self, number: int) -> bytes:
        return bytes(self.chain.senders[number].account)

    def send(self, number: int, call: TypedCall) -> None:
        self.calls += 1
        self.chain.senders[number].execute(call, key=f"call {self.calls}")

    def pass_(self, seconds: int) -> None:
        """Let the next block be so much later."""
        later = self.chain.node.block().timestamp + seconds
        self.chain.ask("evm_setNextBlockTimestamp", later)
        self.chain.mine()

    def token(self) -> int:
        """A token without data, which the market may lock."""
        agents = self.network.agents
        owner = self.account(SELLER)
        self.send(SELLER, agents.mint(owner, [], [], [], threshold=1, royalty_bps=500))
        number = agents.total_supply(at=self.at)
        self.send(SELLER, agents.approve(self.market.address, number))
        return number

    def order(
        self, token: int, kind: OrderKind = OrderKind.FIXED, seconds: int = 0
    ) -> tuple[SellOrder, bytes]:
        self.nonce += 1
        now = self.chain.node.block().timestamp
        is_auction = kind is OrderKind.ENGLISH
        order = SellOrder(
            seller=self.account(SELLER),
            collection=self.network.agents.address,
            token=token,
            kind=kind,
            price=PRICE,
            end_price=PRICE,
            currency=NOBODY,
            data_root=self.network.agents.data_root(token, at=self.at),
            account=NOBODY,
            account_state=0,
            royalty_max=500,
            min_step=500 if is_auction else 0,
            start=now if is_auction else 0,
            end=now + seconds if is_auction else FAR,
            nonce=self.nonce,
            taker=NOBODY,
        )
        domain = market_domain(chain_id=self.network.chain_id, market=self.market.address)
        return order, self.chain.signers[SELLER].sign_digest(order.digest(domain))

    def sell(self) -> int:
        """A locked sale."""
        self.send(SELLER, self.market.deposit(self.account(SELLER), NOBODY, bond_of(PRICE)))
        self.send(BUYER, self.market.buy(*self.order(self.token()), KEY, value=PRICE))
        return self.market.sale_count(at=self.at)

    @property
    def leases(self) -> AgentLeasesClient:
        return self.network.agent_leases

    def jobs(self) -> AgentJobs:
        """A worker that has just started."""
        network, first = self.network, self.network.deployments.first_block()
        node, agents = network.node, network.agents
        return AgentJobs(
            AgentParts(
                node=node,
                sales=ChainSales(SaleClients(node, self.market, agents, first, 0)),
                leases=ChainLeases(LeaseClients(node, self.leases, agents, first, 0)),
                findings=ChainFindings(FindingClients(node, network.verifier, first, 0)),
                sender_address=self.chain.senders[BUYER].account,
                sending=self.sending(),
            )
        )

    def sending(self) -> Sending:
        return lambda act: act(self.sender)

    @property
    def sender(self) -> TransactionSender:
        return self.chain.senders[BUYER]

    def due(self) -> list[Job]:
        return list(self.jobs().find_due(self.chain.node.block()))

    @contextmanager
    def tells(self, kind: type, client: ContractClient | None = None) -> Iterator[list[object]]:
        """Events of a kind that are written inside, by the market if by no other."""
        first, told = self.chain.node.block().number + 1, []
        yield told
        last, by = self.chain.node.block().number, client or self.market
        wanted = by.event_filter(kind, first_block=first, last_block=last)
        told += by.events_in(kind, self.chain.node.logs(wanted))

    def done_once(self, job: Job) -> None:
        """The job is the only one, and two workers do it once."""
        assert [job] == self.due()
        outcomes = [self.jobs().do(job.kind, job.subject, self.sender) for _ in range(2)]
        assert outcomes == [Outcome.DONE, Outcome.NOT_DUE]
        assert self.due() == []


@pytest.fixture(scope="module")
def stall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stall]:
    clock = CountingClock()
    transport = EmbeddedTransport(clock=clock)
    folder = tmp_path_factory.mktemp("chain")
    chain = deploy_chain(folder, ["http://127.0.0.1:1"], transport=transport)
    clock.stop()
    yield Stall(chain, network_over(chain))
    chain.close()


def test_client__order_and_sale__read_as_they_were_written(stall: Stall) -> None:
    market, token = stall.market, stall.token()
    order, signature = stall.order(token)
    domain = market_domain(chain_id=stall.network.chain_id, market=market.address)
    assert domain == market.domain_separator(at=stall.at)
    assert market.price_of(order, at=stall.at) == PRICE
    assert bond_of(PRICE) == market.bond_of(PRICE, at=stall.at)
    stall.send(SELLER, market.deposit(order.seller, NOBODY, bond_of(PRICE)))

    with stall.tells(SaleLocked) as told:
        stall.send(BUYER, market.buy(order, signature, KEY, value=PRICE))

    number = market.sale_count(at=stall.at)
    sale = market.sale(number, at=stall.at)
    [locked] = told
    assert isinstance(locked, SaleLocked)
    assert (number, order.digest(domain)) == (locked.sale, locked.order)
    assert (SaleState.LOCKED, token, PRICE) == (sale.state, sale.token, sale.price)
    assert (order.seller, stall.account(BUYER), keccak(KEY)) == (
        sale.seller,
        sale.buyer,
        sale.key_hash,
    )
    assert market.is_used(order.seller, order.nonce, at=stall.at)
    with pytest.raises(OrderSpent):
        stall.send(SELLER, market.cancel(order.nonce))
    with pytest.raises(SaleTooEarly):
        stall.send(SELLER, market.refund(number))
    with pytest.raises(SaleStateWrong):
        stall.send(BUYER, market.dispute(number))
    with pytest.raises(SaleUnknown):
        stall.send(BUYER, market.refund(99))
    with stall.tells(SaleSettled) as settled:
        stall.send(BUYER, market.accept(number, []))
    fee = fee_of(PRICE, market.fee_bps(at=stall.at))
    [ended] = settled
    assert isinstance(ended, SaleSettled)
    assert (fee, PRICE // 20, order.seller) == (ended.fee, ended.royalty, ended.royalty_receiver)
    assert ended.fee + ended.royalty + ended.to_seller == PRICE
    assert stall.account(BUYER) == stall.network.agents.owner_of(token, at=stall.at)


def test_jobs__buyer_is_silent__any_worker_settles_once(stall: Stall) -> None:
    number = stall.sell()
    market, windows = stall.market, stall.market.windows(at=stall.at)
    with stall.tells(SaleDelivered) as told:
        stall.send(SELLER, market.deliver(number, []))
    [delivered] = told
    assert isinstance(delivered, SaleDelivered)
    assert seal_of(delivered.digests) == market.sale(number, at=stall.at).seal
    assert stall.due() == []
    stall.pass_(windows.objection + 1)
    job = Job(JobKind.SETTLE_SALE, str(number))
    assert [job] == stall.due()

    first, second = (stall.jobs().do(job.kind, job.subject, stall.sender) for _ in range(2))

    assert (first, second) == (Outcome.DONE, Outcome.NOT_DUE)
    assert market.sale(number, at=stall.at).state == SaleState.SETTLED
    assert stall.due() == []


def test_jobs__seller_never_delivers__any_worker_refunds_once(stall: Stall) -> None:
    number = stall.sell()
    market, windows = stall.market, stall.market.windows(at=stall.at)
    buyer = stall.account(BUYER)
    before = market.credit_of(buyer, NOBODY, at=stall.at)
    stall.pass_(windows.deliver + 1)
    job = Job(JobKind.REFUND_SALE, str(number))
    assert [job] == stall.due()

    with stall.tells(SaleRefunded) as told:
        handler = stall.jobs().handlers()[job.kind]
        assert handler(job.subject) == Outcome.DONE

    [refunded] = told
    assert isinstance(refunded, SaleRefunded)
    assert PRICE + bond_of(PRICE) == refunded.to_buyer
    assert before + refunded.to_buyer == market.credit_of(buyer, NOBODY, at=stall.at)
    assert handler(job.subject) == Outcome.NOT_DUE
    assert replace(job, kind=JobKind.SETTLE_SALE) not in stall.due()


def test_jobs__auction_with_a_winner__any_worker_closes_it_from_the_first_bid(stall: Stall) -> None:
    market, number = stall.market, stall.market.sale_count(at=stall.at) + 1
    order, signature = stall.order(stall.token(), OrderKind.ENGLISH, seconds=1_000)
    bond = market.bond_of(2 * PRICE, at=stall.at)
    stall.send(SELLER, market.deposit(order.seller, NOBODY, bond))
    for amount in (PRICE, 2 * PRICE):
        call = market.bid(order, signature, KEY, amount=amount, value=amount)
        stall.send(BUYER, call)
    assert stall.due() == []
    stall.pass_(market.sale(number, at=stall.at).until - stall.chain.node.block().timestamp + 1)

    stall.done_once(Job(JobKind.CLOSE_AUCTION, str(number)))

    sale = market.sale(number, at=stall.at)
    assert (SaleState.LOCKED, 2 * PRICE, stall.account(BUYER)) == (
        sale.state,
        sale.price,
        sale.buyer,
    )
    stall.send(BUYER, market.accept(number, []))


def test_jobs__auction_whose_goods_were_changed__bidder_has_his_money_and_the_bond(
    stall: Stall,
) -> None:
    market, number = stall.market, stall.market.sale_count(at=stall.at) + 1
    token = stall.token()
    order, signature = stall.order(token, OrderKind.ENGLISH, seconds=1_000)
    stall.send(SELLER, market.deposit(order.seller, NOBODY, bond_of(PRICE)))
    stall.send(BUYER, market.bid(order, signature, KEY, amount=PRICE, value=PRICE))
    stall.send(SELLER, stall.network.agents.approve(NOBODY, token))
    stall.pass_(market.sale(number, at=stall.at).until - stall.chain.node.block().timestamp + 1)

    with stall.tells(SaleRefunded) as told:
        stall.done_once(Job(JobKind.CLOSE_AUCTION, str(number)))

    [refunded] = told
    assert isinstance(refunded, SaleRefunded)
    assert (PRICE + bond_of(PRICE), 0) == (refunded.to_buyer, refunded.to_seller)


def test_jobs__rental_is_over__owner_is_paid_and_nothing_is_left(stall: Stall) -> None:
    leases, token = stall.leases, stall.token()
    terms = RentTerms(7, NOBODY, 60, 600, FAR)
    stall.send(SELLER, leases.set_rent(token, terms))
    stall.send(BUYER, leases.rent(token, 100, terms, value_wei=700))
    owed = leases.credit_of(stall.account(SELLER), NOBODY, at=stall.at)
    number = leases.lease_count(at=stall.at)
    assert stall.due() == []
    stall.pass_(101)

    stall.done_once(Job(JobKind.COLLECT_RENT, str(number)))

    assert leases.lease(number, at=stall.at).until == 0
    assert owed + 700 == leases.credit_of(stall.account(SELLER), NOBODY, at=stall.at)


def test_jobs__agent_is_given_away_while_let__renter_has_the_rest_back(stall: Stall) -> None:
    leases, token = stall.leases, stall.token()
    terms = RentTerms(7, NOBODY, 60, 10_000, FAR)
    stall.send(SELLER, leases.set_rent(token, terms))
    stall.send(BUYER, leases.rent(token, 10_000, terms, value_wei=70_000))
    number = leases.lease_count(at=stall.at)
    seller, buyer = stall.account(SELLER), stall.account(BUYER)
    stall.send(SELLER, stall.network.agents.transfer_from(seller, buyer, token))

    with stall.tells(LeaseEnded, leases) as ended, stall.tells(RentEarned, leases) as earned:
        stall.done_once(Job(JobKind.COLLECT_RENT, str(number)))

    [over] = ended
    assert isinstance(over, LeaseEnded)
    paid = sum(one.amount for one in earned if isinstance(one, RentEarned))
    assert over.refund > 0
    assert over.refund + paid == 70_000


def test_jobs__clone_is_not_delivered_in_time__fee_is_paid_back(stall: Stall) -> None:
    leases, token = stall.leases, stall.token()
    licence = Licence(2, 1_000, NOBODY, 0, False, FAR)
    data_root = stall.network.agents.data_root(token, at=stall.at)
    stall.send(SELLER, leases.set_licence(token, licence))
    stall.send(BUYER, leases.order_clone(token, KEY, licence, data_root, value_wei=1_000))
    number = leases.order_count(at=stall.at)
    assert stall.due() == []
    left = leases.order(number, at=stall.at).deadline - stall.chain.node.block().timestamp
    stall.pass_(left + 1)

    with stall.tells(CloneRefunded, leases) as refunded:
        stall.done_once(Job(JobKind.END_CLONE_ORDER, str(number)))

    assert leases.order(number, at=stall.at).state is OrderState.REFUNDED
    [told] = refunded
    assert isinstance(told, CloneRefunded)
    assert not told.is_false
