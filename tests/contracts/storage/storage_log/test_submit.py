"""Files enter the log: who may, what is refused, what it costs to ask twice."""

from dataclasses import replace
from typing import Any

import boa
import pytest
from eth_account import Account

from offchain.core.hashing import keccak
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.storage.log_entries import (
    EntryKind,
    parse_submission,
    submission_digest,
    submission_domain,
)
from tests.support.da import raw
from tests.support.refusal import Refused
from tests.support.staking import COIN, EPOCH
from tests.support.storage_log import (
    MAX_COST,
    KeyHolder,
    LogSite,
    a_key_holder,
    a_submission,
    deploy_log_alone,
    logged,
    submission_tuple,
    submit,
)

CONTRACT_ACCOUNT = """
# pragma version 0.4.3
answer: Bytes[64]
accepted: bytes32
is_broken: bool


@deploy
@payable
def __init__(accepted: bytes32, answer: Bytes[64], is_broken: bool):
    self.accepted = accepted
    self.answer = answer
    self.is_broken = is_broken


@external
@view
@raw_return
def isValidSignature(digest: bytes32, signature: Bytes[1024]) -> Bytes[64]:
    assert not self.is_broken, "account: broken"
    if keccak256(signature) != self.accepted:
        return b""
    return self.answer
"""
VALID = bytes.fromhex("1626ba7e") + bytes(28)

PAYER_THAT_ACTS = """
# pragma version 0.4.3
interface Log:
    def submit(submission: Submission, signature: Bytes[1024]) -> uint256: payable

struct Submission:
    owner: address
    nonce: uint64
    root: bytes32
    segments: uint32
    length: uint64
    profile: uint8
    kind: uint8
    term_epochs: uint32
    max_cost: uint128
    valid_until: uint64

log_address: address
again: Submission
takes: bool


@deploy
@payable
def __init__(log_address: address, takes: bool):
    self.log_address = log_address
    self.takes = takes


@external
@payable
def __default__():
    assert self.takes, "payer: no change"
    if self.again.owner != empty(address):
        extcall Log(self.log_address).submit(self.again, b"", value=msg.value)


@external
def submit(submission: Submission, again: Submission, amount: uint256) -> uint256:
    self.again = again
    return extcall Log(self.log_address).submit(submission, b"", value=amount)
"""
NOTHING = ("0x" + bytes(20).hex(), 0, bytes(32), 0, 0, 0, 0, 0, 0, 0)


def an_account(signature: bytes, answer: bytes = VALID, *, is_broken: bool = False) -> Any:
    """A contract account that vouches for exactly one signature with this answer."""
    account = boa.loads(CONTRACT_ACCOUNT, keccak(signature), answer, is_broken)
    boa.env.set_balance(account.address, 10 * COIN)
    return account


def test_submit__owner_calls__enters_and_pays_the_market(site: LogSite, owner: KeyHolder) -> None:
    submission = a_submission(owner.address)
    before = boa.env.get_balance(owner.address)

    seq = submit(site, submission, value=MAX_COST + 7)

    entry = logged(site)
    file_id = site.book().id_of(submission)
    assert (seq, entry.seq, site.log.size()) == (0, 0, 1)
    assert (entry.id, entry.kind, entry.author) == (file_id, EntryKind.FILE, submission.owner)
    assert parse_submission(entry.data) == submission
    assert entry.entry_hash == site.log.entry_hash(entry.time, owner.address, entry.data)
    assert before - MAX_COST == boa.env.get_balance(owner.address)
    assert boa.env.get_balance(site.market.address) == MAX_COST
    assert boa.env.get_balance(site.log.address) == 0
    assert site.log.is_known(file_id)
    assert site.log.seq_of(file_id) == 0
    assert tuple(site.log.submitted(file_id)) == (
        0,
        boa.env.evm.patch.block_number,
        boa.env.timestamp,
    )
    assert site.log.submission_id(owner.address, submission.root, 0) == file_id
    assert site.market.file(file_id).root == submission.root


def test_inv_sto_6__owner_signed__anybody_may_send_and_pay(
    site: LogSite, owner: KeyHolder, payer: str
) -> None:
    submission = a_submission(owner.address)
    digest = site.digest(submission)
    assert digest == site.log.submission_digest(submission_tuple(submission))
    owned, paid = boa.env.get_balance(owner.address), boa.env.get_balance(payer)

    submit(site, submission, value=MAX_COST + 5, signature=owner.sign(digest), sender=payer)

    assert logged(site).author == submission.owner
    assert owned == boa.env.get_balance(owner.address)
    assert paid - MAX_COST == boa.env.get_balance(payer)


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": 1},
        {"root": bytes(31) + b"\1"},
        {"length": 999_999},
        {"profile": 2},
        {"term_epochs": 11},
        {"max_cost": MAX_COST + 1},
        {"valid_until": 2**62},
    ],
)
def test_inv_sto_6__signed_for_another_field__is_refused(
    site: LogSite, owner: KeyHolder, payer: str, refused: Refused, change: dict[str, Any]
) -> None:
    submission = a_submission(owner.address)
    signature = owner.sign(site.digest(submission))

    with refused("storage_log: not authorised"):
        submit(site, replace(submission, **change), signature=signature, sender=payer)


