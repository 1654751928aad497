"""A request for text, parsed once from the bytes that were signed for; pure.

A provider serves and an auditor replays from the same value, so every number that sampling depends
on is kept as an integer: temperature and top_p in millionths. Unknown fields are ignored, as
clients of the OpenAI protocol expect; fields that would change the answer are in `features`, and an
engine that cannot honour one refuses. Source: docs/protocol/compute.md#engines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic_core import from_json

from offchain.compute.engine_errors import OneAnswerOnly, RequestMalformed

MILLION: Final = 1_000_000
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_MESSAGES: Final = 1_024
MAX_STOPS: Final = 4
MAX_STOP_CHARS: Final = 256
MAX_MODEL_CHARS: Final = 256
MAX_TOKENS: Final = 1 << 20
MAX_TOP_K: Final = 1 << 20
MAX_TEMPERATURE: Final = 2 * MILLION
MAX_SEED: Final = (1 << 63) - 1
ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
# Fields that change the answer, with the values that change nothing.
FEATURES: Final[dict[str, tuple[object, ...]]] = {
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
    "logit_bias": (None, {}),
    "logprobs": (None, False, 0),
    "top_logprobs": (None, 0),
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "repetition_penalty": (None, 1),
    "min_p": (None, 0),
    "echo": (None, False),
    "suffix": (None, ""),
    "best_of": (None, 1),
    "prediction": (None,),
    "modalities": (None, ["text"]),
    "audio": (None,),
}


class Route(StrEnum):
    """Which door of the protocol a body came through."""

    CHAT = "chat"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. `top_k` 0 keeps all; temperature 0 takes the best."""

    temperature_millionths: int = MILLION
    top_p_millionths: int = MILLION
    top_k: int = 0
    seed: int | None = None

    @property
    def is_greedy(self) -> bool:
        return self.temperature_millionths == 0


@dataclass(frozen=True, slots=True)
class Generation:
    """A request for one text. `max_tokens` None: as many as the service allows."""

    route: Route
    model: str
    messages: tuple[Message, ...] = ()
    prompt: str = ""
    max_tokens: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    is_streamed: bool = False
    has_usage: bool = False
    is_audit_ok: bool = False
    features: frozenset[str] = frozenset()


def parse_generation(body: bytes, route: Route) -> Generation:
    """The request in a body. Raises: RequestMalformed, naming the field."""
    return generation_of(parse_body(body), route)


def generation_of(fields: Mapping[str, object], route: Route) -> Generation:
    """The request in a body's fields. Raises: RequestMalformed, naming the field."""
    chat = route is Route.CHAT
    asked = _whole(fields, "n", 1, least=1, most=MAX_TOKENS)
    if asked != 1:
        raise OneAnswerOnly(field="n", asked=asked, maximum=1)
    options = _object(fields, "stream_options")
    return Generation(
        route=route,
        model=_text(fields, "model", most=MAX_MODEL_CHARS),
        messages=_messages(fields) if chat else (),
        prompt="" if chat else _prompt(fields),
        max_tokens=_max_tokens(fields, chat=chat),
        sampling=_sampling(fields),
        stop=_stops(fields),
        is_streamed=_flag(fields, "stream"),
        has_usage=_flag(options, "include_usage"),
        is_audit_ok=_object(fields, "metadata").get("audit_ok") in (True, "true"),
        features=frozenset(
            name for name, idle in FEATURES.items() if name in fields and fields[name] not in idle
        ),
    )


def parse_texts(body: bytes) -> tuple[str, ...]:
    """The texts of an embeddings request, at most 256. Raises: RequestMalformed."""
    return texts_of(parse_body(body))


def texts_of(fields: Mapping[str, object]) -> tuple[str, ...]:
    """The same, of a body's fields. Raises: RequestMalformed."""
    found = fields.get("input")
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not 1 <= len(texts) <= 256:
        raise RequestMalformed("A text or a list of 1 to 256 texts is needed.", field="input")
    if not all(isinstance(text, str) and text for text in texts):
        raise RequestMalformed("Each input must be a text that is not empty.", field="input")
    return tuple(texts)


