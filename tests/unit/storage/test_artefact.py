"""Folders as artefacts: what goes in is described exactly, and no name leads out."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.storage.artefact import (
    MAGIC,
    MAX_FILES,
    NameUnsafe,
    TreeEntry,
    TreeKind,
    TreeManifest,
    require_safe_names,
)
from offchain.storage.client_errors import (
    ArtefactMalformed,
    MetadataInvalid,
    SourceChanged,
    SourceInvalid,
)
from offchain.storage.sources import FileSource, TreeSource, source_at

UNSAFE = [
    "/etc/passwd",
    "../up",
    "a/../../up",
    "a//b",
    "a/",
    "",
    ".",
    "..",
    "a/./b",
    "C:\\x",
    "a\\b",
    "a\0b",
    "a\nb",
    "con:",
    "a ",
    "a.",
    "...",
    "a\u202eb",
    "e\u0301",
    "x" * 241,
    "/".join("abcdefgh" for _ in range(33)),
]


def _raw(body: object) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack(">4sI", MAGIC, len(text)) + text


def _file(name: object, length: object = 1, sha256: object = "00" * 32) -> dict[str, object]:
    return {"name": name, "bytes": length, "sha256": sha256}


def _body(*files: object, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {"format": "apogee.directory.v1", "kind": "folder"}
    return {**body, "files": list(files), **changes}


@pytest.mark.parametrize("name", UNSAFE)
def test_name__that_could_leave_its_folder__is_refused(name: str) -> None:
    with pytest.raises(NameUnsafe):
        require_safe_names([name])
    with pytest.raises(ArtefactMalformed):
        TreeManifest.parse(_raw(_body(_file(name))))


@pytest.mark.parametrize("names", [["A", "a"], ["a", "a"], ["a", "a/b"], ["b", "a"], ["A/x", "a"]])
def test_names__that_meet_on_a_disk__are_refused(names: list[str]) -> None:
    with pytest.raises(NameUnsafe):
        require_safe_names(names)


@given(st.text(max_size=40))
def test_name__any_text__is_refused_or_stays_inside(name: str) -> None:
    try:
        require_safe_names([name])
    except SourceInvalid:
        return
    inside = Path("/target") / name
    assert ".." not in inside.parts
    assert Path("/target") in inside.parents


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        [],
        _body(),
        _body(_file("a"), format="other"),
        _body(_file("a"), kind="other"),
        _body(_file(1)),
        _body(_file("a", -1)),
        _body(_file("a", True)),
        _body(_file("a", 1 << 41)),
        _body(_file("a", 1, "0" * 63)),
        _body("a"),
        _body(_file("a"), files={}),
        _body(*[_file(f"{number:06}") for number in range(MAX_FILES + 1)]),
        b"[" * 100_000,
    ],
)
def test_manifest__malformed__is_refused(body: object) -> None:
    with pytest.raises(ArtefactMalformed):
        TreeManifest.parse(_raw(body))


def test_manifest__longer_or_shorter_than_it_says__is_refused() -> None:
    raw = TreeManifest(TreeKind.FOLDER, (TreeEntry("a", 1, bytes(32)),)).to_bytes()

    for bad in (raw + b"x", raw[:-1], raw[:5], b""):
        with pytest.raises(ArtefactMalformed):
            TreeManifest.parse(bad)


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}\Z"), st.integers(0, 9)), min_size=1
    )
)
def test_manifest__round_trip__is_equal(files: list[tuple[str, int]]) -> None:
    names = sorted(dict(files))
    try:
        require_safe_names(names)
    except NameUnsafe:
        return
    manifest = TreeManifest(
        TreeKind.FOLDER, tuple(TreeEntry(name, dict(files)[name], bytes(32)) for name in names)
    )

    assert manifest == TreeManifest.parse(manifest.to_bytes())


def _folder(root: Path) -> Path:
    (root / "sub").mkdir(parents=True)
    (root / "a.bin").write_bytes(bytes(range(200)))
    (root / "empty").write_bytes(b"")
    (root / "sub" / "b.bin").write_bytes(bytes(100))
    return root


def test_folder__read_anywhere__is_its_stream(tmp_path: Path) -> None:
    source = TreeSource.of(_folder(tmp_path / "data"))
    whole = source.read_at(0, source.length)

    assert whole == source.head + bytes(range(200)) + bytes(100)
    for start in range(0, source.length, 13):
        assert whole[start : start + 57] == source.read_at(start, min(57, source.length - start))
    assert TreeManifest.parse(source.head) == source.manifest


@pytest.mark.parametrize("kind", ["file link", "folder link", "pipe"])
def test_folder__with_something_that_is_no_file__is_refused(tmp_path: Path, kind: str) -> None:
    import os

    root = _folder(tmp_path / "data")
    if kind == "pipe":
        os.mkfifo(root / "pipe")
    else:
        (root / "link").symlink_to("/etc" if kind == "folder link" else root / "a.bin")

    with pytest.raises(SourceInvalid):
        source_at(root)


def test_source__link_or_empty_or_absent__is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "folder").mkdir()

    for name in ("empty", "link", "folder", "absent"):
        with pytest.raises(SourceInvalid):
            source_at(tmp_path / name)


def test_file__shortened_after_it_was_looked_at__is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    source = FileSource.of(path)
    path.write_bytes(bytes(99))

    with pytest.raises(SourceChanged):
        source.read_at(0, 100)


def _tensors(path: Path, head: object, content: bytes = bytes(8)) -> None:
    raw = json.dumps(head).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + content)


def test_folder__of_a_model__is_known_as_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    _tensors(tmp_path / "m.safetensors", {"w": _tensor("F16", [2, 2], 0, 8)})

    assert TreeKind.MODEL is TreeSource.of(tmp_path).manifest.kind


def _tensor(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "head",
    [
        [],
        {"w": 1},
        {"w": _tensor("F16", [2, 2], 0, 6)},
        {"w": _tensor("F16", [2, 3], 0, 12)},
        {"w": _tensor("F99", [2, 2], 0, 8)},
        {"w": _tensor("F16", [-2, -2], 0, 8)},
        {"v": _tensor("F16", [3], 0, 6), "w": _tensor("F16", [2], 4, 8)},
        {"w": _tensor("F16", [3], 2, 8)},
    ],
)
def test_safetensors__that_does_not_describe_its_bytes__is_refused(
    tmp_path: Path, head: object
) -> None:
    _tensors(tmp_path / "m.safetensors", head)

    with pytest.raises(MetadataInvalid):
        source_at(tmp_path)


def test_safetensors__cut_off__is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"\xff" * 7)

    with pytest.raises(MetadataInvalid):
        source_at(tmp_path)
