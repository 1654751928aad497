"""Seals, digests and joint keys against the same written out by other libraries."""

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.agents.delivery import (
    AccessProof,
    Delivery,
    DeliveryInvalid,
    OwnershipProof,
    RootWords,
    in_order,
    joint_seed,
    keys_of,
    oracle_service,
    pack_access,
    pack_ownership,
    verifier_domain,
)
from offchain.agents.seal import (
    FIELD,
    ORDER,
    SealBroken,
    SealContext,
    SealInvalid,
    hpke_open,
    hpke_seal,
    is_ephemeral,
    is_point,
    public_key_of,
    seal,
    unseal,
)
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import TAG_AGENT_SEED, keccak

SECRET, SCALAR, KEY = keccak(b"b"), keccak(b"e"), keccak(b"k")
CONTEXT = SealContext(31_337, b"c" * 20, 7, 3, b"r" * 20, keccak(b"new data"))
VERIFIER = b"v" * 20
DELIVERY = Delivery(
    collection=b"c" * 20,
    token=7,
    epoch=3,
    op=1,
    receiver=b"r" * 20,
    old_data_hash=keccak(b"1"),
    new_data_hash=keccak(b"2"),
    content_root=keccak(b"3"),
    key_root=keccak(b"4"),
    key_commit=keccak(b"5"),
    location=keccak(b"6"),
    sealed_key_hash=keccak(b"7"),
    key_hash=keccak(b"8"),
    nonce_hash=keccak(b"9"),
    deadline=1_700_000_000,
)
scalars = st.integers(1, ORDER - 1).map(lambda one: one.to_bytes(32, "big"))


def curve_point(secret: bytes) -> bytes:
    """X || y by another library."""
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())
    raw = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return raw[1:]


def shared_x(secret: bytes, point: bytes) -> bytes:
    mine = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), b"\4" + point)
    return mine.exchange(ec.ECDH(), peer)


@settings(max_examples=15)
@given(secret=scalars, key=st.binary(min_size=32, max_size=32), seed=st.binary(min_size=1))
def test_seal__any_key__opens_and_is_the_form_written_out(
    secret: bytes, key: bytes, seed: bytes
) -> None:
    scalar = keys_of(keccak(seed)).scalar
    public, ephemeral = curve_point(secret), curve_point(scalar)

    sealed = seal(key, public, CONTEXT, scalar=scalar)

    words = (31_337).to_bytes(32, "big") + b"c" * 20 + (7).to_bytes(32, "big")
    words += (3).to_bytes(8, "big") + b"r" * 20 + CONTEXT.new_data_hash
    tag = keccak(b"apogee.agents.seal.v1")
    pad = keccak(tag, shared_x(secret, ephemeral), ephemeral, public, words)
    hidden = bytes(a ^ b for a, b in zip(key, keccak(pad, b"\0"), strict=True))
    assert ephemeral + hidden + keccak(pad, b"\1", hidden)[:16] == sealed
    assert key == unseal(sealed, secret, CONTEXT)


@settings(max_examples=20)
@given(at=st.integers(0, 111), bit=st.integers(0, 7))
def test_unseal__one_flipped_bit__refused(at: int, bit: int) -> None:
    sealed = bytearray(seal(KEY, public_key_of(SECRET), CONTEXT, scalar=SCALAR))
    sealed[at] ^= 1 << bit

    with pytest.raises(SealBroken):
        unseal(bytes(sealed), SECRET, CONTEXT)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"collection": b"d" * 20},
        {"token": 8},
        {"epoch": 4},
        {"receiver": b"s" * 20},
        {"new_data_hash": keccak(b"other")},
    ],
)
def test_unseal__in_another_context_or_by_another__refused(change: dict[str, Any]) -> None:
    sealed = seal(KEY, public_key_of(SECRET), CONTEXT, scalar=SCALAR)

    with pytest.raises(SealBroken):
        unseal(sealed, SECRET, replace(CONTEXT, **change))
    with pytest.raises(SealBroken):
        unseal(sealed, keccak(SECRET), CONTEXT)
    with pytest.raises(SealBroken):
        unseal(sealed[:-1], SECRET, CONTEXT)


def test_seal__what_no_key_and_no_point_is__refused() -> None:
    public = public_key_of(SECRET)

    for key, point, scalar in (
        (b"short", public, SCALAR),
        (KEY, bytes(64), SCALAR),
        (KEY, public[:63], SCALAR),
        (KEY, public, bytes(32)),
        (KEY, public, ORDER.to_bytes(32, "big")),
    ):
        with pytest.raises(SealInvalid):
            seal(key, point, CONTEXT, scalar=scalar)
    for secret in (bytes(32), ORDER.to_bytes(32, "big"), b"short"):
        with pytest.raises(SealInvalid):
            public_key_of(secret)


@settings(max_examples=10)
@given(secret=scalars)
def test_is_point__of_points_and_others__as_the_curve_says(secret: bytes) -> None:
    point = curve_point(secret)

    assert point == public_key_of(secret)
    assert is_point(point)
    assert not is_point(point[:-1] + bytes([point[-1] ^ 1]))
    assert not is_point(point[:32] + FIELD.to_bytes(32, "big"))
    assert not is_point(point + b"\0")


