"""DASampling as a place to earn; the sender belongs to the operator."""

from typing import Final

from offchain.chain.ports import ChainReader
from offchain.core.units import Wei
from offchain.core.wire import LeafFrame
from offchain.da.adapters.chain_blobs import ChainBlobs
from offchain.da.adapters.chain_till import settlement_of
from offchain.da.dispute_ports import Draw
from offchain.da.model import BlobState
from offchain.da.onchain import DAEntranceClient
from offchain.da.onchain_sampling import DASamplingClient, SampleAnswered
from offchain.da.ports import Settlement
from offchain.da.refusals import BlobUnknown
from offchain.da.sampling_book import MAX_WINS
from offchain.node.leased_sender import Sends

ANSWER_GAS: Final = 150_000
WORD_BITS: Final = 256


class ChainLottery:
    """A `Lottery`."""

    def __init__(
        self,
        reader: ChainReader,
        entrance: DAEntranceClient,
        sampling: DASamplingClient,
        sender: Sends,
    ) -> None:
        self._reader = reader
        self._sampling = sampling
        self._sender = sender
        self._blobs = ChainBlobs(reader, entrance)

    def running(self) -> Draw | None:
        head = self._reader.block()
        if not self._sampling.is_open(at=head.hash):
            return None
        opened = self._sampling.round(at=head.hash)
        if opened.wins >= MAX_WINS:
            return None
        cost = Wei(ANSWER_GAS * head.base_fee_wei)
        return Draw(opened, self._sampling.reward_now(at=head.hash), cost)

    def has_signed(self, blob_id: bytes, signer: int) -> bool:
        try:
            record = self._blobs.record(blob_id)
        except BlobUnknown:
            return False
        now = self._reader.block().timestamp
        if record.state is not BlobState.CONFIRMED or now >= record.expiry:
            return False
        bits = self._blobs.signed_by(blob_id).absent[signer // WORD_BITS]
        return not bits >> (signer % WORD_BITS) & 1

    def claim(self, number: int, blob_id: bytes, frame: LeafFrame) -> Settlement:
        signed_by = self._blobs.signed_by(blob_id)
        a, b, c, d = signed_by.absent
        call = self._sampling.answer_sample(
            self._blobs.blob(blob_id), signed_by.seed, (a, b, c, d), frame.to_bytes()
        )
        key = f"da.sample:{number}:{blob_id.hex()}:{frame.row}:{frame.leaf}"
        receipt = self._sender.execute(call, key=key)
        [answered] = self._sampling.events_in(SampleAnswered, receipt.logs)
        return settlement_of(receipt, answered.amount)
