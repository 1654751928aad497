"""A node keeps the fraud it meets, over a restart, and is handed it while accepting rows."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import K
from offchain.core.matrix.check import check_header
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.wire import Row
from offchain.da.accept import AcceptRows, NodeLimits
from offchain.da.adapters.disk_proofs import SUFFIX, DiskProofs
from offchain.da.errors import EncodingFault, PathMismatch
from offchain.da.fraud import BadRow, BottomProven, find_fraud
from offchain.node.disk import LocalDisk
from tests.support.da_network import a_node, a_request, a_site, an_upload, send
from tests.support.matrices import a_payload, coded_rows, sealed

BLOB_ID = b"\x0b" * 32


def a_proof(engine: ErasureEngine, index: int = 1_200) -> BottomProven:
    shape, rows = coded_rows(a_payload(), engine)
    rows[index, 0, 31] ^= 1
    blob = sealed(rows, shape, engine)
    proven = find_fraud(check_header(blob.header, engine), [blob.row(index)], engine)
    assert proven is not None
    return proven


def test_disk_proofs__kept_and_opened_again__same_evidence(
    tmp_path: Path, engine: ErasureEngine
) -> None:
    proven = a_proof(engine)
    DiskProofs(LocalDisk(), tmp_path, engine).keep(BLOB_ID, proven)

    [(blob_id, again)] = DiskProofs(LocalDisk(), tmp_path, engine).waiting()

    assert blob_id == BLOB_ID
    assert isinstance(again.proof, BadRow)
    assert isinstance(proven.proof, BadRow)
    assert again.proof.opening == proven.proof.opening
    assert again.proof.value == proven.proof.value
    assert (again.row.data == proven.row.data).all()


@pytest.mark.parametrize("cut", [0, 100, 40_000])
def test_disk_proofs__file_damaged__removed_and_nothing_sent(
    tmp_path: Path, engine: ErasureEngine, cut: int
) -> None:
    shelf = DiskProofs(LocalDisk(), tmp_path, engine)
    shelf.keep(BLOB_ID, a_proof(engine))
    file = tmp_path / (BLOB_ID.hex() + SUFFIX)
    raw = bytearray(file.read_bytes())
    file.write_bytes(raw[:cut] if cut < len(raw) else raw[:-1])

    assert shelf.waiting() == []
    assert not file.exists()


def test_disk_proofs__left_half_written__forgotten(tmp_path: Path, engine: ErasureEngine) -> None:
    (tmp_path / (BLOB_ID.hex() + SUFFIX + ".tmp")).write_bytes(b"half")

    assert DiskProofs(LocalDisk(), tmp_path, engine).waiting() == []
    assert list(tmp_path.iterdir()) == []


def test_find_fraud__row_not_under_the_root__no_proof(
    engine: ErasureEngine, blob: EncodedBlob
) -> None:
    row = blob.row(2_000)
    data = row.data.copy()
    data[0, 31] ^= 1

    forged = Row(row.index, row.path, data)

    assert find_fraud(check_header(blob.header, engine), [forged], engine) is None


@pytest.mark.parametrize(
    ("is_under_root", "wanted"), [(True, EncodingFault), (False, PathMismatch)]
)
def test_accept__bad_row_delivered__kept_as_proof_only_when_it_lies_under_the_root(
    engine: ErasureEngine, *, is_under_root: bool, wanted: type[Exception]
) -> None:
    site = a_site(2)
    upload = an_upload(site)
    shape, rows = coded_rows(b"seven words are enough here", engine)
    rows[K:, 0, 31] ^= 1
    bad = sealed(rows, shape, engine)
    blob_id, header, duty = upload.blob_id, upload.encoded.header, upload.duty
    if is_under_root:
        header = bad.header
        terms = replace(upload.terms, data_root=header.data_root, commitment=header.commitment)
        site.chain.pay(terms)
        blob_id = site.chain.blob_id(terms)
        view = site.chain.view(blob_id, at=site.chain.head().block)
        assert view.duties is not None
        duty = next(one for one in view.duties.members if one.operator == 1)
    body = header.to_bytes() + bad.rows_frame(blob_id, duty.rows)
    kept: list[bytes] = []
    node = a_node(site, 1)
    parts = replace(site.parts[1], on_fraud=lambda blob_id, _: kept.append(blob_id))
    node = replace(node, accept=AcceptRows(parts, NodeLimits()))

    with pytest.raises(wanted):
        asyncio.run(
            send(node, replace(upload, blob_id=blob_id), a_request(site, blob_id, body), body)
        )

    assert kept == ([blob_id] if is_under_root else [])
