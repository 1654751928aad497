"""A buyer who pays by x402: authorisations signed, packed into headers."""

import base64
import json
from dataclasses import replace

from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak
from offchain.gateway.x402 import Asset, Authorization, requirements
from tests.support.compute import NOW
from tests.support.compute_gateway import CHAT, CHAT_PATH, Shop

BUYER = LocalSigner.from_secret(keccak(b"x402 buyer"))
PATH = CHAT_PATH


def a_payment(
    asset: Asset,
    amount: int,
    *,
    nonce: bytes = b"\x01" * 32,
    signer: LocalSigner = BUYER,
    **changes: object,
) -> dict[str, str]:
    """The PAYMENT-SIGNATURE of an authorisation, after `changes` to what is signed."""
    paid = Authorization(BUYER.address, asset.pay_to, amount, NOW - 60, NOW + 60, nonce, b"")
    paid = signed_by(replace(paid, **changes), signer, asset)  # type: ignore[arg-type]
    authorization = {
        "from": "0x" + paid.payer.hex(),
        "to": "0x" + paid.to.hex(),
        "value": str(paid.value),
        "validAfter": str(paid.valid_after),
        "validBefore": str(paid.valid_before),
        "nonce": "0x" + paid.nonce.hex(),
    }
    return packed(
        {
            "x402Version": 2,
            "accepted": requirements(asset, amount),
            "payload": {"signature": "0x" + paid.signature.hex(), "authorization": authorization},
        }
    )


def signed_by(paid: Authorization, signer: LocalSigner, asset: Asset) -> Authorization:
    return replace(paid, signature=signer.sign_digest(paid.digest(asset)))


def packed(value: object) -> dict[str, str]:
    return {"PAYMENT-SIGNATURE": base64.b64encode(json.dumps(value).encode()).decode()}


async def price(shop: Shop) -> int:
    """What a 402 asks for."""
    asked = await shop.client.post(PATH, json=CHAT)
    required = json.loads(base64.b64decode(asked.headers["payment-required"]))
    return int(required["accepts"][0]["amount"])
