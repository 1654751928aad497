"""Pieces of text: joined they are the whole text, and nothing certain is ever taken back."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from offchain.compute.text_stream import TextAssembler, assemble

END = 256


def decode(ids: Sequence[int]) -> str:
    """A tokenizer of single bytes."""
    return bytes(ids).decode(errors="replace")


def an_assembler(*stops: str) -> TextAssembler:
    return TextAssembler(decode, frozenset({END}), stops)


def feed_all(assembler: TextAssembler, ids: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    pieces = [piece for one in ids if (piece := assembler.feed(one))]
    if not assembler.is_stopped and (rest := assembler.flush()):
        pieces.append(rest)
    return "".join(one.text for one in pieces), tuple(i for one in pieces for i in one.ids)


@given(text=st.text(max_size=60))
def test_feed__any_text_byte_by_byte__joins_to_the_text(text: str) -> None:
    ids = tuple(text.encode())

    assert (text, ids) == feed_all(an_assembler(), ids)


def test_feed__half_a_character__waits_for_the_rest() -> None:
    assembler = an_assembler()
    first, second = "é".encode()

    assert assembler.feed(first) is None
    piece = assembler.feed(second)

    assert piece
    assert ("é", (first, second)) == (piece.text, piece.ids)


def test_feed__end_mark__comes_without_text() -> None:
    assembler = an_assembler()
    assembler.feed(65)

    piece = assembler.feed(END)

    assert piece
    assert (piece.text, piece.ids, assembler.is_stopped) == ("", (END,), True)


def test_feed__stop_text_over_two_tokens__is_cut_with_all_ids() -> None:
    assembler = an_assembler("##")

    text, ids = feed_all(assembler, b"ab##")

    assert ("ab", tuple(b"ab##"), True) == (text, ids, assembler.is_stopped)


def test_feed__text_that_only_begins_a_stop__is_let_go() -> None:
    assembler = an_assembler("##")

    assert assembler.feed(ord("#")) is None
    piece = assembler.feed(ord("x"))

    assert piece
    assert piece.text == "#x"


def test_assemble__ids_after_the_end__is_no_answer() -> None:
    assert assemble((65, END, 66), an_assembler(), is_cut=False) is None


def test_assemble__broken_character_at_the_limit__is_flushed_but_not_when_cut() -> None:
    half = "é".encode()[:1]

    assert assemble(b"a" + half, an_assembler(), is_cut=False) == "a\ufffd"
    assert assemble(b"a" + half, an_assembler(), is_cut=True) == "a"
