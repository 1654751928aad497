"""Which deliveries count: signed by enough standing oracles, for this transfer, once, wanted."""

from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.agents.delivery import pack_access
from offchain.core.hashing import keccak
from tests.support.agents_deliveries import (
    CLONE,
    HOUR,
    TOKEN,
    TRANSFER,
    DeliverySite,
    Made,
    make_delivery,
    oracle_key,
    raw,
    receiver_key,
    support_deployer,
)
from tests.support.agents_delivery_fixtures import Unmoved
from tests.support.attestation import hex_of

SPAN = 65
MAX_AHEAD = 86_400  # seconds


def cut(made: Made, size: int) -> Any:
    """The pair with the ownership proof's bytes cut to a size."""
    access, owned = made.pair()
    return access, (*owned[:-1], owned[-1][:size])


def test_verify__signed_by_three_and_the_receiver__counts_once(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    made = make_delivery(site)

    [output] = made.deliver()

    one = made.proof
    assert (one.old_data_hash, one.new_data_hash) == (output.oldDataHash, output.newDataHash)
    assert (one.sealed_key, one.public_key) == (output.sealedKey, output.encryptedPubKey)
    assert (one.public_key, one.nonce) == (output.wantedKey, output.ownershipProofNonce)
    assert int(output.accessAssistant, 16) == 0
    assert site.verifier.is_spent(site.collection.address, TOKEN, keccak(one.nonce))
    with unmoved("key_delivery: nonce is spent"):
        made.deliver()


def test_verify__event_and_views__tell_what_was_signed(site: DeliverySite) -> None:
    made = make_delivery(site)
    context = site.set_context()

    told = site.collection.deliver_and_tell(site.verifier.address, [made.pair()])
    logs = site.collection.get_logs()

    [event] = [one for one in logs if type(one).__name__ == "DeliveryVerified"]
    assert (made.digest, made.delivery.nonce_hash) == (event.digest, event.nonce_hash)
    assert (made.delivery.deadline, TOKEN) == (event.deadline, event.token)
    assert [made.digest] == told
    assert made.digest == site.verifier.delivery_digest(
        site.collection.address, context, made.proof.fields()
    )
    access = list(made.delivery.access(5).fields())
    access[0], access[4] = hex_of(access[0]), hex_of(access[4])
    digest = made.delivery.access(5).digest(site.domain)
    assert digest == site.verifier.access_digest(tuple(access))


def test_verify__two_entries__outputs_in_the_order_of_the_proofs(site: DeliverySite) -> None:
    first, second = make_delivery(site), make_delivery(site, nonce=b"m" * 32)
    pairs = [second.pair(), first.pair()]

    outputs = site.collection.deliver(site.verifier.address, pairs)

    assert [one.ownershipProofNonce for one in outputs] == [b"m" * 32, b"n" * 32]


def test_verify__one_nonce_twice_in_a_call__refused(site: DeliverySite, unmoved: Unmoved) -> None:
    made = make_delivery(site)

    with unmoved("key_delivery: nonce is spent"):
        site.collection.deliver(site.verifier.address, [made.pair(), made.pair()])


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"op": 0}, "key_delivery: no such operation"),
        ({"op": 3}, "key_delivery: no such operation"),
        ({"threshold": 0}, "key_delivery: no threshold"),
        ({"threshold": 4}, "key_delivery: below quorum"),
        ({"op": CLONE}, "key_delivery: not an oracle"),
        ({"token": TOKEN + 1}, "key_delivery: not an oracle"),
        ({"epoch": 4}, "key_delivery: not an oracle"),
        ({"receiver": "0x" + "55" * 20}, "key_delivery: not an oracle"),
        ({"key_hash": keccak(b"another key")}, "access_rules: another key"),
    ],
)
def test_inv_agt_2__proof_of_another_transfer__refused(
    site: DeliverySite, unmoved: Unmoved, context: dict[str, Any], reason: str
) -> None:
    made = make_delivery(site)
    site.set_context(**context)

    with unmoved(reason):
        made.deliver()


