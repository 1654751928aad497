"""What a settled receipt proves against its provider, and what it does not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.compute.audit_draw import WHOLE_ITEM, leaf_key
from offchain.compute.model import Receipt
from offchain.compute.sum_tree import SumNode, SumTree, parent, receipt_leaf
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.compute_chain import (
    NATIVE,
    PRICE_GRACE,
    a_payer,
    a_service,
    compute_deployer,
    hex_of,
    keeper,
    raw,
)
from tests.support.compute_courts import (
    BAD_COUNT,
    BAD_PRICE,
    BAD_SIGNER,
    EQUIVOCATION,
    EVIDENCE,
    OVERCLAIM,
    PAID,
    WRONG_MODEL,
    CourtsSite,
    Posted,
    Unmoved,
    an_answer,
    in_token,
    penalty,
    settled,
)
from tests.support.staking import COIN, EPOCH

NOTHING_WRONG = "receipt_court: nothing is wrong"


def one(site: CourtsSite, nonce: int = 4, **changes: Any) -> Posted:
    """A batch of one item with one answer."""
    return settled(site, [[an_answer(site, a_payer("payer 0").address, nonce, **changes)]])


def slashed(site: CourtsSite, call: Callable[[], object]) -> int:
    """What the provider's own stake loses by a call."""
    before = site.staked(site.provider)
    call()
    return before - site.staked(site.provider)


def fact(offence: int, subject: bytes) -> bytes:
    return keccak(words(offence, subject))


def header(inputs: int = 10, outputs: int = 20, version: int = 1, length: int = 183) -> bytes:
    start = bytes([version]) + inputs.to_bytes(4, "big") + outputs.to_bytes(4, "big")
    return start + bytes(length - len(start))


def committed(shown: bytes, leaves: int) -> tuple[bytes, bytes]:
    """The commitment of a header and other leaves, and the header's path."""
    level = [keccak(b"\x00", shown)] + [keccak(words(number)) for number in range(1, leaves)]
    path = b""
    while len(level) > 1:
        path += level[1]
        pairs = range(0, len(level), 2)
        level = [
            keccak(b"\x01", level[at], level[at + 1]) if at + 1 < len(level) else level[at]
            for at in pairs
        ]
    return keccak(b"\x02", leaves.to_bytes(4, "big"), level[0]), path


@pytest.mark.parametrize(
    ("changes", "offence"),
    [
        ({"price": PAID + 1}, BAD_PRICE),
        ({"price": PAID - 1}, BAD_PRICE),
        ({"output_tokens": 21}, BAD_PRICE),
        ({"price_version": 7}, BAD_PRICE),
        ({"time": 1}, BAD_PRICE),
        ({"key": keeper("somebody")}, BAD_SIGNER),
        ({"time": 1}, BAD_SIGNER),
    ],
)
def test_prove__price_or_signer_is_not_the_registered_one__ten_prices_and_refund(
    site: CourtsSite, stranger: str, changes: dict[str, Any], offence: int
) -> None:
    batch = one(site, **changes)
    holder = hex_of(batch.items[0].payer.address)
    before = site.escrow.free_of(holder, NATIVE)

    taken = slashed(
        site, lambda: site.receipts.prove(offence, batch.shown(), batch.leaf(), sender=stranger)
    )

    assert taken == 10 * batch.total
    assert site.escrow.free_of(holder, NATIVE) == before + batch.total
    assert site.escrow.batch(batch.id).held == 0
    assert site.receipts.is_proven(fact(offence, leaf_key(batch.id, 0, 0)))
    # the payer reports by whoever's hand: nothing to earn for a copier
    assert site.court.credit_of(stranger) == 0
    assert site.court.credit_of(holder) == taken * 500 // 10_000


def test_prove__row_retired_longer_than_its_grace__is_a_bad_price(site: CourtsSite) -> None:
    registry, owner = site.market.registry, site.provider.owner
    registry.announce_price(site.market.service, NATIVE, 2_000_000, 8_000_000, 3, sender=owner)
    retired_at = registry.price_row(site.market.service, 1).retired_at
    boa.env.timestamp = retired_at + PRICE_GRACE
    late = one(site, time=boa.env.timestamp + 1)
    in_time = one(site, nonce=5, time=boa.env.timestamp)

    with boa.reverts(NOTHING_WRONG):
        site.receipts.prove(BAD_PRICE, in_time.shown(), in_time.leaf())
    site.receipts.prove(BAD_PRICE, late.shown(), late.leaf())

    assert site.receipts.is_proven(fact(BAD_PRICE, leaf_key(late.id, 0, 0)))


