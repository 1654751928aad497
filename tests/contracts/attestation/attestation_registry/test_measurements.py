"""What may be vouched for: governance lists it, governance or the guardian takes it off."""

from typing import Any

import boa
import pytest

from offchain.attestation.model import MeasurementClass
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import (
    AttestationSite,
    a_quote,
    an_entry,
    hex_of,
    subject_key,
    tee,
    vouch,
)
from tests.support.evidence import machine
from tests.support.staking import next_epoch

KEY = hex_of(subject_key().address)
REVOKED = 16
OTHER = tee().compose.replace("broker", "model")


def listed(site: AttestationSite, *entry: Any) -> bytes:
    return bytes(site.registry.list_measurement(*entry, sender=site.governance))


def test_list_measurement__entry__reads_as_it_was_given(site: AttestationSite) -> None:
    other = machine(compose=OTHER)
    entry = an_entry(other, measurement_class=MeasurementClass.MODEL, max_status=2, needs_gpu=True)

    measurement = listed(site, *entry)

    told = site.registry.measurement(measurement)
    assert measurement == other.measurement_id == bytes(told.measurement_id)
    assert (told.os_image, told.compose_hash, told.measurement_class) == entry[1:4]
    assert (told.td_attributes, told.xfam, told.max_status, told.needs_gpu) == entry[4:8]
    assert (told.valid_until, told.listed_at) == (entry[8], boa.env.timestamp)
    assert told.delisted_at == 0
    assert site.registry.measurement_at(site.registry.measurement_count()) == told


def test_level__model_class__is_model_in_tee(site: AttestationSite) -> None:
    other = machine(compose=OTHER)
    measurement = listed(site, *an_entry(other, measurement_class=MeasurementClass.MODEL))
    quote = a_quote(site, subject_key(), epoch=site.epoch, by=other)

    vouch(site, quote=quote, measurement_id=measurement)

    assert site.registry.level(KEY, boa.env.timestamp) == 3


def test_level__class_of_no_service__is_none(site: AttestationSite) -> None:
    other = machine(compose=OTHER)
    measurement = listed(site, *an_entry(other, measurement_class=MeasurementClass.RELAYER))
    quote = a_quote(site, subject_key(), epoch=site.epoch, by=other)

    vouch(site, quote=quote, measurement_id=measurement)

    assert site.registry.live(KEY, boa.env.timestamp).measurement_class == 4
    assert site.registry.level(KEY, boa.env.timestamp) == 0


@pytest.mark.parametrize("role", ["governance", "guardian"])
def test_inv_att_9__delisting__ends_every_verdict_in_the_same_block(
    site: AttestationSite, role: str
) -> None:
    first, second = vouch(site), vouch(site, subject_key("other"))
    boa.env.time_travel(seconds=3)
    before = boa.env.timestamp - 1

    site.registry.delist_measurement(site.measurement_id, sender=getattr(site, role))

    for one in (first, second):
        assert site.registry.verdict(one.id).state == REVOKED
        assert not site.registry.stood(one.id, boa.env.timestamp)
        assert site.registry.stood(one.id, before)
    assert site.registry.level(KEY, boa.env.timestamp) == 0


def test_list_measurement__again_after_delisting__does_not_revive(site: AttestationSite) -> None:
    former = vouch(site)
    site.registry.delist_measurement(site.measurement_id, sender=site.guardian)

    listed(site, *an_entry(tee()))

    assert site.registry.level(KEY, boa.env.timestamp) == 0
    next_epoch()
    later = vouch(site)
    assert site.registry.verdict(former.id).state == REVOKED
    assert site.registry.stood(later.id, boa.env.timestamp)
    assert site.registry.measurement_count() == 2


@pytest.mark.parametrize(
    ("place", "wrong", "reason"),
    [
        (0, bytes(191), "measurements: not 192 bytes"),
        (3, 0, "measurements: no such class"),
        (3, 6, "measurements: no such class"),
        (4, b"\x01" + bytes(7), "measurements: debug"),
        (6, 0, "measurements: status too low"),
        (6, 3, "measurements: status too low"),
        (8, 1, "measurements: ends too soon or late"),
        (8, 2**34, "measurements: ends too soon or late"),
    ],
)
def test_list_measurement__field_out_of_range__refused(
    site: AttestationSite, unmoved: Unmoved, place: int, wrong: Any, reason: str
) -> None:
    entry = list(an_entry(machine(compose=OTHER)))
    entry[place] = wrong

    with unmoved(reason):
        listed(site, *entry)


def test_list_measurement__listed_or_by_others__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    with unmoved("measurements: listed already"):
        listed(site, *an_entry(tee()))
    with unmoved("governed: not governance"):
        site.registry.list_measurement(*an_entry(machine(compose=OTHER)), sender=site.guardian)


def test_delist_measurement__by_a_stranger_or_twice__refused(
    site: AttestationSite, unmoved: Unmoved, stranger: str
) -> None:
    with unmoved("measurements: not the guardian"):
        site.registry.delist_measurement(site.measurement_id, sender=stranger)
    site.registry.delist_measurement(site.measurement_id, sender=site.guardian)
    with unmoved("measurements: not listed"):
        site.registry.delist_measurement(site.measurement_id, sender=site.guardian)


def test_register__entry_that_ends_before_or_asks_for_a_gpu__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    other = machine(compose=OTHER)
    soon = listed(site, *an_entry(other, valid_until=boa.env.timestamp + 100))
    quote = a_quote(site, subject_key(), epoch=site.epoch, by=other)
    with unmoved("measurements: ends before"):
        vouch(site, quote=quote, measurement_id=soon)
    site.registry.delist_measurement(soon, sender=site.guardian)
    gpu = listed(site, *an_entry(other, needs_gpu=True))
    with unmoved("measurements: no gpu evidence"):
        vouch(site, quote=quote, measurement_id=gpu)


def test_set_guardian__nobody__cannot_delist_any_more(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    with unmoved("governed: not governance"):
        site.registry.set_guardian(site.guardian, sender=site.guardian)

    site.registry.set_guardian("0x" + "00" * 20, sender=site.governance)

    with unmoved("measurements: not the guardian"):
        site.registry.delist_measurement(site.measurement_id, sender=site.guardian)