def test_inv_agt_2__foreign_chain_contract_and_verifier__refused(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    made = make_delivery(site)
    other = support_deployer("agents_collection").deploy()
    other.set_context(site.set_context())

    with unmoved("key_delivery: not an oracle"):
        other.deliver(site.verifier.address, [made.pair()])
    pair = made.pair()
    boa.env.evm.patch.chain_id += 1
    with unmoved("key_delivery: not an oracle"):
        site.collection.deliver(site.verifier.address, [pair])


def test_inv_agt_2__nonce_of_another_collection__stays_free(site: DeliverySite) -> None:
    made = make_delivery(site)
    made.deliver()
    other = support_deployer("agents_collection").deploy()

    assert not site.verifier.is_spent(other.address, TOKEN, keccak(made.proof.nonce))
    assert not site.verifier.is_spent(site.collection.address, TOKEN + 1, keccak(made.proof.nonce))


def test_verify__caller_without_a_context__refused(site: DeliverySite, stranger: str) -> None:
    made = make_delivery(site)

    with pytest.raises(boa.BoaError), boa.env.prank(stranger):
        site.verifier.verifyTransferValidity([made.pair()])

    assert not site.verifier.is_spent(stranger, TOKEN, keccak(made.proof.nonce))


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"deadline": -1}, "access_rules: expired"),
        ({"deadline": MAX_AHEAD + HOUR}, "access_rules: too far ahead"),
    ],
)
def test_verify__deadline_past_or_too_far__refused(
    site: DeliverySite, unmoved: Unmoved, lies: dict[str, int], reason: str
) -> None:
    made = make_delivery(site, deadline=boa.env.timestamp + lies["deadline"])

    with unmoved(reason):
        made.deliver()


def test_verify__deadline_in_a_day__counts(site: DeliverySite) -> None:
    assert make_delivery(site, deadline=boa.env.timestamp + MAX_AHEAD).deliver()


def test_verify__wrong_forms__refused(site: DeliverySite, unmoved: Unmoved) -> None:
    made = make_delivery(site)
    access, owned = made.pair()

    def refused(reason: str, pair: Any) -> None:
        with unmoved(reason):
            site.collection.deliver(site.verifier.address, [pair])

    refused("key_delivery: no TEE proof", (access, (1, *owned[1:])))
    refused("key_delivery: no sealed key", (access, (*owned[:3], owned[3][:-1], *owned[4:])))
    refused("delivery_words: no signature", cut(made, 232))
    refused("key_delivery: odd signatures", cut(made, 232 + 3 * SPAN - 1))
    refused("key_delivery: below quorum", cut(made, 232 + 2 * SPAN))
    same = make_delivery(site, new_data_hash=made.proof.old_data_hash)
    refused("key_delivery: nothing new", same.pair())


def test_verify__signatures_not_of_distinct_standing_oracles__refused(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    made = make_delivery(site)
    first, second, third = made.proof.signatures
    lie = oracle_key(0).sign_digest(keccak(b"other bytes"))
    mute = bytes(64) + b"\x1b"

    for signatures, reason in (
        ((second, first, third), "key_delivery: not in order"),
        ((first, first, second), "key_delivery: not in order"),
        ((third, second, first), "key_delivery: not in order"),
        ((first, second, lie), "key_delivery: not an oracle"),
        ((first, second, mute), "key_delivery: not an oracle"),
        ((first, second, third[:64] + b"\x1d"), "key_delivery: not an oracle"),
    ):
        with unmoved(reason):
            made.deliver(signatures=signatures)
    outsider = make_delivery(site, signers=(0, 1, 9))
    with unmoved("key_delivery: not an oracle"):
        outsider.deliver()


def test_verify__lying_oracle_among_honest__his_signature_does_not_count(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    honest = make_delivery(site)
    liar = make_delivery(site, signers=(2,), key_root=keccak(b"another root"))
    mixed = sorted([*make_delivery(site, signers=(0, 1)).proof.signatures, *liar.proof.signatures])

    with unmoved("key_delivery: not an oracle"):
        honest.deliver(signatures=tuple(mixed))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"old_data_hash": keccak(b"x")}, "access_rules: another delivery"),
        ({"new_data_hash": keccak(b"x")}, "access_rules: another delivery"),
        ({"nonce": b"m" * 32}, "access_rules: another delivery"),
        ({"public_key": b"k" * 64}, "access_rules: another delivery"),
        ({"proof": b""}, "access_rules: nobody signed"),
        ({"proof": bytes(8)}, "access_rules: no signature"),
        ({"proof": bytes(9)}, "access_rules: expired"),
        ({"proof": b"\xff" * 73}, "access_rules: too far ahead"),
    ],
)
def test_access__not_of_this_delivery__refused(
    site: DeliverySite, unmoved: Unmoved, changes: dict[str, Any], reason: str
) -> None:
    made = make_delivery(site)

    with unmoved(reason):
        made.deliver(made.access(**changes))


