"""An agent's card with its proof: which token it is, and a signature by who may speak for it.

  Card(uint256 token,uint64 epoch,bytes32 card)     EIP-712, the domain of the agent's messages

`card` is keccak of the card's JSON (RFC 8785) without the signature, so name, skills and URL are
signed for; a sale ends the epoch, and with it every card of the seller.
Source: docs/protocol/agents.md#serving.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import rfc8785
from a2a.types import AgentCard, AgentExtension

from offchain.agents.adapters.a2a_face import EXTENSION
from offchain.agents.envelope import PeerRights, Speaker, message_domain
from offchain.agents.runtime_errors import CardWrong
from offchain.agents.standing import AgentLedger
from offchain.core.ecdsa import signer_of
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import typed_digest

CARD_TYPE: Final = keccak(b"Card(uint256 token,uint64 epoch,bytes32 card)")
MAX_TOKEN: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says of its agent on chain."""

    chain_id: int
    collection: bytes
    token: int
    epoch: int
    account: bytes
    service: bytes = b""  # what is bought with vouchers; empty: nothing

    def as_json(self) -> dict[str, object]:
        return {
            "chain": self.chain_id,
            "collection": "0x" + self.collection.hex(),
            "token": self.token,
            "epoch": self.epoch,
            "account": "0x" + self.account.hex(),
            **({"service": "0x" + self.service.hex()} if self.service else {}),
        }


class CardLedger(AgentLedger, PeerRights, Protocol):
    """What a chain says of an agent and of keys that speak for it."""


def signed_card(card: AgentCard, facts: CardFacts, speaker: Speaker) -> AgentCard:
    """The card with its facts and the speaker's signature."""
    told = _with_params(card, facts.as_json())
    domain = message_domain(facts.chain_id, facts.account)
    signature = speaker.signer.sign_digest(_digest(told, facts, domain))
    return _with_params(card, {**facts.as_json(), "signature": "0x" + signature.hex()})


async def check_card(card: AgentCard, here: tuple[int, bytes], ledger: CardLedger) -> CardFacts:
    """What the card says, once it holds now. Raises: CardWrong, NotAllowedToRun, Unavailable.

    `here`: chain and collection that are meant.
    """
    facts, signature = _read(card)
    if (facts.chain_id, facts.collection) != here:
        raise CardWrong(field="chain", chain=facts.chain_id)
    standing = await asyncio.to_thread(ledger.standing, facts.token)
    if facts.account != standing.account:
        raise CardWrong(field="account", token=facts.token)
    if facts.epoch != standing.epoch:
        raise CardWrong(field="epoch", said=facts.epoch, now=standing.epoch, token=facts.token)
    domain = message_domain(facts.chain_id, facts.account)
    told = _with_params(card, facts.as_json())
    key = signer_of(_digest(told, facts, domain), signature)
    if key is None or not await asyncio.to_thread(ledger.may_sign, facts.account, key, domain):
        raise CardWrong(field="signature", token=facts.token)
    return facts


def _digest(card: AgentCard, facts: CardFacts, domain: bytes) -> Digest:
    shown = card.model_dump(mode="json", by_alias=True, exclude_none=True)
    return typed_digest(domain, CARD_TYPE, facts.token, facts.epoch, keccak(rfc8785.dumps(shown)))


def _with_params(card: AgentCard, params: dict[str, object]) -> AgentCard:
    found = card.capabilities.extensions or []
    extensions = [
        one.model_copy(update={"params": params}) if one.uri == EXTENSION else one for one in found
    ]
    capabilities = card.capabilities.model_copy(update={"extensions": extensions})
    return card.model_copy(update={"capabilities": capabilities})


def _extension(card: AgentCard) -> AgentExtension:
    for one in card.capabilities.extensions or []:
        if one.uri == EXTENSION and one.required:
            return one
    raise CardWrong(field="extension", reason="it takes unsigned messages")


def _read(card: AgentCard) -> tuple[CardFacts, bytes]:
    params = _extension(card).params or {}
    numbers = [params.get(name) for name in ("chain", "token", "epoch")]
    if any(type(one) is not int or not 0 <= one < MAX_TOKEN for one in numbers):
        raise CardWrong(field="params")
    chain, token, epoch = (int(one or 0) for one in numbers)
    collection, account = _raw(params, "collection", 20), _raw(params, "account", 20)
    service = _raw(params, "service", 32) if "service" in params else b""
    facts = CardFacts(chain, collection, token, epoch, account, service)
    return facts, _raw(params, "signature", 65)


def _raw(params: dict[str, object], name: str, length: int) -> bytes:
    try:
        raw = bytes.fromhex(str(params.get(name, "")).removeprefix("0x"))
    except ValueError as error:
        raise CardWrong(field=name) from error
    if len(raw) != length:
        raise CardWrong(field=name)
    return raw
