# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Proving that a verdict is a lie
@license AGPL-3.0-only
@author Apogee
@notice A verdict names the hash of a canonical quote. Whoever opens the quote may show that it contradicts the verdict,
        or that a signature in it does not verify: the verdict is void, and those who signed it lose stake. It holds no
        money.
@custom:kill No switch. Proofs are arithmetic; a correct verdict cannot be voided by one.
@custom:security A reward is earned only by who announced the proof in an earlier block. TCB levels and revocation lists
                 are not judged here. A call that runs out of gas in a precompile has too little left to punish anybody.
"""
from ..interfaces import IAttestationFraudProofs
from ..interfaces import IAttestationRegistry
from ..shared import constants as C
from ..shared import p256
from . import certificates
from . import opened_verdicts
from . import quote_chain
from . import quote_form
from . import relayer_findings
from . import verdict_hash

implements: IAttestationFraudProofs
initializes: opened_verdicts
initializes: relayer_findings[opened_verdicts := opened_verdicts]
exports: (relayer_findings.punish, relayer_findings.is_sentenced)

commitments: reentrant(public(HashMap[bytes32, uint256]))  # block number


@deploy
def __init__(registry: address, stake: address, court: address, evidence_seconds: uint256):
    """
    @param registry AttestationRegistry, where verdicts become void.
    @param stake StakeManager.
    @param court SlashingCourt, which punishes.
    @param evidence_seconds How long after the end of an epoch its offences can be shown.
    """
    opened_verdicts.__init__(registry)
    relayer_findings.__init__(stake, court, evidence_seconds)


# --- PERMISSIONLESS


@external
def commit(commitment: bytes32):
    """
    @notice Announce a proof without showing it.
    @param commitment keccak256(abi_encode(attestation id, fault, reporter, salt)); of two verdicts
                      keccak256(abi_encode(keccak256(abi_encode(first digest, second digest)), 0, reporter, salt)).
    """
    assert self.commitments[commitment] == 0, "fraud_proofs: committed already"

    self.commitments[commitment] = block.number
    log IAttestationFraudProofs.Committed(commitment=commitment)


@external
def prove(
    fault: IAttestationFraudProofs.Fault,
    verdict: IAttestationRegistry.Verdict,
    quote: Bytes[quote_form.MAX_QUOTE],
    leaf: Bytes[certificates.MAX_DER],
    ca: Bytes[certificates.MAX_DER],
    root_key: Bytes[64],
    salt: bytes32,
):
    """
    @notice Void a verdict that its own quote contradicts.
    @param quote The canonical bytes.
    @param leaf First certificate of the quote, DER; for QE_SIGNATURE and CHAIN.
    @param ca Second certificate, DER; for CHAIN.
    @param root_key x || y of the root that the verdict names; for CHAIN.
    @param salt Of the caller's commitment; any value when there is none.
    """
    id: bytes32 = opened_verdicts._opened(verdict, quote)
    at: quote_form.Places = quote_form._places(quote)
    is_lie: bool = False
    if fault == IAttestationFraudProofs.Fault.BODY:
        is_lie = at.pem == 0 or not quote_form._agrees(quote, at, verdict, opened_verdicts._entry_of(id))
    else:
        assert at.pem != 0, "fraud_proofs: prove the body"
        if fault == IAttestationFraudProofs.Fault.BINDING:
            is_lie = not quote_form._is_bound(quote, at)
        elif fault == IAttestationFraudProofs.Fault.SIGNATURE:
            is_lie = not self._is_signed(quote, at)
        elif fault == IAttestationFraudProofs.Fault.QE_SIGNATURE:
            quote_chain._check_leaf(quote, at.pem, leaf)
            is_lie = not self._is_report_signed(quote, at, leaf)
        else:
            quote_chain._check_chain(quote, at.pem, leaf, ca, root_key, verdict.root_key_id)
            is_lie = not quote_chain._is_certified(leaf, ca, root_key)
    assert is_lie, "fraud_proofs: verdict is sound"

    reporter: address = self._reporter(id, convert(fault, uint256), salt)
    log IAttestationFraudProofs.FaultProven(attestation_id=id, fault=fault, reporter=reporter)
    relayer_findings._sentence(id, C.RLY_FALSE_VERDICT, reporter)


@external
def prove_equivocation(
    first: Bytes[verdict_hash.VERDICT_SIZE],
    second: Bytes[verdict_hash.VERDICT_SIZE],
    first_signature: Bytes[65],
    second_signature: Bytes[65],
    epoch: uint256,
    salt: bytes32,
):
    """
    @notice Show two verdicts that one relayer signed over one piece of evidence. Nothing becomes void by it.
    @param first Its 17 words, as `verdict_digest` encodes them.
    @param epoch Of the first one's nonce: its stake answers.
    """
    digest: bytes32 = verdict_hash._encoded(opened_verdicts.REGISTRY.address, first)
    other: bytes32 = verdict_hash._encoded(opened_verdicts.REGISTRY.address, second)
    assert digest != other, "fraud_proofs: one verdict"
    evidence: bytes32 = convert(slice(first, 0, 32), bytes32)
    assert evidence == convert(slice(second, 0, 32), bytes32), "fraud_proofs: other evidence"
    nonce: bytes32 = convert(slice(first, verdict_hash.NONCE_AT, 32), bytes32)
    assert nonce == staticcall opened_verdicts.REGISTRY.nonce_of(epoch), "fraud_proofs: another epoch"
    account: address = self._recover(digest, first_signature)
    assert account != empty(address), "fraud_proofs: no signature"
    assert account == self._recover(other, second_signature), "fraud_proofs: two signers"
    operator_id: uint256 = staticcall relayer_findings.STAKE.operator_of(account)
    assert operator_id != 0, "fraud_proofs: not an operator"

    subject: bytes32 = keccak256(abi_encode(digest, other))
    reporter: address = self._reporter(subject, 0, salt)
    log IAttestationFraudProofs.EquivocationProven(operator_id=operator_id, first=digest, second=other)
    relayer_findings._convict(C.RLY_EQUIVOCATION, operator_id, epoch, evidence, reporter)


# --- VIEWS


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    is_ours: bool = offence == C.RLY_FALSE_VERDICT or offence == C.RLY_EQUIVOCATION
    assert is_ours, "fraud_proofs: unknown offence"
    return relayer_findings.EVIDENCE


# --- INTERNAL


@internal
@view
def _is_signed(quote: Bytes[quote_form.MAX_QUOTE], at: quote_form.Places) -> bool:
    """
    @dev Whether the attestation key signed header and body.
    """
    return p256._verifies(
        p256._has_precompile(),
        sha256(quote_form._signed(quote, at)),
        quote_form._word(quote, at.end + 4),
        quote_form._word(quote, at.end + 36),
        quote_form._word(quote, at.end + 68),
        quote_form._word(quote, at.end + 100),
    )


@internal
@view
def _is_report_signed(
    quote: Bytes[quote_form.MAX_QUOTE], at: quote_form.Places, leaf: Bytes[certificates.MAX_DER]
) -> bool:
    """
    @dev Whether the leaf's key signed the report of the quoting enclave.
    """
    shown: certificates.Certificate = certificates._read(leaf)
    if not shown.is_sound:
        return False
    return p256._verifies(
        p256._has_precompile(),
        sha256(slice(quote, at.end + 138, 384)),
        quote_form._word(quote, at.end + 522),
        quote_form._word(quote, at.end + 554),
        shown.x,
        shown.y,
    )


@internal
@pure
def _recover(digest: bytes32, signature: Bytes[65]) -> address:
    if len(signature) != 65:
        return empty(address)
    return ecrecover(
        digest,
        convert(slice(signature, 64, 1), uint256),
        convert(slice(signature, 0, 32), uint256),
        convert(slice(signature, 32, 32), uint256),
    )


@internal
def _reporter(subject: bytes32, fault: uint256, salt: bytes32) -> address:
    """
    @dev The caller where he announced this proof in an earlier block; nobody otherwise.
    """
    commitment: bytes32 = keccak256(abi_encode(subject, fault, msg.sender, salt))
    announced: uint256 = self.commitments[commitment]
    if announced == 0 or announced == block.number:
        return empty(address)
    return msg.sender
