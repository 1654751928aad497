"""Effects that the chain's own state asks for: sent again when a deep reorganisation took them.

A key means one effect. Behind `finality_blocks` a sender forgets how to repeat it, so an effect
lost there is `SettledLost` for ever under its key. Whoever has just read on the chain that the
effect is missing, and whose contract refuses it a second time, may send it under the next key.
"""

from typing import Final, Protocol

from offchain.chain.errors import CallReverted, SettledLost
from offchain.chain.model import Address, BlockHash, Receipt, TypedCall
from offchain.chain.ports import ChainReader

MAX_LOSSES: Final = 16  # of one effect


class Executes(Protocol):
    """A sender, however long it holds its outbox."""

    def execute(
        self, call: TypedCall, *, key: str, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt: ...


def execute_due(sender: Executes, call: TypedCall, *, key: str, confirmations: int = 1) -> Receipt:
    """Send and wait. Raises: as `TransactionSender.execute`."""
    for _ in range(MAX_LOSSES):
        try:
            return sender.execute(call, key=key, confirmations=confirmations)
        except SettledLost as lost:
            key = next_key(key, lost)
    return sender.execute(call, key=key, confirmations=confirmations)


def is_accepted(reader: ChainReader, call: TypedCall, sender: Address, at: BlockHash) -> bool:
    """Whether a contract would take a call of this account at a block; trying is free."""
    try:
        reader.calls([call.call_from(sender)], at=at)
    except CallReverted:
        return False
    return True


def next_key(key: str, lost: SettledLost) -> str:
    """The key after a loss: the same in every process that learns of it."""
    return f"{key}:lost-{lost.fields['block_number']}"
