# pragma version 0.4.3
"""
@title A dollar that moves by a signed word
@license AGPL-3.0-only
@author Apogee
@notice For tests only: an EIP-3009 token with the rules and reasons of USDC, and no owner.
@dev https://eips.ethereum.org/EIPS/eip-3009. The domain names chain and contract when it is asked.
"""
NAME: constant(String[16]) = "Test Dollar"
VERSION: constant(String[4]) = "2"
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
TRANSFER_TYPE: constant(bytes32) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)
HALF_ORDER: constant(uint256) = (
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)

balanceOf: public(HashMap[address, uint256])
authorizationState: public(HashMap[address, HashMap[bytes32, bool]])


@external
def mint(account: address, amount: uint256):
    self.balanceOf[account] += amount


@external
def transferWithAuthorization(
    account: address,
    to: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    assert block.timestamp > validAfter, "dollar: not yet valid"
    assert block.timestamp < validBefore, "dollar: expired"
    assert not self.authorizationState[account][nonce], "dollar: used"
    assert convert(s, uint256) <= HALF_ORDER, "dollar: high s"
    message: bytes32 = keccak256(
        abi_encode(TRANSFER_TYPE, account, to, amount, validAfter, validBefore, nonce)
    )
    digest: bytes32 = keccak256(concat(b"\x19\x01", self._domain(), message))
    signer: address = ecrecover(digest, v, r, s)
    assert signer != empty(address) and signer == account, "dollar: signature"
    self.authorizationState[account][nonce] = True
    self.balanceOf[account] -= amount
    self.balanceOf[to] += amount


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain()


@internal
@view
def _domain() -> bytes32:
    return keccak256(
        abi_encode(DOMAIN_TYPE, keccak256(NAME), keccak256(VERSION), chain.id, self)
    )
