"""A correct delivery cannot be disputed (INV-AGT-6); each kind of wrong one can (INV-AGT-7).

All on chain, against the root that storage really gives the file.
"""

from dataclasses import replace
from typing import Any

import boa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offchain.agents.bundle import (
    Bundle,
    BundleShape,
    encrypt_bundle,
)
from offchain.agents.bundle_trees import (
    chunk_keys,
    content_root_of,
    key_leaf,
    key_leaves_of,
    tree_levels,
    tree_path,
    tree_root,
)
from offchain.agents.false_delivery import (
    Falsehood,
    FalseProof,
    Held,
    content_of,
    find_fault,
)
from offchain.agents.seal import FIELD, ORDER, is_point
from offchain.agents.stored_pieces import StoredPieces
from offchain.core.hashing import keccak
from offchain.core.layout import ELEMENT_BYTES
from offchain.core.matrix.encode import EncodedBlob
from tests.support.agents_deliveries import (
    DATA_BYTES,
    DeliverySite,
    Made,
    hashes,
    make_delivery,
    new_bundle,
    old_bundle,
    opened,
    said,
    stored,
)
from tests.support.agents_delivery_fixtures import Unmoved
from tests.support.attestation import hex_of
from tests.support.da_encoding import sealed, the_engine

SHAPE = BundleShape(DATA_BYTES)
KEY = keccak(b"new key")
NO_SALT = bytes(32)
LAST = SHAPE.leaves - 1


def changed(at: int, value: bytes, bundle: Bundle | None = None) -> Bundle:
    """The delivered file with other bytes at a place."""
    whole = new_bundle() if bundle is None else bundle
    file = whole.file[:at] + value + whole.file[at + len(value) :]
    return replace(whole, file=file)


def flipped(at: int) -> Bundle:
    return changed(at, bytes([new_bundle().file[at] ^ 1]))


def shown(made: Made, kind: Falsehood, function: str, sender: str) -> FalseProof:
    """The proof that the buyer finds is of this kind, and the chain takes it."""
    proof = find_fault(made.held)
    assert proof is not None
    assert (kind, function) == (proof.kind, proof.function)
    assert not made.site.verifier.is_false(made.digest)
    made.prove(proof.function, *proof.arguments, sender=sender)
    assert made.site.verifier.is_false(made.digest)
    assert kind == made.site.verifier.finding(made.digest).kind
    return proof


def content_arguments(held: Held, index: int) -> tuple[Any, ...]:
    """An honest opening of a leaf: content, its pieces."""
    content = content_of(held, index)
    at = SHAPE.chunk_at(content.chunk)
    pieces = (*held.stored.pieces(at, 32), *held.stored.pieces(at + 32 + 64 * content.leaf, 64))
    return content.fields(), [one.fields() for one in pieces]


def key_path(chunk: int) -> list[bytes]:
    keys = chunk_keys(KEY, new_bundle().roots.content_root, SHAPE.chunks)
    return tree_path(tree_levels(key_leaves_of(keys), hashes()), chunk)


def chunk_key(chunk: int) -> bytes:
    return chunk_keys(KEY, new_bundle().roots.content_root, SHAPE.chunks)[chunk]


# INV-AGT-6


def test_inv_agt_6__correct_delivery__nothing_is_found_or_taken(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site)
    held, digest = made.held, made.digest
    shape = (SHAPE.length, held.leaves.top(hashes()))
    assert find_fault(held) is None

    def refused(reason: str, function: str, *arguments: Any) -> None:
        with unmoved(reason, digest):
            made.prove(function, *arguments, sender=stranger)

    refused("fraud_proofs: key is right", "prove_wrong_key", opened(made))
    right = key_leaf(1, chunk_key(1))
    arguments = (opened(made), *shape, 1, right, key_path(1))
    refused("fraud_proofs: chunk key is right", "prove_wrong_chunk_key", *arguments)
    refused(
        "fraud_proofs: length is right",
        "prove_wrong_length",
        *shape,
        SHAPE.file_bytes,
        held.stored.top,
    )
    [piece] = held.stored.pieces(0, 88)
    refused("fraud_proofs: header is right", "prove_wrong_header", *shape, piece.fields())
    for index in (0, 1_023, 1_024, LAST):
        at = SHAPE.content_leaves_at + 32 * index
        pieces = [one.fields() for one in held.stored.pieces(at, 32)]
        refused(
            "fraud_proofs: list is right",
            "prove_wrong_list",
            content_of(held, index).fields(),
            pieces,
        )
    assert not site.verifier.is_false(digest)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(index=st.one_of(st.sampled_from([0, 3, 1_023, 1_024, LAST]), st.integers(0, LAST)))
