"""Files of a home are replaced as one step and refused when they make no sense."""

from pathlib import Path

import pytest

from offchain.apps.files import PRIVATE, FileMissing, FileUnreadable, read_json, write_json
from offchain.apps.home import Home, Manifest, choose_ports


def test_write_json__then_read__is_equal_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "a.json", {"port": 1}, mode=PRIVATE)

    assert read_json(tmp_path / "deep" / "a.json") == {"port": 1}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.json"]
    assert (tmp_path / "deep" / "a.json").stat().st_mode & 0o777 == PRIVATE


def test_write_json__value_is_no_json__keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"port": 1})

    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"port": object()})

    assert read_json(tmp_path / "a.json") == {"port": 1}


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_read_json__makes_no_sense__is_unreadable(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)

    with pytest.raises(FileUnreadable):
        read_json(tmp_path / "a.json")


def test_read_json__absent__is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read_json(tmp_path / "a.json")


def test_manifest__saved__loads_equal(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    manifest = Manifest(31_337, "pyevm", 2, choose_ports(["devnet", "da-node-0", "da-node-1"]))
    manifest.save(home)

    assert Manifest.load(home) == manifest
    assert len(set(manifest.ports.values())) == 3


@pytest.mark.parametrize("change", [{"version": 2}, {"ports": []}, {"chain_id": "x"}])
def test_manifest__of_another_version_or_broken__is_unreadable(
    tmp_path: Path, change: dict[str, object]
) -> None:
    home = Home.at(tmp_path)
    Manifest(31_337, "pyevm", 0, {}).save(home)
    write_json(home.manifest, {**read_json(home.manifest), **change})

    with pytest.raises(FileUnreadable):
        Manifest.load(home)
