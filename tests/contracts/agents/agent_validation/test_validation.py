"""Validators answer what an agent's owner asked them, and nobody else."""

import boa

from offchain.core.hashing import keccak
from tests.support.agent_registries import RegistrySite
from tests.support.agents import agents_contract
from tests.support.refusal import Refused
from tests.support.staking import a_wallet

ASKED = keccak(b"what to look at")
ANSWER = keccak(b"what was found")
NOBODY = "0x" + "00" * 20


def test_validation__asked_and_answered__counts_in_the_mean(
    site: RegistrySite, client: str, other: str
) -> None:
    validation, agent = site.validation, site.agent
    second = keccak(b"another")
    validation.validationRequest(client, agent, "ipfs://work", ASKED, sender=site.owner)
    validation.validationRequest(other, agent, "ipfs://work", second, sender=site.owner)
    assert validation.getSummary(agent, [], "") == (0, 0)

    validation.validationResponse(ASKED, 80, "ipfs://report", ANSWER, "audit", sender=client)
    validation.validationResponse(second, 31, "", ANSWER, "", sender=other)

    assert validation.getSummary(agent, [], "") == (2, 55)
    assert validation.getSummary(agent, [client], "") == (1, 80)
    assert validation.getSummary(agent, [], "audit") == (1, 80)
    status = validation.getValidationStatus(ASKED)
    assert status == (client, agent, 80, ANSWER, "audit", boa.env.timestamp)
    assert validation.getAgentValidations(agent) == [ASKED, second]
    assert validation.getValidatorRequests(client) == [ASKED]
    assert validation.getIdentityRegistry() == site.identity.address
    validation.validationResponse(ASKED, 100, "", ANSWER, "", sender=client)
    assert validation.getSummary(agent, [client], "") == (1, 100)


def test_request__that_cannot_be__refused(
    site: RegistrySite, client: str, refused: Refused
) -> None:
    ask = site.validation.validationRequest
    with refused("agent_validation: no validator"):
        ask(NOBODY, site.agent, "", ASKED, sender=site.owner)
    with refused("agent_validation: not entitled"):
        ask(client, site.agent, "", ASKED, sender=client)
    ask(client, site.agent, "", ASKED, sender=site.owner)
    with refused("agent_validation: asked already"):
        ask(client, site.agent, "", ASKED, sender=site.owner)


def test_request__the_257th__refused(site: RegistrySite, client: str, refused: Refused) -> None:
    for number in range(256):
        asked = keccak(number.to_bytes(2, "big"))
        site.validation.validationRequest(client, site.agent, "", asked, sender=site.owner)

    with refused("agent_validation: too many"):
        site.validation.validationRequest(client, site.agent, "", ASKED, sender=site.owner)


def test_response__that_cannot_be__refused(
    site: RegistrySite, client: str, refused: Refused
) -> None:
    answer = site.validation.validationResponse
    with refused("agent_validation: not asked"):
        answer(ASKED, 1, "", ANSWER, "", sender=client)
    with boa.reverts("agent_validation: not asked"):
        site.validation.getValidationStatus(ASKED)
    site.validation.validationRequest(client, site.agent, "", ASKED, sender=site.owner)
    with refused("agent_validation: not the validator"):
        answer(ASKED, 1, "", ANSWER, "", sender=a_wallet("stranger"))
    with refused("agent_validation: above 100"):
        answer(ASKED, 101, "", ANSWER, "", sender=client)


def test_deployment__identity_that_is_none__refused(client: str) -> None:
    with boa.reverts("agent_validation: no contract"):
        agents_contract("AgentValidation").deploy(client)
