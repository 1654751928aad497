"""A verdict that was signed and kept back, shown after the world has moved on."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from offchain.attestation.adapters.software_quote import HeaderPlan
from offchain.attestation.faults import Fault
from offchain.attestation.model import MeasurementClass, Verdict
from tests.contracts.attestation.attestation_registry.test_notices import (
    COLLATERAL_TYPE,
    EVALUATION_TYPE,
    signed,
)
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import (
    COLLATERAL,
    GRACE,
    NO_SALT,
    AttestationSite,
    a_quote,
    a_verdict,
    an_entry,
    fields_of,
    hex_of,
    sign,
    subject_key,
    tee,
    vouch,
)
from tests.support.evidence import machine
from tests.support.staking import next_epoch

KEY = hex_of(subject_key().address)
BROKER_IN_TEE = 2
VOID = 32
PERFMON = 1 << 63


@dataclass(frozen=True, slots=True)
class KeptBack:
    """What three relayers have signed and nobody has shown."""

    verdict: Verdict
    quote: bytes
    epoch: int
    signatures: bytes

    def show(self, site: AttestationSite) -> bytes:
        fields = fields_of(self.verdict)
        return bytes(site.registry.register(fields, self.epoch, 0b111, self.signatures))


def kept_back(site: AttestationSite, **plan: Any) -> KeptBack:
    """A right verdict on other evidence of the same key, of this epoch."""
    by, told = machine(header=HeaderPlan(user_data=b"\x01" * 20), **plan), {}
    if plan:
        listed = an_entry(by, measurement_class=MeasurementClass.MODEL)
        told["measurement_id"] = bytes(
            site.registry.list_measurement(*listed, sender=site.governance)
        )
    quote = a_quote(site, subject_key(), epoch=site.epoch, by=by)
    verdict = a_verdict(site, quote, subject_key(), epoch=site.epoch, **told)
    signatures = sign(site, verdict.digest(site.domain()), site.epoch, 0b111)
    return KeptBack(verdict, quote, site.epoch, signatures)


def revoke_collateral(site: AttestationSite) -> None:
    signatures = signed(site, COLLATERAL_TYPE, COLLATERAL)
    site.registry.revoke_collateral(COLLATERAL, site.epoch, 0b111, signatures)


def delist(site: AttestationSite) -> None:
    site.registry.delist_measurement(site.measurement_id, sender=site.guardian)


def convict(site: AttestationSite) -> None:
    lie = vouch(site, subject_key("other"), evidence_id=b"\x07" * 32)
    shown = (fields_of(lie.verdict), lie.quote, b"", b"", b"", NO_SALT)
    site.proofs.prove(int(Fault.BODY), *shown)


def pass_two_epochs(site: AttestationSite) -> None:
    next_epoch(2)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (revoke_collateral, "attestation: revoked collateral"),
        (delist, "measurements: not listed"),
        (convict, "committees: not eligible"),
        (pass_two_epochs, "committees: not a recent epoch"),
    ],
)
def test_register__kept_back_until_what_it_rests_on_ended__refused(
    site: AttestationSite,
    unmoved: Unmoved,
    event: Callable[[AttestationSite], None],
    reason: str,
) -> None:
    late = kept_back(site)

    event(site)

    with unmoved(reason):
        late.show(site)


def test_register__kept_back_until_a_higher_evaluation_number_binds__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    signatures = signed(site, EVALUATION_TYPE, 18)
    site.registry.raise_evaluation(18, site.epoch, 0b111, signatures)
    boa.env.time_travel(seconds=GRACE - 1)
    site.draw()
    late = kept_back(site)

    boa.env.time_travel(seconds=1)

    with unmoved("attestation: old platform"):
        late.show(site)


def test_register__kept_back_and_shown_twice__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    late = kept_back(site)
    shown = late.show(site)

    with unmoved("verdict_book: evidence is used", shown):
        late.show(site)


def show_if_taken(site: AttestationSite, late: KeptBack) -> None:
    """Whether the registry refuses it or only passes it over is left open."""
    with suppress(boa.BoaError):
        late.show(site)


ENDS_ONE_RECORD = "known limit: a revocation ends one record, not what else the key has"
LAST_SHOWN_IS_NEWEST = "known limit: the newest verdict of a key is the one shown last"
NAMES_CODE_ONLY = "known limit: a verdict names its code, not the entry it was judged by"


@pytest.mark.xfail(strict=True, raises=AssertionError, reason=ENDS_ONE_RECORD)
def test_inv_att_9__kept_back_until_its_key_revoked__raises_no_level(site: AttestationSite) -> None:
    late = kept_back(site)
    site.registry.revoke(vouch(site).id, sender=KEY)

    show_if_taken(site, late)

    assert site.registry.level(KEY, boa.env.timestamp) == 0


@pytest.mark.xfail(strict=True, raises=AssertionError, reason=ENDS_ONE_RECORD)
def test_inv_att_9__key_revoked__its_earlier_verdicts_stand_no_more(site: AttestationSite) -> None:
    first = vouch(site)
    next_epoch()
    second = vouch(site)

    site.registry.revoke(second.id, sender=KEY)

    assert not site.registry.stood(first.id, boa.env.timestamp)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason=LAST_SHOWN_IS_NEWEST)
def test_register__kept_back_until_a_newer_one__raises_no_level(site: AttestationSite) -> None:
    late = kept_back(site, compose=tee().compose.replace("broker", "model"))
    next_epoch()
    vouch(site)

    show_if_taken(site, late)

    assert site.registry.level(KEY, boa.env.timestamp) == BROKER_IN_TEE


@pytest.mark.xfail(strict=True, raises=AssertionError, reason=NAMES_CODE_ONLY)
def test_inv_att_6__kept_back_until_its_code_is_listed_otherwise__cannot_be_voided(
    site: AttestationSite,
) -> None:
    late = kept_back(site)
    delist(site)
    entry = list(an_entry(tee()))
    entry[4] = (int.from_bytes(entry[4], "little") | PERFMON).to_bytes(8, "little")
    site.registry.list_measurement(*entry, sender=site.governance)
    show_if_taken(site, late)

    with suppress(boa.BoaError):
        shown = (fields_of(late.verdict), late.quote, b"", b"", b"", NO_SALT)
        site.proofs.prove(int(Fault.BODY), *shown)

    assert site.registry.verdict(late.verdict.digest(site.domain())).state != VOID
