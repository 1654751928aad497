"""Many small signers that never sign hold no certificate back."""

from dataclasses import replace

import boa
import pytest

from offchain.da.model import MAX_ABSENT, BlobState, absent_bits, certificate_hash, is_absent
from tests.support.da import (
    Ballot,
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    confirm,
    deploy_da,
    draw,
    event_of,
    mine_entropy,
    pay,
    to_first_epoch,
    whole_transaction_gas,
)
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet

LARGE, SMALL = 4, 172
BLOCK_GAS = 30_000_000


@pytest.fixture(scope="module")
def crowd_site(native_evm: None) -> DaSite:
    """Four operators with most of the stake; 172 of the least share a fifth of the slots."""
    site = deploy_da(own=[15_000] * LARGE + [100] * SMALL)
    to_first_epoch()
    draw(site)
    keep_moment("a crowd")
    return site


@pytest.fixture(autouse=True)
def among_the_crowd(at_its_moment: None, crowd_site: DaSite) -> None:
    return_to("a crowd")


@pytest.fixture
def poll(crowd_site: DaSite) -> Ballot:
    """A paid blob of the crowd's quorum, ready to be voted on."""
    owner = crowd_site.operators[0].owner
    blob = a_blob(owner, owner)
    return ballot(crowd_site, blob, mine_entropy(crowd_site, pay(crowd_site, blob)))


def small_ones(site: DaSite, votes: Ballot) -> list[int]:
    """Indices of the small operators in the table."""
    small = {operator.operator_id for operator in site.operators[LARGE:]}
    signers = enumerate(votes.quorum.signers)
    return [index for index, signer in signers if signer.operator_id in small]


def test_inv_da_7__172_of_the_smallest_never_sign__the_blob_is_confirmed(
    crowd_site: DaSite, poll: Ballot
) -> None:
    site = crowd_site
    absent = small_ones(site, poll)
    assert len(absent) > MAX_ABSENT
    certificate = poll.certificate(absent)
    arguments = (
        blob_tuple(poll.blob),
        certificate.encoded_absent(),
        certificate.signature.eip2537(),
    )

    site.entrance.confirm_wide(*arguments, sender=a_wallet("relayer"))

    calldata = site.entrance.confirm_wide.prepare_calldata(*arguments)
    assert whole_transaction_gas(site.entrance, calldata) < BLOCK_GAS // 10
    bits = absent_bits(absent)
    assert list(bits) == event_of(site, "BlobConfirmed").absent
    record = site.record(site.blob_id(poll.blob))
    assert (record.state, record.operators) == (BlobState.CONFIRMED, LARGE)
    assert record.certificate_hash == certificate_hash(poll.attestation.seed, bits)


def test_inv_da_7__short_lists__are_judged_the_same_by_both(
    crowd_site: DaSite, poll: Ballot
) -> None:
    site = crowd_site
    certificate = poll.certificate(small_ones(site, poll)[:3])
    identifier = site.blob_id(poll.blob)
    with boa.env.anchor():
        confirm(site, poll.blob, certificate)
        narrow = site.record(identifier)

    site.entrance.confirm_wide(
        blob_tuple(poll.blob), certificate.encoded_absent(), certificate.signature.eip2537()
    )

    assert narrow == site.record(identifier)


def test_inv_da_7__wide_list_malformed__is_refused(crowd_site: DaSite, poll: Ballot) -> None:
    site = crowd_site
    absent = small_ones(site, poll)
    certificate = poll.certificate(absent)
    encoded, signature = certificate.encoded_absent(), certificate.signature.eip2537()
    rich = next(i for i in range(len(poll.secrets)) if i not in absent)
    too_many = poll.certificate(sorted([*absent, rich]))
    for entries, signed, reason in (
        (encoded[:-1], signature, "da_signers: cut absent list"),
        (encoded[-102:] + encoded[:-102], signature, "da_signers: absent not rising"),
        (encoded[:102] + encoded, signature, "da_signers: absent not rising"),
        (encoded[:-102], signature, "da_entrance: wrong signature"),
        (too_many.encoded_absent(), too_many.signature.eip2537(), "da_entrance: too few slices"),
    ):
        with boa.reverts(reason):
            site.entrance.confirm_wide(blob_tuple(poll.blob), entries, signed)
    assert site.record(site.blob_id(poll.blob)).state is BlobState.PAID


def test_confirm_wide__late_or_unpaid__is_refused(crowd_site: DaSite, poll: Ballot) -> None:
    site = crowd_site
    signature = poll.certificate().signature.eip2537()
    unpaid = replace(poll.blob, salt=b"\x01" * 32)
    with boa.reverts("blob_records: not paid"):
        site.entrance.confirm_wide(blob_tuple(unpaid), b"", signature)
    boa.env.time_travel(seconds=10**6)

    with boa.reverts("da_entrance: too late"):
        site.entrance.confirm_wide(blob_tuple(poll.blob), b"", signature)
    assert site.record(site.blob_id(poll.blob)).state is BlobState.PAID


def test_signing_owner__anybody_marked__is_nobody(crowd_site: DaSite, poll: Ballot) -> None:
    site = crowd_site
    absent = small_ones(site, poll)
    bits = absent_bits(absent)
    epoch, seed = poll.record.epoch, poll.attestation.seed
    for row in (0, 1, 1_023, 1_024, 2_500, 3_071):
        slot = poll.assignment.slot_of(row)
        ranges = enumerate(poll.quorum.signers)
        index = next(i for i, one in ranges if one.first_slot <= slot < one.end_slot)
        expected = 0 if is_absent(bits, index) else poll.quorum.signers[index].operator_id

        assert expected == site.signers.signing_owner(epoch, seed, row, bits)
        assert site.signers.owner_of_row(epoch, seed, row) == (
            site.signers.signing_owner(epoch, seed, row, (0, 0, 0, 0))
        )
    with boa.reverts("da_signers: no such row"):
        site.signers.signing_owner(epoch, seed, 3_072, bits)
