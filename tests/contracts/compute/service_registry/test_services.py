"""Registering, activating, pausing, suspending and retiring a service."""

import boa
import pytest
from eth_utils import to_checksum_address

from offchain.compute.model import Kind, ServiceState, service_id
from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import (
    MODEL_HASH,
    NATIVE,
    PRICE_DELAY,
    PRICE_GRACE,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    as_court,
    compute_deployer,
    fill_bucket,
    keeper,
    pass_epochs,
    raw,
    settle,
    terms_of,
)
from tests.support.staking import COIN, COMPUTE, a_wallet, an_operator

SIGNER = to_checksum_address(keeper("receipts").address)
ENDPOINT = "http://127.0.0.1:9000"
SALT = b"\x01" * 32


def state_of(site: ComputeSite, service: bytes) -> ServiceState:
    return ServiceState(int(site.registry.service(service).state))


def a_draft(site: ComputeSite) -> bytes:
    owner = site.provider.owner
    return bytes(site.registry.register(terms_of(salt=SALT), SIGNER, ENDPOINT, sender=owner))


def a_posted_batch(site: ComputeSite, amount: int = 1_000) -> int:
    payer = a_payer("buyer")
    fill_bucket(site, payer.address, amount)
    return settle(site, [an_item(site, payer, cap=amount)])


def test_register__by_an_operator__is_a_draft_under_the_id_anyone_can_compute(
    site: ComputeSite,
) -> None:
    wanted = service_id(
        chain_id=site.chain_id,
        registry=raw(site.registry.address),
        provider=raw(site.provider.owner),
        kind=Kind.CHAT,
        salt=SALT,
    )

    service = a_draft(site)

    assert wanted == service == bytes(site.registry.service_id(site.provider.owner, 1, SALT))
    found = site.registry.service(service)
    assert (site.provider.owner, site.provider.operator_id) == (found.provider, found.operator_id)
    assert (
        bytes(found.model_hash),
        found.max_input,
        found.max_output,
        found.concurrency,
    ) == (MODEL_HASH, 4_096, 1_024, 8)
    assert state_of(site, service) == ServiceState.DRAFT
    assert site.registry.endpoint(service) == ENDPOINT
    assert service == bytes(site.registry.service_at(1))
    assert site.registry.service_count() == 2
    assert site.registry.settler_of(service) == (site.provider.owner, site.provider.operator_id)


def test_register__by_a_stranger__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    with refused("registry: not an operator"):
        site.registry.register(terms_of(), SIGNER, ENDPOINT, sender=stranger)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": 0}, "service_book: wrong kind"),
        ({"kind": 6}, "service_book: wrong kind"),
        ({"numerics": 0}, "service_book: wrong numerics"),
        ({"numerics": 6}, "service_book: wrong numerics"),
        ({"model_hash": bytes(32)}, "service_book: no model"),
        ({"charter_hash": b"\x01" * 32}, "service_book: unknown charter"),
        ({"max_input": 0}, "service_book: no limits"),
        ({"concurrency": 0}, "service_book: no limits"),
        ({"salt": bytes(32)}, "service_book: known"),
    ],
)
def test_register__terms_that_are_none__are_refused(
    site: ComputeSite, refused: Refused, changes: dict[str, object], reason: str
) -> None:
    terms = terms_of(**({"salt": SALT} | changes))
    with refused(reason):
        site.registry.register(terms, SIGNER, ENDPOINT, sender=site.provider.owner)


def test_register__without_signer_or_endpoint__is_refused(
    site: ComputeSite, refused: Refused
) -> None:
    terms = terms_of(salt=SALT)
    with refused("receipt_signers: no signer"):
        site.registry.register(terms, NATIVE, ENDPOINT, sender=site.provider.owner)
    with refused("service_book: no endpoint"):
        site.registry.register(terms, SIGNER, "", sender=site.provider.owner)


def test_activate__before_a_price_or_twice__is_refused(site: ComputeSite, refused: Refused) -> None:
    service = a_draft(site)

    with refused("registry: no price"):
        site.registry.activate(service, sender=site.provider.owner)
    with refused("registry: not a draft"):
        site.registry.activate(site.service, sender=site.provider.owner)