def test_inv_agt_6__any_leaf_of_a_correct_delivery__is_right_both_ways(
    site: DeliverySite, index: int
) -> None:
    made = make_delivery(site)
    content, pieces = content_arguments(made.held, index)
    chunk = index // 1_024
    stranger = boa.env.eoa

    with boa.reverts("fraud_proofs: content is right"):
        arguments = (content, chunk_key(chunk), key_path(chunk), pieces)
        made.prove("prove_wrong_content", *arguments, sender=stranger)
    with boa.reverts("fraud_proofs: content is right"):
        arguments = (content, opened(made), pieces)
        made.prove("prove_wrong_content_by_secret", *arguments, sender=stranger)


def test_inv_agt_6__spoilt_tag__is_no_falsehood(site: DeliverySite) -> None:
    end = SHAPE.chunk_at(1) - 1

    assert find_fault(make_delivery(site, bundle=flipped(end)).held) is None


# INV-AGT-7


def test_inv_agt_7__another_key_sealed__proven(site: DeliverySite, stranger: str) -> None:
    made = make_delivery(site, key=keccak(b"another key"))

    shown(made, Falsehood.KEY, "prove_wrong_key", stranger)


def test_inv_agt_7__garbage_sealed__proven(site: DeliverySite, stranger: str) -> None:
    honest = make_delivery(site).proof.sealed_key
    garbage = honest[:64] + keccak(b"garbage") + honest[96:]

    shown(make_delivery(site, sealed_key=garbage), Falsehood.KEY, "prove_wrong_key", stranger)


