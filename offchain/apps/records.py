"""`apogee compute ask | verify | record`: an answer bought through the gateway, and all behind it.

`ask` is a client of the gateway like any other: it trusts the chain, not the gateway, and with
`--private` the gateway reads nothing. `record` begins with the receipt in the gateway's book.
"""

import asyncio
import json
import sys
from dataclasses import dataclass

from offchain.apps.compute import attempt_of
from offchain.apps.compute_clients import chain_escrow, chain_evidence
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.output import print_json, print_table, say
from offchain.apps.stake import Actor
from offchain.chain.keys import DEVNET_CHAIN_IDS
from offchain.compute.adapters.chain_record import ChainRecord
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.errors import ReceiptUnknown
from offchain.compute.forms import parse_receipt_json, parse_voucher
from offchain.compute.model import Level, SignedReceipt, Verifiability
from offchain.compute.record import Record
from offchain.compute.trust import Claim, Trust
from offchain.compute.trust_source import TrustSource
from offchain.compute.verify import Policy, Verified
from offchain.core.errors import InvalidInput
from offchain.gateway.book_model import Attempt
from offchain.gateway.compute_model import ReceiptShown
from offchain.gateway.receipts import shown_receipt
from offchain.sdk.client import AsyncApogee
from offchain.sdk.connection import SIMULATED_ROOT
from offchain.sdk.open_evidence import rules_of


@dataclass(frozen=True, slots=True)
class AskWish:
    """What was typed."""

    service: str
    text: str
    max_tokens: int
    level: str
    is_private: bool
    allows_simulated: bool


def ask(home: Home, wish: AskWish, *, as_json: bool) -> int:
    """Buy one answer and show every step from it down to the machine.

    Raises: SealKeyUntrusted, UnverifiedAnswer, UntrustedAnswer (exit 4).
    """
    if wish.level.upper() not in Level.__members__:
        raise InvalidInput("no such level", level=wish.level[:40])
    policy = Policy(Level[wish.level.upper()], allow_simulated=wish.allows_simulated)
    found = asyncio.run(_asked(home, wish, policy))
    if as_json:
        print_json(_answer_json(found, is_private=wish.is_private))
        return ExitCode.DONE
    sys.stdout.write(f"{found.text}\n\n{found.tree()}\n")
    if found.verifiability.is_simulated:
        say("SIMULATED: the evidence is of a simulated TEE")
    return ExitCode.DONE


def verify(one: Actor, answer: str) -> int:
    """Check an answer of the gateway's book against the chain, down to its evidence.

    Raises: ReceiptUnknown (exit 3), UnverifiedAnswer, UntrustedAnswer (exit 4).
    """
    attempt = attempt_of(one.home, answer)
    shown, signed, signer = _checked(one, attempt)
    level = Level[shown.level or Level.NONE.name]
    trust = trust_of(one, signed, Claim(signer, level))
    steps = () if trust is None else trust.steps()
    if one.as_json:
        evidence = [{"name": name, "detail": detail} for name, detail in steps]
        print_json(
            {"block": one.network.node.block().number, **shown.model_dump(), "evidence": evidence}
        )
        return ExitCode.DONE
    rows: list[list[object]] = [["ok", check.name, check.detail] for check in shown.checks]
    rows += [["ok", "   " * at + "└─ " + name, told] for at, (name, told) in enumerate(steps)]
    rows += [["not proven", "", what] for what in shown.not_proven]
    if shown.simulated:
        rows.append(["SIMULATED", "level", "the evidence is of a simulated TEE"])
    print_table(f"answer {shown.request_id}", ("", "check", "detail"), rows)
    return ExitCode.DONE


def record(one: Actor, answer: str) -> int:
    """Everything that stands behind one answer of the gateway's book.

    Raises: ReceiptUnknown (exit 3), UnverifiedAnswer, UntrustedAnswer (exit 4).
    """
    found = read_record(one, attempt_of(one.home, answer))
    if one.as_json:
        print_json(found.as_json())
        return ExitCode.DONE
    rows = [list(row) for row in found.rows()]
    print_table(f"answer 0x{found.signed.receipt.request_id.hex()}", ("", ""), rows)
    return ExitCode.DONE


def read_record(one: Actor, attempt: Attempt) -> Record:
    """The record of an answer. Raises: as `record`."""
    network, head = one.network, one.network.node.block()
    shown, signed, signer = _checked(one, attempt)
    receipt, at = signed.receipt, head.hash
    voucher = {"voucher": shown.voucher, "signature": shown.voucher_signature}
    level = Verifiability(Level[shown.level or "NONE"], bool(shown.simulated), 0)
    marks = ChainRecord(
        network.escrow, network.attestations, network.node, network.deployments.first_block()
    )
    return Record(
        read_at=head.number,
        signed=signed,
        voucher=parse_voucher(json.dumps(voucher).encode()),
        service=network.services.service(attempt.service, at=at),
        signer=signer,
        level=level,
        trust=trust_of(one, signed, Claim(signer, level.level)),
        vouched=marks.vouched(receipt.attestation_id, at=at),
        settled=marks.settled(receipt, at=at),
    )


def trust_of(one: Actor, signed: SignedReceipt, claim: Claim) -> Trust | None:
    """The evidence that a receipt names, verified as of its time; None when it names none.

    Raises: UntrustedAnswer.
    """
    receipt = signed.receipt
    if not any(receipt.attestation_id):
        return None
    network = one.network
    endpoint = network.services.service(receipt.service, at=one.at).endpoint
    rules = rules_of(network.chain_id, one.home.root / SIMULATED_ROOT)
    is_local = network.chain_id in DEVNET_CHAIN_IDS

    async def found() -> Trust:
        async with HttpProviderClient() as client:
            source = TrustSource(network.services, chain_evidence(network), client, rules)
            moment = receipt.time
            return await source.behind(receipt, claim, endpoint, now=moment, simulated=is_local)

    return asyncio.run(found())


def _checked(one: Actor, attempt: Attempt) -> tuple[ReceiptShown, SignedReceipt, bytes]:
    """A kept receipt, checked anew, and whose receipts counted at its time."""
    if attempt.receipt is None:
        raise ReceiptUnknown
    kept = json.loads(attempt.receipt)
    signed = parse_receipt_json(kept["receipt"], kept["signature"])
    time = signed.receipt.time
    signer = one.network.services.signer_at(attempt.service, time, at=one.at)
    domain = chain_escrow(one.network).domain()
    shown = shown_receipt(attempt, caller=None, domain=domain, signer=signer)
    return shown, signed, signer


async def _asked(home: Home, wish: AskWish, policy: Policy) -> Verified:
    async with AsyncApogee.at_home(home.root) as apogee:
        gateway = await apogee.private()
        found = await gateway.chat(
            [{"role": "user", "content": wish.text}],
            service=wish.service,
            max_tokens=wish.max_tokens,
            policy=policy,
            private=wish.is_private,
        )
        return await gateway.trusted(found, policy)


def _answer_json(found: Verified, *, is_private: bool) -> dict[str, object]:
    steps = () if found.evidence is None else found.evidence.steps()
    return {
        "answer": "0x" + found.receipt.request_id.hex(),
        "text": found.text,
        "private": is_private,
        "level": found.verifiability.level.name,
        "simulated": found.verifiability.is_simulated,
        "price": str(found.receipt.price),
        "checks": [{"name": one.name, "detail": one.detail} for one in found.checks],
        "evidence": [{"name": name, "detail": detail} for name, detail in steps],
        "not_proven": list(found.not_proven),
    }
