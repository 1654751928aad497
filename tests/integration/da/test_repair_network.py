"""Repair over sockets and disks: machines die for good one after the other, the blob does not."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

from offchain.core.bls import aggregate_signatures
from offchain.core.layout import K, N
from offchain.core.matrix.encode import EncodedBlob
from offchain.da.adapters.disk_rows import DiskRows
from offchain.da.adapters.memory_departures import MemoryDepartures
from offchain.da.duties import BlobTerms
from offchain.da.errors import Bottom
from offchain.da.fraud import BottomLocated, BottomProven
from offchain.da.heirs import rows_after
from offchain.da.model import Certificate, attestation_digest
from offchain.da.repair import RepairBlobs, RepairParts, RepairReport
from offchain.da.retrieve import RetrievalRules
from offchain.node.disk import LocalDisk
from tests.integration.da.test_bottom import bad_blob, kept_by_all, one_parity_bit
from tests.support.da_network import (
    HttpNetwork,
    Site,
    a_disk_node,
    a_site,
    http_network,
    some_bytes,
    the_engine,
)
from tests.support.da_repair import RULES

PATIENT = replace(
    RULES,
    fetch=replace(RULES.fetch, request_seconds=60.0),
    thin_rows=N,
    blob_seconds=600.0,
    pursuit_seconds=1.0,
)


async def repair_all(network: HttpNetwork, departures: MemoryDepartures) -> dict[int, RepairReport]:
    """Every node that runs repairs once, one after the other, each as after a restart."""
    network.site.chain.mine(2)
    reports = {}
    for operator in network.servers:
        node = network.site.parts[operator]
        parts = RepairParts(
            operator,
            network.site.chain,
            departures,
            node.store,
            node.journal,
            network.client,
            the_engine(),
            Random(operator),
        )
        reports[operator] = await RepairBlobs(parts, PATIENT).repair()
    return reports


def test_inv_da_22__nodes_die_until_two_of_six_are_left__the_payload_is_still_read(
    tmp_path: Path,
) -> None:
    payload = some_bytes(700_000)

    async def story() -> None:
        departures = MemoryDepartures()
        build = lambda site, operator: a_disk_node(site, operator, tmp_path / str(operator))
        async with http_network(a_site(6), build) as network:
            site = network.site
            done = await site.disperse_with(network.client).disperse(
                payload, days=1, salt=bytes(32)
            )
            for dead in ((1, 2), (3, 4)):
                for operator in dead:
                    await network.stop(operator)
                departures.operators.update(dead)
                reports = await repair_all(network, departures)
                assert sum(report.remade for report in reports.values()) >= K * 2 // 3

            got = await site.retrieve_with(
                network.client, rules=RetrievalRules(deadline_seconds=300)
            ).retrieve(done.blob_id)
            assert payload == got.payload
            view = site.chain.view(done.blob_id, at=site.chain.head().block)
            assert view.duties is not None
            due = rows_after(view.duties, departures.operators)
            for operator in network.servers:
                again = DiskRows(
                    LocalDisk(), tmp_path / str(operator) / "rows", the_engine().row_roots
                )
                assert again.open() == []
                held = await again.rows_held(done.blob_id)
                assert held >= set(due[operator])
                assert len(await again.rows(done.blob_id, sorted(held))) == len(held)

    asyncio.run(story())


def certified(site: Site, blob: EncodedBlob) -> bytes:
    """Pay for a blob and confirm it with everybody's signature, whatever it holds."""
    address = site.disperser.address
    header = blob.header
    terms = BlobTerms(
        address, address, header.data_root, header.commitment, blob.shape, 1, bytes(32)
    )
    site.chain.pay(terms)
    blob_id = site.chain.blob_id(terms)
    view = site.chain.view(blob_id, at=site.chain.head().block)
    digest = attestation_digest(view.attestation(), site.chain.domain())
    votes = [secret.sign(digest) for secret in site.secrets.values()]
    site.chain.confirm(terms, Certificate((), aggregate_signatures(votes)))
    return blob_id


def test_repair__rows_that_encode_to_another_root__nothing_kept_and_reported() -> None:
    site = a_site(4)
    blob = bad_blob(one_parity_bit)
    blob_id = certified(site, blob)
    found: list[tuple[bytes, Bottom]] = []

    async def story() -> None:
        client = await kept_by_all(site, blob, blob_id)
        departures = MemoryDepartures()
        departures.operators = {1}
        del client.nodes["http://127.0.0.1:1"]
        site.chain.mine(2)
        view = site.chain.view(blob_id, at=site.chain.head().block)
        assert view.duties is not None
        due = rows_after(view.duties, {1})
        for operator in (2, 3, 4):
            node = site.parts[operator]
            if len(due[operator]) == len(await node.store.rows_held(blob_id)):
                continue  # inherits nothing
            before = await node.store.rows_held(blob_id)
            parts = RepairParts(
                operator,
                site.chain,
                departures,
                node.store,
                node.journal,
                client,
                the_engine(),
                Random(operator),
            )
            repair = RepairBlobs(parts, PATIENT, on_bottom=lambda *one: found.append(one))

            report = await repair.repair()

            assert report.copied == report.remade == 0
            assert before == await node.store.rows_held(blob_id)
            assert (await repair.repair()).blobs == 0

    asyncio.run(story())
    assert found
    assert all(
        one == blob_id and isinstance(bottom, BottomProven | BottomLocated) for one, bottom in found
    )
