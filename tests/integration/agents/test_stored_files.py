"""Encrypted bundles in storage: there at once, settled beside, never paid for other bytes."""

import asyncio
from pathlib import Path

import pytest

from offchain.agents.adapters.disk_deliveries import DiskShelf
from offchain.agents.adapters.storage_root import StorageRoot
from offchain.agents.adapters.stored_files import StoredFiles
from offchain.agents.delivery_ports import Begun, BundleNotStored
from offchain.node.errors import StoreBroken
from offchain.storage.client_ports import PutStage
from offchain.storage.file_client import FileClient, PutOptions
from offchain.storage.model import FileState
from offchain.storage.put_model import PutRules
from tests.support.agent_oracles import OracleWorld
from tests.support.da_encoding import the_engine
from tests.support.storage_client import RULES, StorageSite, a_file_client, a_storage_site

FILE = b"ciphertext of a bundle " * 400
NEVER = PutRules(settled_depth=1_000_000, poll_seconds=0.001, delivery=RULES.delivery)


@pytest.fixture
def site(tmp_path: Path) -> StorageSite:
    return a_storage_site(the_engine(), tmp_path, profile="local")


@pytest.fixture
def root() -> bytes:
    return StorageRoot(the_engine())(FILE)


def files_of(site: StorageSite, folder: Path, client: FileClient | None = None) -> StoredFiles:
    options = PutOptions(site.profile, 30, is_public=True)
    return StoredFiles(client or a_file_client(site), folder, options)


def test_put__chain_has_the_receipts__does_not_wait_until_they_are_settled(
    site: StorageSite, tmp_path: Path, root: bytes
) -> None:
    async def story() -> None:
        client = a_file_client(site, rules=NEVER)
        with pytest.raises(TimeoutError):  # leaving on an error gives up what is not settled
            async with files_of(site, tmp_path / "seller", client) as files:
                location = await files.put(FILE, root, name="sale-1")
                assert FileState.STORED is (await client.state(location)).file.state
                raise TimeoutError

    asyncio.run(story())


def test_put__left_and_asked_again__settled_and_paid_once(
    site: StorageSite, tmp_path: Path, root: bytes
) -> None:
    async def story() -> None:
        client = a_file_client(site)
        async with files_of(site, tmp_path / "seller", client) as files:
            first = await files.put(FILE, root, name="sale-1")
        assert [one.stage for one in await client.puts()] == [PutStage.STORED]
        async with files_of(site, tmp_path / "seller") as files:
            assert first == await files.put(FILE, root, name="sale-1")

    asyncio.run(story())

    assert site.market.charges == 1


def test_put__bytes_of_another_root__nothing_paid_and_no_copy_kept(
    site: StorageSite, tmp_path: Path, root: bytes
) -> None:
    async def story() -> None:
        async with files_of(site, tmp_path / "seller") as files:
            with pytest.raises(BundleNotStored):
                await files.put(bytes(len(FILE)), root, name="sale-1")

    asyncio.run(story())

    assert site.market.charges == 0
    assert not list((tmp_path / "seller").glob("*"))


def test_get__by_a_buyer__comes_from_storage_then_from_his_disk_unless_it_is_spoilt(
    site: StorageSite, tmp_path: Path, root: bytes
) -> None:
    async def story() -> None:
        async with files_of(site, tmp_path / "seller") as files:
            location = await files.put(FILE, root, name="sale-1")
        buyer = files_of(site, tmp_path / "buyer")
        assert await buyer.get(location, root) == FILE
        [copy] = (tmp_path / "buyer").iterdir()
        copy.write_bytes(b"spoilt")
        assert await buyer.get(location, root) == FILE
        with pytest.raises(BundleNotStored):
            await buyer.get(location, b"\x09" * 32)

    asyncio.run(story())


def test_disk__no_folder_can_be_made__typed(site: StorageSite, tmp_path: Path, root: bytes) -> None:
    (tmp_path / "file").write_bytes(b"")

    async def story() -> None:
        async with files_of(site, tmp_path / "file") as files:
            with pytest.raises(StoreBroken):
                await files.put(FILE, root, name="sale-1")

    asyncio.run(story())
    with pytest.raises(StoreBroken):
        DiskShelf(tmp_path / "file").keep("sale-1", Begun(OracleWorld().order()))
