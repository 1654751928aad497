"""A request for compute before it is a body, and what is read of an answer's events."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic_core import from_json

from offchain.compute.answers import Route
from offchain.compute.errors import Reason, ServiceUnknown, UnverifiedAnswer
from offchain.compute.private_keys import least_level
from offchain.compute.verify import Policy

DEFAULT_TOKENS: Final = 256
TEMPLATE_TOKENS: Final = 64  # what a chat template may add to each message
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request before it is a body: the most tokens it has, in and out."""

    route: Route
    fields: Json
    most_input: int
    most: int


def chat_body(
    messages: Sequence[Json], max_tokens: int, options: Json | None, *, is_streamed: bool
) -> Asked:
    fields: dict[str, object] = {
        "messages": list(messages),
        "max_tokens": max_tokens,
        **(options or {}),
    }
    if is_streamed:
        fields["stream"] = True
    bound = len(json.dumps(fields)) + TEMPLATE_TOKENS * (len(messages) + 1)
    return Asked(Route.CHAT, fields, bound, max_tokens)


def private_policy(policy: Policy | None) -> Policy:
    """The least that makes an answer private, whatever else is asked for."""
    policy = policy or Policy()
    return replace(policy, min_level=least_level(policy.min_level))


def service_id(service: bytes | str) -> bytes:
    """Raises: ServiceUnknown for anything but 32 bytes."""
    if isinstance(service, bytes):
        return service
    try:
        raw = bytes.fromhex(service.removeprefix("0x"))
    except ValueError as error:
        raise ServiceUnknown(service=service[:80]) from error
    if len(raw) != 32:
        raise ServiceUnknown(service=service[:80])
    return raw


def request_of(event: bytes) -> bytes:
    """The request that an event's answer names. Raises: UnverifiedAnswer."""
    try:
        named = bytes.fromhex(from_json(event.removeprefix(b"data: "))["id"].rpartition("-")[2])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnverifiedAnswer(Reason.ANSWER_MALFORMED, form="id") from error
    return named


def text_of(event: bytes) -> str:
    """The text in an event; checked only at the stream's end."""
    try:
        [choice] = from_json(event.removeprefix(b"data: "))["choices"]
        text = choice["delta"].get("content")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return text if isinstance(text, str) else ""
