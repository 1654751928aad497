"""What the refusals of AgentAccount mean: revert reasons and their errors.

A call of the account that another contract refuses carries that contract's own reason.
Source: docs/protocol/agents.md#account.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, Rejected, Unavailable


class AccountNotYours(Rejected):
    """Neither the token's owner nor, for what a session may do, a live session."""

    code = "agents.account.not_yours"
    next_step = "Ask the owner of the token for a session, or make a new one after a sale."


class AccountLocked(Conflict):
    """The token is being sold: its wallet stands still until it is settled or lapses."""

    code = "agents.account.locked"
    next_step = "Wait until the sale is settled or its lock is over."


class AccountPaused(Conflict):
    """The owner has paused the account."""

    code = "agents.account.paused"
    next_step = "The owner calls set_paused(false); return_funds works meanwhile."


class SessionRefused(Rejected):
    """The session does not list this call."""

    code = "agents.session.refused"


class SessionSpent(Rejected):
    """The session has no such money, or no calls, left."""

    code = "agents.session.spent"
    next_step = "Wait for the next day of UTC, or have the owner grant more."


class SessionTermsInvalid(InvalidInput):
    """No session can be like this."""

    code = "agents.session.terms_invalid"


class AccountCallInvalid(InvalidInput):
    """The account cannot be called like this."""

    code = "agents.account.call_invalid"


class AccountUnpaid(Unavailable):
    """The owner or the token refuses what is returned."""

    code = "agents.account.unpaid"


ACCOUNT: Final[Mapping[str, type[ApogeeError]]] = {
    "agent_account: not the owner": AccountNotYours,
    "bound_token: another chain": AccountNotYours,
    "sessions: not live": AccountNotYours,
    "sessions: none": AccountNotYours,
    "agent_account: token is locked": AccountLocked,
    "agent_account: paused": AccountPaused,
    "agent_account: nothing new": AccountPaused,
    "sessions: not allowed": SessionRefused,
    "sessions: no calls left": SessionSpent,
    "sessions: no cap": SessionSpent,
    "sessions: over the cap": SessionSpent,
    "sessions: over the day's cap": SessionSpent,
    "sessions: over already": SessionTermsInvalid,
    "sessions: too long": SessionTermsInvalid,
    "sessions: empty cap": SessionTermsInvalid,
    "sessions: two caps": SessionTermsInvalid,
    "sessions: no domain": SessionTermsInvalid,
    "sessions: no selectors": SessionTermsInvalid,
    "sessions: target twice": SessionTermsInvalid,
    "sessions: owner's alone": SessionTermsInvalid,
    "agent_account: not a target": SessionTermsInvalid,
    "agent_account: no key": SessionTermsInvalid,
    "agent_account: only calls": AccountCallInvalid,
    "agent_account: not itself": AccountCallInvalid,
    "agent_account: no such function": AccountCallInvalid,
    "agent_account: own token": AccountCallInvalid,
    "memory_stream: no contract": AccountCallInvalid,
    "agent_account: owner refused": AccountUnpaid,
    "agent_account: token refused": AccountUnpaid,
}
