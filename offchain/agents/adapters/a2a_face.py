"""An agent that other agents speak to: A2A card and messages, each in a signed envelope.

The card is at /.well-known/agent-card.json; messages go to / as JSON-RPC (message/send). A message
has a data part {"envelope": .., "voucher": ..} and a text part, the body. Without a voucher the
agent tells what it offers; with one it works, as its service in the compute market, and the answer
is the provider's, receipt included. Answers are enveloped too. Loopback only, bodies bounded.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.apps import A2AStarletteApplication
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentSkill,
    DataPart,
    InvalidParamsError,
    Message,
    Part,
    Role,
    TextPart,
    UnsupportedOperationError,
)
from a2a.utils.errors import ServerError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from offchain.agents.envelope import Envelope, Mailbox, Replies, SignedEnvelope, Speaker
from offchain.agents.runtime_errors import EnvelopeRefused
from offchain.core.errors import ApogeeError

EXTENSION: Final = "urn:apogee:envelope:1"
MAX_BYTES: Final = 1 << 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a card says of an agent."""

    name: str
    description: str
    version: str
    skills: Mapping[str, str]


class Desk(Protocol):
    """Answers bodies whose envelope was taken. Raises: ApogeeError kinds."""

    async def admit(self, one: Envelope, voucher: str) -> None:
        """Before anything is written down of a message, whose signature is not checked yet."""
        ...

    async def answer(self, one: Envelope, body: bytes, voucher: str) -> bytes:
        """`voucher`: its header text, "" for none."""
        ...


def card_of(offered: Offered, url: str) -> AgentCard:
    """The card that others find the agent by; not signed (`a2a_card.signed_card` does)."""
    extension = AgentExtension(
        uri=EXTENSION, description="Every message is in a signed envelope.", required=True
    )
    return AgentCard(
        name=offered.name,
        description=offered.description,
        version=offered.version,
        url=url,
        capabilities=AgentCapabilities(streaming=False, extensions=[extension]),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[
            AgentSkill(id=name, name=name, description=about or name, tags=["apogee"])
            for name, about in sorted(offered.skills.items())
        ],
    )


class Answerer(AgentExecutor):
    """Takes envelopes, asks the desk, answers in an envelope."""

    def __init__(
        self, mailbox: Mailbox, speaker: Speaker, desk: Desk, clock: Callable[[], int]
    ) -> None:
        self._mailbox = mailbox
        self._replies = Replies(speaker)
        self._desk = desk
        self._clock = clock

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """One message in, one message out."""
        try:
            signed, body, voucher = read_message(context.message)
            await self._desk.admit(signed.envelope, voucher)
            one = await self._mailbox.take(signed, body)
            said = await self._desk.answer(one, body, voucher)
        except ApogeeError as error:
            log.info("message_refused", extra={"code": error.code})
            raise ServerError(
                InvalidParamsError(message=str(error), data=error.as_json())
            ) from error
        answer = enveloped(self._replies.to(one).say(said, self._clock()), said, role=Role.agent)
        await event_queue.enqueue_event(answer)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        del context, event_queue
        raise ServerError(UnsupportedOperationError())


def a2a_app(
    card: AgentCard, answerer: Answerer, hosts: Sequence[str] = ("127.0.0.1", "localhost")
) -> Starlette:
    """The face as an application; only for requests that name this machine."""
    handler = DefaultRequestHandler(agent_executor=answerer, task_store=InMemoryTaskStore())
    app = A2AStarletteApplication(card, handler, max_content_length=MAX_BYTES)
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return app.build(middleware=[trusted])


def enveloped(signed: SignedEnvelope, body: bytes, *, role: Role, voucher: str = "") -> Message:
    """A message with its envelope."""
    head: dict[str, object] = {"envelope": signed.as_json()}
    if voucher:
        head["voucher"] = voucher
    return Message(
        role=role,
        message_id=signed.envelope.body_hash.hex() + f"-{signed.envelope.seq}",
        extensions=[EXTENSION],
        parts=[Part(root=DataPart(data=head)), Part(root=TextPart(text=body.decode()))],
    )


def read_message(message: Message | None) -> tuple[SignedEnvelope, bytes, str]:
    """Envelope, body and voucher. Raises: EnvelopeRefused for anything else."""
    parts = [] if message is None else [one.root for one in message.parts]
    if len(parts) != 2 or not isinstance(parts[0], DataPart) or not isinstance(parts[1], TextPart):
        raise EnvelopeRefused(reason="form")
    head = parts[0].data
    if set(head) - {"envelope", "voucher"}:
        raise EnvelopeRefused(reason="form")
    voucher = head.get("voucher", "")
    if not isinstance(voucher, str) or len(voucher) > MAX_BYTES:
        raise EnvelopeRefused(reason="voucher")
    return SignedEnvelope.from_json(head.get("envelope")), parts[1].text.encode(), voucher
