"""A seat that stood for two roots of one stream at one entry is named; nobody else is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import boa
import pytest

from offchain.core.bls import PublicKey
from offchain.core.hashing import keccak
from offchain.storage.false_root import (
    KV_FALSE_ROOT,
    Conviction,
    PostedRoot,
    SignedRoot,
    encode_posted,
    encode_signatures,
    judge_posted,
    judge_signatures,
    subject_of,
)
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.reverts_log import RootNotFalse
from tests.support.native_evm import keep_moment, return_to
from tests.support.rooted_stream import Rooted, deploy_rooted
from tests.support.staking import (
    DAY,
    EPOCH,
    STORAGE,
    AnOperator,
    a_key,
    a_wallet,
    staking_deployer,
)
from tests.support.storage_log import storage_deployer

EVIDENCE = 7 * DAY
PROVEN = 1
SALT = keccak(b"salt of a reporter")
NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Judged:
    """A replica group, the contract that judges its seats, and the court that hears it."""

    rooted: Rooted
    judge: Any
    court: Any

    def operator(self, seat: int) -> AnOperator:
        numbers = self.rooted.seats.seats.operators_of(self.rooted.group)
        return self.rooted.seats.operator(numbers[seat])

    def claim(self, root: StreamRoot, seat: int = 0, **changes: Any) -> SignedRoot:
        """What a seat's operator says of a root."""
        group = changes.get("group", self.rooted.group)
        epoch = changes.get("epoch", self.rooted.epoch)
        key = changes.get("key", self.operator(seat).key)
        signature = key.sign(self.rooted.digest(root, group, epoch))
        return SignedRoot(root, group, epoch, key.public_key(), signature)

    def operator_of(self, key: PublicKey) -> int:
        """The model's view of whose key it is."""
        of_key = self.rooted.seats.stake.operator_of_key
        return int(of_key(keccak(key.eip2537())))

    def adjudicate(self, evidence: bytes, offence: int = KV_FALSE_ROOT) -> tuple[Any, ...]:
        return tuple(self.judge.adjudicate(offence, evidence))

    def finding(self, conviction: Conviction) -> tuple[Any, ...]:
        pool = conviction.operator << 8 | STORAGE
        return (KV_FALSE_ROOT, pool, conviction.epoch, conviction.subject, 0, NOBODY, 0)

    def posted(self, root: StreamRoot) -> PostedRoot:
        """What was posted, as the model knows it."""
        post = self.rooted.site.kv.post_of(root.stream, root.seq)
        holders = tuple(self.rooted.seats.seats.operators_of(self.rooted.group))
        return PostedRoot(root, post.epoch, post.silent, holders)

    def by_signatures(self, first: SignedRoot, second: SignedRoot) -> Conviction:
        return judge_signatures(
            first, second, domain=self.rooted.domain(), operator_of=self.operator_of
        )

    def by_post(self, posted: PostedRoot, seat: int, claim: SignedRoot) -> Conviction:
        return judge_posted(
            posted, seat, claim, domain=self.rooted.domain(), operator_of=self.operator_of
        )


@pytest.fixture(scope="session")
def nobody_lied(native_evm: None) -> Iterator[Judged]:
    boa.env.set_random_seed("seats that lie about streams")
    with boa.env.anchor():
        rooted = deploy_rooted(court="")
        judge = storage_deployer("KVFraudProofs").deploy(
            rooted.site.kv.address,
            rooted.seats.seats.address,
            rooted.seats.stake.address,
            EVIDENCE,
        )
        court = deploy_court(rooted, judge)
        keep_moment("false roots")
        yield Judged(rooted, judge, court)


def deploy_court(rooted: Rooted, judge: Any) -> Any:
    """SlashingCourt on the seats' stake, with the offence as genesis declares it."""
    staking = rooted.seats.staking
    treasury = a_wallet("treasury")
    court = staking_deployer("SlashingCourt").deploy(
        staking.stake.address, staking.governance, treasury, 29 * DAY
    )
    staking.stake.wire_court(court.address, sender=staking.governance)
    rule = (PROVEN, STORAGE, 3_000, 2_000, 0, EVIDENCE, True, True, judge.address)
    court.add_type(KV_FALSE_ROOT, rule, sender=staking.governance)
    return court


@pytest.fixture
def judged(fresh_state: None, nobody_lied: Judged) -> Judged:
    return_to("false roots")
    return nobody_lied


CHANGES: dict[str, Callable[[StreamRoot], dict[str, Any]]] = {
    "generation": lambda root: {"generation": root.generation + 1},
    "tree_root": lambda _: {"tree_root": keccak(b"another tree")},
    "keys": lambda root: {"keys": root.keys + 1},
    "byte_count": lambda root: {"byte_count": root.byte_count + 1},
}


