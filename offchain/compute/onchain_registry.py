"""Client of ServiceRegistry: services, prices, signers, levels; `ServiceLedger` of ports.py.

Method and field names are the contract's; addresses are 20 raw bytes, prices base units for
1,000,000 tokens, times seconds. Source: docs/protocol/compute.md#registry.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.chain.contract import ContractClient
from offchain.chain.model import Block, BlockRef, TypedCall
from offchain.compute import model
from offchain.compute.errors import PriceUnknown, ServiceUnknown
from offchain.compute.model import Kind, Level, Limits, Numerics, ServiceState
from offchain.compute.reverts_compute import REGISTRY


@dataclass(frozen=True, slots=True)
class Terms:
    """What a service promises once and for all; `charter_hash` zero: no charter."""

    kind: Kind
    numerics: Numerics
    model_hash: bytes
    charter_hash: bytes
    max_input: int
    max_output: int
    concurrency: int
    salt: bytes


@dataclass(frozen=True, slots=True)
class RegistryWindows:
    """Seconds from announcing a price to its validity, and from its retirement to its end."""

    price_delay: int
    price_grace: int


@dataclass(frozen=True, slots=True)
class _Service:
    """The contract's struct; `model.Service` has the endpoint besides."""

    provider: bytes
    operator_id: int
    state: ServiceState
    kind: int
    numerics: int
    model_hash: bytes
    charter_hash: bytes
    signer: bytes
    max_input: int
    max_output: int
    concurrency: int
    price_version: int
    retiring_since: int


@dataclass(frozen=True, slots=True)
class _Row:
    input_price: int
    output_price: int
    request_price: int
    token: bytes
    valid_from: int
    retired_at: int


@dataclass(frozen=True, slots=True)
class _Verifiability:
    level: Level
    simulated: bool
    until: int


@dataclass(frozen=True, slots=True)
class Registered:
    service: bytes
    provider: bytes
    model_hash: bytes
    operator_id: int
    terms: Terms


@dataclass(frozen=True, slots=True)
class PriceAnnounced:
    service: bytes
    version: int
    row: _Row


@dataclass(frozen=True, slots=True)
class StateChanged:
    service: bytes
    state: ServiceState
    by: bytes


@dataclass(frozen=True, slots=True)
class SignerChanged:
    service: bytes
    signer: bytes
    since: int


@dataclass(frozen=True, slots=True)
class EndpointChanged:
    service: bytes
    endpoint: str


class ServiceRegistryClient(ContractClient):
    """Who serves which model, at what price, signed by whom."""

    contract = "ServiceRegistry"
    reverts = REGISTRY

    def head(self) -> Block:
        """The newest block."""
        return self._reader.block()

    def service(self, service: bytes, *, at: BlockRef) -> model.Service:
        """Raises: ServiceUnknown."""
        return self._services([service], at=at)[0]

    def services(self, *, at: BlockRef) -> Sequence[model.Service]:
        """Every one that was ever registered, in order: four round trips."""
        places = [(index,) for index in range(self.service_count(at=at))]
        return self._services(self._read_many(bytes, "service_at", places, at=at), at=at)

    def service_count(self, *, at: BlockRef) -> int:
        return self._read(int, "service_count", at=at)

    def service_id(self, provider: bytes, kind: Kind, salt: bytes, *, at: BlockRef) -> bytes:
        """The id that a service has, registered or not."""
        return self._read(bytes, "service_id", provider, int(kind), salt, at=at)

    def operator_of(self, service: bytes, *, at: BlockRef) -> int:
        """The operator whose stake answers; 0: no such service."""
        return self._read(tuple[bytes, int], "settler_of", service, at=at)[1]

    def price_row(self, service: bytes, version: int, *, at: BlockRef) -> model.PriceRow:
        """Raises: PriceUnknown."""
        row = self._read(_Row, "price_row", service, version, at=at)
        if row.valid_from == 0:
            raise PriceUnknown(service=service.hex(), version=version)
        return model.PriceRow(
            version=version,
            token=row.token,
            input_price=row.input_price,
            output_price=row.output_price,
            request_price=row.request_price,
            valid_from=row.valid_from,
            retired_at=row.retired_at,
        )

    def signer_at(self, service: bytes, time: int, *, at: BlockRef) -> bytes:
        """Whose receipts count at a time; 20 zero bytes before the first."""
        return self._read(bytes, "signer_at", service, time, at=at)

    def is_serving(self, service: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "is_serving", service, at=at)

    def verifiability_of(self, service: bytes, *, at: BlockRef) -> model.Verifiability:
        found = self._read(_Verifiability, "verifiability_of", service, at=at)
        return model.Verifiability(found.level, found.simulated, found.until)

    def windows(self, *, at: BlockRef) -> RegistryWindows:
        return self._read(RegistryWindows, "windows", at=at)

    def register(self, terms: Terms, *, signer: bytes, endpoint: str) -> TypedCall:
        """By the operator's owner or signer, as all below."""
        fields = (
            int(terms.kind),
            int(terms.numerics),
            terms.model_hash,
            terms.charter_hash,
            terms.max_input,
            terms.max_output,
            terms.concurrency,
            terms.salt,
        )
        return self._build("register", fields, signer, endpoint)

    def announce_price(
        self,
        service: bytes,
        *,
        token: bytes,
        input_price: int,
        output_price: int,
        request_price: int,
    ) -> TypedCall:
        """The first row applies at once, later ones after the delay; one waits at a time."""
        prices = (input_price, output_price, request_price)
        return self._build("announce_price", service, token, *prices)

    def activate(self, service: bytes) -> TypedCall:
        return self._build("activate", service)

    def pause(self, service: bytes) -> TypedCall:
        return self._build("pause", service)

    def resume(self, service: bytes) -> TypedCall:
        return self._build("resume", service)

    def retire(self, service: bytes) -> TypedCall:
        """For ever."""
        return self._build("retire", service)

    def set_signer(self, service: bytes, signer: bytes) -> TypedCall:
        return self._build("set_signer", service, signer)

    def set_endpoint(self, service: bytes, endpoint: str) -> TypedCall:
        return self._build("set_endpoint", service, endpoint)

    def _services(self, ids: Sequence[bytes], *, at: BlockRef) -> list[model.Service]:
        arguments = [(one,) for one in ids]
        found = self._read_many(_Service, "service", arguments, at=at)
        endpoints = self._read_many(str, "endpoint", arguments, at=at)
        return [
            _service_of(one, told, endpoint)
            for one, told, endpoint in zip(ids, found, endpoints, strict=True)
        ]


def _service_of(service: bytes, told: _Service, endpoint: str) -> model.Service:
    if told.state == ServiceState.NONE:
        raise ServiceUnknown(service=service.hex())
    return model.Service(
        id=service,
        provider=told.provider,
        kind=Kind(told.kind),
        numerics=Numerics(told.numerics),
        state=told.state,
        model_hash=told.model_hash,
        charter_hash=told.charter_hash,
        signer=told.signer,
        endpoint=endpoint,
        limits=Limits(told.max_input, told.max_output, told.concurrency),
        price_version=told.price_version,
    )
