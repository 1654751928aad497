"""Payments, certificates and refunds as transactions, each under the key of its effect."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from offchain.chain.due import execute_due
from offchain.chain.model import Receipt, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.reverts import error_for
from offchain.core.errors import ApogeeError, Conflict, Rejected
from offchain.core.hashing import keccak
from offchain.da.duties import BlobTerms
from offchain.da.model import Certificate, blob_id, dispersal_digest, domain_separator
from offchain.da.onchain import CertificateRejected, DAEntranceClient
from offchain.da.ports import Outcome, Settlement
from offchain.da.till_desk import one_by_one
from offchain.node.leased_sender import SendsMany

MAX_ABSENT_TOGETHER: Final = 64  # of each certificate in DAEntrance.confirm_many
Authorise = Callable[[bytes], bytes]  # the disperser's signature of a digest, 65 bytes


class ChainTill:
    """A `BlobTill` whose sender is the payer.

    `authorise` signs with the disperser's key and is needed only when payer and disperser belong to
    different operators.
    """

    def __init__(
        self,
        reader: ChainReader,
        entrance: DAEntranceClient,
        sender: SendsMany,
        *,
        authorise: Authorise | None = None,
        confirmations: int = 1,
    ) -> None:
        self._reader = reader
        self._entrance = entrance
        self._sender = sender
        self._authorise = authorise
        self._confirmations = confirmations

    def blob_id(self, terms: BlobTerms) -> bytes:
        chain_id = self._reader.chain_id()
        return blob_id(terms.blob(), chain_id=chain_id, entrance=self._entrance.address)

    def quote(self, length: int, days: int) -> int:
        return self._entrance.quote(length, days, at=self._reader.block().hash)

    def pay(self, terms: BlobTerms) -> Settlement:
        identifier = self.blob_id(terms)
        fee = self.quote(terms.shape.length, terms.days)
        return self._execute(self._payment(terms, fee), f"da.pay:{identifier.hex()}", fee)

    def _payment(self, terms: BlobTerms, fee: int) -> TypedCall:
        identifier = self.blob_id(terms)
        authorisation = b""
        if self._authorise is not None and terms.payer != terms.disperser:
            domain = domain_separator(
                chain_id=self._reader.chain_id(), entrance=self._entrance.address
            )
            authorisation = self._authorise(dispersal_digest(identifier, domain))
        return self._entrance.pay(terms.blob(), terms.commitment, authorisation, value_wei=fee)

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        call = self._entrance.confirm(terms.blob(), certificate)
        which = keccak(_mark(b"", certificate))[:8].hex()
        return self._execute(call, f"da.confirm:{self.blob_id(terms).hex()}:{which}")

    def pay_many(self, orders: Sequence[BlobTerms]) -> list[Outcome]:
        """Payments side by side in the same blocks; one that is refused leaves the others."""
        if len(orders) == 1:
            return one_by_one(self.pay, orders)
        fees = [self.quote(terms.shape.length, terms.days) for terms in orders]
        keys = [f"da.pay:{self.blob_id(terms).hex()}" for terms in orders]
        calls = [self._payment(terms, fee) for terms, fee in zip(orders, fees, strict=True)]
        try:
            handles = self._sender.send_many(list(zip(keys, calls, strict=True)))
        except ApogeeError:  # all are unsent: each finds out by itself what it is refused
            return one_by_one(self.pay, orders)
        return one_by_one(
            lambda sent: settlement_of(
                self._sender.wait(sent[0], confirmations=self._confirmations), sent[1]
            ),
            list(zip(handles, fees, strict=True)),
        )

    def confirm_many(self, orders: Sequence[tuple[BlobTerms, Certificate]]) -> list[Outcome]:
        """One transaction for all; where that is refused as a whole, one for each."""
        alone = partial(one_by_one, lambda order: self.confirm(*order))
        most_absent = max(len(certificate.absent) for _, certificate in orders)
        if len(orders) == 1 or most_absent > MAX_ABSENT_TOGETHER:
            return alone(orders)
        pairs = [(terms.blob(), certificate) for terms, certificate in orders]
        which = keccak(*(_mark(self.blob_id(terms), one) for terms, one in orders))[:16].hex()
        try:
            receipt = self._sender.execute(
                self._entrance.confirm_many(pairs),
                key=f"da.confirm_many:{which}",
                confirmations=self._confirmations,
            )
        except (Rejected, Conflict):
            return alone(orders)
        refused = {
            event.blob_id: error_for(
                event.text, self._entrance.contract, "confirm", self._entrance.reverts
            )
            for event in self._entrance.events_in(CertificateRejected, receipt.logs)
        }
        share = replace(settlement_of(receipt), gas_used=receipt.gas_used // len(orders))
        return [refused.get(self.blob_id(terms), share) for terms, _ in orders]

    def refund(self, terms: BlobTerms) -> Settlement:
        call = self._entrance.refund(terms.blob())
        fee = self._entrance.record(self.blob_id(terms), at=self._reader.block().hash).fee
        return self._execute(call, f"da.refund:{self.blob_id(terms).hex()}", fee)

    def _execute(self, call: TypedCall, key: str, value_wei: int = 0) -> Settlement:
        # The entrance takes a payment or a certificate of one blob once, so what a deep
        # reorganisation took may be sent again.
        receipt = execute_due(self._sender, call, key=key, confirmations=self._confirmations)
        return settlement_of(receipt, value_wei)


def _mark(identifier: bytes, certificate: Certificate) -> bytes:
    """What tells one certificate of a blob from another."""
    return identifier + certificate.encoded_absent() + certificate.signature.compressed


def settlement_of(receipt: Receipt, value_wei: int = 0) -> Settlement:
    """A mined transaction in this domain's words."""
    return Settlement(receipt.transaction_hash, receipt.gas_used, value_wei)
