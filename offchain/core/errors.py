"""The tree of errors; a kind decides how a failure is handled, a subclass says what happened.

ApogeeError
  InvalidInput   the caller is wrong                         HTTP 400   job: drop
  NotFound       it is not there                             HTTP 404   job: drop
  Conflict       the state does not allow it now             HTTP 409   job: drop
  Rejected       the protocol says no (revert, bad proof)    HTTP 422   job: drop and report
  Unavailable    somebody does not answer                    HTTP 503   job: retry with backoff
  Corrupt        data contradicts its hash or signature      HTTP 500   job: stop and alarm

A domain subclasses one kind and passes typed fields; `code` is the stable machine name
(`da.row.path_mismatch`), `next_step` the sentence that tells a person what to do.
Source: docs/architecture.md#errors.
"""

from typing import ClassVar


class ApogeeError(Exception):
    """Root of every error Apogee raises on purpose.

    Fields given as keywords are kept in `fields` and shown after the message.
    """

    code: ClassVar[str] = "apogee.error"
    next_step: ClassVar[str] = "Run `apogee doctor`; if it finds nothing, report this as a bug."

    def __init__(self, message: str = "", **fields: object) -> None:
        self.message = message or (self.__doc__ or type(self).__name__).strip().splitlines()[0]
        self.fields = fields
        super().__init__(str(self))

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.fields.items())
        return f"{self.message} ({shown})" if shown else self.message

    def as_json(self) -> dict[str, object]:
        """The error as a JSON object: code, message, fields, next step."""
        fields = {
            name: value if isinstance(value, int | float | str | bool | None) else str(value)
            for name, value in self.fields.items()
        }
        return {
            "kind": kind_of(self).__name__,
            "code": self.code,
            "message": self.message,
            "fields": fields,
            "next_step": self.next_step,
        }


class InvalidInput(ApogeeError):
    """The request is malformed."""

    code = "input.invalid"
    next_step = "Correct the value named in the message and try again."


class NotFound(ApogeeError):
    """The thing asked for does not exist."""

    code = "not_found"
    next_step = "Check the identifier; `apogee status` shows what exists."


class Conflict(ApogeeError):
    """The current state does not allow this."""

    code = "conflict"
    next_step = "Read the state named in the message; wait or choose another action."


class Rejected(ApogeeError):
    """The protocol refuses this."""

    code = "rejected"
    next_step = "The evidence or call does not satisfy the contract; the reason is in the message."


class Unavailable(ApogeeError):
    """Somebody needed does not answer."""

    code = "unavailable"
    next_step = "Try again; `apogee status` shows which process is down."


class Corrupt(ApogeeError):
    """Data contradicts its hash or signature."""

    code = "corrupt"
    next_step = "Do not use this data; fetch it again from another source."


KINDS: tuple[type[ApogeeError], ...] = (
    InvalidInput,
    NotFound,
    Conflict,
    Rejected,
    Unavailable,
    Corrupt,
)


def kind_of(error: ApogeeError) -> type[ApogeeError]:
    """The one kind this error belongs to; the root itself when it has none."""
    return next((kind for kind in KINDS if isinstance(error, kind)), ApogeeError)
