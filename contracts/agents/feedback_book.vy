# pragma version 0.4.3
"""
@title What clients have said of agents
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a word belongs to who gave it; nobody else takes it back, and nobody changes it.
@dev A word: score as 128 bits | decimals u8 << 128 | revoked << 136 | epoch of the token u64 << 144. Indexes start at 1.
"""
from ..interfaces import IAgentReputation

MAX_EACH: constant(uint256) = 64  # words of one client about one agent
MAX_CLIENTS: constant(uint256) = 256  # that are listed
MAX_ASKED: constant(uint256) = 64  # clients in one view
MAX_READ: constant(uint256) = 64  # words in one view
MAX_DECIMALS: constant(uint8) = 18
MAX_SCORE: constant(int128) = 10**38
LOW_128: constant(uint256) = 2**128 - 1
IS_REVOKED: constant(uint256) = 1 << 136

words: HashMap[uint256, HashMap[address, HashMap[uint256, uint256]]]  # agent, client, index
first_tags: HashMap[uint256, HashMap[address, HashMap[uint256, String[64]]]]
second_tags: HashMap[uint256, HashMap[address, HashMap[uint256, String[64]]]]
last: HashMap[uint256, HashMap[address, uint256]]
clients: HashMap[uint256, DynArray[address, MAX_CLIENTS]]


@external
@view
def getLastIndex(agentId: uint256, clientAddress: address) -> uint64:
    """
    @notice How often a client spoke of an agent.
    """
    return convert(self.last[agentId][clientAddress], uint64)


@external
@view
def getClients(agentId: uint256) -> DynArray[address, MAX_CLIENTS]:
    """
    @notice The first 256 that spoke of an agent.
    """
    return self.clients[agentId]


@external
@view
def readFeedback(
    agentId: uint256, clientAddress: address, feedbackIndex: uint64
) -> (int128, uint8, String[64], String[64], bool):
    """
    @notice Score, its decimals, both tags, and whether it was taken back.
    """
    index: uint256 = convert(feedbackIndex, uint256)
    word: uint256 = self._word(agentId, clientAddress, index)
    return (
        self._score(word),
        self._decimals(word),
        self.first_tags[agentId][clientAddress][index],
        self.second_tags[agentId][clientAddress][index],
        word & IS_REVOKED != 0,
    )


@external
@view
def epoch_given(agentId: uint256, clientAddress: address, feedbackIndex: uint64) -> uint256:
    """
    @notice How often the token had changed hands when this was said.
    """
    return self._word(agentId, clientAddress, convert(feedbackIndex, uint256)) >> 144


@external
@view
def getSummary(
    agentId: uint256, clientAddresses: DynArray[address, MAX_ASKED], tag1: String[64], tag2: String[64]
) -> (uint64, int128, uint8):
    """
    @notice The ERC's plain mean over named clients: how many words, their mean, and its decimals: the commonest of
            theirs. Whoever pays for no work counts as much as who does: see `weighted_summary`.
    """
    assert len(clientAddresses) != 0, "feedback_book: name clients"
    sum: int256 = 0
    count: uint256 = 0
    counts: uint256[19] = empty(uint256[19])
    for client: address in clientAddresses:
        for index: uint256 in range(1, MAX_EACH + 1):
            if index > self.last[agentId][client]:
                break
            word: uint256 = self.words[agentId][client][index]
            if not self._is_wanted(agentId, client, index, tag1, tag2):
                continue
            sum += self._scaled(word)
            counts[self._decimals(word)] += 1
            count += 1
    if count == 0:
        return 0, 0, 0
    commonest: uint256 = 0
    for decimals: uint256 in range(19):
        if counts[decimals] > counts[commonest]:
            commonest = decimals
    mean: int256 = sum // convert(count, int256) // convert(10 ** (18 - commonest), int256)
    return convert(count, uint64), convert(mean, int128), convert(commonest, uint8)


