"""What a proof costs, a whole transaction, for a file of 33 segments and a row of 1,024 columns."""

from offchain.core.hashing import keccak
from offchain.storage.challenge_draw import KeptFile, fall, place_of
from offchain.storage.model import SEGMENT_BYTES, file_root, kept_bytes, segment_path
from tests.support.da import whole_transaction_gas
from tests.support.staking import a_wallet
from tests.support.storage_proofs import (
    ANSWER,
    DURABLE,
    FOREVER,
    GROUP,
    ProofsSite,
    crafted_file,
    to_epoch,
)

PROVE_BAR = 85_000
NEW_SLOT = 17_100  # more than changing one
SAME_TRANSACTION = 2_800  # what this EVM leaves out when a slot was changed by an earlier call
LENGTH = 33 * SEGMENT_BYTES
SEAT = 5


def prove_crafted(site: ProofsSite, epoch: int) -> int:
    """Prove a file of 33 full segments in an epoch; gas of the whole transaction."""
    to_epoch(site, epoch)
    kept = KeptFile(keccak(b"crafted"), 0, kept_bytes(DURABLE, LENGTH), LENGTH, FOREVER)
    drawn = fall(
        site.chance(epoch, SEAT),
        [kept],
        seat=SEAT,
        kept=kept.bytes,
        owed_until=site.clock.start_of(epoch) + ANSWER,
        tries=1,
    )
    assert drawn is not None
    here = place_of(drawn.offset, LENGTH, DURABLE, SEAT)
    segments, kept, frame = crafted_file(LENGTH, here)
    duty = (file_root(segments), GROUP, 0, kept.bytes, LENGTH, 33, DURABLE.number, 0, FOREVER, 0)
    site.files.set_duty(kept.id, duty)
    site.files.set_kept(GROUP, epoch, kept.bytes)
    one = segments[here.segment]
    path = b"".join(segment_path(segments, here.segment))
    shown = (kept.id, one.data_root, one.commitment_hash, path, frame)
    arguments = (epoch, GROUP, SEAT, [], *shown)
    calldata = site.proofs.prove.prepare_calldata(*arguments)
    site.proofs.prove(*arguments, sender=a_wallet("operator 0"))
    return whole_transaction_gas(site.proofs, calldata)


def test_prove__thirty_three_segments_and_full_width__within_the_bar(site: ProofsSite) -> None:
    """The first proof of a seat's life writes a new slot; every later one changes it."""
    first = prove_crafted(site, 11)
    later = prove_crafted(site, 12)

    assert later + SAME_TRANSACTION <= PROVE_BAR
    assert first <= PROVE_BAR + NEW_SLOT