def test_activate__operator_without_stake__is_refused(site: ComputeSite, refused: Refused) -> None:
    poor = an_operator(site.staking, 2)
    with pytest.raises(boa.BoaError, match="registry: no stake"):
        a_service(site.registry, poor)
    service = bytes(site.registry.service_id(poor.owner, 1, bytes(32)))

    with refused("registry: no stake"):
        site.registry.activate(service, sender=poor.owner)

    assert state_of(site, service) == ServiceState.DRAFT


def test_states__pause_and_resume__take_requests_again(site: ComputeSite, refused: Refused) -> None:
    owner = site.provider.owner
    assert site.registry.is_serving(site.service)
    with refused("registry: not paused"):
        site.registry.resume(site.service, sender=owner)

    site.registry.pause(site.service, sender=owner)

    assert not site.registry.is_serving(site.service)
    with refused("registry: not active"):
        site.registry.pause(site.service, sender=owner)
    site.registry.resume(site.service, sender=owner)
    assert site.registry.is_serving(site.service)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("announce_price", (NATIVE, 1, 1, 1)),
        ("activate", ()),
        ("pause", ()),
        ("resume", ()),
        ("retire", ()),
        ("set_signer", (NATIVE,)),
        ("set_endpoint", ("elsewhere",)),
    ],
)
def test_service__touched_by_a_stranger_or_unknown__is_refused(
    site: ComputeSite,
    refused: Refused,
    stranger: str,
    function: str,
    arguments: tuple[object, ...],
) -> None:
    with refused("registry: not the provider"):
        getattr(site.registry, function)(site.service, *arguments, sender=stranger)
    with refused("registry: no such service"):
        getattr(site.registry, function)(SALT, *arguments, sender=site.provider.owner)


def test_suspend__by_a_court__stops_it_until_no_case_is_open(
    site: ComputeSite, refused: Refused
) -> None:
    batch = a_posted_batch(site)
    as_court(site, site.escrow, "open_case", batch)
    as_court(site, site.registry, "suspend", site.service)
    assert state_of(site, site.service) == ServiceState.SUSPENDED
    assert not site.registry.is_serving(site.service)

    with refused("registry: open case"):
        site.registry.resume(site.service, sender=site.provider.owner)
    as_court(site, site.escrow, "close_case", batch)
    site.registry.resume(site.service, sender=site.provider.owner)

    assert site.registry.is_serving(site.service)


def test_suspend__stake_under_what_is_held__stays_suspended(
    site: ComputeSite, refused: Refused
) -> None:
    a_posted_batch(site, 400 * COIN)
    as_court(site, site.registry, "suspend", site.service)
    site.stake.exit_own(COMPUTE, 300 * COIN, sender=site.provider.owner)
    pass_epochs(2)

    with refused("registry: stake too low"):
        site.registry.resume(site.service, sender=site.provider.owner)
    site.stake.deposit(COMPUTE, value=300 * COIN, sender=site.provider.owner)
    pass_epochs(2)
    site.registry.resume(site.service, sender=site.provider.owner)

    assert site.registry.is_serving(site.service)


def test_suspend__retired_or_suspended_already__changes_nothing(site: ComputeSite) -> None:
    site.registry.retire(site.service, sender=site.provider.owner)

    as_court(site, site.registry, "suspend", site.service)

    assert state_of(site, site.service) == ServiceState.RETIRING


def test_suspend__by_a_stranger__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    with refused("registry: not a court"):
        site.registry.suspend(site.service, sender=stranger)


def test_retire__is_for_ever__and_nothing_of_it_changes(
    site: ComputeSite, refused: Refused
) -> None:
    owner = site.provider.owner
    site.registry.retire(site.service, sender=owner)

    for function, arguments in (
        ("retire", ()),
        ("announce_price", (NATIVE, 1, 1, 1)),
        ("set_signer", (owner,)),
        ("set_endpoint", ("elsewhere",)),
    ):
        with refused("registry: retired"):
            getattr(site.registry, function)(site.service, *arguments, sender=owner)
    with refused("registry: not paused"):
        site.registry.resume(site.service, sender=owner)


