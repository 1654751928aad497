"""What buying through the gateway can meet, beside the errors of providers and of keys.

NotFound
  ModelUnknown         compute.model_unknown          404  no service offers this model
Rejected
  NothingFits          compute.nothing_fits           422  services there are, none within the terms
  ModelForbidden       gateway.key_model              403  the key may not ask for this model
Conflict
  LevelNotOffered      compute.level_not_offered      409  none as verifiable as wanted, by now
Unavailable
  NobodyServes         compute.nobody_serves          503  every provider failed or waits
  AnswerBroken         compute.answer_broken          503  it stopped in the middle
InvalidInput
  ProviderRefused      compute.provider_refused       400  the provider says what is wrong with it
  BodyTooLarge         compute.body_too_large         413
  OptionInvalid        compute.option_invalid         400  a header or metadata of ours
"""

from offchain.core.errors import Conflict, InvalidInput, NotFound, Rejected, Unavailable


class ModelUnknown(NotFound):
    """No service on this network offers the model."""

    code = "compute.model_unknown"
    next_step = "GET /v1/models lists what is offered; `apogee compute list` shows the same."


class NothingFits(Rejected):
    """Services offer the model, but none within the terms of this request or key."""

    code = "compute.nothing_fits"
    next_step = "Loosen the term named as `reason`: see GET /v1/models for what is offered."


class LevelNotOffered(Conflict):
    """Services offer the model, but none is as verifiable as this request or key wants it now."""

    code = "compute.level_not_offered"
    next_step = (
        "Ask for a lower level or wait: levels follow live evidence. Where `reason` is simulated, "
        "X-Apogee-Simulated: allow lets it count on a local chain."
    )


class ProviderRefused(InvalidInput):
    """The provider says that the request is wrong."""

    code = "compute.provider_refused"
    next_step = "Correct what the message names; `remote_code` is the provider's."


class ModelForbidden(Rejected):
    """The API key may not ask for this model or kind of service."""

    code = "gateway.key_model"
    next_step = "Use a model that the key is for, or another key: `apogee key list`."


class NobodyServes(Unavailable):
    """Every provider that could serve this has failed, is full, or is given time to recover."""

    code = "compute.nobody_serves"
    next_step = "Send the same request after Retry-After seconds; nothing was charged."

    @property
    def retry_after_seconds(self) -> int:
        return int(str(self.fields.get("retry_after", 1)))


class BodyTooLarge(InvalidInput):
    """The body is longer than any request may be."""

    code = "compute.body_too_large"
    next_step = "Send at most 4 MiB; a longer context fits no service here."


class OptionInvalid(InvalidInput):
    """A request option of the gateway has a value that it does not take."""

    code = "compute.option_invalid"
    next_step = "docs/how-to/buy-compute.md lists the options and their values."


class AnswerBroken(Unavailable):
    """The provider stopped in the middle of the answer."""

    code = "compute.answer_broken"
    next_step = "Ask again; what was delivered is in the receipt, and no more is charged."
