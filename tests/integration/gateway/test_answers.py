"""Answers kept under their keys: durable, many at once, never mixed up; and turns with others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from offchain.chain.errors import OutboxBusy
from offchain.da.disperse import DisperseBlob
from offchain.gateway.answers import KEEP_SECONDS, AnswerBook, Given
from offchain.gateway.errors import KeyUsedForOther, PublisherBusy
from offchain.gateway.lease import PublisherLease
from offchain.gateway.model import Accepted, show
from tests.support.da_network import Site, a_site, memory_network

SHOWN = bytes(32)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def an_answer(number: int = 1) -> Accepted:
    return Accepted(
        blob_id=show(number.to_bytes(32, "big")),
        data_root=show(SHOWN),
        commitment=show(bytes(48)),
        matrix_bytes=5,
        days=1,
        payer=show(bytes(20)),
        disperser=show(bytes(20)),
        salt=show(SHOWN),
        fee_wei="7",
    )


def a_book(folder: Path, clock: Clock | None = None) -> AnswerBook:
    return AnswerBook(folder / "answers.sqlite", clock or Clock())


def test_answer__kept__is_found_by_the_next_process_and_by_nothing_else(tmp_path: Path) -> None:
    book = a_book(tmp_path)
    asyncio.run(book.keep(Given("key", b"what was asked", an_answer())))
    book.close()

    again = a_book(tmp_path)

    assert an_answer() == again.find("key", b"what was asked")
    assert again.find("other key", b"what was asked") is None
    with pytest.raises(KeyUsedForOther):
        again.find("key", b"something else")
    again.close()


def test_answers__of_many_at_once__are_all_there(tmp_path: Path) -> None:
    book = a_book(tmp_path)

    async def story() -> None:
        await asyncio.gather(
            *(book.keep(Given(f"key {n}", b"%d" % n, an_answer(n % 3))) for n in range(200))
        )

    asyncio.run(story())
    found = [book.find(f"key {n}", b"%d" % n) for n in range(200)]

    assert [an_answer(n % 3) for n in range(200)] == found
    assert len(book.unfinished()) == 3
    book.close()


def test_unfinished__until_it_is_over__once_for_each_blob(tmp_path: Path) -> None:
    book = a_book(tmp_path)
    for key in ("a", "b"):
        asyncio.run(book.keep(Given(key, b"", an_answer(4))))
    assert [an_answer(4)] == book.unfinished()
    assert book.is_unfinished(an_answer(4).raw_id)

    book.finish(an_answer(4).raw_id)

    assert book.unfinished() == []
    assert not book.is_unfinished(an_answer(4).raw_id)
    assert book.find("a", b"") is not None
    book.close()


def test_answers__older_than_their_time__are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    book = a_book(tmp_path, clock)
    asyncio.run(book.keep(Given("old", b"", an_answer())))
    clock.now += KEEP_SECONDS
    asyncio.run(book.keep(Given("new", b"", an_answer())))
    book.prune()
    assert book.find("old", b"") is not None

    clock.now += 1
    book.prune()

    assert book.find("old", b"") is None
    assert book.find("new", b"") is not None
    book.close()


def a_lease(site: Site, opened: list[str], *, busy: int = 0) -> PublisherLease:
    """A lease that is refused `busy` times, as while another process publishes."""
    refusals = iter(range(busy))

    @asynccontextmanager
    async def opening() -> AsyncIterator[DisperseBlob]:
        if next(refusals, None) is not None:
            raise OutboxBusy
        opened.append("opened")
        yield site.disperse_with(memory_network(site))
        opened.append("closed")

    return PublisherLease(opening, idle_seconds=0.05)


def test_lease__another_process_publishes__is_busy_and_then_it_goes() -> None:
    opened: list[str] = []

    async def story() -> None:
        lease = a_lease(a_site(2), opened, busy=2)
        for _ in range(2):
            with pytest.raises(PublisherBusy):
                await lease.take()
        await lease.take()
        lease.give()
        await lease.close()

    asyncio.run(story())
    assert opened == ["opened", "closed"]


def test_lease__of_several_users__is_one_publisher_until_the_last_is_done() -> None:
    opened: list[str] = []

    async def story() -> None:
        lease = a_lease(a_site(2), opened)
        first, second = await asyncio.gather(lease.take(), lease.take())
        assert first is second
        lease.give()
        await asyncio.sleep(0.15)
        assert opened == ["opened"]
        lease.give()
        assert lease.is_open
        async with asyncio.timeout(30):
            while lease.is_open:  # noqa: ASYNC110 - it ends by itself
                await asyncio.sleep(0.01)
        await lease.take()
        lease.give()
        await lease.close()

    asyncio.run(story())
    assert opened == ["opened", "closed"] * 2
