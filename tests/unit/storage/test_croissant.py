"""Croissant metadata: what we write passes, what contradicts the files does not."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from offchain.storage.artefact import TreeEntry, TreeKind
from offchain.storage.client_errors import MetadataInvalid
from offchain.storage.croissant import check_croissant, describe
from offchain.storage.sources import TreeSource

ENTRIES = (
    TreeEntry("data/train.csv", 4, hashlib.sha256(b"a,b\n").digest()),
    TreeEntry("data/test.csv", 4, hashlib.sha256(b"a,c\n").digest()),
)


def _metadata() -> dict[str, object]:
    found = describe("toy", ENTRIES, description="Two small tables.", licence="CC0-1.0")
    found["recordSet"] = {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "field": [
            {
                "@type": "cr:Field",
                "@id": "rows/a",
                "name": "a",
                "dataType": "sc:Text",
                "source": {
                    "fileObject": {"@id": "data/train.csv"},
                    "extract": {"column": "a"},
                },
            }
        ],
    }
    return found


def _check(metadata: object) -> str:
    return check_croissant(json.dumps(metadata).encode(), ENTRIES)


def test_metadata__as_described__holds() -> None:
    assert _check(_metadata()) == "toy"


def _without(name: str) -> Callable[[dict], None]:
    return lambda metadata: metadata.pop(name)


def _first(**changes: object) -> Callable[[dict], None]:
    return lambda metadata: metadata["distribution"][0].update(changes)


def _source(**source: object) -> Callable[[dict], None]:
    return lambda metadata: metadata["recordSet"]["field"][0].update(source=source)


@pytest.mark.parametrize(
    "change",
    [
        _without("@context"),
        _without("@type"),
        _without("conformsTo"),
        _without("name"),
        lambda m: m.update({"@type": "sc:Thing"}),
        lambda m: m.update(conformsTo="http://mlcommons.org/croissant/0.8"),
        lambda m: m.update(distribution="x"),
        lambda m: m["distribution"].append(m["distribution"][0]),
        _first(sha256="00" * 32),
        _first(sha256=None),
        _first(contentUrl="data/absent.csv"),
        _first(contentUrl="../train.csv"),
        _first(encodingFormat=""),
        _first(contentUrl="https://example.org/a", sha256=None),
        _first(**{"@type": "sc:Thing"}),
        _first(containedIn={"@id": "nothing"}),
        _first(**{"@type": "cr:FileSet"}),
        _first(**{"@type": "cr:FileSet", "includes": "*.parquet"}),
        _source(fileObject={"@id": "nothing"}),
        _source(fileSet=3),
        lambda m: m.update(recordSet=[1]),
    ],
)
def test_metadata__that_is_wrong__is_refused(change: Callable[[dict], None]) -> None:
    metadata = _metadata()
    change(metadata)

    with pytest.raises(MetadataInvalid):
        _check(metadata)


@pytest.mark.parametrize(
    "change",
    [
        _first(**{"@type": "cr:FileSet", "includes": "data/*.csv"}),
        lambda m: m.update(conformsTo={"@id": "http://mlcommons.org/croissant/1.1"}),
        lambda m: m.pop("recordSet"),
        _first(contentUrl="https://example.org/a"),
    ],
)
def test_metadata__other_ways_to_say_it__holds(change: Callable[[dict], None]) -> None:
    metadata = _metadata()
    change(metadata)

    assert _check(metadata) == "toy"


def test_data_set__with_its_metadata_and_card__is_known_as_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_bytes(b"a,b\n")
    (tmp_path / "data" / "test.csv").write_bytes(b"a,c\n")
    (tmp_path / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Toy\n")
    (tmp_path / "croissant.json").write_text(json.dumps(_metadata()))

    assert TreeKind.DATASET is TreeSource.of(tmp_path).manifest.kind


@pytest.mark.parametrize("card", [b"---\nlicense: x\n", b"\xff\xfe"])
def test_data_set__with_a_broken_card__is_refused(tmp_path: Path, card: bytes) -> None:
    (tmp_path / "README.md").write_bytes(card)
    (tmp_path / "croissant.json").write_text(
        json.dumps(describe("toy", [], description="None.", licence="CC0-1.0"))
    )

    with pytest.raises(MetadataInvalid):
        TreeSource.of(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 9_999])
def test_metadata__no_document__is_refused(raw: bytes) -> None:
    with pytest.raises(MetadataInvalid):
        check_croissant(raw, ENTRIES)
