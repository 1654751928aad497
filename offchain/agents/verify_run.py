"""Whether a run log is what happened: form and signature by itself, receipts and rights by chain.

Anyone who has the log can check it; it tells what was spent, on what and whom, and nothing of what
was thought. Source: docs/protocol/agents.md#run-log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from offchain.agents.run import THINK, TOOL
from offchain.agents.run_log import RunLog, Step
from offchain.agents.runtime_errors import RunLogWrong
from offchain.compute.model import PriceRow, SignedReceipt, price_of
from offchain.compute.ports import EscrowLedger, ServiceLedger
from offchain.compute.signatures import signer_of
from offchain.core.errors import NotFound, Rejected

CLOCK_SECONDS = 300  # a request that was sent in time may be answered so much later


class LogRights(Protocol):
    """What the chain says of who signed a log; blocking."""

    def is_session(self, log: RunLog) -> bool:
        """Whether the key was granted a session, or vouchers, by the log's account or payer."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was found true."""

    name: str
    detail: str


def verify_run_log(
    log: RunLog, services: ServiceLedger, escrow: EscrowLedger, rights: LogRights
) -> list[Check]:
    """Every check, or the first that fails. Raises: RunLogWrong. `log` comes from `from_bytes`."""
    checks = [Check("signature", f"{len(log.steps)} steps by 0x{log.key.hex()}")]
    _require(rights.is_session(log), "session")
    checks.append(Check("session", f"of 0x{log.account.hex()}, epoch {log.epoch}"))
    _require(log.spent <= log.limits.budget, "budget")
    checks.append(Check("budget", f"{log.spent} of {log.limits.budget}"))
    _check_acts(log.steps)
    used = {step.name for step in log.steps if step.kind == TOOL}
    _require(used <= log.limits.tools, "tools", min(used - log.limits.tools, default=""))
    checks.append(Check("tools", ", ".join(sorted(used)) or "none"))
    thoughts = [step for step in log.steps if step.kind == THINK]
    seen: set[bytes] = set()
    for step in thoughts:
        _require(step.receipt is not None, "receipt", step.act)
        assert step.receipt is not None
        _check_receipt(log, step, step.receipt, services, escrow)
        seen.add(step.receipt.receipt.request_id)
    _require(len(seen) == len(thoughts), "receipt", "one receipt twice")
    checks.append(Check("receipts", f"{len(thoughts)} of signed and priced answers"))
    return checks


def _check_acts(steps: Sequence[Step]) -> None:
    names = [step.act for step in steps]
    _require(len(set(names)) == len(names), "acts", "one act twice")
    _require(all(step.kind in (THINK, TOOL) for step in steps), "acts", "kind")
    _require(all(step.spend >= 0 for step in steps), "acts", "spend")


def _check_receipt(
    log: RunLog,
    step: Step,
    signed: SignedReceipt,
    services: ServiceLedger,
    escrow: EscrowLedger,
) -> None:
    receipt, at = signed.receipt, services.head().hash
    signer = signer_of(receipt.digest(escrow.domain()), signed.signature)
    try:
        known = services.signer_at(receipt.service, receipt.time, at=at)
        row: PriceRow = services.price_row(receipt.service, receipt.price_version, at=at)
    except (NotFound, Rejected) as error:
        raise RunLogWrong(field="receipt.service", found=step.act) from error
    price = price_of(row, input_tokens=receipt.input_tokens, output_tokens=receipt.output_tokens)
    for what, holds in (
        ("signer", signer == known),
        ("payer", receipt.payer == log.payer),
        ("price", receipt.price == price == step.spend),
        ("currency", row.token == log.limits.currency),
        ("service", "0x" + receipt.service.hex() == step.name),
        ("counterparty", receipt.provider in log.limits.counterparties),
        ("time", receipt.time <= log.limits.deadline + CLOCK_SECONDS),
    ):
        _require(holds, f"receipt.{what}", step.act)


def _require(holds: object, field: str, found: str = "") -> None:
    if not holds:
        raise RunLogWrong(field=field, found=found)
