"""A disperser that publishes a bad encoding: every honest reader answers BOTTOM, nobody else pays.

The nodes here were made to keep what no honest node would sign, so that readers get to see it.
"""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from offchain.core.field import MODULUS, Elements
from offchain.core.layout import K
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.wire import parse_rows
from offchain.da.adapters.memory_node import MemoryNodeClient
from offchain.da.duties import BlobTerms
from offchain.da.errors import Bottom, EncodingFault
from offchain.da.fetch import FetchRules
from offchain.da.fraud import BadLeaf, BadRow, BottomLocated, BottomProven, FraudProof
from offchain.da.ports import Share
from offchain.da.retrieve import RetrievalRules
from tests.support.da_network import (
    Site,
    a_node,
    a_request,
    a_site,
    memory_network,
    some_bytes,
    the_engine,
)
from tests.support.matrices import coded_rows, sealed

PAYLOAD = some_bytes(50_000)
BAD_ROW = 2_000
Change = Callable[[Elements], None]


def bad_blob(change: Change) -> EncodedBlob:
    shape, rows = coded_rows(PAYLOAD, the_engine())
    change(rows)
    return sealed(rows, shape, the_engine())


def published(site: Site, blob: EncodedBlob) -> bytes:
    address = site.disperser.address
    terms = BlobTerms(
        payer=address,
        disperser=address,
        data_root=blob.header.data_root,
        commitment=blob.header.commitment,
        shape=blob.shape,
        days=1,
        salt=bytes(32),
    )
    site.chain.pay(terms)
    return site.chain.blob_id(terms)


async def kept_by_all(site: Site, blob: EncodedBlob, blob_id: bytes) -> MemoryNodeClient:
    client = memory_network(site)
    view = site.chain.view(blob_id, at=site.chain.head().block)
    assert view.duties is not None
    for duty in view.duties.members:
        share = Share(
            blob_id,
            view.duties.seed,
            view.record.deadline,
            blob.shape.columns,
            duty.rows,
            blob.header.to_bytes(),
            blob.rows_frame(blob_id, duty.rows),
        )
        await site.parts[duty.operator].store.put(share)
    return client


def one_parity_bit(rows: Elements) -> None:
    rows[BAD_ROW, 3, 31] ^= 1


def one_data_bit_after_coding(rows: Elements) -> None:
    rows[5, 0, 31] ^= 1


def element_at_the_modulus(rows: Elements) -> None:
    rows[1, 0] = np.frombuffer(MODULUS.to_bytes(32, "big"), np.uint8)


def bytes_past_the_payload(rows: Elements) -> None:
    rows[K - 1, 7, 31] = 1


@pytest.mark.parametrize(
    "change",
    [one_parity_bit, one_data_bit_after_coding, element_at_the_modulus, bytes_past_the_payload],
)
def test_inv_da_3__bad_encoding__two_readers_with_other_rows_both_say_bottom(
    change: Change,
) -> None:
    site = a_site(4)
    blob = bad_blob(change)
    blob_id = published(site, blob)

    async def story() -> None:
        client = await kept_by_all(site, blob, blob_id)
        fewer = MemoryNodeClient(dict(list(client.nodes.items())[:2]))
        eager = RetrievalRules(deadline_seconds=20, fetch=FetchRules(batch_bytes=20_000))
        for reader in (
            site.retrieve_with(client),
            site.retrieve_with(fewer),
            site.retrieve_with(client, rules=eager),
        ):
            with pytest.raises(Bottom):
                await reader.retrieve(blob_id)

    asyncio.run(story())


def test_retrieve__row_that_breaks_the_code__kept_as_proof_and_its_node_not_blamed() -> None:
    site = a_site(4)
    blob = bad_blob(element_at_the_modulus)
    blob_id = published(site, blob)

    async def story() -> BottomProven:
        client = await kept_by_all(site, blob, blob_id)
        with pytest.raises(BottomProven) as proven:
            await site.retrieve_with(client).retrieve(blob_id)
        return proven.value

    proof = asyncio.run(story())
    assert proof.row.index == 1
    assert tuple(proof.row.path) == tuple(blob.row_path(1))
    assert proof.header.data_root == blob.header.data_root


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (one_parity_bit, (BadRow,)),
        (one_data_bit_after_coding, (BadRow,)),
        # A data row that changed contradicts parity rows as well, and one of them may come first.
        (element_at_the_modulus, (BadLeaf, BadRow)),
        (bytes_past_the_payload, (BadLeaf, BadRow)),
    ],
)
def test_retrieve__bad_encoding_of_any_kind__ends_with_a_proof_to_send(
    change: Change, wanted: tuple[type[FraudProof], ...]
) -> None:
    site = a_site(4)
    blob = bad_blob(change)
    blob_id = published(site, blob)

    async def story() -> BottomProven:
        client = await kept_by_all(site, blob, blob_id)
        with pytest.raises(BottomProven) as proven:
            await site.retrieve_with(client).retrieve(blob_id)
        return proven.value

    found = asyncio.run(story())
    assert isinstance(found.proof, wanted)
    assert (found.row.data == blob.rows[found.row.index]).all()
    assert tuple(found.row.path) == blob.row_path(found.row.index)


def test_retrieve__owner_of_the_one_bad_row_is_gone__names_the_row_to_challenge() -> None:
    site = a_site(4)
    blob = bad_blob(one_parity_bit)
    blob_id = published(site, blob)
    view = site.chain.view(blob_id, at=site.chain.head().block)
    assert view.duties is not None
    owner = view.duties.owners()[BAD_ROW]

    async def story() -> BottomLocated:
        client = await kept_by_all(site, blob, blob_id)
        del client.nodes[owner.endpoint]
        with pytest.raises(BottomLocated) as located:
            await site.retrieve_with(client).retrieve(blob_id)
        return located.value

    found = asyncio.run(story())
    places = [deviation.rows for deviation in found.deviations]
    assert len(places) == 1
    assert BAD_ROW in places[0]
    assert set(places[0]) <= set(owner.rows)


@pytest.mark.parametrize("change", [element_at_the_modulus, one_data_bit_after_coding])
def test_accept__owner_of_the_bad_row__refuses_to_sign(change: Change) -> None:
    site = a_site(4)
    blob = bad_blob(change)
    blob_id = published(site, blob)
    view = site.chain.view(blob_id, at=site.chain.head().block)
    assert view.duties is not None
    bad = next(row for row in range(K) if (blob.rows[row] != coded_row(row)).any())
    duty = view.duties.owners()[bad]
    body = blob.header.to_bytes() + blob.rows_frame(blob_id, duty.rows)

    async def story() -> None:
        node = a_node(site, duty.operator)
        request = a_request(site, blob_id, body, operator=duty.operator)

        async def whole() -> object:
            yield body

        with pytest.raises(EncodingFault):
            await node.accept.accept(blob_id, request, whole(), declared_bytes=len(body))

    asyncio.run(story())
    frame = parse_rows(body[32_960:], columns=blob.shape.columns)
    assert len(frame.rows) == len(duty.rows)


def coded_row(row: int) -> Elements:
    return coded_rows(PAYLOAD, the_engine())[1][row]


def test_retrieve__void_blob__bottom_without_asking_anybody() -> None:
    site = a_site(4)
    blob = bad_blob(one_parity_bit)
    blob_id = published(site, blob)
    site.chain.void(blob_id)
    with pytest.raises(Bottom):
        asyncio.run(site.retrieve_with(MemoryNodeClient({})).retrieve(blob_id))
