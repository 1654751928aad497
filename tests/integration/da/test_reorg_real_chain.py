"""The chain takes blocks of a dispersal back: real contracts, nodes, sender and outbox.

  confirm block gone                    the same certificate is mined again
  payment, seed and confirm gone        paid again by the same transaction; new seed, new signatures
  the same while the disperser is down  the next process does it
  the same, into another epoch          reverts for want of gas, then is asked again
  the payer's money gone as well        a typed error; goes on once there is money

In all cases one payment and one confirmation stand in the end, and no wei is missing.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.adapters.rpc import HttpTransport
from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil
from offchain.chain.errors import InsufficientFunds
from offchain.chain.model import Address, show_address
from offchain.chain.ports import Transport, UnsignedTransaction
from offchain.core.bls import Signature
from offchain.core.layout import STEP_PAYLOAD_BYTES
from offchain.core.units import WEI_PER_COIN
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts, read_view
from offchain.da.accuse import DA_EQUIVOCATION, SignedAttestation, find_equivocation
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.chain_ledger import ChainLedger
from offchain.da.adapters.chain_till import ChainTill
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.adapters.memory_journal import MemoryJournal
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.adapters.memory_rows import MemoryRows
from offchain.da.deliver import DeliverRows
from offchain.da.dispersals import Stage
from offchain.da.disperse import DispersalRules, DisperseBlob, Dispersed, DisperserParts
from offchain.da.duties import BlobView, Moment
from offchain.da.model import Attestation, BlobState, Equivocation, encode_equivocation
from offchain.da.onchain import BlobConfirmed, BlobPaid, DAEntranceClient, DASignersClient
from offchain.da.refusals import BlobUnknown, NoEquivocation
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.reverts import EquivocationUnproven
from offchain.da.serve import ServeLimits, ServeRows
from tests.support.da_chain import DaChain, court_of, deploy_chain
from tests.support.da_network import QUICK, some_bytes, the_engine
from tests.support.devnet_process import PROJECT, running_devnet
from tests.support.waiting import wait_until

NODES = 4
ENDPOINTS = [f"http://127.0.0.1:{9_100 + number}" for number in range(1, NODES + 1)]
FINALITY_BLOCKS = 3
SETTLED_DEPTH = FINALITY_BLOCKS + 1
EPOCH_SECONDS = 144
TREASURY = b"\x77" * 20
STRANGER = Address(b"\x51" * 20)
NEW_WEI = 100 * WEI_PER_COIN
PATIENCE_SECONDS = 60.0
PAYLOAD = some_bytes(STEP_PAYLOAD_BYTES)


@pytest.fixture(scope="module", params=["embedded", "anvil"])
def chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaChain]:
    folder = tmp_path_factory.mktemp("chain")
    if request.param == "embedded":
        yield from deployed_on(EmbeddedTransport(), folder)
        return
    try:
        bring_anvil(PROJECT / ".tools")
    except AnvilUnavailable as error:
        pytest.skip(f"no Anvil here: {error}")
    with running_devnet("anvil", folder / "state") as devnet:
        yield from deployed_on(HttpTransport(devnet.url), folder)


def deployed_on(transport: Transport, folder: Path) -> Iterator[DaChain]:
    deployed = deploy_chain(folder, ENDPOINTS, transport=transport, finality_blocks=FINALITY_BLOCKS)
    yield deployed
    deployed.close()


class SeenLedger:
    """The chain's ledger, and which states a disperser was shown by it."""

    def __init__(self, ledger: ChainLedger) -> None:
        self._ledger = ledger
        self._seen = {state: threading.Event() for state in BlobState}

    def head(self) -> Moment:
        return self._ledger.head()

    def moment(self, block: int) -> Moment:
        return self._ledger.moment(block)

    def domain(self) -> bytes:
        return self._ledger.domain()

    def view(self, blob_id: bytes, *, at: int) -> BlobView:
        view = self._ledger.view(blob_id, at=at)
        self._seen[view.record.state].set()
        return view

    async def until(self, state: BlobState) -> None:
        assert await asyncio.to_thread(self._seen[state].wait, PATIENCE_SECONDS), state


