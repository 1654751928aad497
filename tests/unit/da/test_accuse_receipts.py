"""Two receipts for one place: found only where both are the disperser's and contradict."""

from dataclasses import replace

import pytest

from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.da.accuse import (
    accusation_of,
    encode_receipt_equivocation,
    find_receipt_equivocation,
    receipt_subject,
)
from offchain.da.adapters.request_signer import LocalRequestSigner
from offchain.da.model import Blob, domain_separator
from offchain.da.receipts import ItemStatement, SignedItemReceipt, sign_item_receipt
from offchain.da.refusals import NoEquivocation

DISPERSER, REPORTER = LocalRequestSigner(b"\x0a" * 32), LocalRequestSigner(b"\x0b" * 32)
DOMAIN = domain_separator(chain_id=1, entrance=bytes(20))
BLOB_ID = keccak(b"blob")
BLOB = Blob(
    DISPERSER.address, DISPERSER.address, bytes(32), bytes(32), 8, 1_000, 14, keccak(b"salt")
)


def receipt(
    item: bytes, number: int = 7, signer: LocalRequestSigner = DISPERSER
) -> SignedItemReceipt:
    return sign_item_receipt(ItemStatement.about(BLOB_ID, number, item), signer, DOMAIN)


def test_find_receipt_equivocation__two_items_in_one_place__is_evidence_of_608_bytes() -> None:
    case = find_receipt_equivocation(BLOB, receipt(b"one"), receipt(b"two"), DOMAIN)

    evidence = encode_receipt_equivocation(case)

    assert len(evidence) == 608
    assert evidence[256:288] == (7).to_bytes(32, "big")
    assert evidence[288:320] == keccak(b"one")
    assert evidence[448:480] == keccak(b"two")
    assert evidence[447] in {27, 28}
    accusation = accusation_of(case, REPORTER)
    expected = keccak(words(keccak(evidence), REPORTER.address, accusation.salt))
    assert (accusation.evidence, accusation.commitment) == (evidence, expected)


def test_find_receipt_equivocation__no_contradiction_or_other_signer__is_refused() -> None:
    first = receipt(b"one")
    wrong = [
        receipt(b"one"),
        receipt(b"two", 8),
        receipt(b"two", signer=REPORTER),
        replace(receipt(b"two"), statement=ItemStatement.about(BLOB_ID, 7, b"three")),
    ]
    for other in wrong:
        with pytest.raises(NoEquivocation):
            find_receipt_equivocation(BLOB, first, other, DOMAIN)


def test_receipt_subject__names_one_place() -> None:
    assert receipt_subject(BLOB_ID, 7) != receipt_subject(BLOB_ID, 8)
    assert receipt_subject(BLOB_ID, 7) != receipt_subject(keccak(b"other"), 7)
