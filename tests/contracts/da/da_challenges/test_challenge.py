"""Opening a challenge: who can be asked for what, what it costs, and who cannot be kept out."""

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.core.layout import N
from offchain.da.challenge_book import MAX_OPEN, STEP_OPEN, bond_wei
from offchain.da.model import BlobState
from offchain.da.onchain_challenges import WHOLE_ROW, challenge_id
from tests.contracts.da.da_challenges.conftest import LENGTH, Unmoved
from tests.support.da import EVIDENCE_SECONDS, MIN_BOND, WINDOWS, DaSite, da_deployer
from tests.support.da_challenges import PaidBlob, confirmed, paid, set_base_fee
from tests.support.da_encoding import honest

LEAVES = 4


def absent_row(blob: PaidBlob) -> int:
    """A row whose owner did not sign."""
    index = next(i for i in range(5) if blob.absent[0] >> i & 1)
    return blob.ballot.assignment.rows_of(blob.ballot.quorum.signers[index])[0]


def signed_row(blob: PaidBlob, number: int = 0) -> int:
    """A row of operator 0, which signed."""
    return blob.row_of(blob.site.operators[0], number)


def test_challenge__signed_row__waits_for_its_owner(blob: PaidBlob, challenger: str) -> None:
    site, row = blob.site, signed_row(blob)
    owner = site.operators[0].operator_id
    bond = site.challenges.bond(owner, blob.blob.columns, 2)
    now = boa.env.timestamp

    identifier = blob.challenge(challenger, row, 2, value=bond + 7)
    (event,) = site.challenges.get_logs()

    opened = site.challenges.challenge_of(identifier)
    assert identifier == challenge_id(blob.identifier, row, 2)
    assert tuple(opened) == (
        challenger,
        owner,
        blob.ballot.record.epoch,
        now,
        now + WINDOWS.answer,
        bond,
    )
    assert site.challenges.open_of(owner) == 1
    assert boa.env.get_balance(site.challenges.address) == bond + 7
    assert site.challenges.credit_of(challenger) == 7
    assert (event.challenge_id, event.blob_id, event.operator_id) == (
        identifier,
        blob.identifier,
        owner,
    )
    assert (event.row, event.leaf, event.challenger) == (row, 2, challenger)
    assert (event.bond, event.deadline) == (bond, now + WINDOWS.answer)