def test_inv_cmp_16__retired_service__is_retired_only_unbonded_and_without_open_case(
    site: ComputeSite,
) -> None:
    batch = a_posted_batch(site)
    as_court(site, site.escrow, "open_case", batch)
    site.registry.retire(site.service, sender=site.provider.owner)
    unbonding = site.stake.unbonding_seconds(COMPUTE)

    boa.env.time_travel(seconds=unbonding - 1)
    assert state_of(site, site.service) == ServiceState.RETIRING
    boa.env.time_travel(seconds=1)
    assert state_of(site, site.service) == ServiceState.RETIRING
    as_court(site, site.escrow, "close_case", batch)

    assert state_of(site, site.service) == ServiceState.RETIRED


def test_inv_cmp_16__stake_taken_out__is_paid_only_after_unbonding(site: ComputeSite) -> None:
    owner = site.provider.owner
    ticket = site.stake.exit_own(COMPUTE, 500 * COIN, sender=owner)

    boa.env.timestamp = site.stake.matures_at(ticket) - 1
    with pytest.raises(boa.BoaError):
        site.stake.withdraw(ticket, owner, sender=owner)
    assert boa.env.timestamp >= site.stake.unbonding_seconds(COMPUTE)
    boa.env.time_travel(seconds=1)

    assert site.stake.withdraw(ticket, owner, sender=owner) == 500 * COIN


def test_signer__changed__counts_from_now_on_and_the_past_stays(
    site: ComputeSite, refused: Refused
) -> None:
    owner, first = site.provider.owner, SIGNER
    start = boa.env.timestamp
    with refused("receipt_signers: same"):
        site.registry.set_signer(site.service, first, sender=owner)
    with refused("receipt_signers: no signer"):
        site.registry.set_signer(site.service, NATIVE, sender=owner)

    signers = [first]
    for number in range(5):
        boa.env.time_travel(seconds=10)
        signers.append(a_wallet(f"signer {number}"))
        site.registry.set_signer(site.service, signers[-1], sender=owner)

    for number, signer in enumerate(signers):
        assert signer == site.registry.signer_at(site.service, start + 10 * number)
        assert signer == site.registry.signer_at(site.service, start + 10 * number + 9)
    assert site.registry.signer_at(site.service, start - 10_000) == NATIVE
    assert signers[-1] == site.registry.service(site.service).signer
    replaced = a_wallet("signer of the same second")
    site.registry.set_signer(site.service, replaced, sender=owner)
    assert replaced == site.registry.signer_at(site.service, boa.env.timestamp)
    assert signers[-2] == site.registry.signer_at(site.service, boa.env.timestamp - 1)


def test_endpoint__changed__is_read_back(site: ComputeSite, refused: Refused) -> None:
    site.registry.set_endpoint(site.service, "http://127.0.0.1:9001", sender=site.provider.owner)

    assert site.registry.endpoint(site.service) == "http://127.0.0.1:9001"
    with refused("service_book: no endpoint"):
        site.registry.set_endpoint(site.service, "", sender=site.provider.owner)


def test_wire__again_by_another_or_to_no_contract__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    addresses = (site.escrow.address, site.courts.address, site.courts.address)
    with refused("registry: wired already"):
        site.registry.wire(*addresses, sender=site.governance)
    with refused("governed: not governance"):
        site.registry.wire(*addresses, sender=stranger)
    fresh = compute_deployer("ServiceRegistry").deploy(
        site.stake.address, site.governance, (PRICE_DELAY, PRICE_GRACE)
    )
    for wrong in range(3):
        broken = [stranger if place == wrong else one for place, one in enumerate(addresses)]
        with boa.reverts("registry: no contract"):
            fresh.wire(*broken, sender=site.governance)
    assert fresh.escrow() == NATIVE
    assert site.registry.windows() == (PRICE_DELAY, PRICE_GRACE)


@pytest.mark.parametrize("windows", [(0, 1), (1, 0)])
def test_deployment__without_windows_or_stake__is_refused(
    site: ComputeSite, stranger: str, windows: tuple[int, int]
) -> None:
    deployer = compute_deployer("ServiceRegistry")
    with boa.reverts("price_rows: no window"):
        deployer.deploy(site.stake.address, site.governance, windows)
    with boa.reverts("registry: no contract"):
        deployer.deploy(stranger, site.governance, (1, 1))
