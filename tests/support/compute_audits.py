"""A posted batch with its evidence on shelves, and auditors around it, in memory."""

from dataclasses import dataclass
from pathlib import Path

from offchain.compute.adapters.memory_audits import MemoryAudits
from offchain.compute.answers import Route
from offchain.compute.audit_draw import Span
from offchain.compute.batch import BatchItem
from offchain.compute.batch_shelf import Opened, Posted
from offchain.compute.bundle_shelf import BundleShelf
from offchain.compute.evidence import Evidence, MemoryEvidence
from offchain.compute.judge_draw import BatchFacts
from offchain.compute.model import NATIVE_COIN, SignedReceipt
from offchain.compute.seal import SealAudits, SealParts
from offchain.compute.signatures import sign_receipt
from offchain.node.disk import LocalDisk
from tests.support.compute import (
    DOMAIN,
    NOW,
    PROVIDER,
    SIGNER,
    STRANGER,
    Answered,
    a_row,
    a_service,
    a_voucher,
)

AUDITORS = {1: bytes([1]) * 20, 2: bytes([2]) * 20, 3: bytes([3]) * 20}


class OneBatch:
    """A `BatchShelf` of one batch that was posted."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def batches(self) -> list[Posted]:
        return [self._opened.posted]

    def opened(self, batch: int) -> Opened:
        assert batch == self._opened.posted.id
        return self._opened


@dataclass
class Trial:
    """What a provider posted as batch 1, and the audit of it."""

    opened: Opened
    evidence: MemoryEvidence
    audits: MemoryAudits
    folder: Path

    @property
    def whole(self) -> Span:
        return Span(0, self.opened.tree.root.total - 1)

    def seal(self) -> SealAudits:
        """The provider's side."""
        shelf = BundleShelf(LocalDisk(), self.folder / "provider")
        batches = OneBatch(self.opened)
        return SealAudits(SealParts(self.audits, self.audits, batches, self.evidence, shelf))

    def facts(self) -> BatchFacts:
        """What the chain says of the batch."""
        return BatchFacts(
            service=a_service(),
            domain=DOMAIN,
            root=self.opened.tree.root.hash,
            items=len(self.opened.items),
            row=lambda version: a_row(version=version),
            signer_at=lambda _: SIGNER.address,
        )


def an_answer(nonce: int, *, payer: bytes, words: int, **changes: object) -> Answered:
    """Paid answer number `nonce`; its buyer forbids audits, as long as nothing else is said."""
    voucher = a_voucher(payer=payer, nonce=nonce)
    return Answered(voucher=voucher, output_tokens=words).change(**changes)


def a_trial(folder: Path, *, payers: int = 2, leaves: int = 3, **changes: object) -> Trial:
    """A batch of `payers` items with `leaves` answers each, of rising prices."""
    evidence, items = MemoryEvidence(), []
    for payer in range(payers):
        account = bytes([0xA0 + payer]) * 20
        answers = [
            an_answer(nonce, payer=account, words=nonce + payer, **changes)
            for nonce in range(1, leaves + 1)
        ]
        signed = [_kept(evidence, one) for one in answers]
        claim = sum(one.receipt.price for one in signed)
        items.append(BatchItem(account, a_service().id, 1, NATIVE_COIN, claim, 0, tuple(signed)))
    posted = Posted(1, bytes(32), a_service().id, NATIVE_COIN)
    accounts = {account: one for one, account in AUDITORS.items()}
    accounts |= {PROVIDER.address: 9, STRANGER.address: 10}
    return Trial(Opened.of(posted, tuple(items)), evidence, MemoryAudits(accounts, NOW), folder)


def _kept(evidence: MemoryEvidence, answered: Answered) -> SignedReceipt:
    signed = sign_receipt(answered.receipt(), SIGNER, DOMAIN)
    evidence.keep(
        Evidence.of(
            Route.CHAT,
            signed,
            answered.canonical(),
            answered.commitment(),
            voucher_digest=answered.voucher.digest(DOMAIN),
            audited_body=None,
        )
    )
    return signed
