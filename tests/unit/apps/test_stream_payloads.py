"""Batches of streams on their way into data availability, and which streams a node follows."""

import pytest

from offchain.apps.node_streams import wanted_streams
from offchain.apps.settings import SettingInvalid, StorageNodeSettings, read_settings
from offchain.apps.stream_payloads import ATTEMPTS, PublishBatches
from offchain.core.errors import ApogeeError
from offchain.da.refusals import BlobNotPaid, NotEnoughSignatures
from offchain.storage.kv.errors import PayloadUnavailable

STREAM = bytes(range(32))


class Refusing:
    """A disperser whose first blobs fail; a blob's id is its salt."""

    def __init__(self, *failures: ApogeeError) -> None:
        self.failures = list(failures)
        self.salts: list[bytes] = []

    async def publish(self, payload: bytes, salt: bytes) -> bytes:
        assert payload == b"batch"
        self.salts.append(salt)
        if self.failures:
            raise self.failures.pop(0)
        return salt


class Kept:
    """What was remembered of published bytes."""

    def __init__(self) -> None:
        self.payloads: dict[bytes, bytes] = {}

    def keep(self, blob_id: bytes, payload: bytes) -> None:
        self.payloads[blob_id] = payload


def test_publish__same_key__is_the_same_blob() -> None:
    first, again, kept = Refusing(), Refusing(), Kept()

    found = PublishBatches(first, kept)("key", b"batch")

    assert PublishBatches(again, kept)("key", b"batch") == found
    assert kept.payloads == {found: b"batch"}
    assert PublishBatches(Refusing(), kept)("other", b"batch") != found


@pytest.mark.parametrize("failure", [NotEnoughSignatures, BlobNotPaid])
def test_publish__blob_that_can_never_be__is_another_blob(failure: type[ApogeeError]) -> None:
    disperser, kept = Refusing(failure(), failure()), Kept()

    found = PublishBatches(disperser, kept)("key", b"batch")

    assert len(set(disperser.salts)) == 3
    assert kept.payloads == {found: b"batch"}


def test_publish__blobs_that_all_fail__is_unavailable_and_keeps_nothing() -> None:
    disperser, kept = Refusing(*(NotEnoughSignatures() for _ in range(ATTEMPTS))), Kept()

    with pytest.raises(PayloadUnavailable):
        PublishBatches(disperser, kept)("key", b"batch")

    assert kept.payloads == {}


def test_wanted_streams__all_none_or_named__says_which() -> None:
    other = bytes(32)
    named = wanted_streams(f"0x{STREAM.hex()}, {'ff' * 32}")

    assert wanted_streams("all")(other)
    assert not wanted_streams("none")(other)
    assert named(STREAM)
    assert not named(other)
    for wrong in ("", "some", STREAM.hex()[:-2], "0x"):
        with pytest.raises(SettingInvalid):
            wanted_streams(wrong)


def test_settings__peers_and_gateways_that_are_no_urls__are_refused() -> None:
    settings = read_settings(StorageNodeSettings, stream_peers=("http://127.0.0.1:1",))
    assert settings.stream_peers == ("http://127.0.0.1:1",)
    for wrong in ({"stream_peers": ("peer",)}, {"stream_gateway": "ftp://x"}):
        with pytest.raises(SettingInvalid):
            read_settings(StorageNodeSettings, **wrong)
