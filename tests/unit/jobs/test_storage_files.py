"""What a stored file needs at a block, decided from its record alone."""

import pytest

from offchain.chain.model import Block, BlockHash
from offchain.core.errors import InvalidInput
from offchain.core.units import BlockNumber, Wei
from offchain.jobs.model import JobKind
from offchain.jobs.storage_files import candidates
from offchain.jobs.subjects import parse_numbers
from offchain.storage.model import FileState
from offchain.storage.onchain_market import File

NOW = 1_000


def a_block(number: int = 100) -> Block:
    return Block(BlockNumber(number), BlockHash(bytes(32)), BlockHash(bytes(32)), NOW, 0, 0)


def a_file(
    state: FileState, *, submitted: int = 90, deadline: int = NOW, leaves: int = NOW + 1
) -> File:
    return File(
        state=state,
        owner=bytes(20),
        profile=1,
        segments=1,
        length=1,
        root=bytes(32),
        deposit=Wei(1),
        submitted_block=submitted,
        deadline=deadline,
        group=1,
        bytes=1,
        started=1,
        end=leaves - 1,
        leaves=leaves,
        first_byte=0,
        absent=0,
    )


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        (a_file(FileState.SUBMITTED), [JobKind.PLACE_FILE]),
        (a_file(FileState.SUBMITTED, submitted=99), []),
        (a_file(FileState.SUBMITTED, deadline=NOW - 1), [JobKind.REFUND_FILE]),
        (a_file(FileState.PLACED), []),
        (a_file(FileState.PLACED, deadline=NOW - 1), [JobKind.REFUND_FILE]),
        (a_file(FileState.STORED), [JobKind.LOSE_FILE, JobKind.RENEW_FILE]),
        (a_file(FileState.STORED, leaves=NOW), [JobKind.CLOSE_FILE, JobKind.LOSE_FILE]),
        (a_file(FileState.CLOSED), []),
        (a_file(FileState.REFUNDED), []),
        (a_file(FileState.LOST), []),
        (a_file(FileState.VOID), []),
    ],
)
def test_candidates__of_each_state__are_what_the_contract_may_take(
    file: File, kinds: list[JobKind]
) -> None:
    assert kinds == list(candidates(file, a_block()))


def test_parse_numbers__between_slashes__are_read() -> None:
    assert parse_numbers("3/131073/0", most=3) == [3, 131_073, 0]


@pytest.mark.parametrize("subject", ["", "1/", "1/2/3/4", "-1/2", "1/٣", "9" * 19])
def test_parse_numbers__of_anything_else__is_refused(subject: str) -> None:
    with pytest.raises(InvalidInput):
        parse_numbers(subject, most=3)
