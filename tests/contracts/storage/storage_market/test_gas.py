"""What receipts cost with the real seats: 32 of them, and each one that is absent."""

from collections.abc import Iterator

import boa
import pytest

from offchain.storage.log_entries import Submission
from offchain.storage.model import FileState, submission_id
from tests.support.da import raw, whole_transaction_gas
from tests.support.native_evm import keep_moment, record_block_hash, return_to
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage import DURABLE, entropy_of
from tests.support.storage_log import a_submission, submission_tuple
from tests.support.storage_seats import SeatSite, deploy_seats, open_group, signed

CONFIRM_BAR = 260_000
ABSENT_BAR = 7_400
SAME_TRANSACTION = 14_000  # seven slots and two accounts that this EVM still holds warm


@pytest.fixture(scope="module")
def durable(native_evm: None) -> Iterator[tuple[SeatSite, int]]:
    """Real seats: a group of 32 that eight operators share."""
    boa.env.set_random_seed("receipts of real seats")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_seats()
        group = open_group(site)
        keep_moment("receipts")
        yield site, group


@pytest.fixture(autouse=True)
def at_the_receipts(at_its_moment: None, durable: tuple[SeatSite, int]) -> None:
    return_to("receipts")


def placed(site: SeatSite, submission: Submission) -> bytes:
    """Submit and place a file; its id."""
    owner = "0x" + submission.owner.hex()
    value = submission.max_cost
    site.log.submit(submission_tuple(submission), b"", value=value, sender=owner)
    file_id = submission_id(
        chain_id=site.id.chain_id,
        log=raw(site.log.address),
        owner=submission.owner,
        root=submission.root,
        nonce=submission.nonce,
    )
    after = site.log.submitted(file_id)[1] + 1
    boa.env.evm.patch.block_number = max(boa.env.evm.patch.block_number, after + 300)
    record_block_hash(after, entropy_of(after))
    site.market.place(file_id, sender=a_wallet("relayer"))
    return file_id


def confirm_gas(site: SeatSite, file_id: bytes, *absent: int) -> int:
    """Confirm with real signatures; gas of the whole transaction."""
    file = site.market.file(file_id)
    arguments = (
        file_id,
        *signed(site, file.group, site.market.held_digest(file_id), absent=absent),
    )
    calldata = site.market.confirm.prepare_calldata(*arguments)
    site.market.confirm(*arguments, sender=a_wallet("relayer"))
    gas = whole_transaction_gas(site.market, calldata)
    assert FileState.STORED is FileState(site.market.file(file_id).state)
    return gas


def test_confirm__thirty_two_real_seats__within_the_bar(durable: tuple[SeatSite, int]) -> None:
    """The first file of a group, of an epoch or with a new end writes new slots; all are here."""
    site, _ = durable
    owner = a_wallet("owner")
    gas = {}
    for nonce, (what, absent) in enumerate(
        [("first", ()), ("same end", ()), ("one absent", (3,)), ("four absent", (0, 9, 20, 31))]
    ):
        submission = a_submission(owner, nonce=nonce, profile=DURABLE)
        gas[what] = confirm_gas(site, placed(site, submission), *absent)
    boa.env.time_travel(seconds=EPOCH)
    gas["next epoch"] = confirm_gas(
        site, placed(site, a_submission(owner, nonce=9, profile=DURABLE))
    )

    print(gas)
    assert gas["next epoch"] + SAME_TRANSACTION <= CONFIRM_BAR + 22_100
    assert gas["same end"] + SAME_TRANSACTION <= CONFIRM_BAR
    assert gas["four absent"] - gas["same end"] <= 4 * ABSENT_BAR


def test_inv_sto_3__signature_of_other_seats__refused(durable: tuple[SeatSite, int]) -> None:
    site, _ = durable
    file_id = placed(site, a_submission(a_wallet("owner"), nonce=77, profile=DURABLE))
    file = site.market.file(file_id)
    bits, signature, keys = signed(site, file.group, site.market.held_digest(file_id), absent=(3,))
    before = tuple(site.market.group(file.group))

    for arguments in ((0, signature, b""), (bits << 1, signature, keys)):
        with boa.reverts():
            site.market.confirm(file_id, *arguments)

    assert FileState.PLACED is FileState(site.market.file(file_id).state)
    assert before == tuple(site.market.group(file.group))
