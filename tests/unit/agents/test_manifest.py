"""Manifests, secrets in bundles, skills and schemas: what is taken and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.agents.bundle_files import pack_files, unpack_files
from offchain.agents.linter import lint
from offchain.agents.manifest import MemoryKey, parse_manifest, with_memory_key
from offchain.agents.runtime_errors import (
    BundleHoldsSecret,
    BundleMalformed,
    IntentInvalid,
    PlanInvalid,
    ToolArgumentsWrong,
)
from offchain.agents.skills import filled, parse_skill
from offchain.agents.tool_schema import check_arguments, check_schema
from offchain.agents.tools import BUILT_IN
from tests.support.agents_runtime import MEMORY_KEY, a_bundle, an_intent

MNEMONIC = "test test test test test test test test test test test junk"
SECRETS = {
    "key.txt": b"0x" + b"4c" * 32,
    "bare.md": b"my key is " + b"4c" * 32 + b" keep it",
    "pem": b"-----BEGIN EC PRIVATE KEY-----\nMHQ",
    "ssh": b"-----BEGIN OPENSSH PRIVATE KEY-----",
    "wif": b"5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "xprv": b"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejM"
    b"RNNU3TGtRBeJgk33yuGBxrMPHi",
    "words.md": f"remember: {MNEMONIC}.".encode(),
    "words.json": json.dumps(MNEMONIC.split()).encode(),
    "words.csv": MNEMONIC.upper().replace(" ", ", ").encode(),
    "store.json": json.dumps({"crypto": {"ciphertext": "00"}, "id": 1}).encode(),
}


def test_lint__an_honest_bundle__passes() -> None:
    files = {**a_bundle(public=["0x" + "ab" * 32]), "notes.md": b"see 0x" + b"ab" * 32}

    lint({**files, "story.md": b"zebra " * 5 + b"ability able about above " * 2 + b"and so on"})


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_lint__a_secret__is_refused_and_not_shown(name: str) -> None:
    with pytest.raises(BundleHoldsSecret) as caught:
        lint({**a_bundle(), name: SECRETS[name]})

    assert caught.value.fields["file"] == name
    assert "4c4c" not in str(caught.value)
    assert "junk" not in str(caught.value)


def test_lint__a_key_inside_the_manifest__is_refused() -> None:
    with pytest.raises(BundleHoldsSecret):
        lint(a_bundle(description="4c" * 32))


BAD = [
    {"version": 2},
    {"unknown": 1},
    {"charter": "nowhere.md"},
    {"model": {"hash": "0x11"}},
    {"model": {"hash": "0x" + "11" * 32, "level": "BEST"}},
    {"tools": [{"name": "a"}, {"name": "a"}]},
    {"tools": [{"name": "a", "wallet": True}]},
    {"memory": {"stream": "00" * 32, "keys": []}},
    {"memory": {"stream": "00" * 31, "keys": [{"epoch": 0, "key": "00" * 32}]}},
    {"skills": "all"},
]


@pytest.mark.parametrize("change", BAD)
def test_manifest__one_field_wrong__is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleMalformed):
        parse_manifest(a_bundle(**change))


def test_manifest__a_memory_key_more__is_read_by_the_next_owner() -> None:
    key = MemoryKey(3, b"\x05" * 32)
    files = with_memory_key(with_memory_key(a_bundle(), key), key)

    known = parse_manifest(files).memory_keys

    assert known == (MemoryKey(0, MEMORY_KEY), key)
    assert key.key.hex() not in repr(parse_manifest(files))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True),
        st.binary(max_size=64),
        max_size=6,
    )
)
def test_files__packed_and_unpacked__are_the_same(files: dict[str, bytes]) -> None:
    assert unpack_files(pack_files(files)) == files


@pytest.mark.parametrize("name", ["", "/etc/passwd", "a/../b", "a//b", "."])
def test_files__a_name_that_leaves_the_bundle__is_refused(name: str) -> None:
    with pytest.raises(BundleMalformed):
        pack_files({name: b""})


def test_files__one_byte_more_or_less__is_refused() -> None:
    packed = pack_files(a_bundle())
    for other in (packed + b"\x00", packed[:-1], b"AGF2" + packed[4:], b""):
        with pytest.raises(BundleMalformed):
            unpack_files(other)


STEP = {"do": "report", "text": "done"}
BAD_STEPS = [
    [],
    [{"do": "think", "prompt": "x", "max_tokens": 1, "as": "a"}],  # no report
    [{"do": "report", "text": "{nobody}"}],
    [{"do": "think", "prompt": "{later}", "max_tokens": 1, "as": "later"}, STEP],
    [{"do": "think", "prompt": "x", "max_tokens": 0, "as": "a"}, STEP],
    [{"do": "tool", "tool": "a", "as": "B"}, STEP],
    [{"do": "shell", "text": "rm"}, STEP],
    [{"do": "report", "text": "x", "cost": 1}],
]


@pytest.mark.parametrize("steps", BAD_STEPS)
def test_skill__a_plan_that_cannot_be_followed__is_refused(steps: list[object]) -> None:
    with pytest.raises(PlanInvalid):
        parse_skill("x", json.dumps({"version": 1, "inputs": [], "steps": steps}).encode())


def test_filled__a_slot_alone__keeps_its_type() -> None:
    values = {"a": ["x", "y"], "b": "z"}

    assert filled({"one": "{a}", "two": "<{b}>", "n": 3}, values) == {
        "one": ["x", "y"],
        "two": "<z>",
        "n": 3,
    }


SPLIT = next(one.schema for one in BUILT_IN if one.name == "text.split")
WRONG = [
    {},
    {"text": 1},
    {"text": "a", "pieces": 0},
    {"text": "a", "pieces": True},
    {"text": "a", "pieces": 2.0},
    {"text": "a", "other": 1},
    [],
]


@pytest.mark.parametrize("arguments", WRONG)
def test_arguments__not_of_the_schema__are_refused(arguments: object) -> None:
    check_arguments(SPLIT, {"text": "a", "pieces": 3})
    with pytest.raises(ToolArgumentsWrong):
        check_arguments(SPLIT, arguments)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "$ref": "http://x"},
        {"type": "string", "format": "uri"},
        {"type": "string", "pattern": "("},
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "thing"}},
    ],
)
def test_schema__with_what_is_not_enforced__is_refused(schema: object) -> None:
    with pytest.raises(ToolArgumentsWrong):
        check_schema(schema)


def test_intent__round_trip_and_limits() -> None:
    intent = an_intent(file="ab")

    assert type(intent).from_bytes(intent.to_bytes()) == intent
    assert intent.digest() != an_intent(file="ab", budget=5).digest()
    assert intent.goal_hash != an_intent(file="ac").goal_hash
    for bad in ({"budget": 0}, {"deadline": 0}, {"goal": " "}, {"pays": [b"\x01"]}):
        with pytest.raises(IntentInvalid):
            an_intent(**bad)


def test_template__is_a_bundle_whose_plans_can_be_followed() -> None:
    from offchain.agents.template import template_bundle

    files = template_bundle("Scribe", model_hash=b"\x11" * 32, stream=b"\x22" * 32)
    lint(files)
    manifest = parse_manifest(files)
    allowed = {one.name for one in manifest.tools}

    assert set(manifest.skills) == {"summarise", "recall", "answer"}
    for name, raw in manifest.skills.items():
        assert parse_skill(name, raw).tools <= allowed
    assert template_bundle("Scribe", model_hash=b"\x11" * 32, stream=b"\x22" * 32) != files
