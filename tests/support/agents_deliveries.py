"""The verifier of deliveries on real stake, court and attestations; the tests hold every key.

A delivery is made as oracles make it; what a liar changes is said by keywords.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

import boa

from offchain.agents.bundle import Bundle, LeafList, content_leaves, encrypt_bundle, reencrypt
from offchain.agents.delivery import (
    AccessProof,
    Delivery,
    OwnershipProof,
    RootWords,
    in_order,
    keys_of,
    oracle_service,
    pack_access,
    verifier_domain,
)
from offchain.agents.false_delivery import Held, opened_seal
from offchain.agents.seal import SealContext, public_key_of, seal
from offchain.agents.stored_pieces import StoredPieces
from offchain.attestation.model import MeasurementClass
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import Digest, keccak
from offchain.staking.court import OffenceClass
from tests.support.attestation import (
    EVIDENCE,
    AttestationSite,
    Vouched,
    a_quote,
    an_entry,
    deploy_attestation,
    hex_of,
    tee,
    vouch,
)
from tests.support.court import a_rule, rule_tuple
from tests.support.da_encoding import the_engine
from tests.support.staking import CONTRACTS, RELAYER, a_wallet

FALSE_DELIVERY = 34
HOUR = 3_600
TOKEN, EPOCH_OF_TOKEN = 7, 3
TRANSFER, CLONE = 1, 2
COMPOSE = "services: {oracle: {image: oracle@sha256:00}}"
SUPPORT = CONTRACTS.parent / "tests" / "support"
ORACLES = 4
DATA_BYTES = 2 * 65_536 + 100  # three chunks


@cache
def agents_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "agents" / f"{name}.vy"))


@cache
def support_deployer(name: str) -> Any:
    return boa.load_partial(str(SUPPORT / f"{name}.vy"))


@cache
def oracle_key(number: int) -> LocalSigner:
    """What an oracle signs deliveries with."""
    return LocalSigner.from_secret(keccak(b"oracle", number.to_bytes(4, "big")))


@cache
def receiver_key(name: str = "receiver") -> LocalSigner:
    return LocalSigner.from_secret(keccak(name.encode()))


@dataclass(frozen=True, slots=True)
class DeliverySite:
    """`collection` moves agents and keeps files; oracle i is the i-th relayer's."""

    attestation: AttestationSite
    verifier: Any
    proofs: Any
    collection: Any
    measurement_id: bytes

    @property
    def domain(self) -> Digest:
        chain_id = int(boa.env.evm.patch.chain_id)
        return verifier_domain(chain_id=chain_id, verifier=raw(self.verifier))

    def operator(self, number: int) -> Any:
        """Who answers for an oracle."""
        return self.attestation.relayers[number]

    def attest(self, number: int, *, operator: int | None = None, **changes: Any) -> Vouched:
        """A verdict on an oracle's enclave, for its operator's service."""
        site = self.attestation
        owner = self.operator(number if operator is None else operator)
        service = oracle_service(owner.operator_id)
        key = oracle_key(number)
        if not site.registry.committee(site.epoch):
            site.draw(site.epoch)
        quote = a_quote(site, key, epoch=site.epoch, by=tee(COMPOSE), service=service)
        lies = {"measurement_id": self.measurement_id, "service": service} | changes
        return vouch(site, key, quote=quote, **lies)

    def enrol(self, number: int) -> None:
        signer = hex_of(oracle_key(number).address)
        self.verifier.enrol(signer, sender=self.operator(number).owner)

    def set_context(self, **changes: Any) -> tuple[Any, ...]:
        """What the collection says of its transfer from now on."""
        said = {
            "token": TOKEN,
            "epoch": EPOCH_OF_TOKEN,
            "op": TRANSFER,
            "receiver": hex_of(receiver_key().address),
            "threshold": 3,
            "key_hash": bytes(32),
        } | changes
        self.collection.set_context(tuple(said.values()))
        return tuple(said.values())


