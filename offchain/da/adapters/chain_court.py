"""SlashingCourt as a place to bring evidence; each step is one transaction under its own key."""

from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.hashing import keccak
from offchain.da.adapters.chain_till import settlement_of
from offchain.da.onchain_challenges import DAChallengesClient
from offchain.da.ports import Settlement
from offchain.staking.onchain import SlashingCourtClient


class ChainCourt:
    """A `Court`; the sender is the reporter."""

    def __init__(
        self,
        reader: ChainReader,
        court: SlashingCourtClient,
        challenges: DAChallengesClient,
        sender: TransactionSender,
    ) -> None:
        self._reader = reader
        self._court = court
        self._challenges = challenges
        self._sender = sender

    def committed_block(self, commitment: bytes) -> int | None:
        block = self._court.commitments(commitment, at=self._reader.block().hash)
        return block or None

    def commit(self, commitment: bytes) -> Settlement:
        call = self._court.commit(commitment)
        key = f"court.commit:{commitment.hex()}"
        return settlement_of(self._sender.execute(call, key=key))

    def report(self, offence: int, evidence: bytes, salt: bytes) -> tuple[bytes, Settlement]:
        at = self._reader.block().hash
        finding = self._challenges.adjudicate(offence, evidence, at=at)
        offence_id = self._court.offence_id_of(offence, finding.pool, finding.subject, at=at)
        call = self._court.report(offence, evidence, salt)
        key = f"court.report:{offence_id.hex()}:{keccak(evidence, salt)[:8].hex()}"
        receipt = self._sender.execute(call, key=key)
        return offence_id, settlement_of(receipt)
