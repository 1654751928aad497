"""The account's client reads what the contract writes, and says what a refusal means."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_abi import encode

from offchain.agents.onchain_account import AgentAccountClient, SessionGranted
from offchain.agents.reverts_agents_account import ACCOUNT
from offchain.agents.sessions import NATIVE, PLAIN, Cap, Grant, SessionTermsRefused, Target
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.model import Address, BlockHash, Log, TransactionHash
from offchain.chain.node import Node
from offchain.core.units import BlockNumber

ACCOUNT_ADDRESS = Address(b"\xac" * 20)
GRANT = Grant(
    valid_from=1,
    valid_until=2,
    calls=3,
    caps=(Cap(NATIVE, 9, 8),),
    targets=(Target(b"\x11" * 20, (PLAIN,)),),
    domains=(b"\x22" * 32,),
)


@pytest.fixture
def client() -> Iterator[AgentAccountClient]:
    deployed = Deployment(
        name="AgentAccount",
        address=ACCOUNT_ADDRESS,
        block_number=BlockNumber(1),
        transaction_hash=TransactionHash(bytes(32)),
        constructor_args=(),
        integrity="",
        layout_hash="",
    )
    transport = EmbeddedTransport()
    try:
        yield AgentAccountClient(
            Deployments("local", 31_337, {"AgentAccount": deployed}), Node(transport)
        )
    finally:
        transport.close()


def test_session_granted__as_the_contract_logs_it__the_same_grant(
    client: AgentAccountClient,
) -> None:
    kind = "(uint64,uint64,uint32,(address,uint96,uint96)[],(address,bytes4[])[],bytes32[])"
    raw = encode(["uint256", kind], [7, GRANT.fields()])
    topics = (client.topic_of(SessionGranted), bytes(12) + b"\x33" * 20)
    where = (BlockNumber(1), BlockHash(bytes(32)), TransactionHash(bytes(32)), 0)

    told = client.decode_event(SessionGranted, Log(ACCOUNT_ADDRESS, topics, raw, *where))

    assert told == SessionGranted(key=b"\x33" * 20, epoch=7, grant=GRANT)


def test_execute__a_call_of_another_contract__wrapped_with_both_meanings(
    client: AgentAccountClient,
) -> None:
    inner = client.follow()

    outer = client.at(Address(b"\xdd" * 20)).execute(inner)

    assert outer.to == b"\xdd" * 20
    assert inner.data in outer.data
    assert set(ACCOUNT) <= set(outer.reverts)


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_from": 3},
        {"caps": (Cap(NATIVE, 1, 2),)},
        {"caps": (Cap(NATIVE, 1, 1),) * 2},
        {"caps": tuple(Cap(bytes(19) + bytes([n]), 1, 1) for n in range(5))},
        {"targets": (Target(b"\x11" * 20, ()),)},
        {"targets": (Target(b"\x11" * 20, (PLAIN,)),) * 2},
        {"domains": (bytes(32),)},
    ],
)
def test_grant__that_the_account_would_refuse__refused_here(changes: dict[str, object]) -> None:
    fields = {name: getattr(GRANT, name) for name in Grant.__slots__}

    with pytest.raises(SessionTermsRefused):
        Grant(**(fields | changes))


def test_reverts__every_reason_of_the_account__has_a_meaning() -> None:
    folder = Path(__file__).resolve().parents[3] / "contracts" / "agents"
    files = "AgentAccount account_standing account_views bound_token memory_stream sessions"
    reasons = {
        line.split('"')[-2]
        for name in files.split()
        for line in (folder / f"{name}.vy").read_text().splitlines()
        if '", "' in line or (', "' in line and ": " in line.split(', "')[-1])
        if line.rstrip().endswith('"')
    }
    assert reasons
    assert {one for one in reasons if ": " in one} <= set(ACCOUNT)
