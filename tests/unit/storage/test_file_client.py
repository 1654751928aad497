"""The one client object: seals, resumes by path, quotes, lists, renews and releases."""

import asyncio
import json
from pathlib import Path

import pytest

from offchain.core.erasure import ErasureEngine
from offchain.core.errors import Conflict
from offchain.sdk.errors import NoAccount
from offchain.sdk.storage import AsyncStorage, StorageParts, StoreWish
from offchain.storage.adapters.key_folder import FileKeyUnreadable, KeyFolder
from offchain.storage.adapters.memory_seats import Mood
from offchain.storage.client_errors import (
    FileUnknown,
    KeyMissing,
    MetadataInvalid,
    PlanUnknown,
    PriceAboveLimit,
    SourceChanged,
)
from offchain.storage.client_ports import PutStage
from offchain.storage.file_client import PutOptions
from offchain.storage.recipients import public_key_of
from tests.support.storage_client import (
    DyingSeats,
    Killed,
    StorageSite,
    a_file_client,
    a_storage_site,
    fetch,
)

TERM = 30
LOCAL = StoreWish("local")


@pytest.fixture
def site(engine: ErasureEngine, tmp_path: Path) -> StorageSite:
    return a_storage_site(engine, tmp_path, profile="local")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "memory.bin"
    path.write_bytes(b"what an agent knows " * 5_000)
    return path


def _options(site: StorageSite, **changes: object) -> PutOptions:
    return PutOptions(site.profile, TERM, **changes)


def test_put_path__sealed_by_default__opens_only_with_its_keystore(
    site: StorageSite, file: Path, tmp_path: Path
) -> None:
    stored = asyncio.run(a_file_client(site).put_path(file, _options(site)))

    fetch(site, stored.file_id, tmp_path / "out", keys=KeyFolder(tmp_path / "keys"))

    assert file.read_bytes() == (tmp_path / "out").read_bytes()
    with pytest.raises(KeyMissing):
        fetch(site, stored.file_id, tmp_path / "stranger", keys=KeyFolder(tmp_path / "other"))


def test_put_path__to_a_reader__opens_with_his_key(
    site: StorageSite, file: Path, tmp_path: Path
) -> None:
    reader = KeyFolder(tmp_path / "reader")
    options = _options(site, recipients=(public_key_of(reader.reading_secret()),))

    stored = asyncio.run(a_file_client(site).put_path(file, options))

    fetch(site, stored.root, tmp_path / "out", keys=reader)
    assert file.read_bytes() == (tmp_path / "out").read_bytes()


def test_put_path__killed_and_repeated__goes_on_and_pays_once(
    site: StorageSite, file: Path
) -> None:
    dying = a_file_client(site, client=DyingSeats(site.client, 1))
    with pytest.raises(Killed):
        asyncio.run(dying.put_path(file, _options(site)))

    stored = asyncio.run(a_file_client(site).put_path(file, _options(site)))

    (record,) = asyncio.run(a_file_client(site).puts())
    assert (stored.file_id, PutStage.STORED) == (record.file_id, record.stage)
    assert site.market.charges == 1


def test_put_path__changed_after_it_was_paid__says_so_unless_it_is_a_new_one(
    site: StorageSite, file: Path
) -> None:
    dying = a_file_client(site, client=DyingSeats(site.client, 1))
    with pytest.raises(Killed):
        asyncio.run(dying.put_path(file, _options(site)))
    file.write_bytes(b"x" + file.read_bytes()[1:])

    with pytest.raises(SourceChanged):
        asyncio.run(a_file_client(site).put_path(file, _options(site)))
    asyncio.run(a_file_client(site).put_path(file, _options(site, is_fresh=True)))

    assert site.market.charges == 2


def test_put_path__other_options__is_another_file(site: StorageSite, file: Path) -> None:
    client = a_file_client(site)
    first = asyncio.run(client.put_path(file, _options(site)))
    second = asyncio.run(a_file_client(site).put_path(file, _options(site, is_public=True)))

    assert first.file_id != second.file_id
    assert 2 == len(asyncio.run(a_file_client(site).files()))  # noqa: SIM300


def test_resume__by_the_first_digits__finds_the_one(site: StorageSite, file: Path) -> None:
    stored = asyncio.run(a_file_client(site).put_path(file, _options(site)))
    client = a_file_client(site)

    found = asyncio.run(client.find_put(stored.file_id.hex()[:8]))

    assert stored.file_id == found.file_id
    for prefix in ("", "zz", "0" * 64):
        with pytest.raises(PlanUnknown):
            asyncio.run(client.find_put(prefix))


def test_put_path__data_set_whose_metadata_lies__nothing_is_paid(
    site: StorageSite, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "rows.csv").write_text("a,b\n")
    (folder / "croissant.json").write_text(json.dumps({"@type": "sc:Dataset"}))

    with pytest.raises(MetadataInvalid):
        asyncio.run(a_file_client(site).put_path(folder, _options(site)))

    assert site.market.charges == 0


