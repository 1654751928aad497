"""Who is gone, by the real contracts: not who moved, but who left or has nothing behind it."""

from pathlib import Path

from offchain.apps.genesis import DA
from offchain.da.adapters.chain_departures import ChainDepartures
from offchain.da.onchain import DASignersClient
from offchain.staking.onchain import StakeManagerClient
from tests.support.da_chain import deploy_chain

ENDPOINTS = [f"http://127.0.0.1:{port}" for port in (1, 2, 3)]


def test_gone__left_or_unstaked__from_that_block_on(tmp_path: Path) -> None:
    chain = deploy_chain(tmp_path, ENDPOINTS)
    signers = DASignersClient(chain.deployments, chain.node)
    stake = StakeManagerClient(chain.deployments, chain.node)
    departures = ChainDepartures(chain.node, signers, stake)
    before = chain.node.block().number
    try:
        assert departures.gone([1, 2, 3], at=before) == frozenset()
        chain.senders[2].execute(signers.update_endpoint("http://127.0.0.1:9"), key="move")
        chain.senders[0].execute(signers.leave(), key="leave")
        chain.senders[1].execute(stake.leave(DA), key="unstake")

        now = chain.node.block().number

        assert departures.gone([1, 2, 3], at=now) == {1, 2}
        assert departures.gone([3], at=now) == frozenset()
        assert departures.gone([1, 2, 3], at=before) == frozenset()
    finally:
        chain.close()
