"""The port of an engine: tokens, texts and what commits to them, behind one face.

Adapters: torch_engine (any safetensors directory), openai_engine (any engine with that protocol),
scripted_engine (memory), and cheating_engine, which lies. An engine never runs on the event loop.
Billed tokens are the ids of the pieces that were sent. Source: docs/protocol/compute.md#engines.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from offchain.compute.generation import Generation
from offchain.compute.model import Finish, Kind, Numerics

FIRST_TOKEN_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 15.0
TOTAL_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What an engine serves. `tokenizer_hash` is zero when the engine does not know its ids."""

    name: str
    kind: Kind
    numerics: Numerics
    model_hash: bytes
    tokenizer_hash: bytes
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds until the first token, between tokens, and in total."""

    first_token: float = FIRST_TOKEN_SECONDS
    idle: float = IDLE_SECONDS
    total: float = TOTAL_SECONDS


@dataclass(frozen=True, slots=True)
class Job:
    """One request ready to run; `payer` is who slots are shared out fairly between.

    `body` is what the buyer sent: an engine behind a URL passes on what it asks for. `request_id`:
    of the sale, where there is one.
    """

    generation: Generation
    prompt_ids: tuple[int, ...]
    max_tokens: int
    sampler_key: bytes
    payer: bytes
    body: bytes = b""
    deadlines: Deadlines = field(default_factory=Deadlines)
    request_id: bytes = b""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some tokens and exactly their text; joined texts are the answer, joined ids its tokens.

    Tokens without own text (half a character, the end mark) come with what completes them. An
    engine that does not know ids gives -1 for each token.
    """

    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What commits to the first tokens of an answer; fingerprints are empty without a hidden state.

    `sampler` 0: the engine's own draw, 1: the best token, 2: Gumbel noise from Philox.
    """

    prompt_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    sampler: int
    prefill_fingerprint: bytes
    chunk_fingerprints: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Embedding:
    """Vectors float32 (texts, width) and the tokens they took."""

    vectors: npt.NDArray[np.float32]
    input_tokens: int


@dataclass(frozen=True, slots=True)
class Health:
    """Whether requests are taken, and how many run and wait."""

    is_ready: bool
    running: int
    waiting: int
    slots: int


class TokenStream(Protocol):
    """One answer while it is made. It ends by itself, by `cancel`, or by an error."""

    def __aiter__(self) -> AsyncIterator[Piece]: ...

    async def __anext__(self) -> Piece:
        """Raises: TokenLate before the first token; Unavailable and Corrupt kinds of engines."""
        ...

    @property
    def finish(self) -> Finish | None:
        """Why it ended; None while it runs."""
        ...

    def cancel(self) -> None:
        """Free the slot within one step; the stream ends as CUT. Harmless when it has ended."""
        ...

    async def trace(self, tokens: int) -> Trace:
        """What commits to the first `tokens` that were handed out."""
        ...


class Engine(Protocol):
    """Something that turns prompts into tokens. Loaded when it is built, closed once."""

    def facts(self) -> ModelFacts: ...

    async def count(self, generation: Generation) -> tuple[int, ...]:
        """The ids of the prompt, template applied; unknown ids are -1, their number an upper bound.

        Raises: FeatureUnsupported, PromptTooLong.
        """
        ...

    def stream(self, job: Job) -> TokenStream:
        """Queue a request. Raises: EngineFull, EngineStopped, PromptTooLong."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embedding:
        """One vector a text. Raises: FeatureUnsupported, PromptTooLong."""
        ...

    def health(self) -> Health: ...

    async def close(self) -> None:
        """Cancel what runs and give memory back."""
        ...