def test_challenge__owner_was_absent__is_refused(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    with unmoved("da_challenges: owner was absent"):
        blob.challenge(challenger, absent_row(blob))


def test_challenge__other_absent_list_or_seed__is_refused(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    challenges, row = blob.site.challenges, absent_row(blob)
    everybody = (0, 0, 0, 0)
    for seed, absent in ((blob.seed, everybody), (keccak(b"seed"), blob.absent)):
        with unmoved("da_challenges: wrong certificate"):
            challenges.challenge(blob.fields, row, 0, seed, absent, value=10**18, sender=challenger)


def test_challenge__place_outside_the_matrix__is_refused(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    challenges = blob.site.challenges
    for leaf in (LEAVES, LEAVES + 1, WHOLE_ROW - 1, WHOLE_ROW + 1, 2**256 - 1):
        with unmoved("da_challenges: no such leaf"):
            blob.challenge(challenger, signed_row(blob), leaf, value=10**18)
    for row in (N, 2**256 - 1):
        with unmoved("da_signers: no such row"):
            challenges.challenge(
                blob.fields, row, 0, blob.seed, blob.absent, value=10**18, sender=challenger
            )


def test_challenge__bond_a_wei_short__is_refused(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    row = signed_row(blob)
    bond = blob.site.challenges.bond(blob.site.operators[0].operator_id, blob.blob.columns, 0)

    with unmoved("da_challenges: bond too low"):
        blob.challenge(challenger, row, value=bond - 1)


def test_challenge__open_already__is_refused(
    blob: PaidBlob, challenger: str, stranger: str, unmoved: Unmoved
) -> None:
    row = signed_row(blob)
    blob.challenge(challenger, row, 1)

    with unmoved("challenge_book: open already"):
        blob.challenge(stranger, row, 1)
    blob.challenge(stranger, row, 2)
    blob.challenge(stranger, row, WHOLE_ROW)


def test_challenge__expired__is_refused(blob: PaidBlob, challenger: str, unmoved: Unmoved) -> None:
    boa.env.time_travel(seconds=blob.ballot.record.expiry - boa.env.timestamp - 1)
    blob.challenge(challenger, signed_row(blob), 1)
    boa.env.time_travel(seconds=1)

    with unmoved("da_challenges: expired"):
        blob.challenge(challenger, signed_row(blob), 2)


def test_challenge__never_paid_unconfirmed_or_refunded__is_refused(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    site = blob.site
    waiting = paid(site, honest(LENGTH), payer=site.operators[1], salt=keccak(b"waiting"))
    row = waiting.row_of(site.operators[1])
    with unmoved("da_challenges: not confirmed"):
        waiting.challenge(challenger, row, value=10**18)
    boa.env.time_travel(seconds=WINDOWS.confirm + 1)
    site.entrance.refund(waiting.fields)

    assert site.record(waiting.identifier).state is BlobState.REFUNDED
    with unmoved("da_challenges: not confirmed"):
        waiting.challenge(challenger, row, value=10**18)
    other = list(blob.fields)
    other[-1] = keccak(b"never paid")
    with unmoved("da_challenges: not confirmed"):
        site.challenges.challenge(
            tuple(other), row, 0, blob.seed, blob.absent, value=10**18, sender=challenger
        )


def test_challenge__another_root_than_paid_for__is_refused(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    """A challenger cannot choose the tree that an answer has to lie under."""
    forged = list(blob.fields)
    forged[2] = keccak(b"another root")

    with unmoved("da_challenges: not confirmed"):
        blob.site.challenges.challenge(
            tuple(forged),
            signed_row(blob),
            0,
            blob.seed,
            blob.absent,
            value=10**18,
            sender=challenger,
        )


@pytest.mark.parametrize("base_fee", [0, 10**9, 200 * 10**9])
@pytest.mark.parametrize("leaf", [0, WHOLE_ROW])
def test_bond__any_base_fee__covers_the_answer_and_a_minimum(
    blob: PaidBlob, base_fee: int, leaf: int
) -> None:
    before = boa.env.evm.vm.state.execution_context.base_fee_per_gas
    set_base_fee(base_fee)
    try:
        asked = blob.site.challenges.bond(1, blob.blob.columns, leaf)
    finally:
        set_base_fee(before)

    expected = bond_wei(blob.blob.columns, leaf, waiting=0, base_fee=base_fee, min_bond=MIN_BOND)
    assert expected == asked
    gas = 95_000 if leaf == 0 else 120_000 + 1_280 * blob.blob.columns
    assert asked - MIN_BOND == gas * base_fee * 3 // 2


def test_challenge__flood__doubles_the_bond_every_sixteen(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    site, operator = blob.site, blob.site.operators[0]
    price = lambda: site.challenges.bond(operator.operator_id, blob.blob.columns, 0)
    first = price()
    asked = [(signed_row(blob, number // LEAVES), number % LEAVES) for number in range(33)]

    for number, (row, leaf) in enumerate(asked):
        assert price() == first << number // STEP_OPEN
        blob.challenge(challenger, row, leaf)

    assert site.challenges.open_of(operator.operator_id) == 33
    assert price() == 4 * first
    with unmoved("da_challenges: bond too low"):
        blob.challenge(challenger, signed_row(blob, 20), 0, value=4 * first - 1)
    other = next(one for one in site.operators[1:] if blob.owner(blob.row_of(one)) is one)
    assert site.challenges.bond(other.operator_id, blob.blob.columns, 0) == first


def test_challenge__signer_fills_its_own_places__does_not_keep_others_out(
    blob: PaidBlob, challenger: str
) -> None:
    """A signer that lost a row challenges itself, to answer later, so that nobody else can ask."""
    culprit = blob.site.operators[0]
    for number in range(STEP_OPEN):
        blob.challenge(culprit.owner, signed_row(blob, number // LEAVES), number % LEAVES)
    lost = signed_row(blob, 30)

    blob.challenge(challenger, lost)

    boa.env.time_travel(seconds=WINDOWS.answer + 1)
    assert blob.close(lost)
    assert blob.site.stake.slashed_at(culprit.pool(1), blob.ballot.record.epoch) > 0


def test_challenge__two_hundred_and_fifty_six_wait__no_more_are_taken(
    blob: PaidBlob, challenger: str, unmoved: Unmoved
) -> None:
    for number in range(MAX_OPEN):
        blob.challenge(challenger, signed_row(blob, number // LEAVES), number % LEAVES)

    with unmoved("challenge_book: too many open"):
        blob.challenge(challenger, signed_row(blob, 100))


def test_challenge__answered_before__may_be_asked_again(blob: PaidBlob, challenger: str) -> None:
    row = signed_row(blob)
    for _ in range(2):
        blob.challenge(challenger, row, 3)
        blob.answer(blob.site.operators[0].owner, row, 3)

    assert blob.site.challenges.open_of(blob.site.operators[0].operator_id) == 0


def test_deploy__bond_or_court_missing__is_refused(site: DaSite) -> None:
    entrance, signers, stake = site.entrance.address, site.signers.address, site.stake.address
    deploy = da_deployer("DAChallenges").deploy
    for bond in (0, 2**96):
        with boa.reverts("bond_ledger: minimum out of range"):
            deploy(entrance, signers, stake, site.court.address, EVIDENCE_SECONDS, bond)
    with boa.reverts("da_challenges: no contract"):
        deploy(entrance, signers, stake, site.governance, EVIDENCE_SECONDS, 1)


def test_challenge__two_blobs_of_one_encoding__are_two_things(
    blob: PaidBlob, challenger: str
) -> None:
    site = blob.site
    twin = confirmed(site, honest(LENGTH), payer=site.operators[0], salt=keccak(b"twin"))
    row, other = signed_row(blob), twin.row_of(site.operators[0])

    first = blob.challenge(challenger, row)
    second = twin.challenge(challenger, other)

    assert first != second
    assert site.challenges.open_of(site.operators[0].operator_id) == 2
