# pragma version 0.4.3
"""
@title What an honest receipt looks like
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a receipt that an honest provider signed breaks no rule here, whatever others sign or send.
@dev header of an answer's commitment, 183 bytes: version u8 = 1, prompt tokens u32, output tokens u32, ...; leaf =
     keccak256(0x00 || bytes), node = keccak256(0x01 || left || right), a lone node goes up as it is; commitment =
     keccak256(0x02 || leaves u32 || root). The header is leaf 0, then comes the prompt, then 32 output tokens a leaf.
     No state.
"""
from ..interfaces import IAttestationRegistry
from ..interfaces import IComputeEscrow
from ..interfaces import IReceiptCourt
from ..interfaces import IServiceRegistry

PRICE_UNIT: constant(uint256) = 1_000_000  # tokens
HEADER_BYTES: constant(uint256) = 183
HEADER_VERSION: constant(uint256) = 1
CHUNK_TOKENS: constant(uint256) = 32
FIRST_CHUNK: constant(uint256) = 2  # leaves before the chunks
MAX_COMMITMENT_LEVELS: constant(uint256) = 16
CLOCK_SECONDS: constant(uint256) = 60  # that a receipt's clock may be off
LOW_32: constant(uint256) = 2**32 - 1
HALF_ORDER: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)  # of secp256k1


@internal
@pure
def _price(row: IServiceRegistry.PriceRow, receipt: IReceiptCourt.Receipt) -> uint256:
    units: uint256 = convert(receipt.input_tokens, uint256) * convert(row.input_price, uint256)
    units += convert(receipt.output_tokens, uint256) * convert(row.output_price, uint256)
    return (units + PRICE_UNIT - 1) // PRICE_UNIT + convert(row.request_price, uint256)


@internal
@pure
def _is_payable(row: IServiceRegistry.PriceRow, time: uint256, grace: uint256) -> bool:
    if row.valid_from == 0 or time < convert(row.valid_from, uint256):
        return False
    return row.retired_at == 0 or time <= convert(row.retired_at, uint256) + grace


@internal
@pure
def _belongs(
    receipt: IReceiptCourt.Receipt, item: IComputeEscrow.Settled, batch: IComputeEscrow.Batch
) -> bool:
    """
    @dev Whether the item may ask money for this receipt.
    """
    if receipt.payer != item.payer or receipt.provider != batch.provider:
        return False
    if receipt.service != batch.service or receipt.price_version != item.price_version:
        return False
    return receipt.nonce >= item.first_nonce and receipt.nonce <= item.last_nonce


@internal
@pure
def _signer(digest: bytes32, signature: Bytes[65]) -> address:
    """
    @dev Zero for nobody: a wrong length, a high s, v other than 27 and 28.
    """
    if len(signature) != 65:
        return empty(address)
    s: uint256 = convert(extract32(signature, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > HALF_ORDER or (v != 27 and v != 28):
        return empty(address)
    return ecrecover(digest, v, convert(extract32(signature, 0), uint256), s)


@internal
@view
def _unattested(attestations: address, receipt: IReceiptCourt.Receipt) -> (bool, bool):
    """
    @return Whether the evidence that a receipt names never stood around its time, and whether it is void.
    """
    id: bytes32 = receipt.attestation_id
    if id == empty(bytes32) or attestations == empty(address):
        return False, False
    registry: IAttestationRegistry = IAttestationRegistry(attestations)
    if (staticcall registry.verdict(id)).state == IAttestationRegistry.AttestationState.VOID:
        return True, True
    latest: uint256 = convert(receipt.time, uint256) + CLOCK_SECONDS
    for step: uint256 in range(3):
        if staticcall registry.stood(id, latest - min(step * CLOCK_SECONDS, latest)):
            return False, False
    return True, False


@internal
@pure
def _check_header(commitment: bytes32, header: Bytes[HEADER_BYTES], leaves: uint256, path: Bytes[512]):
    """
    @dev The header and the number of leaves are what the commitment was made of.
    """
    assert leaves != 0 and leaves <= 2**MAX_COMMITMENT_LEVELS, "receipt_rules: leaves out of range"
    node: bytes32 = keccak256(concat(b"\x00", header))
    width: uint256 = leaves
    cursor: uint256 = 0
    for _: uint256 in range(MAX_COMMITMENT_LEVELS):
        if width == 1:
            break
        assert cursor + 32 <= len(path), "receipt_rules: path too short"
        node = keccak256(concat(b"\x01", node, extract32(path, cursor)))
        cursor += 32
        width = (width + 1) >> 1
    assert cursor == len(path), "receipt_rules: path too long"
    root: bytes32 = keccak256(concat(b"\x02", convert(convert(leaves, uint32), bytes4), node))
    assert root == commitment, "receipt_rules: not committed to"


@internal
@pure
def _counts_fit(receipt: IReceiptCourt.Receipt, header: Bytes[HEADER_BYTES], leaves: uint256) -> bool:
    """
    @dev A header that is not of this version fits nothing: nobody can check such an answer.
    """
    if len(header) != HEADER_BYTES:
        return False
    words: uint256 = convert(extract32(header, 0), uint256)
    if words >> 248 != HEADER_VERSION:
        return False
    outputs: uint256 = convert(receipt.output_tokens, uint256)
    is_prompt: bool = (words >> 216) & LOW_32 == convert(receipt.input_tokens, uint256)
    is_output: bool = (words >> 184) & LOW_32 == outputs
    return is_prompt and is_output and leaves == FIRST_CHUNK + (outputs + CHUNK_TOKENS - 1) // CHUNK_TOKENS
