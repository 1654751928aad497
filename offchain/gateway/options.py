"""What a request asks of the routing: from its body, its headers and its key; pure.

  header                      metadata of the body       value
  X-Apogee-Min-Level          apogee_min_level           NONE, AUDITED, BROKER_IN_TEE, MODEL_IN_TEE
  X-Apogee-Simulated          apogee_simulated           allow | forbid; on public chains forbid
  X-Apogee-Max-Price          apogee_max_price           base units, of the request at its maximum
  X-Apogee-Charter            apogee_charter             0x and 64 hex digits
  X-Apogee-Providers          apogee_providers           addresses in order, with commas
  X-Apogee-Fallback           apogee_fallback            allow | forbid

A header wins over metadata; a key's terms bound both.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from offchain.compute import generation
from offchain.compute.answers import Route
from offchain.compute.generation import Generation, generation_of, parse_body, texts_of
from offchain.compute.model import NATIVE_COIN, Kind, Level
from offchain.compute.route import Want
from offchain.gateway.compute_errors import ModelForbidden, OptionInvalid
from offchain.gateway.key_model import KeyRecord

MOST_PROVIDERS: Final = 16
# Template and special tokens of a chat that no byte of the body stands for.
TEMPLATE_TOKENS: Final = 64
_NAMES: Final = ("min_level", "simulated", "max_price", "charter", "providers", "fallback")
_AMOUNT: Final = re.compile(r"[0-9]{1,29}", re.ASCII)
_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_LEVELS: Final = {level.name: int(level) for level in Level} | {
    str(int(level)): int(level) for level in Level
}


@dataclass(frozen=True, slots=True)
class Order:
    """One request, understood; `body` goes out as it came in."""

    route: Route
    body: bytes = field(repr=False)
    want: Want
    is_streamed: bool
    may_fall_back: bool
    key: KeyRecord | None
    generation: Generation | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a request says nothing. `is_simulated_allowed`: on devnets only, and where
    `may_simulate` is not set no request or key changes that.
    """

    is_simulated_allowed: bool = False
    may_simulate: bool = False
    token: bytes = NATIVE_COIN


def understand(
    route: Route,
    body: bytes,
    headers: Mapping[str, str],
    key: KeyRecord | None,
    defaults: Defaults,
) -> Order:
    """Raises: RequestMalformed, OptionInvalid, ModelForbidden."""
    fields = parse_body(body)
    options = _options(fields.get("metadata"), headers)
    found = _generation(route, fields)
    model = found.model.lower() if found is not None else _embedding_model(fields)
    kind = Kind.EMBEDDING if route is Route.EMBEDDING else Kind.CHAT
    terms = key.terms if key is not None else None
    if terms is not None:
        is_open = not terms.models or model in {one.lower() for one in terms.models}
        if not is_open or (terms.kinds and kind not in terms.kinds):
            raise ModelForbidden(model=model[:80], kind=kind.name)
    simulated = _choice(options, "simulated", default=defaults.is_simulated_allowed)
    least = _level(options)
    want = Want(
        kind=kind,
        model=model,
        input_tokens=len(body) + TEMPLATE_TOKENS,
        max_tokens=None if found is None else found.max_tokens,
        min_level=max(least, terms.min_level if terms else 0),
        is_simulated_allowed=simulated
        and defaults.may_simulate
        and (terms is None or terms.is_simulated_allowed),
        charter=_charter(options),
        token=terms.token if terms else defaults.token,
        max_price=_max_price(options),
        providers=_providers(options),
    )
    may_fall_back = _choice(options, "fallback", default=True)
    is_streamed = found is not None and found.is_streamed
    return Order(route, body, want, is_streamed, may_fall_back, key, found)


def _generation(route: Route, fields: Mapping[str, object]) -> Generation | None:
    """What text is asked for; None of embeddings. Raises: RequestMalformed."""
    if route is Route.EMBEDDING:
        texts_of(fields)
        return None
    return generation_of(fields, generation.Route(route.value))


def _embedding_model(fields: Mapping[str, object]) -> str:
    model = fields.get("model")
    return model.lower() if isinstance(model, str) else ""


def _options(metadata: object, headers: Mapping[str, str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name in _NAMES:
        kept = metadata.get(f"apogee_{name}") if isinstance(metadata, dict) else None
        given = headers.get(f"x-apogee-{name.replace('_', '-')}")
        value = given if given is not None else kept
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > 1_000:
            raise OptionInvalid(option=name)
        options[name] = value.strip()
    return options


def _level(options: Mapping[str, str]) -> int:
    text = options.get("min_level")
    if text is None:
        return 0
    if text.upper() not in _LEVELS:
        raise OptionInvalid(option="min_level", value=text[:40])
    return _LEVELS[text.upper()]


def _choice(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = options.get(name)
    if text is None:
        return default
    if text.lower() not in ("allow", "forbid"):
        raise OptionInvalid(option=name, value=text[:40])
    return text.lower() == "allow"


def _max_price(options: Mapping[str, str]) -> int | None:
    text = options.get("max_price")
    if text is None:
        return None
    if _AMOUNT.fullmatch(text) is None:
        raise OptionInvalid(option="max_price", value=text[:40])
    return int(text)


def _charter(options: Mapping[str, str]) -> bytes | None:
    text = options.get("charter")
    if text is None:
        return None
    if _HASH.fullmatch(text) is None:
        raise OptionInvalid(option="charter", value=text[:80])
    return bytes.fromhex(text[2:])


def _providers(options: Mapping[str, str]) -> tuple[bytes, ...]:
    text = options.get("providers")
    if text is None:
        return ()
    parts = [one.strip() for one in text.split(",")]
    if len(parts) > MOST_PROVIDERS or not all(_ADDRESS.fullmatch(one) for one in parts):
        raise OptionInvalid(option="providers", value=text[:80])
    return tuple(bytes.fromhex(one[2:]) for one in parts)
