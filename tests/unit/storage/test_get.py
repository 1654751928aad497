"""Getting a file: only verified bytes, from whoever has them; liars named, losses said aloud."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offchain.core.erasure import ErasureEngine
from offchain.core.layout import MAX_PAYLOAD_BYTES
from offchain.storage.adapters.memory_seats import Mood
from offchain.storage.artefact import TreeKind, TreeManifest
from offchain.storage.client_errors import (
    ArtefactMalformed,
    FileContradicted,
    FileNotStored,
    FileUnknown,
    FrameTampered,
    InsufficientShards,
    KeyMissing,
    TargetUnusable,
)
from offchain.storage.model import FileState
from offchain.storage.put_model import Stored
from offchain.storage.read_file import Label
from offchain.storage.read_range import RangeInvalid
from offchain.storage.recipients import public_key_of, wrap_key
from offchain.storage.sealed import FRAME_BYTES, SEALED_FRAME_BYTES, Seal, SealHead, key_id_of
from offchain.storage.sources import BytesSource, SealedSource, Source, TreeSource
from tests.support.storage_client import (
    KeptKeys,
    StorageSite,
    a_getter,
    a_storage_site,
    fetch,
)

CONTENT = bytes(range(253)) * 1_300
KEY, SALT = b"\x07" * 32, b"\x05" * 16
LABELS = list(Label)


@pytest.fixture
def site(engine: ErasureEngine, tmp_path: Path) -> StorageSite:
    return a_storage_site(engine, tmp_path)


def _put(site: StorageSite, source: Source | bytes = CONTENT) -> Stored:
    stream = BytesSource(source) if isinstance(source, bytes) else source
    return asyncio.run(site.putter().put(stream, site.wish()))


def _sealed(content: bytes, *wraps: bytes) -> SealedSource:
    head = SealHead(SALT, len(content), key_id_of(KEY), wraps)
    return SealedSource(BytesSource(content), Seal(head, KEY))


@pytest.mark.parametrize("label", LABELS)
def test_get__by_id_and_by_root__the_bytes(site: StorageSite, tmp_path: Path, label: Label) -> None:
    stored = _put(site)

    for number, reference in enumerate((stored.file_id, stored.root)):
        got = fetch(site, reference, tmp_path / str(number), label=label)
        assert (tmp_path / str(number)).read_bytes() == CONTENT
        assert (stored.file_id, label, ()) == (got.file_id, got.label, got.blame)
        assert not (tmp_path / f"{number}.part").exists()


@pytest.mark.parametrize("profile", ["solo", "local", "standard", "hot", "replica"])
@pytest.mark.parametrize("label", LABELS)
def test_get__any_profile__the_bytes(
    engine: ErasureEngine, tmp_path: Path, profile: str, label: Label
) -> None:
    site = a_storage_site(engine, tmp_path, profile=profile)
    stored = _put(site)

    fetch(site, stored.root, tmp_path / "out", label=label)

    assert (tmp_path / "out").read_bytes() == CONTENT


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.LYING, Mood.REFUSING, Mood.EMPTY, Mood.STUCK])
@pytest.mark.parametrize("label", LABELS)
def test_get__a_third_of_the_seats_bad__the_bytes_and_liars_named(
    site: StorageSite, tmp_path: Path, mood: Mood, label: Label
) -> None:
    stored = _put(site)
    bad = site.operators_of(*range(0, 32, 3))
    site.set_moods(mood, *bad)
    if mood is Mood.EMPTY:
        for operator in bad:
            site.nodes[operator].runs.clear()

    got = fetch(site, stored.root, tmp_path / "out", label=label)

    assert (tmp_path / "out").read_bytes() == CONTENT
    assert {one.operator for one in got.blame} <= set(bad)
    if mood is Mood.LYING:
        assert any(one.is_lie for one in got.blame)


@pytest.mark.parametrize("label", LABELS)
def test_inv_sto_4__any_sixteen_seats__the_bytes(
    site: StorageSite, tmp_path: Path, label: Label
) -> None:
    stored = _put(site)
    gone = site.random.sample(range(32), 16)
    site.set_moods(Mood.SILENT, *site.operators_of(*gone))

    fetch(site, stored.root, tmp_path / "out", label=label)

    assert (tmp_path / "out").read_bytes() == CONTENT


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.LYING])
def test_inv_sto_4__one_seat_too_few__fails_aloud_and_names_what_is_missing(
    site: StorageSite, tmp_path: Path, mood: Mood
) -> None:
    stored = _put(site)
    gone = site.random.sample(range(32), 17)
    site.set_moods(mood, *site.operators_of(*gone))

    with pytest.raises(InsufficientShards) as failure:
        fetch(site, stored.root, tmp_path / "out")

    assert not (tmp_path / "out").exists()
    assert failure.value.fields["rows"] == 15 * 64
    named = str(failure.value.fields["seats"])
    assert all(f"{seat}:" in named for seat in gone[:5])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_inv_sto_15__seats_do_anything__right_bytes_or_a_loud_failure_and_honest_ones_unblamed(
    site: StorageSite, data: st.DataObject
) -> None:
    site.set_moods(Mood.HONEST, *site.nodes)
    stored = _put(site)
    moods = data.draw(
        st.lists(
            st.sampled_from([Mood.HONEST, Mood.HONEST, Mood.SILENT, Mood.LYING, Mood.REFUSING]),
            min_size=32,
            max_size=32,
        )
    )
    for operator, mood in zip(sorted(site.nodes), moods, strict=True):
        site.nodes[operator].mood = mood
    honest = {one for one, node in site.nodes.items() if node.mood is Mood.HONEST}
    getter = a_getter(site)

    async def story() -> tuple[bytes | None, set[int]]:
        try:
            content = await getter.content(stored.root)
        except InsufficientShards:
            return None, set()
        try:
            pieces = [bytes(piece) async for piece in getter.plain(content)]
        except InsufficientShards:
            pieces = None
        blamed = {one.operator for one in content.opened.book.records}
        return None if pieces is None else b"".join(pieces), blamed

    found, blamed = asyncio.run(story())

    assert found in (CONTENT, None)
    assert (found is not None) == (len(honest) >= 16)
    assert not blamed & honest


def test_get__unknown_id__is_not_found(site: StorageSite, tmp_path: Path) -> None:
    with pytest.raises(FileUnknown):
        fetch(site, bytes(32), tmp_path / "out")


@pytest.mark.parametrize("state", [FileState.CLOSED, FileState.REFUNDED, FileState.VOID])
def test_get__not_owed_any_more__says_so(
    site: StorageSite, tmp_path: Path, state: FileState
) -> None:
    stored = _put(site)
    site.market.set_state(stored.file_id, state)

    with pytest.raises(FileNotStored):
        fetch(site, stored.file_id, tmp_path / "out")


@pytest.mark.parametrize("span", [(0, 1), (0, 6_000), (7_000, 7_001), (100_001, 328_000)])
def test_range__leaves_or_rows__the_bytes(site: StorageSite, span: tuple[int, int]) -> None:
    stored, (start, stop) = _put(site), span
    getter = a_getter(site)

    async def story() -> tuple[bytes, int]:
        content = await getter.content(stored.root)
        found = await getter.part(content, start, stop)
        return found, content.opened.bytes_received

    found, received = asyncio.run(story())

    assert CONTENT[start:stop] == found
    assert received < len(CONTENT) * 1.2


@pytest.mark.parametrize("mood", [Mood.SILENT, Mood.LYING])
def test_range__its_seat_is_bad__decoded_from_the_others(site: StorageSite, mood: Mood) -> None:
    stored = _put(site)
    site.set_moods(mood, *site.operators_of(0, 1))
    getter = a_getter(site)

    async def story() -> list[bytes]:
        content = await getter.content(stored.root)
        return [await getter.part(content, 0, 10), await getter.part(content, 0, 30_000)]

    assert [CONTENT[:10], CONTENT[:30_000]] == asyncio.run(story())


@pytest.mark.parametrize("span", [(0, 0), (5, 4), (-1, 3), (0, len(CONTENT) + 1)])
def test_range__outside_the_file__is_refused(site: StorageSite, span: tuple[int, int]) -> None:
    stored, getter = _put(site), a_getter(site)

    async def story() -> None:
        await getter.part(await getter.content(stored.root), *span)

    with pytest.raises(RangeInvalid):
        asyncio.run(story())


def test_sealed__fetched_with_its_key__the_bytes_and_seats_saw_none_of_them(
    site: StorageSite, tmp_path: Path
) -> None:
    keys = KeptKeys()
    keys.keep(key_id_of(KEY), KEY)
    content = b"secret words " * 200_000
    stored = _put(site, _sealed(content))

    got = fetch(site, stored.root, tmp_path / "out", keys=keys)

    assert got.is_sealed
    assert content == (tmp_path / "out").read_bytes()
    for node in site.nodes.values():
        assert not any(b"secret" in run.data.tobytes() for run in node.runs.values())


def test_sealed__range__opens_only_what_it_touches(site: StorageSite) -> None:
    keys = KeptKeys()
    keys.keep(key_id_of(KEY), KEY)
    content = bytes(range(255)) * 20_000
    stored, getter = _put(site, _sealed(content)), a_getter(site, keys)

    async def story() -> bytes:
        opened = await getter.content(stored.root)
        return await getter.part(opened, FRAME_BYTES - 9, FRAME_BYTES + 9)

    assert content[FRAME_BYTES - 9 : FRAME_BYTES + 9] == asyncio.run(story())


def test_sealed__without_the_key__is_refused_or_read_raw(site: StorageSite, tmp_path: Path) -> None:
    stored = _put(site, _sealed(CONTENT))

    with pytest.raises(KeyMissing):
        fetch(site, stored.root, tmp_path / "out")
    fetch(site, stored.root, tmp_path / "raw", is_raw=True)

    source = _sealed(CONTENT)
    assert source.read_at(0, source.length) == (tmp_path / "raw").read_bytes()


def test_sealed__to_a_reader__reads_it_with_his_own_secret(
    site: StorageSite, tmp_path: Path
) -> None:
    reader = b"\x21" * 32
    wrap = wrap_key(KEY, public_key_of(reader), salt=SALT, randomness=lambda n: b"\x33" * n)
    stored = _put(site, _sealed(CONTENT, wrap))

    fetch(site, stored.root, tmp_path / "out", keys=KeptKeys(reader))

    assert (tmp_path / "out").read_bytes() == CONTENT


def test_sealed__frame_tampered_with_before_it_was_stored__nothing_of_it_comes_out(
    site: StorageSite, tmp_path: Path
) -> None:
    keys = KeptKeys()
    keys.keep(key_id_of(KEY), KEY)
    source = _sealed(bytes(3 * FRAME_BYTES))
    raw = bytearray(source.read_at(0, source.length))
    raw[SEALED_FRAME_BYTES + 500] ^= 1
    stored = _put(site, bytes(raw))

    with pytest.raises(FrameTampered):
        fetch(site, stored.root, tmp_path / "out", keys=keys)

    assert not (tmp_path / "out").exists()


def test_sealed__head_says_another_length__is_refused(site: StorageSite, tmp_path: Path) -> None:
    source = _sealed(CONTENT)
    stored = _put(site, bytes(source.read_at(0, source.length)) + b"more")

    with pytest.raises(ArtefactMalformed):
        fetch(site, stored.root, tmp_path / "out")


def _folder(root: Path) -> dict[str, bytes]:
    files = {"a/b.bin": bytes(range(256)) * 4_000, "a/empty": b"", "z.txt": b"end"}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return files


@pytest.mark.parametrize("is_sealed", [False, True])
def test_folder__stored_and_fetched__every_file_again(
    site: StorageSite, tmp_path: Path, is_sealed: bool
) -> None:
    files, keys = _folder(tmp_path / "in"), KeptKeys()
    keys.keep(key_id_of(KEY), KEY)
    source: Source = TreeSource.of(tmp_path / "in")
    if is_sealed:
        source = SealedSource(source, Seal(SealHead(SALT, source.length, key_id_of(KEY)), KEY))
    stored = _put(site, source)

    got = fetch(site, stored.root, tmp_path / "out", keys=keys)

    assert (got.kind, got.files) == ("folder", 3)
    out = tmp_path / "out"
    assert files == {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


def _with_manifest(body: bytes, content: bytes) -> bytes:
    return b"APD1" + len(body).to_bytes(4, "big") + body + content


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\\\\..\\\\evil"])
def test_folder__name_that_leads_out__nothing_is_written_outside(
    site: StorageSite, tmp_path: Path, name: str
) -> None:
    digits = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
    body = (
        '{"format":"apogee.directory.v1","kind":"folder","files":'
        f'[{{"name":"{name}","bytes":1,"sha256":"{digits}"}}]}}'
    )
    stored = _put(site, _with_manifest(body.encode(), b"0"))
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)

    with pytest.raises(ArtefactMalformed):
        fetch(site, stored.root, inside / "out")

    assert not list(tmp_path.rglob("*evil*"))


def test_folder__file_that_is_not_what_the_manifest_says__is_not_put_in_place(
    site: StorageSite, tmp_path: Path
) -> None:
    _folder(tmp_path / "in")
    source = TreeSource.of(tmp_path / "in")
    raw = bytearray(source.read_at(0, source.length))
    raw[-1] ^= 1
    stored = _put(site, bytes(raw))

    with pytest.raises(FileContradicted):
        fetch(site, stored.root, tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("extra", [b"x", b""])
def test_folder__bytes_missing_or_left_over__is_refused(
    site: StorageSite, tmp_path: Path, extra: bytes
) -> None:
    _folder(tmp_path / "in")
    source = TreeSource.of(tmp_path / "in")
    raw = source.read_at(0, source.length)
    stored = _put(site, raw + extra if extra else raw[:-1])

    with pytest.raises(ArtefactMalformed):
        fetch(site, stored.root, tmp_path / "out")


def test_folder__link_planted_in_the_part_folder__is_not_followed(
    site: StorageSite, tmp_path: Path
) -> None:
    _folder(tmp_path / "in")
    stored = _put(site, TreeSource.of(tmp_path / "in"))
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "out.part" / "tree").mkdir(parents=True)
    (tmp_path / "out.part" / "tree" / "z.txt").symlink_to(victim)

    with pytest.raises(OSError):
        fetch(site, stored.root, tmp_path / "out")

    assert victim.read_bytes() == b"mine"


def test_get__target_taken_or_without_folder__is_refused(site: StorageSite, tmp_path: Path) -> None:
    stored = _put(site)
    (tmp_path / "taken").write_bytes(b"mine")

    for target in (tmp_path / "taken", tmp_path / "absent" / "out"):
        with pytest.raises(TargetUnusable):
            fetch(site, stored.root, target)

    assert (tmp_path / "taken").read_bytes() == b"mine"


def test_get__interrupted_and_repeated__goes_on_and_ends_the_same(
    site: StorageSite, tmp_path: Path
) -> None:
    files = _folder(tmp_path / "in")
    stored = _put(site, TreeSource.of(tmp_path / "in"))
    getter = a_getter(site)
    manifest = TreeManifest.parse(TreeSource.of(tmp_path / "in").head)
    from offchain.storage.adapters.arrival import Arrival

    content = asyncio.run(getter.content(stored.root))
    arrival = Arrival(tmp_path / "out", stored.file_id, length=content.length, is_raw=False)
    assert arrival.begin() == 0
    source = TreeSource.of(tmp_path / "in")
    arrival.write(source.read_at(0, source.length - 2))
    arrival.close()

    got = fetch(site, stored.root, tmp_path / "out")

    assert source.length - 3 == got.resumed
    assert files["z.txt"] == (tmp_path / "out" / "z.txt").read_bytes()
    assert TreeKind.FOLDER is manifest.kind


def test_get__two_segments_seats_lying__both_in_order(site: StorageSite, tmp_path: Path) -> None:
    content = site.random.randbytes(MAX_PAYLOAD_BYTES) + CONTENT
    stored = _put(site, content)
    site.set_moods(Mood.LYING, *site.operators_of(3, 9))

    for label in Label:
        fetch(site, stored.root, tmp_path / label.value, label=label)
        assert content == (tmp_path / label.value).read_bytes()
