"""A right proof in time settles the seat's epoch; every other one is refused and moves nothing."""

from dataclasses import replace

import boa
import pytest

from offchain.core.hashing import keccak
from tests.support.refusal import Refused
from tests.support.staking import a_wallet
from tests.support.storage_proofs import (
    ANSWER,
    GROUP,
    SERVING,
    SUSPECT,
    AFile,
    ProofsSite,
    default,
    duty_of,
    fallen,
    files_in_a_row,
    place,
    proof_of,
    prove,
    store,
    to_epoch,
    with_end,
)

SEAT = 5


@pytest.mark.parametrize("offset", [0, ANSWER])
def test_inv_sto_9__right_proof_in_time__settles(
    site: ProofsSite, files: list[AFile], offset: int
) -> None:
    proof = proof_of(site, files, 10, SEAT)
    to_epoch(site, 10, offset=offset)

    prove(site, proof, 10, SEAT, who=a_wallet("stranger"))
    event = next(iter(site.proofs.get_logs()))

    assert (10, GROUP, SEAT, proof.id, False) == (
        event.epoch,
        event.group,
        event.seat,
        event.id,
        event.is_restored,
    )
    assert site.proofs.is_proven(10, GROUP, SEAT)
    to_epoch(site, 10, offset=ANSWER + 1)
    with boa.reverts("storage_proofs: proven already"):
        default(site, files, 10, SEAT)


def test_prove__every_seat__its_own_leaf_of_its_own_rows(
    site: ProofsSite, files: list[AFile]
) -> None:
    for seat in range(32):
        drawn = fallen(site, files, 10, seat)
        assert drawn is not None
        assert place(files[0], drawn, seat).row in range(64 * seat, 64 * seat + 64)
        prove(site, proof_of(site, files, 10, seat), 10, seat)

    assert all(site.proofs.is_proven(10, GROUP, seat) for seat in range(32))


def test_prove__before_the_epoch_and_after_the_window__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    proof = proof_of(site, files, 10, SEAT)
    to_epoch(site, 10, offset=ANSWER + 1)

    with unmoved("storage_proofs: too late"):
        prove(site, proof, 10, SEAT)
    with unmoved("storage_proofs: not begun"):
        prove(site, proof, 11, SEAT)


def test_prove__twice__is_refused(site: ProofsSite, files: list[AFile], unmoved: Refused) -> None:
    proof = proof_of(site, files, 10, SEAT)
    prove(site, proof, 10, SEAT)

    with unmoved("storage_proofs: proven already"):
        prove(site, proof, 10, SEAT)


def test_prove__right_leaf_of_another_place__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    """Another leaf, another row of the shard, another seat's shard: all lie in the file."""
    proof = proof_of(site, files, 10, SEAT)
    drawn = fallen(site, files, 10, SEAT)
    assert drawn is not None
    here = place(files[0], drawn, SEAT)

    for row, leaf in (
        (here.row, here.leaf ^ 1),
        (here.row ^ 1, here.leaf),
        ((here.row + 64) % 2_048, here.leaf),
    ):
        with unmoved("storage_proofs: another leaf"):
            prove(site, replace(proof, frame=files[0].frame(row, leaf)), 10, SEAT)


def test_prove__file_that_was_not_drawn__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    proof = proof_of(site, files, 10, SEAT)

    for other in (one for one in files if one.id != proof.id):
        with unmoved("storage_proofs: another file"):
            prove(site, replace(proof, id=other.id), 10, SEAT)
    with unmoved("storage_proofs: not owed"):
        prove(site, replace(proof, id=keccak(b"nobody's")), 10, SEAT)


def test_prove__file_of_another_group__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    proof = proof_of(site, files, 10, SEAT)
    drawn = next(one for one in files if one.id == proof.id)
    site.files.set_duty(drawn.id, duty_of(drawn, GROUP + 1))

    with unmoved("storage_proofs: another file"):
        prove(site, proof, 10, SEAT)


def test_prove__seat_that_the_profile_lacks__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    drawn = fallen(site, files, 10, 32)
    assert drawn is not None
    proof = replace(proof_of(site, files, 10, SEAT), id=drawn.file.id)

    with unmoved("storage_proofs: no such seat"):
        prove(site, proof, 10, 32)


def test_prove__any_part_changed__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    proof = proof_of(site, files, 10, SEAT)
    short, flipped = proof.frame[:-32], bytearray(proof.frame)
    flipped[100] ^= 1

    for reason, changed in (
        ("segment_path: not in the file", replace(proof, data_root=keccak(b"other"))),
        ("segment_path: not in the file", replace(proof, commitment_hash=keccak(b"other"))),
        ("segment_path: wrong length", replace(proof, path=bytes(32))),
        ("row_path: wrong length", replace(proof, frame=short)),
        ("row_path: wrong length", replace(proof, frame=b"")),
        ("row_path: not under the root", replace(proof, frame=bytes(flipped))),
    ):
        with unmoved(reason):
            prove(site, changed, 10, SEAT)


