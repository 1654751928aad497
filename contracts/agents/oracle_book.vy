# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Whose signature under a delivery counts
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a key counts only for the one operator that took it on himself, and never beyond the verdict that an
        enclave of class ORACLE had for that operator's service.
@dev An entry is kept when it lapses, so that who signed is answerable afterwards.
"""
from ..interfaces import IAttestationRegistry
from ..interfaces import IKeyDeliveryVerifier
from ..interfaces import IStakeView
from ..shared import constants as C

ORACLE: constant(uint8) = 3  # measurement class
UNTIL_BITS: constant(uint256) = 64
LOW_64: constant(uint256) = 2**64 - 1

REGISTRY: immutable(IAttestationRegistry)
STAKE: immutable(IStakeView)

entries: HashMap[address, uint256]  # operator id << 64 | until
endpoints: HashMap[uint256, String[96]]


@deploy
def __init__(registry: address, stake: address):
    assert registry.is_contract and stake.is_contract, "oracle_book: no contract"

    REGISTRY = IAttestationRegistry(registry)
    STAKE = IStakeView(stake)


# --- OPERATOR


@external
def enrol(signer: address):
    """
    @notice Take an attested oracle on oneself, or renew it: the caller is its operator's owner or signer.
    """
    operator_id: uint256 = staticcall STAKE.operator_of(msg.sender)
    assert operator_id != 0, "oracle_book: not an operator"
    former: uint256 = self.entries[signer] >> UNTIL_BITS
    assert former == 0 or former == operator_id, "oracle_book: another operator's"
    live: IAttestationRegistry.Live = staticcall REGISTRY.live(signer, block.timestamp)
    assert self._is_attested(live, operator_id), "oracle_book: not attested"
    assert self._has_stake(operator_id), "oracle_book: no stake"

    self.entries[signer] = operator_id << UNTIL_BITS | convert(live.until, uint256)
    log IKeyDeliveryVerifier.OracleEnrolled(signer=signer, operator_id=operator_id, until=live.until)


@external
def announce(endpoint: String[96]):
    """
    @notice Tell where the oracles of the caller's operator answer.
    """
    operator_id: uint256 = staticcall STAKE.operator_of(msg.sender)
    assert operator_id != 0, "oracle_book: not an operator"

    self.endpoints[operator_id] = endpoint
    log IKeyDeliveryVerifier.EndpointAnnounced(operator_id=operator_id, endpoint=endpoint)


# --- PERMISSIONLESS


@external
def expel(signer: address):
    """
    @notice End the time of an oracle whose verdict or whose operator's stake is gone.
    """
    assert self._counts(signer), "oracle_book: not enrolled"
    operator_id: uint256 = self.entries[signer] >> UNTIL_BITS
    live: IAttestationRegistry.Live = staticcall REGISTRY.live(signer, block.timestamp)
    stands: bool = self._is_attested(live, operator_id) and self._has_stake(operator_id)
    assert not stands, "oracle_book: stands"

    self.entries[signer] = operator_id << UNTIL_BITS | block.timestamp
    log IKeyDeliveryVerifier.OracleExpelled(signer=signer, operator_id=operator_id)


# --- VIEWS


@external
@view
@reentrant
def oracle(signer: address) -> IKeyDeliveryVerifier.Oracle:
    """
    @notice Who answers for a key, and until when it counts.
    """
    entry: uint256 = self.entries[signer]
    return IKeyDeliveryVerifier.Oracle(
        operator_id=entry >> UNTIL_BITS, until=convert(entry & LOW_64, uint64)
    )


@external
@view
@reentrant
def is_oracle(signer: address) -> bool:
    return self._counts(signer)


@external
@view
@reentrant
def endpoint_of(operator_id: uint256) -> String[96]:
    return self.endpoints[operator_id]


# --- INTERNAL


@internal
@view
def _counts(signer: address) -> bool:
    return self.entries[signer] & LOW_64 > block.timestamp


@internal
@view
def _operator(signer: address) -> uint256:
    """
    @dev Who answers for a key, whether it counts or not; zero: nobody.
    """
    return self.entries[signer] >> UNTIL_BITS


@internal
@view
def _standing(signer: address) -> uint256:
    """
    @dev The operator of a key that counts now; zero: none.
    """
    entry: uint256 = self.entries[signer]
    if entry & LOW_64 <= block.timestamp:
        return 0
    return entry >> UNTIL_BITS


@internal
@view
def _is_attested(live: IAttestationRegistry.Live, operator_id: uint256) -> bool:
    service: bytes32 = keccak256(abi_encode(C.TAG_AGENT_ORACLE, operator_id))
    return live.measurement_class == ORACLE and live.service == service


@internal
@view
def _has_stake(operator_id: uint256) -> bool:
    """
    @dev Whether the operator relays now and has something to lose in this epoch.
    """
    pool: uint256 = operator_id << 8 | C.RELAYER
    if not staticcall STAKE.is_member(pool):
        return False
    return staticcall STAKE.stake_at(pool, staticcall STAKE.current_epoch()) != 0
