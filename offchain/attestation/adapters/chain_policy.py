"""A relayer's policy and its judgement: what the registry lists, and the libraries of known roots.

The list is read at the block of the judgement, so what was delisted in the block before is refused.
Source: docs/protocol/attestation.md#policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from offchain.attestation.bundle import Bundle
from offchain.attestation.model import Claims, MeasurementClass
from offchain.attestation.onchain_registry import AttestationRegistryClient
from offchain.attestation.policy import Here, MeasurementEntry, Policy
from offchain.attestation.ports import QuoteLibrary
from offchain.attestation.quote import parse_quote, split_chain
from offchain.attestation.reasons import Reason
from offchain.attestation.relay_errors import refused
from offchain.attestation.relay_ports import Bench
from offchain.attestation.verify import verify_bundle
from offchain.chain.model import Block

MAX_ENTRIES: Final = 4_096


def chain_policy(registry: AttestationRegistryClient, block: Block, base: Policy) -> Policy:
    """A policy with the registry's list, label and least evaluation number of one block."""
    at = block.hash
    count = min(registry.measurement_count(at=at), MAX_ENTRIES)
    listed = [registry.measurement_at(number, at=at) for number in range(1, count + 1)]
    entries = tuple(
        MeasurementEntry(
            measurement_id=one.measurement_id,
            measurement_class=MeasurementClass(one.measurement_class),
            valid_until=one.valid_until,
            td_attributes=int.from_bytes(one.td_attributes, "little"),
            xfam=int.from_bytes(one.xfam, "little"),
        )
        for one in listed
        if not one.delisted_at
    )
    in_force, announced, binds_from = registry.min_eval_number(at=at)
    is_bound = binds_from and block.timestamp >= binds_from
    return replace(
        base,
        measurements=entries,
        allow_simulated=registry.allow_simulated(at=at),
        min_eval_number=max(base.min_eval_number, announced if is_bound else in_force),
    )


@dataclass(frozen=True, slots=True)
class PolicyJudge:
    """A `Judge` with the policy of the chain. `libraries`: one for each root that is trusted."""

    registry: AttestationRegistryClient
    libraries: Sequence[QuoteLibrary]
    base: Policy

    def __call__(self, bundle: Bundle, bench: Bench) -> Claims:
        """Raises: EvidenceRefused with every reason."""
        policy = chain_policy(self.registry, bench.block, self.base)
        here = Here(domain=bench.domain, nonces=bench.nonces, now=bench.block.timestamp)
        library = self._library_of(bundle.quote)
        return verify_bundle(bundle, policy=policy, here=here, library=library)

    def _library_of(self, raw: bytes) -> QuoteLibrary:
        """The one whose root the quote names; the first, the vendor's, for any other."""
        certificates = split_chain(parse_quote(raw).seal.pem_chain)
        if not certificates:
            raise refused(Reason.CHAIN_UNTRUSTED, "no certificates")
        named = (one for one in self.libraries if one.root == certificates[-1])
        return next(named, self.libraries[0])
