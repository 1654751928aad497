# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Tokens' own accounts (ERC-6551)
@license AGPL-3.0-only
@author Apogee
@notice Invariant: no token is handed to its own account, and an account learns of a new owner in the transaction that makes
        him one.
@dev The address is computed, not asked for: nothing that a receiver's code says decides about a delivery.
"""
from ..interfaces import IAgentAccount
from ..interfaces import IAgentNFT

REGISTRY: constant(address) = 0x000000006551c19487814612e58FE06813775758  # the ERC's, the same on every chain
# the ERC's proxy: creation code before and after the implementation's address
HEAD: constant(Bytes[20]) = x"3d60ad80600a3d3981f3363d3d373d3d3d363d73"
TAIL: constant(Bytes[15]) = x"5af43d82803e903d91602b57fd5bf3"

leases: reentrant(public(address))  # AgentLeases; zero until wired
implementation: reentrant(public(address))  # AgentAccount; zero until wired


@external
@view
@reentrant
def account_of(token: uint256) -> address:
    """
    @notice Where a token's account is, or would be.
    """
    return self._account(token)


@internal
def _wire(leases: address, implementation: address):
    self.leases = leases
    self.implementation = implementation
    log IAgentNFT.Wired(leases=leases, implementation=implementation)


@internal
@view
def _check_receiver(token: uint256, to: address):
    assert to != self._account(token), "agent_nft: its own account"


@internal
def _follow(token: uint256):
    """
    @dev The account's memory gets a new owner with the token. Its code is known, as its address is made of it.
    """
    account: address = self._account(token)
    if account.is_contract:
        extcall IAgentAccount(account).follow()


@internal
@view
def _account(token: uint256) -> address:
    code: Bytes[183] = concat(
        HEAD,
        convert(self.implementation, bytes20),
        TAIL,
        empty(bytes32),  # salt
        convert(chain.id, bytes32),
        convert(self, bytes32),
        convert(token, bytes32),
    )
    seed: Bytes[85] = concat(0xff, convert(REGISTRY, bytes20), empty(bytes32), keccak256(code))
    return convert(convert(keccak256(seed), uint256) & (2**160 - 1), address)