def test_renew_and_release__of_a_stored_file__move_its_end_and_end_it(
    site: StorageSite, file: Path
) -> None:
    client = a_file_client(site)
    stored = asyncio.run(client.put_path(file, _options(site)))
    before = stored.view.file.expiry

    with pytest.raises(PriceAboveLimit):
        asyncio.run(client.renew(stored.file_id, 10, limit_wei=0))
    asyncio.run(client.renew(stored.file_id, 10))
    after = asyncio.run(client.state(stored.file_id)).file.expiry
    asyncio.run(client.release(stored.file_id))

    assert before + 10 * 86_400 == after
    with pytest.raises(Conflict):
        asyncio.run(client.release(stored.file_id))


def test_ask_seats__one_lost_its_shard_and_one_is_silent__both_are_named(
    site: StorageSite, file: Path
) -> None:
    client = a_file_client(site)
    stored = asyncio.run(client.put_path(file, _options(site)))
    site.nodes[1].runs.clear()
    site.set_moods(Mood.SILENT, 2)

    answers = asyncio.run(client.ask_seats(asyncio.run(client.state(stored.root))))

    assert [(one.segments, one.trouble) for one in answers] == [
        (0, ""),
        (0, "storage.seat.unreachable"),
        (1, ""),
    ]


def _sdk(site: StorageSite, *, can_store: bool = True) -> AsyncStorage:
    async def opening() -> StorageParts:
        return StorageParts(a_file_client(site), 86_400, can_store)

    return AsyncStorage(opening)


def test_sdk__put_get_read_renew__with_one_key_paid_once(site: StorageSite, tmp_path: Path) -> None:
    content = bytes(range(256)) * 900

    async def story() -> tuple[bytes, bytes, int]:
        storage = _sdk(site)
        first = await storage.put(content, LOCAL, key="memory-1")
        again = await storage.put(content, LOCAL, key="memory-1")
        assert (first.id, True) == (again.id, again.is_stored)
        longer = await storage.renew(first, days=3)
        await storage.get_to(str(first), tmp_path / "out")
        part = await storage.read(first.root, 1_000, 1_256)
        return await storage.get(first), part, longer.ends - first.ends

    whole, part, longer = asyncio.run(story())

    assert content == whole == (tmp_path / "out").read_bytes()
    assert content[1_000:1_256] == part
    assert (longer, site.market.charges) == (3 * 86_400, 1)


def test_sdk__without_an_account__reads_only(site: StorageSite, file: Path) -> None:
    stored = asyncio.run(_sdk(site).put(file, StoreWish("local", is_public=True)))
    reader = _sdk(site, can_store=False)

    assert file.read_bytes() == asyncio.run(reader.get(stored))
    for refuse in (
        lambda: reader.put(b"x"),
        reader.files,
        lambda: reader.renew(stored),
        lambda: reader.quote(1),
    ):
        with pytest.raises(NoAccount):
            asyncio.run(refuse())


@pytest.mark.parametrize("reference", ["", "xyz", "00", bytes(31), "0x" + "00" * 33])
def test_sdk__reference_that_is_none__is_not_found(
    site: StorageSite, reference: str | bytes
) -> None:
    with pytest.raises(FileUnknown):
        asyncio.run(_sdk(site).stat(reference))


def test_keys__file_copied_without_its_passphrase__cannot_be_read(tmp_path: Path) -> None:
    KeyFolder(tmp_path / "keys").keep(bytes(16), b"\x09" * 32)
    (tmp_path / "copy").mkdir()
    name = bytes(16).hex() + ".key"
    (tmp_path / "copy" / name).write_bytes((tmp_path / "keys" / name).read_bytes())

    assert KeyFolder(tmp_path / "keys").find(bytes(16)) == b"\x09" * 32
    assert KeyFolder(tmp_path / "keys").find(bytes(15) + b"\x01") is None
    with pytest.raises(FileKeyUnreadable):
        KeyFolder(tmp_path / "copy").find(bytes(16))


def test_keys__renamed_flipped_or_readable_by_others__are_refused(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.keep(bytes(16), b"\x09" * 32)
    path, other = tmp_path / (bytes(16).hex() + ".key"), tmp_path / ("11" * 16 + ".key")
    assert path.stat().st_mode & 0o777 == 0o600
    other.write_bytes(path.read_bytes())
    with pytest.raises(FileKeyUnreadable):
        folder.find(b"\x11" * 16)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(FileKeyUnreadable):
        folder.find(bytes(16))
    (tmp_path / "passphrase").chmod(0o644)
    with pytest.raises(FileKeyUnreadable):
        folder.find(b"\x11" * 16)
