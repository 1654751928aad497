"""Files of any size, and small items in one matrix."""

import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak
from offchain.da.batch import BatchRules, ItemBatcher, fetch_item
from offchain.da.errors import ItemMissing, SharedMatrixTooLarge
from offchain.da.manifest import Manifest, Part
from offchain.da.refusals import ManifestMalformed, PartMismatch
from offchain.da.retrieve import Retrieved
from offchain.da.split import (
    FetchFile,
    FileReference,
    FileReferenceInvalid,
    PublishedFile,
    PublishFile,
)
from tests.support.da_network import Site, a_site, memory_network, some_bytes

SALT = bytes(32)
PART = 10_000


async def published(site: Site, data: bytes, *, announced: int | None = None) -> PublishedFile:
    publisher = PublishFile(site.disperse_with(memory_network(site)), part_bytes=PART)
    length = len(data) if announced is None else announced
    return await publisher.publish(io.BytesIO(data).read, length, days=1, salt=SALT)


@pytest.mark.parametrize("length", [1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 1])
def test_file__any_size__comes_back_whole(length: int) -> None:
    site = a_site(4)
    data = some_bytes(length)

    async def story() -> tuple[PublishedFile, bytes]:
        client = memory_network(site)
        publisher = PublishFile(site.disperse_with(client), part_bytes=PART)
        file = await publisher.publish(io.BytesIO(data).read, length, days=1, salt=SALT)
        sink = io.BytesIO()
        reference = FileReference.parse(str(file.reference))
        assert length == await FetchFile(site.retrieve_with(client)).fetch(reference, sink.write)
        return file, sink.getvalue()

    file, back = asyncio.run(story())
    assert data == back
    assert file.reference.is_manifest == (length > PART)
    parts = -(-length // PART)
    assert len(file.blobs) == (parts + 1 if length > PART else 1)


def test_file__published_again__paid_once_a_part() -> None:
    site = a_site(4)
    data = some_bytes(2 * PART + 5)

    async def story() -> None:
        first = await published(site, data)
        second = await published(site, data)
        assert first.reference == second.reference

    asyncio.run(story())
    assert site.chain.payments == 4


@pytest.mark.parametrize("announced", [PART - 1, 2 * PART + 1])
def test_file__source_of_another_length__refused(announced: int) -> None:
    site = a_site(4)
    with pytest.raises(InvalidInput):
        asyncio.run(published(site, some_bytes(PART), announced=announced))


def test_file__manifest_names_another_part__mismatch() -> None:
    site = a_site(4)

    async def story() -> None:
        client = memory_network(site)
        disperser = site.disperse_with(client)
        part = await disperser.disperse(b"x" * PART, days=1, salt=SALT)
        good = Part(keccak(b"x" * PART), part.blob_id)
        bad = Part(keccak(b"y"), part.blob_id)
        manifest = Manifest(2 * PART, PART, (good, bad)).to_bytes()
        done = await disperser.disperse(manifest, days=1, salt=SALT)
        sink = io.BytesIO()
        with pytest.raises(PartMismatch):
            await FetchFile(site.retrieve_with(client)).fetch(
                FileReference(done.blob_id, is_manifest=True), sink.write
            )
        assert sink.getvalue() == b"x" * PART

    asyncio.run(story())


@given(
    st.integers(1, 50).flatmap(
        lambda size: st.tuples(
            st.just(size), st.integers(1, 400), st.binary(min_size=64, max_size=64)
        )
    )
)
def test_manifest__any__round_trips_and_refuses_every_cut(case: tuple[int, int, bytes]) -> None:
    size, length, raw = case
    count = -(-length // size)
    manifest = Manifest(length, size, (Part(raw[:32], raw[32:]),) * count)
    packed = manifest.to_bytes()
    assert manifest == Manifest.parse(packed)
    for broken in (packed[:-1], packed + b"\x00", packed[:10], b"APM2" + packed[4:]):
        with pytest.raises(ManifestMalformed):
            Manifest.parse(broken)


@given(st.binary(max_size=200))
def test_manifest__random_bytes__typed_refusal(raw: bytes) -> None:
    with pytest.raises(ManifestMalformed):
        Manifest.parse(raw)


@pytest.mark.parametrize("text", ["", "apogee:da:file:", "apogee:da:blob:" + "g" * 64, "a" * 500])
def test_reference__malformed__refused(text: str) -> None:
    with pytest.raises(FileReferenceInvalid):
        FileReference.parse(text)


def test_batch__many_small_items__one_payment_and_each_comes_back() -> None:
    site = a_site(4)
    items = [some_bytes(50 + number, seed=number) for number in range(20)]

    async def story() -> list[bytes]:
        client = memory_network(site)
        rules = BatchRules(wait_seconds=0.05)
        batcher = ItemBatcher(site.disperse_with(client), rules, lambda: SALT)
        receipts = await asyncio.gather(*(batcher.publish(item) for item in items))
        reader = site.retrieve_with(client)
        with pytest.raises(ItemMissing):
            await fetch_item(reader, receipts[0].blob.blob_id, 20)
        return [await fetch_item(reader, r.blob.blob_id, r.number) for r in receipts[::7]]

    assert items[::7] == asyncio.run(story())
    assert site.chain.payments == 1


def test_batch__full__closes_and_starts_another() -> None:
    site = a_site(4)
    salts = iter(range(10))

    async def story() -> None:
        client = memory_network(site)
        rules = BatchRules(wait_seconds=0.05, full_bytes=1_000)
        batcher = ItemBatcher(
            site.disperse_with(client), rules, lambda: next(salts).to_bytes(32, "big")
        )
        items = [some_bytes(400, seed=number) for number in range(4)]
        receipts = await asyncio.gather(*(batcher.publish(item) for item in items))
        assert [receipt.number for receipt in receipts] == [0, 1, 0, 1]
        with pytest.raises(SharedMatrixTooLarge):
            await batcher.publish(bytes(1_000))

    asyncio.run(story())
    assert site.chain.payments == 2


def test_file__whose_first_parts_the_reader_holds__only_the_rest_is_fetched() -> None:
    site = a_site(4)
    data = some_bytes(3 * PART + 7)
    asked: list[bytes] = []

    async def story() -> bytes:
        client = memory_network(site)
        publisher = PublishFile(site.disperse_with(client), part_bytes=PART)
        file = await publisher.publish(io.BytesIO(data).read, len(data), days=1, salt=SALT)
        retriever = site.retrieve_with(client)

        class Counting:
            async def retrieve(self, blob_id: bytes) -> Retrieved:
                asked.append(blob_id)
                return await retriever.retrieve(blob_id)

        sink = io.BytesIO()
        held = lambda manifest: len(manifest.parts) - 2
        await FetchFile(Counting()).fetch(file.reference, sink.write, skip=held)
        return sink.getvalue()

    rest = asyncio.run(story())

    assert data[2 * PART :] == rest
    assert len(asked) == 3
