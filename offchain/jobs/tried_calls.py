"""Jobs that are one call each: due when a contract accepts the call at the block looked at.

Trying is free, so nothing is kept here: what another did meanwhile is refused, and told as done.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from offchain.chain.due import execute_due, is_accepted
from offchain.chain.model import Address, Block, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Conflict, Rejected
from offchain.jobs.model import Handler, Handlers, Job, JobKind, Outcome

Sending = Callable[[Callable[[TransactionSender], Outcome]], Outcome]
Maker = Callable[[str, Block], TypedCall | None]


@dataclass(frozen=True, slots=True)
class TriedCalls:
    """The calls of a domain by kind. `prefix`: of their keys in the outbox; `sender_address`: the
    worker's account.
    """

    prefix: str
    node: ChainReader
    sender_address: Address
    sending: Sending
    makers: Mapping[JobKind, Maker]

    def handlers(self) -> Handlers:
        """One a kind."""
        return {kind: self._handler(kind) for kind in self.makers}

    def due(self, kind: JobKind, subject: str, block: Block) -> Iterator[Job]:
        """The job, if its call is accepted at this block."""
        call = self.makers[kind](subject, block)
        if call is not None and self._is_accepted(call, block):
            yield Job(kind, subject)

    def do(self, kind: JobKind, subject: str, sender: TransactionSender) -> Outcome:
        """Send what is due, unless the contract refuses it by now."""
        block = self.node.block()
        call = self.makers[kind](subject, block)
        if call is None or not self._is_accepted(call, block):
            return Outcome.NOT_DUE
        try:
            execute_due(sender, call, key=f"{self.prefix}.{kind}:{subject}:{block.number}")
        except (Conflict, Rejected):
            if self._is_accepted(call, self.node.block()):
                raise
            return Outcome.ALREADY
        return Outcome.DONE

    def _handler(self, kind: JobKind) -> Handler:
        return lambda subject: self.sending(lambda sender: self.do(kind, subject, sender))

    def _is_accepted(self, call: TypedCall, block: Block) -> bool:
        return is_accepted(self.node, call, self.sender_address, block.hash)
