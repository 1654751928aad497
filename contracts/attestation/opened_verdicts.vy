# pragma version 0.4.3
"""
@title Verdicts whose quote lies open
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is judged is a registered verdict that is not void, and the very bytes whose hash it names.
"""
from ..interfaces import IAttestationRegistry
from . import quote_form
from . import verdict_hash

REGISTRY: immutable(IAttestationRegistry)


@deploy
def __init__(registry: address):
    assert registry.is_contract, "opened_verdicts: no contract"

    REGISTRY = IAttestationRegistry(registry)


@internal
@view
def _record(id: bytes32) -> IAttestationRegistry.Record:
    return staticcall REGISTRY.verdict(id)


@internal
@view
def _entry_of(id: bytes32) -> IAttestationRegistry.Measurement:
    """
    @dev What the verdict rests on.
    """
    return staticcall REGISTRY.measurement_at(convert(self._record(id).measurement, uint256))


@internal
@view
def _standing(id: bytes32) -> IAttestationRegistry.Record:
    """
    @dev The record of a verdict that is not void.
    """
    record: IAttestationRegistry.Record = self._record(id)
    is_known: bool = record.state != empty(IAttestationRegistry.AttestationState)
    assert is_known, "opened_verdicts: no such verdict"
    assert record.state != IAttestationRegistry.AttestationState.VOID, "opened_verdicts: void already"
    return record


@internal
@view
def _opened(
    verdict: IAttestationRegistry.Verdict, quote: Bytes[quote_form.MAX_QUOTE]
) -> bytes32:
    """
    @dev The id of a verdict that is registered, not void, and about this quote.
    """
    id: bytes32 = verdict_hash._verdict(REGISTRY.address, verdict)
    self._standing(id)
    assert keccak256(quote) == verdict.quote_hash, "opened_verdicts: another quote"
    return id
