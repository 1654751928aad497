"""After the deadline the fee goes back; money leaves only to whoever owns it, when he asks."""

from dataclasses import replace

import boa
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from eth.exceptions import Revert

from offchain.core.hashing import keccak
from offchain.da.model import BlobState
from tests.contracts.da.conftest import Refused
from tests.support.da import (
    WINDOWS,
    DaSite,
    a_blob,
    ballot,
    blob_tuple,
    confirm,
    deploy_entrance,
    mine_entropy,
    pay,
)
from tests.support.staking import COIN, a_wallet

HOSTILE_RECEIVER = """
# pragma version 0.4.3
interface Entrance:
    def withdraw(to: address) -> uint256: nonpayable


mode: uint256  # 0 refuses, 1 calls again, 2 burns all gas
entrance: address


@deploy
def __init__(mode: uint256):
    self.mode = mode


@external
def aim(entrance: address):
    self.entrance = entrance


@external
def take() -> uint256:
    return extcall Entrance(self.entrance).withdraw(self)


@payable
@external
def __default__():
    if self.mode == 1:
        extcall Entrance(self.entrance).withdraw(self)
    if self.mode == 2:
        for index: uint256 in range(10**9):
            pass
    raise "receiver: no"
"""


def test_inv_da_13__deadline_passed__anybody_has_the_payer_credited(
    site: DaSite, stranger: str, refused: Refused
) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)
    fee = site.record(identifier).fee
    boa.env.time_travel(seconds=WINDOWS.confirm)
    with refused("da_entrance: too early"):
        site.entrance.refund(blob_tuple(blob), sender=stranger)
    boa.env.time_travel(seconds=1)

    site.entrance.refund(blob_tuple(blob), sender=stranger)

    record = site.record(identifier)
    assert (record.state, record.fee) == (BlobState.REFUNDED, 0)
    assert record.certificate_hash == bytes(32)
    assert (site.entrance.held(), site.entrance.credit_of(owner)) == (0, fee)
    with refused("blob_records: not paid"):
        site.entrance.refund(blob_tuple(blob), sender=stranger)


def test_inv_da_13__refunded__no_certificate_is_accepted(site: DaSite, refused: Refused) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    votes = ballot(site, blob, mine_entropy(site, pay(site, blob)))
    boa.env.time_travel(seconds=WINDOWS.confirm + 1)
    site.entrance.refund(blob_tuple(blob))

    with refused("blob_records: not paid"):
        confirm(site, blob, votes.certificate())
    with refused("blob_records: already paid"):
        pay(site, blob)


def test_inv_da_13__paused_long_idle_and_nobody_left__refund_still_succeeds(
    site: DaSite, stranger: str
) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    identifier = pay(site, blob)
    fee = site.record(identifier).fee
    site.entrance.set_paused(True, sender=site.governance)
    for operator in site.operators:
        site.signers.leave(sender=operator.owner)
    boa.env.time_travel(seconds=10**7)

    site.entrance.refund(blob_tuple(blob), sender=stranger)
    before = boa.env.get_balance(owner)
    site.entrance.withdraw(owner, sender=owner)

    assert boa.env.get_balance(owner) - before == fee
    assert boa.env.get_balance(site.entrance.address) == 0


def test_refund__unknown_or_confirmed_blob__is_refused(site: DaSite, refused: Refused) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    unknown = a_blob(owner, owner, salt=keccak(b"unknown"))
    votes = ballot(site, blob, mine_entropy(site, pay(site, blob)))
    confirm(site, blob, votes.certificate())
    boa.env.time_travel(seconds=WINDOWS.confirm + 1)

    with refused("blob_records: not paid"):
        site.entrance.refund(blob_tuple(unknown))
    with refused("blob_records: not paid"):
        site.entrance.refund(blob_tuple(blob))


def test_collect__treasury__gets_a_tenth_of_all_earned_fees(site: DaSite) -> None:
    owner = site.operators[0].owner
    fees = 0
    for number in range(3):
        blob = a_blob(owner, owner, salt=keccak(bytes([number])), length=250_000 + number)
        identifier = pay(site, blob)
        fees += site.record(identifier).fee
        votes = ballot(site, blob, mine_entropy(site, identifier))
        confirm(site, blob, votes.certificate())

    assert site.entrance.collect() == fees // 10
    assert site.entrance.collect() == 0
    assert site.entrance.credit_of(site.treasury) == fees // 10
    assert site.entrance.reward_pool() == fees - fees // 10
    before = boa.env.get_balance(site.treasury)
    site.entrance.withdraw(site.treasury, sender=site.treasury)
    assert boa.env.get_balance(site.treasury) - before == fees // 10
    assert boa.env.get_balance(site.entrance.address) == site.entrance.reward_pool()


def test_withdraw__nothing_or_nobody__is_refused(
    site: DaSite, stranger: str, refused: Refused
) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    pay(site, blob, value=COIN + site.entrance.quote(blob.length, 14))

    with refused("fee_ledger: nothing to withdraw"):
        site.entrance.withdraw(stranger, sender=stranger)
    with refused("fee_ledger: no receiver"):
        site.entrance.withdraw("0x" + "00" * 20, sender=owner)


def test_withdraw__elsewhere__goes_where_the_owner_says(site: DaSite) -> None:
    owner, elsewhere = site.operators[0].owner, boa.env.generate_address("elsewhere")
    blob = a_blob(owner, owner)
    pay(site, blob, value=COIN + site.entrance.quote(blob.length, 14))

    assert site.entrance.withdraw(elsewhere, sender=owner) == COIN
    assert boa.env.get_balance(elsewhere) == COIN
    assert site.entrance.credit_of(owner) == 0


@pytest.mark.parametrize("mode", [0, 1, 2], ids=["refuses", "re-enters", "burns gas"])
def test_inv_da_14__hostile_receiver__blocks_only_itself(site: DaSite, mode: int) -> None:
    hostile: VyperContract = boa.loads(HOSTILE_RECEIVER, mode)
    entrance = deploy_entrance(site.staking, site.signers, hostile.address)
    hostile.aim(entrance.address)
    site = replace(site, entrance=entrance, treasury=hostile.address)
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    fee = entrance.quote(blob.length, 14)
    pay(site, blob, value=fee + COIN)
    votes = ballot(site, blob, mine_entropy(site, site.blob_id(blob)))
    confirm(site, blob, votes.certificate())
    entrance.collect()

    with boa.reverts():
        hostile.take(gas=3_000_000)

    assert entrance.credit_of(hostile.address) == fee // 10
    assert boa.env.get_balance(entrance.address) == fee + COIN
    assert entrance.withdraw(a_wallet("elsewhere"), sender=owner) == COIN
    pay(site, replace(blob, salt=keccak(b"next")))


def test_plain_transfer__to_the_entrance__is_refused(site: DaSite, stranger: str) -> None:
    with pytest.raises(Revert):
        boa.env.raw_call(site.entrance.address, sender=stranger, value=1)

    assert boa.env.get_balance(site.entrance.address) == 0
