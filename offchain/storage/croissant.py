"""Croissant metadata of a data set: written for a folder, and checked before it is stored.

JSON-LD in the vocabulary of mlcroissant, versions 1.0 and 1.1: a `sc:Dataset` whose distribution is
`cr:FileObject`s and `cr:FileSet`s. What is checked is what a reader relies on: every file named
inside the folder is there and has the SHA-256 stated, every reference finds its target, and names
are unique. Files behind a URL are left to whoever loads them. Source:
https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from pydantic_core import from_json

from offchain.storage.artefact import TreeEntry
from offchain.storage.client_errors import MetadataInvalid

FILE_NAME: Final = "croissant.json"
CARD_NAME: Final = "README.md"
VERSION: Final = "http://mlcommons.org/croissant/1.0"
VERSIONS: Final = frozenset(
    f"{scheme}://mlcommons.org/croissant/{number}"
    for scheme in ("http", "https")
    for number in ("1.0", "1.1")
)
MAX_BYTES: Final = 16 << 20
MAX_NODES: Final = 100_000
SOURCES: Final = ("fileObject", "fileSet", "recordSet", "field")
Node = Mapping[str, object]
CONTEXT: Final[Node] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "key": "cr:key",
    "md5": "cr:md5",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def describe(
    name: str, entries: Sequence[TreeEntry], *, description: str, licence: str
) -> dict[str, object]:
    """Metadata that says of a folder what its files say: names, sizes, types and hashes."""
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": name,
        "description": description,
        "license": licence,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": entry.name,
                "name": entry.name,
                "contentUrl": entry.name,
                "contentSize": f"{entry.length} B",
                "encodingFormat": mimetypes.guess_type(entry.name)[0] or "application/octet-stream",
                "sha256": entry.sha256.hex(),
            }
            for entry in entries
            if entry.name != FILE_NAME
        ],
    }


def check_croissant(raw: bytes, entries: Sequence[TreeEntry]) -> str:
    """The data set's name, once its metadata holds for these files. Raises: MetadataInvalid."""
    if len(raw) > MAX_BYTES:
        raise _wrong("@", reason="too long", bytes=len(raw))
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise _wrong("@", reason="no JSON") from error
    root = _node(found, "@")
    _require_dataset(root)
    resources = [_node(one, "distribution") for one in _list(root.get("distribution"))]
    records = [_node(one, "recordSet") for one in _list(root.get("recordSet"))]
    ids = _require_unique([*resources, *records, *_fields(records)])
    files = {entry.name: entry for entry in entries}
    for resource in resources:
        _require_resource(resource, ids, files)
    for record in records:
        _require_record(record, ids)
    return _text(root, "name")


def check_card(raw: bytes) -> None:
    """A data set's card: text, with its front matter closed. Raises: MetadataInvalid."""
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError as error:
        raise MetadataInvalid(file=CARD_NAME, reason="not UTF-8") from error
    if lines[:1] == ["---"] and "---" not in lines[1:]:
        raise MetadataInvalid(file=CARD_NAME, reason="front matter is not closed")


def _require_dataset(root: Node) -> None:
    if "@context" not in root:
        raise _wrong("@context", reason="missing")
    if not _is_a(root, "Dataset"):
        raise _wrong("@type", found=root.get("@type"), expected="sc:Dataset")
    claimed = root.get("conformsTo", root.get("dct:conformsTo"))
    version = claimed.get("@id") if isinstance(claimed, dict) else claimed
    if not isinstance(version, str) or version.rstrip("/") not in VERSIONS:
        raise _wrong("conformsTo", found=claimed, expected=VERSION)
    _text(root, "name")


def _require_resource(
    resource: Node, ids: Mapping[str, Node], files: Mapping[str, TreeEntry]
) -> None:
    name = _text(resource, "@id" if "@id" in resource else "name")
    _text(resource, "encodingFormat")
    parents = [_reference(one, name) for one in _list(resource.get("containedIn"))]
    for parent in parents:
        if parent not in ids:
            raise _wrong(name, reason="containedIn nothing", id=parent)
    if _is_a(resource, "FileSet"):
        patterns = [str(one) for one in _list(resource.get("includes"))]
        if not patterns:
            raise _wrong(name, reason="includes nothing")
        if not parents and not any(fnmatchcase(file, one) for file in files for one in patterns):
            raise _wrong(name, reason="no file is included", includes=patterns[0])
        return
    if not _is_a(resource, "FileObject"):
        raise _wrong(name, found=resource.get("@type"), expected="cr:FileObject, cr:FileSet")
    _require_file(resource, name, is_inner=bool(parents), files=files)


def _require_file(
    resource: Node, name: str, *, is_inner: bool, files: Mapping[str, TreeEntry]
) -> None:
    """A file of this folder is there and is the one that its hash says."""
    url, digits = _text(resource, "contentUrl"), resource.get("sha256")
    if is_inner:
        return
    if urlsplit(url).scheme:
        if not digits and not resource.get("md5"):
            raise _wrong(name, reason="a file elsewhere without a hash")
        return
    entry = files.get(url.removeprefix("./"))
    if entry is None:
        raise _wrong(name, reason="the folder has no such file", contentUrl=url)
    if digits != entry.sha256.hex():
        raise _wrong(name, reason="sha256", found=digits, expected=entry.sha256.hex())


def _require_record(record: Node, ids: Mapping[str, Node]) -> None:
    name = _text(record, "@id" if "@id" in record else "name")
    for field in _fields([record]):
        label = f"{name}/{field.get('name', field.get('@id', '?'))}"
        sources = [_node(one, label) for one in _list(field.get("source"))]
        for source in sources:
            for kind in SOURCES:
                for target in _list(source.get(kind)):
                    if _reference(target, label) not in ids:
                        raise _wrong(label, reason="source is nothing", id=target)


def _require_unique(nodes: Sequence[Node]) -> dict[str, Node]:
    if len(nodes) > MAX_NODES:
        raise _wrong("@", reason="too many nodes", count=len(nodes))
    ids: dict[str, Node] = {}
    for node in nodes:
        name = _text(node, "@id" if "@id" in node else "name")
        if name in ids:
            raise _wrong(name, reason="named twice")
        ids[name] = node
    return ids


def _fields(records: Sequence[Node]) -> Iterator[Node]:
    """All fields of record sets, and the fields inside them one level down."""
    for record in records:
        for one in _list(record.get("field")):
            field = _node(one, "field")
            yield field
            for inner in _list(field.get("subField")):
                yield _node(inner, "subField")


def _is_a(node: Node, kind: str) -> bool:
    names = {str(one).rpartition(":")[2].rpartition("/")[2] for one in _list(node.get("@type"))}
    return kind in names


def _list(value: object) -> list[object]:
    """JSON-LD writes one value without its list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _reference(value: object, at: str) -> str:
    name = value.get("@id") if isinstance(value, dict) else value
    if not isinstance(name, str):
        raise _wrong(at, reason="a reference is {'@id': ...}")
    return name


def _node(value: object, at: str) -> Node:
    if not isinstance(value, dict):
        raise _wrong(at, reason="not an object")
    return value


def _text(node: Node, name: str) -> str:
    value = node.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(str(node.get("@id", node.get("name", "dataset"))), reason=f"{name} is missing")
    return value


def _wrong(at: str, **fields: object) -> MetadataInvalid:
    shown = {name: str(value)[:120] for name, value in fields.items()}
    return MetadataInvalid(file=FILE_NAME, at=at[:120], **shown)
