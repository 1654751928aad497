"""verify(): one wrong byte or one wrong claim, and there is no answer; each with its reason."""

from dataclasses import dataclass, field, replace

import pytest

from offchain.compute.answers import Route
from offchain.compute.commitment import Commitment, policy_of
from offchain.compute.errors import Reason, UnverifiedAnswer
from offchain.compute.model import Finish, Level, Limits, Numerics, Verifiability
from offchain.compute.verify import Exchange, Policy, verify
from offchain.core.hashing import keccak
from tests.support.compute import (
    NOW,
    STRANGER,
    Answered,
    a_commitment,
    a_row,
    a_service,
    a_voucher,
    vectors,
)

STREAM = b'{"model":"tiny","messages":[{"role":"user","content":"hi"}],"stream":true}'
USAGE = STREAM[:-1] + b',"stream_options":{"include_usage":true}}'
TEXT = b'{"model":"tiny","prompt":"hi"}'
NUMBERS = b'{"model":"tiny","input":["a","b"]}'
EMBEDDED = Answered(route=Route.EMBEDDING, body=NUMBERS, texts=(), output_tokens=0)
FORMS = {
    "chat": Answered(),
    "chat stream": Answered(body=STREAM),
    "chat stream with usage": Answered(body=USAGE),
    "completion": Answered(route=Route.COMPLETION, body=TEXT),
    "completion stream": Answered(route=Route.COMPLETION, body=TEXT[:-1] + b',"stream":true}'),
    "embedding": EMBEDDED,
    "embedding base64": EMBEDDED.change(body=NUMBERS[:-1] + b',"encoding_format":"base64"}'),
}


@dataclass(frozen=True)
class LyingCommitment(Answered):
    """Commits to a header that is changed."""

    changes: dict[str, object] = field(default_factory=dict)

    def commitment(self) -> Commitment:
        return a_commitment(self.input_tokens, self.output_tokens, **self.changes)


def reason_of(exchange: Exchange, answered: Answered, policy: Policy | None = None) -> Reason:
    with pytest.raises(UnverifiedAnswer) as caught:
        verify(exchange, answered.facts(), policy)
    return caught.value.reason


@pytest.mark.parametrize("name", FORMS)
def test_verify__honest_answer_in_each_form__gives_its_text_and_a_tree(name: str) -> None:
    answered = FORMS[name]

    found = verify(answered.exchange(), answered.facts())

    assert found.text == "".join(answered.texts)
    assert found.receipt == answered.receipt()
    assert [check.name for check in found.checks] == [
        "signature",
        "request",
        "answer",
        "service",
        "price",
        "tokens",
        "commitment",
        "time",
        "level",
    ]
    assert "not proven" in found.tree()
    if answered.route is Route.EMBEDDING:
        assert (vectors() == found.vectors).all()


@pytest.mark.parametrize("name", FORMS)
def test_inv_cmp_13__one_changed_byte_of_the_answer__is_refused(name: str) -> None:
    answered = FORMS[name]
    exchange = answered.exchange()
    facts = answered.facts()
    found = set()
    stride = 1 if name in {"chat", "chat stream with usage"} else 7

    for position in range(0, len(exchange.answer), stride):
        changed = bytearray(exchange.answer)
        changed[position] ^= 1
        with pytest.raises(UnverifiedAnswer) as caught:
            verify(replace(exchange, answer=bytes(changed)), facts)
        found.add(caught.value.reason)

    expected = {
        Reason.ANSWER_MALFORMED,
        Reason.SIGNATURE_WRONG,
        Reason.ANSWER_MISMATCH,
        Reason.COMMITMENT_WRONG,
    }
    assert found - {Reason.RECEIPT_MISSING, Reason.LEVEL_WRONG, Reason.CLOCK_OFF} <= expected


def test_inv_cmp_13__changed_text__is_an_answer_mismatch() -> None:
    answered = Answered()
    exchange = answered.exchange()

    changed = replace(exchange, answer=exchange.answer.replace(b"Hello", b"Hallo"))

    assert reason_of(changed, answered) is Reason.ANSWER_MISMATCH


def test_inv_cmp_13__one_changed_byte_of_the_body__is_a_body_mismatch() -> None:
    answered = Answered()
    exchange = answered.exchange()

    for position in range(len(exchange.body)):
        changed = bytearray(exchange.body)
        changed[position] ^= 1
        wrong = reason_of(replace(exchange, body=bytes(changed)), answered)
        assert wrong in {Reason.BODY_MISMATCH, Reason.ANSWER_MALFORMED}


@pytest.mark.parametrize("name", FORMS)
def test_inv_cmp_13__answer_cut_at_every_byte__is_refused(name: str) -> None:
    answered = FORMS[name]
    exchange = answered.exchange()

    for end in range(0, len(exchange.answer), 3):
        wrong = reason_of(replace(exchange, answer=exchange.answer[:end]), answered)
        assert wrong in {Reason.ANSWER_MALFORMED, Reason.RECEIPT_MISSING}


def test_verify__text_beside_the_answer__is_malformed() -> None:
    answered = Answered()
    exchange = answered.exchange()

    padded = exchange.answer.replace(b'"choices":', b'"note":"hidden","choices":')

    assert reason_of(replace(exchange, answer=padded), answered) is Reason.ANSWER_MALFORMED


def test_verify__no_receipt__is_refused() -> None:
    answered = Answered()
    bare = b'{"id":"x","choices":[{"message":{"content":"Hello"}}]}'

    wrong = reason_of(replace(answered.exchange(), answer=bare), answered)

    assert wrong is Reason.RECEIPT_MISSING


