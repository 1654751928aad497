# pragma version 0.4.3
"""
@title Keys that act for an account, within limits
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what a session has spent of a token only grows, and never exceeds its caps, in total and by the day of
        UTC; a token without a cap is not spent.
@dev Everything of a session hangs on the number of its grant, so a new grant leaves nothing of the former one. The limits
     are judged when they are given: what no session may do is never on a list, so using one costs few reads.
"""
from ..interfaces import IAgentAccount

MAX_CAPS: constant(uint256) = 4
MAX_TARGETS: constant(uint256) = 8
MAX_SELECTORS: constant(uint256) = 8
MAX_DOMAINS: constant(uint256) = 4
MAX_LIFE: constant(uint256) = 30 * 86_400  # seconds ahead
DAY: constant(uint256) = 86_400
LOW_32: constant(uint256) = 2**32 - 1
LOW_64: constant(uint256) = 2**64 - 1
LOW_96: constant(uint256) = 2**96 - 1
LOW_160: constant(uint256) = 2**160 - 1

# an approval is spent later, outside any session; the others give away what has no cap
OWNERS_ALONE: constant(bytes4[18]) = [
    method_id("approve(address,uint256)", output_type=bytes4),
    method_id("increaseAllowance(address,uint256)", output_type=bytes4),
    method_id("setApprovalForAll(address,bool)", output_type=bytes4),
    method_id("transferFrom(address,address,uint256)", output_type=bytes4),
    method_id("safeTransferFrom(address,address,uint256)", output_type=bytes4),
    method_id("safeTransferFrom(address,address,uint256,bytes)", output_type=bytes4),
    method_id("give(address,address,uint256)", output_type=bytes4),  # ComputeEscrow
    method_id("withdraw(address,uint256,address)", output_type=bytes4),
    method_id("set_delegate(address,(address,uint96,uint64,address,bytes32))", output_type=bytes4),
    method_id("transfer_owner(bytes32,address)", output_type=bytes4),  # KVStreams
    method_id("grant(bytes32,(uint8,uint8,bytes32,bytes,uint64,uint64))", output_type=bytes4),
    method_id("revoke(bytes32,uint8,bytes32)", output_type=bytes4),
    method_id("execute(address,uint256,bytes,uint8)", output_type=bytes4),  # an account that this one owns
    method_id("safeTransferFrom(address,address,uint256,uint256,bytes)", output_type=bytes4),  # ERC-1155
    method_id("safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)", output_type=bytes4),
    method_id("authorizeOperator(address)", output_type=bytes4),  # ERC-777
    method_id("multicall(bytes[])", output_type=bytes4),  # stands for all functions of its target
    0xb0654873,  # iTransfer of AgentNFT
]
# ask the target itself to move what it counts: only under a cap
SPENDING: constant(bytes4[4]) = [
    method_id("transfer(address,uint256)", output_type=bytes4),
    method_id("transferAndCall(address,uint256)", output_type=bytes4),  # ERC-1363
    method_id("transferAndCall(address,uint256,bytes)", output_type=bytes4),
    method_id("send(address,uint256,bytes)", output_type=bytes4),  # ERC-777
]

generation: public(uint256)  # sessions of an earlier one have ended
grant_count: uint256
numbers: HashMap[address, uint256]  # key -> its grant; 0: none
terms: HashMap[uint256, uint256]  # epoch u64 | from u64 << 64 | until u64 << 128 | generation u32 << 192 | calls << 224
limits: HashMap[uint256, HashMap[uint256, uint256]]  # grant -> place: token | total u96 << 160; 0: no more
spent: HashMap[uint256, HashMap[uint256, uint256]]  # day cap u96 | spent u96 << 96 | day u64 << 192
today: HashMap[uint256, HashMap[uint256, uint256]]  # spent on that day
selectors: HashMap[uint256, HashMap[address, uint256]]  # eight of four bytes
domains: HashMap[uint256, HashMap[bytes32, bool]]


@internal
def _grant(key: address, epoch: uint256, grant: IAgentAccount.Grant):
    """
    @dev Targets are judged by the caller.
    """
    valid_from: uint256 = convert(grant.valid_from, uint256)
    valid_until: uint256 = convert(grant.valid_until, uint256)
    assert block.timestamp <= valid_until and valid_from <= valid_until, "sessions: over already"
    assert valid_until <= block.timestamp + MAX_LIFE, "sessions: too long"

    number: uint256 = self.grant_count + 1
    self.grant_count = number
    self.numbers[key] = number
    calls: uint256 = convert(grant.calls, uint256)
    self.terms[number] = epoch | valid_from << 64 | valid_until << 128 | self.generation << 192 | calls << 224
    self._set_caps(number, grant.caps)
    for one: IAgentAccount.Target in grant.targets:
        self._set_target(number, one)
    for domain: bytes32 in grant.domains:
        assert domain != empty(bytes32), "sessions: no domain"
        self.domains[number][domain] = True


@internal
def _revoke(key: address):
    assert self.numbers[key] != 0, "sessions: none"

    self.numbers[key] = 0


