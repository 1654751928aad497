"""Host and Origin: the table of who is let in."""

import pytest

from offchain.chain.devnet.guard import Guard


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        ("localhost", True),
        ("LocalHost:8545", True),
        ("127.0.0.1:1", True),
        ("[::1]:8545", True),
        (None, False),
        ("", False),
        ("localhost.evil.example", False),
        ("evil.example", False),
        ("127.0.0.2", False),
        ("[::1", False),
        ("user@evil.example", False),
    ],
)
def test_host__header__admitted_only_when_it_names_this_machine(
    header: str | None, admitted: bool
) -> None:
    assert admitted == Guard().admits_host(header)


def test_host__configured_name__admitted() -> None:
    assert Guard(hosts=frozenset({"chain.internal"})).admits_host("chain.internal:8545")


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        (None, True),
        ("https://allowed.example", True),
        ("https://ALLOWED.example", True),
        ("http://allowed.example", False),
        ("https://allowed.example:444", False),
        ("null", False),
        ("", False),
        ("Titanoboa", True),
        ("https://titanoboa", False),
    ],
)
def test_origin__header__admitted_when_absent_or_listed(header: str | None, admitted: bool) -> None:
    assert admitted == Guard(origins=frozenset({"https://allowed.example"})).admits_origin(header)
