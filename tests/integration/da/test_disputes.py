"""Challenges and proofs of fraud from end to end on the real contracts: who pays, and how much."""

import asyncio
import itertools
from collections.abc import Iterator
from functools import partial
from random import Random

import pytest

from offchain.core.matrix.check import check_header
from offchain.core.matrix.encode import encode
from offchain.core.wire import LeafFrame
from offchain.da.adapters.chain_challenges import ChainChallenges
from offchain.da.adapters.chain_fraud import ChainFraud
from offchain.da.answer import AnswerChallenges
from offchain.da.blame import BlameBook
from offchain.da.challenge import ChallengeRules, ChallengeSilence
from offchain.da.challenge_book import Asked
from offchain.da.dispute_ports import Fate
from offchain.da.errors import Bottom
from offchain.da.fetch import FetchRows, RowHunt
from offchain.da.fraud import BadLeaf, BadRow, BottomLocated, BottomProven, FraudProof
from offchain.da.model import BlobState
from offchain.da.onchain import DAEntranceClient
from offchain.da.onchain_challenges import WHOLE_ROW, DAChallengesClient, DAFraudProofsClient
from offchain.da.plan import FetchRules
from offchain.da.prosecute import Prosecute, evidence_of
from offchain.da.reverts import ChallengeTaken, EncodingSound, NoOpenChallenge
from offchain.node.leased_sender import LeasedSender
from offchain.staking.onchain import StakeManagerClient
from tests.integration.da.test_bottom import (
    BAD_ROW,
    Change,
    bad_blob,
    element_at_the_modulus,
    one_data_bit_after_coding,
    one_parity_bit,
)
from tests.support.da_chain import STAKE_WEI, DaChain, deploy_chain
from tests.support.da_disputes import ABlob, kept_blob, reader_of
from tests.support.da_network import some_bytes, the_engine

NODES = 4
ENDPOINTS = [f"http://127.0.0.1:{9_100 + number}" for number in range(1, NODES + 1)]
HASTY = FetchRules(pause_seconds=0.0)
_salts = itertools.count(1)
QUICK = ChallengeRules(poll_seconds=0.01)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaChain]:
    """Shared by the tests that leave the disperser its stake."""
    deployed = deploy_chain(tmp_path_factory.mktemp("chain"), ENDPOINTS)
    yield deployed
    deployed.close()


@pytest.fixture
def fresh_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaChain]:
    """Of one test, at whose end the disperser has lost everything."""
    deployed = deploy_chain(tmp_path_factory.mktemp("chain"), ENDPOINTS)
    yield deployed
    deployed.close()


def desk_of(chain: DaChain, operator: int) -> ChainChallenges:
    """The place to challenge and answer, with the account of an operator."""
    return ChainChallenges(
        chain.node,
        DAEntranceClient(chain.deployments, chain.node),
        DAChallengesClient(chain.deployments, chain.node),
        chain.senders[operator - 1],
    )


def fraud_desk_of(chain: DaChain, operator: int) -> ChainFraud:
    return ChainFraud(
        chain.node,
        DAEntranceClient(chain.deployments, chain.node),
        DAFraudProofsClient(chain.deployments, chain.node),
        chain.senders[operator - 1],
    )


def watcher_of(chain: DaChain, blob: ABlob, operator: int) -> AnswerChallenges:
    return AnswerChallenges(operator, blob.stores[operator], desk_of(chain, operator))


def challenger_of(chain: DaChain, blob: ABlob, operator: int) -> ChallengeSilence:
    return ChallengeSilence(
        ledger=chain.ledger(),
        board=desk_of(chain, operator),
        fetch=FetchRows(blob.client, the_engine(), HASTY),
        engine=the_engine(),
        randomness=Random(5),
        rules=QUICK,
    )


def hunt_of(blob: ABlob) -> RowHunt:
    assert blob.view.duties is not None
    checked = check_header(blob.encoded.header, the_engine())
    return RowHunt(blob.blob_id, checked, blob.view.duties, BlameBook())


