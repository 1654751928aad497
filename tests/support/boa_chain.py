"""Contracts of titanoboa behind a `ChainReader`, so that the product's clients work with them."""

from collections.abc import Sequence
from types import MappingProxyType

import boa

from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.errors import CallReverted
from offchain.chain.model import (
    Address,
    Block,
    BlockHash,
    BlockRef,
    Call,
    Log,
    LogFilter,
    TransactionHash,
    TypedCall,
)
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber

_WRITTEN: list[Log] = []  # by `boa_send`, also what an anchor has undone since


class BoaReader:
    """The one state there is: `at` names it whatever it says."""

    def chain_id(self) -> int:
        return int(boa.env.evm.patch.chain_id)

    def block(self, at: BlockRef | None = None) -> Block:
        del at
        number = int(boa.env.evm.patch.block_number)
        mark = [BlockHash(keccak(n.to_bytes(8, "big"))) for n in (number, number - 1)]
        return Block(BlockNumber(number), mark[0], mark[1], int(boa.env.evm.patch.timestamp), 0, 0)

    def calls(self, calls: Sequence[Call], *, at: BlockRef) -> list[bytes]:
        del at
        out = []
        for index, one in enumerate(calls):
            assert one.to is not None
            with boa.env.anchor():
                done = boa.env.execute_code(to_address="0x" + one.to.hex(), data=one.data)
            if done.is_error:
                raise CallReverted(bytes(done.output), str(done.error)[:80], index=index)
            out.append(bytes(done.output))
        return out

    def logs(self, wanted: LogFilter) -> list[Log]:
        """What calls of `boa_send` wrote; a test that undid some of them looks at the state too."""
        return [one for one in _WRITTEN if _fits(one, wanted)]

    def balance(self, address: Address, *, at: BlockRef) -> int:
        del at
        return int(boa.env.get_balance("0x" + address.hex()))

    def code(self, address: Address, *, at: BlockRef) -> bytes:
        del at
        return bytes(boa.env.get_code("0x" + address.hex()))


def boa_deployments(**contracts: object) -> Deployments:
    """Deployed contracts by the names that clients ask for."""
    known = {
        name: Deployment(
            name=name,
            address=Address(bytes.fromhex(str(one.address)[2:])),  # type: ignore[attr-defined]  # of boa
            block_number=BlockNumber(0),
            transaction_hash=None,
            constructor_args=(),
            integrity="",
            layout_hash="",
        )
        for name, one in contracts.items()
    }
    return Deployments("boa", BoaReader().chain_id(), MappingProxyType(known))


def boa_send(call: TypedCall, sender: str) -> None:
    """As a transaction of this account; a revert raises."""
    assert call.to is not None
    done = boa.env.raw_call(
        "0x" + call.to.hex(), data=call.data, sender=sender, value=call.value_wei
    )
    block = BoaReader().block()
    for place, address, topics, data in done.get_raw_log_entries():
        words = tuple(one.to_bytes(32, "big") for one in topics)
        where = (block.number, block.hash, TransactionHash(bytes(32)), place)
        _WRITTEN.append(Log(Address(address), words, data, *where))


def _fits(log: Log, wanted: LogFilter) -> bool:
    topics = zip(wanted.topics, log.topics, strict=False)
    is_named = len(log.topics) >= len(wanted.topics) and all(
        not any_of or topic in any_of for any_of, topic in topics
    )
    is_in = wanted.first_block <= log.block_number <= wanted.last_block
    return is_in and is_named and log.address in wanted.addresses
