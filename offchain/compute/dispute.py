"""A receipt over void or dead evidence, opened from what its provider shows: the payer's dispute.

A receipt that names evidence is disputable when that evidence is void, or stood neither at the
receipt's time nor a clock's error before or after. What the provider shows of the batch is checked
against the batch's root before anything is sent.
Source: docs/protocol/compute.md#receipt-court.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from offchain.compute.audit_bundle import BundleBroken, ShownAnswer
from offchain.compute.batch import SettledItem
from offchain.compute.errors import UnverifiedAnswer
from offchain.compute.forms import parse_receipt_json
from offchain.compute.model import Receipt
from offchain.compute.ports import PostedBatch
from offchain.compute.shown import ShownItem, ShownLeaf
from offchain.core.errors import Conflict, Corrupt

CLOCK_SECONDS: Final = 60
Stood = Callable[[bytes, int], bool]  # attestation id, time


class LeavesBroken(Corrupt):
    """What a provider shows of a batch does not lead to the batch's root, or lacks the receipt."""

    code = "compute.leaves.broken"
    next_step = "Demand the leaf in ReceiptCourt: what is not shown in time is paid back."


class NothingWrong(Conflict):
    """The evidence that a receipt names stood at its time, or it names none."""

    code = "compute.dispute.nothing_wrong"
    next_step = "There is nothing to dispute."


class NotSettledYet(Conflict):
    """No batch with the receipt is posted."""

    code = "compute.dispute.not_settled"
    next_step = "Nothing was paid for it yet. Ask again once its provider has settled."


def is_disputable(receipt: Receipt, stood: Stood, *, is_void: bool) -> bool:
    """Whether the evidence that a receipt names was no evidence."""
    if not any(receipt.attestation_id):
        return False
    if is_void:
        return True
    times = (receipt.time, receipt.time - CLOCK_SECONDS, receipt.time + CLOCK_SECONDS)
    return not any(stood(receipt.attestation_id, max(0, time)) for time in times)


def opening_in(
    found: Mapping[str, Any], receipt: Receipt, batch: PostedBatch
) -> tuple[ShownItem, ShownLeaf]:
    """The opening of a receipt in what /v1/batches/{batch}/leaves shows. Raises: LeavesBroken."""
    try:
        shown = _find(found, receipt)
        if shown is None:
            raise LeavesBroken(reason="receipt", batch=batch.id)
        shown.interval(root=batch.root, items=batch.items)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LeavesBroken(reason=type(error).__name__, batch=batch.id) from error
    except (BundleBroken, UnverifiedAnswer) as error:
        raise LeavesBroken(reason="path", batch=batch.id) from error
    item = ShownItem(batch.id, shown.index, shown.item.fields(), shown.item_path)
    return item, ShownLeaf(shown.leaf, shown.signed, shown.leaf_path)


def _find(found: Mapping[str, Any], receipt: Receipt) -> ShownAnswer | None:
    for one in found["items"]:
        item = _item(one["item"])
        if not item.first_nonce <= receipt.nonce <= item.last_nonce:
            continue
        for leaf, shown in enumerate(one["leaves"]):
            signed = parse_receipt_json(shown["receipt"], shown["signature"])
            if signed.receipt == receipt:
                return ShownAnswer(
                    draw=0,
                    index=int(one["index"]),
                    item=item,
                    item_path=_raw(one["path"]),
                    leaf=leaf,
                    signed=signed,
                    leaf_path=_raw(shown["path"]),
                    evidence=None,
                )
    return None


def _item(found: Mapping[str, Any]) -> SettledItem:
    return SettledItem(
        payer=_raw(found["payer"]),
        price_version=int(found["priceVersion"]),
        first_nonce=int(found["firstNonce"]),
        last_nonce=int(found["lastNonce"]),
        amount=int(found["amount"]),
        claimed=int(found["claimed"]),
        leaf_count=int(found["leafCount"]),
        leaves_root=_raw(found["leavesRoot"]),
    )


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
