"""Who owns a stream, who lets others in, and what the log says of it."""

from dataclasses import replace
from typing import Any

import boa
import pytest

from offchain.core.hashing import keccak
from offchain.storage.kv.op import Scheme, Subject
from offchain.storage.kv.proof import stream_id
from offchain.storage.kv.roles import Action, Role
from offchain.storage.log_entries import parse_access
from offchain.storage.stream_book import Grant, StreamBook
from tests.contracts.storage.kv_streams.conftest import SALT
from tests.support.da import raw
from tests.support.kv_streams import a_grant, account, grant_tuple, written
from tests.support.refusal import Refused
from tests.support.storage_log import LogSite, logged, storage_deployer

KEY = Subject.public_key(bytes(range(64)))


def event(site: LogSite, name: str) -> Any:
    return next(one for one in site.kv.get_logs() if type(one).__name__ == name)


def make_admin(site: LogSite, stream: bytes, owner: str, admin: str, **changes: Any) -> None:
    site.kv.grant(stream, grant_tuple(a_grant(account(admin), Role.ADMIN, **changes)), sender=owner)


def test_create__anybody__owns_a_stream_of_the_first_generation(
    site: LogSite, book: StreamBook, owner: str
) -> None:
    stream = bytes(site.kv.create(SALT, sender=owner))

    created, entry = event(site, "StreamCreated"), logged(site, site.kv)
    assert stream == stream_id(site.chain_id, raw(owner), SALT) == site.kv.stream_id(owner, SALT)
    assert parse_access(entry.data) == book.create(raw(owner), SALT)
    assert entry.author == raw(owner)
    assert tuple(site.kv.stream(stream)) == (owner, 1, 0, 0, 0)
    assert (created.stream, created.owner, created.salt, created.seq) == (stream, owner, SALT, 0)


def test_inv_kv_5__stream_of_another__cannot_be_claimed(
    site: LogSite, stream: bytes, owner: str, stranger: str, refused: Refused
) -> None:
    with refused("stream_roles: exists already"):
        site.kv.create(SALT, sender=owner)
    with refused("kv_streams: not the owner"):
        site.kv.transfer_owner(stream, stranger, sender=stranger)

    assert bytes(site.kv.create(SALT, sender=stranger)) != stream


@pytest.mark.parametrize(
    "grant",
    [
        Grant(Role.ADMIN, KEY, quota=7),
        Grant(Role.ADMIN, KEY, expiry=2**60),
        Grant(Role.WRITER, KEY, quota=2**64 - 1, expiry=2**64 - 1),
        Grant(Role.KEY_WRITER, KEY, prefix=b"p"),
        Grant(Role.KEY_WRITER, KEY, prefix=bytes(range(64)), quota=1),
    ],
)
def test_grant__owner__writes_it_into_the_log(
    site: LogSite, book: StreamBook, stream: bytes, owner: str, grant: Grant
) -> None:
    book.create(raw(owner), SALT)

    site.kv.grant(stream, grant_tuple(grant), sender=owner)

    now = boa.env.timestamp
    assert written(site) == book.grant(stream, grant, sender=raw(owner), now=now)
    granted = event(site, "Granted")
    assert (granted.subject, granted.role, granted.generation, granted.seq) == (
        KEY.digest,
        grant.role,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"role": 0}, "stream_roles: no such role"),
        ({"role": 4}, "stream_roles: no such role"),
        ({"role": 3}, "stream_roles: wrong prefix"),
        ({"prefix": b"p"}, "stream_roles: wrong prefix"),
        ({"role": 1, "prefix": b"p"}, "stream_roles: wrong prefix"),
        ({"expiry": 1}, "stream_roles: expired"),
        ({"subject": Subject(Scheme.KEY, bytes(32))}, "stream_roles: wrong subject"),
        ({"subject": Subject(Scheme.ACCOUNT, bytes(32))}, "stream_roles: wrong subject"),
        ({"subject": Subject(Scheme.KEY, bytes(31) + b"\1")}, "stream_roles: wrong subject"),
        ({"subject": Subject(Scheme.ACCOUNT, KEY.digest)}, "stream_roles: wrong subject"),
    ],
)
def test_grant__wrong_field__is_refused(
    site: LogSite, stream: bytes, owner: str, refused: Refused, change: dict[str, Any], reason: str
) -> None:
    grant = replace(a_grant(KEY), **change)

    with refused(reason):
        site.kv.grant(stream, grant_tuple(grant), sender=owner)


