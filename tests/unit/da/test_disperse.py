"""Publishing: bad signers are left out, late ones cost nothing, nothing is paid or sent twice."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.da.adapters.disk_dispersals import DiskDispersals
from offchain.da.adapters.forging_signer import ForgingSigner
from offchain.da.adapters.memory_chain import MemoryChain
from offchain.da.adapters.memory_dispersals import MemoryDispersals
from offchain.da.adapters.memory_node import MemoryNodeClient
from offchain.da.dispersals import Stage
from offchain.da.disperse import Dispersed, Progress
from offchain.da.duties import BlobTerms
from offchain.da.model import BlobState
from offchain.da.ports import Certificate, Settlement
from offchain.da.refusals import BlobNotPaid, BlobUnknown, JournalCorrupt, NotEnoughSignatures
from offchain.node.faulty_disk import Crashed, Fault, FaultyDisk
from offchain.node.forgetful_disk import ForgetfulDisk
from tests.support.da_network import QUICK, Site, a_site, memory_network, some_bytes

SALT = bytes(32)
PAYLOAD = some_bytes(5_000)
FOLDER = Path("/disperser")


def state_of(site: Site, blob_id: bytes) -> BlobState:
    return site.chain.view(blob_id, at=site.chain.head().block).record.state


def test_inv_da_19__all_nodes_sign__each_row_sent_once_within_the_bound() -> None:
    site = a_site(4)

    async def story() -> Dispersed:
        return await site.disperse_with(memory_network(site)).disperse(PAYLOAD, days=1, salt=SALT)

    done = asyncio.run(story())
    assert BlobState.CONFIRMED is state_of(site, done.blob_id)
    assert done.absent == ()
    assert done.bytes_sent == 3_072 * (324 + 256) + 4 * (32_960 + 44)
    assert done.bytes_sent <= 3.1 * (len(PAYLOAD) + 253_952) + 1_000_000 + 4 * 33_004


def test_disperse__same_terms_again__same_blob_and_no_second_payment() -> None:
    site = a_site(4)

    async def story() -> tuple[Dispersed, Dispersed]:
        disperser = site.disperse_with(memory_network(site))
        first = await disperser.disperse(PAYLOAD, days=1, salt=SALT)
        return first, await disperser.disperse(PAYLOAD, days=1, salt=SALT)

    first, second = asyncio.run(story())
    assert first.blob_id == second.blob_id
    assert site.chain.payments == 1
    assert second.bytes_sent == 0


def test_disperse__one_signature_is_of_something_else__left_out_and_named() -> None:
    site = a_site(4)

    async def story() -> Dispersed:
        client = memory_network(site)
        liar = replace(site.parts[3], signer=ForgingSigner(site.secrets[3]))
        site.accepts[3]._parts = liar
        return await site.disperse_with(client).disperse(PAYLOAD, days=1, salt=SALT)

    done = asyncio.run(story())
    assert BlobState.CONFIRMED is state_of(site, done.blob_id)
    assert len(done.absent) == 1
    assert done.failures == {3: "da.node.answer_invalid"}


def test_disperse__one_node_down__confirmed_without_it() -> None:
    site = a_site(4)

    async def story() -> Dispersed:
        client = memory_network(site, absent=[2])
        return await site.disperse_with(client).disperse(PAYLOAD, days=1, salt=SALT)

    done = asyncio.run(story())
    assert len(done.absent) == 1
    assert done.failures == {2: "da.node.unreachable"}


def unconfirmed(site: Site) -> tuple[Dispersed | None, bytes, MemoryDispersals]:
    """Two of four nodes are down until the deadline is over."""
    journal = MemoryDispersals()

    def time_flies(progress: Progress) -> None:
        if progress.slices_signed:
            site.chain.mine(seconds=1_000)

    async def story() -> None:
        client = memory_network(site, absent=[2, 3])
        disperser = site.disperse_with(client, journal=journal, watch=time_flies)
        with pytest.raises(NotEnoughSignatures):
            await disperser.disperse(PAYLOAD, days=1, salt=SALT)

    asyncio.run(story())
    [blob_id] = asyncio.run(journal.open_ids())
    return None, blob_id, journal


def test_disperse__too_few_signatures_by_the_deadline__typed_error_and_refund_once() -> None:
    site = a_site(4)
    _, blob_id, journal = unconfirmed(site)
    record = asyncio.run(journal.load(blob_id))
    assert record is not None
    assert Stage.REFUNDABLE is record.stage
    disperser = site.disperse_with(MemoryNodeClient({}), journal=journal)

    first = asyncio.run(disperser.reclaim(blob_id))
    second = asyncio.run(disperser.reclaim(blob_id))

    assert first is not None
    assert first.value_wei == site.chain.quote(len(PAYLOAD), 1)
    assert second is None
    assert BlobState.REFUNDED is state_of(site, blob_id)
    with pytest.raises(BlobUnknown):
        asyncio.run(journal.payload(blob_id))


def test_disperse__refunded_blob__not_published_again() -> None:
    site = a_site(4)
    _, blob_id, journal = unconfirmed(site)
    disperser = site.disperse_with(MemoryNodeClient({}), journal=journal)
    asyncio.run(disperser.reclaim(blob_id))
    with pytest.raises(BlobNotPaid):
        asyncio.run(disperser.disperse(PAYLOAD, days=1, salt=SALT))
    assert site.chain.payments == 1


def test_reclaim__before_the_deadline__refused() -> None:
    site = a_site(4)

    async def story() -> None:
        disperser = site.disperse_with(memory_network(site))
        done = await disperser.disperse(PAYLOAD, days=1, salt=SALT)
        with pytest.raises(BlobNotPaid):
            await disperser.reclaim(done.blob_id)

    asyncio.run(story())


@pytest.mark.parametrize("stage", [Stage.PAID, Stage.ATTESTED, Stage.CONFIRMED])
def test_disperse__killed_at_a_stage__resumes_without_paying_or_sending_again(stage: Stage) -> None:
    site = a_site(4)
    journal = MemoryDispersals()

    def die(progress: Progress) -> None:
        if progress.stage is stage and not progress.slices_signed:
            raise Crashed

    async def story() -> tuple[bytes, list[Dispersed]]:
        client = memory_network(site)
        disperser = site.disperse_with(client, journal=journal, watch=die)
        with pytest.raises(Crashed):
            await disperser.disperse(PAYLOAD, days=1, salt=SALT)
        again = site.disperse_with(client, journal=journal)
        return disperser._parts.disperser, await again.resume_all()

    _, resumed = asyncio.run(story())
    assert site.chain.payments == 1
    if stage is not Stage.CONFIRMED:
        [done] = resumed
        assert BlobState.CONFIRMED is state_of(site, done.blob_id)
        if stage is Stage.ATTESTED:
            assert done.bytes_sent == 0


async def cut_and_resumed(site: Site, disk: ForgetfulDisk, faulty: FaultyDisk) -> bool:
    """Publish on the faulty disk, lose power, publish again; whether the first run died."""
    client = memory_network(site)
    died = False
    try:
        journal = DiskDispersals(faulty, FOLDER)
        journal.open()
        await site.disperse_with(client, journal=journal).disperse(PAYLOAD, days=1, salt=SALT)
    except Crashed:
        died = True
    disk.cut_power()
    again = DiskDispersals(disk, FOLDER)
    again.open()
    disperser = site.disperse_with(client, journal=again)
    await disperser.resume_all()
    done = await disperser.disperse(PAYLOAD, days=1, salt=SALT)
    assert BlobState.CONFIRMED is state_of(site, done.blob_id)
    return died


@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.TORN])
def test_disperse__power_cut_at_every_disk_step__one_payment_and_a_certificate(
    fault: Fault,
) -> None:
    for step in range(40):
        site = a_site(4)
        disk = ForgetfulDisk()
        died = asyncio.run(cut_and_resumed(site, disk, FaultyDisk(disk, fault, at_step=step)))
        assert site.chain.payments == 1
        if not died:
            assert step > 12
            return
    pytest.fail("the disperser never finished")


def test_journal__record_with_a_changed_bit__refuses_to_open() -> None:
    site = a_site(4)
    disk = ForgetfulDisk()

    async def story() -> None:
        journal = DiskDispersals(disk, FOLDER)
        journal.open()
        client = memory_network(site)
        await site.disperse_with(client, journal=journal).disperse(PAYLOAD, days=1, salt=SALT)

    asyncio.run(story())
    [record] = disk.paths()
    disk.flip_bit(record, 300)
    with pytest.raises(JournalCorrupt):
        DiskDispersals(disk, FOLDER).open()


class ForkingChain(MemoryChain):
    """A chain that takes the block of the first certificate back."""

    forked = False

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        before = self.head().block
        settlement = super().confirm(terms, certificate)
        if not self.forked:
            self.forked = True
            self.rewind(before)
            self.mine(2)
        return settlement


def test_disperse__reorg_of_the_confirming_block__confirmed_again() -> None:
    site = a_site(4)
    site.chain = ForkingChain(site.chain.members)

    async def story() -> Dispersed:
        return await site.disperse_with(memory_network(site)).disperse(PAYLOAD, days=1, salt=SALT)

    done = asyncio.run(story())
    assert site.chain.forked
    assert BlobState.CONFIRMED is state_of(site, done.blob_id)
    assert site.chain.payments == 1


class MovingChain(MemoryChain):
    """A chain that takes the payment's successor back once: the duties change."""

    moved = False

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        if not self.moved:
            self.moved = True
            paid = self.view(self.blob_id(terms), at=self.head().block).record.paid_block
            self.rewind(paid)
            self.mine(2)
        return super().confirm(terms, certificate)


