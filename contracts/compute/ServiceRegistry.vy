# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Who serves which model, at what price, signed by whom
@license AGPL-3.0-only
@author Apogee
@notice A service is one model at one staked operator. Prices change with notice, the model never, and how far answers
        can be verified is computed from evidence at the moment of reading: no call sets it. A live verdict on the signer
        counts for more than passed audits; an open or upheld failure, or too little stake, undoes either.
@custom:kill Nothing to stop: it holds no money. A provider pauses or retires; a court suspends.
@custom:security A charter can be promised once charters exist; until then its hash is zero. What evidence says is the
                 audits' to know; a suspended service serves again only when no case of its provider is open and its
                 stake covers what it holds.
"""
from ..interfaces import IAttestationRegistry
from ..interfaces import IAuditView
from ..interfaces import IComputeEscrow
from ..interfaces import IServiceRegistry
from ..interfaces import IStakeView
from ..shared import constants as C
from ..shared import governed
from . import price_rows
from . import receipt_signers
from . import service_book

implements: IServiceRegistry
initializes: governed
initializes: price_rows
initializes: receipt_signers
initializes: service_book
exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
    service_book.service_count,
    service_book.service_at,
)

MIN_CLEARED: constant(uint32) = 30  # passed draws of the last week: "always cheats on a tenth" shows in 29, 95 %
AUDITED: constant(uint8) = 1
BROKER_IN_TEE: constant(uint8) = 2
MODEL_IN_TEE: constant(uint8) = 3
BROKER: constant(uint8) = 1  # classes of measured code
MODEL: constant(uint8) = 2

STAKE: public(immutable(IStakeView))
WINDOWS: immutable(IServiceRegistry.Windows)

escrow: public(address)  # zero until wired
receipt_court: public(address)
audit_court: public(address)
attestations: public(address)  # zero until wired: no TEE levels


@deploy
def __init__(stake: address, governance: address, windows: IServiceRegistry.Windows):
    """
    @param stake StakeManager: operators, members, unbonding.
    @param governance Wires escrow and courts, once.
    @param windows Seconds.
    """
    assert stake.is_contract, "registry: no contract"

    governed.__init__(governance)
    price_rows.__init__(windows.price_delay, windows.price_grace)
    STAKE = IStakeView(stake)
    WINDOWS = windows


# --- OPERATOR: owner or signer


@external
def register(terms: IServiceRegistry.Terms, signer: address, endpoint: String[256]) -> bytes32:
    """
    @notice Draft a service.
    @param terms What never changes.
    @param signer Of its receipts.
    @param endpoint Where it is reached.
    @return Its id.
    """
    operator_id: uint256 = staticcall STAKE.operator_of(msg.sender)
    assert operator_id != 0, "registry: not an operator"
    provider: address = (staticcall STAKE.operator(operator_id)).owner
    id: bytes32 = service_book._id_of(self, provider, terms.kind, terms.salt)

    service_book._register(id, provider, operator_id, terms)
    log IServiceRegistry.Registered(
        service=id,
        provider=provider,
        model_hash=terms.model_hash,
        operator_id=convert(operator_id, uint64),
        terms=terms,
    )
    receipt_signers._set(id, signer)
    service_book._set_endpoint(id, endpoint)
    return id


@external
def announce_price(
    service: bytes32, token: address, input_price: uint96, output_price: uint96, request_price: uint96
) -> uint32:
    """
    @notice Ask another price: the first at once, a later one after PRICE_DELAY, one waiting at a time.
    @param token Zero: native coin.
    @param input_price Base units for 1,000,000 tokens.
    @param output_price The same.
    @param request_price Base units for a request.
    @return The row's version.
    """
    self._check_lives(service)
    return price_rows._announce(service, token, input_price, output_price, request_price)


@external
def activate(service: bytes32):
    """
    @notice Begin to serve, with a price and a stake.
    """
    self._check_provider(service)
    assert service_book._state(service) == IServiceRegistry.ServiceState.DRAFT, "registry: not a draft"
    assert price_rows.latest[service] != 0, "registry: no price"
    self._check_stake(service)

    service_book._enter(service, IServiceRegistry.ServiceState.ACTIVE)


@external
def pause(service: bytes32):
    """
    @notice Take no new requests for a while.
    """
    self._check_provider(service)
    assert service_book._state(service) == IServiceRegistry.ServiceState.ACTIVE, "registry: not active"

    service_book._enter(service, IServiceRegistry.ServiceState.PAUSED)


@external
def resume(service: bytes32):
    """
    @notice Serve again: after a pause, or after a suspension once no case is open and the stake covers what is held.
    """
    self._check_provider(service)
    state: IServiceRegistry.ServiceState = service_book._state(service)
    if state == IServiceRegistry.ServiceState.SUSPENDED:
        operator_id: uint256 = service_book._operator_id(service)
        open_cases: uint256 = staticcall IComputeEscrow(self.escrow).open_cases_of(operator_id)
        assert open_cases == 0, "registry: open case"
        assert staticcall IComputeEscrow(self.escrow).is_covered(operator_id), "registry: stake too low"
    else:
        assert state == IServiceRegistry.ServiceState.PAUSED, "registry: not paused"
    self._check_stake(service)

    service_book._enter(service, IServiceRegistry.ServiceState.ACTIVE)


@external
def retire(service: bytes32):
    """
    @notice End a service for ever; what it has served settles on.
    """
    self._check_lives(service)

    service_book._enter(service, IServiceRegistry.ServiceState.RETIRING)


@external
def set_signer(service: bytes32, signer: address):
    """
    @notice Have another key sign the receipts from now on.
    """
    self._check_lives(service)
    receipt_signers._set(service, signer)


@external
def set_endpoint(service: bytes32, endpoint: String[256]):
    """
    @notice Be reached elsewhere.
    """
    self._check_lives(service)
    service_book._set_endpoint(service, endpoint)


# --- COURTS


@external
def suspend(service: bytes32):
    """
    @notice Stop a service; nothing happens to one that does not serve anyway.
    """
    assert msg.sender == self.audit_court or msg.sender == self.receipt_court, "registry: not a court"
    state: IServiceRegistry.ServiceState = service_book._state(service)
    if state == IServiceRegistry.ServiceState.ACTIVE or state == IServiceRegistry.ServiceState.PAUSED:
        service_book._enter(service, IServiceRegistry.ServiceState.SUSPENDED)


# --- GOVERNANCE


@external
def wire(escrow: address, receipt_court: address, audit_court: address):
    """
    @notice Name who holds the money and who may suspend; once.
    """
    governed._check_governance()
    assert self.escrow == empty(address), "registry: wired already"
    assert escrow.is_contract, "registry: no contract"
    assert receipt_court.is_contract and audit_court.is_contract, "registry: no contract"

    self.escrow = escrow
    self.receipt_court = receipt_court
    self.audit_court = audit_court
    log IServiceRegistry.Wired(escrow=escrow, receipt_court=receipt_court, audit_court=audit_court)


@external
def wire_attestations(attestations: address):
    """
    @notice Name the registry of attestations; once.
    """
    governed._check_governance()
    assert self.attestations == empty(address), "registry: wired already"
    assert attestations.is_contract, "registry: no contract"

    self.attestations = attestations
    log IServiceRegistry.AttestationsWired(attestations=attestations)


# --- VIEWS


@external
@view
def windows() -> IServiceRegistry.Windows:
    """
    @notice Seconds of every window.
    """
    return WINDOWS


@external
@view
def service_id(provider: address, kind: uint8, salt: bytes32) -> bytes32:
    """
    @notice The id that a service has, registered or not.
    """
    return service_book._id_of(self, provider, kind, salt)


@external
@view
def service(service: bytes32) -> IServiceRegistry.Service:
    """
    @notice A service; all zero when there is none.
    """
    state: IServiceRegistry.ServiceState = service_book._state(service)
    if state == IServiceRegistry.ServiceState.RETIRING and self._is_unbonded(service):
        state = IServiceRegistry.ServiceState.RETIRED
    return service_book._service(
        service, state, receipt_signers._now(service), price_rows._current(service)
    )


@external
@view
def endpoint(service: bytes32) -> String[256]:
    """
    @notice Where a service is reached.
    """
    return service_book.endpoints[service]


@external
@view
def price_row(service: bytes32, version: uint32) -> IServiceRegistry.PriceRow:
    """
    @notice A row; all zero when there is none.
    """
    return price_rows._row(service, convert(version, uint256))


@external
@view
def payable_token(service: bytes32, version: uint32) -> (bool, address):
    """
    @notice Whether a row may be settled now, and in which token.
    """
    return price_rows._payable(service, convert(version, uint256))


@external
@view
def settler_of(service: bytes32) -> (address, uint64):
    """
    @notice Provider and operator id; zero when there is no such service.
    """
    return service_book.providers[service], convert(service_book._operator_id(service), uint64)


@external
@view
def signer_at(service: bytes32, time: uint256) -> address:
    """
    @notice Whose signature receipts of a time bear; zero before the first.
    """
    return receipt_signers._at(service, time)


@external
@view
def is_serving(service: bytes32) -> bool:
    """
    @notice Whether the service takes requests and its operator is a staked member.
    """
    if service_book._state(service) != IServiceRegistry.ServiceState.ACTIVE:
        return False
    return self._is_member(service)


@external
@view
def verifiability_of(service: bytes32) -> IServiceRegistry.Verifiability:
    """
    @notice How far its answers can be verified, by the evidence that stands now.
    """
    nothing: IServiceRegistry.Verifiability = empty(IServiceRegistry.Verifiability)
    if self.audit_court == empty(address) or not self._is_member(service):
        return nothing
    if service_book._state(service) != IServiceRegistry.ServiceState.ACTIVE:
        return nothing
    standing: IAuditView.Standing = staticcall IAuditView(self.audit_court).standing(service)
    if standing.open_cases != 0 or convert(standing.failed_until, uint256) > block.timestamp:
        return nothing
    if not staticcall IComputeEscrow(self.escrow).is_covered(service_book._operator_id(service)):
        return nothing
    attested: IServiceRegistry.Verifiability = self._attested(service)
    if attested.level != 0 or standing.cleared < MIN_CLEARED or not service_book._is_replayed(service):
        return attested
    return IServiceRegistry.Verifiability(level=AUDITED, simulated=False, until=standing.until)


# --- INTERNAL


@internal
@view
def _check_provider(service: bytes32):
    operator_id: uint256 = service_book._operator_id(service)
    assert operator_id != 0, "registry: no such service"
    assert staticcall STAKE.operator_of(msg.sender) == operator_id, "registry: not the provider"


@internal
@view
def _check_lives(service: bytes32):
    self._check_provider(service)
    assert service_book._state(service) != IServiceRegistry.ServiceState.RETIRING, "registry: retired"


@internal
@view
def _check_stake(service: bytes32):
    assert self._is_member(service), "registry: no stake"


@internal
@view
def _is_member(service: bytes32) -> bool:
    return staticcall STAKE.is_member(service_book._operator_id(service) << 8 | C.COMPUTE)


@internal
@view
def _is_unbonded(service: bytes32) -> bool:
    """
    @dev No case is open and stake that answered for the service may have left.
    """
    unbonding: uint256 = staticcall STAKE.unbonding_seconds(C.COMPUTE)
    if block.timestamp < service_book._retiring_since(service) + unbonding:
        return False
    if self.escrow == empty(address):
        return True
    operator_id: uint256 = service_book._operator_id(service)
    return staticcall IComputeEscrow(self.escrow).open_cases_of(operator_id) == 0


@internal
@view
def _attested(service: bytes32) -> IServiceRegistry.Verifiability:
    """
    @dev What the verdict on the service's signer is worth; nothing where none is live.
    """
    if self.attestations == empty(address):
        return empty(IServiceRegistry.Verifiability)
    live: IAttestationRegistry.Live = staticcall IAttestationRegistry(self.attestations).live(
        receipt_signers._now(service), block.timestamp
    )
    level: uint8 = 0
    if live.measurement_class == BROKER:
        level = BROKER_IN_TEE
    elif live.measurement_class == MODEL:
        level = MODEL_IN_TEE
    if level == 0 or live.service != service:
        return empty(IServiceRegistry.Verifiability)
    return IServiceRegistry.Verifiability(level=level, simulated=live.simulated, until=live.until)