def test_hpke__round_trip_and_another_info__opens_or_is_refused() -> None:
    secret = X25519PrivateKey.generate()
    sealed = hpke_seal(KEY, secret.public_key().public_bytes_raw(), b"info")

    assert hpke_open(sealed, secret, b"info") == KEY
    for raw, info in ((sealed, b"other"), (sealed[:-1], b"info"), (b"", b"info")):
        with pytest.raises(SealBroken):
            hpke_open(raw, secret, info)
    with pytest.raises(SealInvalid):
        hpke_seal(KEY, b"short", b"info")


def typed(name: str, fields: list[tuple[str, str]], values: list[Any]) -> bytes:
    """The digest by another library."""
    domain = {
        "name": "Apogee Key Delivery",
        "version": "1",
        "chainId": 31_337,
        "verifyingContract": "0x" + VERIFIER.hex(),
    }
    types = {name: [{"type": kind, "name": one} for kind, one in fields]}
    said = {one: value for (_, one), value in zip(fields, values, strict=True)}
    message = encode_typed_data(domain, types, said)
    return bytes(keccak(b"\x19", message.version, message.header, message.body))


COMMON = [
    ("address", "collection"),
    ("uint256", "token"),
    ("uint64", "epoch"),
    ("uint8", "op"),
    ("address", "receiver"),
    ("bytes32", "oldDataHash"),
    ("bytes32", "newDataHash"),
]
END = [("bytes32", "keyHash"), ("bytes32", "nonceHash"), ("uint64", "deadline")]
ROOTS = [
    ("bytes32", "contentRoot"),
    ("bytes32", "keyRoot"),
    ("bytes32", "keyCommit"),
    ("bytes32", "location"),
    ("bytes32", "sealedKeyHash"),
]


def test_digests__delivery_and_access__are_those_of_another_library() -> None:
    domain = verifier_domain(chain_id=31_337, verifier=VERIFIER)
    access = DELIVERY.access(5)

    def shown(values: tuple[int | bytes, ...]) -> list[Any]:
        return ["0x" + one.hex() if isinstance(one, bytes) and len(one) == 20 else one
                for one in values]  # fmt: skip

    expected = typed("Delivery", [*COMMON, *ROOTS, *END], shown(DELIVERY.fields()))
    assert expected == DELIVERY.digest(domain)
    assert typed("Access", [*COMMON, *END], shown(access.fields())) == access.digest(domain)


def test_proofs__packed__lie_where_the_contract_reads_them() -> None:
    roots = RootWords(*(keccak(bytes([number])) for number in range(7)))
    signatures = (b"s" * 65, b"t" * 65)

    packed = pack_ownership(roots, 9, signatures)

    assert len(packed) == 7 * 32 + 8 + 2 * 65
    assert packed[:224] == b"".join(keccak(bytes([number])) for number in range(7))
    assert packed[224:232] == (9).to_bytes(8, "big")
    assert packed[232:] == b"".join(signatures)
    assert pack_access(9, b"sig") == (9).to_bytes(8, "big") + b"sig"
    for wrong in ((), (b"s" * 64,), (b"s" * 65,) * 6):
        with pytest.raises(DeliveryInvalid):
            pack_ownership(roots, 9, wrong)


def test_ownership_proof__in_a_context__names_the_delivery() -> None:
    roots = RootWords(*(keccak(bytes([number])) for number in range(7)))
    proof = OwnershipProof(
        keccak(b"1"), keccak(b"2"), b"sealed", b"public", b"nonce", roots, 5, (b"s" * 65,)
    )

    made = proof.delivery(collection=b"c" * 20, token=1, epoch=2, op=1, receiver=b"r" * 20)

    assert (roots.key_root, roots.key_commit, roots.location) == (
        made.key_root,
        made.key_commit,
        made.location,
    )
    assert keccak(b"sealed") == made.sealed_key_hash
    assert (proof.fields()[0], proof.fields()[4]) == (0, b"public")
    access = AccessProof(keccak(b"1"), keccak(b"2"), b"nonce", b"public", b"")
    assert (access.nonce, access.public_key) == (proof.nonce, proof.public_key)


def test_in_order__signatures_of_anyone__ascend_by_signer() -> None:
    digest = keccak(b"digest")
    keys = [LocalSigner.from_secret(keccak(bytes([number]))) for number in range(4)]

    listed = in_order(digest, [key.sign_digest(digest) for key in keys])

    wanted = sorted(keys, key=lambda key: key.address)
    assert tuple(key.sign_digest(digest) for key in wanted) == listed
    with pytest.raises(DeliveryInvalid):
        in_order(digest, [bytes(65)])


def test_joint_keys__from_all_secrets_in_order__and_from_nothing_less() -> None:
    secrets, context = [keccak(b"r1"), keccak(b"r2")], keccak(b"context")
    seed = joint_seed(secrets, context)

    keys = keys_of(seed)

    assert keccak(TAG_AGENT_SEED, context, *secrets) == seed
    derived = HKDF(SHA256(), 32, bytes(32), b"apogee/data-key").derive(seed)
    assert derived == keys.data_key
    scalar = HKDF(SHA256(), 32, bytes(32), b"apogee/ephemeral" + bytes(4)).derive(seed)
    assert scalar == keys.scalar
    assert is_ephemeral(keys.scalar)
    assert seed != joint_seed(secrets[::-1], context)
    assert seed != joint_seed(secrets, keccak(b"other"))
    for wrong in ([], [b"short"]):
        with pytest.raises(DeliveryInvalid):
            joint_seed(wrong, context)


def test_oracle_service__is_the_tag_and_the_operator() -> None:
    expected = keccak(keccak(b"apogee.agents.oracle.v1"), (5).to_bytes(32, "big"))

    assert expected == oracle_service(5)
