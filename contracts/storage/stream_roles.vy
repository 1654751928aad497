# pragma version 0.4.3
"""
@title Whose a stream is
@license AGPL-3.0-only
@author Apogee
@notice Invariant: rights change only by the owner or an admin of the present generation; admins only by the owner.
@dev Writers are not kept here: replicas know them from the log. An admin is kept with the last second of its right.
"""
from ..interfaces import IKVStreams
from ..shared import constants as C

OWNER: constant(uint256) = 0  # what an entry that is no grant says
ADMIN: constant(uint256) = 1
WRITER: constant(uint256) = 2
KEY_WRITER: constant(uint256) = 3
ACCOUNT: constant(uint256) = 1
KEY: constant(uint256) = 2
OWNER_BITS: constant(uint256) = 160

words: HashMap[bytes32, uint256]  # owner || generation << 160
admins: HashMap[bytes32, HashMap[uint256, HashMap[bytes32, uint256]]]  # stream, generation, subject


@internal
@view
def _id_of(owner: address, salt: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_STREAM, chain.id, owner, salt))


@internal
def _create(stream: bytes32, owner: address):
    assert self.words[stream] == 0, "stream_roles: exists already"

    self.words[stream] = self._word(owner, 1)


@internal
def _hand_over(stream: bytes32, to: address) -> uint256:
    """
    @dev The new generation.
    """
    generation: uint256 = self._generation(stream) + 1
    self.words[stream] = self._word(to, generation)
    return generation


@internal
@view
def _check_grant(grant: IKVStreams.Grant):
    role: uint256 = convert(grant.role, uint256)
    assert role >= ADMIN and role <= KEY_WRITER, "stream_roles: no such role"
    assert (len(grant.prefix) > 0) == (role == KEY_WRITER), "stream_roles: wrong prefix"
    expiry: uint256 = convert(grant.expiry, uint256)
    assert expiry == 0 or expiry > block.timestamp, "stream_roles: expired"


@internal
@pure
def _check_subject(subject_kind: uint8, subject: bytes32):
    """
    @dev No subject is of both kinds.
    """
    kind: uint256 = convert(subject_kind, uint256)
    is_account: bool = convert(subject, uint256) >> OWNER_BITS == 0
    assert kind == (ACCOUNT if is_account else KEY), "stream_roles: wrong subject"
    assert subject != empty(bytes32), "stream_roles: wrong subject"


@internal
@view
def _check_may_change(stream: bytes32, subject: bytes32, role: uint256, sender: address):
    """
    @dev Who may give `role` to the subject, or take all from it (role OWNER).
    """
    word: uint256 = self.words[stream]
    if self._owner_in(word) == sender:
        return
    generation: uint256 = word >> OWNER_BITS
    account: bytes32 = self._account(sender)
    assert self._is_admin(stream, generation, account), "stream_roles: no right"
    if role == OWNER and subject == account:
        return
    # equals, and those who were, are the owner's to change
    assert role != ADMIN and self.admins[stream][generation][subject] == 0, "stream_roles: not the owner"


@internal
def _grant(stream: bytes32, grant: IKVStreams.Grant):
    if convert(grant.role, uint256) == ADMIN:
        expiry: uint256 = convert(grant.expiry, uint256)
        last: uint256 = max_value(uint256) if expiry == 0 else expiry
        self.admins[stream][self._generation(stream)][grant.subject] = last


@internal
def _revoke(stream: bytes32, subject: bytes32):
    self.admins[stream][self._generation(stream)][subject] = 0


@internal
@view
def _owner(stream: bytes32) -> address:
    return self._owner_in(self.words[stream])


@internal
@view
def _generation(stream: bytes32) -> uint256:
    """
    @dev 0: no such stream.
    """
    return self.words[stream] >> OWNER_BITS


@internal
@view
def _is_admin(stream: bytes32, generation: uint256, subject: bytes32) -> bool:
    return self.admins[stream][generation][subject] >= block.timestamp


@internal
@pure
def _account(account: address) -> bytes32:
    """
    @dev An account as a subject.
    """
    return convert(convert(account, uint160), bytes32)


@internal
@pure
def _owner_in(word: uint256) -> address:
    return convert(word & (2**OWNER_BITS - 1), address)


@internal
@pure
def _word(owner: address, generation: uint256) -> uint256:
    return convert(owner, uint256) | generation << OWNER_BITS
