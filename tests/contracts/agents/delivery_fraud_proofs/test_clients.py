"""The clients of both contracts of deliveries do and read what the contracts do and say."""

from dataclasses import replace

import boa
import pytest
from eth.exceptions import Revert

from offchain.agents.bundle import BundleShape
from offchain.agents.delivery import OwnershipProof
from offchain.agents.false_delivery import Falsehood, find_fault
from offchain.agents.onchain_verifier import (
    Context,
    DeliveryFraudProofsClient,
    KeyDeliveryVerifierClient,
    proof_commitment,
)
from offchain.chain.model import Address, BlockRef
from offchain.core.hashing import keccak
from tests.support.agents_deliveries import (
    DATA_BYTES,
    EPOCH_OF_TOKEN,
    EVIDENCE,
    FALSE_DELIVERY,
    TOKEN,
    TRANSFER,
    DeliverySite,
    Made,
    make_delivery,
    new_bundle,
    oracle_key,
    raw,
    receiver_key,
)
from tests.support.attestation import hex_of, stakes_of
from tests.support.boa_chain import BoaReader, boa_deployments, boa_send

SHAPE = BundleShape(DATA_BYTES)
SALT = keccak(b"salt")


@pytest.fixture
def verifier(site: DeliverySite) -> KeyDeliveryVerifierClient:
    deployments = boa_deployments(KeyDeliveryVerifier=site.verifier)
    return KeyDeliveryVerifierClient(deployments, BoaReader())


@pytest.fixture
def proofs(site: DeliverySite) -> DeliveryFraudProofsClient:
    deployments = boa_deployments(DeliveryFraudProofs=site.proofs)
    return DeliveryFraudProofsClient(deployments, BoaReader())


@pytest.fixture
def now() -> BlockRef:
    return BoaReader().block().number


def spoilt(site: DeliverySite, at: int) -> Made:
    file = bytearray(new_bundle().file)
    file[at] ^= 1
    return make_delivery(site, bundle=replace(new_bundle(), file=bytes(file)))


def test_client__from_the_announcement_to_the_punishment__as_on_chain(
    site: DeliverySite,
    verifier: KeyDeliveryVerifierClient,
    proofs: DeliveryFraudProofsClient,
    now: BlockRef,
    stranger: str,
) -> None:
    made = spoilt(site, SHAPE.chunk_at(1) + 32)
    fault = find_fault(made.held)
    assert fault is not None
    reporter = bytes.fromhex(stranger[2:])
    boa_send(verifier.commit(proof_commitment(made.digest, reporter, SALT)), stranger)
    boa.env.time_travel(blocks=1)
    assert not verifier.is_false(made.digest, at=now)

    boa_send(proofs.prove(raw(site.verifier), made.delivery, fault, salt=SALT), stranger)
    found = verifier.finding(made.digest, at=now)
    before = stakes_of(site.attestation)
    boa_send(verifier.punish(made.digest, made.proof.signatures), stranger)

    assert (Falsehood.CONTENT, reporter) == (found.kind, found.reporter)
    assert verifier.is_false(made.digest, at=now)
    after = stakes_of(site.attestation)
    assert sum(after[one] < stake for one, stake in before.items()) == 3


@pytest.mark.parametrize("at", [5, SHAPE.content_leaves_at + 32 * 5], ids=["header", "list"])
def test_client__proofs_with_pieces__are_taken(
    site: DeliverySite,
    verifier: KeyDeliveryVerifierClient,
    proofs: DeliveryFraudProofsClient,
    now: BlockRef,
    stranger: str,
    at: int,
) -> None:
    made = spoilt(site, at)
    fault = find_fault(made.held)
    assert fault is not None

    boa_send(proofs.prove(raw(site.verifier), made.delivery, fault), stranger)

    assert fault.kind == verifier.finding(made.digest, at=now).kind


def test_client__reads__what_the_contract_says(
    site: DeliverySite, verifier: KeyDeliveryVerifierClient, now: BlockRef
) -> None:
    made = make_delivery(site)
    proof: OwnershipProof = made.proof
    context = Context(TOKEN, EPOCH_OF_TOKEN, TRANSFER, receiver_key().address, 3, bytes(32))
    collection, signer = raw(site.collection), oracle_key(0).address
    owner = site.operator(0).owner

    assert made.digest == verifier.delivery_digest(collection, context, proof, at=now)
    access = made.delivery.access(5)
    assert access.digest(site.domain) == verifier.access_digest(access, at=now)
    assert not verifier.is_spent(collection, TOKEN, made.delivery.nonce_hash, at=now)
    assert site.operator(0).operator_id == verifier.oracle(signer, at=now).operator_id
    assert verifier.is_oracle(signer, at=now)
    assert raw(site.proofs) == verifier.fraud_proofs(at=now)
    assert verifier.evidence_seconds(FALSE_DELIVERY, at=now) == EVIDENCE
    boa_send(verifier.announce("http://127.0.0.1:1"), owner)
    told = verifier.endpoint_of(site.operator(0).operator_id, at=now)
    assert told == "http://127.0.0.1:1"
    boa_send(verifier.enrol(signer), owner)
    with pytest.raises(Revert, match="oracle_book: stands"):
        boa_send(verifier.expel(signer), owner)
    assert verifier.address == Address(raw(site.verifier))
    assert hex_of(verifier.address).lower() == str(site.verifier.address).lower()
