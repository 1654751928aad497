"""Requests: what clients of the protocol send is read, what would mislead is refused by name."""

import json

import pytest

from offchain.compute.engine_errors import OneAnswerOnly, RequestMalformed
from offchain.compute.generation import (
    MAX_BODY_BYTES,
    Message,
    Route,
    Sampling,
    parse_generation,
    parse_texts,
)

MESSAGES = [{"role": "user", "content": "Hi"}]


def a_chat(**fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()


def test_parse_generation__plain_chat__has_the_protocols_defaults() -> None:
    found = parse_generation(a_chat(), Route.CHAT)

    assert (Message("user", "Hi"),) == found.messages
    assert Sampling(1_000_000, 1_000_000, 0, None) == found.sampling
    assert (None, False, False, frozenset()) == (
        found.max_tokens,
        found.is_streamed,
        found.is_audit_ok,
        found.features,
    )


def test_parse_generation__all_fields__are_read() -> None:
    found = parse_generation(
        a_chat(
            max_tokens=5,
            max_completion_tokens=7,
            temperature=0.7,
            top_p=0.95,
            top_k=40,
            seed=-3,
            stop="END",
            stream=True,
            stream_options={"include_usage": True},
            metadata={"audit_ok": "true"},
            user="somebody",
        ),
        Route.CHAT,
    )

    assert Sampling(700_000, 950_000, 40, -3) == found.sampling
    assert (found.max_tokens, found.stop) == (7, ("END",))
    assert found.is_streamed
    assert found.has_usage
    assert found.is_audit_ok


def test_parse_generation__text_parts_and_developer__become_plain_messages() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = a_chat(messages=[{"role": "developer", "content": parts}])

    assert (Message("system", "ab"),) == parse_generation(body, Route.CHAT).messages


def test_parse_generation__fields_that_change_the_answer__are_named() -> None:
    body = a_chat(tools=[{"type": "function"}], logprobs=True, presence_penalty=0, tool_choice=None)

    assert {"tools", "logprobs"} == parse_generation(body, Route.CHAT).features


def test_parse_generation__completion__reads_the_prompt() -> None:
    body = json.dumps({"model": "m", "prompt": ["Once"], "max_tokens": 3}).encode()

    found = parse_generation(body, Route.COMPLETION)

    assert (found.prompt, found.max_tokens) == ("Once", 3)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0]"),
        ({"n": 2}, "n"),
        ({"n": 5_000_000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**12}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"seed": 1 << 63}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": "x" * 257}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"metadata": "no"}, "metadata"),
        ({"model": 7}, "model"),
        ({"model": "x" * 257}, "model"),
    ],
)
def test_parse_generation__field_out_of_bounds__refused_by_name(
    fields: dict[str, object], name: str
) -> None:
    with pytest.raises(RequestMalformed) as refused:
        parse_generation(a_chat(**fields), Route.CHAT)

    assert name == refused.value.fields["field"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"temperature": NaN}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b"[" * 100_000,
        b" " * (MAX_BODY_BYTES + 1),
    ],
)
def test_parse_generation__no_bounded_json_object__refused(body: bytes) -> None:
    with pytest.raises(RequestMalformed):
        parse_generation(body, Route.CHAT)


def test_parse_texts__one_and_many__are_read() -> None:
    assert parse_texts(b'{"input": "a"}') == ("a",)
    assert parse_texts(b'{"input": ["a", "b"]}') == ("a", "b")


@pytest.mark.parametrize("found", [None, [], [""], [1], "", ["a"] * 257])
def test_parse_texts__nothing_to_embed__refused(found: object) -> None:
    with pytest.raises(RequestMalformed):
        parse_texts(json.dumps({"input": found}).encode())


@pytest.mark.parametrize("number", [2, 4, 5, 1_000_000])
def test_request__for_several_answers__is_refused_by_name(number: int) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "n": number}).encode()

    with pytest.raises(OneAnswerOnly) as caught:
        parse_generation(body, Route.CHAT)

    assert (caught.value.fields["asked"], caught.value.fields["maximum"]) == (number, 1)


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "2", 10**30])
def test_request__whose_n_is_no_number_of_answers__is_malformed(number: object) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "n": number}).encode()

    with pytest.raises(RequestMalformed) as caught:
        parse_generation(body, Route.CHAT)

    assert not isinstance(caught.value, OneAnswerOnly)
    assert caught.value.fields["field"] == "n"