@dataclass
class Rig:
    """Nodes and a disperser on one chain, and what the chain held before."""

    chain: DaChain
    client: MemoryNodeClient
    journals: list[MemoryJournal]
    journal: MemoryDispersals
    entrance: DAEntranceClient
    first_block: int
    payer_wei: int

    @property
    def payer(self) -> Address:
        return self.chain.signers[-1].address

    def disperser(self) -> tuple[DisperseBlob, SeenLedger]:
        """A disperser as a new process would build it, over the same journal and outbox."""
        chain, ledger = self.chain, SeenLedger(self.chain.ledger())
        key, sender = chain.signers[-1], chain.senders[-1]
        parts = DisperserParts(
            ledger=ledger,
            till=ChainTill(chain.node, self.entrance, sender),
            deliver=DeliverRows(ledger, self.client, key, rules=QUICK),
            journal=self.journal,
            engine=the_engine(),
            payer=key.address,
            disperser=key.address,
        )
        rules = DispersalRules(poll_seconds=0.05, again_seconds=0.1, settled_depth=SETTLED_DEPTH)
        return DisperseBlob(parts, rules), ledger

    @asynccontextmanager
    async def confirmed_once(self, salt: bytes) -> AsyncIterator[asyncio.Task[Dispersed]]:
        """A dispersal whose certificate the disperser has seen in the newest block."""
        disperser, ledger = self.disperser()
        task = asyncio.create_task(disperser.disperse(PAYLOAD, days=1, salt=salt))
        try:
            await ledger.until(BlobState.PAID)
            await asyncio.to_thread(self.chain.mine)
            await ledger.until(BlobState.CONFIRMED)
            assert not task.done()
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def blob_id(self) -> bytes:
        [blob_id] = await self.journal.open_ids()
        return blob_id

    def view(self, blob_id: bytes) -> BlobView:
        return read_view(self.chain.ledger(), blob_id)

    def drop_from(self, block: int) -> None:
        """Forget a block and all above it, with their transactions."""
        self.chain.ask("anvil_rollback", self.chain.node.block().number - block + 1)


@pytest.fixture
def rig(chain: DaChain) -> Rig:
    ledger, nodes, journals = chain.ledger(), {}, []
    for operator, endpoint in enumerate(ENDPOINTS, 1):
        journal = MemoryJournal()
        signer = BlsSigner(chain.secrets[operator])
        parts = NodeParts(operator, ledger, MemoryRows(), journal, signer, the_engine())
        serve = ServeRows(parts.store, ServeLimits(readers=16))
        nodes[endpoint] = MemoryNode(AcceptRows(parts, NodeLimits()), serve)
        journals.append(journal)
    head = chain.node.block()
    payer_wei = chain.node.balance(chain.signers[-1].address, at=head.hash)
    entrance = DAEntranceClient(chain.deployments, chain.node)
    return Rig(
        chain,
        MemoryNodeClient(nodes),
        journals,
        MemoryDispersals(),
        entrance,
        head.number + 1,
        payer_wei,
    )


def events_since(rig: Rig, kind: type, first_block: int) -> list[object]:
    """Events of a kind that stand in the chain now."""
    head = rig.chain.node.block().number
    wanted = rig.entrance.event_filter(kind, first_block=first_block, last_block=head)
    return list(rig.entrance.events_in(kind, rig.chain.node.logs(wanted)))


def assert_paid_once(rig: Rig, blob_id: bytes) -> None:
    """One payment, one confirmation, and the payer poorer by one fee and by gas."""
    [paid] = events_since(rig, BlobPaid, rig.first_block)
    [confirmed] = events_since(rig, BlobConfirmed, rig.first_block)
    assert isinstance(paid, BlobPaid)
    assert isinstance(confirmed, BlobConfirmed)
    assert (blob_id, blob_id) == (paid.blob_id, confirmed.blob_id)
    at = rig.chain.node.block().hash
    spent = rig.payer_wei - rig.chain.node.balance(rig.payer, at=at)
    assert paid.fee == spent - gas_paid(rig)


def gas_paid(rig: Rig) -> int:
    """Wei that the payer's transactions since the rig was built cost, reverted ones too."""
    hashes = [
        bytes.fromhex(shown["hash"][2:])
        for number in range(rig.first_block, rig.chain.node.block().number + 1)
        for shown in rig.chain.ask("eth_getBlockByNumber", hex(number), True)["transactions"]
        if shown["from"].lower() == show_address(rig.payer).lower()
    ]
    receipts = rig.chain.node.receipts(hashes)
    return sum(one.gas_used * one.effective_gas_price_wei for one in receipts if one)


