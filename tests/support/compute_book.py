"""Wishes, receipts and served requests of the book of reservations."""

from dataclasses import replace

from offchain.compute.model import Finish, Receipt, SignedVoucher, request_id
from offchain.compute.reserve import ReservationBook, Wish
from offchain.compute.signatures import sign_receipt, sign_voucher
from offchain.core.hashing import keccak
from tests.support.compute import DOMAIN, NOW, PAYER, SIGNER, Answered, a_voucher


def a_wish(
    nonce: int = 1, *, cap: int = 100, hold: int = 10, body: bytes = b"", **said: int
) -> Wish:
    voucher = sign_voucher(a_voucher(nonce=nonce, cap=cap, **said), PAYER, DOMAIN)
    return Wish(id_of(voucher, body), voucher, hold)


def id_of(voucher: SignedVoucher, body: bytes = b"") -> bytes:
    return request_id(voucher.voucher.digest(DOMAIN), keccak(body))


def a_receipt(wish: Wish, price: int, finish: Finish = Finish.STOP) -> Receipt:
    voucher = wish.voucher.voucher
    return replace(
        Answered(voucher=voucher).receipt(),
        request_id=wish.request_id,
        price=price,
        finish=finish,
        time=NOW,
    )


async def serve(book: ReservationBook, wish: Wish, price: int) -> None:
    await book.reserve(wish)
    await book.answer(sign_receipt(a_receipt(wish, price), SIGNER, DOMAIN))
