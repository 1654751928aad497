"""What can go wrong between Apogee and a chain, each with its stable code.

Rejected
  ContractReverted     chain.reverted              a contract said no; contract, function, reason
  WellKnownKey         chain.key.well_known        everybody has this key and the chain is no devnet
  TransactionRefused   chain.transaction.refused   the node will never take this transaction
NotFound
  BlockUnknown         chain.block.unknown         no such block, or it left the chain
InvalidInput
  TooManyResults       chain.logs.too_many         the node wants a shorter range
  ArgumentInvalid      chain.abi.argument          a value does not fit its ABI type
  AddressInvalid       chain.address.invalid       these are no 20 bytes
Conflict
  InsufficientFunds    chain.funds.insufficient    the account cannot pay value plus gas
  NonceTaken           chain.nonce.taken           another transaction of the account has this nonce
  FeeTooLow            chain.fee.too_low           under the base fee, or under the one it replaces
  OutboxBusy           chain.outbox.busy           another process sends for this account
  OutboxForeign        chain.outbox.foreign        the outbox belongs to another chain
  KeyReused            chain.outbox.key_reused     one idempotency key, two different effects
  KeyMissing           chain.key.missing           no key file, or the wrong passphrase
  NotDeployed          chain.deployment.missing    this network has no such contract
Unavailable
  NodeUnreachable      chain.node.unreachable      no answer, or not in time
  NodeOverloaded       chain.node.overloaded       the node asks to be left alone for a while
  OutboxUnwritable     chain.outbox.unwritable     the file cannot be written; nothing was sent
  NotMinedYet          chain.transaction.pending   sent, not (deep enough) in the chain yet
Corrupt
  AnswerMalformed      chain.node.malformed        the answer is not what the method returns
  DeploymentMismatch   chain.deployment.mismatch   file and chain disagree
  ReorgTooDeep         chain.events.reorg_too_deep the chain left what the cursor remembers
  OutboxCorrupt        chain.outbox.corrupt        the file contradicts itself
  SettledLost          chain.transaction.lost      a settled transaction left the chain
  CursorBroken         chain.events.cursor         the cursor's file cannot be read or written

Source: docs/decisions/0004-transaction-outbox.md.
"""

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable


class ContractReverted(Rejected):
    """A contract refused the call."""

    code = "chain.reverted"

    def __init__(self, message: str = "", *, contract: str, function: str, reason: str) -> None:
        super().__init__(message, contract=contract, function=function, reason=reason)
        self.contract = contract
        self.function = function
        self.reason = reason


class CallReverted(Rejected):
    """The EVM reverted; whoever knows the contract turns this into a typed error."""

    code = "chain.call_reverted"

    def __init__(self, payload: bytes, node_message: str, *, index: int = 0) -> None:
        super().__init__(payload="0x" + payload.hex(), node_message=node_message)
        self.payload = payload
        self.node_message = node_message
        self.index = index


class WellKnownKey(Rejected):
    """Everybody has this key; on a public network its money is gone at once."""

    code = "chain.key.well_known"
    next_step = "Use a key of your own; the test mnemonic is for devnets."


class TransactionRefused(Rejected):
    """The node will never take this transaction."""

    code = "chain.transaction.refused"


class BlockUnknown(NotFound):
    """The chain has no such block (any more)."""

    code = "chain.block.unknown"
    next_step = "Read the newest block again; a reorganisation may have dropped this one."


class TooManyResults(InvalidInput):
    """The node answers fewer logs at once."""

    code = "chain.logs.too_many"
    next_step = "Ask for a shorter range of blocks."


class ArgumentInvalid(InvalidInput):
    """A value does not fit the contract's type."""

    code = "chain.abi.argument"


class AddressInvalid(InvalidInput):
    """An address has 20 bytes; with mixed case its checksum must hold (EIP-55)."""

    code = "chain.address.invalid"


class InsufficientFunds(Conflict):
    """The account cannot pay value plus gas."""

    code = "chain.funds.insufficient"
    next_step = "Send coins to the account named in the message."


class NonceTaken(Conflict):
    """Another transaction of this account has this nonce."""

    code = "chain.nonce.taken"


class FeeTooLow(Conflict):
    """The offered fee is under the base fee or under the transaction it would replace."""

    code = "chain.fee.too_low"


class OutboxBusy(Conflict):
    """Another process sends for this account through this outbox."""

    code = "chain.outbox.busy"
    next_step = "Stop the other process, or let one process send for the account."


class OutboxForeign(Conflict):
    """The outbox was written for another chain."""

    code = "chain.outbox.foreign"
    next_step = "Use one outbox a chain; after wiping a devnet remove its outbox too."


class KeyReused(Conflict):
    """The idempotency key already stands for another effect."""

    code = "chain.outbox.key_reused"


class KeyMissing(Conflict):
    """The key file is absent or the passphrase does not open it."""

    code = "chain.key.missing"


class NotDeployed(Conflict):
    """The network has no such contract."""

    code = "chain.deployment.missing"
    next_step = "Deploy first: `ape run deploy --network ...` or `apogee up`."


class NodeUnreachable(Unavailable):
    """The node does not answer."""

    code = "chain.node.unreachable"


class NodeOverloaded(Unavailable):
    """The node asks for a pause."""

    code = "chain.node.overloaded"


class NotMinedYet(Unavailable):
    """The transaction is not deep enough in the chain yet; it stays in the outbox."""

    code = "chain.transaction.pending"
    next_step = "Wait for it again; the outbox keeps it until it is mined."


class OutboxUnwritable(Unavailable):
    """The outbox file cannot be opened or written; nothing was sent."""

    code = "chain.outbox.unwritable"
    next_step = "Free space on the disk, or give this user the right to write the file."


class AnswerMalformed(Corrupt):
    """The node's answer is not what this method returns."""

    code = "chain.node.malformed"
    next_step = "Check that the address is an Ethereum JSON-RPC endpoint."


class DeploymentMismatch(Corrupt):
    """The deployment file and the chain disagree."""

    code = "chain.deployment.mismatch"
    next_step = "Point to the right network, or deploy again."


class ReorgTooDeep(Corrupt):
    """The chain left more blocks than the cursor remembers."""

    code = "chain.events.reorg_too_deep"
    next_step = (
        "Rebuild what was derived from events: remove the cursor and start from the deployment."
    )


class OutboxCorrupt(Corrupt):
    """The outbox contradicts itself."""

    code = "chain.outbox.corrupt"
    next_step = "Restore the file; never edit it by hand."


class SettledLost(Corrupt):
    """A transaction that was taken as settled left the chain."""

    code = "chain.transaction.lost"
    next_step = (
        "The chain went back further than `finality_blocks`. Jobs are found again by themselves; "
        "repeat any other command: it looks at the chain and sends what is missing."
    )


class CursorBroken(Corrupt):
    """The cursor's file cannot be read or written."""

    code = "chain.events.cursor"
    next_step = "Check disk and rights; a removed cursor is rebuilt from the deployment's block."
