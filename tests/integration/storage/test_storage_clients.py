"""Clients of market, orders, seats and proofs, and what nodes and worker do with them.

Every call and event against its contract on a real EVM in this process.
One chain for all; each test leaves the group's three seats serving.
"""

import asyncio

import pytest

from offchain.core.bls import aggregate_keys
from offchain.core.field import Elements
from offchain.core.matrix.encode import EncodedBlob
from offchain.jobs.model import JobKind, Outcome
from offchain.jobs.subjects import parse_id
from offchain.node.disk import LocalDisk
from offchain.storage.adapters.chain_bad_files import ChainBadFileDesk
from offchain.storage.adapters.chain_drain import ChainDrainDesk
from offchain.storage.adapters.chain_keeper import ChainFineTerms
from offchain.storage.adapters.chain_orders import ChainOrderTill
from offchain.storage.bad_file import BadFile, BadFiles, ProsecuteBadFiles
from offchain.storage.challenge_draw import fine_of
from offchain.storage.client_ports import StandingOrder
from offchain.storage.drain import HIGHEST_PRICE, DrainSeats
from offchain.storage.losses import DeclareLosses, LossParts, LossRules
from offchain.storage.model import FileState, SeatState, kept_bytes, segment_path
from offchain.storage.onchain_market import (
    Collected,
    FileEnded,
    FilePlaced,
    FileReleased,
    FileRenewed,
    FileStored,
    OrderSet,
)
from offchain.storage.onchain_proofs import (
    Closed,
    Defaulted,
    Demanded,
    DrawnSeat,
    FileVoided,
    LossDeclared,
    Proven,
    Wanted,
)
from offchain.storage.onchain_seats import SeatChanged, SuccessorNamed
from offchain.storage.reverts_market import ActionEarly, NotEntitled, NothingToWithdraw
from offchain.storage.reverts_proofs import (
    CodewordSound,
    MissEarly,
    NoOpenDemand,
    NotYourSeat,
    ProofOfOther,
    ProvenAlready,
)
from offchain.storage.reverts_seats import SeatRoleMissing, SuccessorMissing
from tests.support.da_encoding import honest, opening_of, path_of, tampered
from tests.support.keeping import Shelf, ShelfBook
from tests.support.storage_chain import KEEPERS, PRICE, ChainFile, StorageChain

LENGTH = 100_000
BAD_ROW = 2_000
OWNER = 1


@pytest.fixture
def chain(storage_chain: StorageChain) -> StorageChain:
    return storage_chain


def happened(chain: StorageChain, client: object, kind: type, since: int) -> list:
    """Events of a kind since a block."""
    wanted = client.event_filter(kind, first_block=since, last_block=chain.head().number)  # type: ignore[attr-defined]  # a ContractClient
    return client.events_in(kind, chain.base.node.logs(wanted))  # type: ignore[attr-defined]  # a ContractClient


def account(chain: StorageChain, operator: int) -> bytes:
    return chain.base.senders[operator - 1].account


def test_market__a_files_whole_life__views_and_events_agree(chain: StorageChain) -> None:
    market, since = chain.clients.market, int(chain.head().number)
    at = chain.head().hash
    quote = market.quote(chain.group, LENGTH, 30, at=at)
    assert quote.bytes == market.kept_bytes(LENGTH, chain.profile.number, at=at)
    assert quote.bytes == kept_bytes(chain.profile, LENGTH)
    assert market.quotes([chain.group] * 2, LENGTH, 30, at=at) == [quote, quote]
    assert chain.group in market.listed_groups(chain.profile.number, at=at)

    file = chain.submit(honest(LENGTH))
    assert chain.file(file.file_id).state is FileState.SUBMITTED
    chain.send(market.place(file.file_id))
    with pytest.raises(ActionEarly):
        chain.send(market.refund(file.file_id))
    chain.confirm(file.file_id)

    at = chain.head().hash
    record, duty = chain.file(file.file_id), market.duty(file.file_id, at=at)
    assert market.is_live(file.file_id, at=at)
    assert (record.group, record.bytes, record.absent) == (chain.group, quote.bytes, 0)
    assert (duty.group, duty.bytes, duty.end) == (chain.group, quote.bytes, record.leaves)
    [placed] = happened(chain, market, FilePlaced, since)
    assert (placed.id, placed.deposit) == (file.file_id, record.deposit)
    [stored] = happened(chain, market, FileStored, since)
    assert (stored.first_byte, stored.end) == (record.first_byte, record.end)

    with pytest.raises(NotEntitled):
        chain.send(market.release(file.file_id))
    chain.send(market.renew(file.file_id, 3, value_wei=10**15))
    [renewed] = happened(chain, market, FileRenewed, since)
    assert renewed.end == chain.file(file.file_id).end > record.end
    chain.send(market.release(file.file_id), operator=OWNER)
    [released] = happened(chain, market, FileReleased, since)
    with pytest.raises(ActionEarly):
        chain.send(market.close(file.file_id))
    chain.travel(released.leaves)
    chain.send(market.close(file.file_id))
    [ended] = happened(chain, market, FileEnded, since)
    assert ended.cost + ended.refund == record.deposit + renewed.paid
    chain.send(market.collect(chain.group, 0))
    [collected] = happened(chain, market, Collected, since)
    owner = account(chain, collected.operator_id)
    credited = market.credit_of(owner, at=chain.head().hash)
    assert credited >= collected.amount > 0
    chain.send(market.withdraw(owner), operator=collected.operator_id)
    with pytest.raises(NothingToWithdraw):
        chain.send(market.withdraw(owner), operator=collected.operator_id)