@external
@view
def readAllFeedback(
    agentId: uint256,
    clientAddresses: DynArray[address, MAX_ASKED],
    tag1: String[64],
    tag2: String[64],
    includeRevoked: bool,
) -> (
    DynArray[address, MAX_READ],
    DynArray[uint64, MAX_READ],
    DynArray[int128, MAX_READ],
    DynArray[uint8, MAX_READ],
    DynArray[String[64], MAX_READ],
    DynArray[String[64], MAX_READ],
    DynArray[bool, MAX_READ],
):
    """
    @notice The first 64 words of named clients, or of those that are listed: clients, indexes, scores, decimals, tags,
            and whether they were taken back.
    """
    named: DynArray[address, MAX_CLIENTS] = self.clients[agentId]
    if len(clientAddresses) != 0:
        named = []
        for client: address in clientAddresses:
            named.append(client)
    givers: DynArray[address, MAX_READ] = []
    indexes: DynArray[uint64, MAX_READ] = []
    scores: DynArray[int128, MAX_READ] = []
    decimals: DynArray[uint8, MAX_READ] = []
    first: DynArray[String[64], MAX_READ] = []
    second: DynArray[String[64], MAX_READ] = []
    revoked: DynArray[bool, MAX_READ] = []
    for client: address in named:
        for index: uint256 in range(1, MAX_EACH + 1):
            if index > self.last[agentId][client] or len(givers) == MAX_READ:
                break
            word: uint256 = self.words[agentId][client][index]
            is_revoked: bool = word & IS_REVOKED != 0
            if is_revoked and not includeRevoked or not self._has_tags(agentId, client, index, tag1, tag2):
                continue
            givers.append(client)
            indexes.append(convert(index, uint64))
            scores.append(self._score(word))
            decimals.append(self._decimals(word))
            first.append(self.first_tags[agentId][client][index])
            second.append(self.second_tags[agentId][client][index])
            revoked.append(is_revoked)
    return givers, indexes, scores, decimals, first, second, revoked


@internal
def _give(
    agent: uint256, client: address, epoch: uint256, score: int128, decimals: uint8, tag1: String[64], tag2: String[64]
) -> uint256:
    """
    @dev The new index.
    """
    assert decimals <= MAX_DECIMALS, "feedback_book: too many decimals"
    assert -MAX_SCORE <= score and score <= MAX_SCORE, "feedback_book: score too large"
    index: uint256 = self.last[agent][client] + 1
    assert index <= MAX_EACH, "feedback_book: too many of yours"

    low: uint256 = convert(convert(score, int256), uint256) & LOW_128 if score >= 0 else self._negative(score)
    self.words[agent][client][index] = low | convert(decimals, uint256) << 128 | epoch << 144
    self.first_tags[agent][client][index] = tag1
    self.second_tags[agent][client][index] = tag2
    self.last[agent][client] = index
    if index == 1 and len(self.clients[agent]) < MAX_CLIENTS:
        self.clients[agent].append(client)
    return index


@internal
def _revoke(agent: uint256, client: address, index: uint256):
    word: uint256 = self._word(agent, client, index)
    assert word & IS_REVOKED == 0, "feedback_book: revoked already"

    self.words[agent][client][index] = word | IS_REVOKED


@internal
@view
def _word(agent: uint256, client: address, index: uint256) -> uint256:
    assert index != 0 and index <= self.last[agent][client], "feedback_book: no such word"
    return self.words[agent][client][index]


@internal
@view
def _is_wanted(agent: uint256, client: address, index: uint256, tag1: String[64], tag2: String[64]) -> bool:
    if self.words[agent][client][index] & IS_REVOKED != 0:
        return False
    return self._has_tags(agent, client, index, tag1, tag2)


@internal
@view
def _has_tags(agent: uint256, client: address, index: uint256, tag1: String[64], tag2: String[64]) -> bool:
    if len(tag1) != 0 and tag1 != self.first_tags[agent][client][index]:
        return False
    return len(tag2) == 0 or tag2 == self.second_tags[agent][client][index]


@internal
@pure
def _negative(score: int128) -> uint256:
    """
    @dev Two's complement in 128 bits.
    """
    return 2**128 - convert(-score, uint256)


@internal
@pure
def _score(word: uint256) -> int128:
    low: uint256 = word & LOW_128
    if low < 2**127:
        return convert(low, int128)
    return -convert(2**128 - low, int128)


@internal
@pure
def _decimals(word: uint256) -> uint8:
    return convert((word >> 128) & 255, uint8)


@internal
@pure
def _scaled(word: uint256) -> int256:
    """
    @dev With 18 decimals.
    """
    return convert(self._score(word), int256) * convert(10 ** (18 - convert(self._decimals(word), uint256)), int256)
