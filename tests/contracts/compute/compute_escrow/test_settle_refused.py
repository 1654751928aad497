"""Items that are passed over: signatures, rows and money that do not hold, payers' contracts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.chain.keys import LocalSigner
from offchain.compute.model import compute_domain
from offchain.compute.ports import SkipReason
from tests.support.compute_chain import (
    NATIVE,
    PRICE_DELAY,
    PRICE_GRACE,
    ComputeSite,
    a_payer,
    a_voucher,
    an_item,
    compact,
    fill_bucket,
    hex_of,
    keeper,
    raw,
    settle,
    skipped,
    twin_deployer,
)
from tests.support.settling import bucket_of, passes_over
from tests.support.staking import COIN

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ORDER = 2 * HALF_ORDER + 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expiry": 1}, SkipReason.EXPIRED),
        ({"price_version": 2}, SkipReason.PRICE_ROW),
        ({"price_version": 0}, SkipReason.PRICE_ROW),
        ({"claim": 0}, SkipReason.CLAIM),
        ({"claim": 1_001}, SkipReason.CLAIM),
        ({"cumulative": 1_001}, SkipReason.CLAIM),
        ({"first_nonce": 0, "last_nonce": 1}, SkipReason.NONCE),
        ({"first_nonce": 2, "last_nonce": 1}, SkipReason.NONCE),
        ({"first_nonce": 1, "last_nonce": 2}, SkipReason.NONCE),
        ({"leaf_count": 0}, SkipReason.LEAVES),
        ({"leaf_count": 2}, SkipReason.LEAVES),
        ({"cap": 2 * COIN}, SkipReason.BALANCE),
        ({"r": bytes(32)}, SkipReason.SIGNATURE),
        ({"vs": b"\xff" * 32}, SkipReason.SIGNATURE),
        ({"vs": bytes(32)}, SkipReason.SIGNATURE),
    ],
)
def test_settle__item_that_fails__is_passed_over_and_the_rest_settles(
    site: ComputeSite, payer: LocalSigner, changes: dict[str, Any], reason: SkipReason
) -> None:
    passes_over(site, an_item(site, payer, **changes), reason)


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: replace(one, payer=b"\x01" * 20),
        lambda one: replace(one, provider=b"\x01" * 20),
        lambda one: replace(one, service=b"\x01" * 32),
        lambda one: replace(one, token=b"\x01" * 20),
        lambda one: replace(one, cumulative=1),
        lambda one: replace(one, cap=1_001),
        lambda one: replace(one, nonce=2),
        lambda one: replace(one, expiry=one.expiry + 1),
        lambda one: replace(one, price_version=3),
    ],
)
def test_inv_cmp_12__voucher_signed_for_another__counts_for_nothing(
    site: ComputeSite, payer: LocalSigner, changed: Callable[[Any], Any]
) -> None:
    presented = an_item(site, payer)
    signed = changed(a_voucher(site, payer.address))
    r, vs = compact(payer.sign_digest(signed.digest(site.domain())))

    passes_over(site, replace(presented, r=r, vs=vs), SkipReason.SIGNATURE)


@pytest.mark.parametrize("where", ["chain", "contract"])
def test_inv_cmp_12__voucher_of_another_chain_or_escrow__counts_for_nothing(
    site: ComputeSite, payer: LocalSigner, where: str
) -> None:
    elsewhere = {
        "chain": compute_domain(chain_id=site.chain_id + 1, escrow=raw(site.escrow.address)),
        "contract": compute_domain(chain_id=site.chain_id, escrow=raw(site.registry.address)),
    }[where]
    presented = an_item(site, payer)
    r, vs = compact(payer.sign_digest(presented.voucher.digest(elsewhere)))

    passes_over(site, replace(presented, r=r, vs=vs), SkipReason.SIGNATURE)


def test_voucher_digest__by_contract_and_program__is_the_same(site: ComputeSite) -> None:
    voucher = a_voucher(site, b"\x11" * 20, cumulative=3, cap=9, nonce=7, expiry=8)

    told = site.escrow.voucher_digest(
        (
            hex_of(voucher.payer),
            hex_of(voucher.provider),
            voucher.service,
            voucher.price_version,
            NATIVE,
            voucher.cumulative,
            voucher.cap,
            voucher.expiry,
            voucher.nonce,
        )
    )

    assert bytes(told) == voucher.digest(site.domain())
    assert bytes(site.escrow.domain_separator()) == site.domain()


def test_settle__signature_in_its_other_form__is_no_signature(
    site: ComputeSite, payer: LocalSigner
) -> None:
    item = an_item(site, payer)
    word = int.from_bytes(item.vs, "big")
    s, parity = word & (2**255 - 1), word >> 255
    high = (ORDER - s | (1 - parity) << 255).to_bytes(32, "big")

    passes_over(site, replace(item, vs=high), SkipReason.SIGNATURE)


def test_settle__failed_for_want_of_money__is_taken_after_a_top_up(site: ComputeSite) -> None:
    poor = a_payer("poor")
    fill_bucket(site, poor.address, 999)
    item = an_item(site, poor)
    passes_over(site, item, SkipReason.BALANCE)

    fill_bucket(site, poor.address, 1)

    assert settle(site, [item]) == 2
    assert bucket_of(site, poor) == (0, 1_000, 1)


def test_inv_cmp_9__row__settles_from_its_start_to_the_end_of_its_grace(
    site: ComputeSite, payer: LocalSigner
) -> None:
    owner = site.provider.owner
    site.registry.announce_price(site.service, NATIVE, 1, 1, 1, sender=owner)
    starts = boa.env.timestamp + PRICE_DELAY

    boa.env.timestamp = starts - 1
    passes_over(site, an_item(site, payer, price_version=2), SkipReason.PRICE_ROW)
    boa.env.timestamp = starts
    assert settle(site, [an_item(site, payer, price_version=2, cap=10)]) != 0
    boa.env.timestamp = starts + PRICE_GRACE
    assert settle(site, [an_item(site, payer, price_version=1, cap=20, nonce=2)]) != 0
    boa.env.timestamp = starts + PRICE_GRACE + 1
    late = an_item(site, payer, price_version=1, cap=30, nonce=3)
    assert settle(site, [late]) == 0
    assert skipped(site) == {0: SkipReason.PRICE_ROW}


def test_settle__row_of_another_token__is_passed_over(
    site: ComputeSite, payer: LocalSigner
) -> None:
    fill_bucket(site, payer.address, token=site.token.address)
    item = an_item(site, payer, token=raw(site.token.address))

    assert settle(site, [item], token=site.token.address) == 0
    assert skipped(site) == {0: SkipReason.PRICE_ROW}


def test_settle__payers_contract__vouches_for_its_own(site: ComputeSite) -> None:
    contract = twin_deployer("payer_contract").deploy()
    account = raw(contract.address)
    fill_bucket(site, account)
    voucher = a_voucher(site, account)
    contract.vouch(voucher.digest(site.domain()), b"agreed")
    holder = keeper("nobody")
    item = an_item(site, holder, payer_address=account, proof=b"agreed", vs=bytes(32))
    other = replace(item, proof=b"refused")

    passes_over(site, other, SkipReason.SIGNATURE)

    assert settle(site, [item]) == 2
    assert site.escrow.bucket(contract.address, site.provider.owner, NATIVE).spent == 1_000


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_settle__payers_contract_that_misbehaves__is_passed_over_at_a_bounded_price(
    site: ComputeSite, mode: int
) -> None:
    contract = twin_deployer("payer_contract").deploy()
    account = raw(contract.address)
    fill_bucket(site, account)
    contract.vouch(a_voucher(site, account).digest(site.domain()), b"agreed")
    contract.set_mode(mode)
    item = an_item(site, keeper("nobody"), payer_address=account, proof=b"agreed", vs=bytes(32))

    passes_over(site, item, SkipReason.SIGNATURE)

    used = site.escrow._computation.get_gas_used()
    assert used < 600_000


def test_settle__proof_that_is_not_there__is_an_empty_one(site: ComputeSite) -> None:
    contract = twin_deployer("payer_contract").deploy()
    account = raw(contract.address)
    fill_bucket(site, account)
    item = an_item(site, keeper("nobody"), payer_address=account, vs=bytes(32), r=b"\xff" * 32)

    passes_over(site, item, SkipReason.SIGNATURE)
