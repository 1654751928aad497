"""`apogee provider init`: from a newcomer to a registered, staked, serving provider, step by step.

  keys      owner, BLS and receipt keys of the role      operator  the BLS key is registered
  model     unpacked and hashed                          stake     own stake in COMPUTE
  service   kind, model hash, limits, endpoint           price     the first row applies at once
  serving   activated, or resumed after a pause          file      provider.json for the process

Each step looks at the chain first, so running it again does only what is missing; another price is
announced as a new row. What a step costs is said: stake before it is sent, gas after.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.home import LOOPBACK, choose_ports
from offchain.apps.keystore import Keystore
from offchain.apps.network import address_of
from offchain.apps.operators import COMMISSION_BPS, Enrolment, Operator
from offchain.apps.output import print_json, say
from offchain.apps.provider_home import (
    Offered,
    ProviderFile,
    ProviderPlace,
    receipts_role,
)
from offchain.apps.stake import Actor
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.chain.model import Receipt, TypedCall, show_address
from offchain.compute.adapters.open_engine import SCRIPTED, EngineSpec, open_engine
from offchain.compute.engine import ModelFacts
from offchain.compute.errors import PriceUnknown, ServiceUnknown
from offchain.compute.model import (
    MAX_U96,
    NATIVE_COIN,
    Kind,
    Numerics,
    PriceRow,
    Service,
    ServiceState,
)
from offchain.compute.onchain_registry import ServiceRegistryClient, Terms
from offchain.core.errors import Conflict, InvalidInput, NotFound
from offchain.core.hashing import keccak
from offchain.staking.model import Service as Staked
from offchain.staking.model import pool_id

DEFAULT_STAKE: Final = "200eth"
NUMERICS: Final = {
    "fp32": Numerics.TORCH_FP32,
    "bf16": Numerics.TORCH_BF16,
    "gguf": Numerics.GGUF,
    "opaque": Numerics.OPAQUE,
}
SALT: Final = b"apogee provider init"


class PriceInvalid(InvalidInput):
    """A price does not fit into 96 bits."""

    code = "provider.price_invalid"
    next_step = "Type prices such as 5gwei for 1,000,000 tokens."


class NumericsUnknown(InvalidInput):
    """There is no such way to compute."""

    code = "provider.numerics_unknown"
    next_step = "Use fp32 or bf16 here, gguf or opaque for an engine behind a URL."


class ScriptOnDevnetOnly(Conflict):
    """A scripted engine answers without a model."""

    code = "provider.script_on_devnet_only"
    next_step = "Name a real model: smollm2, minilm, a directory, or --engine-url."


class ServiceEnded(Conflict):
    """The service was retired or suspended."""

    code = "provider.service_ended"
    next_step = "A retired service stays so: use another --as ROLE. A suspended one: add stake."


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed. Prices are for 1,000,000 tokens, `request_price` for each request."""

    specs: tuple[EngineSpec, ...]
    stake: str = DEFAULT_STAKE
    input_price: str = "1gwei"
    output_price: str = "4gwei"
    request_price: str = "0"
    max_input: int = 4_096
    max_output: int = 1_024
    endpoint: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step and what came of it; `is_new` False when nothing had to be done."""

    name: str
    what: str
    is_new: bool
    cost_wei: int = 0


@dataclass(slots=True)
class ProviderInit:
    """Brings one role of a home to serving. `facts`: what engines that were loaded here said."""

    actor: Actor
    wish: Wish
    facts: dict[EngineSpec, ModelFacts] = field(default_factory=dict)
    registry: ServiceRegistryClient = field(init=False)

    def __post_init__(self) -> None:
        network = self.actor.network
        self.registry = ServiceRegistryClient(network.deployments, network.node)

    def steps(self) -> Iterator[Step]:
        """Each step as it is done. Raises: what a step says."""
        self._require_real_models()
        yield from self._steps()

    def file(self) -> ProviderFile:
        """What was brought to serving."""
        return ProviderFile.load(self._place)

    def run(self) -> int:
        """All steps, told as they are done. Raises: what a step says."""
        steps = []
        for step in self.steps():
            steps.append(step)
            sign = "+" if step.is_new else "="
            cost = f"  (gas {show_amount(step.cost_wei)})" if step.cost_wei else ""
            say(f"{sign} {step.name:<9} {step.what}{cost}")
        file = self.file()
        told: dict[str, object] = {
            "role": self.actor.role,
            "provider": show_address(self.actor.address),
            "endpoint": self._endpoint(file.port),
            "services": [one.service.hex() for one in file.offered],
            "gas_cost": show_amount(sum(step.cost_wei for step in steps)),
            "steps": [{"step": step.name, "what": step.what, "new": step.is_new} for step in steps],
        }
        if self.actor.as_json:
            print_json(told)
        else:
            say(f"next: apogee provider --as {self.actor.role}")
        return 0

    @property
    def _place(self) -> ProviderPlace:
        return ProviderPlace(self.actor.home, self.actor.role)

    def _steps(self) -> Iterator[Step]:
        yield self._keys()
        yield self._operator()
        yield self._stake()
        port = self._port()
        offered = []
        for spec in self.wish.specs:
            facts = self._facts(spec)
            yield Step("model", f"{facts.name}, hash {facts.model_hash.hex()}", is_new=False)
            service = self.registry.service_id(
                self.actor.address, facts.kind, _salt(facts), at=self.actor.at
            )
            offered.append(Offered(service, _settled(spec, facts)))
            yield self._service(service, facts, port)
            yield self._price(service)
            yield self._serving(service)
        ProviderFile(port, tuple(offered)).save(self._place)
        yield Step("file", f"{len(offered)} services at {self._endpoint(port)}", is_new=False)

    def _keys(self) -> Step:
        keys = Keystore(self.actor.home.keys)
        is_new = not keys.has(self.actor.role)
        owner = keys.account(self.actor.role)
        keys.bls(self.actor.role)
        signer = keys.account(receipts_role(self.actor.role))
        self.actor.fill()
        what = f"owner {owner.address}, receipts signed by {signer.address}"
        return Step("keys", what, is_new=is_new)

    def _operator(self) -> Step:
        one, network = self.actor, self.actor.network
        known = network.stake.operator_of(one.address, at=one.at)
        if known:
            return Step("operator", f"{known}", is_new=False)
        keys = Keystore(one.home.keys)
        account = keys.account(one.role)
        operator = Operator(one.role, account, keys.bls(one.role), 0, None)
        call = Enrolment(network, one.home).registration(operator)
        receipt = one.send(call, f"stake.register:{account.address}")
        found = network.stake.operator_of(one.address, at=one.at)
        return Step("operator", f"{found}", is_new=True, cost_wei=_gas(receipt))

    def _stake(self) -> Step:
        one, network = self.actor, self.actor.network
        wei = parse_amount(self.wish.stake)
        operator = network.stake.operator_of(one.address, at=one.at)
        if network.stake.is_member(pool_id(operator, Staked.COMPUTE), at=one.at):
            return Step("stake", "a member of COMPUTE", is_new=False)
        say(f"  locking {show_amount(wei)} in COMPUTE; it unbonds in eleven days")
        call = network.stake.join(Staked.COMPUTE, COMMISSION_BPS, stake_wei=wei)
        receipt = one.send(call, f"provider.stake:{one.role}:{operator}")
        block = network.node.block()
        epoch = network.registry.clock(at=block.hash).next_epoch(block.timestamp)
        what = f"{show_amount(wei)} locked in COMPUTE; it covers sales from epoch {epoch} on"
        return Step("stake", what, is_new=True, cost_wei=_gas(receipt))

    def _service(self, service: bytes, facts: ModelFacts, port: int) -> Step:
        endpoint = self._endpoint(port)
        known = self._known(service)
        if known is None:
            terms = Terms(
                kind=facts.kind,
                numerics=facts.numerics,
                model_hash=facts.model_hash,
                charter_hash=bytes(32),
                max_input=self._max_input(facts),
                max_output=self._max_output(facts),
                concurrency=8,
                salt=_salt(facts),
            )
            call = self.registry.register(terms, signer=self._signer(), endpoint=endpoint)
            cost = self._send(call, f"provider.register:{service.hex()}")
            return Step("service", f"{service.hex()}, {facts.kind.name}", True, cost)
        if known.endpoint != endpoint:
            call = self.registry.set_endpoint(service, endpoint)
            cost = self._send(call, self.actor.unique_key("provider.endpoint"))
            return Step("service", f"{service.hex()}, now at {endpoint}", True, cost)
        return Step("service", f"{service.hex()}, {known.state.name}", is_new=False)

    def _price(self, service: bytes) -> Step:
        wanted = [_price(text) for text in self._prices()]
        row = self._newest_row(service)
        shown = " / ".join(show_amount(one) for one in wanted)
        if row is not None and wanted == [row.input_price, row.output_price, row.request_price]:
            return Step("price", f"{shown} a million in / out / a request", is_new=False)
        call = self.registry.announce_price(
            service,
            token=NATIVE_COIN,
            input_price=wanted[0],
            output_price=wanted[1],
            request_price=wanted[2],
        )
        cost = self._send(call, self.actor.unique_key(f"provider.price:{service.hex()}"))
        return Step("price", f"{shown} a million in / out / a request", True, cost)

    def _serving(self, service: bytes) -> Step:
        known = self._known(service)
        state = ServiceState.NONE if known is None else known.state
        if state is ServiceState.ACTIVE:
            return Step("serving", "ACTIVE", is_new=False)
        calls = {
            ServiceState.DRAFT: self.registry.activate,
            ServiceState.PAUSED: self.registry.resume,
            ServiceState.SUSPENDED: self.registry.resume,
        }
        if state not in calls:
            raise ServiceEnded(service=service.hex(), state=state.name)
        key = self.actor.unique_key(f"provider.serve:{service.hex()}")
        return Step("serving", "ACTIVE", True, self._send(calls[state](service), key))

    def _facts(self, spec: EngineSpec) -> ModelFacts:
        """What the engine says of its model; loading it proves that it can be served."""
        if spec in self.facts:
            return self.facts[spec]
        engine = open_engine(spec, self._place.models)
        try:
            self.facts[spec] = engine.facts()
            return self.facts[spec]
        finally:
            with ThreadPoolExecutor(1) as pool:  # the caller may be inside a loop of its own
                pool.submit(asyncio.run, engine.close()).result()

    def _known(self, service: bytes) -> Service | None:
        try:
            return self.registry.service(service, at=self.actor.at)
        except ServiceUnknown:
            return None

    def _newest_row(self, service: bytes) -> PriceRow | None:
        """The last row announced, valid yet or not."""
        at, row = self.actor.at, None
        known = self._known(service)
        version = 0 if known is None else known.price_version
        for one in (version, version + 1):
            try:
                row = self.registry.price_row(service, one, at=at) if one else row
            except PriceUnknown:
                break
        return row

    def _send(self, call: TypedCall, key: str) -> int:
        return _gas(self.actor.send(call, key))

    def _signer(self) -> bytes:
        keys = Keystore(self.actor.home.keys)
        return address_of(keys.account(receipts_role(self.actor.role)))

    def _port(self) -> int:
        if self.wish.port is not None:
            return self.wish.port
        try:
            return ProviderFile.load(self._place).port
        except NotFound:
            return choose_ports([self.actor.role])[self.actor.role]

    def _endpoint(self, port: int) -> str:
        return self.wish.endpoint or f"http://{LOOPBACK}:{port}"

    def _prices(self) -> tuple[str, str, str]:
        return self.wish.input_price, self.wish.output_price, self.wish.request_price

    def _max_output(self, facts: ModelFacts) -> int:
        if facts.kind is Kind.EMBEDDING:
            return 1
        return min(self.wish.max_output, facts.context_tokens // 2)

    def _max_input(self, facts: ModelFacts) -> int:
        """What the context leaves beside the longest answer; embeddings take texts by the hundred.

        The limit of an embedding is a request's, of up to 256 texts.
        """
        if facts.kind is Kind.EMBEDDING:
            return max(self.wish.max_input, 256 * facts.context_tokens)
        return min(self.wish.max_input, facts.context_tokens - self._max_output(facts))

    def _require_real_models(self) -> None:
        is_scripted = any(spec.model == SCRIPTED for spec in self.wish.specs)
        if is_scripted and self.actor.network.chain_id not in DEVNET_CHAIN_IDS:
            raise ScriptOnDevnetOnly(chain_id=self.actor.network.chain_id)


def init_provider(actor: Actor, wish: Wish) -> int:
    """Bring a role to serving; again: only what is missing."""
    try:
        return ProviderInit(actor, wish).run()
    finally:
        actor.close()


def _settled(spec: EngineSpec, facts: ModelFacts) -> EngineSpec:
    """The spec with the kind that the model turned out to be."""
    return EngineSpec(spec.model, facts.kind, spec.numerics, spec.url, spec.device, spec.slots)


def _salt(facts: ModelFacts) -> bytes:
    """One service a provider, kind and model."""
    return keccak(SALT, facts.model_hash)


def _gas(receipt: Receipt) -> int:
    return receipt.gas_used * receipt.effective_gas_price_wei


def _price(text: str) -> int:
    wei = parse_amount(text)
    if wei > MAX_U96:
        raise PriceInvalid(price=text[:40])
    return wei


def specs_of(
    models: list[str], *, url: str | None, numerics: str, device: str
) -> tuple[EngineSpec, ...]:
    """The engines that were typed. Raises: NumericsUnknown."""
    name = numerics.lower() or ("opaque" if url else "fp32")
    if name not in NUMERICS:
        raise NumericsUnknown(numerics=numerics[:40], known=", ".join(NUMERICS))
    return tuple(
        EngineSpec(model, numerics=NUMERICS[name], url=url, device=device) for model in models
    )
