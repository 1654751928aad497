"""What can go wrong between a program and its gateway; everything else is the layers' own error.

NotFound     ConnectionMissing     sdk.connection.missing
InvalidInput ConnectionMalformed   sdk.connection.malformed
InvalidInput SourceUnusable        sdk.source.unusable
Conflict     NoGateway             sdk.no_gateway
Conflict     NoAccount             sdk.no_account
Conflict     NoEvidenceHere        sdk.no_evidence           nobody attests keys on this network
Unavailable  GatewayUnreachable    sdk.gateway.unreachable
Corrupt      GatewayContradicted   sdk.gateway.contradicted   it answered what the chain or our own
                                                              computation contradicts: do not trust
and one class for each kind of problem that a gateway answers; `remote_code` is the code it named.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import (
    ApogeeError,
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Rejected,
    Unavailable,
)


class ConnectionMissing(NotFound):
    """There is no connection file here."""

    code = "sdk.connection.missing"
    next_step = "Run `apogee up` in that home first, or pass a Connection of your own."


class ConnectionMalformed(InvalidInput):
    """The connection file makes no sense."""

    code = "sdk.connection.malformed"
    next_step = "Restart the gateway of that home; it writes the file again."


class SourceUnusable(InvalidInput):
    """The bytes to publish cannot be read, or are none."""

    code = "sdk.source.unusable"
    next_step = "Pass bytes, the path of a readable file, or a binary stream, of one byte or more."


class NoGateway(Conflict):
    """Without a gateway a connection can only read."""

    code = "sdk.no_gateway"
    next_step = "Connect with gateway_url and api_key to publish."


class NoAccount(Conflict):
    """Without an account a client can only read what is stored."""

    code = "sdk.no_account"
    next_step = "Open the client with account=SECRET, 32 bytes, to store, renew and release."


class NoEvidenceHere(Conflict):
    """There is no registry of attestations here, so nothing can be sealed to anybody."""

    code = "sdk.no_evidence"
    next_step = "Connect to a network with an AttestationRegistry; `apogee up` starts one."


class GatewayUnreachable(Unavailable):
    """The gateway does not answer."""

    code = "sdk.gateway.unreachable"
    next_step = "Check `apogee status`; repeat the call with the same key, it is paid once."


class GatewayContradicted(Corrupt):
    """The gateway answered what the chain or our own computation contradicts."""

    code = "sdk.gateway.contradicted"
    next_step = "Do not trust this gateway; publish through another one."


class GatewayProblem(ApogeeError):
    """What a gateway answered instead of a result."""

    code = "sdk.gateway.problem"

    @property
    def remote_code(self) -> str:
        """The error's code as the gateway named it, such as `gateway.busy`."""
        return str(self.fields.get("remote_code", ""))


class GatewayInvalidInput(GatewayProblem, InvalidInput):
    """The gateway found the request malformed."""

    code = "sdk.gateway.invalid_input"
    next_step = "Correct the value named in the message and try again."


class GatewayNotFound(GatewayProblem, NotFound):
    """The gateway knows no such thing."""

    code = "sdk.gateway.not_found"
    next_step = "Check the reference and the network."


class GatewayConflict(GatewayProblem, Conflict):
    """The gateway's state does not allow it."""

    code = "sdk.gateway.conflict"
    next_step = "Read the message; a key that was used for other bytes needs another key."


class GatewayRejected(GatewayProblem, Rejected):
    """The gateway or its chain refuses."""

    code = "sdk.gateway.rejected"
    next_step = "Check the API key and the terms; the reason is in the message."


class GatewayUnavailable(GatewayProblem, Unavailable):
    """The gateway has no room, or needs somebody who does not answer."""

    code = "sdk.gateway.unavailable"
    next_step = "Repeat the call with the same key later; it is paid once."


class GatewayCorrupt(GatewayProblem, Corrupt):
    """The gateway met data that contradicts its hash."""

    code = "sdk.gateway.corrupt"
    next_step = "Read the gateway's log under the request id."


_BY_KIND: Final[dict[str, type[GatewayProblem]]] = {
    "InvalidInput": GatewayInvalidInput,
    "NotFound": GatewayNotFound,
    "Conflict": GatewayConflict,
    "Rejected": GatewayRejected,
    "Unavailable": GatewayUnavailable,
    "Corrupt": GatewayCorrupt,
}


def problem_of(status: int, fields: Mapping[str, object]) -> GatewayProblem:
    """The typed form of a problem+json answer; anything else is a gateway that cannot be used."""
    kind = _BY_KIND.get(str(fields.get("kind")), GatewayUnavailable)
    return kind(
        str(fields.get("detail") or kind.__doc__)[:300],
        status=status,
        remote_code=str(fields.get("code", ""))[:80],
        request_id=str(fields.get("request_id", ""))[:64],
    )
