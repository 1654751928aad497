"""Quotes that are false in exactly one way, and a chain without the P-256 precompile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from eth.vm.forks.prague.computation import PragueComputation

from offchain.attestation.faults import Fault
from offchain.attestation.quote import P256_ORDER, encode_quote, parse_quote
from offchain.core.hashing import keccak

P256: Final = (0x100).to_bytes(20, "big")
ONE: Final = (1).to_bytes(32, "big")


def forged(raw: bytes, fault: Fault) -> bytes:
    """The same quote, false in what this fault is about; for BODY and CHAIN unchanged."""
    quote = parse_quote(raw)
    seal = quote.seal
    if fault is Fault.BINDING:
        seal = replace(seal, qe_auth=bytes(len(seal.qe_auth)))
    elif fault is Fault.SIGNATURE:
        seal = replace(seal, signature=bent(seal.signature))
    elif fault is Fault.QE_SIGNATURE:
        seal = replace(seal, qe_signature=bent(seal.qe_signature))
    return encode_quote(quote.version, quote.signed, seal)


def bent(signature: bytes) -> bytes:
    """Another signature, of nothing."""
    return signature[:32] + keccak(signature)[:1].rjust(32, b"\x01")


def with_high_s(raw: bytes) -> bytes:
    """The same quote with the other `s` of both signatures: it verifies, and is not canonical."""
    quote = parse_quote(raw)
    seal = quote.seal
    seal = replace(seal, signature=_high(seal.signature), qe_signature=_high(seal.qe_signature))
    return encode_quote(quote.version, quote.signed, seal)


@contextmanager
def precompile(answer: Callable[[Any], Any] | None) -> Iterator[None]:
    """A chain with this at 0x100; None: nothing."""
    usual = PragueComputation.get_precompiles()
    table = dict(usual)
    table.pop(P256, None)
    if answer is not None:
        table[P256] = answer
    PragueComputation._precompiles = table
    try:
        yield
    finally:
        PragueComputation._precompiles = usual


def always_yes(computation: Any) -> Any:
    """A liar: every signature is good."""
    computation.output = ONE
    return computation


def always_long(computation: Any) -> Any:
    """Thirty-three bytes, the first thirty-two of which mean yes."""
    computation.output = ONE + b"\x00"
    return computation


def _high(signature: bytes) -> bytes:
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big")
