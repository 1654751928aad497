"""What a DA node does by itself beside serving: chores, each in its own rhythm.

  collect      remove what is over                        repair     make again what falls to it
  answer       challenges against its operator            earn       winning leaves of the round
  prosecute    proofs of fraud it has in hand

The three that send transactions do it with the operator's account, whose outbox makes each effect
happen once, also when the node is killed in the middle.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.apps.home import Home
from offchain.apps.keystore import AccountKey
from offchain.apps.network import Network, address_of, open_sender
from offchain.core.errors import ApogeeError
from offchain.da.accept import AcceptRows, NodeParts
from offchain.da.adapters.chain_challenges import ChainChallenges
from offchain.da.adapters.chain_departures import ChainDepartures
from offchain.da.adapters.chain_fraud import ChainFraud
from offchain.da.adapters.chain_lottery import ChainLottery
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.answer import AnswerChallenges
from offchain.da.collect import CollectGarbage, CollectRules
from offchain.da.earn import EarnRules, EarnSamples
from offchain.da.errors import Bottom
from offchain.da.fraud import BottomProven
from offchain.da.onchain_sampling import DASamplingClient
from offchain.da.ports import NodeClient
from offchain.da.prosecute import ProofShelf, Prosecute
from offchain.da.repair import RepairBlobs, RepairParts, RepairRules
from offchain.node.leased_sender import LeasedSender

COLLECT_SECONDS: Final = 30.0
REPAIR_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 3.0
EARN_SECONDS: Final = 15.0
PROSECUTE_SECONDS: Final = 3.0
JITTER: Final = 0.2
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done again and again, about every `seconds`; `work` says how much it did."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose node it is, and where its outbox lies."""

    home: Home
    role: str
    account: AccountKey
    at_a_loss: bool  # whether samples are shown that cost more than they earn


def chores_of(
    network: Network,
    operator: Operator,
    parts: NodeParts,
    *,
    client: NodeClient,
    shelf: ProofShelf,
) -> list[Chore]:
    """Everything an honest node does by itself, beside collecting."""
    account = operator.account
    opening = partial(open_sender, network, operator.home, operator.role, account)
    sender = LeasedSender(address_of(account), opening)
    desk = ChainChallenges(network.node, network.entrance, network.challenges, sender)
    fraud = ChainFraud(network.node, network.entrance, network.fraud_proofs, sender)
    prosecute = Prosecute(parts.ledger, fraud, LocalRequestSigner(account.secret))
    answer = AnswerChallenges(parts.operator, parts.store, desk)
    earner = EarnSamples(
        parts.operator,
        parts.ledger,
        parts.store,
        ChainLottery(
            network.node,
            network.entrance,
            DASamplingClient(network.deployments, network.node),
            sender,
        ),
        randomness=random.SystemRandom(),
        rules=EarnRules(at_a_loss=operator.at_a_loss),
    )
    repair = RepairBlobs(
        RepairParts(
            parts.operator,
            parts.ledger,
            ChainDepartures(network.node, network.signers, network.stake),
            parts.store,
            parts.journal,
            client,
            parts.engine,
            random.SystemRandom(),
        ),
        RepairRules(answer_seconds=_answer_seconds(network)),
        on_bottom=partial(_keep_proof, shelf),
    )
    return [
        Chore("repair", REPAIR_SECONDS, partial(_repair, repair)),
        Chore("answer", ANSWER_SECONDS, _counted(answer.answer)),
        Chore("earn", EARN_SECONDS, _counted(earner.earn)),
        Chore("prosecute", PROSECUTE_SECONDS, _counted(partial(prosecute.prosecute_kept, shelf))),
    ]


def collecting(network: Network, accept: AcceptRows, parts: NodeParts) -> Chore:
    """Removing what is over, which also a node that cheats in a drill does."""
    rules = CollectRules(answer_seconds=_answer_seconds(network))
    collector = CollectGarbage(accept, parts, rules)
    return Chore("collect", COLLECT_SECONDS, _counted(collector.collect))


async def repeat(chore: Chore) -> None:
    """Do a chore for ever; a pass that fails is logged and tried again."""
    while True:
        await asyncio.sleep(chore.seconds * random.uniform(1 - JITTER, 1 + JITTER))
        try:
            done = await chore.work()
        except ApogeeError as error:
            extra = {"chore": chore.name, "code": error.code, "error": str(error)}
            log.warning("chore_failed", extra=extra)
            continue
        except Exception:  # a bug in one pass must not end what keeps the operator's stake
            log.exception("chore_crashed", extra={"chore": chore.name})
            continue
        if done:
            log.info("chore_done", extra={"chore": chore.name, "count": done})


def _answer_seconds(network: Network) -> int:
    return network.entrance.windows(at=network.node.block().hash).answer


def _counted(work: Callable[[], Awaitable[Sequence[object]]]) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(await work())

    return count


async def _repair(repair: RepairBlobs) -> int:
    report = await repair.repair()
    return report.copied + report.remade


def _keep_proof(shelf: ProofShelf, blob_id: bytes, bottom: Bottom) -> None:
    if isinstance(bottom, BottomProven):
        shelf.keep(blob_id, bottom)
