"""Sealed requests and answers: one form, one key, one place; all else is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.compute.answers import Route
from offchain.compute.engine_errors import RequestMalformed
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.generation import MAX_BODY_BYTES
from offchain.compute.model import Level, Verifiability, request_hash
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.private_errors import (
    SealBroken,
    SealedAgain,
    SealedRequestBroken,
    SealedTooMany,
    SealKeyUnknown,
)
from offchain.compute.private_form import (
    LAST,
    NEXT,
    Inside,
    Place,
    is_sealed,
    pad_text,
    parse_sealed,
    seal,
    to_text,
    unpad_text,
)
from offchain.compute.private_keys import EnclaveKeys, SealKey
from offchain.compute.private_serve import OpenSealed
from offchain.compute.verify import Policy, verify
from offchain.core.hashing import keccak
from tests.support.compute import NOW, Answered, a_service
from tests.support.private import a_verdict, live_of

SERVICE = a_service().id
PLAIN = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":8,"top_p":0.5}'
WORDS = ("one", " two", " three", "")
REQUEST_ID = keccak(b"request id")


def a_request(keys: EnclaveKeys, plain: bytes = PLAIN, **more: object) -> PrivateRequest:
    key = SealKey(keys.public, live_of(a_verdict(keys.public)))
    named = {"service": SERVICE, "now": NOW, **more}
    return PrivateRequest.of(Route.CHAT, plain, key, **named)  # type: ignore[arg-type]  # as named


def an_opener(keys: EnclaveKeys, **more: int) -> OpenSealed:
    return OpenSealed(keys, lambda: NOW, **more)


def chunks_of(request: PrivateRequest, *, request_id: bytes = REQUEST_ID) -> list[str]:
    """The chunks that a provider would make of WORDS."""
    reply, hashed = request.reply.public_key().public_bytes_raw(), request_hash(request.body)
    found = []
    for index, word in enumerate(WORDS):
        is_last = index == len(WORDS) - 1
        place = Place(request_id, hashed, index, is_last)
        sealed = seal(pad_text(word), reply, place.info())
        found.append(to_text(sealed) + (LAST if is_last else NEXT))
    return found


def test_request__opened_by_the_enclave__is_what_was_asked() -> None:
    keys = EnclaveKeys()
    request = a_request(keys)

    opened = an_opener(keys).open(Route.CHAT, request.body, SERVICE, REQUEST_ID)

    assert opened is not None
    assert opened.body == PLAIN
    assert b"hi" not in request.body
    assert b"top_p" not in request.body
    assert an_opener(keys).open(Route.CHAT, PLAIN, SERVICE, REQUEST_ID) is None


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda keys: (EnclaveKeys(), SERVICE, Route.CHAT), SealKeyUnknown),
        (lambda keys: (keys, keccak(b"other"), Route.CHAT), SealedRequestBroken),
        (lambda keys: (keys, SERVICE, Route.COMPLETION), SealedRequestBroken),
    ],
)
def test_request__other_key_service_or_door__is_refused(
    spoil: Callable[[EnclaveKeys], tuple[EnclaveKeys, bytes, Route]], error: type[Exception]
) -> None:
    keys = EnclaveKeys()
    body = a_request(keys).body
    holder, service, route = spoil(keys)

    with pytest.raises(error):
        an_opener(holder).open(route, body, service, REQUEST_ID)


@settings(max_examples=60)
@given(st.data())
def test_request__any_bit_changed__is_refused(data: st.DataObject) -> None:
    keys = EnclaveKeys()
    body = bytearray(a_request(keys).body)
    place = data.draw(st.integers(0, len(body) * 8 - 1))
    body[place // 8] ^= 1 << place % 8

    try:
        found = an_opener(keys).open(Route.CHAT, bytes(body), SERVICE, REQUEST_ID)
    except (SealedRequestBroken, SealKeyUnknown, RequestMalformed):
        return
    assert found is None  # the mark is gone: what is left is a prompt without meaning
    assert not is_sealed(bytes(body))


def test_request__remembered__once_under_one_voucher_and_only_so_many() -> None:
    keys = EnclaveKeys()
    opener = an_opener(keys, most_fresh=1)
    body = a_request(keys).body
    opener.open(Route.CHAT, body, SERVICE, REQUEST_ID)

    assert opener.open(Route.CHAT, body, SERVICE, REQUEST_ID) is not None
    with pytest.raises(SealedAgain):
        opener.open(Route.CHAT, body, SERVICE, keccak(b"another voucher"))
    with pytest.raises(SealedTooMany):
        opener.open(Route.CHAT, a_request(keys).body, SERVICE, REQUEST_ID)


@pytest.mark.parametrize("now", [NOW - 601, NOW + 601])
def test_request__from_another_time__is_refused(now: int) -> None:
    keys = EnclaveKeys()

    with pytest.raises(SealedRequestBroken):
        an_opener(keys).open(Route.CHAT, a_request(keys, now=now).body, SERVICE, REQUEST_ID)


@pytest.mark.parametrize(
    "plain",
    [
        b"no json",
        PLAIN.replace(b'"top_p"', b'"metadata":{"audit_ok":true},"top_p"'),
        PLAIN.replace(b"hi", b"h" * (3 * MAX_BODY_BYTES // 4)),
    ],
)
def test_request__that_cannot_be_private__is_refused_before_it_is_sealed(plain: bytes) -> None:
    with pytest.raises(RequestMalformed):
        a_request(EnclaveKeys(), plain)


def test_answer__whole_and_in_pieces__is_read() -> None:
    request = a_request(EnclaveKeys())
    sealed = "".join(chunks_of(request))
    opener = request.opener(REQUEST_ID)

    texts = [text for letter in sealed for text in opener.feed(letter)]
    opener.end()

    assert tuple(texts) == WORDS
    assert request.text(REQUEST_ID, sealed) == "one two three"


def _of_another(request: PrivateRequest, chunks: list[str]) -> list[str]:
    return [chunks_of(replace(request, body=request.body + b" "))[0], *chunks[1:]]


Spoil = Callable[[PrivateRequest, list[str]], list[str]]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _, c: c[:-1], Reason.SEAL_CUT),
        (lambda _, c: [], Reason.SEAL_CUT),
        (lambda _, c: [*c[:-1], c[-1][:-1]], Reason.SEAL_CUT),
        (lambda _, c: [c[0], *c[2:]], Reason.SEAL_BROKEN),
        (lambda _, c: [c[1], c[0], *c[2:]], Reason.SEAL_BROKEN),
        (lambda _, c: [c[0], c[0], *c[1:]], Reason.SEAL_BROKEN),
        (lambda _, c: [*c, c[-1]], Reason.SEAL_BROKEN),
        (lambda _, c: [*c[:1], c[1][:-1] + LAST], Reason.SEAL_BROKEN),
        (lambda _, c: [*c[:-1], c[-1][:-1] + NEXT], Reason.SEAL_BROKEN),
        (lambda r, c: [chunks_of(r, request_id=bytes(32))[0], *c[1:]], Reason.SEAL_BROKEN),
        (_of_another, Reason.SEAL_BROKEN),
        (lambda _, c: [chunks_of(a_request(EnclaveKeys()))[0], *c[1:]], Reason.SEAL_BROKEN),
        (lambda _, c: ["A" + c[0], *c[1:]], Reason.SEAL_BROKEN),
        (lambda _, c: ["Plain text.", *c], Reason.NOT_SEALED),
        (lambda _, c: ["AAAA" + NEXT, *c], Reason.NOT_SEALED),
        (lambda _, c: [NEXT, *c], Reason.NOT_SEALED),
    ],
    ids=[
        "truncated", "empty", "unended", "dropped", "swapped", "doubled", "after_the_end",
        "ended_early", "end_taken", "of_another_request_id", "of_another_body",
        "of_another_reply_key", "shifted", "plain", "short", "nothing",
    ],
)  # fmt: skip
def test_inv_att_13__spoiled_answer__ends_with_a_reason(spoil: Spoil, reason: Reason) -> None:
    request = a_request(EnclaveKeys())
    chunks = spoil(request, chunks_of(request))

    with pytest.raises(UnverifiedAnswer) as caught:
        request.text(REQUEST_ID, "".join(chunks))

    assert caught.value.reason is reason


@settings(max_examples=60)
@given(st.data())
def test_answer__any_byte_changed__is_refused(data: st.DataObject) -> None:
    request = a_request(EnclaveKeys())
    sealed = bytearray("".join(chunks_of(request)).encode())
    place = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.sampled_from(b"ABab01-_.~ =+/").filter(lambda one: one != sealed[place]))
    sealed[place] = other

    with pytest.raises(UnverifiedAnswer):
        request.text(REQUEST_ID, sealed.decode())


def test_verify__sealed_answer__is_checked_closed_and_open() -> None:
    request = a_request(EnclaveKeys())
    said = _answered(request)
    exchange, facts = said.exchange(), said.facts()
    closed = verify(exchange, facts, POLICY)
    opened = verify(
        replace(exchange, private=request), facts, replace(POLICY, count_tokens=_counted)
    )

    assert opened.text == "one two three"
    assert closed.text == "".join(said.texts)
    assert closed.receipt == opened.receipt
    assert "key is not here" in closed.not_proven[1]


def test_verify__provider_signs_plain_text_for_a_sealed_request__is_a_downgrade() -> None:
    request = a_request(EnclaveKeys())
    said = replace(_answered(request), texts=("plain", " text"))

    with pytest.raises(UnverifiedAnswer) as caught:
        verify(replace(said.exchange(), private=request), said.facts(), POLICY)

    assert caught.value.reason in (Reason.NOT_SEALED, Reason.SEAL_CUT)


def test_verify__another_sealed_request_of_ours__is_not_opened_with_it() -> None:
    request = a_request(EnclaveKeys())
    said = _answered(request)

    with pytest.raises(UnverifiedAnswer) as caught:
        other = a_request(EnclaveKeys())
        verify(replace(said.exchange(), private=other), said.facts(), POLICY)

    assert caught.value.reason is Reason.BODY_MISMATCH


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_padding__any_text__comes_back_and_hides_its_length(text: str) -> None:
    raw = pad_text(text)

    assert unpad_text(raw) == text
    assert len(raw) % 32 == 0
    with pytest.raises(SealBroken):
        unpad_text(raw + bytes(32))


@given(st.binary(max_size=400))
def test_inside__any_bytes__are_refused_or_are_the_one_form(raw: bytes) -> None:
    try:
        found = Inside.from_bytes(raw)
    except SealBroken:
        return
    assert found.to_bytes() == raw


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32)])
def test_seal__to_no_key__is_refused(public: bytes) -> None:
    with pytest.raises(SealBroken):
        seal(b"x", public, b"")


@pytest.mark.parametrize("mark", ['"0x12"', "1", '"' + "0x" + "zz" * 32 + '"'])
def test_parse_sealed__no_mark__is_refused(mark: str) -> None:
    body = '{"prompt":"AAAA","metadata":{"apogee_sealed":' + mark + "}}"

    with pytest.raises(SealBroken):
        parse_sealed(Route.COMPLETION, body.encode())


def test_repr__of_what_is_secret__says_nothing() -> None:
    request = a_request(EnclaveKeys())

    assert "hi" not in repr(request)
    assert "X25519PrivateKey" not in repr(request)


POLICY = Policy(allow_simulated=True)


def _counted(request: object, text: str) -> tuple[int, int]:
    assert text == "one two three"
    return 5, 3


def _answered(request: PrivateRequest) -> Answered:
    """A provider's signed answer to a sealed body."""
    said = Answered(body=request.body, verifiability=Verifiability(Level.NONE, False, 0))
    return replace(said, texts=tuple(chunks_of(request, request_id=said.receipt().request_id)))
