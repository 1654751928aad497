"""The contract that deploys others to one address on every chain, and how it comes onto a chain.

Its own transaction was signed by nobody: the signature is a made-up number, so that one account
which no key controls creates one contract on every chain that takes transactions without a chain
id. Data sent to it: salt 32 bytes || init code.
Source: https://github.com/Arachnid/deterministic-deployment-proxy.
"""

from collections.abc import Callable
from typing import Final

from offchain.chain.errors import AnswerMalformed
from offchain.chain.model import Address, BlockRef, TransactionHash, TypedCall, parse_address
from offchain.chain.ports import Chain, ChainReader
from offchain.chain.sender import TransactionSender
from offchain.core.errors import Unavailable
from offchain.core.hashing import keccak

DEPLOYER: Final = parse_address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
CREATOR: Final = parse_address("0x3fAB184622Dc19b6109349B94811493BF2a45362")
CREATION_WEI: Final = 10**16  # 100,000 gas at 100 gwei: what the transaction can cost
CREATION: Final = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba02222222222222222222222222222222222222222222222222222222222222222"
    "a02222222222222222222222222222222222222222222222222222222222222222"
)
CREATION_TRIES: Final = 600


class DeployerRefused(Unavailable):
    """The chain does not take the deployer's transaction."""

    code = "chain.deployer_refused"
    next_step = "Use a chain that takes transactions without a chain id, or one that has it."


def address_of(salt: bytes, init_code: bytes) -> Address:
    """Where the deployer puts a contract (CREATE2)."""
    return Address(keccak(b"\xff", DEPLOYER, salt, keccak(init_code))[12:])


def has_code(chain: ChainReader, address: Address, *, at: BlockRef) -> bool:
    return bool(chain.code(address, at=at))


def deploy_at(
    chain: Chain,
    sender: TransactionSender,
    salt: bytes,
    init_code: bytes,
    pause: Callable[[], None],
) -> Address:
    """Have a contract at its one address, and the deployer first; nothing when it is there.

    `pause` waits between looks at the chain. Raises: DeployerRefused, what sending raises.
    """
    address = address_of(salt, init_code)
    if has_code(chain, address, at=chain.block().hash):
        return address
    if not has_code(chain, DEPLOYER, at=chain.block().hash):
        _create_deployer(chain, sender, pause)
    call = TypedCall(
        to=DEPLOYER,
        data=salt + init_code,
        value_wei=0,
        contract="DeterministicDeployer",
        function="deploy",
    )
    sender.execute(call, key=f"deterministic:{address.hex()}")
    if not has_code(chain, address, at=chain.block().hash):
        raise AnswerMalformed(reason="the deployer put nothing at its address")
    return address


def _create_deployer(chain: Chain, sender: TransactionSender, pause: Callable[[], None]) -> None:
    lacking = CREATION_WEI - chain.balance(CREATOR, at=chain.block().hash)
    if lacking > 0:
        call = TypedCall(
            to=CREATOR, data=b"", value_wei=lacking, contract="Account", function="fund"
        )
        sender.execute(call, key=f"deterministic:fund:{CREATOR.hex()}")
    refusal = chain.broadcast([CREATION])[0]
    if refusal is not None:
        raise DeployerRefused(reason=str(refusal)) from refusal
    wanted = TransactionHash(keccak(CREATION))
    for _ in range(CREATION_TRIES):
        if chain.receipt(wanted) is not None:
            return
        pause()
    raise DeployerRefused(reason="not mined")