def test_inv_sto_6__signed_for_another_log_chain_or_by_another__is_refused(
    site: LogSite, owner: KeyHolder, payer: str, refused: Refused
) -> None:
    submission = a_submission(owner.address)
    other_log = deploy_log_alone(site.da)
    address = raw(site.log.address)
    elsewhere = [
        submission_domain(chain_id=site.chain_id, log=raw(other_log.address)),
        submission_domain(chain_id=site.chain_id + 1, log=address),
    ]
    signatures = [owner.sign(submission_digest(domain, submission)) for domain in elsewhere]
    signatures.append(a_key_holder("somebody else").sign(site.digest(submission)))
    signatures += [b"", b"\1" * 64, owner.sign(site.digest(submission)) + b"\0"]

    for signature in signatures:
        with refused("storage_log: not authorised"):
            submit(site, submission, signature=signature, sender=payer)


def test_inv_sto_6__signature_bent__is_refused(
    site: LogSite, owner: KeyHolder, payer: str, refused: Refused
) -> None:
    submission = a_submission(owner.address)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    signed = Account.unsafe_sign_hash(site.digest(submission), owner.secret)
    bent = signed.r.to_bytes(32, "big") + (order - signed.s).to_bytes(32, "big")

    with refused("ecdsa: invalid signature `s` value"):
        submit(site, submission, signature=bent + bytes([55 - signed.v]), sender=payer)
    with refused("ecdsa: invalid signature"):
        submit(site, submission, signature=bytes(64) + b"\x1b", sender=payer)


def test_inv_sto_6__contract_account_vouches__enters(site: LogSite, payer: str) -> None:
    account = an_account(b"two of three said so")
    submission = a_submission(account.address)

    submit(site, submission, signature=b"two of three said so", sender=payer)

    assert logged(site).author == raw(account.address)


@pytest.mark.parametrize(
    ("answer", "is_broken"),
    [
        (VALID[:31], False),
        (VALID + b"\0", False),
        (b"\1" + VALID[1:], False),
        (VALID[:-1] + b"\1", False),
        (b"", False),
        (VALID, True),
    ],
)
def test_inv_sto_6__contract_account_does_not_vouch__is_refused(
    site: LogSite, payer: str, refused: Refused, answer: bytes, *, is_broken: bool
) -> None:
    account = an_account(b"said so", answer, is_broken=is_broken)
    submission = a_submission(account.address)

    with refused("storage_log: not authorised"):
        submit(site, submission, signature=b"said so", sender=payer)
    with refused("storage_log: not authorised"):
        submit(site, submission, signature=b"said nothing", sender=payer)


def test_inv_sto_6__key_of_a_delegated_account__may_still_sign(
    site: LogSite, owner: KeyHolder, payer: str
) -> None:
    submission = a_submission(owner.address)
    boa.env.set_code(owner.address, bytes.fromhex("5f5ffd"))  # code that vouches for nothing

    submit(site, submission, signature=owner.sign(site.digest(submission)), sender=payer)

    assert logged(site).author == submission.owner


def test_inv_sto_1__same_id_again__gives_the_whole_value_back(
    site: LogSite, owner: KeyHolder, payer: str
) -> None:
    submission = a_submission(owner.address)
    submit(site, submission)
    submit(site, replace(submission, nonce=1))
    root, held = site.log.root(), boa.env.get_balance(site.market.address)
    boa.env.time_travel(seconds=3 * EPOCH)
    others = [
        submission,
        replace(submission, term_epochs=99, max_cost=1),
        replace(submission, valid_until=1, kind=9, length=0),
    ]

    for other in others:
        for sender in (owner.address, payer):
            before = boa.env.get_balance(sender)
            for value in (0, 5 * COIN):
                assert submit(site, other, value=value, sender=sender) == 0
                assert site.log.get_logs() == []
            assert before == boa.env.get_balance(sender)

    assert (root, 2) == (site.log.root(), site.log.size())
    assert held == 2 * MAX_COST == boa.env.get_balance(site.market.address)