def raw(contract: Any) -> bytes:
    return bytes.fromhex(str(contract.address)[2:])


def deploy_deliveries(oracles: int = ORACLES) -> DeliverySite:
    """Everything deployed, oracles attested and enrolled."""
    site = deploy_attestation()
    collection = support_deployer("agents_collection").deploy()
    proofs = agents_deployer("DeliveryFraudProofs").deploy()
    stake, court = site.stake.address, site.court.address
    verifier = agents_deployer("KeyDeliveryVerifier").deploy(
        site.registry.address, stake, court, collection.address, proofs.address, EVIDENCE
    )
    rule = a_rule(
        verifier.address,
        offence_class=OffenceClass.PROVEN,
        service=RELAYER,
        base_bps=5_000,
        evidence_seconds=EVIDENCE,
        tombstones=True,
    )
    site.court.add_type(FALSE_DELIVERY, rule_tuple(rule), sender=site.governance)
    entry = an_entry(tee(COMPOSE), measurement_class=MeasurementClass.ORACLE)
    listed = bytes(site.registry.list_measurement(*entry, sender=site.governance))
    made = DeliverySite(site, verifier, proofs, collection, listed)
    for number in range(oracles):
        made.attest(number)
        made.enrol(number)
    made.set_context()
    return made


@cache
def old_bundle(size: int = DATA_BYTES) -> tuple[bytes, bytes, Bundle]:
    """Data, key and file that a token had before."""
    random = Random(size)
    data, key = random.randbytes(size), random.randbytes(32)
    return data, key, encrypt_bundle(data, key=key, draw=random.randbytes)


@cache
def new_bundle(size: int = DATA_BYTES, key: bytes = keccak(b"new key")) -> Bundle:
    """The same under the key that the oracles made."""
    _, old_key, old = old_bundle(size)
    return reencrypt(old.file, old_key, key, old.roots.content_root, hash_many=hashes())


@cache
def stored(file: bytes) -> StoredPieces:
    """A file as storage keeps it."""
    return StoredPieces(file, the_engine())


def hashes() -> Any:
    return the_engine().keccak_many


@dataclass(frozen=True, slots=True)
class Made:
    """A delivery with all that its maker and its receiver know."""

    site: DeliverySite
    delivery: Delivery
    proof: OwnershipProof
    secret: bytes = field(repr=False)
    file: bytes = field(repr=False)
    leaves: LeafList = field(repr=False)

    @property
    def digest(self) -> bytes:
        return bytes(self.delivery.digest(self.site.domain))

    @property
    def held(self) -> Held:
        """What the buyer holds."""
        return Held(
            chain_id=int(boa.env.evm.patch.chain_id),
            delivery=self.delivery,
            sealed_key=self.proof.sealed_key,
            secret=self.secret,
            leaves=self.leaves,
            file=self.file,
            stored=stored(self.file),
            hash_many=hashes(),
        )

    def access(
        self, signer: LocalSigner | None = None, *, deadline: int | None = None, **changes: Any
    ) -> AccessProof:
        """The receiver's word; keywords change what is sent, not what is signed."""
        until = self.delivery.deadline if deadline is None else deadline
        digest = self.delivery.access(until).digest(self.site.domain)
        signature = (signer or receiver_key()).sign_digest(digest)
        one = self.proof
        made = AccessProof(
            one.old_data_hash,
            one.new_data_hash,
            one.nonce,
            one.public_key,
            pack_access(until, signature),
        )
        return replace(made, **changes)

    def pair(self, access: AccessProof | None = None, **changes: Any) -> tuple[Any, Any]:
        """As the EIP has it: access proof, ownership proof."""
        given = self.access() if access is None else access
        return given.fields(), replace(self.proof, **changes).fields()

    def deliver(self, access: AccessProof | None = None, **changes: Any) -> Any:
        return self.site.collection.deliver(
            self.site.verifier.address, [self.pair(access, **changes)]
        )

    def prove(self, function: str, *arguments: Any, sender: str, salt: bytes = bytes(32)) -> None:
        call = getattr(self.site.proofs, function)
        fields = said(self.delivery)
        call(self.site.verifier.address, fields, *arguments, salt, sender=sender)


