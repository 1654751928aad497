# pragma version 0.4.3
"""
@title What relayers sign
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a digest names every field of one verdict or notice, one registry and one chain.
"""
from ..interfaces import IAttestationRegistry
from ..shared import constants as C
from ..shared import typed_data

NAME: constant(bytes32) = keccak256("Apogee AttestationRegistry")
VERSION: constant(bytes32) = keccak256("1")
VERDICT_TYPE: constant(bytes32) = keccak256(
    "Verdict(bytes32 evidenceId,bytes32 quoteHash,bytes32 bundleRoot,bytes32 serviceId,address signer,bytes32 encKeyHash,bytes32 tlsKeyHash,bytes32 measurementId,bytes32 reportDataHash,bytes32 gpuHash,uint8 teeType,uint8 tcbStatus,uint32 tcbEvalNumber,bytes32 collateralHash,bytes32 rootKeyId,bytes32 nonce,uint64 notAfter)"
)
COLLATERAL_TYPE: constant(bytes32) = keccak256("CollateralNotice(bytes32 collateralHash,uint64 epoch)")
EVALUATION_TYPE: constant(bytes32) = keccak256("EvaluationNotice(uint32 number,uint64 epoch)")
VERDICT_SIZE: constant(uint256) = 544  # 17 words
NONCE_AT: constant(uint256) = 480


@internal
@view
def _verdict(registry: address, verdict: IAttestationRegistry.Verdict) -> bytes32:
    return self._digest(registry, keccak256(abi_encode(VERDICT_TYPE, verdict)))


@internal
@view
def _encoded(registry: address, words: Bytes[VERDICT_SIZE]) -> bytes32:
    """
    @dev The same of a verdict's ABI words.
    """
    assert len(words) == VERDICT_SIZE, "verdict_hash: not 17 words"
    return self._digest(registry, keccak256(concat(VERDICT_TYPE, words)))


@internal
@view
def _collateral(registry: address, collateral_hash: bytes32, epoch: uint256) -> bytes32:
    return self._digest(registry, keccak256(abi_encode(COLLATERAL_TYPE, collateral_hash, epoch)))


@internal
@view
def _evaluation(registry: address, number: uint256, epoch: uint256) -> bytes32:
    return self._digest(registry, keccak256(abi_encode(EVALUATION_TYPE, number, epoch)))


@internal
@view
def _report_data_hash(registry: address, verdict: IAttestationRegistry.Verdict) -> bytes32:
    """
    @dev keccak-256 of the 64 bytes that a quote of this subject holds: binding 32, signer 20, version 1, flags 1, zero.
    """
    binding: bytes32 = keccak256(
        abi_encode(
            C.TAG_REPORT,
            chain.id,
            registry,
            verdict.service_id,
            verdict.signer,
            verdict.enc_key_hash,
            verdict.tls_key_hash,
            verdict.nonce,
        )
    )
    tail: uint256 = convert(verdict.signer, uint256) << 96 | 1 << 88
    if verdict.gpu_hash != empty(bytes32):
        tail |= 1 << 80
    return keccak256(concat(binding, convert(tail, bytes32)))


@internal
@view
def _digest(registry: address, struct_hash: bytes32) -> bytes32:
    return typed_data._digest(typed_data._domain(NAME, VERSION, registry), struct_hash)
