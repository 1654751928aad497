"""Nodes earn by showing winning leaves, on the real contracts."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from offchain.core.matrix.encode import encode
from offchain.da.adapters.chain_lottery import ChainLottery
from offchain.da.dispute_ports import Draw
from offchain.da.earn import EarnRules, EarnSamples, Win, winners
from offchain.da.onchain import DAEntranceClient
from offchain.da.onchain_sampling import DASamplingClient
from offchain.da.reverts import SampleRefused
from offchain.da.sampling_book import MAX_WINS, Round, is_win
from tests.support.da_chain import DaChain, deploy_chain
from tests.support.da_disputes import ABlob, kept_blob
from tests.support.da_network import some_bytes, the_engine

NODES = 4
ENDPOINTS = [f"http://127.0.0.1:{9_200 + number}" for number in range(1, NODES + 1)]
ANY_PRICE = EarnRules(at_a_loss=True)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaChain]:
    deployed = deploy_chain(tmp_path_factory.mktemp("chain"), ENDPOINTS)
    yield deployed
    deployed.close()


def lottery_of(chain: DaChain, operator: int) -> ChainLottery:
    return ChainLottery(
        chain.node,
        DAEntranceClient(chain.deployments, chain.node),
        DASamplingClient(chain.deployments, chain.node),
        chain.senders[operator - 1],
    )


class DearLottery:
    """The chain's lottery at a moment when an answer costs just what it earns."""

    def __init__(self, lottery: ChainLottery) -> None:
        self._lottery = lottery

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lottery, name)

    def running(self) -> Draw | None:
        draw = self._lottery.running()
        return None if draw is None else replace(draw, cost=draw.reward)


def earner_of(
    chain: DaChain,
    blob: ABlob,
    operator: int,
    rules: EarnRules = ANY_PRICE,
    *,
    is_dear: bool = False,
) -> EarnSamples:
    lottery = lottery_of(chain, operator)
    return EarnSamples(
        operator,
        chain.ledger(),
        blob.stores[operator],
        DearLottery(lottery) if is_dear else lottery,
        randomness=Random(operator),
        rules=rules,
    )


def open_round(chain: DaChain) -> int:
    """Go to another round than any before and open it; its number."""
    sampling = DASamplingClient(chain.deployments, chain.node)
    chain.mine(sampling.period_seconds(at=chain.node.block().hash))
    at = chain.node.block()
    if not sampling.is_open(at=at.hash):
        chain.senders[0].execute(sampling.open_round(), key=f"open:{at.hash.hex()}")
    return sampling.round(at=chain.node.block().hash).number


async def wins_of(chain: DaChain, earner: EarnSamples) -> list[Win]:
    """The wins of one round; of a later one where a round ended before they were shown."""
    for _ in range(8):
        open_round(chain)
        if wins := await earner.earn():
            return wins
    return []


def credit_of(chain: DaChain, operator: int) -> int:
    entrance = DAEntranceClient(chain.deployments, chain.node)
    account = chain.senders[operator - 1].account
    return entrance.credit_of(account, at=chain.node.block().hash)


def pool_of(chain: DaChain) -> int:
    entrance = DAEntranceClient(chain.deployments, chain.node)
    return entrance.reward_pool(at=chain.node.block().hash)


def test_inv_da_21__holders_of_winning_leaves__paid_out_of_the_pool_once(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=bytes(32))
        before = pool_of(chain)
        earner = earner_of(chain, blob, 1)

        wins = await wins_of(chain, earner)

        paid = before - pool_of(chain)
        assert 0 < len(wins) <= MAX_WINS
        assert paid == sum(win.earned for win in wins)
        assert paid == credit_of(chain, 1)
        assert await earner.earn() == []
        assert paid == before - pool_of(chain) == credit_of(chain, 1)

    asyncio.run(story())


def test_inv_da_21__row_of_another_operator__refused_and_nothing_paid(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=b"\x01" * 32)
        number = open_round(chain)
        before = pool_of(chain)
        stranger = 1 + blob.duty(0).operator % NODES
        frame = blob.encoded.leaf_frame(0, 0)

        with pytest.raises(SampleRefused):
            lottery_of(chain, stranger).claim(number, blob.blob_id, frame)

        assert before == pool_of(chain)

    asyncio.run(story())


def test_has_signed__absent_signer_or_other_blob__nothing_to_win(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(
            chain, encode(some_bytes(9_000), the_engine()), salt=b"\x02" * 32, absent=(2,)
        )
        open_round(chain)
        assert blob.view.duties is not None
        lottery = lottery_of(chain, 1)

        signed = {
            duty.operator: lottery.has_signed(blob.blob_id, duty.index)
            for duty in blob.view.duties.members
        }

        assert signed == {1: True, 2: False, 3: True, 4: True}
        assert not lottery.has_signed(bytes(32), 0)
        assert await earner_of(chain, blob, 2).earn() == []

    asyncio.run(story())


def test_earn__win_that_costs_more_than_it_pays__left_alone(chain: DaChain) -> None:
    async def story() -> None:
        blob = await kept_blob(chain, encode(some_bytes(9_000), the_engine()), salt=b"\x03" * 32)
        open_round(chain)
        assert isinstance(lottery_of(chain, 1).running(), Draw)
        before = chain.node.nonce(chain.senders[0].account)

        assert await earner_of(chain, blob, 1, EarnRules(), is_dear=True).earn() == []

        assert before == chain.node.nonce(chain.senders[0].account)

    asyncio.run(story())


def test_winners__any_target__exactly_the_leaves_that_the_book_says() -> None:
    blob = encode(some_bytes(400_000), the_engine())
    rows = [blob.row(index) for index in range(0, 3_072, 300)]
    opened = Round(7, b"\x07" * 32, (1 << 256) // 5, 0)

    found = {(row.index, leaf) for row, leaf in winners(opened, b"\x01" * 32, rows)}

    expected = {
        (row.index, leaf)
        for row in rows
        for leaf in range(blob.shape.leaves)
        if is_win(
            opened,
            (b"\x01" * 32, row.index, leaf),
            row.data.tobytes()[256 * leaf : 256 * leaf + 256],
        )
    }
    assert expected == found
    assert 0 < len(found) < len(rows) * blob.shape.leaves
