"""Attacks of signers that do not keep what they signed for, and of a challenger that lies.

Four node processes sign and then withhold, serve only friends, or send wrong rows. While they do, a
reader still gets the exact bytes. Then each is asked on chain for one leaf, whatever it shows there
that is not the leaf is refused, and silence costs a tenth of the stake it was elected with, also
that of an operator that has left in the meantime.
"""

from dataclasses import dataclass
from typing import Final

from offchain.apps.attack.arena import Arena
from offchain.apps.attack.report import Outcome, require
from offchain.apps.operators import node_role
from offchain.chain.sender import TransactionSender
from offchain.da.adapters.chain_challenges import ChainChallenges
from offchain.da.adapters.misconduct import Misconduct
from offchain.da.challenge_book import Asked
from offchain.da.dispute_ports import Fate, Posted
from offchain.da.retrieve import Retrieved
from offchain.staking.model import Service

CHALLENGER: Final = "challenger"
LIAR: Final = "lying challenger"
SIZE: Final = 300_000
DEPOSIT_WEI: Final = 10**18
ANSWER_SECONDS: Final = 600.0
CHEATS: Final = {
    0: Misconduct.WITHHOLD,
    1: Misconduct.FRIENDS_ONLY,
    2: Misconduct.WRONG_BYTES,
    3: Misconduct.WRONG_INDEX,
}
LEAVER: Final = 3
HONEST: Final = 4
NAMES: Final = {
    0: "withhold after signing",
    1: "serve only friends",
    2: "wrong chunk, right path",
    3: "right chunk, wrong index; leaves with its stake",
}


@dataclass(frozen=True, slots=True)
class Pressed:
    """One cheat that was asked on chain."""

    index: int
    posted: Posted


def attack_by_challenger(arena: Arena) -> list[Outcome]:
    """Challenge a signer that serves: it answers by itself, and the bond is its."""
    name = "challenger who lies"
    arena.fund(LIAR)
    _, done = arena.publish(SIZE)
    duty = arena.duty(arena.view(done.blob_id), HONEST)
    signer = arena.address(node_role(HONEST))
    before = _bond_credit(arena, signer)
    with arena.sender(LIAR) as sender:
        board = _board(arena, sender)
        asked = Asked(done.blob_id, duty.rows[0], 0)
        posted = board.post(asked, deposit_wei=DEPOSIT_WEI, attempt=0)
        fate = _wait_for_fate(arena, board, posted)
    require(fate is Fate.ANSWERED, name, f"the challenge is {fate.value}")
    gained = _bond_credit(arena, signer) - before
    require(gained == posted.bond > 0, name, "the bond went elsewhere")
    return [
        Outcome(
            name,
            "the node showed the leaf on chain by itself",
            payer="the challenger",
            paid_wei=posted.bond,
            received_wei={"the signer it accused": gained},
            transaction=posted.settlement.transaction,
        )
    ]


def attack_by_signers(arena: Arena) -> list[Outcome]:
    """Four of eight sign and cheat; readers lose nothing, the four lose stake."""
    arena.fund(CHALLENGER)
    for index, misconduct in CHEATS.items():
        arena.restart(index, misconduct)
    payload, done = arena.publish(SIZE)
    got = arena.read(done.blob_id)
    _require_blame(arena, payload, got)
    with arena.sender(CHALLENGER) as sender:
        board = _board(arena, sender)
        pressed = [_press(arena, board, done.blob_id, index) for index in CHEATS]
        _answer_falsely(arena, pressed)
        ticket = _leave(arena)
        arena.travel(max(one.posted.deadline for one in pressed) + 1)
        outcomes = [_close(arena, board, one) for one in pressed]
    _require_locked(arena, ticket)
    for index in CHEATS:
        arena.restart(index)
    taken = sum(outcome.paid_wei for outcome in outcomes)
    together: dict[str, int] = {}
    for outcome in outcomes:
        for who, wei in outcome.received_wei.items():
            together[who] = together.get(who, 0) + wei
    colluding = Outcome(
        "a third colluding (four of eight at once)",
        f"{len(payload):,} bytes read exactly from the others",
        payer="the four together",
        paid_wei=taken,
        received_wei=together,
    )
    return [*outcomes, colluding]