def assert_money_conserved(rig: Rig) -> None:
    """Deposits = held + pool + Treasury's share + credits; nobody has withdrawn anything."""
    chain, entrance = rig.chain, rig.entrance
    chain.senders[0].execute(entrance.collect(), key=f"collect:{chain.node.block().number}")
    at = chain.node.block().hash
    paid = events_since(rig, BlobPaid, 0)
    deposits = sum(one.fee for one in paid if isinstance(one, BlobPaid))
    owed = entrance.held(at=at) + entrance.reward_pool(at=at)
    owed += entrance.credit_of(TREASURY, at=at) + entrance.credit_of(rig.payer, at=at)
    assert deposits == owed
    assert deposits == chain.node.balance(entrance.address, at=at)


async def assert_read_back(rig: Rig, blob_id: bytes) -> None:
    reader = RetrieveBlob(rig.chain.ledger(), rig.client, the_engine(), rules=RetrievalRules())
    got = await reader.retrieve(blob_id)
    assert got.payload == PAYLOAD
    assert got.view.record.state is BlobState.CONFIRMED


def test_reorg__confirming_block_replaced__confirmed_again_and_paid_once(rig: Rig) -> None:
    async def story() -> None:
        async with rig.confirmed_once(b"\x01" * 32) as task:
            blob_id = await rig.blob_id()
            before = rig.view(blob_id)

            rig.chain.ask("anvil_reorg", 1, [])
            assert rig.view(blob_id).record.state is BlobState.PAID
            async with rig.chain.heartbeat():
                done = await asyncio.wait_for(task, PATIENCE_SECONDS)

            assert done.blob_id == blob_id
            assert rig.view(blob_id).duties == before.duties
            record = await rig.journal.load(blob_id)
            assert record is not None
            assert record.stage is Stage.CONFIRMED
            assert_paid_once(rig, blob_id)
            assert_money_conserved(rig)
            await assert_read_back(rig, blob_id)

    asyncio.run(story())


def test_reorg__payment_and_all_after_it_gone__new_seed_is_signed_without_offence(
    rig: Rig,
) -> None:
    async def story() -> None:
        async with rig.confirmed_once(b"\x02" * 32) as task:
            blob_id = await rig.blob_id()
            before = rig.view(blob_id)
            first = await signed_by(rig, blob_id)

            rig.drop_from(before.record.paid_block)
            with pytest.raises(BlobUnknown):
                rig.view(blob_id)
            async with rig.chain.heartbeat():
                await asyncio.wait_for(task, PATIENCE_SECONDS)

            after = rig.view(blob_id)
            assert before.duties is not None
            assert after.duties is not None
            assert before.duties.seed != after.duties.seed
            assert [len(await one.decisions()) for one in rig.journals] == [2] * NODES
            assert_paid_once(rig, blob_id)
            assert_money_conserved(rig)
            await assert_read_back(rig, blob_id)
            assert_no_offence(rig, first, await signed_by(rig, blob_id))

    asyncio.run(story())


async def signed_by(rig: Rig, blob_id: bytes) -> SignedAttestation:
    """What the first node signs of a blob as the chain stands now."""
    raw = await rig.client.signature(ENDPOINTS[0], blob_id)
    return SignedAttestation(rig.view(blob_id).attestation(), Signature.parse(raw))


def assert_no_offence(rig: Rig, first: SignedAttestation, second: SignedAttestation) -> None:
    """Neither the accuser nor the contract finds a case, whichever seed the evidence names."""
    key, domain = rig.chain.secrets[1].public_key(), rig.chain.ledger().domain()
    with pytest.raises(NoEquivocation):
        find_equivocation(key, first, second, domain)
    _, challenges = court_of(rig.chain)
    at = rig.chain.node.block().hash
    for seed in (first.attestation.seed, second.attestation.seed):
        one, two = (replace(signed.attestation, seed=seed) for signed in (first, second))
        two = distinct(one, two)
        case = Equivocation(key, one, first.signature, two, second.signature)
        with pytest.raises(EquivocationUnproven):
            challenges.adjudicate(DA_EQUIVOCATION, encode_equivocation(case), at=at)


