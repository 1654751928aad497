"""Why a node's folder or face refuses, whatever the node serves, and how a peer's refusal reads."""

from typing import ClassVar

from offchain.core.errors import ApogeeError, Conflict, Unavailable


class NodeAlreadyRuns(Conflict):
    """Another process holds this node's folder."""

    code = "da.node.already_running"
    next_step = "Stop the other process; two nodes with one key would sign twice."


class RateLimited(Unavailable):
    """The peer asks too often."""

    code = "da.node.rate_limited"
    next_step = "Ask for more rows at once, less often."


class StoreFull(Unavailable):
    """The disk is full; nothing was kept."""

    code = "da.store.full"
    next_step = "Free space on the node's disk; it goes on by itself."


class StoreBroken(Unavailable):
    """The disk does not do what it is asked; nothing was acknowledged."""

    code = "da.store.broken"
    next_step = "Look at the disk the node's folder is on."


class PeerRefused(Unavailable):
    """Another node answered with an error; the code that it named is in the fields.

    `permanent`: codes for which asking again is in vain.
    """

    code = "node.peer.refused"
    permanent: ClassVar[frozenset[str]] = frozenset()

    @property
    def remote_code(self) -> str:
        """The code of the error as the peer named it; empty when it named none."""
        return str(self.fields.get("remote_code", ""))

    @property
    def is_permanent(self) -> bool:
        """Whether the same request will be refused again."""
        return self.remote_code in self.permanent


def told_code(error: ApogeeError) -> str:
    """What went wrong: a peer's own word for it, else the error's code."""
    named = error.remote_code if isinstance(error, PeerRefused) else ""
    return named or error.code
