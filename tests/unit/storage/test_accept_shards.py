"""The door of a storage node: who may send what, when, how much, and when it signs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.core.bls import verify
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import InvalidInput, Rejected
from offchain.core.field import Elements
from offchain.core.layout import Shape
from offchain.core.matrix.encode import encode
from offchain.core.matrix.errors import CommitmentMismatch, EncodingFault, HeaderRejected
from offchain.core.matrix.openings import open_header
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.storage.accept_shards import Upload, UploadLimits
from offchain.storage.adapters.memory_market import MemoryMarket
from offchain.storage.bad_file import BadFile, BadFiles, ProsecuteBadFiles
from offchain.storage.client_ports import Order
from offchain.storage.errors import (
    BodySize,
    NodeBusy,
    NoSeat,
    NotPlacedYet,
    NotWhole,
    OwnerQuota,
    RequestMalformed,
    SegmentNotPaid,
    ShardRejected,
    StoreQuota,
    SubmissionNotOpen,
    SubmissionUnknown,
    UploadSlow,
)
from offchain.storage.frames import segments_in, shard_body
from offchain.storage.model import (
    FileShape,
    FileState,
    SeatState,
    Segment,
    file_root,
    held_digest,
    segment_path,
)
from offchain.storage.ports import FileView, Place
from tests.support.matrices import a_payload, sealed
from tests.support.storage_node import (
    OWNER,
    StoredFileCase,
    a_group,
    a_placed_file,
    a_storage_node,
    placed,
    secret_of,
    send,
    with_seat,
)

SIZE = 60_000


def a_case(
    engine: ErasureEngine, profile: str = "local", operators: int | None = None
) -> StoredFileCase:
    group = a_group(profile, operators)
    return a_placed_file(MemoryMarket([group], owner=OWNER), group, engine, a_payload(SIZE))


def digest_of(case: StoredFileCase) -> bytes:
    file = case.market.view(case.file_id, at=case.market.head().hash).file
    return held_digest(
        case.market.domain(),
        file_id=case.file_id,
        root=case.root,
        group=file.group,
        expiry=file.expiry,
    )


def test_inv_sto_3__receipt__only_when_every_own_seat_is_whole(engine: ErasureEngine) -> None:
    case = a_case(engine, operators=2)  # operator 1 holds seats 0 and 2
    node = a_storage_node(case.market, engine)
    assert asyncio.run(send(node, case.place(0), case.raw(0)))
    assert {0} == segments_in(asyncio.run(node.accept.have(case.file_id, 0)))
    assert set() == segments_in(asyncio.run(node.accept.have(case.file_id, 2)))
    with pytest.raises(NotWhole):
        asyncio.run(node.accept.held(case.file_id))

    assert asyncio.run(send(node, case.place(2), case.raw(2)))
    signature = asyncio.run(node.accept.held(case.file_id))

    assert verify(secret_of(1).public_key(), digest_of(case), signature)
    assert digest_of(case) == node.parts.book.held(case.file_id)


def test_accept__again__nothing_is_read_or_written(engine: ErasureEngine) -> None:
    case = a_case(engine)
    node = a_storage_node(case.market, engine)
    assert asyncio.run(send(node, case.place(0), case.raw(0)))

    async def nothing() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    assert not asyncio.run(node.accept.accept(case.place(0), Upload(nothing(), 5)))


def test_accept__same_content_paid_twice__one_shard_and_two_receipts(
    engine: ErasureEngine,
) -> None:
    case = a_case(engine)
    again = a_placed_file(case.market, case.group, engine, a_payload(SIZE), nonce=1)
    node = a_storage_node(case.market, engine)
    asyncio.run(send(node, case.place(0), case.raw(0)))
    assert not asyncio.run(send(node, again.place(0), again.raw(0)))
    asyncio.run(node.accept.held(case.file_id))
    asyncio.run(node.accept.held(again.file_id))
    assert len(asyncio.run(node.store.held())) == 1


def test_accept__unpaid_unplaced_or_over__no_byte_is_read(engine: ErasureEngine) -> None:
    case = a_case(engine)
    node, raw = a_storage_node(case.market, engine), case.raw(0)
    unplaced = Order(bytes([7]) * 32, 0, FileShape.of(SIZE), case.group.profile, 30)
    case.market.submit(unplaced, max_cost_wei=10**18)
    early = case.market.file_id(unplaced.root, 0)
    for file_id, error in ((bytes(32), SubmissionUnknown), (early, NotPlacedYet)):
        with pytest.raises(error):
            asyncio.run(send(node, Place(file_id, 0, 0), raw))
        with pytest.raises(error):
            asyncio.run(node.accept.held(file_id))
    for state in (FileState.REFUNDED, FileState.CLOSED, FileState.LOST, FileState.VOID):
        case.market.set_state(case.file_id, state)
        with pytest.raises(SubmissionNotOpen):
            asyncio.run(send(node, case.place(0), raw))
    case.market.set_state(case.file_id, FileState.PLACED)
    case.market.travel(10**7)
    with pytest.raises(SubmissionNotOpen):
        asyncio.run(send(node, case.place(0), raw))
    assert asyncio.run(node.store.held()) == []


def test_accept__group_block_not_deep_enough__waits(engine: ErasureEngine) -> None:
    case = a_case(engine)
    node = a_storage_node(case.market, engine, limits=UploadLimits(confirmations=50))
    with pytest.raises(NotPlacedYet):
        asyncio.run(send(node, case.place(0), case.raw(0)))
    for _ in range(50):
        case.market.head()
    assert asyncio.run(send(node, case.place(0), case.raw(0)))


def test_accept__seat_of_another__refused(engine: ErasureEngine) -> None:
    case = a_case(engine)
    node = a_storage_node(case.market, engine, operator=1)
    for seat in (1, 2, 99, 10**18):
        with pytest.raises(NoSeat):
            asyncio.run(send(node, case.place(seat), case.raw(0)))
    with pytest.raises(RequestMalformed):
        asyncio.run(send(node, case.place(0, 1), case.raw(0)))
    stranger = a_storage_node(case.market, engine, operator=9)
    with pytest.raises(NoSeat):
        asyncio.run(stranger.accept.held(case.file_id))


def test_accept__vacant_seat__only_its_successor_takes_it(engine: ErasureEngine) -> None:
    case = a_case(engine)
    vacant = with_seat(case.group, 0, state=SeatState.VACANT, successor=9)
    case.market.set_group(vacant)
    with pytest.raises(NoSeat):
        asyncio.run(send(a_storage_node(case.market, engine, 1), case.place(0), case.raw(0)))
    assert asyncio.run(send(a_storage_node(case.market, engine, 9), case.place(0), case.raw(0)))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda raw: raw[:-1], BodySize),
        (lambda raw: raw + b"\0", BodySize),
        (lambda raw: b"", BodySize),
    ],
)
def test_accept__body_of_another_length__refused(change, error, engine: ErasureEngine) -> None:
    case = a_case(engine)
    node, raw = a_storage_node(case.market, engine), case.raw(0)
    with pytest.raises(error):
        asyncio.run(send(node, case.place(0), change(raw)))
    with pytest.raises(error):  # also when it lies about it
        asyncio.run(send(node, case.place(0), change(raw), declared=len(raw)))
    assert asyncio.run(node.store.held()) == []


def test_accept__one_bit_flipped_anywhere__refused_and_nothing_kept(
    engine: ErasureEngine,
) -> None:
    case = a_case(engine, "durable")
    node, raw = a_storage_node(case.market, engine), case.raw(0)
    for position in [*range(0, len(raw), len(raw) // 40), 4, 20, 196, len(raw) - 1]:
        bad = bytearray(raw)
        bad[position] ^= 1 << position % 8
        with pytest.raises((InvalidInput, Rejected)):
            asyncio.run(send(node, case.place(0), bytes(bad)))
    assert asyncio.run(node.store.held()) == []
    assert asyncio.run(send(node, case.place(0), raw))


def test_accept__rows_of_another_seat_or_file__refused(engine: ErasureEngine) -> None:
    case = a_case(engine)
    other = a_placed_file(case.market, case.group, engine, a_payload(SIZE, seed=5), nonce=3)
    node = a_storage_node(case.market, engine)
    with pytest.raises(ShardRejected):
        asyncio.run(send(node, case.place(0), case.raw(1)))
    with pytest.raises(SegmentNotPaid):
        asyncio.run(send(node, case.place(0), other.raw(0)))


def test_accept__segments_swapped_or_path_altered__refused(engine: ErasureEngine) -> None:
    group = a_group("local")
    market = MemoryMarket([group], owner=OWNER)
    whole = encode(a_payload(32_505_856), engine)
    last = encode(a_payload(SIZE, seed=9), engine)
    segments = (Segment.of(0, whole.header), Segment.of(1, last.header))
    case = placed(market, group, (whole, last), segments)
    node, raw = a_storage_node(market, engine), case.raw(0, 1)

    assert asyncio.run(send(node, case.place(0, 1), raw))
    assert {1} == segments_in(asyncio.run(node.accept.have(case.file_id, 0)))
    with pytest.raises(BodySize):
        asyncio.run(send(node, case.place(0, 0), raw))
    fresh = a_storage_node(market, engine)
    with pytest.raises(SegmentNotPaid):
        asyncio.run(send(fresh, case.place(0, 1), raw[:4] + bytes(32) + raw[36:]))
    with pytest.raises(NotWhole):
        asyncio.run(node.accept.held(case.file_id))


def test_accept__header_that_contradicts_itself__refused(engine: ErasureEngine) -> None:
    encoded = encode(a_payload(SIZE), engine)
    values = encoded.header.combinations.copy()
    values[0] = values[1]
    header = replace(encoded.header, combinations=values)
    false = replace(encoded, header=header)
    group = a_group("local")
    market = MemoryMarket([group], owner=OWNER)
    case = placed(market, group, (false,), (Segment.of(0, header),))
    node = a_storage_node(market, engine)
    with pytest.raises((CommitmentMismatch, HeaderRejected)):
        asyncio.run(send(node, case.place(0), case.raw(0)))


def a_bad_file(engine: ErasureEngine, change: Callable[[Elements], None]) -> StoredFileCase:
    """A paid file over rows that were changed before they were sealed."""
    rows = encode(a_payload(SIZE), engine).rows.copy()
    change(rows)
    bad = sealed(rows, Shape.of(SIZE), engine)
    group = a_group("local")
    market = MemoryMarket([group], owner=OWNER)
    return placed(market, group, (bad,), (Segment.of(0, bad.header),))


def flip_parity(rows: Elements) -> None:
    rows[1_400, 1, 5] ^= 1


def no_field_element(rows: Elements) -> None:
    rows[1_400, 1] = 0xFF


@pytest.mark.parametrize("change", [flip_parity, no_field_element])
def test_accept__paid_matrix_that_is_no_codeword__refused_and_its_proof_kept(
    change, engine: ErasureEngine
) -> None:
    case = a_bad_file(engine, change)
    shelf = BadFiles(ForgetfulDisk(), Path("/node/fraud"))
    for operator in (1, 2):
        node = a_storage_node(case.market, engine, operator)
        assert asyncio.run(send(node, case.place(operator - 1), case.raw(operator - 1)))
    node = a_storage_node(case.market, engine, 3, on_fraud=shelf.keep)

    with pytest.raises(EncodingFault):
        asyncio.run(send(node, case.place(2), case.raw(2)))

    assert asyncio.run(node.store.held()) == []
    [bad] = shelf.waiting()
    encoded = case.encoded[0]
    path = b"".join((*encoded.row_path(1_400), *encoded.header.coset_roots))
    assert (bad.file_id, bad.row, bad.path) == (case.file_id, 1_400, path)
    assert bad.data == encoded.rows[1_400].tobytes()
    is_plain = change is no_field_element
    assert bad.opening == (b"" if is_plain else open_header(encoded.header, 1_400, engine))
    assert_shown_once_it_is_stored(case, shelf)


def assert_shown_once_it_is_stored(case: StoredFileCase, shelf: BadFiles) -> None:
    shown: list[BadFile] = []

    class Desk:
        def prove_bad_row(self, bad: BadFile) -> None:
            shown.append(bad)

    prosecute = ProsecuteBadFiles(case.market, shelf, Desk())
    assert asyncio.run(prosecute.prosecute()) == 0  # nothing to void yet
    assert len(shelf.waiting()) == 1
    case.market.set_state(case.file_id, FileState.STORED)
    assert asyncio.run(prosecute.prosecute()) == 1
    assert [one.file_id for one in shown] == [case.file_id]
    assert shelf.waiting() == []
    shelf.keep(shown[0])
    case.market.set_state(case.file_id, FileState.REFUNDED)
    assert asyncio.run(prosecute.prosecute()) == 0
    assert shelf.waiting() == []


def test_accept__data_row_with_bytes_where_none_belong__kept_since_nobody_could_prove_it(
    engine: ErasureEngine,
) -> None:
    def write_past_the_end(rows: Elements) -> None:
        data = rows[:1_024].copy()
        data[1_023, 7, 9] = 1
        rows[:] = engine.extend(data)

    case = a_bad_file(engine, write_past_the_end)
    for operator in (1, 2, 3):
        node = a_storage_node(case.market, engine, operator)
        assert asyncio.run(send(node, case.place(operator - 1), case.raw(operator - 1)))


def test_accept__more_than_memory_allows__busy_and_later_taken(engine: ErasureEngine) -> None:
    case = a_case(engine, operators=1)
    limits = UploadLimits(upload_bytes=len(case.raw(0)) + 10)
    node = a_storage_node(case.market, engine, limits=limits)
    gate, raw = asyncio.Event(), case.raw(0)

    async def slow() -> AsyncIterator[bytes]:
        yield raw[:1_000]
        await gate.wait()
        yield raw[1_000:]

    async def run() -> None:
        first = asyncio.create_task(node.accept.accept(case.place(0), Upload(slow(), len(raw))))
        while not node.accept.is_receiving(case.root):  # noqa: ASYNC110 - no event is offered
            await asyncio.sleep(0.001)
        with pytest.raises(NodeBusy):
            await send(node, case.place(1), case.raw(1))
        gate.set()
        assert await first
        assert not node.accept.is_receiving(case.root)
        assert await send(node, case.place(1), case.raw(1))

    asyncio.run(run())


def test_accept__body_that_never_ends__slow(engine: ErasureEngine) -> None:
    case = a_case(engine)
    limits = UploadLimits(upload_seconds=0.05, upload_rate=1 << 30)
    node = a_storage_node(case.market, engine, limits=limits)

    async def endless() -> AsyncIterator[bytes]:
        yield b"A"
        await asyncio.Event().wait()

    with pytest.raises(UploadSlow):
        size = len(case.raw(0))
        asyncio.run(node.accept.accept(case.place(0), Upload(endless(), size)))
    assert not node.accept.is_receiving(case.root)


def test_accept__owner_with_too_much_unconfirmed__quota_until_the_chain_decides(
    engine: ErasureEngine,
) -> None:
    case = a_case(engine)
    other = a_placed_file(case.market, case.group, engine, a_payload(SIZE, seed=6), nonce=4)
    kept = 512 * 32 * 8
    node = a_storage_node(case.market, engine, limits=UploadLimits(owner_bytes=kept))
    assert asyncio.run(send(node, case.place(0), case.raw(0)))
    with pytest.raises(OwnerQuota):
        asyncio.run(send(node, other.place(0), other.raw(0)))
    case.market.set_state(case.file_id, FileState.STORED)
    assert asyncio.run(send(node, other.place(0), other.raw(0)))


class Stingy(MemoryMarket):
    """A chain on which every ask offers the same few bytes."""

    offered = 512 * 32 * 8

    def free_bytes(self, operator: int, *, at: object) -> int:
        return self.offered


def test_accept__more_than_the_ask_offers__quota(engine: ErasureEngine) -> None:
    group = a_group("local")
    market = Stingy([group], owner=OWNER)
    first = a_placed_file(market, group, engine, a_payload(SIZE))
    second = a_placed_file(market, group, engine, a_payload(SIZE, seed=2), nonce=1)
    node = a_storage_node(market, engine)
    assert asyncio.run(send(node, first.place(0), first.raw(0)))
    with pytest.raises(StoreQuota):
        asyncio.run(send(node, second.place(0), second.raw(0)))
    [shard] = asyncio.run(node.store.held())
    asyncio.run(node.store.drop(shard.key))
    assert node.store.kept_bytes() == 0
    assert asyncio.run(send(node, second.place(0), second.raw(0)))


def test_accept__shard_lost_meanwhile__have_says_so_and_it_is_taken_again(
    engine: ErasureEngine,
) -> None:
    case = a_case(engine)
    node = a_storage_node(case.market, engine)
    asyncio.run(send(node, case.place(0), case.raw(0)))
    [shard] = asyncio.run(node.store.held())
    asyncio.run(node.store.drop(shard.key))
    assert set() == segments_in(asyncio.run(node.accept.have(case.file_id, 0)))
    with pytest.raises(NotWhole):
        asyncio.run(node.accept.held(case.file_id))
    assert asyncio.run(send(node, case.place(0), case.raw(0)))


def test_accept__chain_moves_between_head_and_view__read_again(engine: ErasureEngine) -> None:
    from offchain.chain.errors import BlockUnknown

    class Moving(MemoryMarket):
        left = 3

        def view(self, file_id: bytes, *, at: object) -> FileView:
            self.left -= 1
            if self.left >= 0:
                raise BlockUnknown(block="gone")
            return super().view(file_id, at=at)

    group = a_group("local")
    market = Moving([group], owner=OWNER)
    market.left = 0
    case = a_placed_file(market, group, engine, a_payload(SIZE))
    market.left = 3
    assert asyncio.run(send(a_storage_node(market, engine), case.place(0), case.raw(0)))


def test_shard_body__path_of_a_segment__is_the_files(engine: ErasureEngine) -> None:
    case = a_case(engine)
    assert segment_path(case.segments, 0) == ()
    body = shard_body(case.encoded[0], (), case.group.profile, 1)
    assert len(case.raw(1)) == body.size
    assert file_root(case.segments) == case.root
