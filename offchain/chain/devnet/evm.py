"""Prague execution on py-evm: run a call, run a transaction, build the next header.

py-evm's own Chain class is left aside: it re-validates its own blocks, tracks gaps of a header
chain it never syncs and cannot roll back. Its states, rules, transactions and receipts are used.
Not kept: EIP-4788, EIP-7002 and EIP-7251 system contracts, which need a consensus layer.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from eth._utils.address import generate_contract_address
from eth.abc import ComputationAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.db.atomic import AtomicDB
from eth.db.trie import make_trie_root_and_nodes
from eth.exceptions import InsufficientFunds, OutOfGas, Revert, VMError
from eth.vm.chain_context import ChainContext
from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS
from eth.vm.forks.prague.state import PragueState
from eth.vm.message import Message
from eth_bloom.bloom import BloomFilter
from eth_typing import Address, Hash32

from offchain.chain.devnet.genesis import COINBASE, prague_header
from offchain.chain.devnet.ledger import Ledger
from offchain.chain.devnet.model import Log, Receipt
from offchain.chain.devnet.precompiles import NATIVE_PRECOMPILES

BASE_GAS: Final = 21_000
CREATE_GAS: Final = 32_000
GAS_PER_ZERO_BYTE: Final = 4
GAS_PER_BYTE: Final = 16
FLOOR_GAS_PER_TOKEN: Final = 10
MAX_INIT_CODE_BYTES: Final = 49_152
_EMPTY_ROOT, _ = make_trie_root_and_nodes(())


class DevnetComputation(PragueComputation):
    """Prague with native precompiles; its own tables, so nobody's patches reach it."""

    opcodes = dict(PragueComputation.opcodes)  # noqa: RUF012  # as py-evm declares it
    _precompiles = {  # noqa: RUF012  # as py-evm declares it
        **PragueComputation.get_precompiles(),
        **NATIVE_PRECOMPILES,
    }


class DevnetState(PragueState):
    """State whose system contracts are put into genesis once, not looked up every time."""

    computation_class = DevnetComputation

    def set_system_contracts(self) -> None:
        return


class Ancestors:
    """Block hashes from a parent backwards, read only when BLOCKHASH asks."""

    def __init__(self, ledger: Ledger, parent_number: int) -> None:
        self._ledger = ledger
        self._parent_number = parent_number

    def __iter__(self) -> Iterator[Hash32]:
        for number in range(self._parent_number, -1, -1):
            found = self._ledger.block_hash(number)
            if found is None:
                return
            yield Hash32(found)


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What eth_call and eth_estimateGas run; `recipient` None creates a contract."""

    sender: bytes
    recipient: bytes | None
    data: bytes
    value_wei: int
    gas: int
    gas_price_wei: int


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended. `spent_gas` counts intrinsic gas and no refunds."""

    output: bytes
    failure: VMError | None
    spent_gas: int
    made_calls: bool

    @property
    def is_revert(self) -> bool:
        return isinstance(self.failure, Revert)

    @property
    def is_out_of_gas(self) -> bool:
        return isinstance(self.failure, OutOfGas)


def open_state(ledger: Ledger, header: Any, state_root: bytes, chain_id: int) -> Any:
    """A state that starts at `state_root` and sees the block described by `header`."""
    ancestors = Ancestors(ledger, header.block_number - 1)
    context = PragueVM.create_execution_context(header, ancestors, ChainContext(chain_id))
    return DevnetState(AtomicDB(ledger.nodes), context, Hash32(state_root))


def next_header(parent: Any, *, timestamp: int, randomness: bytes) -> Any:
    """The header under which the children of `parent` run; roots and gas are filled at sealing."""
    return prague_header(
        block_number=parent.block_number + 1,
        parent_hash=parent.hash,
        timestamp=timestamp,
        base_fee_per_gas=calculate_expected_base_fee_per_gas(parent),
        mix_hash=randomness,
        coinbase=COINBASE,
        state_root=parent.state_root,
    )


def block_randomness(chain_id: int, sequence: int) -> bytes:
    """PREVRANDAO of the `sequence`-th block ever sealed here: varies, repeatable, no secret."""
    seed = f"apogee.devnet.randao.v1:{chain_id}:{sequence}"
    return hashlib.sha256(seed.encode()).digest()


def begin_block(state: Any, header: Any) -> None:
    """EIP-2935: remember the parent's hash where contracts can read it."""
    slot = (header.block_number - 1) % HISTORY_SERVE_WINDOW
    parent_hash = int.from_bytes(header.parent_hash, "big")
    state.set_storage(HISTORY_STORAGE_ADDRESS, slot, parent_hash)
    state.lock_changes()


