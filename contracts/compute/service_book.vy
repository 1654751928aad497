# pragma version 0.4.3
"""
@title Services and the state each is in
@license AGPL-3.0-only
@author Apogee
@notice Invariant: provider, model, kind and numerics of a service never change, and no state is entered from one that
        does not lead to it.
@dev DRAFT -> ACTIVE <-> PAUSED; ACTIVE or PAUSED -> SUSPENDED -> ACTIVE; every state -> RETIRING, for ever. A word of
     life: operator id u64 | kind u8 << 64 | numerics u8 << 72 | state u8 << 80 | max_input u32 << 88 | max_output u32
     << 120 | concurrency u16 << 152 | retiring_since u64 << 168.
"""
from ..interfaces import IServiceRegistry
from ..shared import constants as C

MAX_KIND: constant(uint256) = 5
MAX_NUMERICS: constant(uint256) = 5
TORCH_FP32: constant(uint256) = 2
TORCH_BF16: constant(uint256) = 3
STATE_SHIFT: constant(uint256) = 80
STATE_MASK: constant(uint256) = 255 << 80
LOW_64: constant(uint256) = 2**64 - 1

words: HashMap[bytes32, uint256]
providers: HashMap[bytes32, address]
models: HashMap[bytes32, bytes32]
endpoints: HashMap[bytes32, String[256]]
service_count: public(uint256)
service_at: public(HashMap[uint256, bytes32])  # in order of registration


@internal
@view
def _id_of(registry: address, provider: address, kind: uint8, salt: bytes32) -> bytes32:
    return keccak256(abi_encode(C.TAG_SERVICE, chain.id, registry, provider, kind, salt))


@internal
def _register(id: bytes32, provider: address, operator_id: uint256, terms: IServiceRegistry.Terms):
    assert self.words[id] == 0, "service_book: known"
    kind: uint256 = convert(terms.kind, uint256)
    assert kind != 0 and kind <= MAX_KIND, "service_book: wrong kind"
    numerics: uint256 = convert(terms.numerics, uint256)
    assert numerics != 0 and numerics <= MAX_NUMERICS, "service_book: wrong numerics"
    assert terms.model_hash != empty(bytes32), "service_book: no model"
    assert terms.charter_hash == empty(bytes32), "service_book: unknown charter"
    assert terms.max_input != 0 and terms.concurrency != 0, "service_book: no limits"

    self.words[id] = (
        operator_id
        | kind << 64
        | numerics << 72
        | convert(IServiceRegistry.ServiceState.DRAFT, uint256) << STATE_SHIFT
        | convert(terms.max_input, uint256) << 88
        | convert(terms.max_output, uint256) << 120
        | convert(terms.concurrency, uint256) << 152
    )
    self.providers[id] = provider
    self.models[id] = terms.model_hash
    self.service_at[self.service_count] = id
    self.service_count += 1


@internal
def _set_endpoint(id: bytes32, endpoint: String[256]):
    assert len(endpoint) > 0, "service_book: no endpoint"

    self.endpoints[id] = endpoint
    log IServiceRegistry.EndpointChanged(service=id, endpoint=endpoint)


@internal
def _enter(id: bytes32, state: IServiceRegistry.ServiceState):
    word: uint256 = (self.words[id] & ~STATE_MASK) | convert(state, uint256) << STATE_SHIFT
    if state == IServiceRegistry.ServiceState.RETIRING:
        word |= block.timestamp << 168
    self.words[id] = word
    log IServiceRegistry.StateChanged(service=id, state=state, by=msg.sender)


@internal
@view
def _state(id: bytes32) -> IServiceRegistry.ServiceState:
    """
    @dev Empty when there is no such service; RETIRED is for the reader to tell.
    """
    return convert((self.words[id] & STATE_MASK) >> STATE_SHIFT, IServiceRegistry.ServiceState)


@internal
@view
def _operator_id(id: bytes32) -> uint256:
    return self.words[id] & LOW_64


@internal
@view
def _retiring_since(id: bytes32) -> uint256:
    return self.words[id] >> 168


@internal
@view
def _is_replayed(id: bytes32) -> bool:
    """
    @dev Whether auditors can replay what its numerics class computes.
    """
    numerics: uint256 = (self.words[id] >> 72) & 255
    return numerics == TORCH_FP32 or numerics == TORCH_BF16


@internal
@view
def _service(
    id: bytes32, state: IServiceRegistry.ServiceState, signer: address, version: uint256
) -> IServiceRegistry.Service:
    """
    @dev All zero when there is no such service.
    """
    word: uint256 = self.words[id]
    return IServiceRegistry.Service(
        provider=self.providers[id],
        operator_id=convert(word & LOW_64, uint64),
        state=state,
        kind=convert((word >> 64) & 255, uint8),
        numerics=convert((word >> 72) & 255, uint8),
        model_hash=self.models[id],
        charter_hash=empty(bytes32),
        signer=signer,
        max_input=convert((word >> 88) & (2**32 - 1), uint32),
        max_output=convert((word >> 120) & (2**32 - 1), uint32),
        concurrency=convert((word >> 152) & (2**16 - 1), uint16),
        price_version=convert(version, uint32),
        retiring_since=convert(word >> 168, uint64),
    )