def taken_from(chain: DaChain, blob: ABlob, operator: int) -> int:
    assert blob.view.duties is not None
    stake = StakeManagerClient(chain.deployments, chain.node)
    epoch = blob.view.duties.epoch
    return stake.slashed_at(operator << 8 | 1, epoch, at=chain.node.block().hash)


def credit_of(chain: DaChain, account: bytes) -> int:
    challenges = DAChallengesClient(chain.deployments, chain.node)
    return challenges.credit_of(account, at=chain.node.block().hash)


def sent_by(chain: DaChain, operator: int) -> int:
    return chain.node.nonce(chain.senders[operator - 1].account)


def fresh_salt() -> bytes:
    """A blob of one's own on a chain that tests share."""
    return next(_salts).to_bytes(32, "big")


def other_than(*operators: int) -> int:
    return next(one for one in range(1, NODES + 1) if one not in operators)


@pytest.mark.parametrize("leaf", [0, WHOLE_ROW])
def test_inv_da_16__challenged_node_that_holds_the_row__answers_by_itself_and_earns_the_bond(
    chain: DaChain, leaf: int
) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        asked = Asked(blob.blob_id, 1_500, leaf)
        owner = blob.duty(asked.row).operator
        challenger = other_than(owner)
        board = desk_of(chain, challenger)
        account = chain.senders[owner - 1].account
        earned, owed = (
            credit_of(chain, account),
            credit_of(chain, chain.signers[challenger - 1].address),
        )
        taken = taken_from(chain, blob, owner)
        posted = board.post(asked, deposit_wei=QUICK.deposit_wei, attempt=0)
        assert posted.operator == owner
        assert board.fate(posted) is Fate.OPEN

        [answered] = await watcher_of(chain, blob, owner).answer()

        assert answered.asked == asked
        assert board.fate(posted) is Fate.ANSWERED
        assert credit_of(chain, account) == earned + posted.bond
        assert taken_from(chain, blob, owner) == taken
        sent = sent_by(chain, owner)
        chain.restart_sender(owner - 1)
        assert await watcher_of(chain, blob, owner).answer() == []
        assert sent_by(chain, owner) == sent
        assert board.collect() == owed + QUICK.deposit_wei - posted.bond
        shown = board.published(posted)
        if leaf == WHOLE_ROW:
            assert shown is not None
            assert (shown.data == blob.encoded.rows[asked.row]).all()
            assert shown.path == blob.encoded.row_path(asked.row)
        else:
            assert shown is None

    asyncio.run(story())


