# pragma version 0.4.3
"""
@title Storage, attestation, stake and court as a test of agents says they are
@license AGPL-3.0-only
@author Apogee
@notice For tests only: keeps every file it is told of, believes that every operator's enclave is attested, and has what it is
        told count as proven. tests/integration uses the real ones.
"""
from contracts.interfaces import IAdjudicator
from contracts.interfaces import IAttestationRegistry
from contracts.interfaces import IKeyDeliveryVerifier
from contracts.interfaces import IStorageMarket
from contracts.shared import constants as C

FOR_EVER: constant(uint256) = 2**40
EPOCH: constant(uint256) = 144  # seconds
ORACLE: constant(uint8) = 3

roots: HashMap[bytes32, bytes32]  # location -> data hash
operator_of: public(HashMap[address, uint256])
enclaves: HashMap[address, uint256]  # signer -> operator
convicted: public(uint256)


# --- storage


@external
def keep(location: bytes32, data_hash: bytes32):
    self.roots[location] = data_hash


@external
@view
def file(id: bytes32) -> IStorageMarket.File:
    file: IStorageMarket.File = empty(IStorageMarket.File)
    file.root = self.roots[id]
    file.state = IStorageMarket.FileState.STORED
    file.leaves = FOR_EVER
    return file


@external
@view
def duty(id: bytes32) -> IStorageMarket.Duty:
    duty: IStorageMarket.Duty = empty(IStorageMarket.Duty)
    duty.root = self.roots[id]
    duty.end = FOR_EVER
    return duty


# --- operators and their enclaves


@external
def seat(operator_id: uint256, owner: address, signer: address):
    self.operator_of[owner] = operator_id
    self.enclaves[signer] = operator_id


@external
@view
def live(signer: address, time: uint256) -> IAttestationRegistry.Live:
    answer: IAttestationRegistry.Live = empty(IAttestationRegistry.Live)
    answer.measurement_class = ORACLE
    answer.service = keccak256(abi_encode(C.TAG_AGENT_ORACLE, self.enclaves[signer]))
    answer.until = convert(FOR_EVER, uint64)
    return answer


@external
@view
def is_member(pool: uint256) -> bool:
    return True


@external
@view
def stake_at(pool: uint256, epoch: uint256) -> uint256:
    return 1


@external
@view
def current_epoch() -> uint256:
    return block.timestamp // EPOCH


@external
@view
def epoch_start(epoch: uint256) -> uint256:
    return epoch * EPOCH


@external
@view
def epoch_length() -> uint256:
    return EPOCH


# --- escrow


@external
@view
def free_of(account: address, token: address) -> uint256:
    """
    @notice Nobody has put anything in.
    """
    return 0


# --- judges


@external
def convict(finding: IAdjudicator.Finding, reporter: address) -> bytes32:
    self.convicted += 1
    return keccak256(abi_encode(finding))


@external
def prove(verifier: address, delivery: IKeyDeliveryVerifier.Delivery):
    """
    @notice Have a delivery count as proven false.
    """
    extcall IKeyDeliveryVerifier(verifier).find(
        delivery, IKeyDeliveryVerifier.Falsehood.KEY, msg.sender, empty(bytes32)
    )
