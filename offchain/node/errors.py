"""Why a node's folder or face refuses, whatever the node serves."""

from offchain.core.errors import Conflict, Unavailable


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
