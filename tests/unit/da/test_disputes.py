"""Answering, challenging, prosecuting and earning over the books, without a chain or a socket."""

import asyncio
from dataclasses import replace
from random import Random

import pytest

from offchain.core.layout import N
from offchain.core.matrix.check import check_header
from offchain.core.matrix.encode import encode
from offchain.da.adapters.memory_disputes import (
    WINDOW,
    MemoryBoard,
    MemoryDisputes,
    MemoryFraud,
    MemoryLottery,
)
from offchain.da.adapters.memory_node import MemoryNodeClient
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.answer import AnswerChallenges
from offchain.da.blame import BlameBook
from offchain.da.challenge import ChallengeRules, ChallengeSilence
from offchain.da.challenge_book import Asked
from offchain.da.dispute_ports import Fate
from offchain.da.earn import EarnRules, EarnSamples
from offchain.da.fetch import FetchRows, RowHunt
from offchain.da.fraud import BadLeaf
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW
from offchain.da.plan import FetchRules
from offchain.da.prosecute import Prosecute, evidence_of
from offchain.da.reverts import BondTooLow, ChallengeTaken, EncodingSound, PathInvalid
from offchain.da.sampling_book import MAX_WINS, REWARD_DIVISOR, Round
from tests.support.da_network import Site, a_site, memory_network, some_bytes, the_engine

PAYLOAD = some_bytes(9_000)
STRANGER = b"\x51" * 20
RULES = ChallengeRules(poll_seconds=0.0)
PAYING = EarnRules()
ALL = (1 << 256) - 1


class Scene:
    """A published blob, its nodes, and the books."""

    def __init__(self, nodes: int = 3) -> None:
        self.site: Site = a_site(nodes)
        self.client: MemoryNodeClient = memory_network(self.site)
        disperser = self.site.disperse_with(self.client)
        done = asyncio.run(disperser.disperse(PAYLOAD, days=1, salt=bytes(32)))
        self.blob_id = done.blob_id
        self.encoded = encode(PAYLOAD, the_engine())
        self.world = MemoryDisputes(self.site.chain, the_engine(), pool=10**12)

    def owner(self, row: int) -> int:
        duties = self.world.view(self.blob_id).duties
        assert duties is not None
        return duties.owners()[row].operator

    def board(self, operator: int = 0) -> MemoryBoard:
        return MemoryBoard(self.world, bytes([operator]) * 20 if operator else STRANGER, operator)

    def watcher(self, operator: int) -> AnswerChallenges:
        return AnswerChallenges(operator, self.site.parts[operator].store, self.board(operator))

    def challenger(self) -> ChallengeSilence:
        return ChallengeSilence(
            ledger=self.site.chain,
            board=self.board(),
            fetch=FetchRows(self.client, the_engine(), FetchRules(pause_seconds=0.0)),
            engine=the_engine(),
            randomness=Random(3),
            rules=RULES,
        )

    def hunt(self) -> RowHunt:
        duties = self.world.view(self.blob_id).duties
        assert duties is not None
        checked = check_header(self.encoded.header, the_engine())
        return RowHunt(self.blob_id, checked, duties, BlameBook())

    def earner(self, operator: int, rules: EarnRules = PAYING) -> EarnSamples:
        return EarnSamples(
            operator,
            self.site.chain,
            self.site.parts[operator].store,
            MemoryLottery(self.world, operator),
            randomness=Random(operator),
            rules=rules,
        )

    def open_round(self, target: int = ALL) -> None:
        number = self.world.lottery.number_at(self.world.now)
        self.world.lottery.round = Round(number, b"\x07" * 32, target, 0)


@pytest.mark.parametrize("leaf", [0, WHOLE_ROW])
def test_inv_da_16__challenged_row_on_disk__answered_once_and_the_bond_earned(leaf: int) -> None:
    scene = Scene()
    owner = scene.owner(2_000)
    posted = scene.board().post(
        Asked(scene.blob_id, 2_000, leaf), deposit_wei=RULES.deposit_wei, attempt=0
    )

    answered = asyncio.run(scene.watcher(owner).answer())

    assert [one.settlement.value_wei for one in answered] == [posted.bond]
    assert scene.board().fate(posted) is Fate.ANSWERED
    assert asyncio.run(scene.watcher(owner).answer()) == []
    assert scene.board(owner).collect() == posted.bond
    assert scene.board().collect() == RULES.deposit_wei - posted.bond
    assert scene.world.challenges.balance == scene.world.challenges.owed == 0