@pytest.mark.parametrize("part", [b"", bytes(64) + b"\x1d", b"\x01" * 65, bytes(65)])
def test_prove__signature_that_nobody_can_have_made__is_a_bad_signer(
    site: CourtsSite, part: bytes
) -> None:
    answer = an_answer(site, a_payer("payer 0").address, 4)
    high = int.from_bytes(answer.signature[32:64], "big")
    mirrored = 2**256 - 432420386565659656852420866394968145599 - high
    signature = part or answer.signature[:32] + mirrored.to_bytes(32, "big") + b"\x1b"
    batch = settled(site, [[replace(answer, signature=signature)]])

    site.receipts.prove(BAD_SIGNER, batch.shown(), batch.leaf())

    assert site.receipts.is_proven(fact(BAD_SIGNER, leaf_key(batch.id, 0, 0)))


def test_prove__another_model__costs_what_a_failed_draw_costs(site: CourtsSite) -> None:
    batch = one(site, model_hash=keccak(b"a smaller model"))

    taken = slashed(site, lambda: site.receipts.prove(WRONG_MODEL, batch.shown(), batch.leaf()))

    assert taken == penalty(batch) == site.receipts.penalty(batch.id)
    assert site.escrow.batch(batch.id).held == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"payer": keeper("payer 1").address},
        {"provider": keeper("somebody").address},
        {"service": keccak(b"another service")},
        {"price_version": 2},
        {"nonce": 3},
        {"nonce": 6},
    ],
)
def test_prove__item_may_not_ask_for_the_receipt__is_an_overclaim(
    site: CourtsSite, changes: dict[str, Any]
) -> None:
    mine = a_payer("payer 0").address
    honest, fifth = an_answer(site, mine, 4), an_answer(site, mine, 5)
    wrong = an_answer(site, **{"payer": mine, "nonce": 4} | changes)
    leaves = [receipt_leaf(each.receipt, each.signature) for each in (wrong, fifth)]
    batch = settled(site, [[honest, fifth]], trees=[SumTree.of(leaves)])
    leaf = batch.leaf(0, 0, receipt=wrong.fields(), signature=wrong.signature)
    before = site.escrow.free_of(hex_of(mine), NATIVE)

    taken = slashed(site, lambda: site.receipts.prove(OVERCLAIM, batch.shown(), leaf))

    assert taken == penalty(batch)
    assert site.escrow.free_of(hex_of(mine), NATIVE) == before + batch.items[0].amount
    assert site.receipts.is_proven(fact(OVERCLAIM, leaf_key(batch.id, 0, WHOLE_ITEM)))


def test_prove__tree_weighs_a_leaf_more_than_its_price__is_an_overclaim(site: CourtsSite) -> None:
    mine = [an_answer(site, a_payer("payer 0").address, nonce) for nonce in (4, 5)]
    leaves = [receipt_leaf(each.receipt, each.signature) for each in mine]
    heavy = [leaves[0], SumNode(leaves[1].hash, 2 * PAID)]
    batch = settled(site, [mine], trees=[SumTree.of(heavy)])

    site.receipts.prove(OVERCLAIM, batch.shown(), batch.leaf(0, 1))

    assert site.escrow.refunded_of(batch.id, 0) == 3 * PAID


def test_prove_sums__a_node_says_more_than_its_parts__item_goes_back(site: CourtsSite) -> None:
    mine = [an_answer(site, a_payer("payer 0").address, nonce) for nonce in (4, 5, 6)]
    honest = SumTree.of([receipt_leaf(each.receipt, each.signature) for each in mine])
    inflated = SumNode(honest.levels[1][0].hash, 5 * PAID)
    third = honest.levels[1][1]
    lying = SumTree((honest.levels[0], (inflated, third), (parent(inflated, third),)))
    batch = settled(site, [mine], trees=[lying])

    taken = slashed(
        site,
        lambda: site.receipts.prove_sums(
            batch.shown(), lying.levels[0][0].hash, 0, lying.path_bytes(0)
        ),
    )

    assert taken == penalty(batch)
    assert site.escrow.refunded_of(batch.id, 0) == 6 * PAID


