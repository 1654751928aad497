"""What the two wired contracts may do, and nobody else: void a blob, pay out of the pool."""

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract

from offchain.core.hashing import keccak
from offchain.da.model import BlobState
from tests.contracts.da.conftest import Refused
from tests.support.da import (
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    confirm,
    event_of,
    mine_entropy,
    pay,
)

PEER = """
# pragma version 0.4.3
mode: uint256  # 0 answers, 1 refuses, 2 burns all gas
opened: public(uint256)


@deploy
def __init__(mode: uint256):
    self.mode = mode


@external
def open_round():
    if self.mode == 1:
        raise "peer: no"
    if self.mode == 2:
        for index: uint256 in range(10**9):
            pass
    self.opened += 1
"""


def a_peer(mode: int = 0) -> VyperContract:
    return boa.loads(PEER, mode, name="Peer")


@pytest.fixture
def prover(site: DaSite) -> str:
    """The contract that may void, wired with a sampler."""
    peer = a_peer()
    site.entrance.wire(peer.address, a_peer().address, sender=site.governance)
    return str(peer.address)


@pytest.fixture
def sampler(site: DaSite, prover: str) -> str:
    return str(site.entrance.sampling())


def a_confirmed(site: DaSite, *, salt: bytes = bytes(32)) -> tuple[bytes, int]:
    """A confirmed blob of the first operator, and its fee."""
    owner = site.operators[0].owner
    blob = a_blob(owner, owner, salt=salt)
    identifier = pay(site, blob)
    fee = site.record(identifier).fee
    votes = ballot(site, blob, mine_entropy(site, identifier))
    confirm(site, blob, votes.certificate())
    return identifier, fee


def test_wire__governance_once__names_both(site: DaSite, stranger: str, refused: Refused) -> None:
    first, second = a_peer().address, a_peer().address
    with refused("governed: not governance"):
        site.entrance.wire(first, second, sender=stranger)
    with refused("da_entrance: no contract"):
        site.entrance.wire(first, stranger, sender=site.governance)
    with refused("da_entrance: no contract"):
        site.entrance.wire(stranger, second, sender=site.governance)

    site.entrance.wire(first, second, sender=site.governance)

    assert (first, second) == (site.entrance.challenges(), site.entrance.sampling())
    with refused("da_entrance: wired already"):
        site.entrance.wire(second, first, sender=site.governance)


def test_void__anybody_else__is_refused(
    site: DaSite, stranger: str, prover: str, sampler: str, refused: Refused
) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)

    for caller in (stranger, owner, sampler, site.governance):
        with refused("da_entrance: not the challenges"):
            site.entrance.void(blob_tuple(blob), sender=caller)
    assert site.record(identifier).state is BlobState.PAID


def test_void__not_wired__is_refused_to_all(site: DaSite, stranger: str, refused: Refused) -> None:
    owner = site.operators[0].owner

    with refused("da_entrance: not the challenges"):
        site.entrance.void(blob_tuple(a_blob(owner, owner)), sender=stranger)
    with refused("da_entrance: not the sampling"):
        site.entrance.reward(stranger, 0, sender=stranger)


def test_inv_da_12__paid_blob_voided__payer_has_its_fee_back(
    site: DaSite, prover: str, refused: Refused
) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)
    fee = site.record(identifier).fee
    votes = ballot(site, blob, mine_entropy(site, identifier))

    site.entrance.void(blob_tuple(blob), sender=prover)

    event = event_of(site, "BlobVoided")
    record = site.record(identifier)
    assert (event.blob_id, event.payer, event.fee) == (identifier, owner, fee)
    assert (record.state, record.fee) == (BlobState.VOID, 0)
    assert record.certificate_hash == bytes(32)
    assert (site.entrance.held(), site.entrance.credit_of(owner)) == (0, fee)
    with refused("blob_records: not paid"):
        confirm(site, blob, votes.certificate())
    boa.env.time_travel(seconds=10**6)
    with refused("blob_records: not paid"):
        site.entrance.refund(blob_tuple(blob))
    with refused("blob_records: not voidable"):
        site.entrance.void(blob_tuple(blob), sender=prover)
    with refused("blob_records: already paid"):
        pay(site, blob)


def test_inv_da_12__confirmed_blob_voided__fee_stays_earned_and_signers_stay_known(
    site: DaSite, prover: str, refused: Refused
) -> None:
    identifier, fee = a_confirmed(site)
    owner = site.operators[0].owner
    before = site.record(identifier)

    site.entrance.void(blob_tuple(a_blob(owner, owner)), sender=prover)

    record = site.record(identifier)
    assert record.state is BlobState.VOID
    assert (record.certificate_hash, record.operators) == (before.certificate_hash, 5)
    assert (record.paid_at, record.epoch, record.expiry) == (
        before.paid_at,
        before.epoch,
        before.expiry,
    )
    assert (site.entrance.credit_of(owner), site.entrance.reward_pool()) == (0, fee - fee // 10)
    assert not site.entrance.is_available(identifier)
    with refused("blob_records: not voidable"):
        site.entrance.void(blob_tuple(a_blob(owner, owner)), sender=prover)


def test_void__unknown_or_refunded__is_refused(site: DaSite, prover: str, refused: Refused) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    with refused("blob_records: not voidable"):
        site.entrance.void(blob_tuple(blob), sender=prover)
    pay(site, blob)
    boa.env.time_travel(seconds=10**6)
    site.entrance.refund(blob_tuple(blob))

    with refused("blob_records: not voidable"):
        site.entrance.void(blob_tuple(blob), sender=prover)


def test_inv_da_21__reward__is_the_samplers_alone_and_at_most_the_pool(
    site: DaSite, stranger: str, prover: str, sampler: str, refused: Refused
) -> None:
    _, fee = a_confirmed(site)
    pool = fee - fee // 10
    for caller in (stranger, prover, site.governance, site.operators[0].owner):
        with refused("da_entrance: not the sampling"):
            site.entrance.reward(caller, 1, sender=caller)
    with refused("fee_ledger: pool too small"):
        site.entrance.reward(stranger, pool + 1, sender=sampler)

    site.entrance.reward(stranger, pool - 1, sender=sampler)

    event = event_of(site, "Rewarded")
    assert (event.to, event.amount) == (stranger, pool - 1)
    assert (site.entrance.reward_pool(), site.entrance.credit_of(stranger)) == (1, pool - 1)
    assert site.entrance.collect() == fee // 10
    assert site.entrance.withdraw(stranger, sender=stranger) == pool - 1
    assert boa.env.get_balance(site.entrance.address) == fee // 10 + 1


@pytest.mark.parametrize("mode", [0, 1, 2], ids=["answers", "refuses", "burns gas"])
def test_inv_da_14__sampler_that_fails__stops_no_payment(site: DaSite, mode: int) -> None:
    sampler = a_peer(mode)
    site.entrance.wire(a_peer().address, sampler.address, sender=site.governance)
    owner = site.operators[0].owner

    identifier = pay(site, a_blob(owner, owner, salt=keccak(b"sampled")))

    names = [type(event).__name__ for event in site.entrance.get_logs()]
    assert ("RoundNotOpened" in names) == (mode != 0)
    assert site.record(identifier).state is BlobState.PAID
    assert sampler.opened() == (1 if mode == 0 else 0)
