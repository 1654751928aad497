# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Proving a delivery wrong by arithmetic
@license AGPL-3.0-only
@author Apogee
@notice Whoever got a delivery opens the sealed key, a chunk's key or a few blocks of the file, and shows that they are
        not what oracles signed. It keeps nothing: the verifier named in the call keeps what was shown, if it trusts
        this contract. A correct delivery cannot be shown wrong.
@custom:kill No switch. Proofs are arithmetic.
@custom:security A proof opens what it is about: a key of garbage, or one chunk. Tags of AES-GCM are not judged: readers
                 take a chunk by its content leaves. Two points whose keccak-256 share 160 bits would cheat it.
"""
from ..interfaces import IDeliveryFraudProofs
from ..interfaces import IKeyDeliveryVerifier
from ..shared import aes256
from ..shared import hkdf
from . import bundle_form
from . import sealed_keys
from . import stored_bytes

implements: IDeliveryFraudProofs

FIRST_COUNTER: constant(uint256) = 2  # of a chunk's ciphertext in AES-GCM
LEAF_BLOCKS: constant(uint256) = 4
MAX_PIECES: constant(uint256) = 4


@deploy
def __init__():
    """
    @dev It knows nothing: whose verifier it serves is said in each call.
    """
    pass


# --- PERMISSIONLESS


@external
def prove_wrong_key(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    key: IDeliveryFraudProofs.SealedKey,
    salt: bytes32,
):
    """
    @notice Show that what was sealed is not the key that was committed to.
    @param key The secret of the one-time key; any bytes do where the sealed key has no point of the curve.
    @param salt Of the caller's commitment; any value when there is none.
    """
    is_right: bool = False
    opened: bytes32 = empty(bytes32)
    is_right, opened = sealed_keys._open(key, delivery)
    assert not is_right, "fraud_proofs: key is right"
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.KEY, salt)


@external
def prove_wrong_chunk_key(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    key: IDeliveryFraudProofs.SealedKey,
    length: uint64,
    top: bytes32,
    chunk: uint32,
    leaf_hash: bytes32,
    path: DynArray[bytes32, bundle_form.MAX_KEY_DEPTH],
    salt: bytes32,
):
    """
    @notice Show that a leaf of keyRoot is not of the key that the data key gives to its chunk.
    @param length Bytes of the content, whose tree has the root `top`.
    """
    bundle_form._check_length(delivery.content_root, length, top)
    bundle_form._check_key(delivery.key_root, length, chunk, leaf_hash, path)
    chunk_key: bytes32 = self._chunk_key(delivery, key, chunk)
    is_wrong: bool = bundle_form._key_leaf(chunk, chunk_key) != leaf_hash
    assert is_wrong, "fraud_proofs: chunk key is right"
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.CHUNK_KEY, salt)


@external
def prove_wrong_content(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    content: IDeliveryFraudProofs.Content,
    chunk_key: bytes32,
    key_path: DynArray[bytes32, bundle_form.MAX_KEY_DEPTH],
    pieces: DynArray[IDeliveryFraudProofs.Piece, MAX_PIECES],
    salt: bytes32,
):
    """
    @notice Show that a leaf of the content does not come out of the file under the chunk's key.
    @param pieces Storage leaves with the chunk's salt, then those with the leaf.
    """
    leaf_hash: bytes32 = bundle_form._key_leaf(content.chunk, chunk_key)
    bundle_form._check_key(delivery.key_root, content.length, content.chunk, leaf_hash, key_path)
    self._check_wrong_content(delivery, content, chunk_key, pieces)
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.CONTENT, salt)


@external
def prove_wrong_content_by_secret(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    content: IDeliveryFraudProofs.Content,
    key: IDeliveryFraudProofs.SealedKey,
    pieces: DynArray[IDeliveryFraudProofs.Piece, MAX_PIECES],
    salt: bytes32,
):
    """
    @notice The same under the key that the data key gives, which opens all of the bundle.
    """
    chunk_key: bytes32 = self._chunk_key(delivery, key, content.chunk)
    self._check_wrong_content(delivery, content, chunk_key, pieces)
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.CONTENT, salt)


@external
def prove_wrong_length(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    length: uint64,
    top: bytes32,
    file_length: uint64,
    file_top: bytes32,
    salt: bytes32,
):
    """
    @notice Show that the file is not as long as its content asks for.
    """
    bundle_form._check_length(delivery.content_root, length, top)
    stored_bytes._check_length(delivery.new_data_hash, file_length, file_top)
    expected: uint256 = bundle_form._file_length(convert(length, uint256))
    assert convert(file_length, uint256) != expected, "fraud_proofs: length is right"
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.LENGTH, salt)


@external
def prove_wrong_header(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    length: uint64,
    top: bytes32,
    piece: IDeliveryFraudProofs.Piece,
    salt: bytes32,
):
    """
    @notice Show that the file begins otherwise than its content and keys ask for.
    """
    bundle_form._check_length(delivery.content_root, length, top)
    found: Bytes[stored_bytes.MAX_READ] = b""
    next: uint256 = 0
    is_readable: bool = False
    found, next, is_readable = stored_bytes._read(
        delivery.new_data_hash,
        bundle_form._file_length(convert(length, uint256)),
        0,
        bundle_form.HEADER_BYTES,
        [piece],
        0,
    )
    expected: Bytes[bundle_form.HEADER_BYTES] = bundle_form._header(
        length, delivery.content_root, delivery.key_root
    )
    is_right: bool = is_readable and keccak256(found) == keccak256(expected)
    assert not is_right, "fraud_proofs: header is right"
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.HEADER, salt)


@external
def prove_wrong_list(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    content: IDeliveryFraudProofs.Content,
    pieces: DynArray[IDeliveryFraudProofs.Piece, MAX_PIECES],
    salt: bytes32,
):
    """
    @notice Show that the file lists another content leaf than contentRoot has.
    """
    self._check_content(delivery, content)
    length: uint256 = convert(content.length, uint256)
    index: uint256 = convert(content.chunk, uint256) * bundle_form.CHUNK_LEAVES + convert(content.leaf, uint256)
    found: Bytes[stored_bytes.MAX_READ] = b""
    next: uint256 = 0
    is_readable: bool = False
    found, next, is_readable = stored_bytes._read(
        delivery.new_data_hash,
        bundle_form._file_length(length),
        bundle_form._list_at(length) + index * bundle_form.NODE,
        bundle_form.NODE,
        pieces,
        0,
    )
    is_right: bool = is_readable and extract32(found, 0) == content.leaf_hash
    assert not is_right, "fraud_proofs: list is right"
    self._find(verifier, delivery, IKeyDeliveryVerifier.Falsehood.LIST, salt)


# --- INTERNAL


@internal
@view
def _chunk_key(
    delivery: IKeyDeliveryVerifier.Delivery, key: IDeliveryFraudProofs.SealedKey, chunk: uint32
) -> bytes32:
    """
    @dev What the delivered data key gives to a chunk.
    """
    is_right: bool = False
    opened: bytes32 = empty(bytes32)
    is_right, opened = sealed_keys._open(key, delivery)
    assert is_right, "fraud_proofs: prove the key"
    info: Bytes[16] = concat(b"apogee/chunk", convert(chunk, bytes4))
    return hkdf._derive(delivery.content_root, opened, info)


@internal
@pure
def _check_content(delivery: IKeyDeliveryVerifier.Delivery, content: IDeliveryFraudProofs.Content):
    bundle_form._check_length(delivery.content_root, content.length, content.top)
    bundle_form._check_content(
        content.length, content.top, content.chunk, content.leaf, content.leaf_hash, content.path
    )


@internal
@pure
def _check_wrong_content(
    delivery: IKeyDeliveryVerifier.Delivery,
    content: IDeliveryFraudProofs.Content,
    chunk_key: bytes32,
    pieces: DynArray[IDeliveryFraudProofs.Piece, MAX_PIECES],
):
    """
    @dev Reverts where the file decrypts to the leaf of the content.
    """
    self._check_content(delivery, content)
    chunk: uint256 = convert(content.chunk, uint256)
    leaf: uint256 = convert(content.leaf, uint256)
    size: uint256 = bundle_form._file_length(convert(content.length, uint256))
    root: bytes32 = delivery.new_data_hash
    salt: Bytes[stored_bytes.MAX_READ] = b""
    data: Bytes[stored_bytes.MAX_READ] = b""
    next: uint256 = 0
    is_readable: bool = False
    is_data_readable: bool = False
    at: uint256 = bundle_form._salt_at(chunk)
    salt, next, is_readable = stored_bytes._read(root, size, at, bundle_form.SALT_BYTES, pieces, 0)
    at = bundle_form._leaf_at(chunk, leaf)
    data, next, is_data_readable = stored_bytes._read(root, size, at, bundle_form.LEAF_BYTES, pieces, next)
    if not is_readable or not is_data_readable:
        return

    first: uint256 = FIRST_COUNTER + bundle_form.SALT_BYTES // 16 + leaf * LEAF_BLOCKS
    stream: uint256[3] = aes256._keystream(chunk_key, chunk, [FIRST_COUNTER, first, first + 2])
    found: bytes32 = bundle_form._content_leaf(
        content.chunk,
        content.leaf,
        self._xor(extract32(salt, 0), stream[0]),
        concat(self._xor(extract32(data, 0), stream[1]), self._xor(extract32(data, 32), stream[2])),
    )
    assert found != content.leaf_hash, "fraud_proofs: content is right"


@internal
@pure
def _xor(sealed: bytes32, stream: uint256) -> bytes32:
    return convert(convert(sealed, uint256) ^ stream, bytes32)


@internal
def _find(
    verifier: address,
    delivery: IKeyDeliveryVerifier.Delivery,
    kind: IKeyDeliveryVerifier.Falsehood,
    salt: bytes32,
):
    extcall IKeyDeliveryVerifier(verifier).find(delivery, kind, msg.sender, salt)
