"""Deploy data availability on the real ledger, beacon and court, and speak to it in model terms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import boa

from offchain.core.bls import (
    PublicKey,
    SecretKey,
    Signature,
    aggregate_keys,
    aggregate_signatures,
)
from offchain.core.hashing import keccak
from offchain.core.layout import columns_for
from offchain.da.model import (
    Attestation,
    Blob,
    BlobState,
    Certificate,
    Record,
    Terms,
    Windows,
    attestation_digest,
    blob_id,
    domain_separator,
)
from offchain.da.quorums import (
    Assignment,
    Member,
    Quorum,
    QuorumTable,
    absent_signer,
    assign,
    blob_seed,
    draw_table,
)
from tests.support.native_evm import record_block_hash
from tests.support.staking import (
    COIN,
    CONTRACTS,
    CUTOFF,
    DA,
    DAY,
    EPOCH,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    deploy_staking,
    staking_deployer,
)

WINDOWS = Windows(confirm=9, day=DAY, answer=36, veto=2 * DAY)
TERMS = Terms(price=10**9, confirm_slices=2_048, safety_slices=1_024, max_retention_days=21)
EVIDENCE_SECONDS = 24 * DAY
SAMPLE_PERIOD = 600
MIN_BOND = COIN // 100
COMMITMENT = bytes.fromhex("97f1d3a73197d7942695638c4fa9ac0f") + bytes(range(32))


@dataclass(frozen=True, slots=True)
class DaSite:
    """Everything wired; `operators` have joined and are members from the first final epoch on."""

    staking: StakingSite
    beacon: Any
    court: Any
    signers: Any
    entrance: Any
    challenges: Any
    fraud_proofs: Any
    sampling: Any
    governance: str
    treasury: str
    operators: tuple[AnOperator, ...]

    @property
    def stake(self) -> Any:
        return self.staking.stake

    @property
    def chain_id(self) -> int:
        return int(boa.env.evm.patch.chain_id)

    def domain(self) -> bytes:
        return domain_separator(chain_id=self.chain_id, entrance=raw(self.entrance.address))

    def blob_id(self, blob: Blob) -> bytes:
        return blob_id(blob, chain_id=self.chain_id, entrance=raw(self.entrance.address))

    def record(self, identifier: bytes) -> Record:
        return read_record(self.entrance.record(identifier))


def raw(address: Any) -> bytes:
    return bytes.fromhex(str(address)[2:])


def read_record(answer: Any) -> Record:
    values = list(answer)
    return Record(BlobState(int(values[0])), *values[1:])


@cache
def da_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "da" / f"{name}.vy"))


def deploy_da(operators: int = 4, *, own: Sequence[int] = (), terms: Terms = TERMS) -> DaSite:
    """Deploy and wire all; `own` are the operators' stakes in coin, 100 each by default."""
    staking = deploy_staking(court="")
    treasury = a_wallet("treasury")
    stake = staking.stake.address
    court = staking_deployer("SlashingCourt").deploy(stake, staking.governance, treasury, 29 * DAY)
    staking.stake.wire_court(court.address, sender=staking.governance)
    beacon = staking_deployer("RandomBeacon").deploy(stake, staking.governance, 7 * DAY)
    signers = da_deployer("DASigners").deploy(stake, beacon.address)
    entrance = deploy_entrance(staking, signers, treasury, terms=terms)
    judged = (entrance.address, signers.address, stake, court.address)
    challenges = da_deployer("DAChallenges").deploy(*judged, EVIDENCE_SECONDS, MIN_BOND)
    fraud_proofs = da_deployer("DAFraudProofs").deploy(*judged, EVIDENCE_SECONDS)
    sampling = da_deployer("DASampling").deploy(*judged[:3], SAMPLE_PERIOD)
    stakes = [*own, *[100] * (operators - len(own))]
    members = tuple(
        a_member(staking, number, own=coins * COIN) for number, coins in enumerate(stakes)
    )
    for operator in members:
        signers.join(endpoint_of(operator), sender=operator.owner)
    return DaSite(
        staking,
        beacon,
        court,
        signers,
        entrance,
        challenges,
        fraud_proofs,
        sampling,
        staking.governance,
        treasury,
        members,
    )


def deploy_entrance(
    staking: StakingSite,
    signers: Any,
    treasury: str,
    *,
    terms: Terms = TERMS,
    windows: Windows = WINDOWS,
) -> Any:
    return da_deployer("DAEntrance").deploy(
        signers.address,
        staking.stake.address,
        treasury,
        staking.governance,
        windows_tuple(windows),
        terms_tuple(terms),
    )


def endpoint_of(operator: AnOperator) -> str:
    return f"http://127.0.0.1:{4_000 + operator.operator_id}"


def terms_tuple(terms: Terms) -> tuple[int, ...]:
    return terms.price, terms.confirm_slices, terms.safety_slices, terms.max_retention_days


def windows_tuple(windows: Windows) -> tuple[int, ...]:
    return windows.confirm, windows.day, windows.answer, windows.veto


def blob_tuple(blob: Blob) -> tuple[Any, ...]:
    return (
        "0x" + blob.payer.hex(),
        "0x" + blob.disperser.hex(),
        blob.data_root,
        blob.commitment_hash,
        blob.columns,
        blob.length,
        blob.retention_days,
        blob.salt,
    )


def table_of(site: DaSite, epoch: int, members: Sequence[AnOperator] | None = None) -> QuorumTable:
    """The table that the model draws for an epoch of these members (all by default)."""
    chosen = site.operators if members is None else members
    weighed = [
        Member(
            operator.operator_id,
            site.stake.weight_at(operator.pool(DA), epoch),
            operator.key.public_key(),
        )
        for operator in chosen
    ]
    return draw_table(weighed, site.signers.seed(epoch))


