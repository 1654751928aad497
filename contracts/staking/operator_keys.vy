# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Operators and their BLS keys
@license AGPL-3.0-only
@author Apogee
@notice Invariant: every key here was proven to be known by its operator's owner, and points to that operator for ever.
@dev A key is 128 bytes in EIP-2537 form and 96 bytes in storage: the upper 16 bytes of both coordinates are zero, which
     the pairing precompile has enforced by the time a key is stored.
"""
from ..interfaces import IOperatorRegistry
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import constants as C
from ..shared import g1_words

LOW_32: constant(uint256) = 2**32 - 1

operator_count: public(uint256)
owners: HashMap[uint256, address]
signers: HashMap[uint256, uint256]  # key's first epoch 32 | former keys 32 | tombstoned 32 | signer 160
offered_signers: HashMap[uint256, address]
key_hashes: HashMap[uint256, bytes32]
bodies: HashMap[bytes32, uint256[3]]  # key hash -> x and y, 48 bytes each
ids_by_key: HashMap[bytes32, uint256]
ids_by_account: HashMap[address, uint256]
former: HashMap[uint256, HashMap[uint256, bytes32]]  # operator -> n -> key hash
former_since: HashMap[uint256, HashMap[uint256, uint256]]


@internal
def _register(stake: address, key: Bytes[128], proof: Bytes[256], epoch: uint256) -> uint256:
    assert self.ids_by_account[msg.sender] == 0, "keys: account taken"
    key_hash: bytes32 = self._prove(stake, msg.sender, key, proof)

    operator_id: uint256 = self.operator_count + 1
    self.operator_count = operator_id
    self.owners[operator_id] = msg.sender
    self.signers[operator_id] = epoch << 224 | convert(msg.sender, uint256)
    self.ids_by_account[msg.sender] = operator_id
    self._store_key(operator_id, key_hash, key)
    log IOperatorRegistry.Registered(operator_id=operator_id, owner=msg.sender, key_hash=key_hash)
    return operator_id


@internal
def _rotate(stake: address, operator_id: uint256, key: Bytes[128], proof: Bytes[256], epoch: uint256):
    word: uint256 = self.signers[operator_id]
    assert not self._is_tombstoned(operator_id), "keys: tombstoned"
    key_hash: bytes32 = self._prove(stake, msg.sender, key, proof)

    since: uint256 = word >> 224
    count: uint256 = (word >> 192) & LOW_32
    if since != epoch:  # a key that never came into force leaves no trace in the history
        self.former[operator_id][count] = self.key_hashes[operator_id]
        self.former_since[operator_id][count] = since
        count += 1
    self.signers[operator_id] = epoch << 224 | count << 192 | (word & (2**192 - 1))
    self._store_key(operator_id, key_hash, key)
    log IOperatorRegistry.KeyRotated(operator_id=operator_id, key_hash=key_hash, epoch=epoch)


@internal
def _store_key(operator_id: uint256, key_hash: bytes32, key: Bytes[128]):
    self.key_hashes[operator_id] = key_hash
    self.ids_by_key[key_hash] = operator_id
    self.bodies[key_hash] = g1_words._pack(key)


@internal
def _offer_signer(operator_id: uint256, signer: address):
    self.offered_signers[operator_id] = signer
    log IOperatorRegistry.SignerOffered(operator_id=operator_id, signer=signer)


@internal
def _accept_signer(operator_id: uint256):
    """
    @dev The signer accepts in person, so nobody can occupy an address that is not his.
    """
    assert msg.sender == self.offered_signers[operator_id], "keys: not the offered signer"
    owner: address = self.owners[operator_id]
    holder: uint256 = self.ids_by_account[msg.sender]
    assert holder == 0 or msg.sender == owner, "keys: account taken"

    word: uint256 = self.signers[operator_id]
    before: address = self._low_address(word)
    if before != owner:
        self.ids_by_account[before] = 0
    self.ids_by_account[msg.sender] = operator_id
    self.offered_signers[operator_id] = empty(address)
    self.signers[operator_id] = (word >> 160) << 160 | convert(msg.sender, uint256)
    log IOperatorRegistry.SignerChanged(operator_id=operator_id, signer=msg.sender)


@internal
def _tombstone(operator_id: uint256):
    self.signers[operator_id] = self.signers[operator_id] | 1 << 160


@internal
@view
def _prove(stake: address, owner: address, key: Bytes[128], proof: Bytes[256]) -> bytes32:
    """
    @dev The pairing precompile checks canonical form, curve and subgroup of key and proof.
    """
    assert len(key) == 128 and len(proof) == 256, "keys: wrong length"
    assert not bls12_381._is_identity(key), "keys: identity"
    key_hash: bytes32 = keccak256(key)
    assert self.ids_by_key[key_hash] == 0, "keys: key seen before"
    digest: bytes32 = self._possession_digest(stake, owner, key_hash)
    assert bls12_381._verify(key, digest, bls12_381.DST_POSSESSION, proof), "keys: possession not proven"
    return key_hash


@internal
@view
def _possession_digest(stake: address, owner: address, key_hash: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_POSSESSION, chain.id, stake, owner, key_hash))


@internal
@view
def _operator(operator_id: uint256) -> IStakeView.Operator:
    return IStakeView.Operator(
        owner=self.owners[operator_id],
        signer=self._low_address(self.signers[operator_id]),
        key_hash=self.key_hashes[operator_id],
        tombstoned=self._is_tombstoned(operator_id),
    )


@internal
@view
def _is_tombstoned(operator_id: uint256) -> bool:
    return (self.signers[operator_id] >> 160) & LOW_32 == 1


@internal
@view
def _key_hash_at(operator_id: uint256, epoch: uint256) -> bytes32:
    """
    @dev Rotations are rare, so a walk back from the newest key is the shortest search; a key older than 64 rotations
         is found by its hash (`operator_of_key`).
    """
    word: uint256 = self.signers[operator_id]
    if word >> 224 <= epoch:
        return self.key_hashes[operator_id]
    count: uint256 = (word >> 192) & LOW_32
    for step: uint256 in range(C.MAX_KEY_STEPS):
        if step == count:
            break
        if self.former_since[operator_id][count - 1 - step] <= epoch:
            return self.former[operator_id][count - 1 - step]
    return empty(bytes32)


@internal
@view
def _key(key_hash: bytes32) -> Bytes[128]:
    return g1_words._unpack(self.bodies[key_hash])


@internal
@pure
def _low_address(word: uint256) -> address:
    return convert(convert(word & (2**160 - 1), uint160), address)
