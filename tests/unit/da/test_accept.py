"""A node takes exactly its rows, of paid blobs, from their disperser, and signs once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from offchain.core.bls import verify
from offchain.core.errors import ApogeeError
from offchain.core.layout import K, N
from offchain.core.wire import HEADER_BYTES
from offchain.da.accept import NodeLimits, body_bytes
from offchain.da.adapters.memory_chain import ChainRules
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.errors import (
    FrameIndex,
    HeaderCombinationNotCanonical,
    PaddingNotZero,
    PathMismatch,
)
from offchain.da.model import attestation_digest
from offchain.da.refusals import (
    AlreadySigned,
    BlobNotPaid,
    BlobUnknown,
    BodyDigest,
    BodySize,
    DeadlinePassed,
    HeaderNotPaid,
    NodeBusy,
    NoDuty,
    PayerQuota,
    RequestExpired,
    RequestMalformed,
    RowNotHeld,
    SenderNotDisperser,
    TooEarly,
    WrongRows,
)
from tests.support.da_network import (
    Site,
    Upload,
    a_node,
    a_request,
    a_site,
    an_upload,
    pay_for,
    pieces,
    send,
)


def refusal_of(site: Site, upload: Upload, body: bytes, **request: object) -> ApogeeError:
    """What a fresh node answers to this body; nothing of it may be kept."""
    node = a_node(site, 1)
    signed = a_request(site, upload.blob_id, body, **request)
    with pytest.raises(ApogeeError) as refused:
        asyncio.run(send(node, upload, signed, body))
    assert_nothing_kept(site, upload)
    return refused.value


def assert_nothing_kept(site: Site, upload: Upload) -> None:
    parts = site.parts[1]
    assert frozenset() == asyncio.run(parts.store.rows_held(upload.blob_id))
    assert asyncio.run(parts.journal.decisions()) == []


def changed(body: bytes, position: int) -> bytes:
    return body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]


def test_accept__exact_rows_of_a_paid_blob__durable_and_signed() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)

    signature = asyncio.run(
        send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body)
    )

    digest = attestation_digest(upload.view.attestation(), site.chain.domain())
    assert verify(upload.duty.key, digest, signature)
    assert set(upload.duty.rows) == asyncio.run(site.parts[1].store.rows_held(upload.blob_id))


def test_accept__second_delivery__same_signature_without_reading_the_body() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    request = a_request(site, upload.blob_id, upload.body)

    async def twice() -> tuple[bytes, bytes]:
        first = await send(node, upload, request, upload.body)
        second = await node.accept.accept(
            upload.blob_id, request, pieces(b""), declared_bytes=len(upload.body)
        )
        return first.compressed, second.compressed

    first, second = asyncio.run(twice())
    assert first == second


def test_accept__unpaid_blob__unknown() -> None:
    site = a_site(4)
    upload = replace(an_upload(site), blob_id=b"\x05" * 32)
    assert isinstance(refusal_of(site, upload, upload.body), BlobUnknown)


def test_accept__block_after_payment_missing__too_early() -> None:
    site = a_site(4, rules=ChainRules(blocks_after=0))
    terms, blob_id = pay_for(site, b"early")
    node = a_node(site, 1)
    request = a_request(site, blob_id, b"body")
    with pytest.raises(TooEarly):
        asyncio.run(node.accept.accept(blob_id, request, pieces(b"body"), declared_bytes=4))
    assert terms.days == 1


def test_accept__seed_not_deep_enough__too_early() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1, limits=NodeLimits(confirmations=3))
    request = a_request(site, upload.blob_id, upload.body)
    with pytest.raises(TooEarly):
        asyncio.run(send(node, upload, request, upload.body))

    site.chain.mine(2)

    assert asyncio.run(send(node, upload, request, upload.body))


def test_accept__after_the_deadline__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    site.chain.mine(seconds=901)
    assert isinstance(refusal_of(site, upload, upload.body), DeadlinePassed)


def test_accept__refunded_blob__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    site.chain.mine(seconds=901)
    site.chain.refund(upload.terms)
    assert isinstance(refusal_of(site, upload, upload.body), BlobNotPaid)


def test_accept__operator_without_rows__no_duty() -> None:
    site = a_site(4)
    upload = an_upload(site)
    site.secrets[9] = site.secrets[1]
    node = a_node(site, 9)
    request = a_request(site, upload.blob_id, upload.body, operator=9)
    with pytest.raises(NoDuty):
        asyncio.run(send(node, upload, request, upload.body))


def test_accept__stranger_signs_the_request__refused_before_the_body() -> None:
    site = a_site(4)
    upload = an_upload(site)
    stranger = LocalRequestSigner(b"\x08" * 32)
    node = a_node(site, 1)
    request = a_request(site, upload.blob_id, upload.body, signer=stranger)

    async def never_read() -> object:
        pytest.fail("the body was read")
        yield b""

    with pytest.raises(SenderNotDisperser):
        asyncio.run(
            node.accept.accept(
                upload.blob_id, request, never_read(), declared_bytes=len(upload.body)
            )
        )
    assert_nothing_kept(site, upload)


def test_accept__request_for_another_node__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    assert isinstance(refusal_of(site, upload, upload.body, operator=2), SenderNotDisperser)


@pytest.mark.parametrize("offset", [0, -1, 3_601])
def test_accept__expiry_past_or_too_far__refused(offset: int) -> None:
    site = a_site(4)
    upload = an_upload(site)
    expiry = site.chain.head().time + offset
    assert isinstance(refusal_of(site, upload, upload.body, expiry=expiry), RequestExpired)


def test_accept__high_s_signature__malformed() -> None:
    site = a_site(4)
    upload = an_upload(site)
    good = a_request(site, upload.blob_id, upload.body)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(good.signature[32:64], "big")
    twin = good.signature[:32] + s.to_bytes(32, "big") + bytes([55 - good.signature[64]])
    with pytest.raises(RequestMalformed):
        asyncio.run(send(a_node(site, 1), upload, replace(good, signature=twin), upload.body))


@pytest.mark.parametrize(
    ("cut", "error"),
    [
        (lambda body: body[:-1], BodySize),
        (lambda body: body + b"\x00", BodySize),
        (lambda body: b"", BodySize),
    ],
)
def test_accept__wrong_length__refused(cut: Callable[[bytes], bytes], error: type) -> None:
    site = a_site(4)
    upload = an_upload(site)
    assert isinstance(refusal_of(site, upload, cut(upload.body)), error)


@pytest.mark.parametrize("sent", [-1, 1])
def test_accept__body_unlike_its_declared_length__refused(sent: int) -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    request = a_request(site, upload.blob_id, upload.body)
    body = upload.body[:sent] if sent < 0 else upload.body + b"x"
    with pytest.raises(BodySize):
        asyncio.run(
            node.accept.accept(
                upload.blob_id, request, pieces(body), declared_bytes=len(upload.body)
            )
        )
    assert_nothing_kept(site, upload)


def test_accept__body_other_than_signed__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    request = a_request(site, upload.blob_id, upload.body)
    with pytest.raises(BodyDigest):
        asyncio.run(send(node, upload, request, changed(upload.body, 40_000)))
    assert_nothing_kept(site, upload)


def test_accept__rows_of_another_node__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    assert upload.view.duties is not None
    others = upload.view.duties.of(2)
    assert others is not None
    frame = upload.encoded.rows_frame(upload.blob_id, others.rows[: len(upload.duty.rows)])
    error = refusal_of(site, upload, upload.body[:HEADER_BYTES] + frame)
    assert isinstance(error, WrongRows)


def test_accept__frame_of_another_blob__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    frame = upload.encoded.rows_frame(b"\x01" * 32, upload.duty.rows)
    assert isinstance(refusal_of(site, upload, upload.body[:HEADER_BYTES] + frame), WrongRows)


def test_accept__duplicate_row_in_the_frame__refused() -> None:
    site = a_site(4)
    upload = an_upload(site)
    entry = 4 + 320 + upload.encoded.shape.row_bytes
    start = HEADER_BYTES + 44
    twice = upload.body[start : start + entry]
    body = upload.body[: start + entry] + twice + upload.body[start + 2 * entry :]
    assert isinstance(refusal_of(site, upload, body), FrameIndex)


@pytest.mark.parametrize(
    ("position", "error"),
    [
        (16, HeaderNotPaid),  # D
        (150, HeaderNotPaid),  # C
        (192, HeaderCombinationNotCanonical),  # y_0, its top byte becomes >= r
        (HEADER_BYTES + 44 + 4, PathMismatch),  # the first row's path
        (HEADER_BYTES + 44 + 324 + 31, PaddingNotZero),
    ],
)
def test_accept__one_changed_byte__named_refusal(position: int, error: type) -> None:
    site = a_site(4)
    upload = an_upload(site)
    body = changed(upload.body, position)
    if error is HeaderCombinationNotCanonical:
        body = body[:position] + b"\xff" + body[position + 1 :]
    assert isinstance(refusal_of(site, upload, body), error)


def test_accept__too_many_uploads__busy() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1, limits=NodeLimits(uploads=0))
    with pytest.raises(NodeBusy):
        asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))


def test_accept__payer_over_its_quota__refused_until_confirmed() -> None:
    site = a_site(4)
    upload = an_upload(site)
    size = len(upload.body)
    node = a_node(site, 1, limits=NodeLimits(payer_bytes=2 * size - 1))
    asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))
    second = an_upload(site, payload=b"another payload")
    request = a_request(site, second.blob_id, second.body)
    with pytest.raises(PayerQuota):
        asyncio.run(send(node, second, request, second.body))

    node.accept.discount(upload.blob_id)

    assert asyncio.run(send(node, second, request, second.body))


def test_accept__failed_upload__gives_its_quota_back() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1, limits=NodeLimits(payer_bytes=len(upload.body)))
    bad = changed(upload.body, HEADER_BYTES + 50)
    with pytest.raises(PathMismatch):
        asyncio.run(send(node, upload, a_request(site, upload.blob_id, bad), bad))

    good = a_request(site, upload.blob_id, upload.body)

    assert asyncio.run(send(node, upload, good, upload.body))


def test_signature__rows_not_here__not_held() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    with pytest.raises(RowNotHeld):
        asyncio.run(node.accept.signature(upload.blob_id))


def test_signature__rows_here_and_confirmed_since__same_signature() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    first = asyncio.run(
        send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body)
    )
    site.chain.mine(seconds=1_000)
    assert first.compressed == asyncio.run(node.accept.signature(upload.blob_id)).compressed


def test_inv_da_6__reorg_moves_the_seed__another_pair_is_another_decision() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))
    site.chain.rewind(0)
    site.chain.pay(upload.terms)
    view = site.chain.view(upload.blob_id, at=site.chain.head().block)
    assert view.duties is not None
    duty = view.duties.of(1)
    assert duty is not None
    body = upload.body[:HEADER_BYTES] + upload.encoded.rows_frame(upload.blob_id, duty.rows)

    signature = asyncio.run(send(node, upload, a_request(site, upload.blob_id, body), body))

    assert verify(duty.key, attestation_digest(view.attestation(), site.chain.domain()), signature)
    decisions = asyncio.run(site.parts[1].journal.decisions())
    assert len({decision.seed for decision in decisions}) == 2


def test_inv_da_6__journal_holds_another_digest__refuses_to_sign() -> None:
    site = a_site(4)
    upload = an_upload(site)
    node = a_node(site, 1)
    asyncio.run(send(node, upload, a_request(site, upload.blob_id, upload.body), upload.body))
    journal = site.parts[1].journal
    [decision] = asyncio.run(journal.decisions())
    asyncio.run(journal.forget([upload.blob_id]))
    asyncio.run(journal.record(replace(decision, digest=b"\x09" * 32)))
    with pytest.raises(AlreadySigned):
        asyncio.run(node.accept.signature(upload.blob_id))


def test_body_bytes__whole_matrix_of_one_signer__bounded() -> None:
    site = a_site(1)
    upload = an_upload(site)
    assert len(upload.body) == body_bytes(upload.encoded.shape, N)
    assert len(upload.duty.rows) > K
