"""A node's upload places are few: neither a slow sender nor one disperser may keep them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from offchain.core.bls import Signature
from offchain.da.accept import NodeLimits
from offchain.da.adapters.memory_node import MemoryNode
from offchain.da.refusals import NodeBusy, UploadSlow
from tests.support.da_network import Site, Upload, a_node, a_request, a_site, an_upload, send


class HungBody:
    """A body whose first byte comes at once and the rest when `release` is set."""

    def __init__(self, upload: Upload) -> None:
        self._body = upload.body
        self.begun = asyncio.Event()
        self.release = asyncio.Event()

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._body[:1]
        self.begun.set()
        await self.release.wait()
        yield self._body[1:]


async def deliver(site: Site, node: MemoryNode, upload: Upload) -> Signature:
    return await send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body)


def begin(site: Site, node: MemoryNode, upload: Upload, body: HungBody) -> asyncio.Task[Signature]:
    request = a_request(site, upload.blob_id, upload.body)
    return asyncio.create_task(
        node.accept.accept(upload.blob_id, request, body.pieces(), declared_bytes=len(upload.body))
    )


def test_accept__body_that_never_ends__its_place_goes_to_the_next() -> None:
    async def story() -> None:
        site = a_site(4)
        slow, honest = an_upload(site), an_upload(site, payload=b"another payload")
        node = a_node(site, 1, limits=NodeLimits(uploads=1, upload_seconds=0.2))
        body = HungBody(slow)
        upload = begin(site, node, slow, body)
        await body.begun.wait()
        with pytest.raises(NodeBusy):
            await deliver(site, node, honest)

        with pytest.raises(UploadSlow):
            await upload

        assert await deliver(site, node, honest)
        assert not await site.parts[1].store.rows_held(slow.blob_id)

    asyncio.run(story())


def test_accept__disperser_over_its_places__busy_while_others_have_room() -> None:
    async def story() -> None:
        site = a_site(4)
        first, second = an_upload(site), an_upload(site, payload=b"another payload")
        node = a_node(site, 1, limits=NodeLimits(uploads=2, disperser_uploads=1))
        body = HungBody(first)
        upload = begin(site, node, first, body)
        await body.begun.wait()

        with pytest.raises(NodeBusy) as refused:
            await deliver(site, node, second)

        assert refused.value.fields == {"uploads": 1, "of_this_disperser": 1}
        body.release.set()
        assert await upload
        assert await deliver(site, node, second)

    asyncio.run(story())
