"""Attacks of dispersers: two sets of chunks for one blob, and a matrix that encodes nothing.

Against the first, nodes compare with what was paid for, so there is no certificate and the customer
has the fee back. The second may get one: every row but one is right. The owner of that row has a
proof in hand, the blob becomes void, the disperser loses all its stake and the customer has the fee
back, from that stake when a certificate had earned it already.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Final

from offchain.apps.attack.arena import CUSTOMER, DAYS, DISPERSER, Arena
from offchain.apps.attack.report import AttackSucceeded, Outcome, require
from offchain.core.layout import K, N
from offchain.core.units import BlockNumber
from offchain.da.deliver import Delivery
from offchain.da.errors import Bottom
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import BadEncodingProven
from offchain.da.refusals import HeaderNotPaid

SIZE: Final = 200_000
PROOF_SECONDS: Final = 600.0
TWO_FACED: Final = "disperser sends different chunks to different nodes"
NON_CODEWORD: Final = "disperser encodes a non-codeword"
log = logging.getLogger(__name__)


def attack_two_faced(arena: Arena) -> list[Outcome]:
    """Half the nodes get the blob that was paid for, the others one that was not."""
    paid, delivery, fee = asyncio.run(_send_two(arena))
    view = arena.view(paid)
    assert view.duties is not None
    refused = set(delivery.failures.values())
    require(refused == {HeaderNotPaid.code}, TWO_FACED, f"nodes answered {refused}")
    entrance, customer = arena.network.entrance, arena.address(CUSTOMER)
    before = _fee_credit(arena, customer)
    arena.travel(view.record.deadline + 1)
    with arena.sender(CUSTOMER) as sender:
        receipt = sender.execute(entrance.refund(arena.blob(paid)), key=f"refund:{paid.hex()}")
    back = _fee_credit(arena, customer) - before
    require(back == fee, TWO_FACED, "the customer's fee did not come back")
    return [
        Outcome(
            TWO_FACED,
            f"{len(delivery.failures)} nodes refused, no certificate; the fee went back",
            transaction=receipt.transaction_hash,
        )
    ]


async def _send_two(arena: Arena) -> tuple[bytes, Delivery, int]:
    """The blob that was paid for, what the nodes that got the other one said, and the fee."""
    arena.draw_table()
    async with arena.disperser() as disperser:
        paid = await arena.plan(disperser, SIZE)
        other = await arena.plan(disperser, SIZE)
        fee = disperser.till.quote(SIZE, paid.record.terms.days)
        view = arena.paid_view(disperser, paid)
        assert view.duties is not None
        members = view.duties.members
        half = len(members) // 2
        true, false = await arena.parcel(paid, view), await arena.parcel(other, view)
        await disperser.deliver.deliver(
            replace(true, duties=replace(view.duties, members=members[:half]))
        )
        delivery = await disperser.deliver.deliver(
            replace(false, duties=replace(view.duties, members=members[half:]))
        )
        paid.let_go()
        other.let_go()
    return view.record.blob_id, delivery, fee


def attack_non_codeword(arena: Arena) -> list[Outcome]:
    """One parity row is wrong; seven of eight nodes see nothing of it, the eighth proves it.

    The proof may come before the certificate or after it: then the fee comes back from where it
    was held, or from the stake.
    """
    bad_row = arena.randomness.randrange(K, N)
    stake = arena.own_stake(DISPERSER)
    before = arena.network.node.block()
    held = _fee_credit(arena, arena.address(CUSTOMER))
    try:
        arena.publish(SIZE, arena.bad_engine(bad_row))
    except Bottom:
        log.info("bad_row_was_proven_before_the_certificate")
    proven, transaction = _proof(arena, before.number)
    require(proven.row == bad_row, NON_CODEWORD, "another row was proven")
    require(proven.disperser_id == arena.operator(DISPERSER), NON_CODEWORD, "another paid")
    require(
        arena.view(proven.blob_id).record.state is BlobState.VOID, NON_CODEWORD, "it is not void"
    )
    _require_bottom(arena, proven.blob_id)
    [slash] = arena.slashes(transaction)
    require(slash.taken == stake, NON_CODEWORD, "the disperser kept stake")
    at = arena.network.node.block().hash
    from_stake = arena.network.court.credit_of(arena.address(CUSTOMER), at=at)
    from_held = _fee_credit(arena, arena.address(CUSTOMER)) - held
    fee = arena.network.entrance.quote(SIZE, DAYS, at=at)
    require(
        sorted((from_stake, from_held)) == [0, fee] and slash.to_victim == from_stake,
        NON_CODEWORD,
        "the customer's fee did not come back once",
    )
    return [
        Outcome(
            NON_CODEWORD,
            f"void by a proof of row {bad_row}; readers are told that there is nothing",
            payer="the disperser",
            paid_wei=slash.taken,
            received_wei={
                "the node that proved it": slash.to_reporter,
                **({"the customer": from_stake} if from_stake else {}),
                "the insurance": slash.to_insurance,
                "the Treasury": slash.to_treasury,
            },
            transaction=transaction,
        )
    ]


def _proof(arena: Arena, first: int) -> tuple[BadEncodingProven, bytes]:
    """The one proof since a block, waited for, and the transaction that brought it."""
    proofs = arena.network.fraud_proofs
    found: list[tuple[BadEncodingProven, bytes]] = []

    def came() -> bool:
        wanted = proofs.event_filter(
            BadEncodingProven,
            first_block=BlockNumber(first),
            last_block=BlockNumber(arena.network.node.block().number),
        )
        found[:] = [
            (event, entry.transaction_hash)
            for entry in arena.network.node.logs(wanted)
            for event in proofs.events_in(BadEncodingProven, [entry])
        ]
        return bool(found)

    arena.wait_until(
        came, seconds=PROOF_SECONDS, what="the proof of the node that was sent the bad row"
    )
    [one] = found
    return one


def _require_bottom(arena: Arena, blob_id: bytes) -> None:
    """Nobody reads bytes where there are none."""
    try:
        arena.read(blob_id)
    except Bottom:
        return
    raise AttackSucceeded(attack=NON_CODEWORD, what="a reader got bytes")


def _fee_credit(arena: Arena, account: bytes) -> int:
    at = arena.network.node.block().hash
    return arena.network.entrance.credit_of(account, at=at)
