"""An agent's account through the public registry, on real streams and stake; tests own the token.

The registry is put in place as on any chain: its deployer's code, then the ERC's own bytes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import boa
from eth_utils import to_checksum_address

from offchain.chain import token_accounts
from offchain.chain.deterministic import DEPLOYER
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.chain.token_accounts import BoundToken, account_address, create_account
from offchain.core.hashing import keccak
from tests.support.staking import CONTRACTS, StakingSite, a_wallet, deploy_staking
from tests.support.storage_log import storage_deployer

NATIVE: Final = "0x" + "00" * 20
PLAIN: Final = bytes.fromhex("eeeeeeee")
MEMORY_SALT: Final = keccak(b"apogee.agents.memory.v1")
DEPLOYER_CODE: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
SESSION: Final = 86_400  # seconds that a grant lasts unless said otherwise
DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class AccountSite:
    """`account` is token 1's; its `owner` is a wallet until the token moves."""

    staking: StakingSite
    log: Any
    kv: Any
    collection: Any
    implementation: Any
    account: Any
    owner: str
    token: Any
    callee: Any

    @property
    def chain_id(self) -> int:
        return int(boa.env.evm.patch.chain_id)


def raw(address: Any) -> bytes:
    return bytes.fromhex(str(getattr(address, "address", address))[2:])


def hex_of(address: bytes) -> str:
    return str(to_checksum_address(address))


@cache
def agents_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "agents" / f"{name}.vy"))


@cache
def stand_in(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS.parent / "tests" / "support" / f"{name}.vy"))


@cache
def session_key(name: str = "session") -> LocalSigner:
    """A key that acts for an account, always the same for a name."""
    return LocalSigner.from_secret(keccak(b"session of an agent", name.encode()))


def bring_registry() -> None:
    """Put the public registry at its address."""
    if boa.env.get_code(hex_of(token_accounts.REGISTRY)):
        return
    boa.env.set_code(hex_of(DEPLOYER), DEPLOYER_CODE)
    data = token_accounts.REGISTRY_SALT + token_accounts.REGISTRY_CODE
    boa.env.raw_call(hex_of(DEPLOYER), data=data)
    assert boa.env.get_code(hex_of(token_accounts.REGISTRY))


def open_account(implementation: Any, collection: Any, token: int, *, chain_id: int = 0) -> Any:
    """Create a token's account; the contract at its address."""
    here = chain_id or int(boa.env.evm.patch.chain_id)
    bound = BoundToken(here, Address(raw(collection)), token)
    call = create_account(Address(raw(implementation)), bound)
    assert call.to is not None
    boa.env.raw_call(hex_of(call.to), data=call.data)
    address = account_address(Address(raw(implementation)), bound)
    with warnings.catch_warnings():  # a proxy's bytecode is not the implementation's
        warnings.filterwarnings("ignore", message="casted bytecode does not match")
        return agents_deployer("AgentAccount").at(hex_of(address))


def deploy_account(kept: Sequence[str] = ()) -> AccountSite:
    """Streams on a log, a collection whose first token is the owner's, and its account."""
    staking = deploy_staking()
    stake = staking.stake.address
    log = storage_deployer("StorageLog").deploy(stake, stake, staking.governance)
    kv = storage_deployer("KVStreams").deploy(log.address, stake, stake)
    log.wire(stake, kv.address, sender=staking.governance)
    bring_registry()
    implementation = agents_deployer("AgentAccount").deploy(kv.address, [stake, *kept])
    collection = stand_in("token_of_agents").deploy()
    owner = a_wallet("owner of an agent")
    collection.mint(owner, 1)
    account = open_account(implementation, collection, 1)
    token = stand_in("taxed_token").deploy()
    callee = stand_in("called").deploy()
    return AccountSite(staking, log, kv, collection, implementation, account, owner, token, callee)


def a_grant(
    *,
    caps: Sequence[tuple[str, int, int]] = (),
    targets: Sequence[tuple[str, Sequence[bytes]]] = (),
    domains: Sequence[bytes] = (),
    calls: int = 1_000,
    life: int = SESSION,
    delay: int = 0,
) -> tuple[Any, ...]:
    """What a session may; lasts `life` seconds from now, from `delay` on."""
    now = int(boa.env.timestamp)
    listed = [(target, [bytes(one) for one in selectors]) for target, selectors in targets]
    return (now + delay, now + life, calls, list(caps), listed, list(domains))


def selector(signature: str) -> bytes:
    return bytes(keccak(signature.encode())[:4])


def remember(site: AccountSite) -> bytes:
    """Have the account make its memory stream."""
    call = site.kv.create.prepare_calldata(MEMORY_SALT)
    site.account.execute(site.kv.address, 0, call, 0, sender=site.owner)
    return bytes(site.account.memory())
