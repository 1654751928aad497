"""Every error tells a person what to type next and a program what happened."""

import importlib
import pkgutil

import offchain
from offchain.core.errors import KINDS, ApogeeError, kind_of

KINDLESS = {
    "GatewayFault",  # a bug: 500 with a request id, the log has the rest
    "EngineMismatch",  # our own code contradicts itself: a bug, the process refuses to run
    "RpcFault",  # the devnet's answer in JSON-RPC's own error object
}


def all_errors() -> list[type[ApogeeError]]:
    """Every class of the tree, after importing everything that may define one."""
    for module in pkgutil.walk_packages(offchain.__path__, "offchain."):
        importlib.import_module(module.name)
    found: list[type[ApogeeError]] = []
    waiting = [ApogeeError]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(one.__subclasses__())
    return [one for one in found if one.__module__.startswith("offchain.")]


def test_error__of_every_class__has_a_kind_and_a_next_step() -> None:
    silent = [one.__name__ for one in all_errors() if not one.next_step.strip()]
    kindless = {
        one.__name__
        for one in all_errors()
        if not issubclass(one, KINDS) and not one.__subclasses__()
    }

    assert silent == []
    assert kindless <= KINDLESS


def test_error__of_every_class__has_a_code_of_its_own() -> None:
    owners: dict[str, type[ApogeeError]] = {}
    shared = []
    for one in (one for one in all_errors() if one.__name__ not in KINDLESS):
        first = owners.setdefault(one.code, one)
        if not (issubclass(one, first) or issubclass(first, one)):
            shared.append((one.code, one.__name__, first.__name__))

    assert shared == []


def test_error__of_no_kind__is_a_bug() -> None:
    assert kind_of(ApogeeError()) is ApogeeError
