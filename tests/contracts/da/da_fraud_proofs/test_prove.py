"""A bad encoding voids its blob, once, and disperser and signer pay; nothing else does."""

from dataclasses import replace

import boa
import pytest

from offchain.core.field import MODULUS, Elements
from offchain.core.hashing import keccak
from offchain.core.layout import K, N
from offchain.core.matrix.encode import EncodedBlob
from offchain.core.merkle import row_root
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW, ShownRow
from tests.contracts.da.da_fraud_proofs.conftest import BAD_ROW, LENGTH, SALT, Unmoved
from tests.support.da import EVIDENCE_SECONDS, WINDOWS, DaSite, confirm, da_deployer
from tests.support.da_challenges import (
    DA_BAD_ENCODING,
    DA_BAD_ROW,
    PaidBlob,
    announce,
    confirmed,
    leaf_evidence,
    paid,
    row_evidence,
)
from tests.support.da_encoding import (
    frame_of,
    honest,
    opening_of,
    path_of,
    shown_row,
    tampered,
)
from tests.support.staking import COIN, DA, AnOperator, a_wallet


def row_digest(blob: PaidBlob, row: int) -> bytes:
    return row_evidence(blob.identifier, row, row_root(blob.encoded.rows[row].tobytes()))


def prove(blob: PaidBlob, who: str, row: int = BAD_ROW, **changes: object) -> None:
    """Announce and prove, with the block between that it takes."""
    announce(blob.site, who, row_digest(blob, row), SALT)
    blob.prove_row(who, shown_row(blob.encoded, row), SALT, **changes)


def prove_leaf(blob: PaidBlob, who: str, row: int, leaf: int) -> None:
    frame = frame_of(blob.encoded, row, leaf)
    digest = leaf_evidence(blob.identifier, row, leaf, frame[8:264])
    assert digest == blob.site.fraud_proofs.check_bad_leaf(blob.fields, frame)
    announce(blob.site, who, digest, SALT)
    blob.prove_leaf(who, frame, SALT)


def slashed(blob: PaidBlob, operator: AnOperator) -> int:
    return int(blob.site.stake.slashed_at(operator.pool(DA), blob.ballot.record.epoch))