def parse_body(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body, bounded. Raises: RequestMalformed."""
    if len(body) > MAX_BODY_BYTES:
        raise RequestMalformed("The body is too long.", bytes=len(body), maximum=MAX_BODY_BYTES)
    try:
        fields = from_json(body, allow_inf_nan=False)  # bounds nesting; json.loads may overflow
    except ValueError as error:
        raise RequestMalformed("The body is no JSON.") from error
    if not isinstance(fields, dict):
        raise RequestMalformed("The body is no JSON object.")
    return fields


def _messages(fields: Mapping[str, object]) -> tuple[Message, ...]:
    found = fields.get("messages")
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_MESSAGES:
        raise RequestMalformed(
            "A list of messages is needed.", field="messages", maximum=MAX_MESSAGES
        )
    return tuple(_message(item, position) for position, item in enumerate(found))


def _message(found: object, position: int) -> Message:
    name = f"messages[{position}]"
    if not isinstance(found, dict) or found.get("role") not in ROLES:
        raise RequestMalformed("A message needs a known role.", field=name)
    content = found.get("content")
    if isinstance(content, list):
        content = "".join(_part(part, name) for part in content)
    if not isinstance(content, str):
        raise RequestMalformed("The content of a message must be text.", field=name)
    role = "system" if found["role"] == "developer" else str(found["role"])
    return Message(role, _encodable(content, name))


def _part(found: object, name: str) -> str:
    text = found.get("text") if isinstance(found, dict) and found.get("type") == "text" else None
    if not isinstance(text, str):
        raise RequestMalformed("Only parts of type text are taken; nothing is fetched.", field=name)
    return text


def _prompt(fields: Mapping[str, object]) -> str:
    found = fields.get("prompt")
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, str) or not found:
        raise RequestMalformed("One text is needed as the prompt.", field="prompt")
    return _encodable(found, "prompt")


def _max_tokens(fields: Mapping[str, object], *, chat: bool) -> int | None:
    names = ("max_completion_tokens", "max_tokens") if chat else ("max_tokens",)
    for name in names:
        if fields.get(name) is not None:
            return _whole(fields, name, 1, least=1, most=MAX_TOKENS)
    return None


def _sampling(fields: Mapping[str, object]) -> Sampling:
    top_p = _millionths(fields, "top_p", MILLION, most=MILLION)
    if top_p == 0:
        raise RequestMalformed("top_p must be above 0.", field="top_p")
    is_seeded = fields.get("seed") is not None
    return Sampling(
        temperature_millionths=_millionths(fields, "temperature", MILLION, most=MAX_TEMPERATURE),
        top_p_millionths=top_p,
        top_k=max(0, _whole(fields, "top_k", 0, least=-1, most=MAX_TOP_K)),
        seed=_whole(fields, "seed", 0, least=-MAX_SEED - 1, most=MAX_SEED) if is_seeded else None,
    )


def _stops(fields: Mapping[str, object]) -> tuple[str, ...]:
    found = fields.get("stop")
    stops = [] if found is None else [found] if isinstance(found, str) else found
    if not isinstance(stops, list) or len(stops) > MAX_STOPS:
        raise RequestMalformed("At most four stop texts are taken.", field="stop")
    if not all(isinstance(stop, str) and 0 < len(stop) <= MAX_STOP_CHARS for stop in stops):
        raise RequestMalformed("A stop text has 1 to 256 characters.", field="stop")
    return tuple(_encodable(stop, "stop") for stop in stops)


def _encodable(text: str, name: str) -> str:
    """JSON can name half of a surrogate pair, which is no text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestMalformed("The text has half of a surrogate pair.", field=name) from error
    return text


def _text(fields: Mapping[str, object], name: str, *, most: int) -> str:
    found = fields.get(name, "")
    if not isinstance(found, str) or len(found) > most:
        raise RequestMalformed("A text is needed.", field=name, maximum=most)
    return _encodable(found, name)


def _flag(fields: Mapping[str, object], name: str) -> bool:
    found = fields.get(name)
    if found is not None and not isinstance(found, bool):
        raise RequestMalformed("true or false is needed.", field=name)
    return bool(found)


def _object(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = fields.get(name)
    if found is not None and not isinstance(found, dict):
        raise RequestMalformed("A JSON object is needed.", field=name)
    return found or {}


def _whole(fields: Mapping[str, object], name: str, default: int, *, least: int, most: int) -> int:
    found = fields.get(name)
    if found is None:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise RequestMalformed("A whole number is needed.", field=name, least=least, most=most)
    return found


def _millionths(fields: Mapping[str, object], name: str, default: int, *, most: int) -> int:
    found = fields.get(name)
    if found is None:
        return default
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise RequestMalformed("A number is needed.", field=name)
    if not 0 <= found <= most / MILLION:
        raise RequestMalformed("The number is out of range.", field=name, most=most / MILLION)
    return round(found * MILLION)
