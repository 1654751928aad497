"""Calls to providers, whatever is asked of them: what their failures are called."""

from typing import Final

from offchain.compute.errors import ProviderAnswerTooLong, ProviderRefused, ProviderUnreachable
from offchain.core.errors import ApogeeError
from offchain.node.bounded_answer import json_object
from offchain.node.peer_http import HttpLimits, PeerErrors, PeerHttp

ERRORS: Final = PeerErrors(
    ProviderUnreachable, ProviderUnreachable, ProviderRefused, ProviderAnswerTooLong
)
LIMITS: Final = HttpLimits(read_seconds=30.0, connect_seconds=5.0, connections=64)
_TOLD: Final = ("needed", "next", "missing", "current")


class ProviderHttp(PeerHttp):
    """A pool of connections to providers; refusals keep the code that the provider named."""

    def __init__(self) -> None:
        super().__init__(ERRORS, LIMITS)

    def refusal(self, endpoint: str, status: int, raw: bytes) -> ApogeeError:
        """An error of the OpenAI protocol; a provider that broke down is unreachable."""
        error = json_object(raw).get("error")
        members = error if isinstance(error, dict) else {}
        code, more = members.get("code"), members.get("metadata")
        named = code[:80] if isinstance(code, str) else ""
        told = {
            name: more[name]
            for name in _TOLD
            if isinstance(more, dict) and isinstance(more.get(name), int | str)
        }
        kind = ProviderUnreachable if status >= 500 else ProviderRefused
        return kind(endpoint=endpoint, status=status, remote_code=named, **told)
