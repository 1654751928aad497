"""What a paid blob needs, which matters are open, and subjects that make no sense."""

import pytest

from offchain.chain.model import Block, BlockHash
from offchain.core.errors import InvalidInput
from offchain.core.units import BlockNumber, Seconds, Wei
from offchain.da.model import BlobState, Record
from offchain.jobs.model import JobKind
from offchain.jobs.subjects import parse_id
from offchain.jobs.work import QUIET_SECONDS, job_for_blob

PAID_AT = 1_000
DEADLINE = 1_300


def a_record(state: BlobState) -> Record:
    return Record(
        state=state,
        paid_at=Seconds(PAID_AT),
        paid_block=7,
        deadline=Seconds(DEADLINE),
        expiry=Seconds(9_000),
        epoch=1,
        disperser_id=9,
        confirm_slices=2_048,
        operators=0,
        fee=Wei(1),
        certificate_hash=bytes(32),
    )


def a_block(timestamp: int) -> Block:
    return Block(
        BlockNumber(9), BlockHash(bytes(32)), BlockHash(bytes(32)), timestamp, 0, 60_000_000
    )


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (PAID_AT, None),
        (PAID_AT + QUIET_SECONDS - 1, None),
        (PAID_AT + QUIET_SECONDS, JobKind.CONFIRM_BLOB),
        (DEADLINE, JobKind.CONFIRM_BLOB),
        (DEADLINE + 1, JobKind.REFUND_BLOB),
    ],
)
def test_job_for_blob__paid__waits_then_confirms_then_refunds(
    now: int, kind: JobKind | None
) -> None:
    assert job_for_blob(a_record(BlobState.PAID), a_block(now)) is kind


@pytest.mark.parametrize(
    "state", [BlobState.NONE, BlobState.CONFIRMED, BlobState.REFUNDED, BlobState.VOID]
)
@pytest.mark.parametrize("now", [PAID_AT, DEADLINE, DEADLINE + 1])
def test_job_for_blob__in_any_other_state__needs_nothing(state: BlobState, now: int) -> None:
    assert job_for_blob(a_record(state), a_block(now)) is None


def test_parse_id__of_64_hex_digits__is_32_bytes() -> None:
    assert parse_id("0x" + "ab" * 32) == b"\xab" * 32


@pytest.mark.parametrize("subject", ["", "0x", "0xab", "zz" * 32, "0x" + "ab" * 33, "../../etc"])
def test_parse_id__of_anything_else__is_refused(subject: str) -> None:
    with pytest.raises(InvalidInput):
        parse_id(subject)
