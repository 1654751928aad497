"""What is remembered of deliveries: the same from memory and from a folder."""

from pathlib import Path

import pytest

from offchain.agents.adapters.disk_deliveries import DeliveryFileBroken, DiskShelf
from offchain.agents.adapters.memory_deliveries import MemoryShelf
from offchain.agents.delivery_ports import Begun, DeliveryShelf, Stage
from offchain.agents.oracle_ports import Derived
from offchain.core.errors import InvalidInput
from tests.support.agent_oracles import OracleWorld

DERIVED = Derived(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 112)


@pytest.fixture(params=["memory", "disk"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> DeliveryShelf:
    return MemoryShelf() if request.param == "memory" else DiskShelf(tmp_path / "deliveries")


def test_shelf__every_stage__is_read_as_it_was_kept(shelf: DeliveryShelf) -> None:
    order = OracleWorld().order()
    stages = [
        Begun(order),
        Begun(order, Stage.STORED, DERIVED, b"\x05" * 32),
        Begun(order, Stage.SIGNED, DERIVED, b"\x05" * 32, (b"\x06" * 65,) * 3),
    ]

    for begun in stages:
        shelf.keep("sale-1-0", begun)
        assert shelf.find("sale-1-0") == begun
    shelf.forget("sale-1-0")
    shelf.forget("sale-1-0")

    assert shelf.find("sale-1-0") is None


def test_disk_shelf__file_of_somebody_else__named_and_not_used(tmp_path: Path) -> None:
    shelf = DiskShelf(tmp_path)
    shelf.keep("sale-1", Begun(OracleWorld().order()))

    for content in (b"", b"{}", b"[]", b'{"order": 1}'):
        (tmp_path / "sale-1.json").write_bytes(content)
        with pytest.raises(DeliveryFileBroken):
            shelf.find("sale-1")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "A", "x" * 97])
def test_disk_shelf__name_that_is_a_path__refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        DiskShelf(tmp_path).keep(name, Begun(OracleWorld().order()))
