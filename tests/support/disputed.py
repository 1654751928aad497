"""Answers that a home bought of an attested service, settled on chain and kept in its book."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from fastapi import FastAPI, Request

from offchain.apps.compute_clients import escrow_clients
from offchain.apps.disputes import dispute_jobs
from offchain.apps.gateway_compute import ROLE as GATEWAY
from offchain.apps.gateway_compute import open_book
from offchain.apps.keystore import Keystore
from offchain.apps.network import address_of, open_sender
from offchain.apps.stake import Actor
from offchain.apps.storage_jobs import WORKER_ROLE
from offchain.chain.keys import LocalSigner
from offchain.compute.adapters.chain_escrow import ChainSettleDesk
from offchain.compute.asks import ASK_HEADER
from offchain.compute.batch import BatchItem, SettleItem
from offchain.compute.batch_shelf import Opened, Posted
from offchain.compute.model import NATIVE_COIN, SignedReceipt, Voucher, price_of
from offchain.compute.show_provider import item_json
from offchain.compute.signatures import sign_receipt, sign_voucher
from offchain.core.hashing import keccak
from offchain.gateway.book_model import Close, Floor, LaneKey, Open
from offchain.gateway.sale import receipt_text
from offchain.jobs.disputes import DisputeJobs
from offchain.jobs.model import Job, JobKind, Outcome
from tests.support.attested import Attested
from tests.support.compute import Answered
from tests.support.da_chain import DaChain

DEPOSIT = 10**12
TOKENS = (5, 40)  # of a prompt and its answer


@dataclass(frozen=True)
class Bought:
    """Some answers of one batch; `payer` is the home's gateway."""

    world: Attested
    payer: Actor
    opened: Opened

    @property
    def receipts(self) -> list[SignedReceipt]:
        return list(self.opened.items[0].leaves)

    def free(self) -> int:
        """What the escrow owes the payer."""
        return self.world.network.escrow.free_of(self.payer.address, NATIVE_COIN, at=self.payer.at)

    def show_leaves(self, app: FastAPI) -> None:
        """The provider's route for its payers."""

        @app.get("/v1/batches/{batch}/leaves")
        async def leaves(batch: int, request: Request) -> dict[str, object]:
            assert request.headers[ASK_HEADER]
            return {"batch": batch, "items": [item_json(self.opened, 0)]}


@dataclass
class Disputes:
    """The worker's disputes for the home."""

    chain: DaChain
    jobs: DisputeJobs

    @classmethod
    def of(cls, world: Attested) -> "Disputes":
        worker = Keystore(world.home.keys).account(WORKER_ROLE)
        opening = partial(open_sender, world.network, world.home, WORKER_ROLE, worker)
        jobs = dispute_jobs(world.network, world.home, address_of(worker), opening)
        return cls(world.chain, jobs)

    def due(self) -> list[Job]:
        return list(self.jobs.find_due(self.chain.node.block()))

    def do(self, job: Job) -> Outcome:
        do: Callable[[str], Outcome] = self.jobs.handlers()[JobKind.DISPUTE_ANSWER]
        return do(job.subject)


def bought(world: Attested, *named: bytes) -> Bought:
    """An answer for each evidence named, paid from the home's deposit, settled in one batch."""
    network, now, answers = world.network, world.now(), len(named)
    payer = Actor(world.home, network, GATEWAY, as_json=True)
    key = LocalSigner.from_secret(Keystore(world.home.keys).account(GATEWAY).secret)
    provider, at = world.init.actor.address, payer.at
    payer.send(network.escrow.deposit(payer.address, DEPOSIT, provider=provider), "deposit")
    service = network.services.service(world.service, at=at)
    row = network.services.price_row(world.service, service.price_version, at=at)
    domain = network.escrow.domain_separator(at=at)
    price = price_of(row, input_tokens=TOKENS[0], output_tokens=TOKENS[1])
    assert price > 0
    voucher = Voucher(
        *(payer.address, provider, world.service, row.version, NATIVE_COIN),
        *(0, answers * price, now + 86_400, answers),
    )
    signed = sign_voucher(voucher, key, domain)
    leaves = tuple(
        sign_receipt(
            replace(
                Answered(service=service, row=row).receipt(),
                request_id=keccak(b"request", bytes([nonce])),
                payer=payer.address,
                input_tokens=TOKENS[0],
                output_tokens=TOKENS[1],
                price=price,
                nonce=nonce,
                time=now,
                attestation_id=named[nonce - 1],
            ),
            world.signer,
            domain,
        )
        for nonce in range(1, answers + 1)
    )
    item = BatchItem(
        payer.address, world.service, row.version, NATIVE_COIN, answers * price, 0, leaves
    )
    account = Keystore(world.home.keys).account(world.init.actor.role)
    with open_sender(network, world.home, world.init.actor.role, account) as sender:
        desk = ChainSettleDesk(escrow_clients(network), sender)
        settled = desk.settle(
            world.service, NATIVE_COIN, [SettleItem.of(item, signed)], keccak(b"file")
        )
    assert not settled.skipped
    posted = Posted(settled.batch, keccak(b"file"), world.service, NATIVE_COIN)
    book, lane = open_book(world.home, None), LaneKey(provider, NATIVE_COIN)
    for one in leaves:
        receipt = one.receipt
        hashed, floor = receipt.request_hash, Floor(available=DEPOSIT)
        opening = Open(lane, floor, price, world.service, row.version, now + 86_400, hashed)
        kept = receipt_text(signed, one, None)
        closing = Close(lane, receipt.nonce, price, receipt.request_id, kept)
        book.apply([opening])
        book.apply([closing])
    book.close()
    return Bought(world, payer, Opened.of(posted, (item,)))