@pytest.mark.parametrize("field", CHANGES)
def test_inv_kv_9__one_key_signed_two_roots__its_operator_answers_with_the_later_epoch(
    judged: Judged, field: str
) -> None:
    root = judged.rooted.root()
    first = judged.claim(root, epoch=0)
    second = judged.claim(replace(root, **CHANGES[field](root)))

    expected = judged.by_signatures(first, second)

    assert expected.operator == judged.operator(0).operator_id
    assert expected.epoch == judged.rooted.epoch > 0
    assert expected.subject == subject_of(root.stream, root.seq, expected.epoch)
    subject = judged.judge.subject_of(root.stream, root.seq, expected.epoch)
    assert expected.subject == subject
    assert judged.finding(expected) == judged.adjudicate(encode_signatures(first, second))
    assert judged.finding(expected) == judged.adjudicate(encode_signatures(second, first))


def test_inv_kv_9__one_root_for_two_groups_and_epochs__convicts_nobody(judged: Judged) -> None:
    root = judged.rooted.root()
    first, second = judged.claim(root, epoch=0), judged.claim(root, group=9)

    with pytest.raises(RootNotFalse):
        judged.by_signatures(first, second)
    with boa.reverts("root_claims: same root"):
        judged.adjudicate(encode_signatures(first, second))


def test_inv_kv_9__two_keys_or_a_forged_signature__convict_nobody(judged: Judged) -> None:
    root = judged.rooted.root()
    first, other = judged.claim(root), judged.rooted.root(keys=3)
    for second in (
        replace(judged.claim(other, seat=1), key=first.key),
        replace(judged.claim(other), epoch=0),
        replace(judged.claim(other), group=judged.rooted.other_group),
        replace(judged.claim(other), root=judged.rooted.root(keys=4)),
        replace(judged.claim(other), signature=first.signature),
    ):
        with pytest.raises(RootNotFalse):
            judged.by_signatures(first, second)
        with boa.reverts("root_claims: wrong signature"):
            judged.adjudicate(encode_signatures(first, second))


def test_inv_kv_9__roots_of_two_entries_or_streams__cannot_be_evidence(judged: Judged) -> None:
    root = judged.rooted.root()
    for other in (replace(root, seq=1), replace(root, stream=keccak(b"another"))):
        with pytest.raises(RootNotFalse):
            encode_signatures(judged.claim(root), judged.claim(other))
        evidence = encode_signatures(
            judged.claim(root), replace(judged.claim(other), root=replace(root, keys=3))
        )
        with boa.reverts("root_claims: wrong signature"):
            judged.adjudicate(evidence)


def test_false_root__key_that_nobody_has_proven__convicts_nobody(judged: Judged) -> None:
    root, key = judged.rooted.root(), a_key(77)
    first, second = (judged.claim(one, key=key) for one in (root, replace(root, keys=3)))

    with pytest.raises(RootNotFalse):
        judged.by_signatures(first, second)
    with boa.reverts("kv_fraud_proofs: nobody's key"):
        judged.adjudicate(encode_signatures(first, second))


def test_inv_kv_9__seat_that_stood_for_the_posted_root__answers_for_another(
    judged: Judged,
) -> None:
    root = judged.rooted.root()
    judged.rooted.post(root, absent=(3,))
    boa.env.time_travel(seconds=EPOCH)
    claim = judged.claim(judged.rooted.root(keys=9), seat=2)

    expected = judged.by_post(judged.posted(root), 2, claim)

    assert expected.operator == judged.operator(2).operator_id
    assert expected.epoch == judged.rooted.epoch
    assert judged.finding(expected) == judged.adjudicate(encode_posted(2, claim))


def test_inv_kv_9__seat_was_silent_or_anothers_or_said_the_same__convicts_nobody(
    judged: Judged,
) -> None:
    root = judged.rooted.root()
    other = judged.claim(judged.rooted.root(keys=9), seat=2)
    with boa.reverts("kv_fraud_proofs: not posted"):
        judged.adjudicate(encode_posted(2, other))
    judged.rooted.post(root, absent=(3,))
    posted = judged.posted(root)

    for reason, seat, claim in (
        ("kv_fraud_proofs: seat was silent", 3, judged.claim(other.root, seat=3)),
        ("kv_fraud_proofs: seat was silent", 48, other),
        ("kv_fraud_proofs: seat was silent", 2**255, other),
        ("kv_fraud_proofs: seat of another", 1, other),
        ("kv_fraud_proofs: seat of another", 4, judged.claim(other.root, seat=3)),
        ("root_claims: same root", 2, judged.claim(root, seat=2, epoch=0)),
        ("root_claims: wrong signature", 2, replace(other, epoch=0)),
    ):
        with pytest.raises(RootNotFalse):
            judged.by_post(posted, seat, claim)
        with boa.reverts(reason):
            judged.adjudicate(encode_posted(seat, claim))
    with boa.reverts("kv_fraud_proofs: nobody's key"):
        judged.adjudicate(encode_posted(2, judged.claim(other.root, key=a_key(77))))


