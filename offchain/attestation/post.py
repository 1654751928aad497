"""A verdict that enough relayers agree on goes on chain, once, whoever is first.

Signatures are those of one committee, as many as the registry wants: each more costs gas and adds
nothing. What is on chain already is not sent again. Source: docs/protocol/attestation.md#relayers.
"""

from collections.abc import Mapping

from offchain.attestation.relay_ports import (
    Bench,
    Posting,
    RegistryActs,
    RelayLedger,
    SignedVerdict,
)
from offchain.core.errors import Conflict, Rejected


def posting_of(signed: Mapping[int, SignedVerdict], bench: Bench) -> Posting | None:
    """What the registry takes of these signatures by operator; None while too few agree."""
    for verdict in dict.fromkeys(one.verdict for one in signed.values()):
        agreed = {who: one for who, one in signed.items() if one.verdict == verdict}
        committee = bench.judges_of(verdict.nonce)
        seated = [
            (seat, agreed[member].signature)
            for seat, member in enumerate(committee.members if committee else ())
            if member in agreed
        ][: bench.quorum]
        if committee is not None and len(seated) == bench.quorum:
            bits = sum(1 << seat for seat, _ in seated)
            return Posting(verdict, committee.epoch, bits, tuple(one for _, one in seated))
    return None


def post(posting: Posting, ledger: RelayLedger, acts: RegistryActs) -> bool:
    """Send it unless it is there; whether this call did. Raises: Rejected, Unavailable."""
    evidence_id = posting.verdict.evidence_id
    if ledger.registered(evidence_id, ledger.head()) is not None:
        return False
    try:
        acts.register(posting)
    except (Conflict, Rejected):
        if ledger.registered(evidence_id, ledger.head()) is not None:
            return False  # somebody was faster in the same block
        raise
    return True