def test_answer_row__row_of_another_place__refused_and_the_challenge_stays_open() -> None:
    scene = Scene()
    posted = scene.board().post(
        Asked(scene.blob_id, 7, 0), deposit_wei=RULES.deposit_wei, attempt=0
    )
    [challenge] = scene.board().open_against(scene.owner(7))

    with pytest.raises(PathInvalid):
        scene.board().answer_leaf(challenge, scene.encoded.leaf_frame(8, 0).to_bytes())

    assert scene.board().fate(posted) is Fate.OPEN


def test_find__one_silent_node__named_with_a_row_and_honest_nodes_are_not() -> None:
    scene = Scene()
    del scene.client.nodes["http://127.0.0.1:2"]

    found = asyncio.run(scene.challenger().find(scene.hunt(), [1, 2, 3], rows_each=2))

    assert [one.operator for one in found] == [2, 2]
    assert all(scene.owner(one.row) == 2 for one in found)


def test_inv_da_16__nobody_answers__convicted_once_and_pressing_again_changes_nothing() -> None:
    scene = Scene()
    asked = Asked(scene.blob_id, 11, 0)
    board = scene.board()
    posted = board.post(asked, deposit_wei=RULES.deposit_wei, attempt=0)
    scene.site.chain.mine(seconds=WINDOW + 1)

    pursued = asyncio.run(scene.challenger().press(asked))
    again = asyncio.run(scene.challenger().press(asked))

    assert pursued.posted == again.posted == posted
    assert pursued.fate is again.fate is Fate.CONVICTED
    assert pursued.closed is not None
    assert again.closed is None
    assert board.collect() == RULES.deposit_wei
    with pytest.raises(ChallengeTaken):
        asyncio.run(scene.challenger().press(asked, attempt=1))


def test_press__deposit_below_the_bond__refused_and_nothing_is_open() -> None:
    scene = Scene()
    challenger = replace(scene.challenger(), rules=replace(RULES, deposit_wei=1))

    with pytest.raises(BondTooLow):
        asyncio.run(challenger.press(Asked(scene.blob_id, 11, 0)))

    assert scene.world.challenges.opened == {}


def test_inv_da_15__honest_leaf_as_proof__refused_and_the_blob_stays() -> None:
    scene = Scene()
    header, leaf = scene.encoded.header, scene.encoded.leaf_frame(3, 0)
    signer = LocalRequestSigner(b"\x09" * 32)
    desk = MemoryFraud(scene.world, signer.address)
    prosecute = Prosecute(scene.site.chain, desk, signer, poll_seconds=0.0)

    async def story() -> None:
        proof = BadLeaf(header, leaf, "da.row.top_byte_not_zero")
        _, commitment = prosecute.announcement(evidence_of(scene.blob_id, proof))
        desk.commit(commitment)
        scene.site.chain.mine()
        with pytest.raises(EncodingSound):
            await prosecute.prosecute(scene.blob_id, proof)

    asyncio.run(story())
    assert scene.world.view(scene.blob_id).record.state is BlobState.CONFIRMED


def test_inv_da_21__every_leaf_wins__no_more_than_the_round_allows_and_the_pool_pays_it() -> None:
    scene = Scene()
    scene.open_round()
    before = scene.world.pool

    wins = asyncio.run(scene.earner(1).earn())

    assert len(wins) == MAX_WINS
    assert before - scene.world.pool == sum(win.earned for win in wins)
    assert wins[0].earned == before // REWARD_DIVISOR
    assert asyncio.run(scene.earner(2).earn()) == []


def test_earn__round_looked_through__not_again_until_the_next() -> None:
    scene = Scene()
    scene.open_round(ALL // 400)
    earner = scene.earner(1)
    first = asyncio.run(earner.earn())

    assert 0 < len(first) < MAX_WINS
    assert asyncio.run(earner.earn()) == []
    scene.site.chain.mine(seconds=600)
    assert asyncio.run(earner.earn()) == []  # nobody has opened it
    scene.open_round(ALL // 400)
    assert asyncio.run(earner.earn()) != []


@pytest.mark.parametrize("at_a_loss", [False, True])
def test_earn__win_costs_more_than_it_pays__shown_only_when_told_to(*, at_a_loss: bool) -> None:
    scene = Scene()
    scene.open_round(ALL // 400)
    scene.world.cost = scene.world.pool

    wins = asyncio.run(scene.earner(1, EarnRules(at_a_loss=at_a_loss)).earn())

    assert bool(wins) is at_a_loss


def test_earn__budget_of_bytes__blobs_beyond_it_are_left_for_another_round() -> None:
    scene = Scene()
    again = scene.site.disperse_with(scene.client)
    asyncio.run(again.disperse(some_bytes(8_000), days=1, salt=b"\x01" * 32))
    scene.open_round(ALL // 60)

    wins = asyncio.run(scene.earner(1, EarnRules(most_bytes=1)).earn())

    assert len({win.blob_id for win in wins}) == 1
    assert all(0 <= win.row < N for win in wins)
