"""What a run needs on chain before it begins, granted by the owner: each within the intent.

  account     the agent's ERC-6551 account, made when it is not there yet
  memory      its key-value stream; the session key may write it until the deadline, if it remembers
  session     the key signs run logs and messages for the account until the deadline; it may call
              nothing and spend nothing by itself
  money       of the account, at most the budget, in its bucket at the provider, if the plan thinks
  delegation  the key signs vouchers for the account, at most the budget, until the deadline

A renter pays from his own account, with a delegation of the same form. Every step looks first, so a
repeated command sends what is missing and nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from offchain.agents.envelope import message_domain
from offchain.agents.intent import Limits
from offchain.agents.let_key import Letting, missing_money
from offchain.agents.onchain_account import AgentAccountClient
from offchain.agents.sessions import Grant as SessionGrant
from offchain.apps.network import Network
from offchain.chain.event_ranges import events_between
from offchain.chain.model import TypedCall
from offchain.compute.model import Service
from offchain.compute.onchain_escrow import DelegateSet
from offchain.core.hashing import keccak
from offchain.core.typed_data import domain_of
from offchain.storage.kv.op import Subject
from offchain.storage.kv.roles import Role
from offchain.storage.stream_book import Grant

REMEMBER: Final = "memory.remember"
MEMORY_SALT: Final = keccak(b"apogee.agents.memory.v1")
Send = Callable[[TypedCall, str], object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one run needs. `payer`: the agent's account, or a renter; `spent`: of the budget;
    `thinks`: whether its plan buys thoughts.
    """

    token: int
    account: bytes
    payer: bytes
    key: bytes
    service: Service
    limits: Limits
    spent: int = 0
    thinks: bool = True

    @property
    def remembers(self) -> bool:
        """Whether it may write the memory."""
        return REMEMBER in self.limits.tools

    @property
    def is_own_money(self) -> bool:
        return self.payer == self.account


class Rights:
    """Grants what a run needs; `send` sends as its owner and waits."""

    def __init__(self, network: Network, send: Send) -> None:
        self._network = network
        self._send = send

    def bring(self, wanted: Wanted) -> list[str]:
        """Send what is missing; what was sent. Raises: OverBudget when the account is too poor."""
        sent = []
        for name, call in self._missing(wanted):
            self._send(call, f"agent.rights:{name}:{wanted.token}:{wanted.key.hex()}")
            sent.append(name.partition(":")[0])
        return sent

    def let_speak(self, token: int, key: bytes, until: int) -> list[str]:
        """A session that signs messages until then, calls nothing and spends nothing; what was
        sent.
        """
        view, network = self.account(token), self._network
        sent = []
        if not view.is_created(at=network.node.block().hash):
            self._send(view.create(network.agents.address, token), f"agent.rights:account:{token}")
            sent.append("account")
        if not view.session(key, at=network.node.block().hash).is_live:
            domains = (message_domain(network.chain_id, bytes(view.address)),)
            grant = SessionGrant(valid_from=0, valid_until=until, calls=0, domains=domains)
            self._send(view.grant(key, grant), f"agent.speak:{token}:{key.hex()}")
            sent.append("session")
        return sent

    def take_back(self, token: int) -> list[str]:
        """End what keys may do for an agent: all sessions, and who signs vouchers for its account.

        A paused account makes no calls: it goes on for the owner's own, when no session lives.
        """
        network, view = self._network, self.account(token)
        at = network.node.block().hash
        if not view.is_created(at=at):
            return []
        name = f"agent.kill:{token}:{view.state(at=at)}"
        self._send(view.end_sessions(), name)
        keys, is_paused = self._signing(view), view.is_paused(at=at)
        if keys and is_paused:
            self._send(view.set_paused(False), f"{name}:on")
        for key in keys:
            self._send(view.execute(network.escrow.revoke_delegate(key)), f"{name}:{key.hex()}")
        if keys and is_paused:
            self._send(view.set_paused(True), f"{name}:off")
        return ["sessions", *(["delegations"] if keys else [])]

    def account(self, token: int) -> AgentAccountClient:
        """The agent's account, made or not."""
        network = self._network
        implementation = AgentAccountClient(network.deployments, network.node)
        return implementation.of(network.agents.address, token)

    def memory(self, token: int) -> bytes:
        """The agent's stream."""
        return self.account(token).memory(at=self._network.node.block().hash)

    def _signing(self, view: AgentAccountClient) -> list[bytes]:
        """Keys whose vouchers count for an account now."""
        network, head = self._network, self._network.node.block()
        span = (network.deployments.first_block(), head.number)
        payer = {"payer": view.address}
        found = events_between(network.node, network.escrow, DelegateSet, span, payer)
        keys = dict.fromkeys(bytes(one.key) for one in found)
        epoch, _ = view.voucher_epoch(at=head.hash)
        known = {key: network.escrow.delegation(view.address, key, at=head.hash) for key in keys}
        return [
            key
            for key, one in known.items()
            if not one.is_revoked and one.expiry > head.timestamp and one.epoch == epoch
        ]

    def _missing(self, wanted: Wanted) -> Iterator[tuple[str, TypedCall]]:
        """Steps in order; each is asked for when those before it are done."""
        view = self.account(wanted.token)
        if wanted.is_own_money:
            yield from self._session_of(view, wanted)
        if wanted.thinks:
            yield from self._money(view, wanted)

    def _session_of(
        self, view: AgentAccountClient, wanted: Wanted
    ) -> Iterator[tuple[str, TypedCall]]:
        """What only an owner can give."""
        network = self._network
        if not view.is_created(at=network.node.block().hash):
            yield "account", view.create(network.agents.address, wanted.token)
        if wanted.remembers:
            yield from self._memory(view, wanted)
        if not view.session(wanted.key, at=network.node.block().hash).is_live:
            yield "session", view.grant(wanted.key, self._session(wanted))

    def _memory(self, view: AgentAccountClient, wanted: Wanted) -> Iterator[tuple[str, TypedCall]]:
        network = self._network
        stream = view.memory(at=network.node.block().hash)
        if not any(network.streams.stream(stream, at=network.node.block().hash).owner):
            yield "memory", view.execute(network.streams.create(MEMORY_SALT))
        subject = Subject.account(wanted.key)
        grant = Grant(Role.WRITER, subject, expiry=wanted.limits.deadline)
        yield "memory_right", view.execute(network.streams.grant(stream, grant))

    def _session(self, wanted: Wanted) -> SessionGrant:
        chain_id, account = self._network.chain_id, wanted.account
        runtime = domain_of("Apogee Agent Runtime", "1", chain_id=chain_id, contract=account)
        return SessionGrant(
            valid_from=0,
            valid_until=wanted.limits.deadline,
            calls=0,
            caps=(),
            targets=(),
            domains=(message_domain(chain_id, account), runtime),
        )

    def _money(self, view: AgentAccountClient, wanted: Wanted) -> Iterator[tuple[str, TypedCall]]:
        one = Letting(wanted.payer, wanted.key, wanted.service, wanted.limits, wanted.spent)
        for name, call in missing_money(self._network.node, self._network.escrow, one):
            yield name, view.execute(call) if wanted.is_own_money else call
