"""Disputes over void or dead evidence: `apogee compute dispute`, and the worker's for this home.

An answer's receipt is shown to ReceiptCourt as its provider opens the batch; the payer has the
price back.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from offchain.apps.compute import attempt_of
from offchain.apps.compute_jobs import OpenSender, sending_with
from offchain.apps.gateway_compute import BOOK, ROLE, open_book
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import SETTLED_DEPTH, Network
from offchain.apps.settings import GatewaySettings, read_settings
from offchain.apps.stake import Actor
from offchain.attestation.onchain_registry import AttestationState, Voided
from offchain.chain.followed import Followed
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, Block
from offchain.compute.adapters.chain_record import ChainRecord
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.dispute import NothingWrong, NotSettledYet, is_disputable, opening_in
from offchain.compute.errors import ReceiptUnknown
from offchain.compute.forms import parse_receipt_json, show
from offchain.compute.model import Receipt
from offchain.compute.onchain_receipt_court import ComputeOffence, OffenceProven
from offchain.compute.shown import ShownItem, ShownLeaf
from offchain.gateway.book import Book
from offchain.jobs.disputes import DisputeJobs, DisputeParts
from offchain.node.disk import LocalDisk

MOST: Final = 256  # answers over one attestation that are disputed at a time
NO_EVIDENCE: Final = f'"attestationId":"{show(bytes(32))}"'  # in a receipt as the book keeps it


def dispute(one: Actor, answer: str) -> int:
    """Open a receipt of the gateway's book in ReceiptCourt; the payer has its price back.

    Raises: ReceiptUnknown, NothingWrong, NotSettledYet, LeavesBroken, ProviderUnreachable.
    """
    receipt = _receipt_in(attempt_of(one.home, answer).receipt)
    if receipt is None:
        raise ReceiptUnknown
    return dispute_receipt(one, receipt)


def dispute_receipt(one: Actor, receipt: Receipt) -> int:
    """As `dispute`, of a receipt at hand; the actor's key is its payer's."""
    network, block = one.network, one.network.node.block()
    at = block.hash
    state = network.attestations.verdict(receipt.attestation_id, at=at).state
    is_void = state is AttestationState.VOID

    def stood(attestation_id: bytes, time: int) -> bool:
        return network.attestations.stood(attestation_id, time, at=at)

    if not is_disputable(receipt, stood, is_void=is_void):
        raise NothingWrong(request_id=receipt.request_id.hex())
    opening = OwnReceipts(network, one.home, one.role).opening(receipt, block)
    if opening is None:
        raise NotSettledYet(request_id=receipt.request_id.hex())
    item, leaf = opening
    call = network.receipts.prove(ComputeOffence.BAD_SIGNER, item, leaf)
    mined = one.send(call, f"compute.dispute:{receipt.request_id.hex()}")
    [proven] = network.receipts.events_in(OffenceProven, mined.logs)
    return one.say(
        {
            "batch": item.batch,
            "evidence": "void" if is_void else "never stood",
            "refunded": str(proven.refunded),
            "stake_asked_wei": str(proven.amount),
            "transaction": "0x" + mined.transaction_hash.hex(),
        }
    )


def dispute_jobs(
    network: Network, home: Home, sender_address: Address, open_sender: OpenSender
) -> DisputeJobs:
    """The worker's: answers in this home's book whose evidence is void or dead."""
    return DisputeJobs(
        DisputeParts(
            node=network.node,
            registry=network.attestations,
            voided=Followed(
                network.node,
                network.attestations,
                Voided,
                indexed={},
                first_block=network.deployments.first_block(),
                depth=SETTLED_DEPTH,
            ),
            court=network.receipts,
            answers=OwnReceipts(network, home, ROLE),
            disk=LocalDisk(),
            folder=home.jobs / "disputes",
            sender_address=sender_address,
            sending=sending_with(open_sender),
        )
    )


@dataclass(frozen=True, slots=True)
class OwnReceipts:
    """An `OwnAnswers` over the gateway's book; `role` pays, or signs for who pays."""

    network: Network
    home: Home
    role: str

    def resting_on(self, attestation_id: bytes) -> Sequence[Receipt]:
        with self._book() as book:
            kept = [] if book is None else book.answers_naming(show(attestation_id), most=MOST)
        found = [_receipt_in(one.receipt) for one in kept]
        return [one for one in found if one and one.attestation_id == attestation_id]

    def attested(self, since: int, most: int) -> Sequence[tuple[int, Receipt]]:
        with self._book() as book:
            kept = [] if book is None else book.answers_without(NO_EVIDENCE, since=since, most=most)
        found = [(at, _receipt_in(one.receipt)) for at, one in kept]
        return [(at, one) for at, one in found if one is not None]

    def find(self, request_id: bytes) -> Receipt | None:
        with self._book() as book:
            attempt = None if book is None else book.attempt(request_id)
        return None if attempt is None else _receipt_in(attempt.receipt)

    def opening(self, receipt: Receipt, block: Block) -> tuple[ShownItem, ShownLeaf] | None:
        network = self.network
        first = network.deployments.first_block()
        marks = ChainRecord(network.escrow, network.attestations, network.node, first)
        settled = marks.settled(receipt, at=block.hash)
        if settled is None:
            return None
        found = asyncio.run(self._leaves(receipt, settled.batch, block))
        posted = network.escrow.batch(settled.batch, at=block.hash)
        return opening_in(found, receipt, posted)

    async def _leaves(self, receipt: Receipt, batch: int, block: Block) -> dict[str, object]:
        """What the provider shows its payer of a batch."""
        endpoint = self.network.services.service(receipt.service, at=block.hash).endpoint
        signer = LocalSigner.from_secret(Keystore(self.home.keys).account(self.role).secret)
        async with HttpProviderClient() as client:
            return await client.shown_leaves(
                endpoint, batch, signer, provider=receipt.provider, time=block.timestamp
            )

    @contextmanager
    def _book(self) -> Iterator[Book | None]:
        """None in a home that never bought. Raises: BookUnreachable."""
        url = read_settings(GatewaySettings, home=self.home.root).book_url
        if url is None and not (self.home.gateway / BOOK).exists():
            yield None
            return
        book = open_book(self.home, None if url is None else url.get_secret_value())
        try:
            yield book
        finally:
            book.close()


def _receipt_in(kept: str | None) -> Receipt | None:
    """Out of what the book keeps of an answer."""
    if kept is None:
        return None
    found = json.loads(kept)
    return parse_receipt_json(found["receipt"], found["signature"]).receipt
