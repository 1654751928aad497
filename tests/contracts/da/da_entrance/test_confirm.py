"""Certificates: accepted exactly when everything that the chain recomputes holds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import boa
import pytest

from offchain.core.bls import DST_POSSESSION, R, SecretKey, encode_g2
from offchain.core.hashing import keccak
from offchain.da.model import (
    Attestation,
    BlobState,
    attestation_digest,
    certificate_hash,
    domain_separator,
)
from offchain.da.quorums import Member, draw_table
from tests.contracts.da.conftest import Refused
from tests.support.da import (
    WINDOWS,
    Ballot,
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    confirm,
    deploy_da,
    event_of,
    mine_entropy,
    pay,
    raw,
    to_first_epoch,
)
from tests.support.staking import COIN, DA, AnOperator, a_wallet, next_epoch

# On the twist with x = 2, but not of prime order.
OUTSIDE_SUBGROUP = b"".join(
    coordinate.to_bytes(64, "big")
    for coordinate in (
        2,
        0,
        (0x18C6B864AE17DC9DA64203FFEFB966306425A7BC6AEB7C75 << 192)
        + 0x247438372716284A4173830420CD476BA1A365B95BFCEC38,
        (0x172E93DB764A8400A7D5071B6B6F5DE0DA2F0F4A063119AB << 192)
        + 0xCA014006B7C40A2CFE291A1924E65DB0D6D0FCFBF3BF3D5C,
    )
)


@dataclass(frozen=True, slots=True)
class Poll:
    """A paid blob at a block where a certificate can be judged, and its quorum."""

    site: DaSite
    ballot: Ballot
    identifier: bytes

    def send(self, absent: bytes, signature: bytes) -> None:
        self.site.entrance.confirm(
            blob_tuple(self.ballot.blob), absent, signature, sender=a_wallet("relayer")
        )

    def index_of(self, operator: AnOperator) -> int:
        return self.ballot.index_of(operator)


@pytest.fixture
def poll(site: DaSite) -> Poll:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)
    return Poll(site, ballot(site, blob, mine_entropy(site, identifier)), identifier)


def test_confirm__everybody_signed__earns_the_fee(poll: Poll) -> None:
    site = poll.site
    fee = site.record(poll.identifier).fee

    confirm(site, poll.ballot.blob, poll.ballot.certificate())

    event = event_of(site, "BlobConfirmed")
    record = site.record(poll.identifier)
    assert record.state is BlobState.CONFIRMED
    assert (record.operators, record.fee) == (5, 0)
    assert record.certificate_hash == certificate_hash(poll.ballot.attestation.seed, (0, 0, 0, 0))
    assert (site.entrance.held(), site.entrance.reward_pool()) == (0, fee - fee // 10)
    assert site.entrance.is_available(poll.identifier)
    assert (event.seed, event.slices, event.operators) == (poll.ballot.attestation.seed, 3_072, 5)


def test_confirm__some_absent__counts_those_who_signed(poll: Poll) -> None:
    site = poll.site
    absent = poll.index_of(site.operators[1])
    certificate = poll.ballot.certificate([absent])

    confirm(site, poll.ballot.blob, certificate)

    assert [1 << absent, 0, 0, 0] == event_of(site, "BlobConfirmed").absent
    record = site.record(poll.identifier)
    assert record.operators == 4
    assert record.certificate_hash == certificate_hash(
        poll.ballot.attestation.seed, certificate.absent_bits()
    )


def test_confirm__twice__is_refused(poll: Poll, refused: Refused) -> None:
    confirm(poll.site, poll.ballot.blob, poll.ballot.certificate())

    with refused("blob_records: not paid"):
        confirm(poll.site, poll.ballot.blob, poll.ballot.certificate())


def test_confirm__unpaid_or_altered_blob__is_refused(poll: Poll, refused: Refused) -> None:
    blob = poll.ballot.blob
    for altered in (
        replace(blob, data_root=keccak(b"other")),
        replace(blob, commitment_hash=keccak(b"other")),
        replace(blob, length=blob.length - 1),
        replace(blob, retention_days=21),
        replace(blob, salt=keccak(b"other")),
    ):
        with refused("blob_records: not paid"):
            confirm(poll.site, altered, poll.ballot.certificate())


def test_inv_da_7__too_few_slices__is_refused(poll: Poll, refused: Refused) -> None:
    rich = poll.index_of(poll.site.operators[0])
    poor = [poll.index_of(operator) for operator in poll.site.operators[1:]]

    with refused("da_entrance: too few slices"):
        confirm(poll.site, poll.ballot.blob, poll.ballot.certificate([rich]))
    with refused("da_entrance: too few slices"):
        confirm(poll.site, poll.ballot.blob, poll.ballot.certificate(sorted(poor)))


def test_inv_da_7__absent_list_malformed__is_refused(poll: Poll, refused: Refused) -> None:
    one, two = sorted(poll.index_of(operator) for operator in poll.site.operators[1:3])
    certificate = poll.ballot.certificate([one, two])
    signature = certificate.signature.eip2537()
    first, second = (certificate.encoded_absent()[i : i + 102] for i in (0, 102))

    def with_index(entry: bytes, index: int) -> bytes:
        return index.to_bytes(2, "big") + entry[2:]

    for absent, reason in (
        (second + first, "da_signers: absent not rising"),
        (first + first, "da_signers: absent not rising"),
        (first + second[:-1], "da_signers: cut absent list"),
        (with_index(first, two), "quorum_table: not that signer"),
        (with_index(first, 5), "quorum_table: not that signer"),
        (with_index(first, 1_024), "quorum_table: no such signer"),
        (first[:3] + bytes([first[3] ^ 1]) + first[4:], "quorum_table: not that signer"),
        (first[:5] + bytes([first[5] ^ 1]) + first[6:], "quorum_table: not that signer"),
        (first[:101] + bytes([first[101] ^ 1]), "quorum_table: not that signer"),
        (first[:6] + second[6:], "quorum_table: not that signer"),
        (first[:6] + bytes(96), "quorum_table: not that signer"),
    ):
        with refused(reason):
            poll.send(absent, signature)
    poll.send(first + second, signature)


def test_inv_da_7__signer_counted_as_present_that_did_not_sign__is_refused(
    poll: Poll, refused: Refused
) -> None:
    absent = poll.index_of(poll.site.operators[1])
    others = [index for index in range(5) if index != absent]
    without, every = poll.ballot.signature(others), poll.ballot.signature(range(5))
    entry = poll.ballot.certificate([absent]).encoded_absent()

    with refused("da_entrance: wrong signature"):
        poll.send(b"", without.eip2537())
    with refused("da_entrance: wrong signature"):
        poll.send(entry, every.eip2537())
    poll.send(entry, without.eip2537())


def test_inv_da_7__malformed_signature__is_refused(poll: Poll, refused: Refused) -> None:
    good = poll.ballot.certificate().signature.eip2537()
    point = poll.ballot.certificate().signature._point
    for signature in (
        b"",
        bytes(256),
        good[:-1],
        good[:255] + bytes([good[255] ^ 1]),
        b"\x01" + good[1:],
        encode_g2(-point),
        encode_g2(point + point),
        OUTSIDE_SUBGROUP,
    ):
        with refused("da_entrance: wrong signature"):
            poll.send(b"", signature)


CHANGES: dict[str, Callable[[Attestation], dict[str, object]]] = {
    "blob_id": lambda _: {"blob_id": bytes(32)},
    "epoch": lambda a: {"epoch": a.epoch + 1},
    "quorum_id": lambda _: {"quorum_id": 1},
    "seed": lambda _: {"seed": bytes(32)},
    "data_root": lambda _: {"data_root": bytes(32)},
    "commitment_hash": lambda _: {"commitment_hash": bytes(32)},
    "columns": lambda a: {"columns": a.columns + 8},
    "length": lambda a: {"length": a.length + 1},
    "expiry": lambda a: {"expiry": a.expiry + 1},
}


@pytest.mark.parametrize("field", CHANGES)
def test_inv_da_7__signed_over_another_field__is_refused(
    poll: Poll, field: str, refused: Refused
) -> None:
    changed = replace(poll.ballot.attestation, **CHANGES[field](poll.ballot.attestation))
    digest = attestation_digest(changed, poll.site.domain())
    signature = poll.ballot.signature(range(5), digest)

    with refused("da_entrance: wrong signature"):
        poll.send(b"", signature.eip2537())


def test_inv_da_7__signed_for_another_chain_or_contract__is_refused(
    poll: Poll, refused: Refused
) -> None:
    entrance = raw(poll.site.entrance.address)
    chain_id = poll.site.chain_id
    for domain in (
        domain_separator(chain_id=chain_id + 1, entrance=entrance),
        domain_separator(chain_id=chain_id, entrance=raw(poll.site.signers.address)),
    ):
        digest = attestation_digest(poll.ballot.attestation, domain)
        signature = poll.ballot.signature(range(5), digest)

        with refused("da_entrance: wrong signature"):
            poll.send(b"", signature.eip2537())


def test_inv_da_7__chain_id_changes_after_payment__the_certificate_is_void(
    poll: Poll,
) -> None:
    boa.env.evm.patch.chain_id = poll.site.chain_id + 1

    with boa.reverts("blob_records: not paid"):
        confirm(poll.site, poll.ballot.blob, poll.ballot.certificate())


def test_inv_da_7__after_the_deadline__is_refused(poll: Poll, refused: Refused) -> None:
    boa.env.time_travel(seconds=WINDOWS.confirm)
    with boa.env.anchor():
        confirm(poll.site, poll.ballot.blob, poll.ballot.certificate())
    boa.env.time_travel(seconds=1)

    with refused("da_entrance: too late"):
        confirm(poll.site, poll.ballot.blob, poll.ballot.certificate())


def test_inv_da_11__block_after_payment_unknown__is_refused(site: DaSite, refused: Refused) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)
    votes = ballot(site, blob, bytes(32))
    paid_block = site.record(identifier).paid_block

    for blocks in (0, 1):
        boa.env.evm.patch.block_number = paid_block + blocks
        with refused("da_entrance: no block hash"):
            confirm(site, blob, votes.certificate())
    boa.env.evm.patch.block_number = paid_block + 9_000
    with refused("da_entrance: no block hash"):
        confirm(site, blob, votes.certificate())


def test_confirm__recent_block__takes_its_hash_from_the_chain(site: DaSite) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)
    entropy = keccak(b"the block after")
    boa.env.evm.patch.block_number = site.record(identifier).paid_block + 2
    boa.env.evm.patch.prev_hashes = [entropy, keccak(b"the paying block")]

    confirm(site, blob, ballot(site, blob, entropy).certificate())

    assert site.entrance.is_available(identifier)


def test_confirm__former_epochs_table__judges_blobs_paid_in_it(poll: Poll) -> None:
    site = poll.site
    site.signers.leave(sender=site.operators[0].owner)
    boa.env.time_travel(seconds=WINDOWS.confirm)

    confirm(site, poll.ballot.blob, poll.ballot.certificate())

    assert site.record(poll.identifier).state is BlobState.CONFIRMED


def test_inv_da_7__keys_that_cancel__never_verify() -> None:
    key = SecretKey.from_seed(b"rogue".ljust(32, b"\0"))
    site = deploy_da(0)
    operators = [_operator_with_key(site, key), _operator_with_key(site, SecretKey(R - key.scalar))]
    to_first_epoch()
    epoch = site.stake.current_epoch()
    # the sum of both keys is the identity, which the table's own key then is
    honest = replace(site, operators=tuple(operators))
    ids = sorted(
        (operator.operator_id for operator in operators),
        key=lambda one: site.signers.rank(epoch, one),
    )
    site.signers.draw(epoch, 0, 200 * COIN, ids)
    blob = a_blob(operators[0].owner, operators[0].owner)
    identifier = pay(honest, blob)
    mine_entropy(honest, identifier)

    for signature in (bytes(256), key.sign(bytes(32)).eip2537()):
        with boa.reverts("da_entrance: wrong signature"):
            site.entrance.confirm(blob_tuple(blob), b"", signature)


def _operator_with_key(site: DaSite, key: SecretKey) -> AnOperator:
    owner = a_wallet("rogue operator")
    public = key.public_key().eip2537()
    digest = site.staking.registry.possession_digest(owner, public)
    proof = key.sign(digest, DST_POSSESSION).eip2537()
    operator_id = site.staking.registry.register(public, proof, sender=owner)
    site.stake.join(DA, 0, value=100 * COIN, sender=owner)
    site.signers.join("http://127.0.0.1:1", sender=owner)
    return AnOperator(operator_id, owner, key)


def test_is_available__until_expiry__not_a_second_longer(poll: Poll) -> None:
    site = poll.site
    confirm(site, poll.ballot.blob, poll.ballot.certificate())
    expiry = site.record(poll.identifier).expiry

    boa.env.time_travel(seconds=expiry - 1 - boa.env.timestamp)
    assert site.entrance.is_available(poll.identifier)
    boa.env.time_travel(seconds=1)
    assert not site.entrance.is_available(poll.identifier)


def test_inv_da_9__signer_that_leaves_at_once__answers_until_the_windows_are_over(
    poll: Poll,
) -> None:
    site = poll.site
    operator = site.operators[1]
    confirm(site, poll.ballot.blob, poll.ballot.certificate())
    record = site.record(poll.identifier)
    site.stake.leave(DA, sender=operator.owner)

    last_answer = record.paid_at + 21 * WINDOWS.day + 2 * WINDOWS.answer + WINDOWS.veto
    boa.env.time_travel(seconds=last_answer - boa.env.timestamp)

    assert record.expiry < last_answer
    assert site.stake.exposed(operator.pool(DA), record.epoch) == 100 * COIN


def test_inv_da_14__idle_time__does_not_change_the_price(site: DaSite) -> None:
    gas = []
    owner = site.operators[0].owner
    for epochs in (1, 4_000):
        with boa.env.anchor():
            next_epoch(epochs)
            blob = a_blob(owner, owner)
            identifier = pay(site, blob)
            paid = site.entrance._computation.get_gas_used()
            mine_entropy(site, identifier)
            epoch = site.record(identifier).epoch
            drawn = site.signers.epoch_table(epoch)[1]
            site.entrance.confirm(*_certificate(site, blob, drawn))
            gas.append((paid, site.entrance._computation.get_gas_used()))

    assert all(abs(early - late) <= 1_000 for early, late in zip(*gas, strict=True))


def _certificate(site: DaSite, blob: object, drawn: int) -> tuple[object, ...]:
    identifier = site.blob_id(blob)
    entropy = mine_entropy(site, identifier)
    votes = ballot(site, blob, entropy)
    members = [
        Member(o.operator_id, site.stake.weight_at(o.pool(DA), drawn), o.key.public_key())
        for o in site.operators
    ]
    assert draw_table(members, site.signers.seed(drawn)).quorums[0] == votes.quorum
    certificate = votes.certificate()
    return blob_tuple(blob), b"", certificate.signature.eip2537()
