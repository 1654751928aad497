"""Bad files shown to StorageProofs from the operator's account, each once."""

from offchain.chain.due import execute_due
from offchain.node.leased_sender import Sends
from offchain.storage.bad_file import BadFile
from offchain.storage.onchain_proofs import ShownRow, ShownSegment, StorageProofsClient


class ChainBadFileDesk:
    """A `BadFileDesk` over the contract."""

    def __init__(self, proofs: StorageProofsClient, sender: Sends) -> None:
        self._proofs = proofs
        self._sender = sender

    def prove_bad_row(self, bad: BadFile) -> None:
        shown = ShownSegment(bad.segment, bad.segment_path)
        row = ShownRow(bad.row, bad.data, bad.path, bad.opening)
        call = self._proofs.prove_bad_row(bad.file_id, shown, row)
        execute_due(self._sender, call, key=f"storage.bad_row:{bad.file_id.hex()}")
