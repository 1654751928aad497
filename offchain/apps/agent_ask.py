"""`apogee agent ask`: an intent for an agent that somebody hosts, checked before and after."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from offchain.agents.adapters.a2a_ask import Asker, AskParts, Ended, Met, fresh_run
from offchain.agents.adapters.a2a_peer import peer_client
from offchain.agents.adapters.kept_order import KeptOrder
from offchain.agents.ask import Ask, Payee
from offchain.agents.host import Caller
from offchain.agents.intent import Limits
from offchain.agents.let_key import missing_deposit
from offchain.agents.standing import Stop
from offchain.apps.agent_acting import chain_agents, host_of
from offchain.apps.agent_host import HOST_FILE
from offchain.apps.agent_intent import IntentFlags, duration, inputs_of
from offchain.apps.agent_quote import require_agreed
from offchain.apps.agent_rights import Rights, Wanted
from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.compute_clients import chain_escrow, chain_evidence
from offchain.apps.exit_codes import ExitCode
from offchain.apps.files import FileMissing, read_json
from offchain.apps.keystore import Keystore
from offchain.apps.output import say
from offchain.apps.shown_text import shown
from offchain.apps.stake import Actor
from offchain.chain.keys import DEVNET_CHAIN_IDS, LocalSigner
from offchain.compute.adapters.account_file import AccountFiles
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.buy import Buyer
from offchain.compute.model import Service
from offchain.core.errors import InvalidInput, NotFound
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk


class HostUnknown(NotFound):
    """Nobody here knows where the agent is served."""

    code = "agents.host.unknown"
    next_step = "Ask its owner for the URL that `apogee agent serve` printed, and name that."


def ask(one: Actor, target: str, flags: IntentFlags, *, is_agreed: bool) -> int:
    """Ask, pay what it takes within the budget, and check what came of it.

    Raises: HostUnknown, CardWrong, NotAgreed, ToolFailed, RunLogWrong.
    """
    one.fill()
    url, kept = url_of(one, target), order_of(one, target, flags)
    code = _told(one, asyncio.run(_asked(one, url, flags, kept, is_agreed=is_agreed)))
    kept.drop()
    return code


def log(one: Actor, target: str, run: str) -> int:
    """A run's log again, checked. Raises: HostUnknown, CardWrong, ToolFailed, RunLogWrong."""
    return _told(one, asyncio.run(_logged(one, url_of(one, target), run)))


def _told(one: Actor, ended: Ended) -> int:
    for check in ended.checks:
        say(f"ok   {check.name:<10} {check.detail}")
    folder = one.home.root / "agents" / "asked"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ended.log.run.hex()[:16]}.json"
    path.write_bytes(ended.log.to_bytes())
    one.say(
        {
            "token": ended.log.token,
            "ended": ended.reason,
            "report": shown(ended.report) or None,
            "spent": show_amount(ended.log.spent),
            "paid_by": "0x" + ended.log.payer.hex(),
            "thoughts": sum(1 for step in ended.log.steps if step.receipt is not None),
            "run_log": str(path),
        }
    )
    return ExitCode.DONE if ended.reason == Stop.GOAL.value else ExitCode.CONFLICT


def url_of(one: Actor, target: str) -> str:
    """A URL as it is, or where this home serves a token. Raises: HostUnknown, InvalidInput."""
    if not target.isdecimal():
        if urlsplit(target).scheme not in {"http", "https"}:
            raise InvalidInput("neither a token nor a URL", target=target[:80])
        return target
    try:
        return str(read_json(host_of(one, int(target)) / HOST_FILE)["url"])
    except (FileMissing, KeyError) as error:
        raise HostUnknown(token=target) from error


def order_of(one: Actor, target: str, flags: IntentFlags) -> KeptOrder:
    """Where the order lies that these words sign and nobody was told the end of."""
    name = keccak(repr(("agent.ask", target, flags)).encode()).hex()[:24]
    path = one.home.root / "agents" / "begun" / f"{one.role}-{name}.json"
    return KeptOrder(LocalDisk(), path)


async def _asked(
    one: Actor, url: str, flags: IntentFlags, kept: KeptOrder, *, is_agreed: bool
) -> Ended:
    async with _asking(one) as asker, HttpProviderClient() as providers:
        met = await asker.meet(url)
        caller = await asker.right(met)
        wanted = await asyncio.to_thread(_wanted, one, met, flags, caller, is_agreed=is_agreed)
        if caller is Caller.PAYER:
            buyer = await asyncio.to_thread(_buyer, one, providers)
            return await asker.buy(met, wanted, buyer, partial(_fund, one), kept)
        return await asker.ask(met, wanted, partial(_let, one, met, wanted))


