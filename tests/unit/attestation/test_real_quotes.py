"""Quotes of real hardware, from a folder that is no part of the project.

`APOGEE_QUOTE_SAMPLES` names a folder with pairs `<name>` and `<name>_collateral.json`, as public
samples come (docs/how-to/verify-quotes.md). Each is judged a day after its collateral was issued.
"""

import datetime as dt
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.canonical import canonical_bytes, canonical_collateral
from offchain.attestation.model import SgxBody, TcbStatus
from offchain.attestation.policy import SEPT_VE_DISABLE, USUAL_XFAM, Policy
from offchain.attestation.quote import parse_quote
from offchain.attestation.reasons import EvidenceRefused
from offchain.attestation.verify import PlatformClaims, verify_quote
from tests.support.evidence_bad_form import flipped

FOLDER = os.environ.get("APOGEE_QUOTE_SAMPLES", "")
SUFFIX = "_collateral.json"
DAY = 86_400
NOT_REVOKED = frozenset(TcbStatus) - {TcbStatus.REVOKED}
needs_samples = pytest.mark.skipif(
    not FOLDER, reason="APOGEE_QUOTE_SAMPLES names no folder; see docs/how-to/verify-quotes.md"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A quote of hardware with its collateral, and a moment at which that was fresh."""

    quote: bytes
    collateral: str
    now: int
    policy: Policy

    def verify(self, quote: bytes | None = None, policy: Policy | None = None) -> PlatformClaims:
        return verify_quote(
            self.quote if quote is None else quote,
            self.collateral,
            policy=self.policy if policy is None else policy,
            now=self.now,
            library=DcapQvl(),
        )


def names() -> list[str]:
    """The samples in the folder; one that says why when there is none."""
    found = sorted(Path(FOLDER).glob(f"*{SUFFIX}")) if FOLDER else []
    return [path.name.removesuffix(SUFFIX) for path in found] or ["none"]


def read_sample(name: str) -> Sample:
    raw = (Path(FOLDER) / name).read_bytes()
    collateral = canonical_collateral((Path(FOLDER) / f"{name}{SUFFIX}").read_text())
    issued = json.loads(json.loads(collateral)["tcb_info"])["issueDate"]
    quote = canonical_bytes(raw)
    body = parse_quote(quote).body
    is_sgx = isinstance(body, SgxBody)
    policy = Policy(
        measurements=(),
        statuses=NOT_REVOKED,
        td_attributes=SEPT_VE_DISABLE if is_sgx else body.td_attributes,
        xfam=USUAL_XFAM if is_sgx else body.xfam,
    )
    return Sample(
        quote, collateral, int(dt.datetime.fromisoformat(issued).timestamp()) + DAY, policy
    )


@needs_samples
@pytest.mark.parametrize("name", names())
def test_verify_quote__of_hardware__accepted_as_hardware_and_never_as_simulated(name: str) -> None:
    sample = read_sample(name)

    claims = sample.verify()

    assert not claims.simulated
    assert claims.library.status in NOT_REVOKED


@needs_samples
@pytest.mark.parametrize("name", names())
def test_verify_quote__of_hardware_not_up_to_date__refused_by_the_usual_policy(name: str) -> None:
    sample = read_sample(name)
    is_current = sample.verify().library.status is TcbStatus.UP_TO_DATE
    usual = Policy((), td_attributes=sample.policy.td_attributes, xfam=sample.policy.xfam)

    try:
        sample.verify(policy=usual)
    except EvidenceRefused:
        assert not is_current
    else:
        assert is_current


@needs_samples
@pytest.mark.parametrize("name", names())
def test_verify_quote__of_hardware_with_one_bit_of_the_signed_body_flipped__refused(
    name: str,
) -> None:
    sample = read_sample(name)
    signed = len(parse_quote(sample.quote).signed)

    for at in range(signed):
        with pytest.raises(EvidenceRefused):
            sample.verify(quote=flipped(at, at % 8)(sample.quote))