@internal
def _end_all() -> uint256:
    """
    @dev The new generation; nobody pays for 2**32 of them.
    """
    generation: uint256 = self.generation + 1
    self.generation = generation
    return generation


@internal
def _use(key: address, epoch: uint256, target: address, selector: bytes4) -> uint256:
    """
    @dev Count a call; the number of the grant under which it is made.
    """
    number: uint256 = self.numbers[key]
    terms: uint256 = self.terms[number]
    assert self._is_live(number, terms, epoch), "sessions: not live"
    assert terms >> 224 != 0, "sessions: no calls left"
    assert self._may_call(number, target, selector), "sessions: not allowed"

    self.terms[number] = terms - (1 << 224)
    return number


@internal
def _spend(number: uint256, token: address, amount: uint256):
    """
    @dev Count what leaves the account.
    """
    if amount == 0:
        return
    place: uint256 = self._place_of(number, token)
    assert place != MAX_CAPS, "sessions: no cap"
    word: uint256 = self.spent[number][place]
    now: uint256 = block.timestamp // DAY
    day_spent: uint256 = amount
    if word >> 192 == now:
        day_spent += self.today[number][place]
    assert day_spent <= word & LOW_96, "sessions: over the day's cap"
    total: uint256 = ((word >> 96) & LOW_96) + amount
    assert total <= self.limits[number][place] >> 160, "sessions: over the cap"

    self.spent[number][place] = (word & LOW_96) | total << 96 | now << 192
    self.today[number][place] = day_spent


@internal
def _set_caps(number: uint256, caps: DynArray[IAgentAccount.Cap, MAX_CAPS]):
    place: uint256 = 0
    for cap: IAgentAccount.Cap in caps:
        assert 0 < cap.day and cap.day <= cap.total, "sessions: empty cap"
        assert self._place_of(number, cap.token) == MAX_CAPS, "sessions: two caps"
        self.limits[number][place] = convert(cap.token, uint256) | convert(cap.total, uint256) << 160
        self.spent[number][place] = convert(cap.day, uint256)
        place += 1


@internal
def _set_target(number: uint256, one: IAgentAccount.Target):
    assert len(one.selectors) != 0, "sessions: no selectors"
    assert self.selectors[number][one.target] == 0, "sessions: target twice"
    is_capped: bool = self._place_of(number, one.target) != MAX_CAPS
    word: uint256 = 0
    for selector: bytes4 in one.selectors:
        assert selector != empty(bytes4), "sessions: no selectors"
        assert selector not in OWNERS_ALONE, "sessions: owner's alone"
        assert selector not in SPENDING or is_capped, "sessions: no cap"
        word = word << 32 | convert(selector, uint256)
    self.selectors[number][one.target] = word


@internal
@view
def _is_live(number: uint256, terms: uint256, epoch: uint256) -> bool:
    if number == 0 or terms & LOW_64 != epoch or (terms >> 192) & LOW_32 != self.generation:
        return False
    return (terms >> 64) & LOW_64 <= block.timestamp and block.timestamp <= (terms >> 128) & LOW_64


@internal
@view
def _is_live_key(key: address, epoch: uint256) -> bool:
    number: uint256 = self.numbers[key]
    return self._is_live(number, self.terms[number], epoch)


@internal
@view
def _may_call(number: uint256, target: address, selector: bytes4) -> bool:
    word: uint256 = self.selectors[number][target]
    wanted: uint256 = convert(selector, uint256)
    if wanted == 0:
        return False
    for place: uint256 in range(MAX_SELECTORS):
        if word & LOW_32 == wanted:
            return True
        word = word >> 32
    return False


@internal
@view
def _place_of(number: uint256, token: address) -> uint256:
    """
    @dev MAX_CAPS: it has none.
    """
    for place: uint256 in range(MAX_CAPS):
        limit: uint256 = self.limits[number][place]
        if limit == 0:
            break
        if limit & LOW_160 == convert(token, uint256):
            return place
    return MAX_CAPS


@internal
@view
def _capped(number: uint256) -> DynArray[address, MAX_CAPS]:
    """
    @dev The tokens of the caps, in their order.
    """
    tokens: DynArray[address, MAX_CAPS] = []
    for place: uint256 in range(MAX_CAPS):
        limit: uint256 = self.limits[number][place]
        if limit == 0:
            break
        tokens.append(convert(limit & LOW_160, address))
    return tokens


@internal
@view
def _allowances(key: address) -> DynArray[IAgentAccount.Allowance, MAX_CAPS]:
    number: uint256 = self.numbers[key]
    now: uint256 = block.timestamp // DAY
    found: DynArray[IAgentAccount.Allowance, MAX_CAPS] = []
    for place: uint256 in range(MAX_CAPS):
        limit: uint256 = self.limits[number][place]
        if limit == 0:
            break
        word: uint256 = self.spent[number][place]
        found.append(
            IAgentAccount.Allowance(
                token=convert(limit & LOW_160, address),
                total=convert(limit >> 160, uint96),
                day=convert(word & LOW_96, uint96),
                spent=convert((word >> 96) & LOW_96, uint96),
                spent_today=convert(self.today[number][place] if word >> 192 == now else 0, uint96),
            )
        )
    return found
