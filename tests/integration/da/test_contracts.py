"""The whole honest path, a refund and a slash, on the real contracts in an in-process EVM.

The nodes are real and behind real sockets; only the chain runs inside this process.
"""

import asyncio
from collections.abc import Iterator

import pytest

from offchain.core.bls import Signature
from offchain.core.units import WEI_PER_COIN
from offchain.da.accept import AcceptRows, NodeLimits, NodeParts
from offchain.da.accuse import Accuse, SignedAttestation, find_equivocation
from offchain.da.adapters.bls_signer import BlsSigner
from offchain.da.adapters.chain_court import ChainCourt
from offchain.da.adapters.chain_till import ChainTill
from offchain.da.adapters.chain_trail import ChainTrail
from offchain.da.adapters.equivocating_signer import EquivocatingSigner
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.adapters.memory_journal import MemoryJournal
from offchain.da.adapters.memory_node import MemoryNode, MemoryNodeClient
from offchain.da.adapters.memory_rows import MemoryRows
from offchain.da.deliver import DeliverRows
from offchain.da.disperse import DispersalRules, DisperseBlob, Dispersed, DisperserParts
from offchain.da.model import BlobState
from offchain.da.onchain import DAEntranceClient, DASignersClient
from offchain.da.refusals import NotEnoughSignatures
from offchain.da.retrieve import RetrievalRules, RetrieveBlob
from offchain.da.serve import ServeLimits, ServeRows
from offchain.staking.onchain import StakeManagerClient
from tests.support.da_chain import STAKE_WEI, DaChain, court_of, deploy_chain
from tests.support.da_network import QUICK, some_bytes, the_engine

NODES = 4
REPORTER_LIMIT_WEI = 10 * WEI_PER_COIN  # a fifth of the slash would be more
ENDPOINTS = [f"http://127.0.0.1:{9_000 + number}" for number in range(1, NODES + 1)]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaChain]:
    deployed = deploy_chain(tmp_path_factory.mktemp("chain"), ENDPOINTS)
    yield deployed
    deployed.close()


def nodes_on(chain: DaChain, *, absent: tuple[int, ...] = ()) -> MemoryNodeClient:
    ledger = chain.ledger()
    nodes = {}
    for operator, endpoint in enumerate(ENDPOINTS, 1):
        if operator in absent:
            continue
        signer = BlsSigner(chain.secrets[operator])
        parts = NodeParts(operator, ledger, MemoryRows(), MemoryJournal(), signer, the_engine())
        serve = ServeRows(parts.store, ServeLimits(readers=16))
        nodes[endpoint] = MemoryNode(AcceptRows(parts, NodeLimits()), serve)
    return MemoryNodeClient(nodes)


def disperser_on(
    chain: DaChain, client: MemoryNodeClient, journal: MemoryDispersals | None = None
) -> DisperseBlob:
    ledger, key, sender = chain.ledger(), chain.signers[-1], chain.senders[-1]
    entrance = DAEntranceClient(chain.deployments, chain.node)
    parts = DisperserParts(
        ledger=ledger,
        till=ChainTill(chain.node, entrance, sender),
        deliver=DeliverRows(ledger, client, key, rules=QUICK),
        journal=journal or MemoryDispersals(),
        engine=the_engine(),
        payer=key.address,
        disperser=key.address,
    )
    return DisperseBlob(parts, DispersalRules(poll_seconds=0.05, again_seconds=0.1))


def test_contracts__publish_with_one_node_down__confirmed_and_read_back(chain: DaChain) -> None:
    payload = some_bytes(400_000)

    async def story() -> None:
        client = nodes_on(chain, absent=(3,))
        async with chain.heartbeat():
            done = await disperser_on(chain, client).disperse(payload, days=1, salt=bytes(32))
            again = await disperser_on(chain, client).disperse(payload, days=1, salt=bytes(32))
        reader = RetrieveBlob(chain.ledger(), client, the_engine(), rules=RetrievalRules())
        got = await reader.retrieve(done.blob_id)

        assert payload == got.payload
        assert got.view.record.state is BlobState.CONFIRMED
        assert done.paid is not None
        assert done.confirmed is not None
        assert len(done.absent) == 1
        assert again.blob_id == done.blob_id
        assert again.paid is None
        assert 0 < done.confirmed.gas_used < 400_000

    asyncio.run(story())


