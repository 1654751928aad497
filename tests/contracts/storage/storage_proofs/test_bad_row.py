"""A file that is no codeword is void, and nobody is punished for it; an honest one never is."""

import boa
import pytest

from offchain.core.field import MODULUS, Elements
from offchain.core.hashing import keccak
from offchain.core.matrix.encode import EncodedBlob
from offchain.storage.model import Segment
from tests.support.da_encoding import honest, opening_of, path_of, shown_row, tampered
from tests.support.refusal import Refused
from tests.support.storage_proofs import ANSWER, GROUP, AFile, ProofsSite, a_file, store, to_epoch

LENGTH = 1_000_000
BAD_ROW = 2_000


def one_parity_bit(rows: Elements) -> None:
    rows[BAD_ROW, 3, 31] ^= 1


def no_field_element(rows: Elements) -> None:
    rows[BAD_ROW, 3] = list(MODULUS.to_bytes(32, "big"))


@pytest.fixture(scope="module")
def bad_matrix() -> EncodedBlob:
    return tampered(LENGTH, one_parity_bit)


def file_of(encoded: EncodedBlob) -> AFile:
    kept = a_file(length=LENGTH)
    return AFile(kept.kept, encoded, kept.profile, (Segment.of(0, encoded.header),))


def prove_bad(site: ProofsSite, file: AFile, of_row: int, who: str, **changes: object) -> None:
    shown = shown_row(file.encoded, of_row)
    site.proofs.prove_bad_row(
        file.id,
        changes.get("shown", file.shown()),
        changes.get("row", of_row),
        changes.get("data", shown.data),
        changes.get("path", shown.path),
        changes.get("opening", shown.opening),
        sender=who,
    )


def test_prove_bad_row__one_parity_bit__voids_the_file_and_burns_nobody(
    site: ProofsSite, bad_matrix: EncodedBlob, stranger: str
) -> None:
    file = file_of(bad_matrix)
    store(site, [file])

    prove_bad(site, file, BAD_ROW, stranger)
    event = next(iter(site.proofs.get_logs()))

    assert (file.id, 0, BAD_ROW, stranger) == (event.id, event.segment, event.row, event.reporter)
    assert site.files.duty(file.id)[8] == 0
    to_epoch(site, 10, offset=ANSWER + 1)
    with boa.reverts("storage_proofs: not owed"):
        site.proofs.default_(10, GROUP, 1, [], file.id, sender=stranger)
    assert sum(site.slashed(operator, 10) for operator in site.operators) == 0


def test_prove_bad_row__no_field_element__needs_no_opening(site: ProofsSite, stranger: str) -> None:
    file = file_of(tampered(LENGTH, no_field_element))
    store(site, [file])

    prove_bad(site, file, BAD_ROW, stranger, opening=b"")

    assert site.files.duty(file.id)[8] == 0


def test_prove_bad_row__sound_row__is_refused(
    site: ProofsSite, bad_matrix: EncodedBlob, stranger: str, unmoved: Refused
) -> None:
    good, bad = file_of(honest(LENGTH)), file_of(bad_matrix)
    store(site, [good])
    for row in (0, 1_023, BAD_ROW):
        with unmoved("row_opening: row is sound"):
            prove_bad(site, good, row, stranger)
    store(site, [bad])
    with unmoved("row_opening: row is sound"):
        prove_bad(site, bad, BAD_ROW + 1, stranger)


def test_prove_bad_row__any_part_changed__is_refused(
    site: ProofsSite, bad_matrix: EncodedBlob, stranger: str, unmoved: Refused
) -> None:
    file = file_of(bad_matrix)
    store(site, [file])
    shown = shown_row(bad_matrix, BAD_ROW)
    other = honest(LENGTH + 1)
    foreign = opening_of(other, BAD_ROW)
    wrong = shown.opening[:79] + bytes([shown.opening[79] ^ 1]) + shown.opening[80:]
    index, root, commitment_hash, path = file.shown()

    for reason, changed in (
        ("segment_path: not in the file", {"shown": (index, keccak(b"x"), commitment_hash, path)}),
        ("segment_path: no such segment", {"shown": (1, root, commitment_hash, path)}),
        ("segment_path: wrong length", {"shown": (index, root, commitment_hash, bytes(32))}),
        ("row_tree: wrong length", {"data": shown.data[:-256]}),
        ("row_path: not under the root", {"data": bytes(len(shown.data))}),
        ("row_path: not under the root", {"row": BAD_ROW + 1}),
        ("row_path: not under the root", {"path": path_of(bad_matrix, BAD_ROW + 1)}),
        ("row_path: no such place", {"row": 3_072}),
        ("row_path: wrong length", {"path": shown.path[:-32]}),
        ("row_opening: no opening", {"opening": b""}),
        ("row_opening: other commitment", {"opening": foreign}),
        ("row_opening: wrong opening", {"opening": wrong}),
    ):
        with unmoved(reason):
            prove_bad(site, file, BAD_ROW, stranger, **changed)
    assert site.files.duty(file.id)[8] != 0