def run_transaction(
    state: Any, header: Any, transaction: Any, *, cumulative_gas: int
) -> tuple[Receipt, Any]:
    """Apply a valid transaction; returns our receipt and py-evm's.

    Raises: eth_utils.ValidationError when the transaction may not run now; the state is unmoved.
    """
    state.lock_changes()
    computation: ComputationAPI = state.apply_transaction(transaction)
    base = header.copy(gas_used=cumulative_gas)
    encoded = PragueVM.make_receipt(base, transaction, computation, state)
    created = None
    if computation.is_success and transaction.to == CREATE_CONTRACT_ADDRESS:
        created = bytes(computation.msg.storage_address)
    receipt = Receipt(
        succeeded=computation.is_success,
        gas_used=encoded.gas_used - cumulative_gas,
        cumulative_gas_used=encoded.gas_used,
        effective_gas_price_wei=state.get_gas_price(transaction),
        contract_address=created,
        logs=tuple(
            Log(
                bytes(log.address),
                tuple(topic.to_bytes(32, "big") for topic in log.topics),
                log.data,
            )
            for log in encoded.logs
        ),
    )
    return receipt, encoded


def seal(header: Any, state: Any, transactions: list[Any], receipts: list[Any]) -> Any:
    """Persist the state and complete the header with roots, bloom and gas."""
    state.persist()
    fields: dict[str, Any] = {
        "state_root": state.state_root,
        "transaction_root": _EMPTY_ROOT,
        "receipt_root": _EMPTY_ROOT,
    }
    if transactions:
        fields["transaction_root"], _ = make_trie_root_and_nodes(tuple(transactions))
        fields["receipt_root"], _ = make_trie_root_and_nodes(tuple(receipts))
        bloom = BloomFilter()
        for receipt in receipts:
            bloom |= BloomFilter(receipt.bloom)
        fields["bloom"] = int(bloom)
        fields["gas_used"] = receipts[-1].gas_used
    return header.copy(**fields)


def run_call(state: Any, request: CallRequest) -> CallOutcome:
    """Run a message without buying gas or checking a nonce. The state is left dirty."""
    intrinsic = intrinsic_gas(request.data, creates=request.recipient is None)
    if request.gas < intrinsic:
        return CallOutcome(b"", OutOfGas("intrinsic gas"), request.gas, made_calls=False)
    state.lock_changes()
    state.mark_address_warm(request.sender)
    context = state.get_transaction_context_class()(
        gas_price=request.gas_price_wei, origin=request.sender
    )
    message = _message(state, request, request.gas - intrinsic)
    state.mark_address_warm(message.storage_address)
    apply = (
        DevnetComputation.apply_create_message
        if message.is_create
        else DevnetComputation.apply_message
    )
    try:
        computation = apply(state, message, context)
    except InsufficientFunds as error:
        return CallOutcome(b"", error, intrinsic, made_calls=False)
    return CallOutcome(
        output=bytes(computation.output),
        failure=computation.error if computation.is_error else None,
        spent_gas=request.gas - computation.get_gas_remaining(),
        made_calls=bool(computation.children),
    )


def intrinsic_gas(data: bytes, *, creates: bool) -> int:
    """Gas taken before the first opcode; the initcode words of a creation are charged later."""
    zeros = data.count(0)
    paid = BASE_GAS + zeros * GAS_PER_ZERO_BYTE + (len(data) - zeros) * GAS_PER_BYTE
    return paid + CREATE_GAS if creates else paid


def floor_gas(data: bytes) -> int:
    """EIP-7623: the least a transaction with this calldata pays."""
    zeros = data.count(0)
    return BASE_GAS + FLOOR_GAS_PER_TOKEN * (zeros + 4 * (len(data) - zeros))


def _message(state: Any, request: CallRequest, gas: int) -> Message:
    if request.recipient is None:
        nonce = state.get_nonce(request.sender)
        state.increment_nonce(request.sender)
        return Message(
            gas=gas,
            to=CREATE_CONTRACT_ADDRESS,
            sender=Address(request.sender),
            value=request.value_wei,
            data=b"",
            code=request.data,
            create_address=generate_contract_address(Address(request.sender), nonce),
        )
    code, delegation = state.get_transaction_executor().get_code_at_address(request.recipient)
    return Message(
        gas=gas,
        to=Address(request.recipient),
        sender=Address(request.sender),
        value=request.value_wei,
        data=request.data,
        code=code,
        is_delegation=delegation is not None,
    )
