"""Two receipts of one disperser for one place in a blob: contradiction is punished, no more."""

from dataclasses import dataclass, replace
from typing import Any

import boa
import pytest
from eth_account import Account

from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.da.accuse import ReceiptEquivocation, encode_receipt_equivocation, receipt_subject
from offchain.da.model import Blob, dispersal_digest, domain_separator
from offchain.da.receipts import ItemStatement, SignedItemReceipt, item_receipt_digest
from tests.support.da import DaSite, a_blob, draw, pay, raw
from tests.support.da_challenges import DA_EQUIVOCATION, wire_court
from tests.support.staking import (
    COIN,
    DA,
    a_key,
    a_wallet,
    key_bytes,
    next_epoch,
    proof_of_possession,
)

NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Promise:
    """A disperser that signed two items into one place."""

    site: DaSite
    account: Any
    operator_id: int
    blob: Blob
    blob_id: bytes

    def statement(self, item: bytes, number: int = 7) -> ItemStatement:
        return ItemStatement.about(self.blob_id, number, item)

    def sign(self, statement: ItemStatement, account: Any = None, domain: bytes = b"") -> Any:
        digest = item_receipt_digest(statement, domain or self.site.domain())
        signature = bytes((account or self.account).unsafe_sign_hash(digest).signature)
        return SignedItemReceipt(statement, signature)

    def evidence(self, first: Any, second: Any) -> bytes:
        return encode_receipt_equivocation(ReceiptEquivocation(self.blob, first, second))

    def adjudicate(self, first: Any, second: Any) -> tuple[Any, ...]:
        evidence = self.evidence(first, second)
        return tuple(self.site.challenges.adjudicate(DA_EQUIVOCATION, evidence))


@pytest.fixture
def promise(site: DaSite) -> Promise:
    wire_court(site)
    account = Account.from_key(keccak(b"disperser key"))
    boa.env.set_balance(account.address, 10**9 * COIN)
    key = a_key(920)
    proof = proof_of_possession(site.staking, account.address, key)
    registry = site.staking.registry
    operator_id = registry.register(key_bytes(key), proof, sender=account.address)
    site.stake.join(DA, 0, value=100 * COIN, sender=account.address)
    next_epoch()
    draw(site)
    payer = a_wallet("payer")
    blob = a_blob(payer, account.address)
    digest = dispersal_digest(site.blob_id(blob), site.domain())
    signature = bytes(account.unsafe_sign_hash(digest).signature)
    blob_id = pay(site, blob, authorisation=signature)
    return Promise(site, account, operator_id, blob, blob_id)


def test_inv_da_16__two_items_in_one_place__name_the_disperser_and_the_place(
    promise: Promise,
) -> None:
    first = promise.sign(promise.statement(b"one"))
    second = promise.sign(promise.statement(b"two"))

    found = promise.adjudicate(first, second)

    subject = receipt_subject(promise.blob_id, 7)
    epoch = promise.site.record(promise.blob_id).epoch
    pool = promise.operator_id << 8 | DA
    assert found == (DA_EQUIVOCATION, pool, epoch, subject, 0, NOBODY, 0)
    assert subject == promise.site.challenges.receipt_subject(promise.blob_id, 7)
    assert promise.adjudicate(second, first) == found


def test_inv_da_16__other_length_of_the_same_hash__is_a_contradiction(promise: Promise) -> None:
    honest = promise.statement(b"one")

    found = promise.adjudicate(promise.sign(honest), promise.sign(replace(honest, length=9)))

    assert found[1] == promise.operator_id << 8 | DA


def test_inv_da_16__same_receipt_twice__is_no_offence(promise: Promise) -> None:
    """Two signatures over one statement are not two statements."""
    first = promise.sign(promise.statement(b"one"))

    with boa.reverts("equivocation: same receipt"):
        promise.adjudicate(first, first)


def test_inv_da_16__receipts_for_two_places_or_blobs__are_no_offence(promise: Promise) -> None:
    first = promise.sign(promise.statement(b"one"))
    elsewhere = promise.sign(promise.statement(b"two", 8))
    other_blob = promise.sign(ItemStatement.about(keccak(b"other"), 7, b"two"))
    for other in (elsewhere, other_blob):
        forged = replace(other, statement=promise.statement(b"two"))
        with boa.reverts("equivocation: wrong signature"):
            promise.adjudicate(first, forged)


def test_inv_da_16__somebody_elses_signature__is_refused(promise: Promise) -> None:
    site, stranger = promise.site, Account.from_key(keccak(b"stranger key"))
    one, two = promise.statement(b"one"), promise.statement(b"two")
    other_chain = domain_separator(chain_id=site.chain_id + 1, entrance=raw(site.entrance.address))
    for wrong in (
        promise.sign(two, stranger),
        promise.sign(two, domain=other_chain),
        promise.sign(two, domain=domain_separator(chain_id=site.chain_id, entrance=bytes(20))),
    ):
        with boa.reverts("equivocation: wrong signature"):
            promise.adjudicate(promise.sign(one), wrong)


def test_inv_da_16__high_s_or_no_signature__is_refused(promise: Promise) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    one, two = promise.sign(promise.statement(b"one")), promise.sign(promise.statement(b"two"))
    s = int.from_bytes(two.signature[32:64], "big")
    mirrored = two.signature[:32] + (order - s).to_bytes(32, "big") + two.signature[64:]
    with boa.reverts("ecdsa: invalid signature `s` value"):
        promise.adjudicate(one, replace(two, signature=mirrored))
    with boa.reverts("ecdsa: invalid signature"):
        promise.adjudicate(one, replace(two, signature=bytes(65)))


def test_receipts__blob_never_paid__is_refused(promise: Promise) -> None:
    unpaid = replace(promise.blob, salt=keccak(b"unpaid"))
    ghost = replace(promise, blob=unpaid, blob_id=promise.site.blob_id(unpaid))
    first, second = ghost.sign(ghost.statement(b"one")), ghost.sign(ghost.statement(b"two"))

    with boa.reverts("da_challenges: never paid"):
        ghost.adjudicate(first, second)


def test_receipts__wrong_length__is_refused(promise: Promise) -> None:
    evidence = promise.evidence(
        promise.sign(promise.statement(b"one")), promise.sign(promise.statement(b"two"))
    )
    for wrong in (evidence[:-1], evidence + b"\0", evidence + bytes(32)):
        with boa.reverts("equivocation: wrong length"):
            promise.site.challenges.adjudicate(DA_EQUIVOCATION, wrong)


def test_report__contradictory_receipts__slash_the_disperser_once(promise: Promise) -> None:
    site, reporter, salt = promise.site, a_wallet("reporter"), keccak(b"salt")
    evidence = promise.evidence(
        promise.sign(promise.statement(b"one")), promise.sign(promise.statement(b"two"))
    )
    site.court.commit(keccak(words(keccak(evidence), raw(reporter), salt)), sender=reporter)
    boa.env.evm.patch.block_number += 1

    site.court.report(DA_EQUIVOCATION, evidence, salt, sender=reporter)

    pool, epoch = promise.operator_id << 8 | DA, site.record(promise.blob_id).epoch
    assert site.stake.slashed_at(pool, epoch) == 30 * COIN
    assert site.court.credit_of(reporter) == 6 * COIN
    third = promise.evidence(
        promise.sign(promise.statement(b"one")), promise.sign(promise.statement(b"three"))
    )
    with boa.reverts("court: punished already"):
        site.court.report(DA_EQUIVOCATION, third, salt, sender=reporter)
    assert site.stake.slashed_at(pool, epoch) == 30 * COIN
