"""Whom the draw of a disputed milestone falls on: the call that seats its jury.

Source: docs/protocol/compute.md#jobs, contracts/compute/job_jury.vy.
"""

from offchain.chain.model import Block, TypedCall
from offchain.compute.adapters.chain_audits import REMEMBERED_BLOCKS, AuditClients
from offchain.compute.audit_draw import candidates_of, committee_of, seed_of
from offchain.compute.job_terms import JURY_ROUND, JURY_SEATS
from offchain.compute.onchain_job_market import CaseState, JobMarketClient
from offchain.core.units import BlockNumber
from offchain.staking.frozen_tree import frozen_tree
from offchain.staking.model import Service


def jury_draw_call(
    clients: AuditClients, market: JobMarketClient, case: int, block: Block
) -> TypedCall | None:
    """None while nothing is to be drawn or the seed is not known. Raises: TreeMismatch."""
    told = market.case(case, at=block.hash)
    if told.state is not CaseState.WAITING or block.number <= told.seed_block:
        return None
    is_known = block.number - told.seed_block <= REMEMBERED_BLOCKS
    drawn = clients.node.block(BlockNumber(told.seed_block)).hash if is_known else bytes(32)
    clock = clients.tree.registry.clock(at=block.hash)
    seed_epoch = told.epoch if is_known else clock.current_epoch(block.timestamp)
    random = clients.beacon.randomness(seed_epoch, at=block.hash)
    tree = frozen_tree(clients.tree, Service.ALIGNMENT, told.epoch, at=block)
    seed = seed_of(random, drawn, audit=case, rnd=JURY_ROUND)
    jury = committee_of(seed, tree, seats=JURY_SEATS, barred=told.barred)
    return market.draw(case, candidates_of(jury, tree))
