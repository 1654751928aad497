"""Payments, certificates and refunds as transactions, each under the key of its effect."""

from collections.abc import Callable

from offchain.chain.model import Receipt, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.hashing import keccak
from offchain.da.duties import BlobTerms
from offchain.da.model import Certificate, blob_id, dispersal_digest, domain_separator
from offchain.da.onchain import DAEntranceClient
from offchain.da.ports import Settlement

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
        sender: TransactionSender,
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
        authorisation = b""
        if self._authorise is not None and terms.payer != terms.disperser:
            domain = domain_separator(
                chain_id=self._reader.chain_id(), entrance=self._entrance.address
            )
            authorisation = self._authorise(dispersal_digest(identifier, domain))
        call = self._entrance.pay(terms.blob(), terms.commitment, authorisation, value_wei=fee)
        return self._execute(call, f"da.pay:{identifier.hex()}", fee)

    def confirm(self, terms: BlobTerms, certificate: Certificate) -> Settlement:
        call = self._entrance.confirm(terms.blob(), certificate)
        which = keccak(certificate.encoded_absent(), certificate.signature.compressed)[:8].hex()
        return self._execute(call, f"da.confirm:{self.blob_id(terms).hex()}:{which}")

    def refund(self, terms: BlobTerms) -> Settlement:
        call = self._entrance.refund(terms.blob())
        fee = self._entrance.record(self.blob_id(terms), at=self._reader.block().hash).fee
        return self._execute(call, f"da.refund:{self.blob_id(terms).hex()}", fee)

    def _execute(self, call: TypedCall, key: str, value_wei: int = 0) -> Settlement:
        receipt = self._sender.execute(call, key=key, confirmations=self._confirmations)
        return settlement_of(receipt, value_wei)


def settlement_of(receipt: Receipt, value_wei: int = 0) -> Settlement:
    """A mined transaction in this domain's words."""
    return Settlement(receipt.transaction_hash, receipt.gas_used, value_wei)
