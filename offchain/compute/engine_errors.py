"""Why an engine or a model refuses, each with its stable code.

InvalidInput
  RequestMalformed     compute.request.malformed     a body that is no request of this route
    OneAnswerOnly      compute.request.one_answer    `n` asks for more than one answer
  FeatureUnsupported   compute.request.unsupported   a field this engine cannot honour
  PromptTooLong        compute.prompt.too_long       prompt and answer exceed the model's context
  ModelUnsupported     compute.model.unsupported     a directory this engine cannot serve exactly
NotFound
  ModelMissing         compute.model.missing         no such directory, file or package
Rejected
  PickleRefused        compute.model.pickle          weights in a format that runs code
Unavailable
  EngineFull           compute.engine.full           the queue is full (429)
  EngineStopped        compute.engine.stopped        closed, or its thread has died
  EngineOutOfMemory    compute.engine.out_of_memory  this request did not fit any more
  EngineUnreachable    compute.engine.unreachable    the engine behind the URL does not answer
  TokenLate            compute.engine.token_late     a deadline passed before the first token
Corrupt
  ModelCorrupt         compute.model.corrupt         files contradict the model's hash
  LogitsNotFinite      compute.engine.not_finite     the model computed NaN or infinity
  EngineAnswerInvalid  compute.engine.answer_invalid the engine behind the URL breaks its protocol
"""

from typing import ClassVar

from offchain.core.errors import Corrupt, InvalidInput, NotFound, Rejected, Unavailable


class RequestMalformed(InvalidInput):
    """The body is not a request of this route."""

    code = "compute.request.malformed"


class OneAnswerOnly(RequestMalformed):
    """A receipt is for one answer: a request that asks for several is none."""

    code = "compute.request.one_answer"
    next_step = "Leave `n` out and send one request for each answer; each has its own receipt."


class FeatureUnsupported(InvalidInput):
    """The engine cannot honour a field of the request."""

    code = "compute.request.unsupported"
    next_step = "Leave the field out, or choose a service whose engine offers it."


class PromptTooLong(InvalidInput):
    """Prompt and answer do not fit into the model's context."""

    code = "compute.prompt.too_long"
    next_step = "Shorten the prompt, ask for fewer tokens, or choose a model of longer context."


class ModelUnsupported(InvalidInput):
    """The directory holds no model that the engine can serve exactly."""

    code = "compute.model.unsupported"
    next_step = "Serve it by another engine and name its URL (`--engine-url`)."


class ModelMissing(NotFound):
    """There is no such model directory, file or package."""

    code = "compute.model.missing"
    next_step = "Name a directory with config.json, tokenizer.json and *.safetensors."


class PickleRefused(Rejected):
    """Weights in a format that can run code are not opened."""

    code = "compute.model.pickle"
    next_step = "Convert the weights to safetensors and remove the pickle from the directory."


class EngineFull(Unavailable):
    """The engine's queue is full."""

    code = "compute.engine.full"
    next_step = "Wait as long as Retry-After says, or choose another provider."
    retry_after_seconds: ClassVar[int] = 2


class EngineStopped(Unavailable):
    """The engine is closed or has died."""

    code = "compute.engine.stopped"


class EngineOutOfMemory(Unavailable):
    """The machine has no memory left for this request."""

    code = "compute.engine.out_of_memory"
    next_step = "Try again with a shorter prompt or answer, or choose another provider."


class EngineUnreachable(Unavailable):
    """The engine behind the URL does not answer."""

    code = "compute.engine.unreachable"
    next_step = "Start the engine, or correct its URL."


class TokenLate(Unavailable):
    """No token came in time."""

    code = "compute.engine.token_late"


class ModelCorrupt(Corrupt):
    """The model's files contradict its hash."""

    code = "compute.model.corrupt"
    next_step = "Delete the directory; a default model is unpacked afresh at the next start."


class LogitsNotFinite(Corrupt):
    """The model computed something that is no number."""

    code = "compute.engine.not_finite"
    next_step = "Check the weights and the machine; nothing of this answer may be sold."


class EngineAnswerInvalid(Corrupt):
    """The engine behind the URL breaks the protocol."""

    code = "compute.engine.answer_invalid"
    next_step = "Check that the URL names an OpenAI-compatible engine."
