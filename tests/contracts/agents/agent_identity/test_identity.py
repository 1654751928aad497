"""Agents as tools of ERC-8004 find them: every token of the collection, its account as wallet."""

import boa
import pytest

from offchain.chain.contract_abi import artifact
from offchain.core.hashing import keccak
from tests.support.agent_registries import RegistrySite
from tests.support.agents import agents_contract
from tests.support.refusal import Refused
from tests.support.staking import a_wallet

# Signatures of erc-8004/erc-8004-contracts @b9e466c, abis/*.json (the ERC is CC0).
FUNCTIONS = {
    "AgentIdentity": (
        "register()",
        "register(string)",
        "register(string,(string,bytes)[])",
        "setAgentURI(uint256,string)",
        "setMetadata(uint256,string,bytes)",
        "getMetadata(uint256,string)",
        "getAgentWallet(uint256)",
        "isAuthorizedOrOwner(address,uint256)",
        "ownerOf(uint256)",
        "balanceOf(address)",
        "getApproved(uint256)",
        "isApprovedForAll(address,address)",
        "tokenURI(uint256)",
        "name()",
        "symbol()",
    ),
    "AgentReputation": (
        "giveFeedback(uint256,int128,uint8,string,string,string,string,bytes32)",
        "revokeFeedback(uint256,uint64)",
        "appendResponse(uint256,address,uint64,string,bytes32)",
        "getSummary(uint256,address[],string,string)",
        "readFeedback(uint256,address,uint64)",
        "readAllFeedback(uint256,address[],string,string,bool)",
        "getResponseCount(uint256,address,uint64,address[])",
        "getClients(uint256)",
        "getLastIndex(uint256,address)",
        "getIdentityRegistry()",
    ),
    "AgentValidation": (
        "validationRequest(address,uint256,string,bytes32)",
        "validationResponse(bytes32,uint8,string,bytes32,string)",
        "getValidationStatus(bytes32)",
        "getSummary(uint256,address[],string)",
        "getAgentValidations(uint256)",
        "getValidatorRequests(address)",
        "getIdentityRegistry()",
    ),
}
EVENTS = {
    "AgentIdentity": {
        "Registered": "Registered(uint256,string,address)",
        "MetadataSet": "MetadataSet(uint256,string,string,bytes)",
        "URIUpdated": "URIUpdated(uint256,string,address)",
    },
    "AgentReputation": {
        "NewFeedback": "NewFeedback(uint256,address,uint64,int128,uint8,string,string,string,"
        "string,string,bytes32)",
        "FeedbackRevoked": "FeedbackRevoked(uint256,address,uint64)",
        "ResponseAppended": "ResponseAppended(uint256,address,uint64,address,string,bytes32)",
    },
    "AgentValidation": {
        "ValidationRequest": "ValidationRequest(address,uint256,string,bytes32)",
        "ValidationResponse": "ValidationResponse(address,uint256,bytes32,uint8,string,bytes32,"
        "string)",
    },
}


@pytest.mark.parametrize("contract", FUNCTIONS)
def test_shape__functions_and_events__are_the_ercs(contract: str) -> None:
    abi = artifact(contract).abi
    for signature in FUNCTIONS[contract]:
        name, _, inputs = signature.partition("(")
        count = _inputs("(" + inputs)
        assert abi.function(name, count).selector == keccak(signature.encode())[:4], signature
    for name, signature in EVENTS[contract].items():
        assert abi.event(name).topic == keccak(signature.encode()), signature


def _inputs(listed: str) -> int:
    """How many inputs a signature's list has; a tuple is one."""
    depth, count = 0, 0
    for letter in listed:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        count += letter == "," and depth == 1
    return 0 if listed == "()" else count + 1


def test_register__all_three_ways__a_token_and_what_was_said(
    site: RegistrySite, client: str
) -> None:
    identity = site.identity
    plain = identity.register(sender=client)
    with_card = identity.register("ipfs://card", sender=client)
    whole = identity.register("ipfs://whole", [("key", b"word")], sender=client)

    assert [plain, with_card, whole] == [site.agent + 1, site.agent + 2, site.agent + 3]
    assert site.nft.ownerOf(whole) == identity.ownerOf(whole) == client
    assert identity.balanceOf(client) == 3
    assert identity.tokenURI(plain) == site.nft.tokenURI(plain)
    assert identity.tokenURI(with_card) == "ipfs://card"
    assert identity.getMetadata(whole, "key") == b"word"
    assert (identity.name(), identity.symbol()) == (site.nft.name(), site.nft.symbol())


def test_wallet__of_any_agent__is_its_account_and_goes_with_the_token(
    site: RegistrySite, client: str, refused: Refused
) -> None:
    identity, agent = site.identity, site.agent
    account = site.nft.account_of(agent)
    assert identity.getAgentWallet(agent) == account
    assert identity.getMetadata(agent, "agentWallet") == bytes.fromhex(account[2:])

    with refused("agent_identity: reserved key"):
        identity.setMetadata(agent, "agentWallet", b"\1" * 20, sender=site.owner)
    with refused("agent_identity: reserved key"):
        identity.register("", [("agentWallet", b"\1" * 20)], sender=client)
    site.nft.transferFrom(site.owner, client, agent, sender=site.owner)
    assert identity.getAgentWallet(agent) == account


def test_settings__owner_and_approved__nobody_else_and_not_after_a_sale(
    site: RegistrySite, client: str, refused: Refused
) -> None:
    identity, agent, helper = site.identity, site.agent, a_wallet("helper")
    for stranger in (client, helper):
        with refused("agent_identity: not entitled"):
            identity.setAgentURI(agent, "ipfs://other", sender=stranger)
        with refused("agent_identity: not entitled"):
            identity.setMetadata(agent, "key", b"x", sender=stranger)
    site.nft.approve(helper, agent, sender=site.owner)
    identity.setAgentURI(agent, "ipfs://other", sender=helper)
    identity.setMetadata(agent, "key", b"x", sender=site.owner)
    assert identity.getApproved(agent) == helper
    assert identity.isAuthorizedOrOwner(helper, agent)

    site.nft.transferFrom(site.owner, client, agent, sender=site.owner)

    for former in (helper, site.owner):
        with refused("agent_identity: not entitled"):
            identity.setAgentURI(agent, "ipfs://mine", sender=former)
    identity.setAgentURI(agent, "ipfs://new", sender=client)
    site.nft.setApprovalForAll(helper, True, sender=client)
    assert identity.isApprovedForAll(client, helper)
    identity.setMetadata(agent, "key", b"y", sender=helper)
    assert identity.getMetadata(agent, "key") == b"y"


def test_deployment__collection_that_is_none__refused(client: str) -> None:
    with boa.reverts("agent_identity: no contract"):
        agents_contract("AgentIdentity").deploy(client)
