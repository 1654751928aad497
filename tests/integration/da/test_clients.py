"""The DA clients against their contracts on a real EVM in this process: every call, every view."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offchain.core.bls import PublicKey, aggregate_signatures
from offchain.core.hashing import keccak
from offchain.core.layout import columns_for
from offchain.da.model import (
    Attestation,
    Blob,
    BlobState,
    Certificate,
    Equivocation,
    Terms,
    attestation_digest,
    blob_id,
    certificate_hash,
    domain_separator,
    encode_equivocation,
    equivocation_subject,
    fee_wei,
)
from offchain.da.onchain import (
    BlobConfirmed,
    BlobRefunded,
    CertificateRejected,
    DAEntranceClient,
    DASignersClient,
    EpochOpened,
    Joined,
    Left,
)
from offchain.da.onchain_challenges import DAChallengesClient
from offchain.da.quorums import Page, absent_signer, assign, owner_of_row
from offchain.da.quorums import Quorum as DrawnQuorum
from offchain.da.refusals import BlobUnknown
from offchain.da.reverts import (
    AlreadyPaid,
    CertificateInvalid,
    EpochDrawn,
    EquivocationUnproven,
    MembershipConflict,
    NothingToWithdraw,
    NotPaid,
    PaymentInvalid,
    PaymentsPaused,
    RefundEarly,
)
from offchain.node.peer_http import origin_in
from tests.support.da_chain import DaChain, deploy_chain

COMMITMENT = bytes(range(48))
LENGTH = 1_000_000
DA_EQUIVOCATION = 2


@dataclass(frozen=True, slots=True)
class Stage:
    """Four members, one staked disperser, and the three clients."""

    chain: DaChain
    signers: DASignersClient
    entrance: DAEntranceClient
    challenges: DAChallengesClient

    @property
    def head(self) -> bytes:
        return self.chain.node.block().hash

    def run(self, call: object, name: str, *, sender: int = 0) -> object:
        return self.chain.senders[sender].execute(call, key=name)

    def blob(self, salt: bytes) -> Blob:
        owner = self.chain.senders[0].account
        return Blob(
            payer=owner,
            disperser=owner,
            data_root=keccak(b"root"),
            commitment_hash=keccak(COMMITMENT),
            columns=columns_for(LENGTH),
            length=LENGTH,
            retention_days=2,
            salt=keccak(salt),
        )

    def pay(self, blob: Blob, *, extra: int = 0) -> bytes:
        fee = self.entrance.quote(LENGTH, blob.retention_days, at=self.head)
        call = self.entrance.pay(blob, COMMITMENT, b"", value_wei=fee + extra)
        self.run(call, f"pay {blob.salt.hex()}")
        self.chain.mine()
        self.chain.mine()
        return self.entrance.blob_id(blob, at=self.head)

    def attestation(self, blob: Blob) -> Attestation:
        identifier = self.entrance.blob_id(blob, at=self.head)
        record = self.entrance.record(identifier, at=self.head)
        entropy = self.chain.node.block(record.paid_block + 1).hash
        seed = self.signers.blob_seed(record.epoch, identifier, entropy, at=self.head)
        return Attestation(
            blob_id=identifier,
            epoch=record.epoch,
            quorum_id=assign(seed, 1).quorum_id,
            seed=seed,
            data_root=blob.data_root,
            commitment_hash=blob.commitment_hash,
            columns=blob.columns,
            length=blob.length,
            expiry=record.expiry,
        )

    def quorum(self, epoch: int) -> DrawnQuorum:
        key = PublicKey.parse(self.signers.quorum(epoch, 0, at=self.head).key)
        return DrawnQuorum(self.signers.signers_of(epoch, 0, at=self.head), key)

    def digest(self, attestation: Attestation) -> bytes:
        domain = self.entrance.domain_separator(at=self.head)
        return attestation_digest(attestation, domain)

    def certificate(self, blob: Blob, absent: tuple[int, ...] = ()) -> Certificate:
        attestation = self.attestation(blob)
        quorum = self.quorum(attestation.epoch)
        secrets = [self.chain.secrets[signer.operator_id] for signer in quorum.signers]
        digest = self.digest(attestation)
        signed = [s.sign(digest) for index, s in enumerate(secrets) if index not in absent]
        return Certificate(
            tuple(absent_signer(quorum, one, secrets[one].public_key()) for one in absent),
            aggregate_signatures(signed),
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("da-clients")
    chain = deploy_chain(
        folder, [f"http://127.0.0.1:{port}" for port in (4_001, 4_002, 4_003, 4_004)]
    )
    yield Stage(
        chain,
        DASignersClient(chain.deployments, chain.node),
        DAEntranceClient(chain.deployments, chain.node),
        DAChallengesClient(chain.deployments, chain.node),
    )
    chain.close()


def test_signers__views__tell_table_members_and_owners(stage: Stage) -> None:
    head = stage.head
    epoch = stage.signers.serving_epoch(at=head)
    table = stage.signers.epoch_table(epoch, at=head)
    quorum = stage.quorum(epoch)
    seed = keccak(b"any blob")
    assignment = assign(seed, table.quorum_count)

    assert table.quorum_count == 1
    assert stage.signers.seed(table.drawn_epoch, at=head) != bytes(32)
    assert {signer.operator_id for signer in quorum.signers} == {1, 2, 3, 4}
    assert stage.signers.member_count(epoch, at=head) == 4
    assert stage.signers.were_members([1, 2, 5, 9], epoch, at=head) == (1, 2)
    assert stage.signers.is_member(1, at=head)
    assert not stage.signers.is_member(5, at=head)
    assert stage.signers.endpoint(2, at=head) == "http://127.0.0.1:4002"
    assert stage.signers.endpoints([3, 9], at=head) == ["http://127.0.0.1:4003", ""]
    for row in (0, 1_024, 3_071):
        expected = owner_of_row(quorum, assignment, row)
        assert stage.signers.owner_of_row(epoch, seed, row, at=head) == expected
    first = stage.signers.signer_at(epoch, 0, 0, at=head)
    assert first == quorum.signers[0]


def test_entrance__one_blob__goes_from_payment_to_certificate(stage: Stage) -> None:
    blob = stage.blob(b"one blob")
    terms = stage.entrance.terms(at=stage.head)
    fee = stage.entrance.quote(LENGTH, 2, at=stage.head)
    credit = stage.entrance.credit_of(blob.payer, at=stage.head)
    identifier = stage.pay(blob, extra=7)
    record = stage.entrance.record(identifier, at=stage.head)
    payment = stage.entrance.payment_of(identifier, at=stage.head)

    assert fee == record.fee == payment.fee == fee_wei(LENGTH, 2, terms)
    assert identifier == blob_id(
        blob, chain_id=stage.chain.node.chain_id(), entrance=stage.entrance.address
    )
    assert stage.entrance.domain_separator(at=stage.head) == domain_separator(
        chain_id=stage.chain.node.chain_id(), entrance=stage.entrance.address
    )
    assert (payment.commitment, payment.payer, payment.length) == (COMMITMENT, blob.payer, LENGTH)
    assert stage.entrance.credit_of(blob.payer, at=stage.head) == credit + 7
    with pytest.raises(AlreadyPaid):
        stage.run(stage.entrance.pay(blob, COMMITMENT, b"", value_wei=fee), "pay twice")
    forged = replace(stage.certificate(blob), absent=stage.certificate(blob, (1,)).absent)
    with pytest.raises(CertificateInvalid):
        stage.run(stage.entrance.confirm(blob, forged), "forged certificate")

    certificate = stage.certificate(blob, (1,))
    receipt = stage.run(stage.entrance.confirm(blob, certificate), "certificate")

    [event] = stage.entrance.events_in(BlobConfirmed, receipt.logs)
    confirmed = stage.entrance.record(identifier, at=stage.head)
    assert (event.blob_id, event.operators) == (identifier, 3)
    assert confirmed.state is BlobState.CONFIRMED
    assert confirmed.certificate_hash == certificate_hash(event.seed, event.absent)
    assert event.absent == certificate.absent_bits()
    assert stage.entrance.is_available(identifier, at=stage.head)
    assert stage.entrance.reward_pool(at=stage.head) > 0
    with pytest.raises(NotPaid):
        stage.run(stage.entrance.refund(blob), "refund of a confirmed blob")


def test_entrance__a_batch__logs_the_refused_one_and_confirms_the_other(stage: Stage) -> None:
    good, bad = stage.blob(b"good"), stage.blob(b"bad")
    stage.pay(good)
    batch = [(bad, stage.certificate(good)), (good, stage.certificate(good))]

    receipt = stage.run(stage.entrance.confirm_many(batch), "batch")

    [refusal] = stage.entrance.events_in(CertificateRejected, receipt.logs)
    assert refusal.text == "blob_records: not paid"
    assert refusal.blob_id == stage.entrance.blob_id(bad, at=stage.head)
    identifier = stage.entrance.blob_id(good, at=stage.head)
    assert stage.entrance.is_available(identifier, at=stage.head)


def test_entrance__no_certificate__refunds_after_the_deadline(stage: Stage) -> None:
    blob = stage.blob(b"forgotten")
    identifier = stage.pay(blob)
    held = stage.entrance.held(at=stage.head)
    with pytest.raises(RefundEarly):
        stage.run(stage.entrance.refund(blob), "early refund")
    deadline = stage.entrance.record(identifier, at=stage.head).deadline
    while stage.chain.node.block().timestamp <= deadline:
        stage.chain.mine(stage.entrance.windows(at=stage.head).confirm)

    receipt = stage.run(stage.entrance.refund(blob), "refund")

    [event] = stage.entrance.events_in(BlobRefunded, receipt.logs)
    assert (event.payer, event.fee) == (blob.payer, held - stage.entrance.held(at=stage.head))
    assert stage.entrance.record(identifier, at=stage.head).state is BlobState.REFUNDED
    stage.run(stage.entrance.withdraw(blob.payer), "withdraw")
    assert stage.entrance.credit_of(blob.payer, at=stage.head) == 0
    with pytest.raises(NothingToWithdraw):
        stage.run(stage.entrance.withdraw(blob.payer), "withdraw again")


def test_entrance__governance__sets_terms_pauses_and_collects(stage: Stage) -> None:
    terms = stage.entrance.terms(at=stage.head)
    dearer = replace(terms, price=terms.price + 1)
    stage.run(stage.entrance.set_terms(dearer), "dearer")
    assert stage.entrance.terms(at=stage.head) == Terms(
        dearer.price, terms.confirm_slices, terms.safety_slices, terms.max_retention_days
    )
    stage.run(stage.entrance.set_terms(terms), "as before")
    stage.run(stage.entrance.set_paused(is_paused=True), "pause")
    blob = stage.blob(b"while paused")
    with pytest.raises(PaymentsPaused):
        stage.run(stage.entrance.pay(blob, COMMITMENT, b"", value_wei=10**18), "paused")
    assert stage.entrance.is_paused(at=stage.head)
    stage.run(stage.entrance.set_paused(is_paused=False), "resume")
    with pytest.raises(PaymentInvalid):
        stage.run(stage.entrance.pay(blob, COMMITMENT, b"", value_wei=1), "too little")
    stage.run(stage.entrance.collect(), "collect")
    with pytest.raises(BlobUnknown):
        stage.entrance.payment_of(keccak(b"unknown"), at=stage.head)
    assert len(stage.entrance.dispersal_digest(bytes(32), at=stage.head)) == 32


def test_challenges__equivocation__names_operator_epoch_and_subject(stage: Stage) -> None:
    blob = stage.blob(b"two tongues")
    stage.pay(blob)
    honest = stage.attestation(blob)
    forged = replace(honest, data_root=keccak(b"forged"))
    secret = stage.chain.secrets[2]
    case = Equivocation(
        secret.public_key(),
        honest,
        secret.sign(stage.digest(honest)),
        forged,
        secret.sign(stage.digest(forged)),
    )

    found = stage.challenges.adjudicate(DA_EQUIVOCATION, encode_equivocation(case), at=stage.head)

    subject = equivocation_subject(honest.blob_id, honest.seed, secret.public_key())
    key_hash = keccak(secret.public_key().eip2537())
    assert (found.pool, found.epoch, found.subject) == (2 << 8 | 1, honest.epoch, subject)
    assert subject == stage.challenges.equivocation_subject(
        honest.blob_id, honest.seed, key_hash, at=stage.head
    )
    assert stage.challenges.evidence_seconds(DA_EQUIVOCATION, at=stage.head) > 0
    with pytest.raises(EquivocationUnproven):
        stage.challenges.adjudicate(DA_EQUIVOCATION, b"", at=stage.head)


def test_ledger__a_member_writes_an_endpoint_that_is_no_text__others_keep_their_view(
    stage: Stage,
) -> None:
    identifier = stage.pay(stage.blob(b"poisoned endpoint"))
    before = stage.chain.ledger().view(identifier, at=stage.chain.node.block().number)
    plain = stage.signers.update_endpoint("http://zz")
    stage.run(replace(plain, data=plain.data.replace(b"zz", b"\xff\xfe")), "poison", sender=1)

    after = stage.chain.ledger().view(identifier, at=stage.chain.node.block().number)

    endpoints = {duty.operator: duty.endpoint for duty in after.duties.members}
    assert endpoints.pop(2) == "http://\ufffd\ufffd"
    assert endpoints == {d.operator: d.endpoint for d in before.duties.members if d.operator != 2}
    assert origin_in("http://\ufffd\ufffd") is None


def test_signers__membership_calls__are_built_and_refused_by_kind(stage: Stage) -> None:
    disperser = len(stage.chain.senders) - 1
    receipt = stage.run(stage.signers.join("http://127.0.0.1:9"), "late join", sender=disperser)
    [joined] = stage.signers.events_in(Joined, receipt.logs)
    assert joined.endpoint == "http://127.0.0.1:9"
    stage.run(stage.signers.update_endpoint("http://127.0.0.1:8"), "move", sender=disperser)
    assert stage.signers.endpoint(joined.operator_id, at=stage.head) == "http://127.0.0.1:8"
    receipt = stage.run(stage.signers.leave(), "leave", sender=disperser)
    [left] = stage.signers.events_in(Left, receipt.logs)
    assert left.operator_id == joined.operator_id
    with pytest.raises(MembershipConflict):
        stage.run(stage.signers.evict(1), "evict a member in order")
    receipt = stage.run(stage.signers.open_epoch(), "open")
    opened = stage.signers.events_in(EpochOpened, receipt.logs)
    epoch = stage.signers.serving_epoch(at=stage.head)
    assert all(one.epoch == epoch for one in opened)
    with pytest.raises(EpochDrawn):
        stage.run(stage.signers.draw(epoch, Page(0, 1, (1,))), "draw twice")