def test_disperse__reorg_moves_the_seed__certificate_for_new_duties() -> None:
    site = a_site(4)
    site.chain = MovingChain(site.chain.members)

    async def story() -> Dispersed:
        return await site.disperse_with(memory_network(site)).disperse(PAYLOAD, days=1, salt=SALT)

    done = asyncio.run(story())
    assert BlobState.CONFIRMED is state_of(site, done.blob_id)
    assert site.chain.payments == 1


def test_disperse__payment_taken_back_while_rows_are_on_their_way__paid_again_at_once() -> None:
    site = a_site(4)
    everybody = memory_network(site).nodes
    client = MemoryNodeClient({place: everybody[place] for place in list(everybody)[:2]})

    def forget_the_payment(progress: Progress) -> None:
        if progress.slices_signed and client.nodes.keys() != everybody.keys():
            paid = site.chain.view(progress.blob_id, at=site.chain.head().block).record.paid_block
            site.chain.rewind(paid - 1)
            client.nodes.update({**everybody, **client.nodes})

    async def story() -> Dispersed:
        rules = replace(QUICK, duties_seconds=0.05)
        disperser = site.disperse_with(client, rules=rules, watch=forget_the_payment)
        return await asyncio.wait_for(disperser.disperse(PAYLOAD, days=1, salt=SALT), 30)

    done = asyncio.run(story())
    assert BlobState.CONFIRMED is state_of(site, done.blob_id)
    assert site.chain.payments == 2