def draw(
    site: DaSite, members: Sequence[AnOperator] | None = None, sender: str | None = None
) -> int:
    """Draw the current epoch's table, page by page; returns the epoch."""
    epoch = site.stake.current_epoch()
    account = sender or a_wallet("drawer")
    for page in table_of(site, epoch, members).pages:
        site.signers.draw(
            epoch, page.position, page.total_weight, list(page.operator_ids), sender=account
        )
    return int(epoch)


def to_first_epoch() -> None:
    """Travel to where the operators of a fresh site are members."""
    boa.env.time_travel(seconds=EPOCH + CUTOFF)


def a_blob(payer: str, disperser: str, **changes: Any) -> Blob:
    length = changes.get("length", 1_000_000)
    blob = Blob(
        payer=raw(payer),
        disperser=raw(disperser),
        data_root=keccak(b"data root"),
        commitment_hash=keccak(COMMITMENT),
        columns=columns_for(length),
        length=length,
        retention_days=14,
        salt=bytes(32),
    )
    return replace(blob, **changes)


def pay(site: DaSite, blob: Blob, *, value: int | None = None, authorisation: bytes = b"") -> bytes:
    """Pay the exact fee as the blob's payer; the id."""
    fee = site.entrance.quote(blob.length, blob.retention_days) if value is None else value
    return bytes(
        site.entrance.pay(
            blob_tuple(blob),
            COMMITMENT,
            authorisation,
            value=fee,
            sender="0x" + blob.payer.hex(),
        )
    )


def event_of(site: DaSite, name: str) -> Any:
    """The one event of this name that the last call of DAEntrance logged."""
    return next(one for one in site.entrance.get_logs() if type(one).__name__ == name)


def entropy_of(site: DaSite, identifier: bytes) -> bytes:
    """What this test chain answers for the block after the payment."""
    return keccak(b"block", int(site.record(identifier).paid_block + 1).to_bytes(8, "big"))


def mine_entropy(site: DaSite, identifier: bytes, blocks: int = 300) -> bytes:
    """Let blocks pass so that the history contract answers for the block after the payment."""
    paid_block = site.record(identifier).paid_block
    now = boa.env.evm.patch.block_number
    boa.env.evm.patch.block_number = max(now, paid_block + blocks)  # a chain never goes back
    entropy = entropy_of(site, identifier)
    record_block_hash(paid_block + 1, entropy)
    return entropy


@dataclass(frozen=True, slots=True)
class Ballot:
    """A paid blob with its quorum: everything a certificate is made of."""

    blob: Blob
    record: Record
    quorum: Quorum
    assignment: Assignment
    attestation: Attestation
    digest: bytes
    secrets: tuple[SecretKey, ...]  # of the quorum's signers, in its order

    def index_of(self, operator: AnOperator) -> int:
        """Where the operator stands in the quorum, whose order the draw decides."""
        return next(
            index
            for index, signer in enumerate(self.quorum.signers)
            if signer.operator_id == operator.operator_id
        )

    def certificate(self, absent: Sequence[int] = ()) -> Certificate:
        """The certificate in which all but `absent` (indices) have signed."""
        gone = set(absent)
        return Certificate(
            tuple(absent_signer(self.quorum, i, self.secrets[i].public_key()) for i in absent),
            self.signature([i for i in range(len(self.secrets)) if i not in gone]),
        )

    def signature(self, indices: Sequence[int], digest: bytes | None = None) -> Signature:
        message = self.digest if digest is None else digest
        return aggregate_signatures([self.secrets[index].sign(message) for index in indices])


def ballot(site: DaSite, blob: Blob, entropy: bytes, **changes: Any) -> Ballot:
    """Read a paid blob; `changes` replace fields of its attestation."""
    identifier = site.blob_id(blob)
    record = site.record(identifier)
    drawn = site.signers.epoch_table(record.epoch)
    table = table_of(site, drawn[1])
    seed = blob_seed(drawn[3], identifier, entropy)
    assignment = assign(seed, len(table.quorums))
    quorum = table.quorums[assignment.quorum_id]
    attestation = replace(
        Attestation(
            blob_id=identifier,
            epoch=record.epoch,
            quorum_id=assignment.quorum_id,
            seed=seed,
            data_root=blob.data_root,
            commitment_hash=blob.commitment_hash,
            columns=blob.columns,
            length=blob.length,
            expiry=record.expiry,
        ),
        **changes,
    )
    keys = {operator.operator_id: operator.key for operator in site.operators}
    return Ballot(
        blob,
        record,
        quorum,
        assignment,
        attestation,
        attestation_digest(attestation, site.domain()),
        tuple(keys[signer.operator_id] for signer in quorum.signers),
    )


def confirm(site: DaSite, blob: Blob, certificate: Certificate, sender: str | None = None) -> None:
    site.entrance.confirm(
        blob_tuple(blob),
        certificate.encoded_absent(),
        certificate.signature.eip2537(),
        sender=sender or a_wallet("relayer"),
    )


def whole_transaction_gas(contract: Any, calldata: bytes) -> int:
    """Gas of the last call as a transaction: execution, intrinsic gas, EIP-7623 floor."""
    execution = contract._computation.get_gas_used()
    zeros = calldata.count(0)
    tokens = zeros + 4 * (len(calldata) - zeros)
    refund = min(contract._computation.get_gas_refund(), (21_000 + 4 * tokens + execution) // 5)
    return max(21_000 + 4 * tokens + execution - refund, 21_000 + 10 * tokens)


def total_key(keys: Sequence[PublicKey]) -> PublicKey:
    return aggregate_keys(list(keys))
