"""What a ledger keeps between reads must not outlive a reorganisation."""

from pathlib import Path

from offchain.chain.ports import Question
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.da.duties import Duties
from offchain.da.onchain import DAEntranceClient, DASignersClient
from offchain.da.quorums import Page
from tests.integration.da.test_clients import Stage
from tests.support.da_chain import STAKE_WEI, DaChain, deploy_chain

EPOCH = 144


def drawn_anew(chain: DaChain, signers: DASignersClient, epoch: int) -> Page:
    """The one page that draws `epoch` for the four members of equal weight."""
    seed = signers.seed(epoch, at=chain.node.block().hash)
    ranked = sorted(range(1, 5), key=lambda one: keccak(words(seed, one)))
    return Page(0, 4 * STAKE_WEI, tuple(ranked))


def test_view__reorg_turns_a_carried_table_into_a_drawn_one__seats_of_the_new_one(
    tmp_path: Path,
) -> None:
    chain = deploy_chain(tmp_path, [f"http://127.0.0.1:{port}" for port in range(1, 5)])
    signers = DASignersClient(chain.deployments, chain.node)
    stage = Stage(chain, signers, DAEntranceClient(chain.deployments, chain.node), None)
    chain.mine(EPOCH)
    ledger = chain.ledger()

    def duties_after(opening: object, name: str) -> Duties:
        stage.run(opening, name)
        paid = stage.pay(stage.blob(name.encode()))
        return ledger.view(paid, at=chain.node.block().number).duties

    [snapshot] = chain.transport.ask([Question("evm_snapshot", ())])
    carried = duties_after(signers.open_epoch(), "carried")
    chain.ask("evm_revert", snapshot.result)
    page = drawn_anew(chain, signers, carried.epoch)
    drawn = duties_after(signers.draw(carried.epoch, page), "drawn")

    assert drawn.epoch == carried.epoch
    assert [duty.operator for duty in drawn.members] == list(page.operator_ids)
    assert [duty.operator for duty in carried.members] != list(page.operator_ids)
    chain.close()