def opened(made: Made) -> tuple[bytes, ...]:
    """What opens the sealed key."""
    return opened_seal(made.held).fields()


def said(delivery: Delivery) -> tuple[Any, ...]:
    """A delivery as titanoboa takes it: addresses are text."""
    fields = list(delivery.fields())
    fields[0], fields[4] = hex_of(delivery.collection), hex_of(delivery.receiver)
    return tuple(fields)


def make_delivery(
    site: DeliverySite,
    *,
    signers: Sequence[int] = (0, 1, 2),
    nonce: bytes = b"n" * 32,
    bundle: Bundle | None = None,
    old: Bundle | None = None,
    sealed_key: bytes | None = None,
    **lies: Any,
) -> Made:
    """What honest oracles make of the old bundle; keywords are what liars sign instead.

    `key`: another key is sealed; fields of `Delivery` are signed as they are told.
    """
    before = old_bundle()[2] if old is None else old
    made = new_bundle() if bundle is None else bundle
    pieces = stored(made.file)
    secret = keccak(b"one-time secret")
    fields = {
        "collection": raw(site.collection),
        "token": TOKEN,
        "epoch": EPOCH_OF_TOKEN,
        "op": TRANSFER,
        "receiver": receiver_key().address,
    } | {name: lies.pop(name) for name in ("token", "epoch", "op", "receiver") if name in lies}
    new_data_hash = lies.pop("new_data_hash", pieces.root)
    context = SealContext(
        int(boa.env.evm.patch.chain_id),
        raw(site.collection),
        fields["token"],
        fields["epoch"],
        fields["receiver"],
        new_data_hash,
    )
    key = lies.pop("key", keccak(b"new key"))
    public_key = public_key_of(secret)
    if sealed_key is None:
        sealed_key = seal(key, public_key, context, scalar=keys_of(keccak(nonce)).scalar)
    roots = RootWords(
        content_root=lies.pop("content_root", made.roots.content_root),
        old_key_root=before.roots.key_root,
        old_key_commit=before.roots.key_commit,
        old_location=keccak(b"old location"),
        key_root=lies.pop("key_root", made.roots.key_root),
        key_commit=lies.pop("key_commit", made.roots.key_commit),
        location=lies.pop("location", keccak(b"location")),
    )
    proof = OwnershipProof(
        old_data_hash=stored(before.file).root,
        new_data_hash=new_data_hash,
        sealed_key=sealed_key,
        public_key=public_key,
        nonce=nonce,
        roots=roots,
        deadline=lies.pop("deadline", boa.env.timestamp + HOUR),
        signatures=(),
    )
    assert not lies, lies
    delivery = proof.delivery(**fields)
    digest = delivery.digest(site.domain)
    signatures = in_order(digest, [oracle_key(one).sign_digest(digest) for one in signers])
    leaves = content_leaves(before.file, before.roots.content_root, hash_many=hashes())
    return Made(site, delivery, replace(proof, signatures=signatures), secret, made.file, leaves)


def picture(site: DeliverySite, *digests: bytes) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    verifier, stake = site.verifier, site.attestation.stake
    keys = [hex_of(oracle_key(number).address) for number in range(ORACLES + 1)]
    nonces = [keccak(b"n" * 32), keccak(b"m" * 32)]
    return (
        [verifier.oracle(key) for key in keys],
        [verifier.is_spent(site.collection.address, TOKEN, one) for one in nonces],
        [verifier.finding(one) for one in digests],
        [stake.pool_state(one.pool(RELAYER)).own for one in site.attestation.relayers],
        [verifier.endpoint_of(one.operator_id) for one in site.attestation.relayers],
    )


def a_stranger() -> str:
    return a_wallet("stranger")
