"""The guarded HTTP face: who is let in, how much at once, and what malformed input gets."""

import itertools
import json
import socket
from typing import Any

import pytest
import requests

from tests.support.devnet_process import DevnetProcess

CHAIN_ID = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}


def nested_lists() -> str:
    """RLP lists in lists, 30,000 deep."""
    raw = b""
    for _ in range(30_000):
        size = len(raw)
        width = (size.bit_length() + 7) // 8
        head = bytes([0xC0 + size]) if size < 56 else bytes([0xF7 + width])
        raw = head + (b"" if size < 56 else size.to_bytes(width, "big")) + raw
    return "0x" + raw.hex()


def post(devnet: DevnetProcess, body: Any, **headers: str) -> requests.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(
        devnet.url, data=raw, headers={"content-type": "application/json", **headers}, timeout=60
    )


def error_of(devnet: DevnetProcess, body: Any) -> dict[str, Any]:
    response = post(devnet, body)
    assert response.status_code == 200
    return response.json()["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8545", "[::1]:1", "LOCALHOST"])
def test_host__this_machine__let_in(devnet: DevnetProcess, host: str) -> None:
    response = post(devnet, CHAIN_ID, host=host)

    assert (response.status_code, response.json()) == (200, ANSWER)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8545", "10.0.0.1", "["],
)
def test_host__another_name__forbidden(devnet: DevnetProcess, host: str) -> None:
    assert post(devnet, CHAIN_ID, host=host).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
def test_origin__page_nobody_allowed__forbidden_also_as_preflight(
    devnet: DevnetProcess, origin: str
) -> None:
    preflight = requests.options(devnet.url, headers={"origin": origin}, timeout=10)

    assert post(devnet, CHAIN_ID, origin=origin).status_code == 403
    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers


def test_origin__allowed_page__answered_and_named(devnet: DevnetProcess) -> None:
    response = post(devnet, CHAIN_ID, origin="https://allowed.example")

    assert response.json() == ANSWER
    assert response.headers["access-control-allow-origin"] == "https://allowed.example"


def test_body__over_eight_mebibytes__413_declared_or_not(devnet: DevnetProcess) -> None:
    large = b" " * (8 * 1024 * 1024 + 1)

    def in_parts():
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    assert post(devnet, large).status_code == 413
    assert requests.post(devnet.url, data=in_parts(), timeout=30).status_code == 413


def test_body__just_below_the_bound__answered(devnet: DevnetProcess) -> None:
    padded = json.dumps(CHAIN_ID).encode().ljust(8 * 1024 * 1024)

    assert post(devnet, padded).json() == ANSWER


def test_batch__mixed__one_answer_each_in_order(devnet: DevnetProcess) -> None:
    batch = [
        CHAIN_ID,
        {"jsonrpc": "2.0", "id": "two", "method": "eth_nothing"},
        17,
        {"jsonrpc": "2.0", "id": 4, "method": "eth_getBalance", "params": ["0x12", "latest"]},
        {"jsonrpc": "2.0", "id": 5, "method": "net_version"},
    ]

    answers = post(devnet, batch).json()

    assert [one.get("id") for one in answers] == [1, "two", None, 4, 5]
    assert answers[0] == ANSWER
    assert [one["error"]["code"] for one in answers[1:4]] == [-32_601, -32_600, -32_602]
    assert answers[4]["result"] == "31337"


