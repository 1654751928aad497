# pragma version 0.4.3
"""
@title Signatures that count for one account, in one epoch of its token
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what is signed names the account, the chain and the epoch, so that it serves no other account of the
        same owner and nobody after the token has moved.
@dev ERC-7739 with the epoch as the domain's salt. Typed: signature || domain of the application || hash of its struct ||
     type || u16 length of the type, where the struct's own type comes first. Anything else is a PersonalSign.
"""
from ..shared import typed_data

NAME: constant(String[19]) = "Apogee AgentAccount"
VERSION: constant(String[1]) = "1"
NAME_HASH: constant(bytes32) = keccak256("Apogee AgentAccount")
VERSION_HASH: constant(bytes32) = keccak256("1")
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)
PERSONAL_TYPE: constant(bytes32) = keccak256("PersonalSign(bytes prefixed)")
TYPE_HEAD: constant(Bytes[14]) = b"TypedDataSign("
TYPE_TAIL: constant(Bytes[92]) = (
    b" contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)
IS_VALID_SIGNATURE: constant(bytes4) = method_id("isValidSignature(bytes32,bytes)", output_type=bytes4)
MAX_SIGNATURE: constant(uint256) = 1_024
MAX_NAME: constant(uint256) = 64  # bytes of a struct's name
HALF_ORDER: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)  # of secp256k1


struct Signed:
    digest: bytes32  # what the key signs
    domain: bytes32  # of the application; zero: a PersonalSign
    signature: Bytes[MAX_SIGNATURE]


@internal
@view
def _unnest(hash: bytes32, raw: Bytes[MAX_SIGNATURE], epoch: uint256) -> Signed:
    """
    @dev What has been signed so that `hash` counts for this account.
    """
    size: uint256 = len(raw)
    if size >= 66 + 65:
        type_size: uint256 = convert(slice(raw, size - 2, 2), uint256)
        if size >= 66 + 65 + type_size:
            head: uint256 = size - 66 - type_size
            domain: bytes32 = convert(slice(raw, head, 32), bytes32)
            contents: bytes32 = convert(slice(raw, head + 32, 32), bytes32)
            struct_type: Bytes[MAX_SIGNATURE] = slice(raw, head + 64, type_size)
            name_size: uint256 = self._name_size(struct_type)
            if name_size != 0 and typed_data._digest(domain, contents) == hash:
                struct_hash: bytes32 = self._nested(struct_type, name_size, contents, epoch)
                return Signed(
                    digest=typed_data._digest(domain, struct_hash),
                    domain=domain,
                    signature=slice(raw, 0, head),
                )
    personal: bytes32 = keccak256(abi_encode(PERSONAL_TYPE, hash))
    return Signed(
        digest=typed_data._digest(self._domain(epoch), personal), domain=empty(bytes32), signature=raw
    )


@internal
@pure
def _signer(digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> address:
    """
    @dev Zero for anything but 65 bytes with a low s.
    """
    if len(signature) != 65:
        return empty(address)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    if s > HALF_ORDER:
        return empty(address)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    return ecrecover(digest, v, convert(slice(signature, 0, 32), uint256), s)


@internal
@view
def _is_vouched(account: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bool:
    """
    @dev Whether a contract says that the signature is its own.
    """
    success: bool = False
    answer: Bytes[33] = b""
    success, answer = raw_call(
        account,
        abi_encode(digest, signature, method_id=IS_VALID_SIGNATURE),
        max_outsize=33,  # one more, so that a longer answer shows
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != 32:
        return False
    return convert(slice(answer, 0, 32), bytes32) == convert(IS_VALID_SIGNATURE, bytes32)


@internal
@view
def _domain(epoch: uint256) -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self, epoch))


@internal
@view
def _nested(struct_type: Bytes[MAX_SIGNATURE], name_size: uint256, contents: bytes32, epoch: uint256) -> bytes32:
    whole: bytes32 = keccak256(concat(TYPE_HEAD, slice(struct_type, 0, name_size), TYPE_TAIL, struct_type))
    return keccak256(abi_encode(whole, contents, NAME_HASH, VERSION_HASH, chain.id, self, epoch))


@internal
@pure
def _name_size(struct_type: Bytes[MAX_SIGNATURE]) -> uint256:
    """
    @dev Bytes of the struct's name; 0 when a name like this could be read as something else.
    """
    size: uint256 = len(struct_type)
    if size < 3 or slice(struct_type, size - 1, 1) != b")":
        return 0
    for place: uint256 in range(MAX_NAME + 1):
        if place == size:
            break
        letter: uint256 = convert(slice(struct_type, place, 1), uint256)
        if letter == 40:  # (
            return place
        is_small: bool = 97 <= letter and letter <= 122  # names of elementary types begin so
        if letter == 0 or letter == 32 or letter == 41 or letter == 44 or (place == 0 and is_small):
            return 0
    return 0
