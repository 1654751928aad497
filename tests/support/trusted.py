"""What a buyer makes of a level on a real chain: from a receipt down to the policy."""

from dataclasses import replace

import pytest

from offchain.apps.compute_clients import chain_evidence
from offchain.attestation.relay_ports import Registered
from offchain.compute.adapters.chain_record import ChainRecord
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.model import Level
from offchain.compute.trust import Claim, Doubt, UntrustedAnswer
from offchain.compute.trust_source import TrustSource
from offchain.sdk.connection import SIMULATED_ROOT
from offchain.sdk.open_evidence import rules_of
from tests.support.attested import Attested
from tests.support.compute import STRANGER, Answered


async def trusted_by_a_buyer(world: Attested, first: Registered) -> None:
    """The evidence of a live level, as a client of chain and provider finds and verifies it."""
    network, block = world.network, world.network.node.block()
    at, now, signer = block.hash, block.timestamp, world.signer.address
    evidence = chain_evidence(network)

    live = evidence.live(signer, now, at=at)
    assert live is not None
    assert (live.attestation_id, live.service) == (first.attestation_id, world.service)
    assert (live.level, live.is_simulated) == (Level.BROKER_IN_TEE, True)
    assert evidence.live(STRANGER.address, now, at=at) is None
    assert evidence.stood(first.attestation_id, signer, now, at=at)
    assert not evidence.stood(first.attestation_id, STRANGER.address, now, at=at)
    assert not evidence.stood(first.attestation_id, signer, now + 10**6, at=at)

    receipt = replace(
        Answered().receipt(), service=world.service, attestation_id=first.attestation_id, time=now
    )
    endpoint = network.services.service(world.service, at=at).endpoint
    rules = rules_of(network.chain_id, world.home.root / SIMULATED_ROOT)
    claim = Claim(signer, Level.BROKER_IN_TEE)
    async with HttpProviderClient() as client:
        source = TrustSource(network.services, evidence, client, rules)
        found = await source.behind(receipt, claim, endpoint, simulated=True)
        assert found.verdict == first.verdict
        assert found.claims.simulated
        assert len(found.judged.relayers) == len(found.signatures) == 3
        with pytest.raises(UntrustedAnswer) as caught:
            await source.behind(receipt, claim, endpoint)
        assert caught.value.doubt is Doubt.QUOTE_REFUSED
        unknown = replace(receipt, attestation_id=b"\x01" * 32)
        with pytest.raises(UntrustedAnswer) as caught:
            await source.behind(unknown, claim, endpoint, simulated=True)
        assert caught.value.doubt is Doubt.EVIDENCE_MISSING

    marks = ChainRecord(network.escrow, network.attestations, network.node)
    vouched = marks.vouched(first.attestation_id, at=at)
    assert vouched is not None
    assert 0 < vouched.block <= block.number
    assert marks.vouched(b"\x01" * 32, at=at) is None
    assert marks.settled(receipt, at=at) is None