def test_verify__signed_by_a_stranger__is_refused() -> None:
    answered = Answered(signer=STRANGER)

    assert reason_of(answered.exchange(), answered) is Reason.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("request_hash", keccak(b"other"), Reason.BODY_MISMATCH),
        ("request_id", keccak(b"other"), Reason.REQUEST_ID_WRONG),
        ("response_hash", keccak(b"other"), Reason.ANSWER_MISMATCH),
        ("nonce", 2, Reason.NONCE_WRONG),
        ("payer", STRANGER.address, Reason.PAYER_WRONG),
        ("provider", STRANGER.address, Reason.PROVIDER_WRONG),
        ("service", keccak(b"other"), Reason.SERVICE_WRONG),
        ("model_hash", keccak(b"other"), Reason.MODEL_WRONG),
        ("price_version", 2, Reason.ROW_WRONG),
        ("price", 38, Reason.PRICE_WRONG),
        ("input_tokens", 6, Reason.PRICE_WRONG),
        ("finish", Finish.LENGTH, Reason.FINISH_WRONG),
        ("time", NOW + 61, Reason.CLOCK_OFF),
        ("attestation_id", keccak(b"other"), Reason.ATTESTATION_DEAD),
    ],
)
def test_verify__provider_signs_a_wrong_field__is_refused_with_its_reason(
    field: str, value: object, reason: Reason
) -> None:
    answered = Answered()
    lie = replace(answered.receipt(), **{field: value})

    assert reason_of(answered.exchange(lie), answered) is reason


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (Answered(row=a_row(valid_from=NOW + 1)), Reason.ROW_NOT_PAYABLE),
        (Answered(row=a_row(retired_at=NOW - 3_601)), Reason.ROW_NOT_PAYABLE),
        (Answered(voucher=a_voucher(cap=36)), Reason.OVER_CAP),
        (Answered(voucher=a_voucher(cumulative=99_964)), Reason.OVER_CAP),
        (Answered(voucher=a_voucher(service=keccak(b"x"))), Reason.VOUCHER_WRONG),
        (Answered(voucher=a_voucher(token=b"\x01" * 20)), Reason.VOUCHER_WRONG),
        (Answered(output_tokens=9), Reason.TOKENS_WRONG),
        (Answered(output_tokens=0), Reason.TOKENS_WRONG),
        (Answered(service=a_service(limits=Limits(4, 256, 1))), Reason.TOKENS_WRONG),
        (Answered(claimed=Verifiability(Level.AUDITED, False, 0)), Reason.LEVEL_WRONG),
        (Answered(verifiability=Verifiability(Level.AUDITED, True, 0)), Reason.SIMULATED),
        (
            Answered(verifiability=Verifiability(Level.BROKER_IN_TEE, False, 0)),
            Reason.ATTESTATION_DEAD,
        ),
        (EMBEDDED.change(output_tokens=1), Reason.TOKENS_WRONG),
    ],
)
def test_verify__what_was_bought_is_not_what_was_asked__is_refused(
    answered: Answered, reason: Reason
) -> None:
    assert reason_of(answered.exchange(), answered) is reason


def test_verify__row_in_its_grace__is_paid() -> None:
    answered = Answered(row=a_row(retired_at=NOW - 3_600))

    assert verify(answered.exchange(), answered.facts()).receipt.price == 37


def test_verify__less_verifiable_than_asked_for__is_refused() -> None:
    answered = Answered()

    wrong = reason_of(answered.exchange(), answered, Policy(min_level=Level.AUDITED))

    assert wrong is Reason.LEVEL_TOO_LOW


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt_tokens": 6}, Reason.TOKENS_WRONG),
        ({"output_tokens": 4}, Reason.TOKENS_WRONG),
        ({"numerics": Numerics.GGUF}, Reason.NUMERICS_WRONG),
        ({"policy": policy_of(is_audit_ok=True)}, Reason.POLICY_WRONG),
    ],
)
def test_verify__commits_to_something_else_than_it_sold__is_refused(
    changes: dict[str, object], reason: Reason
) -> None:
    lie = LyingCommitment(changes=changes)

    assert reason_of(lie.exchange(), lie) is reason


def test_verify__audit_allowed_but_not_committed__is_refused() -> None:
    body = Answered().body[:-1] + b',"metadata":{"audit_ok":true}}'
    lie = LyingCommitment(body=body, changes={"policy": policy_of(is_audit_ok=False)})

    assert verify(Answered(body=body).exchange(), Answered(body=body).facts()).text
    assert reason_of(lie.exchange(), lie) is Reason.POLICY_WRONG


def test_verify__own_count_of_tokens_differs__is_refused() -> None:
    answered = Answered()

    honest = Policy(count_tokens=lambda _, text: (5, 3 if text else 0))
    other = Policy(count_tokens=lambda _, __: (4, 3))

    assert verify(answered.exchange(), answered.facts(), honest).checks[5].detail.endswith("here")
    assert reason_of(answered.exchange(), answered, other) is Reason.TOKENS_WRONG


def test_verify__receipt_of_another_chain__is_refused() -> None:
    answered = Answered()

    with pytest.raises(UnverifiedAnswer) as caught:
        verify(answered.exchange(), answered.facts(domain=keccak(b"another chain")))

    assert caught.value.reason is Reason.SIGNATURE_WRONG


def test_verify__answer_of_an_earlier_request__is_refused() -> None:
    answered = Answered()
    later = Answered(voucher=a_voucher(nonce=2))

    replayed = replace(later.exchange(), answer=answered.exchange().answer)

    assert reason_of(replayed, later) is Reason.REQUEST_ID_WRONG
