"""`apogee provider credits`: what the courts of the market owe a role, and taking it.

Bonds of demands that a provider answered, bonds given back, an auditor's pay: each court keeps them
in coins until their owner asks.
"""

from offchain.apps.amounts import show_amount
from offchain.apps.exit_codes import ExitCode
from offchain.apps.output import print_json, print_table
from offchain.apps.stake import Actor
from offchain.chain.model import show_address
from offchain.core.units import Wei


def credits_of(one: Actor) -> dict[str, Wei]:
    """Wei by court, at one block."""
    at, network = one.at, one.network
    return {
        "ReceiptCourt": network.receipts.credit_of(one.address, at=at),
        "AuditCourt": network.audits.credit_of(one.address, at=at),
    }


def collect(one: Actor, *, is_taken: bool) -> int:
    """Print what is owed; take all of it to the role's account when asked to."""
    owed = credits_of(one)
    calls = {
        "ReceiptCourt": one.network.receipts.withdraw(one.address),
        "AuditCourt": one.network.audits.withdraw(one.address),
    }
    taken = []
    for court, wei in owed.items():
        if is_taken and wei:
            one.send(calls[court], one.unique_key(f"credits:{court}"))
            taken.append(court)
    rows = [
        {"court": court, "owed": show_amount(wei), "is_taken": court in taken}
        for court, wei in owed.items()
    ]
    if one.as_json:
        print_json({"account": show_address(one.address), "credits": rows})
    else:
        cells = [(row["court"], row["owed"], row["is_taken"]) for row in rows]
        print_table("owed by courts, in coins", ("court", "owed", "taken"), cells)
    return ExitCode.DONE
