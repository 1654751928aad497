"""Signatures of vouchers and receipts, in the one form of offchain/core/ecdsa.py."""

from typing import Final

from offchain.compute.model import (
    Receipt,
    SignedReceipt,
    SignedVoucher,
    Voucher,
)
from offchain.core import ecdsa
from offchain.core.ecdsa import DigestSigner, signer_of

SIGNATURE_BYTES: Final = ecdsa.SIGNATURE_BYTES
__all__ = [
    "SIGNATURE_BYTES",
    "DigestSigner",
    "sign_receipt",
    "sign_voucher",
    "signer_of",
]


def sign_voucher(voucher: Voucher, signer: DigestSigner, domain: bytes) -> SignedVoucher:
    """By the payer, or by a delegate of his."""
    return SignedVoucher(voucher, signer.sign_digest(voucher.digest(domain)))


def sign_receipt(receipt: Receipt, signer: DigestSigner, domain: bytes) -> SignedReceipt:
    """By the service's signer."""
    return SignedReceipt(receipt, signer.sign_digest(receipt.digest(domain)))
