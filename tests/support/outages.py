"""A chain that does not answer for a while: the ledger a node reads, with a switch."""

from offchain.chain.errors import NodeUnreachable
from offchain.da.adapters.memory_chain import MemoryChain
from offchain.da.duties import BlobView, Moment


class Outages:
    """A `BlobLedger` that answers nothing while it is down."""

    def __init__(self, chain: MemoryChain) -> None:
        self._chain = chain
        self.is_down = False
        self.views = 0  # how often a blob was looked at

    def head(self) -> Moment:
        self._require_up()
        return self._chain.head()

    def moment(self, block: int) -> Moment:
        self._require_up()
        return self._chain.moment(block)

    def view(self, blob_id: bytes, *, at: int) -> BlobView:
        self._require_up()
        self.views += 1
        return self._chain.view(blob_id, at=at)

    def domain(self) -> bytes:
        return self._chain.domain()

    def _require_up(self) -> None:
        if self.is_down:
            raise NodeUnreachable(reason="down")
