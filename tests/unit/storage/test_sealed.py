"""Sealed streams: what was sealed opens, and nothing that was changed, moved or cut does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.storage.client_errors import ArtefactMalformed, FrameTampered, KeyMissing
from offchain.storage.recipients import (
    RecipientInvalid,
    parse_recipient,
    public_key_of,
    unwrap_key,
    wrap_key,
)
from offchain.storage.sealed import (
    FRAME_BYTES,
    HEAD_BYTES,
    SEALED_FRAME_BYTES,
    Seal,
    SealHead,
    key_id_of,
)
from offchain.storage.sources import BytesSource, SealedSource

KEY = bytes(range(32))
SALT = bytes(range(16))


def _seal(length: int, *wraps: bytes) -> Seal:
    return Seal(SealHead(SALT, length, key_id_of(KEY), wraps), KEY)


def _content(length: int) -> bytes:
    return (bytes(range(251)) * (length // 251 + 1))[:length]


@pytest.mark.parametrize("length", [1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 << 20])
def test_sealed_stream__opened_frame_by_frame__is_the_content(length: int) -> None:
    content, seal = _content(length), _seal(length)
    source = SealedSource(BytesSource(content), seal)

    raw = source.read_at(0, source.length)

    assert len(raw) == source.length == seal.head.sealed_length
    assert SealHead.parse(raw) == seal.head
    spans = [seal.head.frame_at(index) for index in range(seal.head.frames)]
    assert content == b"".join(
        seal.open(index, raw[start:stop]) for index, (start, stop) in enumerate(spans)
    )


@given(start=st.integers(0, 2_200_000), size=st.integers(0, 2_200_000))
def test_sealed_source__read_anywhere__is_the_same_stream(start: int, size: int) -> None:
    source = SealedSource(BytesSource(_content(2_100_000)), _seal(2_100_000))
    whole = source.read_at(0, source.length)

    assert whole[start : start + size] == source.read_at(start, size)


@pytest.mark.parametrize("at", [0, 17, FRAME_BYTES, FRAME_BYTES + 15])
def test_frame__one_bit_flipped__does_not_open(at: int) -> None:
    seal = _seal(2 * FRAME_BYTES)
    frame = bytearray(seal.seal(0, _content(FRAME_BYTES)))
    frame[at] ^= 1

    with pytest.raises(FrameTampered):
        seal.open(0, bytes(frame))


def test_frame__moved_to_another_place__does_not_open() -> None:
    seal = _seal(2 * FRAME_BYTES)
    frame = seal.seal(0, _content(FRAME_BYTES))

    with pytest.raises(FrameTampered):
        seal.open(1, frame)


def test_frame__under_a_head_of_another_length__does_not_open() -> None:
    frame = _seal(2 * FRAME_BYTES).seal(0, _content(FRAME_BYTES))

    with pytest.raises(FrameTampered):
        _seal(FRAME_BYTES).open(0, frame)


def test_seal__another_key__is_noticed_before_any_frame() -> None:
    head = SealHead(SALT, 1, key_id_of(KEY))

    with pytest.raises(KeyMissing):
        Seal(head, bytes(32))


@pytest.mark.parametrize("cut", [0, 3, HEAD_BYTES - 1, HEAD_BYTES + 79])
def test_head__cut_off__is_refused(cut: int) -> None:
    raw = _seal(1, bytes(80)).head.to_bytes()

    with pytest.raises(ArtefactMalformed):
        SealHead.parse(raw[:cut])


def test_head__too_many_recipients_or_bytes__is_refused() -> None:
    raw = bytearray(_seal(1).head.to_bytes())
    many, long = bytearray(raw), bytearray(raw)
    many[4:6] = b"\xff\xff"
    long[22] = 0xFF

    for bad in (many, long):
        with pytest.raises(ArtefactMalformed):
            SealHead.parse(bytes(bad))


def test_wrapped_key__opened_by_its_reader_alone__is_the_key() -> None:
    reader, stranger = b"\x11" * 32, b"\x22" * 32
    wrap = wrap_key(KEY, public_key_of(reader), salt=SALT, randomness=lambda n: b"\x33" * n)
    head = _seal(1, wrap).head

    assert unwrap_key(head, [stranger, reader]) == KEY
    assert unwrap_key(head, [stranger]) is None


@pytest.mark.parametrize("at", [0, 31, 32, 79])
def test_wrapped_key__one_bit_flipped__is_nobodys(at: int) -> None:
    reader = b"\x11" * 32
    wrap = bytearray(
        wrap_key(KEY, public_key_of(reader), salt=SALT, randomness=lambda n: b"\x33" * n)
    )
    wrap[at] ^= 1

    assert unwrap_key(_seal(1, bytes(wrap)).head, [reader]) is None


def test_recipient__point_of_small_order_or_no_key__is_refused() -> None:
    with pytest.raises(RecipientInvalid):
        wrap_key(KEY, bytes(32), salt=SALT, randomness=bytes)
    for text in ("", "0x12", "g" * 64):
        with pytest.raises(RecipientInvalid):
            parse_recipient(text)


def test_sealed_frames__of_a_length__add_up() -> None:
    head = _seal(FRAME_BYTES + 5).head

    assert head.frame_at(1) == (HEAD_BYTES + SEALED_FRAME_BYTES, head.sealed_length)
    assert head.sealed_length == HEAD_BYTES + FRAME_BYTES + 5 + 32