def test_prove_repeat__a_nonce_twice__item_goes_back_once(
    site: CourtsSite, unmoved: Unmoved
) -> None:
    mine = a_payer("payer 0").address
    twice = [an_answer(site, mine, 4), an_answer(site, mine, 4, finish=2)]
    batch = settled(site, [twice], last_nonce=5)

    site.receipts.prove_repeat(batch.shown(), batch.leaf(0, 0), batch.leaf(0, 1))

    assert site.escrow.refunded_of(batch.id, 0) == batch.total
    with unmoved("receipt_court: proven already"):
        site.receipts.prove_repeat(batch.shown(), batch.leaf(0, 0), batch.leaf(0, 1))


@pytest.mark.parametrize(
    ("shown", "leaves", "billed"),
    [
        (header(outputs=19), 3, (10, 20)),
        (header(inputs=9), 3, (10, 20)),
        (header(), 4, (10, 20)),
        (header(outputs=33), 3, (10, 33)),
        (header(version=2), 3, (10, 20)),
        (header(length=40), 3, (10, 20)),
    ],
)
def test_prove_count__commitment_counts_otherwise__costs_and_refunds(
    site: CourtsSite, shown: bytes, leaves: int, billed: tuple[int, int]
) -> None:
    root, path = committed(shown, leaves)
    inputs, outputs = billed
    price = 2 * inputs + 8 * outputs + 3
    batch = one(site, commitment=root, input_tokens=inputs, output_tokens=outputs, price=price)

    taken = slashed(
        site,
        lambda: site.receipts.prove_count(batch.shown(), batch.leaf(), shown, leaves, path),
    )

    assert taken == penalty(batch)
    assert site.receipts.is_proven(fact(BAD_COUNT, leaf_key(batch.id, 0, 0)))


@pytest.mark.parametrize(("outputs", "leaves"), [(20, 3), (32, 3), (33, 4), (0, 2), (1_024, 34)])
def test_prove_count__honest_counts__nothing_is_wrong(
    site: CourtsSite, unmoved: Unmoved, outputs: int, leaves: int
) -> None:
    shown = header(outputs=outputs)
    root, path = committed(shown, leaves)
    batch = one(site, commitment=root, output_tokens=outputs, price=23 + 8 * outputs)

    with unmoved(NOTHING_WRONG):
        site.receipts.prove_count(batch.shown(), batch.leaf(), shown, leaves, path)


def test_prove_count__not_the_committed_header__refused(site: CourtsSite, unmoved: Unmoved) -> None:
    root, path = committed(header(), 3)
    batch = one(site, commitment=root)
    call = site.receipts.prove_count

    with unmoved("receipt_rules: not committed to"):
        call(batch.shown(), batch.leaf(), header(outputs=19), 3, path)
    with unmoved("receipt_rules: not committed to"):
        call(batch.shown(), batch.leaf(), header(), 4, path)
    with unmoved("receipt_rules: path too short"):
        call(batch.shown(), batch.leaf(), header(), 3, path[:-1])
    with unmoved("receipt_rules: path too long"):
        call(batch.shown(), batch.leaf(), header(), 3, path + bytes(32))
    with unmoved("receipt_rules: leaves out of range"):
        call(batch.shown(), batch.leaf(), header(), 0, path)


def test_prove_equivocation__two_receipts_for_one_request__slashed_and_suspended(
    site: CourtsSite, batch: Posted
) -> None:
    other = an_answer(site, batch.items[0].payer.address, 2, response_hash=keccak(b"other"))

    parties = (other.receipt.payer, other.receipt.provider)

    taken = slashed(
        site,
        lambda: site.receipts.prove_equivocation(
            batch.shown(), batch.leaf(0, 1), other.fields(), other.signature
        ),
    )

    assert taken == penalty(batch)
    assert site.escrow.refunded_of(batch.id, 0) == PAID
    assert site.market.registry.service(site.market.service).state == 8
    assert site.receipts.is_proven(
        fact(
            EQUIVOCATION,
            keccak(words(*parties, raw(NATIVE), other.receipt.nonce)),
        )
    )


def test_prove_equivocation__second_service_of_the_provider__counts(
    site: CourtsSite, batch: Posted
) -> None:
    second = a_service(site.market.registry, site.provider, salt=keccak(b"second"))
    other = an_answer(site, batch.items[0].payer.address, 1, service=second)

    site.receipts.prove_equivocation(batch.shown(), batch.leaf(), other.fields(), other.signature)

    assert site.escrow.refunded_of(batch.id, 0) == PAID


