"""A live verdict on a service's signer raises its level, and nothing else does."""

from typing import Any

import boa
import pytest

from offchain.compute.model import Level
from offchain.core.hashing import keccak
from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import (
    PRICE_DELAY,
    PRICE_GRACE,
    ComputeSite,
    compute_deployer,
    hex_of,
    keeper,
    twin_deployer,
)
from tests.support.staking import COMPUTE

SIGNER = hex_of(keeper("receipts").address)
ID = keccak(b"attestation")
BROKER, MODEL, RELAYER_CLASS = 1, 2, 4


@pytest.fixture
def attestations(site: ComputeSite) -> Any:
    twin = twin_deployer("attestations_twin").deploy()
    site.registry.wire_attestations(twin.address, sender=site.governance)
    return twin


def attest(
    site: ComputeSite,
    attestations: Any,
    measurement_class: int = BROKER,
    *,
    simulated: bool = False,
    service: bytes | None = None,
) -> int:
    """A verdict on the signer, live for a while; its end."""
    until = boa.env.timestamp + 500
    told = (ID, measurement_class, simulated, until, service or site.service)
    attestations.set_live(SIGNER, told)
    return until


def level_of(site: ComputeSite) -> Level:
    return Level(site.registry.verifiability_of(site.service).level)


@pytest.mark.parametrize(("measurement_class", "level"), [(BROKER, 2), (MODEL, 3)])
@pytest.mark.parametrize("simulated", [False, True])
def test_inv_att_4__live_verdict__level_and_label_are_its_own(
    site: ComputeSite, attestations: Any, measurement_class: int, level: int, simulated: bool
) -> None:
    until = attest(site, attestations, measurement_class, simulated=simulated)

    told = site.registry.verifiability_of(site.service)
    assert (told.level, told.simulated, told.until) == (level, simulated, until)


def test_inv_cmp_11__verdict_of_another_class_or_service__is_no_level(
    site: ComputeSite, attestations: Any
) -> None:
    attest(site, attestations, RELAYER_CLASS)
    assert level_of(site) == Level.NONE

    attest(site, attestations, service=keccak(b"another service"))

    assert level_of(site) == Level.NONE


def test_inv_cmp_11__verdict_on_a_former_signer__is_no_level(
    site: ComputeSite, attestations: Any
) -> None:
    attest(site, attestations)
    other = hex_of(keeper("other receipts").address)

    site.registry.set_signer(site.service, other, sender=site.provider.owner)

    assert level_of(site) == Level.NONE


def test_inv_cmp_11__failed_or_open_audit__undoes_a_tee_level(
    site: ComputeSite, attestations: Any
) -> None:
    attest(site, attestations)
    later = boa.env.timestamp + 50
    for standing in ((90, 1, 0, later), (90, 0, later, later)):
        site.courts.set_standing(site.service, standing)
        assert level_of(site) == Level.NONE

    site.courts.set_standing(site.service, (90, 0, 0, later))

    assert level_of(site) == Level.BROKER_IN_TEE


def test_inv_cmp_11__no_verdict__passed_audits_count(site: ComputeSite, attestations: Any) -> None:
    site.courts.set_standing(site.service, (90, 0, 0, boa.env.timestamp + 50))

    assert level_of(site) == Level.AUDITED


def test_inv_cmp_11__paused_or_without_stake__no_tee_level(
    site: ComputeSite, attestations: Any
) -> None:
    attest(site, attestations)
    site.registry.pause(site.service, sender=site.provider.owner)
    assert level_of(site) == Level.NONE
    site.registry.resume(site.service, sender=site.provider.owner)

    site.stake.leave(COMPUTE, sender=site.provider.owner)

    assert level_of(site) == Level.NONE


def test_wire_attestations__twice_by_others_or_no_contract__refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    with refused("governed: not governance"):
        site.registry.wire_attestations(site.courts.address, sender=stranger)
    with refused("registry: no contract"):
        site.registry.wire_attestations(stranger, sender=site.governance)
    site.registry.wire_attestations(site.courts.address, sender=site.governance)
    with refused("registry: wired already"):
        site.registry.wire_attestations(site.courts.address, sender=site.governance)
    assert site.registry.attestations() == site.courts.address


def test_inv_cmp_11__registry_without_attestations__knows_no_tee_level(site: ComputeSite) -> None:
    fresh = compute_deployer("ServiceRegistry").deploy(
        site.stake.address, site.governance, (PRICE_DELAY, PRICE_GRACE)
    )

    assert fresh.attestations() == "0x" + "00" * 20
    assert level_of(site) == Level.NONE
