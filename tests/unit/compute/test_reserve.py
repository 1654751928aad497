"""The book of reservations: concurrent spends, order, crashes at every step of the disk."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.errors import (
    AnswerPending,
    BucketLow,
    DelegateSpent,
    DepositEmpty,
    NonceUsed,
    ReceiptUnknown,
    VoucherCapLow,
)
from offchain.compute.model import Finish
from offchain.compute.ports import Bucket, Delegate
from offchain.compute.reserve import ReservationBook
from offchain.compute.signatures import sign_receipt, sign_voucher
from offchain.node.disk import LocalDisk
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from offchain.node.journal import FileJournal, MemoryJournal
from tests.support.compute import (
    DOMAIN,
    NOW,
    PAYER,
    SIGNER,
    STRANGER,
    a_voucher,
)
from tests.support.compute_book import a_receipt, a_wish, serve

JOURNAL = Path("book/reservations.journal")
TOKEN = a_voucher().token
OWNER = (PAYER.address, TOKEN)


def a_book(balance: int = 1_000) -> ReservationBook:
    book = ReservationBook(MemoryJournal())
    book.open()
    book.observe(*OWNER, Bucket(balance=balance))
    return book


def test_reserve__request_answered__owes_its_price_instead_of_its_hold() -> None:
    async def story() -> tuple[int, int]:
        book = a_book()
        await book.reserve(a_wish())
        held = book.owed(*OWNER)
        await book.answer(sign_receipt(a_receipt(a_wish(), 7), SIGNER, DOMAIN))
        return held, book.owed(*OWNER)

    assert asyncio.run(story()) == (10, 7)


def test_reserve__same_request_while_it_runs__is_pending_and_later_comes_back_paid_once() -> None:
    async def story() -> None:
        book, wish = a_book(), a_wish()
        await book.reserve(wish)
        with pytest.raises(AnswerPending):
            await book.reserve(wish)
        await book.answer(sign_receipt(a_receipt(wish, 7), SIGNER, DOMAIN))

        again = await book.reserve(wish)

        assert again.signed is not None
        assert again.signed.receipt.price == 7
        assert book.owed(*OWNER) == 7

    asyncio.run(story())


def test_reserve__nonce_of_another_request__is_refused() -> None:
    async def story() -> None:
        book = a_book()
        await book.reserve(a_wish())

        with pytest.raises(NonceUsed):
            await book.reserve(a_wish(body=b"another"))

        assert book.owed(*OWNER) == 10

    asyncio.run(story())


def test_reserve__nonce_settled_on_chain__is_refused() -> None:
    book = a_book()
    book.observe(*OWNER, Bucket(balance=100, spent=5, last_nonce=3))

    with pytest.raises(NonceUsed) as caught:
        asyncio.run(book.reserve(a_wish(3)))

    assert caught.value.fields["next"] == 4


@pytest.mark.parametrize(
    ("bucket", "error"),
    [
        (Bucket(), DepositEmpty),
        (Bucket(balance=9), BucketLow),
        (Bucket(balance=100, exit_amount=91), BucketLow),
        (Bucket(balance=50, exit_amount=50), DepositEmpty),
    ],
)
def test_reserve__purse_too_small__is_refused_and_nothing_is_held(
    bucket: Bucket, error: type[Exception]
) -> None:
    book = a_book()
    book.observe(*OWNER, bucket)

    with pytest.raises(error):
        asyncio.run(book.reserve(a_wish()))

    assert book.owed(*OWNER) == bucket.spent


def test_reserve__cap_below_all_that_is_open__is_refused() -> None:
    async def story() -> None:
        book = a_book()
        await serve(book, a_wish(1), 7)
        await book.reserve(a_wish(2))

        with pytest.raises(VoucherCapLow) as caught:
            await book.reserve(a_wish(3, cap=26))

        assert caught.value.fields["needed"] == 27
        await book.reserve(a_wish(3, cap=27))

    asyncio.run(story())


def test_reserve__vouchers_in_another_order__each_covers_all_up_to_its_nonce() -> None:
    async def story() -> None:
        roomy, tight = a_book(), a_book()
        await roomy.reserve(a_wish(2, cap=20))
        await roomy.reserve(a_wish(1, cap=10))
        await tight.reserve(a_wish(2, cap=19))

        with pytest.raises(VoucherCapLow) as caught:
            await tight.reserve(a_wish(1, cap=10))

        assert caught.value.fields["nonce"] == 2
        assert roomy.owed(*OWNER) == 20
        assert tight.owed(*OWNER) == 10

    asyncio.run(story())


def test_reserve__fifty_at_once_on_one_deposit__only_what_it_holds_is_taken() -> None:
    async def story() -> tuple[int, int]:
        book = a_book(balance=100)
        wishes = [a_wish(nonce, cap=10_000) for nonce in range(1, 51)]
        results = await asyncio.gather(
            *(book.reserve(wish) for wish in wishes), return_exceptions=True
        )
        refused = [one for one in results if isinstance(one, BucketLow)]
        return len(refused), book.owed(*OWNER)

    assert asyncio.run(story()) == (40, 100)


def test_reserve__delegate_over_its_cap__is_refused() -> None:
    async def story() -> None:
        book = a_book()
        delegate = Delegate(STRANGER.address, TOKEN, cap=25, spent=6, expiry=NOW * 2)
        await book.reserve(replace(a_wish(1), delegate=delegate))

        with pytest.raises(DelegateSpent) as caught:
            await book.reserve(replace(a_wish(2), delegate=delegate))

        assert caught.value.fields["needed"] == 26

    asyncio.run(story())


def test_reserve__disk_refuses__nothing_is_held() -> None:
    disk = FaultyDisk(ForgetfulDisk(), Fault.FULL, at_step=0)
    journal = FileJournal(disk, JOURNAL)
    journal.open()
    book = ReservationBook(journal)
    book.open()
    book.observe(*OWNER, Bucket(balance=100))

    with pytest.raises(Exception, match="full"):
        asyncio.run(book.reserve(a_wish()))

    assert book.owed(*OWNER) == 0
    assert book.line(a_wish().request_id) is None


def test_void__nothing_sold__owes_nothing_and_the_request_may_come_again() -> None:
    async def story() -> None:
        book = a_book()
        await book.reserve(a_wish())
        await book.void(a_wish().request_id)
        assert book.owed(*OWNER) == 0

        line = await book.reserve(a_wish())

        assert line.signed is None

    asyncio.run(story())


def test_answer__twice_or_unknown__is_refused() -> None:
    async def story() -> None:
        book, wish = a_book(), a_wish()
        signed = sign_receipt(a_receipt(wish, 7), SIGNER, DOMAIN)
        with pytest.raises(ReceiptUnknown):
            await book.answer(signed)
        await book.reserve(wish)
        await book.answer(signed)
        with pytest.raises(ReceiptUnknown):
            await book.answer(signed)

    asyncio.run(story())


def test_acknowledge__less_than_owed_or_an_old_nonce__is_refused() -> None:
    async def story() -> None:
        book = a_book()
        await serve(book, a_wish(1), 7)
        low = sign_voucher(a_voucher(nonce=2, cumulative=6, cap=6), PAYER, DOMAIN)
        old = sign_voucher(a_voucher(nonce=1, cumulative=7, cap=7), PAYER, DOMAIN)
        good = sign_voucher(a_voucher(nonce=2, cumulative=7, cap=7), PAYER, DOMAIN)

        with pytest.raises(VoucherCapLow):
            await book.acknowledge(low, PAYER.address)
        with pytest.raises(NonceUsed):
            await book.acknowledge(old, PAYER.address)
        assert book.acknowledged(*OWNER) is None
        await book.acknowledge(good, PAYER.address)

        assert book.acknowledged(*OWNER) == good

    asyncio.run(story())


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 30), st.integers(0, 120)), max_size=14)
)
def test_inv_cmp_2__any_order_of_vouchers__every_run_is_paid_by_its_last_voucher(
    wishes: list[tuple[int, int, int]],
) -> None:
    async def story() -> None:
        book = a_book(balance=90)
        for nonce, hold, cap in wishes:
            wish = a_wish(nonce, hold=hold, cap=cap, body=bytes([hold, cap]))
            try:
                await book.reserve(wish)
                await book.answer(sign_receipt(a_receipt(wish, hold), SIGNER, DOMAIN))
            except (VoucherCapLow, NonceUsed, BucketLow, DepositEmpty, ReceiptUnknown):
                continue

        total = 0
        for line in book.unsettled(*OWNER):
            total += line.amount
            assert total <= line.voucher.voucher.cap
        assert total == book.owed(*OWNER) <= 90

    asyncio.run(story())


async def play(book: ReservationBook, told: list[str]) -> None:
    """A day of a provider; `told` says what was given away so far."""
    first, second, third = a_wish(1), a_wish(2), a_wish(3)
    await book.reserve(first)
    told.append("engine 1")
    await book.answer(sign_receipt(a_receipt(first, 7), SIGNER, DOMAIN))
    told.append("receipt 1")
    await book.reserve(second)
    await book.void(second.request_id)
    await book.reserve(third)
    await book.answer(sign_receipt(a_receipt(third, 5, Finish.CUT), SIGNER, DOMAIN))
    told.append("receipt 3")
    await book.acknowledge(
        sign_voucher(a_voucher(nonce=4, cumulative=12, cap=12), PAYER, DOMAIN), PAYER.address
    )
    told.append("ack 12")
    await book.settled(*OWNER, 1)


def opened(disk: ForgetfulDisk | FaultyDisk | LocalDisk, path: Path = JOURNAL) -> ReservationBook:
    journal = FileJournal(disk, path)
    journal.open()
    book = ReservationBook(journal)
    book.open()
    book.observe(*OWNER, Bucket(balance=1_000))
    return book


def steps_of_a_day() -> int:
    disk = FaultyDisk(ForgetfulDisk(), Fault.CRASH, at_step=-1)
    asyncio.run(play(opened(disk), []))
    return disk.steps


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN])
def test_inv_cmp_15__power_cut_at_any_step__keeps_every_receipt_and_acknowledgement(
    fault: Fault,
) -> None:
    for step in range(steps_of_a_day()):
        disk = ForgetfulDisk()
        told: list[str] = []
        with pytest.raises(Crashed):
            asyncio.run(play(opened(FaultyDisk(disk, fault, at_step=step)), told))
        disk.cut_power()

        book = opened(disk)

        lines = {line.nonce: line for line in book.unsettled(*OWNER)}
        assert all(line.signed is not None for line in lines.values())
        assert ("receipt 1" not in told) or 1 in lines or "ack 12" in told
        assert ("receipt 3" not in told) or lines[3].signed.receipt.price == 5
        acked = book.acknowledged(*OWNER)
        assert ("ack 12" not in told) or (acked is not None and acked.voucher.cumulative == 12)
        assert book.owed(*OWNER) <= 12


def test_inv_cmp_15__crash_while_answering__the_same_request_is_answered_again_once() -> None:
    disk = ForgetfulDisk()
    asyncio.run(opened(disk).reserve(a_wish()))
    disk.cut_power()

    async def again() -> None:
        book = opened(disk)
        assert book.owed(*OWNER) == 0
        await serve(book, a_wish(), 7)

    asyncio.run(again())
    disk.cut_power()
    book = opened(disk)

    assert [line.amount for line in book.unsettled(*OWNER)] == [7]
    assert book.owed(*OWNER) == 7


def test_open__another_request_took_the_nonce_after_a_crash__only_it_is_kept() -> None:
    disk = ForgetfulDisk()
    asyncio.run(opened(disk).reserve(a_wish()))
    other = a_wish(body=b"another")
    asyncio.run(serve(opened(disk), other, 9))

    book = opened(disk)

    assert [line.request_id for line in book.unsettled(*OWNER)] == [other.request_id]
    assert book.owed(*OWNER) == 9


def test_open__long_journal__is_written_anew_and_says_the_same() -> None:
    journal = MemoryJournal()

    async def a_day() -> None:
        book = ReservationBook(journal)
        book.observe(*OWNER, Bucket(balance=1_000))
        await book.reserve(a_wish(1))
        await book.void(a_wish(1).request_id)

    asyncio.run(a_day())
    journal.replace(list(journal.entries()) * 2_100)
    book = ReservationBook(journal)
    book.observe(*OWNER, Bucket(balance=1_000))
    asyncio.run(serve(book, a_wish(2), 7))
    again = ReservationBook(journal)
    again.open()

    assert len(journal.entries()) == 2
    assert again.owed(*OWNER) == 7
