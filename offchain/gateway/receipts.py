"""A receipt with the voucher that pays it, checked anew before it is shown; fails closed."""

import json
from collections.abc import Mapping
from typing import Final

from offchain.compute.errors import Reason, ReceiptUnknown, UnverifiedAnswer
from offchain.compute.forms import parse_receipt_json, parse_voucher, show
from offchain.compute.model import request_id
from offchain.compute.signatures import signer_of
from offchain.gateway.book_model import Attempt
from offchain.gateway.compute_model import CheckShown, ReceiptShown
from offchain.gateway.key_model import KeyRecord

RECOVERED: Final = (
    "that the answer is what was received: the line broke, only the provider's receipt is here",
)


def shown_receipt(
    attempt: Attempt | None, *, caller: KeyRecord | None, domain: bytes, signer: bytes | None
) -> ReceiptShown:
    """What the buyer may see. `caller` None: the home; `signer`: whose receipts count.

    Raises: ReceiptUnknown, also for what another key bought; UnverifiedAnswer.
    """
    if attempt is None or attempt.receipt is None or attempt.request_id is None:
        raise ReceiptUnknown
    if caller is not None and attempt.key != caller.id:
        raise ReceiptUnknown
    kept: Mapping[str, object] = json.loads(attempt.receipt)
    signed = parse_receipt_json(kept["receipt"], kept["signature"])
    voucher = parse_voucher(
        json.dumps({"voucher": kept["voucher"], "signature": kept["voucher_signature"]}).encode()
    )
    receipt = signed.receipt
    if signer_of(receipt.digest(domain), signed.signature) != signer or signer is None:
        raise UnverifiedAnswer(Reason.SIGNATURE_WRONG)
    named = request_id(voucher.voucher.digest(domain), receipt.request_hash)
    if named != attempt.request_id or receipt.request_id != named:
        raise UnverifiedAnswer(Reason.REQUEST_ID_WRONG)
    if receipt.price != attempt.price:
        raise UnverifiedAnswer(Reason.PRICE_WRONG, receipt=receipt.price, charged=attempt.price)
    checks = kept.get("checks")
    told = [CheckShown(**one) for one in checks] if isinstance(checks, list) else []
    now = CheckShown(name="now", detail="signature, voucher, request and price hold again")
    not_proven = kept.get("not_proven")
    return ReceiptShown.model_validate(
        {
            **{name: kept[name] for name in ("receipt", "signature", "voucher")},
            "voucher_signature": kept["voucher_signature"],
            "request_id": show(named),
            "level": kept.get("level"),
            "simulated": kept.get("simulated"),
            "checks": [*told, now],
            "not_proven": not_proven if isinstance(not_proven, list) else list(RECOVERED),
        }
    )