def _require_blame(arena: Arena, payload: bytes, got: Retrieved) -> None:
    """The reader got the bytes, and blames nobody who is honest."""
    name = "a third colluding"
    require(got.payload == payload, name, "the reader got other bytes")
    honest = got.blame.liars - {arena.operator(node_role(index)) for index in CHEATS}
    require(not honest, name, f"honest operators are called liars: {honest}")


def _press(arena: Arena, board: ChainChallenges, blob_id: bytes, index: int) -> Pressed:
    """Ask a cheat on chain for a leaf that it could not foresee."""
    view = arena.view(blob_id)
    row = arena.randomness.choice(arena.duty(view, index).rows)
    leaf = arena.randomness.randrange(view.record.shape.leaves)
    posted = board.post(Asked(blob_id, row, leaf), deposit_wei=DEPOSIT_WEI, attempt=0)
    return Pressed(index, posted)


def _answer_falsely(arena: Arena, pressed: list[Pressed]) -> None:
    """What the liars send readers, shown to the contract by their own accounts: refused."""
    for one in pressed:
        misconduct, asked = CHEATS[one.index], one.posted.asked
        if misconduct not in (Misconduct.WRONG_BYTES, Misconduct.WRONG_INDEX):
            continue
        true = arena.leaf_frame(one.index, asked)
        if misconduct is Misconduct.WRONG_BYTES:
            shown = true[:8] + bytes([true[8] ^ 1]) + true[9:]
        else:
            shown = (asked.row ^ 1).to_bytes(4, "big") + true[4:]
        blob = arena.blob(asked.blob_id)
        call = arena.network.challenges.answer_leaf(blob, shown)
        error = arena.refusal(call, node_role(one.index))
        require(error is not None, NAMES[one.index], "a wrong leaf was accepted as an answer")


def _leave(arena: Arena) -> int:
    """An operator takes everything out while its blob lives; its ticket."""
    role, stake = node_role(LEAVER), arena.network.stake
    with arena.sender(role) as sender:
        sender.execute(arena.network.signers.leave(), key="attack.leave.signers")
        receipt = sender.execute(stake.leave(Service.DA), key="attack.leave.stake")
    return next(iter(stake.exit_tickets(receipt.logs)))


def _require_locked(arena: Arena, ticket: int) -> None:
    role = node_role(LEAVER)
    call = arena.network.stake.withdraw(ticket, arena.address(role))
    error = arena.refusal(call, role)
    require(error is not None, NAMES[LEAVER], "the stake could be withdrawn")


def _close(arena: Arena, board: ChainChallenges, one: Pressed) -> Outcome:
    name = NAMES[one.index]
    closed = board.close(one.posted)
    fate = board.fate(one.posted)
    require(fate is Fate.CONVICTED, name, f"the challenge is {fate.value}")
    [slash] = arena.slashes(closed.transaction)
    return Outcome(
        name,
        "convicted of silence by a challenge",
        payer=f"operator {one.posted.operator}",
        paid_wei=slash.taken,
        received_wei={
            "the challenger": slash.to_reporter,
            "victims": slash.to_victim,
            "the insurance": slash.to_insurance,
            "the Treasury": slash.to_treasury,
        },
        transaction=closed.transaction,
    )


def _wait_for_fate(arena: Arena, board: ChainChallenges, posted: Posted) -> Fate:
    """The node's own watcher answers within seconds."""
    arena.wait_until(
        lambda: board.fate(posted) is not Fate.OPEN,
        seconds=ANSWER_SECONDS,
        what="the node's answer",
    )
    return board.fate(posted)


def _board(arena: Arena, sender: TransactionSender) -> ChainChallenges:
    network = arena.network
    return ChainChallenges(network.node, network.entrance, network.challenges, sender)


def _bond_credit(arena: Arena, account: bytes) -> int:
    at = arena.network.node.block().hash
    return arena.network.challenges.credit_of(account, at=at)