def test_orders__set_used_and_ended__the_funds_are_where_they_should_be(
    chain: StorageChain,
) -> None:
    orders, since = chain.orders, int(chain.head().number)
    file = chain.store(honest(LENGTH), term=2)
    rate = chain.clients.market.group(chain.group, at=chain.head().hash).rate
    epoch = chain.clients.stake.epoch_length(at=chain.head().hash)
    limit = -(-chain.file(file.file_id).bytes * rate * epoch // 2**30)
    order = {"epochs": 20, "limit_wei": limit, "tip_wei": 7}
    with pytest.raises(NotEntitled):
        chain.send(orders.set_order(file.file_id, **order, value_wei=10**15))
    chain.send(orders.set_order(file.file_id, **order, value_wei=10**15), operator=OWNER)
    before = chain.file(file.file_id)

    chain.send(orders.renew_due(file.file_id))

    at = chain.head().hash
    after, standing = chain.file(file.file_id), orders.order(file.file_id, at=at)
    assert after.end == before.end + 20 * epoch
    assert standing.funds == 10**15 - 7 - (after.deposit - before.deposit)
    assert orders.credit_of(chain.worker.account, at=at) == 7
    till = ChainOrderTill(chain.base.node, orders, chain.base.senders[OWNER - 1])
    wanted = StandingOrder(5, limit, 9, standing.funds + 11)
    assert till.set_order(file.file_id, wanted).value_wei == 11
    assert till.set_order(file.file_id, wanted).value_wei == 0
    assert till.order(file.file_id) == wanted
    assert till.end_order(file.file_id).value_wei == wanted.funds_wei
    assert (till.order(file.file_id), till.end_order(file.file_id).value_wei) == (None, 0)
    assert [one.epochs for one in happened(chain, orders, OrderSet, since)] == [20, 5, 0]
    assert orders.credit_of(account(chain, OWNER), at=chain.head().hash) == 0
    chain.send(orders.withdraw(chain.worker.account))


def test_proofs__shown_in_time_or_not__settled_as_the_beacon_drew(chain: StorageChain) -> None:
    proofs, since = chain.clients.proofs, int(chain.head().number)
    chain.store(honest(LENGTH))
    asked = chain.asked_epoch(2)
    epoch = chain.epoch()
    shown, silent = sorted(asked)[:2]
    challenge = asked[shown]
    file, drawn = chain.files[challenge.file_id], DrawnSeat(epoch, chain.group, shown)
    desk = chain.desk(chain.view().seats[shown].operator)
    with pytest.raises(ProofOfOther):
        desk.prove(challenge, file.proof(challenge.row ^ 1, challenge.leaf))
    with pytest.raises(MissEarly):
        chain.send(proofs.default_(drawn, file.file_id))

    chain.prove(challenge)

    right = file.proof(challenge.row, challenge.leaf).frame
    with pytest.raises(ProvenAlready):
        chain.send(proofs.prove(drawn, file.file_id, file.shown(), right))
    assert proofs.is_proven(drawn, at=chain.head().hash)
    proven = happened(chain, proofs, Proven, since)[-1]
    assert (proven.epoch, proven.seat, proven.is_restored) == (epoch, shown, False)
    chain.travel(challenge.deadline + 1)
    due = chain.due(JobKind.DEFAULT_PROOF)
    assert f"{epoch}/{chain.group}/{silent}" in due
    assert f"{epoch}/{chain.group}/{shown}" not in due
    assert_punished_once(chain, epoch, silent)
    chain.restore(silent)
    assert chain.view().seats[silent].state is SeatState.SERVING


def assert_punished_once(chain: StorageChain, epoch: int, seat: int) -> None:
    """A silent seat is fined, and unpaid until it has shown its leaf."""
    proofs, since = chain.clients.proofs, int(chain.head().number)
    jobs, group, at = chain.proofs_jobs, chain.group, chain.head().hash
    kept = chain.clients.market.bytes_at(group, epoch, at=at)
    rate = proofs.bytes_per_challenge(epoch, at=at)
    length = chain.clients.stake.epoch_length(at=at)
    assert jobs.default(epoch, group, seat, chain.worker) is Outcome.DONE
    assert jobs.default(epoch, group, seat, chain.worker) is Outcome.NOT_DUE

    [missed] = happened(chain, proofs, Defaulted, since)
    fine = fine_of(PRICE, kept=kept, bytes_per_challenge=rate, epoch_seconds=length)
    assert (missed.seat, missed.misses, missed.amount) == (seat, 1, fine)
    at = chain.head().hash
    assert proofs.fine(DrawnSeat(epoch, group, seat), at=at) == fine
    assert proofs.standing(group, seat, at=at).is_suspect
    assert chain.view().seats[seat].state is SeatState.SUSPECT
    assert chain.clients.market.group(group, at=at).rate == 2 * PRICE


def test_demand__nobody_answers__the_worker_closes_it_and_the_seat_pays(
    chain: StorageChain,
) -> None:
    proofs, since = chain.clients.proofs, int(chain.head().number)
    file = chain.store(honest(LENGTH))
    operators = [one.operator for one in chain.view().seats]
    wanted = [Wanted(file.file_id, 0, seat, 512 * seat, 0) for seat in (0, 1)]
    for one in wanted:
        bond = proofs.bond(operators[one.seat], at=chain.head().hash)
        chain.send(proofs.demand(one, value_wei=2 * bond))
    demanded = happened(chain, proofs, Demanded, since)
    assert [one.wanted for one in demanded] == wanted
    assert [one.demand_id for one in demanded] == [one.demand_id() for one in wanted]
    answered = [one for one in chain.challenges([1]) if one.is_bonded]
    chain.prove(answered[0])
    with pytest.raises(NoOpenDemand):
        chain.send(proofs.close(wanted[1]))
    assert chain.due(JobKind.CLOSE_DEMAND) == []

    chain.travel(demanded[0].deadline + 1)

    [subject] = chain.due(JobKind.CLOSE_DEMAND)
    demand_id = parse_id(subject)
    assert demand_id == wanted[0].demand_id()
    assert chain.proofs_jobs.close(demand_id, chain.worker) is Outcome.DONE
    assert chain.proofs_jobs.close(demand_id, chain.worker) is Outcome.NOT_DUE
    assert chain.due(JobKind.CLOSE_DEMAND) == []
    [closed] = happened(chain, proofs, Closed, since)
    assert (closed.operator_id, closed.is_convicted) == (operators[0], True)
    chain.send(proofs.withdraw(chain.worker.account))
    chain.restore(0)


def test_losses__a_nodes_shard_cannot_be_made__it_gives_the_seat_up_and_another_follows(
    chain: StorageChain,
) -> None:
    proofs, seats = chain.clients.proofs, chain.clients.seats
    file = chain.store(honest(LENGTH))
    former, since = chain.view().seats[2], int(chain.head().number)
    with pytest.raises(NotYourSeat):
        chain.send(proofs.declare_loss(chain.group, 2), operator=other_than(chain, former.operator))
    desk, shelf = chain.desk(former.operator), Shelf()
    terms = ChainFineTerms(chain.clients)
    parts = LossParts(former.operator, chain.keeper, terms, desk, shelf, ShelfBook())
    losses = DeclareLosses(
        parts, LossRules(0, chain.clients.stake.epoch_length(at=chain.head().hash))
    )

    assert asyncio.run(losses.declare({file.file_id})) == [(chain.group, 2)]

    [declared] = happened(chain, proofs, LossDeclared, since)
    assert (declared.seat, declared.operator_id) == (2, former.operator)
    assert declared.amount > 0
    assert chain.view().seats[2].state is SeatState.VACANT
    at = chain.head().hash
    assert seats.holder_at(chain.group, 2, chain.head().timestamp, at=at).operator_id == 0
    with pytest.raises(SuccessorMissing):
        chain.send(seats.lapse(chain.group, 2))
    chain.refill(2)
    assert_successor_counts(chain, former.operator, since)


def assert_successor_counts(chain: StorageChain, former: int, since: int) -> None:
    """He is named and paid, his key is in the group's sum, and files can be stored again."""
    seats, at = chain.clients.seats, chain.head().hash
    record = seats.seat(chain.group, 2, at=at)
    assert (record.operator_id != former, record.price, record.generation) == (True, PRICE, 1)
    assert happened(chain, seats, SuccessorNamed, since)[-1].operator_id == record.operator_id
    assert happened(chain, seats, SeatChanged, since)[-1].state is SeatState.SERVING
    operators = seats.operators_of(chain.group, at=at)
    assert operators == [one.operator for one in chain.view().seats]
    assert seats.held_by(chain.group, operators, at=at) == [1, 1, 1]
    keys = aggregate_keys([chain.base.secrets[one].public_key() for one in operators])
    assert seats.group_key(chain.group, at=at) == keys.eip2537()
    epochs = seats.key_epochs(chain.group, operators, at=at)
    assert epochs == [seats.key_epoch(chain.group, one, at=at) for one in operators]
    assert chain.clients.market.group(chain.group, at=at).rate == 3 * PRICE
    chain.store(honest(LENGTH))


def test_drain__an_operator_hands_over__paid_until_another_has_taken_over(
    chain: StorageChain,
) -> None:
    seats, draws = chain.clients.seats, chain.clients.draws
    former = chain.view().seats[1]
    with pytest.raises(SeatRoleMissing):
        chain.send(seats.leave(chain.group, 1), operator=other_than(chain, former.operator))
    sender = chain.base.senders[former.operator - 1]
    desk = ChainDrainDesk(chain.clients, former.operator, sender)
    before = desk.ask(at=chain.head())
    drain = DrainSeats(former.operator, chain.keeper, desk)

    first, again = drain.step(), drain.step()

    assert (first.left, again.left) == (((chain.group, 1),), ())
    [owed] = again.owed
    record = seats.seat(chain.group, 1, at=chain.head().hash)
    assert (record.state, record.price) == (SeatState.LEAVING, PRICE)
    assert owed.until == record.leaves_at > chain.head().timestamp
    assert chain.clients.market.group(chain.group, at=chain.head().hash).rate == 3 * PRICE
    closed = draws.ask_at(former.operator, chain.epoch() + 1, at=chain.head().hash)
    assert (closed.price, closed.capacity) == (HIGHEST_PRICE, before.capacity)
    chain.refill(1)
    assert chain.view().seats[1].operator != former.operator
    assert drain.step().is_over
    desk.set_ask(before)  # back for the tests that follow
    chain.enter_epoch()


def one_parity_bit(rows: Elements) -> None:
    rows[BAD_ROW, 3, 31] ^= 1


def bad_row(file: ChainFile, row: int) -> BadFile:
    encoded = file.encoded
    data = encoded.rows[row].tobytes()
    path = segment_path(file.segments, 0)
    opening = opening_of(encoded, row)
    return BadFile(file.file_id, file.segments[0], path, row, data, path_of(encoded, row), opening)


def test_prove_bad_row__a_node_kept_the_row__the_file_is_void_and_an_honest_one_is_not(
    chain: StorageChain,
) -> None:
    matrix: EncodedBlob = tampered(LENGTH, one_parity_bit)
    bad, sound = chain.store(matrix), chain.store(honest(LENGTH))
    since = int(chain.head().number)
    operator = chain.view().seats[0].operator
    desk = ChainBadFileDesk(chain.clients.proofs, chain.base.senders[operator - 1])
    shelf = BadFiles(LocalDisk(), chain.base.folder / "fraud")
    shelf.keep(bad_row(bad, BAD_ROW))
    with pytest.raises(CodewordSound):
        desk.prove_bad_row(bad_row(sound, BAD_ROW))

    assert asyncio.run(ProsecuteBadFiles(chain.ledger, shelf, desk).prosecute()) == 1

    [voided] = happened(chain, chain.clients.proofs, FileVoided, since)
    assert (voided.id, voided.row) == (bad.file_id, BAD_ROW)
    assert chain.file(bad.file_id).state is FileState.VOID
    assert chain.file(sound.file_id).state is FileState.STORED
    assert shelf.waiting() == []
    assert asyncio.run(ProsecuteBadFiles(chain.ledger, shelf, desk).prosecute()) == 0


def other_than(chain: StorageChain, operator: int) -> int:
    return next(one for one in range(1, KEEPERS + 1) if one != operator)