def test_inv_da_16__many_challenges_at_once__all_answered_by_the_ones_asked(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        rows = range(0, 3_072, 600)
        posted = [
            desk_of(chain, other_than(blob.duty(row).operator)).post(
                Asked(blob.blob_id, row, 0), deposit_wei=QUICK.deposit_wei, attempt=0
            )
            for row in rows
        ]

        for operator in range(1, NODES + 1):
            await watcher_of(chain, blob, operator).answer()

        fates = [desk_of(chain, 1).fate(one) for one in posted]
        assert fates == [Fate.ANSWERED] * len(posted)

    asyncio.run(story())


def test_inv_da_16__signer_that_stays_silent__convicted_and_the_challenger_paid(
    fresh_chain: DaChain,
) -> None:
    chain = fresh_chain

    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        silent = blob.duty(77).operator
        del blob.client.nodes[blob.duty(77).endpoint]
        me = other_than(silent)
        challenger = challenger_of(chain, blob, me)
        hunt = hunt_of(blob)

        found = await challenger.find(hunt, range(1, NODES + 1))
        assert {one.operator for one in found} == {silent}
        [silence] = found
        asked = Asked(blob.blob_id, silence.row, challenger.leaf_of(hunt.checked))
        async with chain.heartbeat():
            pressing = asyncio.create_task(challenger.press(asked))
            board = desk_of(chain, me)
            posted = await asyncio.to_thread(
                board.post, asked, deposit_wei=QUICK.deposit_wei, attempt=0
            )
            await asyncio.to_thread(chain.mine, posted.deadline - chain.ledger().head().time + 1)
            pursued = await pressing

        assert pursued.fate is Fate.CONVICTED
        assert pursued.posted == posted
        assert taken_from(chain, blob, silent) == STAKE_WEI // 10
        assert board.collect() == QUICK.deposit_wei
        again = await challenger.press(asked)
        assert again.fate is Fate.CONVICTED
        assert taken_from(chain, blob, silent) == STAKE_WEI // 10
        with pytest.raises(ChallengeTaken):
            await challenger.press(asked, attempt=1)

    asyncio.run(story())


def test_answer__row_lost_on_disk__nothing_sent_and_the_other_answers_go_out(
    chain: DaChain, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        lost = await kept_blob(chain, encode(some_bytes(8_000), the_engine()), salt=fresh_salt())
        owner = blob.duty(10).operator
        row = next(row for row in range(3_072) if lost.duty(row).operator == owner)
        board = desk_of(chain, other_than(owner))
        for asked in (Asked(lost.blob_id, row, 0), Asked(blob.blob_id, 10, 0)):
            board.post(asked, deposit_wei=QUICK.deposit_wei, attempt=0)

        answered = await watcher_of(chain, blob, owner).answer()

        assert [one.asked for one in answered] == [Asked(blob.blob_id, 10, 0)]

    asyncio.run(story())
    assert "challenge_not_answerable" in caplog.messages


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (one_data_bit_after_coding, BadRow),
        (element_at_the_modulus, BadLeaf),
    ],
)
def test_inv_da_15__bad_encoding__void_disperser_and_signer_pay_and_copiers_get_nothing(
    fresh_chain: DaChain, change: Change, kind: type[FraudProof]
) -> None:
    chain = fresh_chain

    async def story() -> None:
        blob = await kept_blob(chain, bad_blob(change), salt=fresh_salt())
        with pytest.raises(BottomProven) as proven:
            await reader_of(chain, blob).retrieve(blob.blob_id)
        found = proven.value
        assert isinstance(found.proof, kind)
        signer = blob.duty(found.row.index).operator
        me = other_than(signer)
        desk = fraud_desk_of(chain, me)
        prosecute = Prosecute(chain.ledger(), desk, chain.signers[me - 1], poll_seconds=0.01)

        async with chain.heartbeat():
            done = await prosecute.prosecute(blob.blob_id, found.proof)
            again = await prosecute.prosecute(blob.blob_id, found.proof)

        ledger = chain.ledger()
        view = ledger.view(blob.blob_id, at=ledger.head().block)
        assert view.record.state is BlobState.VOID
        assert done.committed is not None
        assert done.proven is not None
        assert again.proven is None
        assert taken_from(chain, blob, signer) == STAKE_WEI // 10
        assert taken_from(chain, blob, NODES + 1) == STAKE_WEI
        with pytest.raises(Bottom):
            await reader_of(chain, blob).retrieve(blob.blob_id)

    asyncio.run(story())