def test_prove_equivocation__same_nonce_in_another_token__is_another_request(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    """Each token's bucket counts its own nonces, so an honest provider signs 1 in each."""
    second = in_token(site, COIN).market.service
    other = an_answer(site, batch.items[0].payer.address, 1, service=second)
    never = an_answer(site, batch.items[0].payer.address, 1, service=second, price_version=9)
    call = site.receipts.prove_equivocation

    with unmoved("receipt_court: another request"):
        call(batch.shown(), batch.leaf(), other.fields(), other.signature)
    # a row that was never announced is in no token: no honest provider signs it
    call(batch.shown(), batch.leaf(), never.fields(), never.signature)

    assert site.escrow.refunded_of(batch.id, 0) == PAID


def test_prove_equivocation__not_two_of_one_request__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    mine = batch.items[0].payer.address
    same = batch.items[0].answers[0]
    call = site.receipts.prove_equivocation
    cases = [
        (same, NOTHING_WRONG),
        (an_answer(site, mine, 9), "receipt_court: another request"),
        (an_answer(site, a_payer("payer 1").address, 1), "receipt_court: another request"),
        (an_answer(site, mine, 1, finish=2, key=keeper("x")), "receipt_court: not signed"),
        (an_answer(site, mine, 1, finish=2, time=1), "receipt_court: not signed"),
        (an_answer(site, mine, 1, service=keccak(b"?")), "receipt_court: another provider"),
        (
            an_answer(site, mine, 1, provider=keeper("x").address),
            "receipt_court: another provider",
        ),
    ]

    for other, reason in cases:
        with unmoved(reason):
            call(batch.shown(), batch.leaf(), other.fields(), other.signature)


@pytest.mark.parametrize("offence", [BAD_PRICE, BAD_SIGNER, WRONG_MODEL, OVERCLAIM])
def test_prove__honest_receipt__nothing_is_wrong(
    site: CourtsSite, batch: Posted, unmoved: Unmoved, offence: int
) -> None:
    for item in (0, 1):
        for leaf in (0, 1, 2):
            with unmoved(NOTHING_WRONG):
                site.receipts.prove(offence, batch.shown(item), batch.leaf(item, leaf))


def test_prove__sums_and_nonces_of_an_honest_item__nothing_is_wrong(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    item = batch.items[0]
    with unmoved(NOTHING_WRONG):
        site.receipts.prove_sums(
            batch.shown(), item.tree.levels[0][2].hash, 2, item.tree.path_bytes(2)
        )
    with unmoved(NOTHING_WRONG):
        site.receipts.prove_repeat(batch.shown(), batch.leaf(0, 0), batch.leaf(0, 1))
    with unmoved(NOTHING_WRONG):
        site.receipts.prove_repeat(batch.shown(), batch.leaf(0, 1), batch.leaf(0, 0))


@pytest.mark.parametrize("offence", [BAD_COUNT, EQUIVOCATION, 22, 0])
def test_prove__offence_of_another_proof__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved, offence: int
) -> None:
    with unmoved("receipt_court: another proof"):
        site.receipts.prove(offence, batch.shown(), batch.leaf())


def test_open__not_what_was_settled__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    prove, item = site.receipts.prove, batch.items[0]
    changed = list(item.fields())
    changed[4] += 1
    receipt = replace(item.answers[0].receipt, price=1)
    wrong = replace(item.answers[0], receipt=receipt).fields()
    path = item.tree.path_bytes(0)
    cases = [
        (batch.shown(batch=9), batch.leaf(), "openings: no such batch"),
        (batch.shown(item=tuple(changed)), batch.leaf(), "openings: not in the batch"),
        ((batch.id, 1, *batch.shown()[2:]), batch.leaf(), "openings: not in the batch"),
        ((batch.id, 2, *batch.shown()[2:]), batch.leaf(), "sum_path: no such leaf"),
        (batch.shown(path=b""), batch.leaf(), "sum_path: path too short"),
        (batch.shown(path=bytes(112)), batch.leaf(), "sum_path: path too long"),
        (batch.shown(), batch.leaf(receipt=wrong), "openings: not in the item"),
        (batch.shown(), batch.leaf(signature=bytes(65)), "openings: not in the item"),
        (batch.shown(), (1, *batch.leaf()[1:]), "openings: not in the item"),
        (batch.shown(), (3, *batch.leaf()[1:]), "sum_path: no such leaf"),
        (batch.shown(), batch.leaf(path=path[:-1]), "sum_path: path too short"),
        (batch.shown(), batch.leaf(path=path + b"0"), "sum_path: path too long"),
    ]

    for shown, leaf, reason in cases:
        with unmoved(reason):
            prove(WRONG_MODEL, shown, leaf)


def test_open__every_byte_of_a_path_changed__refused(
    site: CourtsSite, batch: Posted, unmoved: Unmoved
) -> None:
    path = batch.items[0].tree.path_bytes(1)

    for place in range(0, len(path), 7):
        flipped = bytearray(path)
        flipped[place] ^= 1
        with boa.reverts("openings: not in the item"):
            site.receipts.prove(WRONG_MODEL, batch.shown(), batch.leaf(0, 1, path=bytes(flipped)))


def test_open__more_leaves_than_levels__refused(site: CourtsSite, unmoved: Unmoved) -> None:
    mine = an_answer(site, a_payer("payer 0").address, 4)
    batch = settled(site, [[mine]])
    fields = list(batch.items[0].fields())
    fields[6] = 2**20 + 1

    with unmoved("openings: not in the batch"):
        site.receipts.prove(WRONG_MODEL, batch.shown(item=tuple(fields)), batch.leaf())


def test_prove__same_leaf_for_two_offences__paid_back_once_and_slashed_twice(
    site: CourtsSite, unmoved: Unmoved
) -> None:
    batch = one(site, model_hash=keccak(b"another"), key=keeper("somebody"))
    site.receipts.prove(WRONG_MODEL, batch.shown(), batch.leaf())
    paid = site.escrow.refunded_of(batch.id, 0)

    taken = slashed(site, lambda: site.receipts.prove(BAD_SIGNER, batch.shown(), batch.leaf()))

    assert taken == 10 * batch.total
    assert site.escrow.refunded_of(batch.id, 0) == paid == batch.total
    for offence in (WRONG_MODEL, BAD_SIGNER):
        with unmoved("receipt_court: proven already"):
            site.receipts.prove(offence, batch.shown(), batch.leaf())


def test_prove__court_hears_no_more_of_that_epoch__refund_stands_alone(site: CourtsSite) -> None:
    batch = one(site, model_hash=keccak(b"another"))
    last = site.stake.epoch_start(batch.epoch + 1) + EVIDENCE
    boa.env.timestamp = last + 1

    taken = slashed(site, lambda: site.receipts.prove(WRONG_MODEL, batch.shown(), batch.leaf()))

    assert taken == 0
    assert site.escrow.refunded_of(batch.id, 0) == batch.total
    assert EPOCH < EVIDENCE


def test_constructor__without_contracts_or_windows__refused(site: CourtsSite) -> None:
    good = [
        site.escrow.address,
        site.market.registry.address,
        site.stake.address,
        site.court.address,
        72,
        EVIDENCE,
        PRICE_GRACE,
        1,
    ]
    nobody = hex_of(keeper("nobody").address)
    cases = [
        (0, nobody, "openings: no contract"),
        (1, nobody, "receipt_court: no contract"),
        (3, nobody, "findings: no contract"),
        (4, 0, "leaf_demands: no window"),
        (7, 0, "leaf_demands: bond out of range"),
        (7, 2**64, "leaf_demands: bond out of range"),
    ]

    for place, value, reason in cases:
        arguments = list(good)
        arguments[place] = value
        with boa.reverts(reason):
            compute_deployer("ReceiptCourt").deploy(*arguments)


def test_evidence_seconds__own_offences_only(site: CourtsSite) -> None:
    for offence in (*range(BAD_PRICE, 23), 26):
        assert site.receipts.evidence_seconds(offence) == EVIDENCE
    for offence in (15, 23, 24, 25, 27):
        with boa.reverts("receipt_court: unknown offence"):
            site.receipts.evidence_seconds(offence)


def test_receipt_digest__is_the_models(site: CourtsSite, batch: Posted) -> None:
    answer = batch.items[0].answers[0]
    receipt: Receipt = answer.receipt

    assert site.receipts.receipt_digest(answer.fields()) == receipt.digest(site.market.domain())