def test_false_root__other_offence_or_no_evidence__is_refused(judged: Judged) -> None:
    evidence = encode_posted(0, judged.claim(judged.rooted.root()))
    with boa.reverts("kv_fraud_proofs: unknown offence"):
        judged.adjudicate(evidence, offence=9)
    with boa.reverts("kv_fraud_proofs: unknown offence"):
        judged.judge.evidence_seconds(9)
    for wrong in (b"", evidence[:-1], evidence + bytes(1), bytes(4_096)):
        with boa.reverts("kv_fraud_proofs: wrong length"):
            judged.adjudicate(wrong)
    assert judged.judge.evidence_seconds(KV_FALSE_ROOT) == EVIDENCE


def test_false_root__number_beyond_64_bits__is_refused(judged: Judged) -> None:
    root = judged.rooted.root()
    evidence = encode_signatures(judged.claim(root), judged.claim(replace(root, keys=3)))
    for word in (1, 2, 4, 5, 6, 7):
        large = evidence[: 32 * word] + (2**64).to_bytes(32, "big") + evidence[32 * word + 32 :]
        with boa.reverts("root_claims: too large"):
            judged.adjudicate(large)


def test_constructor__no_contract_or_no_window__is_refused(judged: Judged) -> None:
    deployer, stranger = storage_deployer("KVFraudProofs"), a_wallet("stranger")
    right = (judged.judge.STREAMS(), judged.judge.SEATS(), judged.judge.STAKE())
    for place in range(3):
        wrong = [*right]
        wrong[place] = stranger
        with boa.reverts("kv_fraud_proofs: no contract"):
            deployer.deploy(*wrong, EVIDENCE)
    with boa.reverts("kv_fraud_proofs: no window"):
        deployer.deploy(*right, 0)


def commit(judged: Judged, evidence: bytes, reporter: str) -> None:
    words = keccak(evidence) + bytes.fromhex(reporter[2:]).rjust(32, b"\0") + SALT
    judged.court.commit(keccak(words), sender=reporter)
    boa.env.evm.patch.block_number += 1


def test_inv_kv_9__reported_to_the_court__slashed_once_and_shared_out_to_the_wei(
    judged: Judged,
) -> None:
    """Evidence, report, slash, proceeds: a seat stood for the posted root and signed another."""
    root = judged.rooted.root()
    judged.rooted.post(root, absent=(3,))
    lie = judged.claim(judged.rooted.root(tree_root=keccak(b"lie")), seat=1)
    evidence = encode_posted(1, lie)
    culprit, reporter = judged.operator(1), a_wallet("reporter")
    stake, court = judged.rooted.seats.stake, judged.court
    held, pool = boa.env.get_balance(stake.address), culprit.pool(STORAGE)
    before = stake.stake_at(pool, judged.rooted.epoch)
    commit(judged, evidence, reporter)

    court.report(KV_FALSE_ROOT, evidence, SALT, sender=reporter)

    taken = before * 3 // 10
    assert taken == stake.slashed_at(pool, judged.rooted.epoch) > 0
    assert held - taken == boa.env.get_balance(stake.address)
    assert taken // 5 == court.credit_of(reporter)
    shared = court.credit_of(reporter) + court.credit_of(court.treasury())
    assert taken == shared + court.insurance_held()
    assert not stake.is_member(pool)
    assert boa.env.get_balance(court.address) == taken

    receiver = boa.env.generate_address("receiver")
    court.withdraw(receiver, sender=reporter)
    assert boa.env.get_balance(receiver) == taken // 5
    assert court.credit_of(reporter) == 0


def test_inv_kv_9__the_same_lie_shown_again__punished_no_second_time(judged: Judged) -> None:
    root = judged.rooted.root()
    judged.rooted.post(root, absent=(3,))
    lie = judged.claim(judged.rooted.root(tree_root=keccak(b"lie")), seat=1)
    own = judged.claim(root, seat=1)
    first, second = encode_posted(1, lie), encode_signatures(own, lie)
    pool, epoch = judged.operator(1).pool(STORAGE), judged.rooted.epoch
    judged.court.report(KV_FALSE_ROOT, first, SALT, sender=a_wallet("reporter"))
    taken = judged.rooted.seats.stake.slashed_at(pool, epoch)

    for evidence in (first, second):
        with boa.reverts("court: punished already"):
            judged.court.report(KV_FALSE_ROOT, evidence, SALT, sender=a_wallet("reporter"))

    assert taken == judged.rooted.seats.stake.slashed_at(pool, epoch) > 0