def test_inv_da_15__honest_row_shown_as_fraud__refused_and_nobody_pays(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        leaf: LeafFrame = blob.encoded.leaf_frame(3, 0)
        proof = BadLeaf(blob.encoded.header, leaf, "da.row.top_byte_not_zero")
        desk = fraud_desk_of(chain, 1)
        prosecute = Prosecute(chain.ledger(), desk, chain.signers[0], poll_seconds=0.01)

        async with chain.heartbeat():
            with pytest.raises(EncodingSound):
                await prosecute.prosecute(blob.blob_id, proof)

        assert all(taken_from(chain, blob, one) == 0 for one in range(1, NODES + 2))
        assert desk.is_worthwhile(blob.blob_id, 3)

    asyncio.run(story())


def test_prosecute__killed_after_its_announcement__goes_on_with_the_same_one(
    fresh_chain: DaChain,
) -> None:
    chain = fresh_chain

    async def story() -> None:
        blob = await kept_blob(chain, bad_blob(element_at_the_modulus), salt=fresh_salt())
        with pytest.raises(BottomProven) as proven:
            await reader_of(chain, blob).retrieve(blob.blob_id)
        first = Prosecute(chain.ledger(), fraud_desk_of(chain, 1), chain.signers[0])
        evidence = evidence_of(blob.blob_id, proven.value.proof)
        _, commitment = first.announcement(evidence)
        fraud_desk_of(chain, 1).commit(commitment)  # and here it was killed
        chain.restart_sender(0)
        second = Prosecute(chain.ledger(), fraud_desk_of(chain, 1), chain.signers[0])

        async with chain.heartbeat():
            done = await second.prosecute(blob.blob_id, proven.value.proof)

        assert done.committed is None
        assert done.proven is not None

    asyncio.run(story())


def test_compel__bad_row_withheld_from_readers__published_on_chain_and_then_proven(
    fresh_chain: DaChain,
) -> None:
    chain = fresh_chain

    async def story() -> None:
        blob = await kept_blob(chain, bad_blob(one_parity_bit), salt=fresh_salt())
        duty = blob.duty(BAD_ROW)
        hidden = blob.client.nodes.pop(duty.endpoint)
        assert hidden is not None
        hunt = hunt_of(blob)
        with pytest.raises(BottomLocated) as located:
            await reader_of(chain, blob).retrieve(blob.blob_id)
        assert BAD_ROW in located.value.deviations[0].rows
        me = other_than(duty.operator)
        challenger = challenger_of(chain, blob, me)
        watcher = watcher_of(chain, blob, duty.operator)

        async def keep_answering() -> None:
            while True:
                await watcher.answer()
                await asyncio.sleep(0.02)

        async with chain.heartbeat():
            answering = asyncio.create_task(keep_answering())
            found = await challenger.compel(hunt, located.value)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            assert isinstance(found, BottomProven)
            assert found.row.index == BAD_ROW
            desk = fraud_desk_of(chain, me)
            prosecute = Prosecute(chain.ledger(), desk, chain.signers[me - 1], poll_seconds=0.01)
            await prosecute.prosecute(blob.blob_id, found.proof)

        assert taken_from(chain, blob, NODES + 1) == STAKE_WEI
        assert taken_from(chain, blob, duty.operator) == STAKE_WEI // 10

    asyncio.run(story())


def test_leased_sender__several_answers_at_once__outbox_free_again_afterwards(
    chain: DaChain,
) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        owner = blob.duty(5).operator
        rows = [row for row in range(3_072) if blob.duty(row).operator == owner][:3]
        board = desk_of(chain, other_than(owner))
        for row in rows:
            board.post(Asked(blob.blob_id, row, 0), deposit_wei=QUICK.deposit_wei, attempt=0)
        chain.senders[owner - 1].close()
        leased = LeasedSender(
            chain.signers[owner - 1].address, partial(chain.open_sender, owner - 1)
        )
        desk = ChainChallenges(
            chain.node,
            DAEntranceClient(chain.deployments, chain.node),
            DAChallengesClient(chain.deployments, chain.node),
            leased,
        )

        answered = await AnswerChallenges(owner, blob.stores[owner], desk).answer()
        chain.senders[owner - 1] = chain.open_sender(owner - 1)

        assert len(answered) == len(rows)

    asyncio.run(story())


def test_close__answer_may_still_come_or_nothing_is_open__refused(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=fresh_salt())
        owner = blob.duty(5).operator
        board = desk_of(chain, other_than(owner))
        posted = board.post(Asked(blob.blob_id, 5, 0), deposit_wei=QUICK.deposit_wei, attempt=0)
        await watcher_of(chain, blob, owner).answer()

        with pytest.raises(NoOpenChallenge):
            board.close(posted)

        assert taken_from(chain, blob, owner) == 0

    asyncio.run(story())