def distinct(one: Attestation, two: Attestation) -> Attestation:
    """Another statement than `one`, also where both blocks had one timestamp."""
    return two if one != two else replace(two, expiry=two.expiry + 1)


def test_reorg__payment_gone_while_the_disperser_is_down__next_process_confirms(
    rig: Rig,
) -> None:
    async def story() -> None:
        async with rig.confirmed_once(b"\x03" * 32):
            blob_id = await rig.blob_id()
        rig.drop_from(rig.view(blob_id).record.paid_block)
        rig.chain.restart_sender(NODES)

        disperser, _ = rig.disperser()
        async with rig.chain.heartbeat():
            await asyncio.wait_for(disperser.resume(blob_id), PATIENCE_SECONDS)

        assert_paid_once(rig, blob_id)
        assert_money_conserved(rig)
        await assert_read_back(rig, blob_id)

    asyncio.run(story())


def test_reorg__payment_moves_to_an_unopened_epoch__asked_again_with_more_gas(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """The first payment of an epoch opens it, which the signed transaction has no gas for."""

    async def story() -> None:
        sender = rig.chain.senders[0]
        signers = DASignersClient(rig.chain.deployments, rig.chain.node)
        sender.execute(signers.open_epoch(), key="open the epoch of the first payment")
        async with rig.confirmed_once(b"\x05" * 32) as task:
            blob_id = await rig.blob_id()
            before = rig.view(blob_id)
            rig.drop_from(before.record.paid_block)
            rig.chain.mine(EPOCH_SECONDS)
            async with rig.chain.heartbeat():
                await asyncio.wait_for(task, PATIENCE_SECONDS)

        after = rig.view(blob_id)
        assert before.duties is not None
        assert after.duties is not None
        assert before.duties.epoch < after.duties.epoch
        assert "payment_out_of_gas" in caplog.messages
        assert_paid_once(rig, blob_id)
        assert_money_conserved(rig)
        await assert_read_back(rig, blob_id)

    asyncio.run(story())


def test_reorg__payment_gone_and_money_moved__says_so_and_goes_on_with_money(rig: Rig) -> None:
    async def story() -> None:
        async with rig.confirmed_once(b"\x04" * 32) as task:
            blob_id = await rig.blob_id()
            rig.drop_from(rig.view(blob_id).record.paid_block)
            move_all_money(rig)
            async with rig.chain.heartbeat():
                with pytest.raises(InsufficientFunds):
                    await asyncio.wait_for(task, PATIENCE_SECONDS)
            with pytest.raises(BlobUnknown):
                rig.view(blob_id)
            assert await rig.journal.open_ids() == [blob_id]
            assert_money_conserved(rig)

        rig.chain.restart_sender(NODES)  # opens without money, to be told the same or be paid
        give_money(rig)
        disperser, _ = rig.disperser()
        async with rig.chain.heartbeat():
            await asyncio.wait_for(disperser.resume(blob_id), PATIENCE_SECONDS)

        assert_paid_once(rig, blob_id)
        assert_money_conserved(rig)
        await assert_read_back(rig, blob_id)

    asyncio.run(story())


def move_all_money(rig: Rig) -> None:
    """The payer's own key sends everything elsewhere, with the nonce that the payment had."""
    node, signer = rig.chain.node, rig.chain.signers[-1]
    head, fee_wei = node.block(), 10 * node.fees().base_fee_wei
    value_wei = node.balance(rig.payer, at=head.hash) - 21_000 * fee_wei
    raw = signer.sign_transaction(
        UnsignedTransaction(
            chain_id=node.chain_id(),
            nonce=node.nonce(rig.payer, at=head.hash),
            to=STRANGER,
            data=b"",
            value_wei=value_wei,
            gas=21_000,
            max_fee_wei=fee_wei,
            tip_wei=fee_wei,
        )
    )
    assert node.broadcast([raw]) == [None]
    wait_until(
        lambda: node.balance(STRANGER, at=node.block().hash) >= value_wei,
        seconds=30,
        what="the payer's money gone",
    )


def give_money(rig: Rig) -> None:
    """New coins for the payer, counted as if it had had them from the start."""
    rig.chain.ask("anvil_setBalance", show_address(rig.payer), hex(NEW_WEI))
    rig.payer_wei = NEW_WEI + gas_paid(rig)
