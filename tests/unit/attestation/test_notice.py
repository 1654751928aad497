"""Notices of a committee: each relayer signs what its operator voted for, a quorum is collected."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from offchain.attestation.adapters.memory_relay import MemoryRegistry
from offchain.attestation.notice import Notice, NoticeKind, notice_of, parse_notice
from offchain.attestation.notice_desk import (
    MAX_VOTES,
    NoticeDesk,
    VoteFile,
    VotesBroken,
    gather,
    parse_signatures,
)
from offchain.attestation.relay_errors import SubjectUnreachable
from offchain.attestation.relay_forms import FormMalformed
from offchain.core.ecdsa import signer_of
from offchain.node.disk import LocalDisk
from tests.support.relaying import DOMAIN, RELAYERS, STRANGER, a_market, in_a_loop

NEWER = Notice(NoticeKind.RAISE_EVALUATION, 18)
REVOKED = Notice(NoticeKind.REVOKE_COLLATERAL, b"\x0c" * 32)


class Faces:
    """`AskNotices` of desks in one process, in the bytes of the wire."""

    def __init__(self, folder: Path, registry: MemoryRegistry) -> None:
        self.desks: dict[str, NoticeDesk] = {}
        self.votes: dict[str, VoteFile] = {}
        for number, signer in RELAYERS.items():
            home = folder / f"home-{number}"
            home.mkdir()
            name = f"http://{number}"
            self.votes[name] = VoteFile(LocalDisk(), home)
            self.desks[name] = NoticeDesk(
                self.votes[name], {number: signer}, lambda: registry.bench(registry.head())
            )

    async def signatures(self, endpoint: str, notice: Notice, epoch: int) -> Sequence[bytes]:
        if endpoint not in self.desks:
            raise SubjectUnreachable(endpoint=endpoint)
        return parse_signatures(await self.desks[endpoint].sign(notice.to_json(epoch)))

    @property
    def endpoints(self) -> list[str]:
        return list(self.desks)


@pytest.fixture
def registry(tmp_path: Path) -> MemoryRegistry:
    return a_market(tmp_path, members=(5, 1, 2, 3, 4)).registry


@pytest.fixture
def faces(tmp_path: Path, registry: MemoryRegistry) -> Faces:
    return Faces(tmp_path, registry)


@pytest.mark.parametrize("notice", [NEWER, REVOKED])
@in_a_loop
async def test_gather__third_vote_of_the_committee__is_a_quorum_in_the_order_of_seats(
    registry: MemoryRegistry, faces: Faces, notice: Notice
) -> None:
    for number in (4, 5):
        faces.votes[f"http://{number}"].vote(notice)
    assert await gather(notice, registry, faces, faces.endpoints) == (None, [4, 5])

    faces.votes["http://2"].vote(notice)
    posting, signed = await gather(notice, registry, faces, [*faces.endpoints, "http://nobody"])

    assert signed == [2, 4, 5]
    assert posting is not None
    assert (posting.notice, posting.seats) == (notice, 0b10101)
    digest = notice.digest(DOMAIN, posting.epoch)
    signers = [signer_of(digest, one) for one in posting.signatures]
    assert signers == [RELAYERS[number].address for number in (5, 2, 4)]


@in_a_loop
async def test_gather__votes_of_whom_nobody_drew_or_for_another_notice__do_not_count(
    registry: MemoryRegistry, faces: Faces
) -> None:
    faces.votes["http://6"].vote(NEWER)  # operator 6 does not sit
    for number in (1, 2, 3):
        faces.votes[f"http://{number}"].vote(Notice(NoticeKind.RAISE_EVALUATION, 19))

    assert await gather(NEWER, registry, faces, faces.endpoints) == (None, [])


@in_a_loop
async def test_gather__signature_of_a_stranger__is_nobodys(
    registry: MemoryRegistry, faces: Faces
) -> None:
    bench = registry.bench(registry.head())

    class Lying:
        async def signatures(self, endpoint: str, notice: Notice, epoch: int) -> Sequence[bytes]:
            del endpoint
            digest = notice.digest(bench.domain, epoch)
            return [STRANGER.sign_digest(digest), RELAYERS[1].sign_digest(bytes(32)), bytes(65)]

    assert await gather(NEWER, registry, Lying(), ["http://1"]) == (None, [])


@in_a_loop
async def test_desk__another_epoch__signs_nothing(registry: MemoryRegistry, faces: Faces) -> None:
    faces.votes["http://1"].vote(NEWER)
    epoch = registry.bench(registry.head()).open_epoch

    for other in (epoch + 1, epoch + 1_000):
        assert parse_signatures(await faces.desks["http://1"].sign(NEWER.to_json(other))) == []


def test_votes__after_a_restart_and_twice__are_kept_once_and_bounded(tmp_path: Path) -> None:
    VoteFile(LocalDisk(), tmp_path).vote(NEWER)
    VoteFile(LocalDisk(), tmp_path).vote(REVOKED)
    VoteFile(LocalDisk(), tmp_path).vote(NEWER)
    assert VoteFile(LocalDisk(), tmp_path).votes() == [NEWER, REVOKED]

    again = VoteFile(LocalDisk(), tmp_path)
    for number in range(MAX_VOTES):
        again.vote(Notice(NoticeKind.RAISE_EVALUATION, 100 + number))
    assert len(again.votes()) == MAX_VOTES
    assert NEWER not in again.votes()


def test_votes__file_that_is_none__is_said(tmp_path: Path) -> None:
    (tmp_path / "notices.json").write_text('{"votes": [{"kind": "x", "what": "1"}]}')

    with pytest.raises(VotesBroken):
        VoteFile(LocalDisk(), tmp_path).votes()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("lower_evaluation", "18"),
        ("raise_evaluation", "0"),
        ("raise_evaluation", "-1"),
        ("raise_evaluation", "4294967296"),
        ("raise_evaluation", "\u0661"),
        ("revoke_collateral", "0c" * 32),
        ("revoke_collateral", "0x" + "0c" * 31),
        ("revoke_collateral", "0x" + "zz" * 32),
    ],
)
def test_notice__of_no_form__is_refused(kind: str, what: str) -> None:
    with pytest.raises(FormMalformed):
        notice_of(kind, what)
    with pytest.raises(FormMalformed):
        parse_notice(json.dumps({"kind": kind, "what": what, "epoch": 1}).encode())


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{", b'{"kind":"raise_evaluation","what":"1"}', b"1" * 600]
    + [
        json.dumps({"kind": "raise_evaluation", "what": "1", "epoch": one}).encode()
        for one in (-1, True, "1", 1 << 63, None)
    ],
)
def test_parse_notice__of_no_form__is_refused(raw: bytes) -> None:
    with pytest.raises(FormMalformed):
        parse_notice(raw)


@pytest.mark.parametrize("notice", [NEWER, REVOKED])
def test_notice__there_and_back__is_the_same(notice: Notice) -> None:
    assert parse_notice(notice.to_json(7)) == (notice, 7)
    assert notice_of(notice.kind.value, notice.text()) == notice


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"signatures":5}',
        b'{"signatures":["00"]}',
        b'{"signatures":[1]}',
        json.dumps({"signatures": ["00" * 65] * 17}).encode(),
    ],
)
def test_parse_signatures__of_no_form__is_refused(raw: bytes) -> None:
    with pytest.raises(FormMalformed):
        parse_signatures(raw)
