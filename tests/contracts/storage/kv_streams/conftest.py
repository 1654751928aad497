"""Streams on a log of their own for all of their tests."""

from collections.abc import Iterator
from typing import Any

import boa
import pytest

from offchain.storage.stream_book import StreamBook
from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing
from tests.support.staking import a_wallet
from tests.support.storage_log import LogSite, deploy_log

SALT = bytes(31) + b"\7"


@pytest.fixture(scope="session")
def unused_streams(native_evm: None) -> Iterator[LogSite]:
    """Nobody has made a stream."""
    boa.env.set_random_seed("streams of storage")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_log()
        keep_moment("streams")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, unused_streams: LogSite) -> None:
    """Each test finds the clock as it was when the site was built."""
    return_to("streams")


@pytest.fixture
def site(unused_streams: LogSite) -> LogSite:
    return unused_streams


@pytest.fixture
def book(site: LogSite) -> StreamBook:
    """The model of streams that nobody has made."""
    return StreamBook(site.chain_id)


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


@pytest.fixture
def admin() -> str:
    return a_wallet("admin")


@pytest.fixture
def writer() -> str:
    return a_wallet("writer")


@pytest.fixture
def stream(site: LogSite, owner: str) -> bytes:
    """The owner's stream."""
    return bytes(site.kv.create(SALT, sender=owner))


def picture(site: LogSite, stream: bytes, accounts: tuple[str, ...]) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    kv = site.kv
    return (
        tuple(kv.stream(stream)),
        tuple(kv.is_admin(stream, one) for one in accounts),
        site.log.size(),
        site.log.root(),
    )


@pytest.fixture
def refused(
    site: LogSite, stream: bytes, owner: str, admin: str, writer: str, stranger: str
) -> Refused:
    accounts = (owner, admin, writer, stranger)
    return refusing(lambda: picture(site, stream, accounts))
