"""A blob's digests against an independent EIP-712 encoder, and the rules of fees and terms."""

from dataclasses import replace

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak as other_keccak
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.bls import SecretKey
from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak
from offchain.core.layout import STEP_PAYLOAD_BYTES
from offchain.core.typed_data import word
from offchain.da.model import (
    AbsentSigner,
    Attestation,
    Blob,
    Equivocation,
    FeeInvalid,
    StakeTimes,
    Terms,
    TermsInvalid,
    Windows,
    attestation_digest,
    blob_id,
    check_terms,
    dispersal_digest,
    domain_separator,
    encode_absent,
    encode_equivocation,
    fee_wei,
    seal_of,
)

ENTRANCE = bytes(range(20))
CHAIN_ID = 31_337
DOMAIN = {
    "name": "Apogee DA",
    "version": "1",
    "chainId": CHAIN_ID,
    "verifyingContract": "0x" + ENTRANCE.hex(),
}
TERMS = Terms(price=10**6, confirm_slices=2_048, safety_slices=1_024, max_retention_days=21)
WINDOWS = Windows(confirm=900, day=86_400, answer=3_600, veto=172_800)
WORD = st.binary(min_size=32, max_size=32)
ATTESTATIONS = st.builds(
    Attestation,
    blob_id=WORD,
    epoch=st.integers(0, 2**64 - 1),
    quorum_id=st.integers(0, 2**32 - 1),
    seed=WORD,
    data_root=WORD,
    commitment_hash=WORD,
    columns=st.integers(0, 2**32 - 1),
    length=st.integers(0, 2**64 - 1),
    expiry=st.integers(0, 2**64 - 1),
)


def typed_digest(types: dict[str, list[dict[str, str]]], message: dict[str, object]) -> bytes:
    signable = encode_typed_data(DOMAIN, types, message)
    return bytes(other_keccak(b"\x19\x01" + signable.header + signable.body))


@given(attestation=ATTESTATIONS, commitment=st.binary(min_size=48, max_size=48))
def test_attestation_digest__any_fields__equals_an_independent_encoder(
    attestation: Attestation, commitment: bytes
) -> None:
    attestation = replace(attestation, commitment_hash=keccak(commitment))
    fields = "blobId:bytes32 epoch:uint64 quorumId:uint32 seed:bytes32 dataRoot:bytes32"
    fields += " commitment:bytes columns:uint32 length:uint64 expiry:uint64"
    types = [
        {"name": name, "type": kind} for name, kind in (f.split(":") for f in fields.split(" "))
    ]
    message = {
        "blobId": attestation.blob_id,
        "epoch": attestation.epoch,
        "quorumId": attestation.quorum_id,
        "seed": attestation.seed,
        "dataRoot": attestation.data_root,
        "commitment": commitment,
        "columns": attestation.columns,
        "length": attestation.length,
        "expiry": attestation.expiry,
    }
    domain = domain_separator(chain_id=CHAIN_ID, entrance=ENTRANCE)

    expected = typed_digest({"Attestation": types}, message)

    assert expected == attestation_digest(attestation, domain)


@given(identifier=WORD)
def test_dispersal_digest__any_id__equals_an_independent_encoder(identifier: bytes) -> None:
    domain = domain_separator(chain_id=CHAIN_ID, entrance=ENTRANCE)
    types = {"Dispersal": [{"name": "blobId", "type": "bytes32"}]}

    assert typed_digest(types, {"blobId": identifier}) == dispersal_digest(identifier, domain)


@given(attestation=ATTESTATIONS, other=ATTESTATIONS)
def test_attestation_digest__different_attestations__never_share_one(
    attestation: Attestation, other: Attestation
) -> None:
    domain = domain_separator(chain_id=CHAIN_ID, entrance=ENTRANCE)

    is_same = attestation_digest(attestation, domain) == attestation_digest(other, domain)

    assert is_same == (attestation == other)


@pytest.mark.parametrize("field", ["payer", "disperser", "data_root", "commitment_hash", "salt"])
def test_blob_id__any_field_altered__is_another(field: str) -> None:
    blob = Blob(bytes(20), bytes(20), bytes(32), bytes(32), 8, 100, 14, bytes(32))
    altered = replace(blob, **{field: b"\1" * len(getattr(blob, field))})
    names = {"chain_id": CHAIN_ID, "entrance": ENTRANCE}

    ids = {
        blob_id(blob, **names),
        blob_id(altered, **names),
        blob_id(replace(blob, columns=16), **names),
        blob_id(replace(blob, length=101), **names),
        blob_id(replace(blob, retention_days=15), **names),
        blob_id(blob, chain_id=1, entrance=ENTRANCE),
        blob_id(blob, chain_id=CHAIN_ID, entrance=bytes(20)),
    }

    assert len(ids) == 7


def test_fee__smallest_matrix_and_above__is_billed_by_the_byte() -> None:
    assert fee_wei(1, 1, TERMS) == fee_wei(STEP_PAYLOAD_BYTES, 1, TERMS)
    assert fee_wei(STEP_PAYLOAD_BYTES + 1, 2, TERMS) == 2 * (STEP_PAYLOAD_BYTES + 1) * 10**6
    for length, days in ((0, 1), (-1, 1), (STEP_PAYLOAD_BYTES * 128 + 1, 1), (1, 0), (1, 22)):
        with pytest.raises(FeeInvalid):
            fee_wei(length, days, TERMS)


def test_check_terms__production_terms__hold_and_one_more_day_of_answer_does_not() -> None:
    times = StakeTimes(14_400, 900, unbonding=28 * 86_400, evidence=24 * 86_400)
    check_terms(TERMS, WINDOWS, times)

    with pytest.raises(TermsInvalid, match="unbonding too short"):
        check_terms(replace(TERMS, max_retention_days=26), WINDOWS, times)
    with pytest.raises(TermsInvalid, match="evidence window too short"):
        check_terms(replace(TERMS, max_retention_days=25), WINDOWS, times)


def test_encode_absent__two_signers__is_204_bytes_in_the_contracts_order() -> None:
    keys = [SecretKey(number).public_key() for number in (1, 2)]
    absent = [AbsentSigner(1, 100, 200, keys[0]), AbsentSigner(258, 200, 3_072, keys[1])]

    raw = encode_absent(absent)

    assert len(raw) == 204
    assert raw[:6] == bytes([0, 1, 0, 100, 0, 200])
    assert raw[102:108] == bytes([1, 2, 0, 200, 12, 0])
    padded = bytes(16) + raw[6:54] + bytes(16) + raw[54:102]
    assert padded == keys[0].eip2537()
    assert seal_of(keys[0], 100, 200) == keccak(padded, raw[2:6])


def test_encode_equivocation__different_seeds__is_refused() -> None:
    secret = SecretKey(3)
    first = Attestation(bytes(32), 1, 0, bytes(32), bytes(32), bytes(32), 8, 1, 1)
    signature = secret.sign(bytes(32))

    with pytest.raises(InvalidInput):
        encode_equivocation(
            Equivocation(
                secret.public_key(), first, signature, replace(first, seed=b"\1" * 32), signature
            )
        )


def test_word__neither_integer_address_nor_word__is_refused() -> None:
    assert word(b"\1" * 20) == bytes(12) + b"\1" * 20
    with pytest.raises(InvalidInput):
        word(b"\1" * 31)