def test_grant__expiry_is_now__is_refused(
    site: LogSite, stream: bytes, owner: str, refused: Refused
) -> None:
    now = boa.env.timestamp

    with refused("stream_roles: expired"):
        site.kv.grant(stream, grant_tuple(a_grant(KEY, expiry=now)), sender=owner)
    site.kv.grant(stream, grant_tuple(a_grant(KEY, expiry=now + 1)), sender=owner)


def test_grant__subject_of_no_kind__is_refused(
    site: LogSite, stream: bytes, owner: str, refused: Refused
) -> None:
    for kind in (0, 3):
        for subject in (KEY.digest, account(owner).digest):
            with refused("stream_roles: wrong subject"):
                site.kv.grant(stream, (2, kind, subject, b"", 0, 0), sender=owner)
            with refused("stream_roles: wrong subject"):
                site.kv.revoke(stream, kind, subject, sender=owner)


def test_inv_kv_5__neither_owner_nor_admin__changes_nothing(
    site: LogSite, stream: bytes, owner: str, writer: str, stranger: str, refused: Refused
) -> None:
    site.kv.grant(stream, grant_tuple(a_grant(account(writer))), sender=owner)

    for sender in (writer, stranger, site.governance, site.log.address):
        with refused("stream_roles: no right"):
            site.kv.grant(stream, grant_tuple(a_grant(KEY)), sender=sender)
        with refused("stream_roles: no right"):
            site.kv.revoke(stream, Scheme.ACCOUNT, account(writer).digest, sender=sender)
        with refused("kv_streams: not the owner"):
            site.kv.transfer_owner(stream, sender, sender=sender)


def test_inv_kv_5__admin__lets_writers_in_and_out(
    site: LogSite, book: StreamBook, stream: bytes, owner: str, admin: str, writer: str
) -> None:
    book.create(raw(owner), SALT)
    make_admin(site, stream, owner, admin)
    now = boa.env.timestamp
    book.grant(stream, a_grant(account(admin), Role.ADMIN), sender=raw(owner), now=now)
    right = a_grant(account(writer))

    site.kv.grant(stream, grant_tuple(right), sender=admin)
    assert written(site) == book.grant(stream, right, sender=raw(admin), now=now)
    site.kv.revoke(stream, Scheme.ACCOUNT, right.subject.digest, sender=admin)
    taken = written(site)

    assert taken == book.revoke(stream, right.subject, sender=raw(admin), now=now)
    assert (taken.action, taken.role) == (Action.REVOKE, Role.OWNER)
    revoked = event(site, "Revoked")
    assert (revoked.stream, revoked.subject) == (stream, right.subject.digest)


def test_inv_kv_5__admins__are_the_owners_to_change(
    site: LogSite, stream: bytes, owner: str, admin: str, writer: str, refused: Refused
) -> None:
    make_admin(site, stream, owner, admin)
    make_admin(site, stream, owner, writer)

    with refused("stream_roles: not the owner"):
        make_admin(site, stream, admin, admin)
    with refused("stream_roles: not the owner"):
        site.kv.grant(stream, grant_tuple(a_grant(KEY, Role.ADMIN)), sender=admin)
    with refused("stream_roles: not the owner"):
        site.kv.grant(stream, grant_tuple(a_grant(account(writer))), sender=admin)
    with refused("stream_roles: not the owner"):
        site.kv.revoke(stream, Scheme.ACCOUNT, account(writer).digest, sender=admin)
    with refused("kv_streams: not the owner"):
        site.kv.transfer_owner(stream, admin, sender=admin)

    site.kv.revoke(stream, Scheme.ACCOUNT, account(writer).digest, sender=owner)
    assert not site.kv.is_admin(stream, writer)
    assert site.kv.is_admin(stream, admin)