def test_inv_sto_1__other_nonce_root_or_owner__is_another_file(
    site: LogSite, owner: KeyHolder
) -> None:
    submission = a_submission(owner.address)
    other = a_key_holder("another owner")
    changed = [
        submission,
        replace(submission, nonce=1),
        replace(submission, root=bytes(31) + b"\1"),
        a_submission(other.address),
    ]

    assert [submit(site, one) for one in changed] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": 2}, "storage_log: not a file"),
        ({"kind": 0}, "storage_log: not a file"),
        ({"root": bytes(32)}, "storage_log: no root"),
        ({"length": 0, "segments": 0}, "storage_log: wrong length"),
        ({"length": 1_024 * MAX_PAYLOAD_BYTES + 1, "segments": 1_025}, "storage_log: wrong length"),
        ({"segments": 0}, "storage_log: wrong segments"),
        ({"segments": 2}, "storage_log: wrong segments"),
        ({"length": MAX_PAYLOAD_BYTES + 1}, "storage_log: wrong segments"),
        ({"valid_until": 1}, "storage_log: too late"),
    ],
)
def test_submit__field_out_of_bounds__is_refused(
    site: LogSite, owner: KeyHolder, refused: Refused, change: dict[str, Any], reason: str
) -> None:
    with refused(reason):
        submit(site, a_submission(owner.address, **change))


def test_submit__no_owner__is_refused(site: LogSite, payer: str, refused: Refused) -> None:
    with refused("storage_log: no owner"):
        submit(site, a_submission(bytes(20)), sender=payer)


@pytest.mark.parametrize(
    ("length", "segments"),
    [
        (1, 1),
        (MAX_PAYLOAD_BYTES, 1),
        (MAX_PAYLOAD_BYTES + 1, 2),
        (1_024 * MAX_PAYLOAD_BYTES, 1_024),
    ],
)
def test_submit__length_at_a_bound__enters(
    site: LogSite, owner: KeyHolder, length: int, segments: int
) -> None:
    assert submit(site, a_submission(owner.address, length=length, segments=segments)) == 0


def test_submit__last_second__enters(site: LogSite, owner: KeyHolder, refused: Refused) -> None:
    now = boa.env.timestamp

    assert submit(site, a_submission(owner.address, valid_until=now)) == 0
    with refused("storage_log: too late"):
        submit(site, a_submission(owner.address, nonce=1, valid_until=now - 1))


def test_submit__market_refuses__nothing_enters(
    site: LogSite, owner: KeyHolder, refused: Refused
) -> None:
    with refused("storage_market: too little paid"):
        submit(site, a_submission(owner.address), value=MAX_COST - 1)
    with refused("profiles: no such profile"):
        submit(site, a_submission(owner.address, profile=6))


def test_submit__log_not_wired__is_refused(site: LogSite, owner: KeyHolder) -> None:
    log = deploy_log_alone(site.da)

    with boa.reverts("storage_log: not wired"):
        log.submit(
            submission_tuple(a_submission(owner.address)), b"", value=1, sender=owner.address
        )
    assert log.size() == 0


def test_submit__payer_takes_no_change__is_refused(site: LogSite, refused: Refused) -> None:
    payer = boa.loads(PAYER_THAT_ACTS, site.log.address, False)
    boa.env.set_balance(payer.address, 10 * COIN)
    submission = submission_tuple(a_submission(payer.address))
    payer.submit(submission, NOTHING, MAX_COST)

    with refused("storage_log: change refused"):
        payer.submit(submission, NOTHING, 1)


def test_submit__payer_calls_back_while_paid__is_refused(site: LogSite, refused: Refused) -> None:
    payer = boa.loads(PAYER_THAT_ACTS, site.log.address, True)
    boa.env.set_balance(payer.address, 10 * COIN)
    first = submission_tuple(a_submission(payer.address))
    again = submission_tuple(a_submission(payer.address, nonce=1, max_cost=1))

    with refused("credits: receiver refused"):
        payer.submit(first, again, MAX_COST + 1)
    payer.submit(first, NOTHING, MAX_COST)
    with refused("storage_log: change refused"):
        payer.submit(first, again, 1)


def test_views__unknown_id__is_refused(site: LogSite, refused: Refused) -> None:
    assert not site.log.is_known(bytes(32))
    with refused("submissions: unknown id"):
        site.log.seq_of(bytes(32))
    with refused("submissions: unknown id"):
        site.log.submitted(bytes(32))


def test_domain__of_this_log__is_the_models(site: LogSite) -> None:
    expected = submission_domain(chain_id=site.chain_id, log=raw(site.log.address))

    assert expected == site.log.domain_separator()
