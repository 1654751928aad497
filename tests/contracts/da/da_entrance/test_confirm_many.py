"""Batches: each certificate is judged alone."""

import boa

from offchain.core.hashing import keccak
from offchain.da.model import Blob, BlobState
from tests.support.da import (
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    mine_entropy,
    pay,
)
from tests.support.staking import a_wallet


def paid_blobs(site: DaSite, count: int) -> list[Blob]:
    owner = site.operators[0].owner
    blobs = [a_blob(owner, owner, salt=keccak(bytes([number]))) for number in range(count)]
    for blob in blobs:
        pay(site, blob)
    for blob in blobs:
        mine_entropy(site, site.blob_id(blob))
    return blobs


def confirmation(site: DaSite, blob: Blob, absent: tuple[int, ...] = ()) -> tuple[object, ...]:
    entropy = mine_entropy(site, site.blob_id(blob))
    certificate = ballot(site, blob, entropy).certificate(absent)
    return blob_tuple(blob), certificate.encoded_absent(), certificate.signature.eip2537()


def rejections(site: DaSite) -> list[tuple[bytes, bytes]]:
    return [
        (log.blob_id, log.reason.rstrip(b"\0"))
        for log in site.entrance.get_logs()
        if type(log).__name__ == "CertificateRejected"
    ]


def test_inv_da_14__failing_certificates_between__never_stop_the_others(site: DaSite) -> None:
    blobs = paid_blobs(site, 5)
    unpaid = a_blob(site.operators[0].owner, site.operators[0].owner, salt=keccak(b"unpaid"))
    batch = [confirmation(site, blob) for blob in blobs]
    batch[1] = (batch[1][0], b"", batch[0][2])
    batch[3] = (batch[3][0], b"\x01" * 50, batch[3][2])
    batch.insert(2, (blob_tuple(unpaid), b"", batch[0][2]))
    batch.append(batch[0])

    site.entrance.confirm_many(batch, sender=a_wallet("relayer"))

    assert rejections(site) == [
        (site.blob_id(blobs[1]), b"da_entrance: wrong signature"),
        (site.blob_id(unpaid), b"blob_records: not paid"),
        (site.blob_id(blobs[3]), b"da_signers: cut absent list"),
        (site.blob_id(blobs[0]), b"blob_records: not paid"),
    ]
    states = [site.record(site.blob_id(blob)).state for blob in blobs]
    assert states == [
        BlobState.CONFIRMED,
        BlobState.PAID,
        BlobState.CONFIRMED,
        BlobState.PAID,
        BlobState.CONFIRMED,
    ]


def test_confirm_many__full_batch__confirms_all_and_costs_no_more_than_one_by_one(
    site: DaSite,
) -> None:
    blobs = paid_blobs(site, 8)
    batch = [confirmation(site, blob) for blob in blobs]
    with boa.env.anchor():
        site.entrance.confirm(*batch[0])
        alone = site.entrance._computation.get_gas_used()

    site.entrance.confirm_many(batch)

    together = site.entrance._computation.get_gas_used()
    assert all(site.entrance.is_available(site.blob_id(blob)) for blob in blobs)
    assert together <= 8 * (alone + 21_000)


def test_confirm_many__gas_for_one_certificate_too_few__is_refused_as_a_whole(
    site: DaSite,
) -> None:
    blobs = paid_blobs(site, 3)
    batch = [confirmation(site, blob) for blob in blobs]
    with boa.env.anchor():
        site.entrance.confirm_many(batch)
        used = site.entrance._computation.get_gas_used()

    for gas in (used, used + 50_000, 500_000):
        with boa.reverts("da_entrance: too little gas"):
            site.entrance.confirm_many(batch, gas=gas)
    assert {site.record(site.blob_id(blob)).state for blob in blobs} == {BlobState.PAID}
    site.entrance.confirm_many(batch, gas=used + 400_000)
    assert not rejections(site)


def test_confirm_many__index_out_of_range__is_logged_with_its_reason(site: DaSite) -> None:
    blob = paid_blobs(site, 1)[0]
    fields, _, signature = confirmation(site, blob)

    site.entrance.confirm_many([(fields, b"\xff" * 102, signature)])

    assert rejections(site) == [(site.blob_id(blob), b"quorum_table: no such signer")]


def test_confirm_many__empty_batch__does_nothing(site: DaSite) -> None:
    site.entrance.confirm_many([])

    assert site.entrance.get_logs() == []