def test_revoke__admin_itself__gives_up_its_right(
    site: LogSite, stream: bytes, owner: str, admin: str, refused: Refused
) -> None:
    make_admin(site, stream, owner, admin)

    site.kv.revoke(stream, Scheme.ACCOUNT, account(admin).digest, sender=admin)

    assert not site.kv.is_admin(stream, admin)
    with refused("stream_roles: no right"):
        site.kv.grant(stream, grant_tuple(a_grant(KEY)), sender=admin)


def test_inv_kv_5__admins_right_ends__after_its_last_second(
    site: LogSite, stream: bytes, owner: str, admin: str, refused: Refused
) -> None:
    make_admin(site, stream, owner, admin, expiry=boa.env.timestamp + 100)
    boa.env.time_travel(seconds=100)
    site.kv.grant(stream, grant_tuple(a_grant(KEY)), sender=admin)
    boa.env.time_travel(seconds=1)

    assert not site.kv.is_admin(stream, admin)
    with refused("stream_roles: no right"):
        site.kv.grant(stream, grant_tuple(a_grant(KEY)), sender=admin)


def test_inv_kv_10__new_owner__ends_every_right_before(
    site: LogSite, book: StreamBook, stream: bytes, owner: str, admin: str, stranger: str
) -> None:
    book.create(raw(owner), SALT)
    make_admin(site, stream, owner, admin)

    site.kv.transfer_owner(stream, stranger, sender=owner)

    expected = book.transfer_owner(stream, raw(stranger), sender=raw(owner))
    changed = event(site, "OwnerChanged")
    assert written(site) == expected
    assert expected.generation == 2
    assert tuple(site.kv.stream(stream))[:2] == (stranger, 2)
    assert (changed.owner, changed.former, changed.generation) == (stranger, owner, 2)
    assert not site.kv.is_admin(stream, admin)
    with boa.reverts("stream_roles: no right"):
        site.kv.grant(stream, grant_tuple(a_grant(KEY)), sender=admin)
    with boa.reverts("stream_roles: no right"):
        site.kv.grant(stream, grant_tuple(a_grant(KEY)), sender=owner)
    with boa.reverts("kv_streams: not the owner"):
        site.kv.transfer_owner(stream, owner, sender=owner)
    assert tuple(site.kv.stream(stream))[:2] == (stranger, 2)


def test_inv_kv_10__stream_comes_back__old_admins_stay_out(
    site: LogSite, stream: bytes, owner: str, admin: str, stranger: str
) -> None:
    make_admin(site, stream, owner, admin)
    site.kv.transfer_owner(stream, stranger, sender=owner)
    site.kv.transfer_owner(stream, owner, sender=stranger)

    assert tuple(site.kv.stream(stream))[:2] == (owner, 3)
    assert not site.kv.is_admin(stream, admin)
    site.kv.grant(stream, grant_tuple(a_grant(account(stranger))), sender=owner)
    assert written(site).generation == 3


def test_transfer_owner__to_nobody__is_refused(
    site: LogSite, stream: bytes, owner: str, refused: Refused
) -> None:
    with refused("kv_streams: no owner"):
        site.kv.transfer_owner(stream, "0x" + bytes(20).hex(), sender=owner)


def test_change__no_such_stream__is_refused(site: LogSite, owner: str, refused: Refused) -> None:
    nobodys = keccak(b"nobody's")

    with refused("kv_streams: no such stream"):
        site.kv.grant(nobodys, grant_tuple(a_grant(KEY)), sender=owner)
    with refused("kv_streams: no such stream"):
        site.kv.revoke(nobodys, Scheme.KEY, KEY.digest, sender=owner)
    with refused("kv_streams: not the owner"):
        site.kv.transfer_owner(nobodys, owner, sender=owner)
    assert tuple(site.kv.stream(nobodys)) == ("0x" + bytes(20).hex(), 0, 0, 0, 0)
    assert not site.kv.is_admin(nobodys, "0x" + bytes(20).hex())


def test_constructor__no_contract__is_refused(site: LogSite, stranger: str) -> None:
    deployer = storage_deployer("KVStreams")
    log, seats, stake = site.log.address, site.seats.address, site.da.stake.address
    for addresses in ((stranger, seats, stake), (log, stranger, stake), (log, seats, stranger)):
        with boa.reverts("kv_streams: no contract"):
            deployer.deploy(*addresses)
