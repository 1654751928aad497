"""One port, two adapters: HTTP to a devnet process and the EVM in this process answer alike.

What only HTTP can do wrong (silence, nonsense, floods) is served by a real socket that misbehaves.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from offchain.chain.adapters import rpc
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.adapters.rpc import HttpPatience, HttpTransport
from offchain.chain.devnet.genesis import DEV_BALANCE_WEI, dev_accounts
from offchain.chain.devnet.ports import free_port
from offchain.chain.errors import (
    AnswerMalformed,
    BlockUnknown,
    CallReverted,
    FeeTooLow,
    InsufficientFunds,
    NodeOverloaded,
    NodeUnreachable,
    NonceTaken,
    TooManyResults,
    TransactionRefused,
)
from offchain.chain.model import Address, BlockHash, Call, LogFilter, TransactionHash
from offchain.chain.node import Node
from offchain.chain.ports import Question, UnsignedTransaction
from offchain.core.units import BlockNumber
from tests.support.devnet_process import PROJECT, running_devnet
from tests.support.probe import a_funded_key, an_operator_key

ACCOUNT = Address(dev_accounts()[0].address)
STRANGER = Address(b"\x51" * 20)
# Creation code that reverts with Error("no"): PUSH, MSTORE, REVERT built by hand.
REVERTING = bytes.fromhex(
    "7f08c379a00000000000000000000000000000000000000000000000000000000060005260206004526002602452"
    "7f6e6f00000000000000000000000000000000000000000000000000000000000060445260646000fd"
)


@pytest.fixture(scope="module", params=["memory", "pyevm", "anvil"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    if request.param == "memory":
        node = Node(EmbeddedTransport())
        yield node
        node.close()
        return
    if request.param == "anvil":
        from offchain.chain.devnet.anvil_binary import AnvilUnavailable, bring_anvil

        try:
            bring_anvil(PROJECT / ".tools")
        except AnvilUnavailable as error:
            pytest.skip(f"no Anvil here: {error}")
    with running_devnet(request.param, tmp_path_factory.mktemp("devnet")) as devnet:
        node = Node(HttpTransport(devnet.url))
        yield node
        node.close()


def is_anvil(node: Node) -> bool:
    return "anvil" in str(node._transport.ask([Question("web3_clientVersion")])).lower()


def a_transfer(node: Node, **changes: int) -> bytes:
    """A signed transfer of one wei from a funded account."""
    quote = node.fees()
    fields = {
        "chain_id": node.chain_id(),
        "nonce": node.nonce(ACCOUNT),
        "value_wei": 1,
        "gas": 21_000,
        "max_fee_wei": 2 * quote.base_fee_wei + quote.tip_wei,
        "tip_wei": quote.tip_wei,
        **changes,
    }
    return a_funded_key().sign_transaction(UnsignedTransaction(to=STRANGER, data=b"", **fields))


def test_read__genesis__same_on_every_transport(node: Node) -> None:
    genesis = node.block(BlockNumber(0))

    assert genesis == node.block(genesis.hash)
    assert node.chain_id() == 31_337
    assert node.balance(ACCOUNT, at=genesis.hash) == DEV_BALANCE_WEI
    assert node.code(ACCOUNT, at=genesis.hash) == b""
    assert node.nonce(ACCOUNT, at=genesis.hash) == 0


def test_read__unknown_blocks__named_error(node: Node) -> None:
    nowhere = BlockHash(b"\x01" * 32)

    for ask in (
        lambda: node.block(BlockNumber(1_000_000)),
        lambda: node.block(nowhere),
        lambda: node.balance(ACCOUNT, at=BlockNumber(1_000_000)),
        lambda: node.balance(ACCOUNT, at=nowhere),
        lambda: node.calls([Call(STRANGER, b"")], at=nowhere),
        lambda: node.nonce(ACCOUNT, at=nowhere),
    ):
        with pytest.raises(BlockUnknown):
            ask()


def test_read__unknown_receipt__none(node: Node) -> None:
    assert node.receipt(TransactionHash(b"\x02" * 32)) is None


def test_call__contract_refuses__payload_and_place(node: Node) -> None:
    calls = [Call(STRANGER, b""), Call(None, REVERTING)]

    with pytest.raises(CallReverted) as caught:
        node.calls(calls, at=node.block().hash)
    assert caught.value.index == 1
    assert caught.value.payload[:4] == bytes.fromhex("08c379a0")
    with pytest.raises(CallReverted):
        node.estimate(calls)


def test_estimate__more_than_the_account_has__insufficient_funds(node: Node) -> None:
    if is_anvil(node):
        pytest.skip("Anvil estimates without looking at the balance; the sender looks itself")
    poor = an_operator_key().address

    with pytest.raises(InsufficientFunds):
        node.estimate([Call(STRANGER, b"", sender=poor, value_wei=10**20)])


def test_broadcast__good_then_again__node_has_it(node: Node) -> None:
    raw = a_transfer(node)

    first = node.broadcast([raw])

    assert first == [None]
    assert all(isinstance(error, NonceTaken) or error is None for error in node.broadcast([raw]))


def test_broadcast__refusals__come_back_in_place(node: Node) -> None:
    used = a_transfer(node)
    node.broadcast([used])
    nonce = node.nonce(ACCOUNT)

    answers = node.broadcast(
        [
            a_transfer(node, nonce=nonce - 1, value_wei=2),
            a_transfer(node, max_fee_wei=1, tip_wei=1),
            a_transfer(node, value_wei=10**30),
            a_transfer(node, gas=20_000),
            a_transfer(node, chain_id=1),
        ]
    )

    kinds = [type(answer) for answer in answers]
    assert kinds[:3] == [NonceTaken, FeeTooLow, InsufficientFunds]
    assert kinds[3:] == [TransactionRefused, TransactionRefused]
    assert nonce == node.nonce(ACCOUNT)


def test_fees__quoted__next_block_accepts(node: Node) -> None:
    quote = node.fees()

    assert quote.base_fee_wei > 0
    assert quote.tip_wei >= 0


def test_logs__empty_range__none(node: Node) -> None:
    assert node.logs(LogFilter(0, 0, (STRANGER,), ((b"\x01" * 32,), ()))) == []


def test_logs__range_too_long__too_many_results(node: Node) -> None:
    if is_anvil(node):
        pytest.skip("Anvil sets no limit of its own; the face before it does in its own tests")

    with pytest.raises(TooManyResults):
        node.logs(LogFilter(0, 20_000))


def test_ask__more_than_one_batch__all_in_order(node: Node) -> None:
    count = rpc.MAX_BATCH + 3
    questions = [
        Question("eth_getBalance", (f"0x{index + 1000:040x}", "latest")) for index in range(count)
    ]
    questions[7] = Question("eth_chainId")

    answers = node._transport.ask(questions)

    assert len(answers) == count
    assert [index for index, one in enumerate(answers) if one.result == hex(31_337)] == [7]


# What a socket can do


@contextmanager
def answering(status: int, body: bytes, *, times: int = 10**9) -> Iterator[tuple[str, list[int]]]:
    """A server that answers this; after `times` requests it is a healthy chain id endpoint."""
    seen: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(1)
            is_ill = len(seen) <= times
            raw = body if is_ill else b'{"jsonrpc":"2.0","id":0,"result":"0x7a69"}'
            self.send_response(status if is_ill else 200)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def impatient(url: str) -> Iterator[Node]:
    """A node whose pauses take no time."""
    node = Node(HttpTransport(url, patience=HttpPatience(timeout_seconds=5), sleep=lambda _: None))
    try:
        yield node
    finally:
        node.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"jsonrpc":"2.0","id":7,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":0,"error":"no"}',
        b'{"jsonrpc":"2.0","id":0,"result":null}',
        b'{"jsonrpc":"2.0","id":0,"result":31337}',
        b'{"jsonrpc":"2.0","id":0,"result":"0xzz"}',
        b'{"jsonrpc":"2.0","id":0,"result":"0x' + b"1" * 65 + b'"}',
        b"[" * 100_000,
    ],
)
def test_answer__nonsense__malformed(body: bytes) -> None:
    with answering(200, body) as (url, seen), impatient(url) as node:
        with pytest.raises(AnswerMalformed):
            node.chain_id()
        assert len(seen) == 1


def test_answer__not_a_node__malformed() -> None:
    with (
        answering(404, b"no such page") as (url, _),
        impatient(url) as node,
        pytest.raises(AnswerMalformed),
    ):
        node.chain_id()


@pytest.mark.parametrize("status", [429, 502, 503])
def test_answer__busy__asked_again_then_overloaded(status: int) -> None:
    with answering(status, b"busy") as (url, seen), impatient(url) as node:
        with pytest.raises(NodeOverloaded):
            node.chain_id()
        assert len(seen) == HttpPatience().attempts


def test_answer__busy_for_a_moment__answered_in_the_end() -> None:
    with answering(503, b"busy", times=2) as (url, seen), impatient(url) as node:
        assert node.chain_id() == 31_337
        assert len(seen) == 3


def test_ask__nobody_listens__unreachable_and_no_secret_shown() -> None:
    url = f"http://user:secret@127.0.0.1:{free_port()}/path-key?token=hidden"

    with impatient(url) as node, pytest.raises(NodeUnreachable) as caught:
        node.chain_id()

    assert not any(word in str(caught.value) for word in ("secret", "path-key", "hidden"))


def test_ask__after_close__unreachable() -> None:
    transport = EmbeddedTransport()
    transport.close()

    with pytest.raises(NodeUnreachable):
        transport.ask([Question("eth_chainId")])
