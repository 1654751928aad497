"""What tests of audits look at and do: the state, time, slashes."""

import boa

from offchain.compute.onchain_audit_court import AuditState
from offchain.core.hashing import keccak
from tests.support.compute_courts import (
    CourtsSite,
)

BUNDLE = keccak(b"bundle")


def state(site: CourtsSite, audit: int) -> AuditState:
    return AuditState(int(site.audits.audit(audit).state))


def pass_(seconds: int) -> None:
    boa.env.timestamp += seconds


def slashes(site: CourtsSite) -> list[tuple[int, int]]:
    """Offence and what was reserved, of every case the last call opened."""
    opened = [one for one in site.audits.get_logs() if type(one).__name__ == "CaseOpened"]
    return [(int(one.offence), int(one.reserved)) for one in opened]
