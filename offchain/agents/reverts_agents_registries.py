"""What the refusals of the ERC-8004 registries mean: revert reasons and their errors.

Source: docs/protocol/agents.md#registries.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, NotFound, Rejected


class RegistryNotEntitled(Rejected):
    """The call belongs to the agent's owner, to whom he approved, or to whom he asked."""

    code = "agents.registry.not_entitled"


class FeedbackOfOwnPeople(Rejected):
    """An agent's owner, whom he approved and its account say nothing about it."""

    code = "agents.registry.own_feedback"


class FeedbackInvalid(InvalidInput):
    """No word can be like this."""

    code = "agents.registry.feedback_invalid"


class FeedbackUnknown(NotFound):
    """No such word was said, or nothing was asked."""

    code = "agents.registry.unknown"


class RegistryKnown(Conflict):
    """It was said, revoked, asked or counted already."""

    code = "agents.registry.known"


class WorkNotProven(Rejected):
    """What is shown is no released item that this client paid to this agent."""

    code = "agents.registry.work_not_proven"


class RegistryPartsWrong(InvalidInput):
    """The registry cannot be deployed with these parts."""

    code = "agents.registry.parts_wrong"


IDENTITY: Final[Mapping[str, type[ApogeeError]]] = {
    "agent_identity: no contract": RegistryPartsWrong,
    "agent_identity: not entitled": RegistryNotEntitled,
    "agent_identity: reserved key": FeedbackInvalid,
}
REPUTATION: Final[Mapping[str, type[ApogeeError]]] = {
    "agent_reputation: no contract": RegistryPartsWrong,
    "earned_weight: no contract": RegistryPartsWrong,
    "earned_weight: cap out of range": RegistryPartsWrong,
    "agent_reputation: its own": FeedbackOfOwnPeople,
    "agent_reputation: not entitled": RegistryNotEntitled,
    "agent_reputation: not its service": RegistryNotEntitled,
    "agent_reputation: named already": RegistryKnown,
    "agent_reputation: no response": FeedbackInvalid,
    "feedback_book: too many decimals": FeedbackInvalid,
    "feedback_book: score too large": FeedbackInvalid,
    "feedback_book: too many of yours": FeedbackInvalid,
    "feedback_book: name clients": FeedbackInvalid,
    "feedback_book: no such word": FeedbackUnknown,
    "feedback_book: revoked already": RegistryKnown,
    "agent_reputation: another's work": WorkNotProven,
    "earned_weight: not released": WorkNotProven,
    "earned_weight: another payer": WorkNotProven,
    "earned_weight: counted already": RegistryKnown,
    "earned_weight: nothing to gain": WorkNotProven,
    "earned_weight: not in the batch": WorkNotProven,
}
VALIDATION: Final[Mapping[str, type[ApogeeError]]] = {
    "agent_validation: no contract": RegistryPartsWrong,
    "agent_validation: no validator": FeedbackInvalid,
    "agent_validation: above 100": FeedbackInvalid,
    "agent_validation: too many": FeedbackInvalid,
    "agent_validation: asked already": RegistryKnown,
    "agent_validation: not asked": FeedbackUnknown,
    "agent_validation: not entitled": RegistryNotEntitled,
    "agent_validation: not the validator": RegistryNotEntitled,
}
