"""The record of one computation: model, data, quote, verdict, signatures and blocks of an answer.

Everything is found from the receipt: its attestation id leads to the verdict and the quote, its
payer, provider and nonce to the batch that settled it. What a buyer kept is checked again, what
others show is verified, and what is not there yet is said to be missing.
Source: docs/protocol/attestation.md#records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from offchain.chain.model import BlockRef
from offchain.compute.forms import receipt_json, show, voucher_json
from offchain.compute.model import Receipt, Service, SignedReceipt, SignedVoucher, Verifiability
from offchain.compute.trust import Trust


@dataclass(frozen=True, slots=True)
class Settled:
    """The item that a receipt was settled by. `block`: where its batch was posted."""

    batch: int
    block: int
    transaction: bytes
    root: bytes
    data_root: bytes
    leaves_root: bytes
    first_nonce: int
    last_nonce: int
    state: str
    release_at: int


@dataclass(frozen=True, slots=True)
class Vouched:
    """The transaction that made a verdict count."""

    block: int
    transaction: bytes


class RecordLedger(Protocol):
    """Where an answer left marks on the chain; blocking. Raises: Unavailable."""

    def settled(self, receipt: Receipt, *, at: BlockRef) -> Settled | None:
        """None while no batch with it is posted."""
        ...

    def vouched(self, attestation_id: bytes, *, at: BlockRef) -> Vouched | None:
        """None when no such verdict was registered."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """One answer with everything that stands behind it; `read_at`: the block it was read at."""

    read_at: int
    signed: SignedReceipt
    voucher: SignedVoucher
    service: Service
    signer: bytes
    level: Verifiability
    trust: Trust | None
    vouched: Vouched | None
    settled: Settled | None

    def as_json(self) -> dict[str, object]:
        """One JSON object, amounts as decimal strings."""
        receipt, service = self.signed.receipt, self.service
        return {
            "answer": show(receipt.request_id),
            "read_at_block": self.read_at,
            "model": {
                "hash": show(receipt.model_hash),
                "service": show(service.id),
                "provider": show(service.provider),
                "numerics": service.numerics.name,
            },
            "data": {
                "request_hash": show(receipt.request_hash),
                "response_hash": show(receipt.response_hash),
                "commitment": show(receipt.commitment),
                "input_tokens": receipt.input_tokens,
                "output_tokens": receipt.output_tokens,
                "time": receipt.time,
            },
            "level": {"name": self.level.level.name, "simulated": self.level.is_simulated},
            "quote": None if self.trust is None else _quote(self.trust),
            "verdict": None if self.trust is None else _verdict(self.trust),
            "signatures": {
                "receipt": {"by": show(self.signer), "signature": show(self.signed.signature)},
                "voucher": {
                    "by": show(self.voucher.voucher.payer),
                    "signature": show(self.voucher.signature),
                },
                "verdict": []
                if self.trust is None
                else [show(one) for one in self.trust.signatures],
            },
            "blocks": {
                "verdict": _place(self.vouched),
                "batch": None if self.settled is None else _batch(self.settled),
            },
            "receipt": receipt_json(receipt),
            "voucher": voucher_json(self.voucher.voucher),
        }

    def rows(self) -> list[tuple[str, str]]:
        """What a person reads."""
        receipt = self.signed.receipt
        rows = [
            ("model", f"{show(receipt.model_hash)} of service {show(receipt.service)}"),
            ("request", f"{show(receipt.request_hash)}, {receipt.input_tokens} tokens"),
            ("answer", f"{show(receipt.response_hash)}, {receipt.output_tokens} tokens"),
            ("commitment", show(receipt.commitment)),
            ("level", self.level.level.name + (" SIMULATED" if self.level.is_simulated else "")),
            ("receipt", f"signed by {show(self.signer)}, price {receipt.price}"),
            ("voucher", f"signed for payer {show(receipt.payer)}, nonce {receipt.nonce}"),
        ]
        if self.trust is None:
            rows.append(("evidence", "none is named: nothing measured made this answer"))
        else:
            rows += self.trust.steps()
        place = "not found" if self.vouched is None else str(self.vouched.block)
        if any(receipt.attestation_id):
            rows.append(("verdict's block", place))
        return [*rows, ("batch", _told(self.settled))]


def _quote(trust: Trust) -> dict[str, object]:
    claims = trust.claims
    return {
        "hash": show(claims.quote_hash),
        "evidence": show(claims.evidence_id),
        "tee": claims.tee_type.name,
        "version": claims.quote_version,
        "platform": claims.tcb_status.name,
        "quoting_enclave": claims.qe_status.name,
        "measurement": show(claims.measurement_id),
        "class": claims.measurement_class.name,
        "report_data": show(claims.report_data_hash),
        "collateral": show(claims.collateral_hash),
        "root_key": show(claims.root_key_id),
        "gpu": None if claims.gpu is None else f"{claims.gpu.count} x {claims.gpu.model}",
        "simulated": claims.simulated,
    }


def _verdict(trust: Trust) -> dict[str, object]:
    verdict = trust.verdict
    return {
        "attestation": show(trust.attestation_id),
        "words": show(verdict.struct_words()),
        "signer": show(verdict.signer),
        "encryption_key_hash": show(verdict.enc_key_hash),
        "not_after": verdict.not_after,
        "relayers": list(trust.judged.relayers),
        "simulated": verdict.simulated,
    }


def _place(vouched: Vouched | None) -> Mapping[str, object] | None:
    if vouched is None:
        return None
    return {"block": vouched.block, "transaction": show(vouched.transaction)}


def _batch(settled: Settled) -> dict[str, object]:
    return {
        "batch": settled.batch,
        "block": settled.block,
        "transaction": show(settled.transaction),
        "root": show(settled.root),
        "data_root": show(settled.data_root),
        "leaves_root": show(settled.leaves_root),
        "first_nonce": settled.first_nonce,
        "last_nonce": settled.last_nonce,
        "state": settled.state,
        "release_at": settled.release_at,
    }


def _told(settled: Settled | None) -> str:
    if settled is None:
        return "not settled yet"
    nonces = f"nonces {settled.first_nonce} to {settled.last_nonce}"
    return f"{settled.batch} at block {settled.block}, {nonces}, {settled.state}"