def test_inv_da_15__bad_parity_row__voids_and_everybody_liable_pays(
    bad: PaidBlob, reporter: str
) -> None:
    site, disperser, signer = bad.site, bad.site.operators[1], bad.owner(BAD_ROW)
    fee = site.entrance.fee_of(bad.fields)
    stakes = {
        one.operator_id: site.stake.stake_at(one.pool(DA), bad.ballot.record.epoch)
        for one in site.operators
    }
    pool = site.entrance.reward_pool()

    prove(bad, reporter)
    event = next(
        one for one in site.fraud_proofs.get_logs() if type(one).__name__ == "BadEncodingProven"
    )

    assert (event.blob_id, event.reporter, event.row, event.leaf) == (
        bad.identifier,
        reporter,
        BAD_ROW,
        WHOLE_ROW,
    )
    assert (event.disperser_id, event.signer_id) == (disperser.operator_id, signer.operator_id)
    assert site.record(bad.identifier).state is BlobState.VOID
    assert not site.entrance.is_available(bad.identifier)
    assert site.entrance.reward_pool() == pool
    earned = 0
    if signer is disperser:
        assert slashed(bad, disperser) == stakes[disperser.operator_id]
    else:
        assert slashed(bad, disperser) == stakes[disperser.operator_id]
        assert slashed(bad, signer) == stakes[signer.operator_id] // 10
        earned = slashed(bad, signer) // 5
    assert site.court.credit_of(disperser.owner) == fee
    assert site.court.credit_of(reporter) == min(slashed(bad, disperser) // 5, 10 * COIN) + earned
    assert not site.stake.is_member(disperser.pool(DA))
    for bystander in site.operators:
        if bystander not in (signer, disperser):
            assert slashed(bad, bystander) == 0


def non_canonical_parity(rows: Elements) -> None:
    value = int.from_bytes(rows[BAD_ROW, 5].tobytes(), "big") + MODULUS
    while value + MODULUS < 2**256:
        value += MODULUS
    rows[BAD_ROW, 5] = list(value.to_bytes(32, "big"))


def test_inv_da_15__element_that_is_no_field_element__needs_no_opening(
    wired: DaSite, reporter: str
) -> None:
    """Its combination is right: mod r the row is honest. The element alone is the fault."""
    blob = confirmed(wired, tampered(LENGTH, non_canonical_parity), payer=wired.operators[1])
    announce(wired, reporter, row_digest(blob, BAD_ROW), SALT)

    blob.prove_row(reporter, shown_row(blob.encoded, BAD_ROW), SALT, opening=b"")

    assert wired.record(blob.identifier).state is BlobState.VOID


def test_inv_da_15__non_canonical_parity_leaf__is_enough(wired: DaSite, reporter: str) -> None:
    blob = confirmed(wired, tampered(LENGTH, non_canonical_parity), payer=wired.operators[1])

    prove_leaf(blob, reporter, BAD_ROW, 0)

    assert wired.record(blob.identifier).state is BlobState.VOID


def one_top_byte(rows: Elements) -> None:
    rows[17, 9, 0] = 1


def one_byte_past_the_end(rows: Elements) -> None:
    rows[K - 1, 31, 31] = 1


@pytest.mark.parametrize(
    ("tamper", "row", "leaf"), [(one_top_byte, 17, 1), (one_byte_past_the_end, K - 1, 3)]
)
def test_inv_da_15__byte_that_no_encoding_has__voids_by_one_leaf(
    wired: DaSite, reporter: str, tamper: object, row: int, leaf: int
) -> None:
    matrix = tampered(LENGTH, tamper)  # type: ignore[arg-type]  # parametrized functions
    blob = confirmed(wired, matrix, payer=wired.operators[1])
    signer = blob.owner(row)

    prove_leaf(blob, reporter, row, leaf)

    assert wired.record(blob.identifier).state is BlobState.VOID
    assert slashed(blob, signer) >= (
        wired.stake.stake_at(signer.pool(DA), blob.ballot.record.epoch) // 10
    )


def one_data_bit(rows: Elements) -> None:
    rows[5, 1, 20] ^= 4


def test_inv_da_15__data_row_the_parity_was_not_made_from__every_parity_row_proves_it(
    wired: DaSite, reporter: str, unmoved: Unmoved
) -> None:
    blob = confirmed(wired, tampered(LENGTH, one_data_bit), payer=wired.operators[1])
    with unmoved("da_fraud_proofs: row is sound", blob):
        prove(blob, reporter, 5)

    prove(blob, reporter, K)

    assert wired.record(blob.identifier).state is BlobState.VOID


def test_inv_da_15__honest_encoding__no_row_and_no_leaf_can_void_it(
    wired: DaSite, reporter: str, unmoved: Unmoved
) -> None:
    blob = confirmed(wired, honest(LENGTH), payer=wired.operators[1])
    for row in (0, 1, 17, K - 1, K, K + 1, 2 * K - 1, 2 * K, BAD_ROW, N - 1):
        with unmoved("da_fraud_proofs: row is sound", blob):
            wired.fraud_proofs.check_bad_row(
                blob.fields,
                row,
                blob.encoded.rows[row].tobytes(),
                path_of(blob.encoded, row),
                opening_of(blob.encoded, row),
            )
        for leaf in range(4):
            with unmoved("da_fraud_proofs: leaf is sound", blob):
                wired.fraud_proofs.check_bad_leaf(blob.fields, frame_of(blob.encoded, row, leaf))
    with unmoved("da_fraud_proofs: row is sound", blob):
        prove(blob, reporter, K)


def flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def test_inv_da_15__honest_row_with_anything_altered__proves_nothing(
    wired: DaSite, reporter: str, unmoved: Unmoved
) -> None:
    """A liar changes the row, its place, its path, the commitment, the value or the proof."""
    blob = confirmed(wired, honest(LENGTH), payer=wired.operators[1])
    shown = shown_row(blob.encoded, K + 3)
    other = opening_of(blob.encoded, K + 4)
    wrong = [
        ("row_path: not under the root", {"data": flipped(shown.data, 77)}),
        ("row_path: not under the root", {"row": K + 2}),
        ("row_path: not under the root", {"path": flipped(shown.path, 400)}),
        ("row_path: no such place", {"row": N}),
        ("row_path: wrong length", {"path": shown.path[:-32]}),
        ("row_tree: wrong length", {"data": shown.data + bytes(256)}),
        ("da_fraud_proofs: no opening", {"opening": b""}),
        ("da_fraud_proofs: no opening", {"opening": shown.opening[:-1]}),
        ("da_fraud_proofs: other commitment", {"opening": flipped(shown.opening, 47)}),
        ("da_fraud_proofs: wrong opening", {"opening": flipped(shown.opening, 79)}),
        ("da_fraud_proofs: wrong opening", {"opening": flipped(shown.opening, 127)}),
        ("da_fraud_proofs: wrong opening", {"opening": other}),
        (
            "da_fraud_proofs: wrong opening",
            {
                "opening": shown.opening[:48]
                + (MODULUS + 1).to_bytes(32, "big")
                + shown.opening[80:]
            },
        ),
    ]
    for reason, changes in wrong:
        with unmoved(reason, blob):
            blob.prove_row(reporter, shown, SALT, **changes)


def test_prove__copied_from_the_mempool__earns_nothing_and_moves_nothing(
    bad: PaidBlob, reporter: str, stranger: str, unmoved: Unmoved
) -> None:
    """The copier sees the proof before it is mined; its own commitment is a block too young."""
    site, shown = bad.site, shown_row(bad.encoded, BAD_ROW)
    announce(site, reporter, row_digest(bad, BAD_ROW), SALT)

    with unmoved("da_fraud_proofs: not announced", bad):
        bad.prove_row(stranger, shown, SALT)
    announce(site, stranger, row_digest(bad, BAD_ROW), SALT)
    boa.env.evm.patch.block_number -= 1
    with unmoved("da_fraud_proofs: not announced", bad):
        bad.prove_row(stranger, shown, SALT)
    with unmoved("da_fraud_proofs: not announced", bad):
        bad.prove_row(reporter, shown, b"t" * 32)
    boa.env.evm.patch.block_number += 1
    bad.prove_row(reporter, shown, SALT)

    assert site.court.credit_of(reporter) > 0
    assert site.court.credit_of(stranger) == 0


def test_commit__twice__is_refused(bad: PaidBlob, reporter: str, unmoved: Unmoved) -> None:
    proofs = bad.site.fraud_proofs
    proofs.commit(SALT, sender=reporter)
    assert proofs.commitments(SALT) == boa.env.evm.patch.block_number

    with unmoved("da_fraud_proofs: committed already"):
        proofs.commit(SALT, sender=reporter)


def test_prove__other_certificate_than_the_blobs__is_refused(
    bad: PaidBlob, reporter: str, unmoved: Unmoved
) -> None:
    """A reporter that is friends with the signer pretends that it was absent."""
    announce(bad.site, reporter, row_digest(bad, BAD_ROW), SALT)
    shown = shown_row(bad.encoded, BAD_ROW)
    lies = [{"absent": (31, 0, 0, 0)}, {"seed": keccak(b"seed")}, {"seed": bytes(32)}]
    for lie in lies:
        with unmoved("da_fraud_proofs: wrong certificate", bad):
            bad.prove_row(reporter, shown, SALT, **lie)


def paid_with_spared_owner(site: DaSite, encoded: EncodedBlob, payer: AnOperator) -> PaidBlob:
    """Pay until chance gives the bad row to one that a certificate can spare."""
    for number in range(100):
        blob = paid(site, encoded, payer=payer, salt=keccak(number.to_bytes(32, "big")))
        if blob.owner(BAD_ROW) not in (site.operators[0], payer):
            return blob
    raise AssertionError("a hundred draws gave the row to two of five operators")


def test_inv_da_15__owner_did_not_sign__only_the_disperser_pays(
    wired: DaSite, bad_matrix: EncodedBlob, reporter: str
) -> None:
    disperser = wired.operators[1]
    waiting = paid_with_spared_owner(wired, bad_matrix, disperser)
    owner = waiting.owner(BAD_ROW)
    certificate = waiting.ballot.certificate([waiting.ballot.index_of(owner)])
    confirm(wired, waiting.blob, certificate)

    blob = replace(waiting, absent=certificate.absent_bits(), is_confirmed=True)
    prove(blob, reporter)

    assert wired.record(waiting.identifier).state is BlobState.VOID
    assert slashed(waiting, owner) == 0
    assert slashed(waiting, disperser) > 0


def test_inv_da_15__blob_still_waiting__is_void_and_its_fee_goes_back_from_what_was_held(
    wired: DaSite, bad_matrix: EncodedBlob, reporter: str, unmoved: Unmoved
) -> None:
    payer = wired.operators[1]
    blob = paid(wired, bad_matrix, payer=payer)
    fee, before = wired.entrance.fee_of(blob.fields), wired.entrance.credit_of(payer.owner)

    prove(blob, reporter)

    assert wired.record(blob.identifier).state is BlobState.VOID
    assert wired.entrance.credit_of(payer.owner) == before + fee
    assert (wired.court.credit_of(payer.owner), wired.entrance.held()) == (0, 0)
    assert slashed(blob, payer) == 100 * COIN
    boa.env.time_travel(seconds=WINDOWS.confirm + 1)
    with unmoved("blob_records: not paid", blob):
        wired.entrance.refund(blob.fields)


def test_prove__refunded_or_never_paid__is_refused(
    wired: DaSite, bad_matrix: EncodedBlob, reporter: str, unmoved: Unmoved
) -> None:
    blob = paid(wired, bad_matrix, payer=wired.operators[1])
    boa.env.time_travel(seconds=WINDOWS.confirm + 1)
    wired.entrance.refund(blob.fields)

    with unmoved("blob_records: not voidable", blob):
        prove(blob, reporter)
    other = list(blob.fields)
    other[-1] = keccak(b"never paid")
    digest = wired.fraud_proofs.check_bad_row(
        tuple(other), BAD_ROW, *_three(shown_row(bad_matrix, BAD_ROW))
    )
    announce(wired, reporter, digest, SALT)
    with unmoved("blob_records: not voidable", blob):
        wired.fraud_proofs.prove_bad_row(
            tuple(other),
            BAD_ROW,
            *_three(shown_row(bad_matrix, BAD_ROW)),
            bytes(32),
            (0, 0, 0, 0),
            SALT,
            sender=reporter,
        )


def _three(shown: ShownRow) -> tuple[bytes, bytes, bytes]:
    return shown.data, shown.path, shown.opening


def three_parity_bits(rows: Elements) -> None:
    for row in (BAD_ROW, BAD_ROW + 1, BAD_ROW + 2):
        rows[row, 3, 31] ^= 1


def test_inv_da_15__void_blob__further_bad_rows_cost_their_signers_and_each_pays_once(
    wired: DaSite, reporter: str, unmoved: Unmoved
) -> None:
    blob = confirmed(wired, tampered(LENGTH, three_parity_bits), payer=wired.operators[1])
    prove(blob, reporter)
    before, disperser = slashed(blob, wired.operators[1]), wired.operators[1]
    signer = blob.owner(BAD_ROW + 1)
    earlier = slashed(blob, signer)

    announce(wired, reporter, row_digest(blob, BAD_ROW + 1), SALT)
    blob.prove_row(reporter, shown_row(blob.encoded, BAD_ROW + 1), SALT)

    stake = wired.stake.stake_at(signer.pool(DA), blob.ballot.record.epoch)
    assert slashed(blob, signer) == (earlier if signer is disperser else earlier + stake // 10)
    assert slashed(blob, disperser) == before
    with unmoved("court: punished already", blob):
        blob.prove_row(reporter, shown_row(blob.encoded, BAD_ROW + 1), SALT)


def test_prove__void_before_any_certificate__is_refused(
    wired: DaSite, bad_matrix: EncodedBlob, reporter: str, unmoved: Unmoved
) -> None:
    blob = paid(wired, bad_matrix, payer=wired.operators[1])
    prove(blob, reporter)

    with unmoved("da_fraud_proofs: void already", blob):
        blob.prove_row(reporter, shown_row(bad_matrix, BAD_ROW), SALT)


def test_inv_da_15__expired_blob__is_provable_while_the_court_takes_evidence(
    bad: PaidBlob, reporter: str, unmoved: Unmoved
) -> None:
    site = bad.site
    announce(site, reporter, row_digest(bad, BAD_ROW), SALT)
    barred_at = site.stake.epoch_start(bad.ballot.record.epoch + 1) + EVIDENCE_SECONDS
    assert barred_at > bad.ballot.record.expiry + 2 * WINDOWS.answer
    with boa.env.anchor():
        boa.env.time_travel(seconds=barred_at + 1 - boa.env.timestamp)
        with unmoved("court: evidence too late", bad):
            bad.prove_row(reporter, shown_row(bad.encoded, BAD_ROW), SALT)
    boa.env.time_travel(seconds=barred_at - boa.env.timestamp)

    bad.prove_row(reporter, shown_row(bad.encoded, BAD_ROW), SALT)

    assert site.record(bad.identifier).state is BlobState.VOID


def test_prove__disperser_has_nothing_left__refunds_no_fee_out_of_the_insurance(
    wired: DaSite, bad_matrix: EncodedBlob, reporter: str
) -> None:
    """Colluders would pay fees into the pool, earn from it, and get the fees back as losses."""
    payer = wired.operators[1]
    blobs = [
        confirmed(wired, bad_matrix, payer=payer, salt=keccak(bytes([number])))
        for number in range(2)
    ]
    fees = [wired.entrance.fee_of(blob.fields) for blob in blobs]
    prove(blobs[0], reporter)
    first = wired.court.credit_of(payer.owner)

    prove(blobs[1], reporter)

    assert first == fees[0]
    assert wired.court.credit_of(payer.owner) == first
    offence = wired.court.offence_id_of(DA_BAD_ENCODING, payer.pool(DA), blobs[1].identifier)
    assert tuple(wired.court.claims(offence))[1] == 0


def test_report__fraud_offences__have_no_other_way_in(bad: PaidBlob, reporter: str) -> None:
    for offence in (DA_BAD_ROW, DA_BAD_ENCODING):
        with boa.reverts():
            bad.site.court.report(offence, b"", SALT, sender=reporter)
        assert bad.site.fraud_proofs.evidence_seconds(offence) == EVIDENCE_SECONDS
    with boa.reverts("da_fraud_proofs: unknown offence"):
        bad.site.fraud_proofs.evidence_seconds(2)


def test_deploy__window_too_short_or_no_court__is_refused(wired: DaSite) -> None:
    deploy = da_deployer("DAFraudProofs").deploy
    parts = wired.entrance.address, wired.signers.address, wired.stake.address
    needed = 21 * WINDOWS.day + 2 * WINDOWS.answer + 2 * 144
    deploy(*parts, wired.court.address, needed)
    with boa.reverts("da_fraud_proofs: window too short"):
        deploy(*parts, wired.court.address, needed - 1)
    with boa.reverts("da_fraud_proofs: no contract"):
        deploy(*parts, a_wallet("nobody"), needed)
