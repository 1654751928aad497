"""Who has left by the contracts' word: no member of DASigners any more, or no stake behind it."""

from collections.abc import Sequence
from typing import Final

from offchain.chain.ports import ChainReader
from offchain.core.units import BlockNumber
from offchain.da.onchain import DASignersClient
from offchain.staking.onchain import StakeManagerClient

DA: Final = 1  # the service's number in a pool's id
SERVICE_BITS: Final = 8


class ChainDepartures:
    """A `Departures` over DASigners and StakeManager."""

    def __init__(
        self, reader: ChainReader, signers: DASignersClient, stake: StakeManagerClient
    ) -> None:
        self._reader = reader
        self._signers = signers
        self._stake = stake

    def gone(self, operators: Sequence[int], *, at: int) -> frozenset[int]:
        block = self._reader.block(BlockNumber(at)).hash
        return frozenset(
            operator
            for operator in operators
            if not self._signers.is_member(operator, at=block)
            or not self._stake.is_member(operator << SERVICE_BITS | DA, at=block)
        )
