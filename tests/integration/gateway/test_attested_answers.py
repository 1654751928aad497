"""Which answers the worker looks at for dead evidence: those whose kept receipt names some."""

from dataclasses import replace
from pathlib import Path

from offchain.apps.disputes import NO_EVIDENCE
from offchain.compute.model import NATIVE_COIN, SignedReceipt, SignedVoucher, Voucher
from offchain.gateway.book import Book
from offchain.gateway.book_model import Close, Floor, LaneKey, Open
from offchain.gateway.sale import receipt_text
from tests.support.compute import Answered


def test_answers_without__no_evidence__are_those_whose_receipt_names_some(tmp_path: Path) -> None:
    receipt, book = Answered().receipt(), Book.in_file(tmp_path / "book", lambda: 100)
    lane = LaneKey(receipt.provider, NATIVE_COIN)
    terms = (receipt.payer, receipt.provider, receipt.service, 1, NATIVE_COIN, 0, 9, 2**40, 9)
    voucher = SignedVoucher(Voucher(*terms), b"\x01" * 65)
    for nonce, named in enumerate((bytes(32), b"\x07" * 32), 1):
        one = replace(receipt, request_id=bytes([nonce]) * 32, attestation_id=named)
        hashed, floor = receipt.request_hash, Floor(available=100)
        book.apply([Open(lane, floor, 5, receipt.service, 1, 2**40, hashed)])
        kept = receipt_text(voucher, SignedReceipt(one, b"\x01" * 65), None)
        book.apply([Close(lane, nonce, 5, one.request_id, kept)])

    found = book.answers_without(NO_EVIDENCE, since=0, most=9)

    assert [(at, attempt.nonce) for at, attempt in found] == [(100, 2)]
    book.close()
