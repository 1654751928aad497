"""The record of an answer: everything that stands behind it, and what is missing said so."""

import json
from dataclasses import replace

from offchain.compute.model import Level, SignedReceipt, Verifiability
from offchain.compute.record import Record, Settled, Vouched
from offchain.compute.signatures import sign_receipt, sign_voucher
from offchain.compute.trust import Claim, trust
from tests.support.compute import DOMAIN, PAYER, SIGNER, UNVERIFIED, Answered
from tests.support.evidence_behind import behind, rules

SETTLED = Settled(
    batch=3,
    block=41,
    transaction=b"\x03" * 32,
    root=b"\x04" * 32,
    data_root=b"\x05" * 32,
    leaves_root=b"\x06" * 32,
    first_nonce=1,
    last_nonce=9,
    state="POSTED",
    release_at=99,
)


def a_record(*, is_attested: bool) -> Record:
    """An answer, with evidence and marks on the chain or without."""
    found, said = behind(b"\x09" * 32), Answered()
    named = found.attestation_id if is_attested else bytes(32)
    receipt = replace(said.receipt(), attestation_id=named)
    claim = Claim(SIGNER.address, Level.MODEL_IN_TEE)
    signed: SignedReceipt = sign_receipt(receipt, SIGNER, DOMAIN)
    return Record(
        read_at=50,
        signed=signed,
        voucher=sign_voucher(said.voucher, PAYER, DOMAIN),
        service=said.service,
        signer=SIGNER.address,
        level=Verifiability(Level.MODEL_IN_TEE, True, 0) if is_attested else UNVERIFIED,
        trust=trust(receipt, claim, found.shown, found.judged, rules()) if is_attested else None,
        vouched=Vouched(40, b"\x02" * 32) if is_attested else None,
        settled=SETTLED if is_attested else None,
    )


def test_record__of_an_attested_answer__has_model_data_quote_verdict_signatures_and_blocks() -> (
    None
):
    found = a_record(is_attested=True)
    receipt, trusted = found.signed.receipt, found.trust
    assert trusted is not None

    told = json.loads(json.dumps(found.as_json()))

    assert told["model"]["hash"] == "0x" + receipt.model_hash.hex()
    assert told["data"]["request_hash"] == "0x" + receipt.request_hash.hex()
    assert told["quote"]["hash"] == "0x" + trusted.verdict.quote_hash.hex()
    assert told["quote"]["simulated"] is told["verdict"]["simulated"] is True
    assert told["verdict"]["attestation"] == "0x" + receipt.attestation_id.hex()
    assert told["verdict"]["relayers"] == [1, 2, 4]
    assert told["signatures"]["receipt"]["by"] == "0x" + SIGNER.address.hex()
    assert len(told["signatures"]["verdict"]) == 1
    assert told["blocks"]["verdict"]["block"] == 40
    assert told["blocks"]["batch"]["batch"] == 3
    shown = dict(found.rows())
    assert shown["level"] == "MODEL_IN_TEE SIMULATED"
    assert shown["batch"] == "3 at block 41, nonces 1 to 9, POSTED"
    assert {"signer", "verdict", "quote", "policy"} <= set(shown)


def test_record__of_an_answer_without_evidence__says_what_is_missing() -> None:
    found = a_record(is_attested=False)

    told, shown = found.as_json(), dict(found.rows())

    assert told["quote"] is None
    assert told["verdict"] is None
    assert told["blocks"] == {"verdict": None, "batch": None}
    assert "nothing measured" in shown["evidence"]
    assert shown["batch"] == "not settled yet"