def test_contracts__owners_of_rows__as_the_contract_says(chain: DaChain) -> None:
    payload = some_bytes(1_000, seed=9)

    async def story() -> bytes:
        client = nodes_on(chain)
        async with chain.heartbeat():
            disperser = disperser_on(chain, client)
            return (await disperser.disperse(payload, days=1, salt=b"\x09" * 32)).blob_id

    blob_id = asyncio.run(story())
    ledger = chain.ledger()
    view = ledger.view(blob_id, at=ledger.head().block)
    assert view.duties is not None
    signers = DASignersClient(chain.deployments, chain.node)
    at = chain.node.block().hash
    for row, duty in list(view.duties.owners().items())[::331]:
        owner = signers.owner_of_row(view.duties.epoch, view.duties.seed, row, at=at)
        assert owner == duty.operator
    entrance = DAEntranceClient(chain.deployments, chain.node)
    assert ledger.domain() == entrance.domain_separator(at=at)


def test_contracts__trail_of_a_blob__names_its_transactions(chain: DaChain) -> None:
    async def story() -> Dispersed:
        async with chain.heartbeat():
            disperser = disperser_on(chain, nodes_on(chain, absent=(4,)))
            return await disperser.disperse(b"followed", days=1, salt=b"\x0a" * 32)

    done = asyncio.run(story())
    ledger, entrance = chain.ledger(), DAEntranceClient(chain.deployments, chain.node)
    view = ledger.view(done.blob_id, at=ledger.head().block)
    before = ledger.view(done.blob_id, at=view.record.paid_block)

    trail = ChainTrail(chain.node, entrance).trail(view)
    unconfirmed = ChainTrail(chain.node, entrance).trail(before)

    assert done.paid is not None
    assert done.confirmed is not None
    record = entrance.record(done.blob_id, at=chain.node.block().hash)
    assert done.paid.transaction == trail.paid_transaction == unconfirmed.paid_transaction
    assert done.confirmed.transaction == trail.confirmed_transaction
    assert (record.fee, record.certificate_hash) == (trail.fee_wei, trail.certificate_hash)
    assert trail.slices >= record.confirm_slices
    assert trail.operators == NODES - 1
    assert unconfirmed.confirmed_transaction is None


def test_contracts__too_few_signatures_by_the_deadline__fee_comes_back(chain: DaChain) -> None:
    journal = MemoryDispersals()
    entrance = DAEntranceClient(chain.deployments, chain.node)

    async def story() -> None:
        client = nodes_on(chain, absent=(1, 2))
        disperser = disperser_on(chain, client, journal)
        async with chain.heartbeat():
            waiting = asyncio.create_task(
                disperser.disperse(b"nobody signs this", days=1, salt=b"\x05" * 32)
            )
            while not await journal.open_ids():  # noqa: ASYNC110 - the journal has no event
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            await asyncio.to_thread(chain.mine, 400)
            with pytest.raises(NotEnoughSignatures):
                await waiting
            [blob_id] = await journal.open_ids()
            settlement = await disperser.reclaim(blob_id)
            assert settlement is not None
            credit = entrance.credit_of(chain.signers[-1].address, at=chain.node.block().hash)
            assert credit == settlement.value_wei
            assert await disperser.reclaim(blob_id) is None

    asyncio.run(story())


def test_contracts__second_tongue_of_a_signer__slashed_and_the_reporter_paid(
    chain: DaChain,
) -> None:
    guilty = 2

    async def story() -> None:
        client = nodes_on(chain)
        async with chain.heartbeat():
            disperser = disperser_on(chain, client)
            done = await disperser.disperse(b"evidence", days=1, salt=b"\x06" * 32)
            ledger = chain.ledger()
            view = ledger.view(done.blob_id, at=ledger.head().block)
            attestation = view.attestation()
            shown = Signature.parse(await client.signature(ENDPOINTS[guilty - 1], done.blob_id))
            liar = EquivocatingSigner(chain.secrets[guilty])
            case = find_equivocation(
                liar.public_key,
                SignedAttestation(attestation, shown),
                SignedAttestation(*liar.contradict(attestation, ledger.domain())),
                ledger.domain(),
            )
            court, challenges = court_of(chain)
            place = ChainCourt(chain.node, court, challenges, chain.senders[0])

            verdict = await Accuse(ledger, place, chain.signers[0]).accuse(case)

            at = chain.node.block().hash
            stake = StakeManagerClient(chain.deployments, chain.node)
            pool = guilty << 8 | 1
            taken = stake.slashed_at(pool, attestation.epoch, at=at)
            assert taken == STAKE_WEI * 30 // 100
            assert court.credit_of(chain.signers[0].address, at=at) == REPORTER_LIMIT_WEI
            assert not stake.is_member(pool, at=at)
            assert verdict.committed is not None

    asyncio.run(story())
