"""From an answer to its machine: real evidence of the software TEE, each step broken once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.evidence_desk import EvidenceDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.model import MeasurementClass, Verdict
from offchain.attestation.relay_ports import SignedVerdict
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.memory_trust import MemoryTrust
from offchain.compute.errors import ProviderRefused, Reason, UnverifiedAnswer
from offchain.compute.model import Level, Verifiability
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.private_errors import KeyDoubt, SealKeyUntrusted
from offchain.compute.private_keys import KeyWish, ShownKey
from offchain.compute.private_source import KeySource
from offchain.compute.trust import Claim, Doubt, Evidence, Rules, UntrustedAnswer, trust
from offchain.compute.trust_source import TrustSource
from offchain.compute.verify import Facts, Policy, Verified, verify
from offchain.node.disk import LocalDisk
from offchain.sdk.compute import AsyncCompute, ComputeParts
from offchain.sdk.errors import NoEvidenceHere
from tests.support.compute import PAYER, SIGNER, Answered
from tests.support.compute_provider import CHAT, on_socket
from tests.support.evidence_behind import Behind, a_bundle, an_entry, behind, rules
from tests.support.private import REGISTRY, Attested, an_attested_world, live_of

TALK = [{"role": "user", "content": "one two three"}]
ALLOWED = Policy(allow_simulated=True)
KEY = b"\x09" * 32
ATTESTED = Verifiability(Level.MODEL_IN_TEE, True, 0)


def answered(found: Behind, level: Verifiability = ATTESTED) -> tuple[Verified, Facts]:
    """A verified answer whose receipt names this evidence."""
    said = Answered(verifiability=level)
    receipt = replace(said.receipt(), attestation_id=found.attestation_id)
    facts = said.facts(attestation_id=found.attestation_id)
    return verify(said.exchange(receipt), facts, ALLOWED), facts


def claim_of(verified: Verified, facts: Facts) -> Claim:
    return Claim(facts.signer, verified.verifiability.level)


def test_trust__good_evidence__is_a_tree_down_to_the_policy() -> None:
    found = behind(KEY)
    verified, facts = answered(found)

    whole = trust(verified.receipt, claim_of(verified, facts), found.shown, found.judged, rules())
    tree = replace(verified, evidence=whole).tree()

    places = [
        tree.index(step) for step in ("answer ", "signer  ", "verdict  ", "quote  ", "policy")
    ]
    assert places == sorted(places)
    assert tree.count("SIMULATED") == 3
    assert "relayers 1, 2, 4" in tree
    assert whole.claims.measurement_class is MeasurementClass.MODEL


Spoil = Callable[[Behind], tuple[Behind, Evidence, Rules]]


def _shown(change: Callable[[Behind], Evidence]) -> Spoil:
    return lambda one: (one, change(one), rules())


def _judged(**changes: object) -> Spoil:
    return lambda one: (replace(one, judged=replace(one.judged, **changes)), one.shown, rules())


def _lied(**changes: object) -> Spoil:
    """The registry knows a verdict that the quote does not say."""

    def spoil(one: Behind) -> tuple[Behind, Evidence, Rules]:
        lie = replace(one, verdict=replace(one.verdict, **changes))
        return lie, lie.shown, rules()

    return spoil


def _any(one: Behind) -> Verdict:
    return replace(one.verdict, nonce=b"\x02" * 32)


def _cut(one: Behind) -> Evidence:
    return replace(one.shown, bundle=replace(one.bundle, quote=one.bundle.quote[:-1]))


@pytest.mark.parametrize(
    ("doubt", "spoil"),
    [
        (Doubt.NOT_LIVE, _judged(stood=False)),
        (Doubt.VERDICT_OTHER, _shown(lambda one: replace(one.shown, verdict=_any(one)))),
        (Doubt.VERDICT_SUBJECT, _lied(signer=b"\x02" * 20)),
        (Doubt.VERDICT_SUBJECT, _lied(service_id=b"\x02" * 32)),
        (Doubt.QUOTE_CONTRADICTS, _lied(measurement_id=b"\x02" * 32)),
        (Doubt.QUOTE_CONTRADICTS, _lied(enc_key_hash=b"\x02" * 32)),
        (Doubt.QUOTE_CONTRADICTS, _lied(root_key_id=b"\x02" * 32)),
        (Doubt.QUOTE_CONTRADICTS, _lied(tcb_status=2)),
        (Doubt.QUOTE_CONTRADICTS, _lied(not_after=1 << 40)),
        (
            Doubt.QUOTE_CONTRADICTS,
            _shown(lambda one: replace(one.shown, bundle=a_bundle(b"k" * 32))),
        ),
        (Doubt.QUOTE_REFUSED, _shown(_cut)),
        (Doubt.QUOTE_REFUSED, _judged(entry=None)),
        (Doubt.QUOTE_REFUSED, _judged(entry=an_entry(valid_until=1))),
        (Doubt.QUOTE_REFUSED, _judged(nonce=b"\x02" * 32)),
        (Doubt.QUOTE_REFUSED, _judged(min_eval_number=10_000)),
        (Doubt.QUOTE_REFUSED, _judged(now=1)),
        (Doubt.QUOTE_REFUSED, lambda one: (one, one.shown, Rules((DcapQvl(),), True))),
        (
            Doubt.QUOTE_REFUSED,
            lambda one: (one, one.shown, replace(rules(), allow_simulated=False)),
        ),
        (Doubt.CLASS_WRONG, _judged(entry=an_entry(measurement_class=MeasurementClass.BROKER))),
    ],
)
def test_trust__one_step_spoiled__is_refused_with_its_reason(doubt: Doubt, spoil: Spoil) -> None:
    found, shown, by = spoil(behind(KEY))
    verified, facts = answered(found)

    with pytest.raises(UntrustedAnswer) as caught:
        trust(verified.receipt, claim_of(verified, facts), shown, found.judged, by)

    assert caught.value.doubt is doubt


async def a_trusted_world() -> tuple[Attested, Behind, MemoryTrust]:
    """A provider on real evidence."""
    world = await an_attested_world()
    found = behind(world.keys.public)
    world.evidence.verdicts[SIGNER.address] = live_of(found.verdict)
    world.offers.shown[CHAT] = ShownKey(world.keys.public, found.verdict)
    await world.world.watch.refresh()
    known = MemoryTrust(
        {found.verdict.evidence_id: found.judged}, {found.attestation_id: found.shown}
    )
    return world, found, known


def compute_of(
    world: Attested, http: HttpProviderClient, known: MemoryTrust | None
) -> AsyncCompute:
    market = world.world.market

    async def parts() -> ComputeParts:
        return ComputeParts(
            market,
            market,
            ComputeEscrowClient.__new__(ComputeEscrowClient),  # nothing here sends
            world.buyer(http),
            PAYER.address,
            keys=world.source(),
            trust=None if known is None else TrustSource(market, known, known, rules()),
        )

    return AsyncCompute(parts)


def test_sdk__verify__shows_the_whole_tree_of_a_private_answer_or_raises() -> None:
    async def story() -> None:
        world, _, known = await a_trusted_world()
        async with on_socket(world.world), HttpProviderClient() as http:
            compute = compute_of(world, http, known)
            answer = await compute.chat(TALK, service=CHAT, policy=ALLOWED, private=True)
            whole = await compute.trusted(answer, ALLOWED)

            assert answer.evidence is None
            assert "└─ policy" in whole.tree()
            with pytest.raises(UntrustedAnswer) as caught:
                await compute.trusted(answer, Policy())
            assert caught.value.doubt is Doubt.QUOTE_REFUSED
            known.shown.clear()
            with pytest.raises(UntrustedAnswer) as caught:
                await compute.trusted(answer, ALLOWED)
            assert caught.value.doubt is Doubt.EVIDENCE_MISSING
            with pytest.raises(NoEvidenceHere):
                await compute_of(world, http, None).trusted(answer, ALLOWED)

    asyncio.run(story())


def test_buyer__evidence_renewed_while_the_answer_was_made__stands() -> None:
    async def story() -> None:
        world, found, _ = await a_trusted_world()
        async with on_socket(world.world), HttpProviderClient() as http:
            old = world.evidence.verdicts[SIGNER.address]
            renewed = live_of(replace(found.verdict, nonce=b"\x05" * 32))
            world.evidence.verdicts[SIGNER.address] = renewed  # the provider has not looked yet
            compute = compute_of(world, http, None)
            with pytest.raises(UnverifiedAnswer) as caught:
                await compute.chat(TALK, service=CHAT, policy=ALLOWED)
            assert caught.value.reason is Reason.ATTESTATION_DEAD
            world.evidence.before[SIGNER.address] = old
            answer = await compute.chat(TALK, service=CHAT, policy=ALLOWED)

            assert answer.receipt.attestation_id == old.attestation_id

    asyncio.run(story())


def test_http__key_verdict_and_bundle_of_a_provider__are_fetched_and_hold(tmp_path: Path) -> None:
    """Nothing is handed over in memory: bytes come from the provider's routes only."""

    async def story() -> None:
        world, found, _ = await a_trusted_world()
        shelf = EvidenceShelf(LocalDisk(), tmp_path)
        shelf.keep(found.verdict.evidence_id, found.bundle)
        signed = SignedVerdict(found.verdict, SIGNER.sign_digest(found.attestation_id))
        shelf.note(found.verdict.evidence_id, [signed])
        desk = EvidenceDesk([shelf], REGISTRY)
        market = world.world.market
        async with on_socket(world.world, desk=desk) as url, HttpProviderClient() as http:
            keys = KeySource(market, world.evidence, http)
            key = await keys.key_of(CHAT, KeyWish(Level.MODEL_IN_TEE, allows_simulated=True))
            shown = await http.shown_evidence(url, found.attestation_id)

            assert key.public == world.keys.public
            assert shown == replace(found.shown, signatures=(signed.signature,))
            with pytest.raises(ProviderRefused):
                await http.shown_evidence(url, b"\x01" * 32)
            world.keys.rotate()  # what the provider shows now is in no verdict
            with pytest.raises(SealKeyUntrusted) as caught:
                await keys.key_of(CHAT, KeyWish(Level.MODEL_IN_TEE, allows_simulated=True))
            assert caught.value.doubt is KeyDoubt.OTHER_KEY

    asyncio.run(story())
