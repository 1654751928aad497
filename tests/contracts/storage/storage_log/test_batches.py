"""Batches and changes of access enter the log: what may be sequenced, and by whom."""

import boa
import pytest
from eth.exceptions import Revert

from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.storage.kv.entry import NO_BLOB, Batch
from offchain.storage.log_entries import EntryKind, batch_id, encode_batch, parse_batch
from tests.contracts.storage.storage_log.conftest import picture
from tests.support.da import raw
from tests.support.refusal import Refused
from tests.support.storage_log import (
    LogSite,
    an_available_blob,
    deploy_log_alone,
    logged,
    storage_deployer,
)

STREAMS = [keccak(bytes([number])) for number in range(64)]


def test_append_batch__blob_is_available__enters(site: LogSite, stranger: str) -> None:
    blob_id = an_available_blob(site.da)

    seq = site.log.append_batch(STREAMS, blob_id, sender=stranger)

    entry = logged(site)
    assert (seq, entry.id, entry.kind) == (0, blob_id, EntryKind.KV_BATCH)
    assert entry.author == raw(stranger)
    assert parse_batch(entry.data) == Batch(tuple(STREAMS), blob_id, b"")
    assert encode_batch(parse_batch(entry.data)) == entry.data


def test_append_batch__bytes_might_be_missing__is_refused(
    site: LogSite, stranger: str, refused: Refused
) -> None:
    blob_id = an_available_blob(site.da)

    for other in (keccak(b"never paid"), bytes(32)):
        with refused("storage_log: not available"):
            site.log.append_batch(STREAMS[:1], other, sender=stranger)
    boa.env.time_travel(seconds=int(site.da.record(blob_id).expiry - boa.env.timestamp) + 1)
    with refused("storage_log: not available"):
        site.log.append_batch(STREAMS[:1], blob_id, sender=stranger)


def test_append_batch__same_blob_again__is_another_entry(site: LogSite, stranger: str) -> None:
    blob_id = an_available_blob(site.da)

    places = [site.log.append_batch(STREAMS[:1], blob_id, sender=stranger) for _ in range(2)]

    assert places == [0, 1]


@pytest.mark.parametrize("size", [1, 31, 32, 33, 4_096])
def test_append_inline__operations__enter(site: LogSite, stranger: str, size: int) -> None:
    operations = bytes(number % 251 for number in range(size))
    batch = Batch(tuple(STREAMS[: 1 + size % 64]), NO_BLOB, operations)

    seq = site.log.append_inline(list(batch.streams), operations, sender=stranger)

    entry = logged(site)
    assert (seq, entry.id, entry.kind) == (0, batch_id(batch), EntryKind.KV_BATCH)
    assert parse_batch(entry.data) == batch


def test_append__nothing_named__is_refused(site: LogSite, stranger: str, refused: Refused) -> None:
    blob_id = an_available_blob(site.da)

    with refused("storage_log: no streams"):
        site.log.append_batch([], blob_id, sender=stranger)
    with refused("storage_log: no streams"):
        site.log.append_inline([], b"x", sender=stranger)
    with refused("storage_log: no operations"):
        site.log.append_inline(STREAMS[:1], b"", sender=stranger)


def test_append__more_than_64_streams__is_refused(site: LogSite, stranger: str) -> None:
    streams = [*STREAMS, keccak(b"one more")]
    selector = keccak(b"append_batch(bytes32[],bytes32)")[:4]
    calldata = selector + words(64, an_available_blob(site.da), len(streams), *streams)

    before = picture(site)
    with pytest.raises(Revert):
        boa.env.raw_call(site.log.address, data=calldata, sender=stranger)
    assert before == picture(site)


def test_append_access__anybody_else__is_refused(
    site: LogSite, stranger: str, refused: Refused
) -> None:
    for sender in (stranger, site.governance, site.market.address):
        with refused("storage_log: not the streams"):
            site.log.append_access(STREAMS[0], stranger, b"change", sender=sender)


def test_append_access__streams__enters(site: LogSite, stranger: str) -> None:
    seq = site.log.append_access(STREAMS[0], stranger, b"change", sender=site.kv.address)

    entry = logged(site)
    assert (seq, entry.id, entry.kind) == (0, STREAMS[0], EntryKind.ACCESS)
    assert (entry.author, entry.data) == (raw(stranger), b"change")


def test_wire__anybody_else_or_twice__is_refused(
    site: LogSite, stranger: str, refused: Refused
) -> None:
    addresses = site.market.address, site.kv.address
    with refused("governed: not governance"):
        site.log.wire(*addresses, sender=stranger)
    with refused("storage_log: wired already"):
        site.log.wire(*addresses, sender=site.governance)


def test_wire__no_contract__is_refused(site: LogSite, stranger: str) -> None:
    log = deploy_log_alone(site.da)
    for addresses in ((stranger, site.kv.address), (site.market.address, stranger)):
        with boa.reverts("storage_log: no contract"):
            log.wire(*addresses, sender=site.governance)
    assert log.market() == log.streams() == "0x" + bytes(20).hex()

    log.wire(site.market.address, site.kv.address, sender=site.governance)

    [event] = [one for one in log.get_logs() if type(one).__name__ == "Wired"]
    assert (event.market, event.streams) == (site.market.address, site.kv.address)


def test_constructor__no_contract__is_refused(site: LogSite, stranger: str) -> None:
    for addresses in (
        (stranger, site.da.entrance.address),
        (site.da.stake.address, stranger),
    ):
        with boa.reverts("storage_log: no contract"):
            storage_deployer("StorageLog").deploy(*addresses, site.governance)
