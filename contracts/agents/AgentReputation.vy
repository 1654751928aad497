# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What clients say of agents, and how much it weighs
@license AGPL-3.0-only
@author Apogee
@notice Anyone but the agent's own people may say a word (ERC-8004). It weighs nothing until its giver shows work of the
        agent that he paid for, settled and released at ComputeEscrow. Invariant: a word without a released item weighs 0.
@custom:kill Nothing to stop: it holds no money and decides nothing.
@custom:security A faked word costs what it weighs: the fees of work that was really paid for. Tags and URIs are hostile
                 text. An agent whose services somebody else settles for earns nothing here.
"""
from ..interfaces import IAgentIdentity
from ..interfaces import IAgentNFT
from ..interfaces import IAgentReputation
from ..interfaces import IComputeEscrow
from ..interfaces import IServiceRegistry
from . import earned_weight
from . import feedback_book

implements: IAgentReputation
initializes: earned_weight
initializes: feedback_book
exports: (
    feedback_book.getLastIndex,
    feedback_book.getClients,
    feedback_book.readFeedback,
    feedback_book.readAllFeedback,
    feedback_book.epoch_given,
    feedback_book.getSummary,
)
exports: (earned_weight.ESCROW, earned_weight.CAP)

UNIT: constant(uint256) = 10**9  # wei: weights in a mean

IDENTITY: immutable(IAgentIdentity)
COLLECTION: immutable(IAgentNFT)
SERVICES: immutable(IServiceRegistry)

agent_of: public(HashMap[bytes32, uint256])  # service -> agent; 0: none
responses: HashMap[uint256, HashMap[address, HashMap[uint256, HashMap[address, uint64]]]]


@deploy
def __init__(identity: address, collection: address, services: address, escrow: address, cap: uint256):
    """
    @param identity AgentIdentity.
    @param collection AgentNFT.
    @param services ServiceRegistry: who settles for a service.
    @param escrow ComputeEscrow: what was settled.
    @param cap Of the weight of one client about one agent, wei of stake.
    """
    are_contracts: bool = identity.is_contract and collection.is_contract and services.is_contract
    assert are_contracts, "agent_reputation: no contract"

    earned_weight.__init__(escrow, cap)
    IDENTITY = IAgentIdentity(identity)
    COLLECTION = IAgentNFT(collection)
    SERVICES = IServiceRegistry(services)


# --- CLIENT


@external
def giveFeedback(
    agentId: uint256,
    score: int128,
    valueDecimals: uint8,
    tag1: String[64],
    tag2: String[64],
    endpoint: String[256],
    feedbackURI: String[512],
    feedbackHash: bytes32,
):
    """
    @notice Say a word about an agent; not as its owner, whom he approved, or its account.
    """
    is_own: bool = staticcall IDENTITY.isAuthorizedOrOwner(msg.sender, agentId)
    is_own = is_own or msg.sender == staticcall IDENTITY.getAgentWallet(agentId)
    assert not is_own, "agent_reputation: its own"
    epoch: uint256 = (staticcall COLLECTION.epoch_of(agentId))[0]

    index: uint256 = feedback_book._give(agentId, msg.sender, epoch, score, valueDecimals, tag1, tag2)
    log IAgentReputation.NewFeedback(
        agentId=agentId,
        clientAddress=msg.sender,
        feedbackIndex=convert(index, uint64),
        score=score,
        valueDecimals=valueDecimals,
        indexedTag1=tag1,
        tag1=tag1,
        tag2=tag2,
        endpoint=endpoint,
        feedbackURI=feedbackURI,
        feedbackHash=feedbackHash,
    )


@external
def revokeFeedback(agentId: uint256, feedbackIndex: uint64):
    """
    @notice Take a word back.
    """
    feedback_book._revoke(agentId, msg.sender, convert(feedbackIndex, uint256))

    log IAgentReputation.FeedbackRevoked(
        agentId=agentId, clientAddress=msg.sender, feedbackIndex=feedbackIndex
    )


@external
def prove(agentId: uint256, feedbackIndex: uint64, shown: IAgentReputation.ShownItem) -> uint256:
    """
    @notice Give a word weight: show an item of a released batch that its giver paid to the agent. An item counts once.
    @return Weight gained, wei of stake.
    """
    index: uint256 = convert(feedbackIndex, uint256)
    feedback_book._word(agentId, msg.sender, index)
    batch: IComputeEscrow.Batch = earned_weight._released(shown.batch)
    assert self.agent_of[batch.service] == agentId, "agent_reputation: another's work"
    assert self._is_its(agentId, batch.provider), "agent_reputation: another's work"

    gained: uint256 = earned_weight._earn(agentId, msg.sender, index, batch, shown)
    log IAgentReputation.WeightEarned(
        agentId=agentId,
        clientAddress=msg.sender,
        feedbackIndex=feedbackIndex,
        batch=shown.batch,
        index=shown.index,
        weight=gained,
    )
    return gained


# --- PERMISSIONLESS


@external
def appendResponse(
    agentId: uint256, clientAddress: address, feedbackIndex: uint64, responseURI: String[512], responseHash: bytes32
):
    """
    @notice Answer a word; anyone may.
    """
    index: uint256 = convert(feedbackIndex, uint256)
    feedback_book._word(agentId, clientAddress, index)
    assert len(responseURI) != 0, "agent_reputation: no response"

    self.responses[agentId][clientAddress][index][msg.sender] += 1
    log IAgentReputation.ResponseAppended(
        agentId=agentId,
        clientAddress=clientAddress,
        feedbackIndex=feedbackIndex,
        responder=msg.sender,
        responseURI=responseURI,
        responseHash=responseHash,
    )


# --- OWNER


@external
def name_service(agentId: uint256, service: bytes32):
    """
    @notice Say for good that a service is this agent's work. Its provider is the agent's owner or its account.
    """
    provider: address = (staticcall SERVICES.settler_of(service))[0]
    assert agentId != 0 and self._is_its(agentId, provider), "agent_reputation: not its service"
    assert staticcall IDENTITY.isAuthorizedOrOwner(msg.sender, agentId), "agent_reputation: not entitled"
    assert self.agent_of[service] == 0, "agent_reputation: named already"

    self.agent_of[service] = agentId
    log IAgentReputation.ServiceNamed(service=service, agentId=agentId)


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
def getResponseCount(
    agentId: uint256, clientAddress: address, feedbackIndex: uint64, responders: DynArray[address, 64]
) -> uint64:
    """
    @notice How often named responders answered a word.
    """
    index: uint256 = convert(feedbackIndex, uint256)
    count: uint64 = 0
    for responder: address in responders:
        count += self.responses[agentId][clientAddress][index][responder]
    return count


@external
@view
def weight_of(agentId: uint256, clientAddress: address, feedbackIndex: uint64) -> uint256:
    """
    @notice What a word weighs now; taken back, nothing.
    """
    index: uint256 = convert(feedbackIndex, uint256)
    if feedback_book._word(agentId, clientAddress, index) & feedback_book.IS_REVOKED != 0:
        return 0
    return earned_weight._weight(agentId, clientAddress, index)


@external
@view
def weighted_summary(
    agentId: uint256,
    clientAddresses: DynArray[address, feedback_book.MAX_ASKED],
    tag1: String[64],
    tag2: String[64],
) -> (uint256, int256):
    """
    @notice What named clients' words weigh together, and their mean by weight, with 18 decimals.
    """
    weight: uint256 = 0
    sum: int256 = 0
    units: uint256 = 0
    for client: address in clientAddresses:
        for index: uint256 in range(1, feedback_book.MAX_EACH + 1):
            if index > feedback_book.last[agentId][client]:
                break
            if not feedback_book._is_wanted(agentId, client, index, tag1, tag2):
                continue
            own: uint256 = earned_weight._weight(agentId, client, index)
            weight += own
            units += own // UNIT
            word: uint256 = feedback_book.words[agentId][client][index]
            sum += feedback_book._scaled(word) * convert(own // UNIT, int256)
    if units == 0:
        return weight, 0
    return weight, sum // convert(units, int256)


# --- INTERNAL


@internal
@view
def _is_its(agent: uint256, account: address) -> bool:
    """
    @dev Whether an account is the agent's owner or its own account.
    """
    if account == empty(address):
        return False
    return account == staticcall IDENTITY.ownerOf(agent) or account == staticcall IDENTITY.getAgentWallet(agent)