async def _logged(one: Actor, url: str, run: str) -> Ended:
    async with _asking(one) as asker:
        return await asker.log(await asker.meet(url), run)


@asynccontextmanager
async def _asking(one: Actor) -> AsyncIterator[Asker]:
    network, account = one.network, Keystore(one.home.keys).account(one.role)
    parts = AskParts(
        wallet=LocalSigner.from_secret(account.secret),
        here=(network.chain_id, bytes(network.agents.address)),
        agents=chain_agents(network),
        services=network.services,
        escrow=chain_escrow(network),
        clock=lambda: int(time.time()),
        nonce=partial(secrets.token_bytes, 32),
    )
    async with peer_client() as http:
        yield Asker(http, parts)


def _buyer(one: Actor, providers: HttpProviderClient) -> Buyer:
    """Who pays for requests with this wallet; its books are kept."""
    network, account = one.network, Keystore(one.home.keys).account(one.role)
    return Buyer(
        network.services,
        chain_escrow(network),
        providers,
        LocalSigner.from_secret(account.secret),
        clock=time.time,
        shelf=AccountFiles(LocalDisk(), one.home.root / "agents" / "books" / one.address.hex()),
        may_simulate=network.chain_id in DEVNET_CHAIN_IDS,
        evidence=chain_evidence(network),
    )


def _wanted(one: Actor, met: Met, flags: IntentFlags, caller: Caller, *, is_agreed: bool) -> Ask:
    """The ask, once who signs agreed to it."""
    now, facts = one.network.node.block().timestamp, met.facts
    inputs = inputs_of(flags)
    ask = Ask(
        run=flags.run or fresh_run(repr((facts.token, facts.epoch, flags)).encode()),
        goal=flags.goal,
        budget=parse_amount(flags.budget),
        deadline=now + duration(flags.deadline),
        skill=flags.skill,
        inputs=inputs,
    )
    owner = one.network.agents.owner_of(facts.token, at=one.at)
    pays = {
        Caller.OWNER: "the agent's account",
        Caller.RENTER: "your deposit at its provider",
        Caller.PAYER: "your deposit with its owner: the price of one request",
    }
    quote: dict[str, object] = {
        "agent": f"{facts.token}, {shown(met.peer.card.name)}, epoch {facts.epoch}",
        "card": "signed by a key that speaks for it now",
        "owner": "0x" + bytes(owner).hex(),
        "message": f"{len(ask.to_bytes())} bytes, signed by {'0x' + one.address.hex()}",
        "run": ask.run,
        "budget": f"at most {show_amount(ask.budget)}, from {pays[caller]}",
        "until": f"{flags.deadline} from now",
    }
    require_agreed(one, "ask", quote, is_agreed=is_agreed)
    return ask


async def _fund(one: Actor, service: Service, needed: int) -> None:
    """Deposit what is missing of a price and of what is not settled yet."""

    def send() -> list[str]:
        network, purse = one.network, (bytes(one.address), service.provider)
        sent = []
        for name, call in missing_deposit(network.node, network.escrow, purse, needed):
            one.send(call, one.unique_key(f"agent.buy:{name}"))
            sent.append(name.partition(":")[0])
        return sent

    say(f"     deposit: at least {show_amount(needed)}, with what is not settled yet")
    sent = await asyncio.to_thread(send)
    say(f"     sent: {', '.join(sent) or 'nothing, all is there'}")


async def _let(one: Actor, met: Met, ask: Ask, payee: Payee) -> None:
    """Deposit what is missing of the budget, and let the run's key sign for it."""

    def send() -> list[str]:
        service = one.network.services.service(payee.service, at=one.at)
        if service.provider != payee.provider:
            raise InvalidInput("the host names another provider", service=payee.service.hex())
        wanted = Wanted(
            token=met.facts.token,
            account=met.facts.account,
            payer=bytes(one.address),
            key=payee.key,
            service=service,
            limits=Limits(ask.budget, ask.deadline),
        )
        return Rights(one.network, one.send).bring(wanted)

    say(f"     lets 0x{payee.key.hex()} sign for at most {show_amount(ask.budget)}")
    sent = await asyncio.to_thread(send)
    say(f"     sent: {', '.join(sent) or 'nothing, all is there'}")
