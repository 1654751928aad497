# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who looked at an agent's work, and what he said
@license AGPL-3.0-only
@author Apogee
@notice An agent's owner asks a validator about a piece of work; the validator answers with 0..100 and may change his mind.
        Invariant: only whom an owner asked answers, and only about what he was asked.
@custom:kill Nothing to stop: it holds no money and decides nothing.
@custom:security A validator is whoever the owner likes: look at who answered, not at the mean alone.
"""
from ..interfaces import IAgentIdentity
from ..interfaces import IAgentValidation

implements: IAgentValidation

MAX_LISTED: constant(uint256) = 256
MAX_VALIDATORS: constant(uint256) = 64
MAX_RESPONSE: constant(uint8) = 100

struct Status:
    validator: address
    agent: uint256
    response: uint8
    response_hash: bytes32
    tag: String[64]
    updated: uint256
    is_answered: bool


IDENTITY: immutable(IAgentIdentity)

asked: HashMap[bytes32, Status]
of_agent: HashMap[uint256, DynArray[bytes32, MAX_LISTED]]
of_validator: HashMap[address, DynArray[bytes32, MAX_LISTED]]


@deploy
def __init__(identity: address):
    """
    @param identity AgentIdentity.
    """
    assert identity.is_contract, "agent_validation: no contract"

    IDENTITY = IAgentIdentity(identity)


# --- OWNER


@external
def validationRequest(
    validatorAddress: address, agentId: uint256, requestURI: String[512], requestHash: bytes32
):
    """
    @notice Ask a validator about something; once for each hash, 256 times an agent.
    """
    assert validatorAddress != empty(address), "agent_validation: no validator"
    assert self.asked[requestHash].validator == empty(address), "agent_validation: asked already"
    assert staticcall IDENTITY.isAuthorizedOrOwner(msg.sender, agentId), "agent_validation: not entitled"
    assert len(self.of_agent[agentId]) < MAX_LISTED, "agent_validation: too many"

    self.asked[requestHash].validator = validatorAddress
    self.asked[requestHash].agent = agentId
    self.asked[requestHash].updated = block.timestamp
    self.of_agent[agentId].append(requestHash)
    if len(self.of_validator[validatorAddress]) < MAX_LISTED:
        self.of_validator[validatorAddress].append(requestHash)
    log IAgentValidation.ValidationRequest(
        validatorAddress=validatorAddress, agentId=agentId, requestURI=requestURI, requestHash=requestHash
    )


# --- VALIDATOR


@external
def validationResponse(
    requestHash: bytes32, response: uint8, responseURI: String[512], responseHash: bytes32, tag: String[64]
):
    """
    @notice Answer; a later answer takes the place of this one.
    """
    validator: address = self.asked[requestHash].validator
    assert validator != empty(address), "agent_validation: not asked"
    assert msg.sender == validator, "agent_validation: not the validator"
    assert response <= MAX_RESPONSE, "agent_validation: above 100"

    self.asked[requestHash].response = response
    self.asked[requestHash].response_hash = responseHash
    self.asked[requestHash].tag = tag
    self.asked[requestHash].updated = block.timestamp
    self.asked[requestHash].is_answered = True
    log IAgentValidation.ValidationResponse(
        validatorAddress=validator,
        agentId=self.asked[requestHash].agent,
        requestHash=requestHash,
        response=response,
        responseURI=responseURI,
        responseHash=responseHash,
        tag=tag,
    )


# --- VIEWS


@external
@view
def getIdentityRegistry() -> address:
    """
    @notice AgentIdentity.
    """
    return IDENTITY.address


@external
@view
def getValidationStatus(requestHash: bytes32) -> (address, uint256, uint8, bytes32, String[64], uint256):
    """
    @notice Validator, agent, response, its hash, tag, last change.
    """
    one: Status = self.asked[requestHash]
    assert one.validator != empty(address), "agent_validation: not asked"
    return one.validator, one.agent, one.response, one.response_hash, one.tag, one.updated


@external
@view
def getSummary(
    agentId: uint256, validatorAddresses: DynArray[address, MAX_VALIDATORS], tag: String[64]
) -> (uint64, uint8):
    """
    @notice How many answers, and their mean, rounded down.
    @param validatorAddresses Whose; empty: anybody's.
    @param tag Empty: any.
    """
    count: uint256 = 0
    sum: uint256 = 0
    for hash: bytes32 in self.of_agent[agentId]:
        one: Status = self.asked[hash]
        is_wanted: bool = len(validatorAddresses) == 0 or one.validator in validatorAddresses
        if one.is_answered and is_wanted and (len(tag) == 0 or tag == one.tag):
            count += 1
            sum += convert(one.response, uint256)
    if count == 0:
        return 0, 0
    return convert(count, uint64), convert(sum // count, uint8)


@external
@view
def getAgentValidations(agentId: uint256) -> DynArray[bytes32, MAX_LISTED]:
    """
    @notice Everything an agent's owners have asked.
    """
    return self.of_agent[agentId]


@external
@view
def getValidatorRequests(validatorAddress: address) -> DynArray[bytes32, MAX_LISTED]:
    """
    @notice The first 256 things a validator was asked.
    """
    return self.of_validator[validatorAddress]