def test_batch__a_thousand__answered_and_one_more_refused(devnet: DevnetProcess) -> None:
    batch = [{**CHAIN_ID, "id": number} for number in range(1_000)]

    assert [one["id"] for one in post(devnet, batch).json()] == list(range(1_000))
    assert error_of(devnet, [*batch, CHAIN_ID])["code"] == -32_005


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32_700),
        (b"{", -32_700),
        (b"\xff\xfe", -32_700),
        (b'{"a": NaN}', -32_700),
        pytest.param(b"[" * 100_000, -32_700, id="deep lists"),
        pytest.param(b'{"a":' * 100_000, -32_700, id="deep objects"),
        pytest.param(b'["\\"[",' * 50_000, -32_700, id="deep lists between strings"),
        pytest.param(b"[" + b"[]," * 2_000 + b"[]]", -32_005, id="wide list"),
        pytest.param(b"9" * 10_000, -32_700, id="long number"),
        (b"[]", -32_600),
        (b"17", -32_600),
        (b"null", -32_600),
        (b'"eth_chainId"', -32_600),
        (b'{"jsonrpc":"2.0","id":1}', -32_600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32_600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32_600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":"x"}', -32_600),
        (b'{"jsonrpc":"2.0","id":1,"method":"admin_shutdown","params":[]}', -32_601),
        (b'{"jsonrpc":"2.0","id":1,"method":"anvil_reset","params":[]}', -32_601),
        (b'{"jsonrpc":"2.0","id":1,"method":"anvil_dumpState","params":[]}', -32_601),
    ],
)
def test_body__malformed_or_not_on_the_list__proper_error(
    devnet: DevnetProcess, body: bytes, code: int
) -> None:
    assert error_of(devnet, body)["code"] == code


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["0xzz", "latest"]),
        ("eth_getBalance", [{}, "latest"]),
        ("eth_getBalance", ["0x" + "11" * 20, "soon"]),
        ("eth_getBlockByNumber", ["-0x1", False]),
        ("eth_getBlockByNumber", ["0x" + "f" * 65, False]),
        ("eth_getBlockByHash", ["0x12", False]),
        ("eth_call", ["nothing", "latest"]),
        ("eth_call", [{"to": "0x12"}, "latest"]),
        ("eth_call", [{"to": "0x" + "11" * 20, "data": "0x1"}, "latest"]),
        ("eth_estimateGas", [{"value": "many"}]),
        ("eth_getLogs", [[]]),
        ("eth_getLogs", [{"topics": [[[]]]}]),
        ("eth_getLogs", [{"address": ["0x12"]}]),
        ("eth_getLogs", [{"fromBlock": {}, "toBlock": "latest"}]),
        ("eth_sendRawTransaction", [17]),
        ("eth_getTransactionByHash", ["0x"]),
        ("eth_feeHistory", ["0x1", "latest", "all"]),
        ("eth_sendRawTransaction", ["0x" + "f9ffff" * 40_000]),
        ("eth_sendRawTransaction", [nested_lists()]),
        ("evm_revert", ["x"]),
        ("anvil_setBalance", ["0x12", "0x1"]),
        ("eth_getFilterChanges", [{}]),
    ],
    ids=itertools.count(),
)
def test_parameters__malformed__error_answer_and_the_node_lives(
    devnet: DevnetProcess, method: str, params: list[Any]
) -> None:
    error = error_of(devnet, {**CHAIN_ID, "method": method, "params": params})

    assert error["code"] in {-32_602, -32_600, -32_000}
    assert post(devnet, CHAIN_ID).json() == ANSWER


def test_notification__no_id__runs_without_an_answer(devnet: DevnetProcess) -> None:
    response = post(devnet, {"jsonrpc": "2.0", "method": "eth_chainId", "params": []})

    assert (response.status_code, response.content) == (204, b"")


def test_http__other_methods_and_paths__no_server_error(devnet: DevnetProcess) -> None:
    assert requests.get(devnet.url, timeout=10).status_code == 405
    assert requests.post(devnet.url + "/docs", timeout=10).status_code == 404


def test_http__garbage_on_the_socket__connection_refused_politely_and_the_node_lives(
    devnet: DevnetProcess,
) -> None:
    with socket.create_connection(("127.0.0.1", devnet.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        assert b"400" in raw.recv(1_024)

    assert post(devnet, CHAIN_ID).json() == ANSWER


def test_listening__not_on_other_addresses__loopback_only(devnet: DevnetProcess) -> None:
    others = {
        info[4][0]
        for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        if not str(info[4][0]).startswith("127.")
    }
    for address in others:
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((str(address), devnet.port), timeout=2)
