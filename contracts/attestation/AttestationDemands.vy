# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title What relayers must be able to show
@license AGPL-3.0-only
@author Apogee
@notice Whoever doubts that there is a quote behind a verdict, or a path from its leaf to the root, may demand it, with a
        bond. Anybody may answer and earns the bond. Where nobody does in time the verdict is void, and those who signed
        it lose stake with the next call. Invariant: balance = open bonds + credits.
@custom:kill No switch. An answer is arithmetic; each kind is owed once a verdict.
@custom:security Bytes are owed for a day after the registration: who vouches for evidence keeps it that long, and serves
                 it. The answer makes them public for ever, in its calldata.
"""
from ..interfaces import IAttestationDemands
from ..interfaces import IAttestationRegistry
from ..shared import constants as C
from . import certificates
from . import credits
from . import opened_verdicts
from . import quote_chain
from . import quote_form
from . import relayer_findings
from . import verdict_demands

implements: IAttestationDemands
initializes: credits
initializes: opened_verdicts
initializes: relayer_findings[opened_verdicts := opened_verdicts]
initializes: verdict_demands
exports: (credits.withdraw, credits.credit_of)
exports: (relayer_findings.punish, relayer_findings.is_sentenced)
exports: (verdict_demands.bond, verdict_demands.open_seconds, verdict_demands.demand_of)

LIFE: immutable(uint256)  # seconds after its registration in which a verdict's bytes are owed

certified: HashMap[bytes32, bool]  # keccak256(root key id, leaf, CA): paths that verified once


@deploy
def __init__(
    registry: address,
    stake: address,
    court: address,
    open_seconds: uint256,
    evidence_seconds: uint256,
    min_bond: uint256,
):
    """
    @param registry AttestationRegistry, where verdicts become void.
    @param stake StakeManager.
    @param court SlashingCourt, which punishes.
    @param open_seconds For an answer to a demand.
    @param evidence_seconds How long after the end of an epoch its offences can be shown.
    @param min_bond Of a demand, wei, beside the gas of its answer.
    """
    opened_verdicts.__init__(registry)
    relayer_findings.__init__(stake, court, evidence_seconds)
    verdict_demands.__init__(open_seconds, min_bond)
    LIFE = staticcall opened_verdicts.REGISTRY.life()


# --- PERMISSIONLESS


@external
@payable
def demand(attestation_id: bytes32, kind: IAttestationDemands.DemandKind):
    """
    @notice Have the quote of a verdict shown, or the path from its leaf to its root. The bond goes to who shows it, and
            comes back when nobody does. What exceeds it is credited back.
    """
    is_path: bool = kind == IAttestationDemands.DemandKind.PATH
    assert is_path or kind == IAttestationDemands.DemandKind.BYTES, "demands: no such kind"
    record: IAttestationRegistry.Record = opened_verdicts._standing(attestation_id)
    owed_until: uint256 = convert(record.registered_at, uint256) + LIFE
    assert block.timestamp <= owed_until, "demands: too late"
    bond: uint256 = verdict_demands._bond(kind)
    assert msg.value >= bond, "demands: bond too low"

    verdict_demands._open(attestation_id, kind, bond)
    credits._credit(msg.sender, msg.value - bond)


@external
def answer(
    kind: IAttestationDemands.DemandKind,
    verdict: IAttestationRegistry.Verdict,
    quote: Bytes[quote_form.MAX_QUOTE],
    leaf: Bytes[certificates.MAX_DER],
    ca: Bytes[certificates.MAX_DER],
    root_key: Bytes[64],
):
    """
    @notice Show the canonical quote; for PATH also that its CA signed its leaf, and the root of the verdict the CA.
    @param leaf First certificate of the quote, DER; like the next two, for PATH only.
    @param ca Second certificate.
    @param root_key x || y of the root that the verdict names.
    """
    id: bytes32 = opened_verdicts._opened(verdict, quote)
    if kind == IAttestationDemands.DemandKind.PATH:
        at: quote_form.Places = quote_form._places(quote)
        assert at.pem != 0, "demands: no TDX quote"
        quote_chain._check_chain(quote, at.pem, leaf, ca, root_key, verdict.root_key_id)
        path: bytes32 = keccak256(abi_encode(verdict.root_key_id, keccak256(leaf), keccak256(ca)))
        if not self.certified[path]:
            assert quote_chain._is_certified(leaf, ca, root_key), "demands: not certified"
            self.certified[path] = True

    bond: uint256 = verdict_demands._show(id, kind, verdict.quote_hash)
    credits._credit(msg.sender, bond)


@external
def close(attestation_id: bytes32, kind: IAttestationDemands.DemandKind):
    """
    @notice End a demand that nobody answered in time, and the verdict with it; or give the bond back where the verdict
            is void already.
    """
    demand: IAttestationDemands.Demand = verdict_demands._read_open(attestation_id, kind)
    record: IAttestationRegistry.Record = opened_verdicts._record(attestation_id)
    is_void: bool = record.state == IAttestationRegistry.AttestationState.VOID
    is_over: bool = block.timestamp > convert(demand.deadline, uint256)
    assert is_over or is_void, "demands: too early"

    verdict_demands._end(attestation_id, kind)
    credits._credit(demand.challenger, demand.bond)
    log IAttestationDemands.Lapsed(
        attestation_id=attestation_id, challenger=demand.challenger, kind=kind
    )
    if not is_void:
        relayer_findings._sentence(attestation_id, C.RLY_WITHHELD, demand.challenger)


# --- VIEWS


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    assert offence == C.RLY_WITHHELD, "demands: unknown offence"
    return relayer_findings.EVIDENCE
