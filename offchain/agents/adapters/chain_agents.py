"""Agents on a chain: whose they are, whether their sessions live, and who may speak for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from offchain.agents.run_log import RunLog
from offchain.agents.runtime_errors import NotAllowedToRun
from offchain.agents.standing import Standing
from offchain.chain.errors import AnswerMalformed
from offchain.chain.model import Address, BlockRef
from offchain.chain.ports import ChainReader
from offchain.compute.ports import Delegate
from offchain.core.errors import Rejected


class SessionView(Protocol):
    """A session as the account tells it."""

    @property
    def epoch(self) -> int: ...

    @property
    def valid_until(self) -> int: ...

    @property
    def is_live(self) -> bool: ...


class AccountView(Protocol):
    """One agent's account."""

    def session(self, key: bytes, *, at: BlockRef) -> SessionView: ...

    def is_paused(self, *, at: BlockRef) -> bool: ...

    def may_sign(self, key: bytes, domain: bytes, *, at: BlockRef) -> bool: ...

    def owner(self, *, at: BlockRef) -> bytes: ...


class TokenView(Protocol):
    """The collection."""

    def owner_of(self, token: int, *, at: BlockRef) -> bytes: ...

    def authorized_users_of(self, token: int, *, at: BlockRef) -> Sequence[bytes]: ...

    def epoch_of(self, token: int, *, at: BlockRef) -> tuple[int, int]: ...

    def is_locked(self, token: int, *, at: BlockRef) -> bool: ...

    def account_of(self, token: int, *, at: BlockRef) -> bytes: ...


class Delegations(Protocol):
    """Who signs vouchers for whom."""

    def delegate(self, payer: bytes, key: bytes, *, at: BlockRef) -> Delegate | None: ...


@dataclass(frozen=True, slots=True)
class ChainAgents:
    """An `AgentLedger` and a `PeerRights`; reads of one block are one moment."""

    reader: ChainReader
    tokens: TokenView
    account_at: Callable[[bytes], AccountView]
    escrow: Delegations

    def standing(self, token: int, session: bytes | None = None) -> Standing:
        """Raises: NotAllowedToRun for a token that does not exist, Unavailable."""
        head, tokens = self.reader.block(), self.tokens
        at = head.hash
        try:
            owner = tokens.owner_of(token, at=at)
        except Rejected as error:
            raise NotAllowedToRun(token=token, reason="there is no such agent") from error
        account = tokens.account_of(token, at=at)
        has_code = bool(self.reader.code(Address(account), at=at))
        view = self.account_at(account)
        is_live = session is None or (has_code and view.session(session, at=at).is_live)
        return Standing(
            block=head.number,
            now=head.timestamp,
            owner=owner,
            users=frozenset(tokens.authorized_users_of(token, at=at)),
            epoch=tokens.epoch_of(token, at=at)[0],
            is_locked=tokens.is_locked(token, at=at),
            account=account,
            is_paused=has_code and view.is_paused(at=at),
            is_session_live=is_live,
        )

    def may_sign(self, account: bytes, key: bytes, domain: bytes) -> bool:
        """Whether a key speaks for an account now; a wallet's own key speaks for the wallet."""
        if key == account:
            return True
        at = self.reader.block().hash
        if not self.reader.code(Address(account), at=at):
            return False
        view = self.account_at(account)
        try:
            return view.may_sign(key, domain, at=at) or view.owner(at=at) == key
        except (Rejected, AnswerMalformed):
            return False  # a contract of another kind

    def is_session(self, log: RunLog) -> bool:
        """Whether a log's key was given a session in its epoch, or vouchers by its payer."""
        at = self.reader.block().hash
        if self.tokens.account_of(log.token, at=at) != log.account:
            return False
        if self.escrow.delegate(log.payer, log.key, at=at) is not None:
            return True
        found = self.account_at(log.account).session(log.key, at=at)
        return found.valid_until > 0 and found.epoch == log.epoch