def test_access__by_somebody_else__refused(site: DeliverySite, unmoved: Unmoved) -> None:
    made = make_delivery(site)

    with unmoved("access_rules: not the receiver"):
        made.deliver(made.access(receiver_key("stranger")))
    with unmoved("access_rules: expired"):
        made.deliver(made.access(deadline=boa.env.timestamp - 1))
    short = pack_access(made.delivery.deadline, b"s" * 12)
    with unmoved("access_rules: not the receiver"):
        made.deliver(made.access(proof=short))


def test_access__by_the_assistant__he_is_told(site: DeliverySite) -> None:
    made, assistant = make_delivery(site), receiver_key("assistant")
    receiver = hex_of(receiver_key().address)
    site.collection.set_assistant(receiver, hex_of(assistant.address))

    [output] = made.deliver(made.access(assistant))

    assert assistant.address == bytes.fromhex(output.accessAssistant[2:])


def test_access__receiver_is_a_contract__asked_by_erc_1271(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    wallet = support_deployer("agents_receiver").deploy()
    made = make_delivery(site, receiver=raw(wallet))
    site.set_context(receiver=wallet.address)
    until, signature = made.delivery.deadline, b"any bytes of a wallet" * 5
    signed = made.access(proof=pack_access(until, signature))
    with unmoved("access_rules: not the receiver"):
        made.deliver(signed)
    with unmoved("access_rules: not the receiver"):
        made.deliver(made.access(proof=pack_access(until, signature[:65])))

    wallet.approve(made.delivery.access(until).digest(site.domain), signature)
    [output] = made.deliver(signed)

    assert int(output.accessAssistant, 16) == 0


def test_locked_key__silent_buyer__the_kept_file_is_enough(
    site: DeliverySite, unmoved: Unmoved
) -> None:
    made = make_delivery(site)
    key_hash = keccak(made.proof.public_key)
    silent = made.access(proof=b"")
    site.set_context(key_hash=key_hash)
    now = boa.env.timestamp
    location, root = made.proof.roots.location, made.proof.new_data_hash

    with unmoved("access_rules: file is not kept"):
        made.deliver(silent)
    site.collection.keep(location, root, now)
    with unmoved("access_rules: file is not kept"):
        made.deliver(silent)
    site.collection.keep(location, keccak(b"another file"), now + HOUR)
    with unmoved("access_rules: file is not kept"):
        made.deliver(silent)
    site.collection.keep(location, root, now + HOUR)
    [output] = made.deliver(silent)

    assert made.proof.public_key == output.wantedKey


def test_locked_key__buyer_signs__nobody_asks_storage(site: DeliverySite) -> None:
    made = make_delivery(site)
    site.set_context(key_hash=keccak(made.proof.public_key))

    assert made.deliver()


def test_clone__signed_for_a_clone__counts(site: DeliverySite) -> None:
    made = make_delivery(site, op=CLONE)
    site.set_context(op=CLONE)

    assert made.deliver()
    assert replace(made.delivery, op=TRANSFER).digest(site.domain) != made.digest


def test_verify__five_sign_for_a_threshold_of_three__counts(site: DeliverySite) -> None:
    assert make_delivery(site, signers=(0, 1, 2, 3)).deliver()