def test_prove__file_over_when_the_window_ends__passes_to_the_next_attempt(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    owed_until = site.clock.start_of(10) + ANSWER
    first = proof_of(site, files, 10, SEAT)
    ended = [with_end(one, owed_until) if one.id == first.id else one for one in files]
    store(site, ended)
    second = proof_of(site, ended, 10, SEAT)

    with unmoved("storage_proofs: not owed"):
        prove(site, first, 10, SEAT)
    with unmoved("storage_proofs: another file"):
        prove(site, replace(second, skipped=second.skipped[:-1]), 10, SEAT)
    prove(site, second, 10, SEAT)

    assert site.proofs.is_proven(10, GROUP, SEAT)
    assert first.id in second.skipped


def test_prove__owed_file_passed_over__is_refused(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    proof = proof_of(site, files, 10, SEAT)
    seventeen = [proof.id] * 16

    with unmoved("storage_proofs: skipped is owed"):
        prove(site, replace(proof, skipped=(proof.id,)), 10, SEAT)
    with unmoved("storage_proofs: too many attempts"):
        prove(site, replace(proof, skipped=tuple(seventeen)), 10, SEAT)


def test_prove__nothing_kept_before_the_epoch__is_refused(
    seated: ProofsSite, files: list[AFile]
) -> None:
    """A file confirmed in an epoch is asked for from the next one on."""
    site = seated
    to_epoch(site, 11)
    store(site, files)
    to_epoch(site, 10 + 1)
    proof = proof_of(site, files, 11, SEAT)

    with boa.reverts("challenge_draw: nothing is kept"):
        site.proofs.position(10, GROUP, SEAT, 0)
    prove(site, proof, 11, SEAT)


def test_prove__suspect_seat__is_restored(site: ProofsSite, files: list[AFile]) -> None:
    to_epoch(site, 10, offset=ANSWER + 1)
    default(site, files, 10, SEAT)
    assert site.seat_state(SEAT) == SUSPECT
    to_epoch(site, 11)

    prove(site, proof_of(site, files, 11, SEAT), 11, SEAT)
    event = next(iter(site.proofs.get_logs()))

    assert event.is_restored
    assert site.seat_state(SEAT) == SERVING
    assert not site.standing(SEAT).is_suspect


def test_prove__file_that_a_suspect_seat_never_signed_for__may_be_passed_over(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    to_epoch(site, 10, offset=ANSWER + 1)
    default(site, files, 10, SEAT)
    to_epoch(site, 11)
    drawn = proof_of(site, files, 11, SEAT)
    unsigned = [
        replace(one, kept=replace(one.kept, absent=1 << SEAT)) if one.id == drawn.id else one
        for one in files
    ]
    store(site, unsigned)
    proof = proof_of(site, unsigned, 11, SEAT)

    prove(site, proof, 11, SEAT)

    assert drawn.id in proof.skipped
    assert site.seat_state(SEAT) == SERVING


def test_prove__file_that_a_serving_seat_never_signed_for__may_not(
    site: ProofsSite, files: list[AFile], unmoved: Refused
) -> None:
    unsigned = [replace(one, kept=replace(one.kept, absent=1 << SEAT)) for one in files[:2]]
    store(site, [*unsigned, files[2]])
    seat = SEAT
    drawn = fallen(site, files, 10, seat)
    assert drawn is not None
    proof = proof_of(site, files, 10, seat, tries=1)

    with unmoved("storage_proofs: skipped is owed"):
        prove(site, replace(proof, skipped=(proof.id,)), 10, seat)
    prove(site, proof, 10, seat)

    assert site.proofs.is_proven(10, GROUP, seat)


def test_inv_sto_9__reorg_takes_the_block_of_a_proof__the_same_proof_settles_again(
    site: ProofsSite, files: list[AFile]
) -> None:
    """What is asked depends on the beacon and the epoch alone, not on the block of the answer."""
    proof = proof_of(site, files, 10, SEAT)
    with boa.env.anchor():
        to_epoch(site, 10, offset=3)
        prove(site, proof, 10, SEAT)
        assert site.proofs.is_proven(10, GROUP, SEAT)
    assert not site.proofs.is_proven(10, GROUP, SEAT)
    boa.env.evm.patch.block_number += 7
    to_epoch(site, 10, offset=ANSWER)

    prove(site, proof, 10, SEAT, who=a_wallet("somebody else"))

    assert site.proofs.is_proven(10, GROUP, SEAT)


def test_prove__files_confirmed_in_the_epoch__do_not_move_what_was_asked(
    site: ProofsSite, files: list[AFile]
) -> None:
    proof = proof_of(site, files, 10, SEAT)
    more = files_in_a_row(9)
    for file in more[3:]:
        site.files.set_duty(file.id, duty_of(file, GROUP))
    site.files.set_kept(GROUP, 11, more[-1].kept.first_byte + more[-1].kept.bytes)

    prove(site, proof, 10, SEAT)

    assert site.proofs.is_proven(10, GROUP, SEAT)