def test_inv_agt_7__no_point_sealed_with__proven_without_a_secret(
    site: DeliverySite, stranger: str
) -> None:
    x = next(x for x in range(ORDER, FIELD) if pow(x**3 + 7, (FIELD - 1) // 2, FIELD) == 1)
    y = pow(x**3 + 7, (FIELD + 1) // 4, FIELD)
    beyond = x.to_bytes(32, "big") + y.to_bytes(32, "big")
    assert is_point(beyond)
    rest = make_delivery(site).proof.sealed_key[64:]
    for point in (bytes(64), b"\xff" * 64, beyond):
        made = make_delivery(site, sealed_key=point + rest)
        if point == beyond:
            shown(made, Falsehood.KEY, "prove_wrong_key", stranger)
            continue
        nothing = (point + rest, NO_SALT, b"", b"")
        made.prove("prove_wrong_key", nothing, sender=stranger)
        assert site.verifier.is_false(made.digest)


def test_inv_agt_7__commitment_to_another_key__proven(site: DeliverySite, stranger: str) -> None:
    made = make_delivery(site, key_commit=keccak(b"nothing"))

    shown(made, Falsehood.KEY, "prove_wrong_key", stranger)


@pytest.mark.parametrize("chunk", range(SHAPE.chunks))
def test_inv_agt_7__leaf_of_another_chunk_key__proven(
    site: DeliverySite, stranger: str, chunk: int
) -> None:
    keys = chunk_keys(KEY, new_bundle().roots.content_root, SHAPE.chunks)
    keys[chunk] = keccak(b"another")
    leaves = key_leaves_of(keys)
    file = changed(SHAPE.key_leaves_at, leaves.tobytes())

    made = make_delivery(site, bundle=file, key_root=tree_root(leaves, hashes()))

    proof = shown(made, Falsehood.CHUNK_KEY, "prove_wrong_chunk_key", stranger)
    assert chunk == proof.arguments[3]


@pytest.mark.parametrize(
    ("at", "index"),
    [
        (SHAPE.chunk_at(0), 0),  # of a salt: the whole chunk
        (SHAPE.chunk_at(1) + 32 + 64 * 700 + 5, 1_024 + 700),
        (SHAPE.chunk_at(2) + 32 + 64, LAST),
        (SHAPE.chunk_at(0) + 32 + 64 * 3, 3),
    ],
)
def test_inv_agt_7__any_other_byte__proven_by_one_chunk_key(
    site: DeliverySite, stranger: str, at: int, index: int
) -> None:
    made = make_delivery(site, bundle=flipped(at))

    proof = shown(made, Falsehood.CONTENT, "prove_wrong_content", stranger)

    content: Any = proof.arguments[0]
    assert divmod(index, 1_024) == content[2:4]
    assert chunk_key(index // 1_024) == proof.arguments[1]
    assert KEY not in proof.arguments


def test_inv_agt_7__garbage_under_a_key_root_of_nobody__proven_by_the_secret(
    site: DeliverySite, stranger: str
) -> None:
    made = make_delivery(site, bundle=flipped(SHAPE.chunk_at(1)), key_root=keccak(b"nobody's"))

    shown(made, Falsehood.CONTENT, "prove_wrong_content_by_secret", stranger)


def test_inv_agt_7__another_bundle_as_long__proven(site: DeliverySite, stranger: str) -> None:
    other = encrypt_bundle(b"z" * DATA_BYTES, key=KEY, draw=bytes, hash_many=hashes())
    right = new_bundle().roots

    made = make_delivery(site, bundle=other, content_root=right.content_root)

    shown(made, Falsehood.CONTENT, "prove_wrong_content_by_secret", stranger)


@pytest.mark.parametrize("size", [1, DATA_BYTES - 64, DATA_BYTES + 64])
def test_inv_agt_7__file_of_another_length__proven(
    site: DeliverySite, stranger: str, size: int
) -> None:
    _, _, old = old_bundle(size)
    right = new_bundle().roots

    made = make_delivery(site, bundle=replace(old, roots=right))

    shown(made, Falsehood.LENGTH, "prove_wrong_length", stranger)


@pytest.mark.parametrize("at", [0, 5, 87])
def test_inv_agt_7__another_header__proven(site: DeliverySite, stranger: str, at: int) -> None:
    shown(make_delivery(site, bundle=flipped(at)), Falsehood.HEADER, "prove_wrong_header", stranger)


@pytest.mark.parametrize("index", [0, 7, LAST])
def test_inv_agt_7__another_content_leaf_listed__proven(
    site: DeliverySite, stranger: str, index: int
) -> None:
    made = make_delivery(site, bundle=flipped(SHAPE.content_leaves_at + 32 * index + 3))

    shown(made, Falsehood.LIST, "prove_wrong_list", stranger)


class UnreadablePieces(StoredPieces):
    """A file whose matrix has an element that is no bytes of anything."""

    def _encode(self, index: int) -> EncodedBlob:
        honest = super()._encode(index)
        rows = honest.rows.copy()
        element = SHAPE.chunk_at(1) // ELEMENT_BYTES
        rows[element // honest.shape.columns, element % honest.shape.columns, 0] = 1
        return sealed(rows, honest.shape, the_engine())


def test_inv_agt_7__file_without_a_reading__proven(site: DeliverySite, stranger: str) -> None:
    pieces = UnreadablePieces(new_bundle().file, the_engine())
    made = make_delivery(site, new_data_hash=pieces.root)
    content, shown_pieces = content_arguments(replace(made.held, stored=pieces), 1_024)

    arguments = (content, chunk_key(1), key_path(1), shown_pieces)
    made.prove("prove_wrong_content", *arguments, sender=stranger)

    assert site.verifier.is_false(made.digest)


# openings of something else


def test_prove__twice__refused(site: DeliverySite, unmoved: Unmoved, stranger: str) -> None:
    made = make_delivery(site, key=keccak(b"another key"))
    shown(made, Falsehood.KEY, "prove_wrong_key", stranger)

    with unmoved("false_deliveries: proven already", made.digest):
        made.prove("prove_wrong_key", opened(made), sender=stranger)


def test_find__by_anyone_but_the_proofs__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site)

    with unmoved("false_deliveries: not the proofs", made.digest):
        site.verifier.find(said(made.delivery), 1, stranger, NO_SALT, sender=stranger)


def test_seal__openings_of_something_else__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site, key=keccak(b"another key"))
    box, secret, public, shared = opened(made)
    flip = bytes([box[-1] ^ 1])
    for opening, reason in (
        ((box[:-1] + flip, secret, public, shared), "sealed_keys: another seal"),
        ((box, secret, public[:-1] + b"\0", shared), "sealed_keys: another key"),
        ((box, secret, b"", shared), "sealed_keys: another key"),
        ((box, keccak(secret), public, shared), "sealed_keys: not its secret"),
        ((box, NO_SALT, public, shared), "sealed_keys: not its secret"),
        ((box, secret, public, public), "sealed_keys: not the shared point"),
        ((box, secret, public, shared[:63]), "sealed_keys: not the shared point"),
    ):
        with unmoved(reason, made.digest):
            made.prove("prove_wrong_key", opening, sender=stranger)


def test_chunk_key__openings_of_something_else__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site)
    top = made.held.leaves.top(hashes())
    right = key_leaf(1, chunk_key(1))
    for arguments, reason in (
        ((SHAPE.length + 1, top, 1, right, key_path(1)), "bundle_form: other content"),
        ((SHAPE.length, right, 1, right, key_path(1)), "bundle_form: other content"),
        ((SHAPE.length, top, SHAPE.chunks, right, key_path(1)), "bundle_form: no such leaf"),
        ((SHAPE.length, top, 0, right, key_path(1)), "bundle_form: wrong path"),
        ((SHAPE.length, top, 1, keccak(right), key_path(1)), "bundle_form: wrong path"),
        ((SHAPE.length, top, 1, right, key_path(1)[:-1]), "bundle_form: wrong path"),
        ((SHAPE.length, top, 1, right, [*key_path(1), right]), "bundle_form: wrong path"),
    ):
        with unmoved(reason, made.digest):
            made.prove("prove_wrong_chunk_key", opened(made), *arguments, sender=stranger)
    wrong = make_delivery(site, key=keccak(b"another key"))
    arguments = (opened(wrong), SHAPE.length, top, 1, right, key_path(1))
    with unmoved("fraud_proofs: prove the key", wrong.digest):
        wrong.prove("prove_wrong_chunk_key", *arguments, sender=stranger)


def test_content__openings_of_something_else__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site, bundle=flipped(SHAPE.chunk_at(1) + 32 + 64 * 700))
    index = 1_024 + 700
    content, pieces = content_arguments(made.held, index)
    _, others = content_arguments(made.held, 9)
    root, commitment, path, frame = pieces[0]
    parity = made.held.stored._encoded(0).leaf_frame(1_024, 0).to_bytes()
    right = (chunk_key(1), key_path(1))
    for arguments, reason in (
        ((content, *right, pieces[:1]), "stored_bytes: piece missing"),
        ((content, *right, []), "stored_bytes: piece missing"),
        ((content, *right, others), "stored_bytes: another place"),
        ((content, *right, pieces[::-1]), "stored_bytes: another place"),
        (
            (content, *right, [(root, commitment, path, parity), *pieces[1:]]),
            "stored_bytes: another place",
        ),
        (
            (content, *right, [(root, commitment, path, frame[:-1])]),
            "row_path: wrong length",
        ),
        (
            (content, *right, [(root, commitment, path, frame[:-1] + b"\0")]),
            "row_path: not under the root",
        ),
        ((content, *right, [(commitment, root, path, frame)]), "segment_path: not in the file"),
        ((content, *right, [(root, commitment, NO_SALT, frame)]), "segment_path: wrong length"),
        ((content, chunk_key(0), key_path(1), pieces), "bundle_form: wrong path"),
        (((*content[:3], 1_024, *content[4:]), *right, pieces), "bundle_form: no such leaf"),
        (((*content[:4], keccak(b"x"), content[5]), *right, pieces), "bundle_form: wrong path"),
        (((content[0] + 1, *content[1:]), *right, pieces), "bundle_form: other content"),
    ):
        with unmoved(reason, made.digest):
            made.prove("prove_wrong_content", *arguments, sender=stranger)
    wrong = make_delivery(site, key=keccak(b"another key"))
    with unmoved("fraud_proofs: prove the key", wrong.digest):
        arguments = (content, opened(wrong), pieces)
        wrong.prove("prove_wrong_content_by_secret", *arguments, sender=stranger)


def test_length__of_another_file__refused(
    site: DeliverySite, unmoved: Unmoved, stranger: str
) -> None:
    made = make_delivery(site)
    top = made.held.leaves.top(hashes())
    other = stored(old_bundle(1)[2].file)

    with unmoved("stored_bytes: other file", made.digest):
        arguments = (SHAPE.length, top, other.length, other.top)
        made.prove("prove_wrong_length", *arguments, sender=stranger)
    with unmoved("stored_bytes: other file", made.digest):
        arguments = (SHAPE.length, top, SHAPE.file_bytes + 1, made.held.stored.top)
        made.prove("prove_wrong_length", *arguments, sender=stranger)
    assert content_root_of(SHAPE.length, top) == made.delivery.content_root


def test_proof__held_against_another_verifier__changes_nothing_here(
    site: DeliverySite, stranger: str
) -> None:
    made = make_delivery(site, key=keccak(b"another key"))
    elsewhere = hex_of(keccak(b"elsewhere")[:20])

    with pytest.raises(boa.BoaError):
        site.proofs.prove_wrong_key(
            elsewhere, said(made.delivery), opened(made), NO_SALT, sender=stranger
        )

    assert not site.verifier.is_false(made.digest)
