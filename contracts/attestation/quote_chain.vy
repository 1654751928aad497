# pragma version 0.4.3
"""
@title From the leaf of a quote to its root
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a path counts only through the two certificates that stand first in the quote, under the root key that
        the verdict names. No state.
"""
from ..shared import p256
from . import certificates
from . import quote_form


@internal
@view
def _check_leaf(quote: Bytes[quote_form.MAX_QUOTE], at: uint256, leaf: Bytes[certificates.MAX_DER]) -> uint256:
    """
    @dev Where the leaf's text ends.
    """
    end: uint256 = certificates._pem_end(quote, at, leaf)
    assert end != 0, "quote_chain: another leaf"
    return end


@internal
@view
def _check_chain(
    quote: Bytes[quote_form.MAX_QUOTE],
    at: uint256,
    leaf: Bytes[certificates.MAX_DER],
    ca: Bytes[certificates.MAX_DER],
    root_key: Bytes[64],
    root_key_id: bytes32,
):
    end: uint256 = self._check_leaf(quote, at, leaf)
    assert certificates._pem_end(quote, end, ca) != 0, "quote_chain: another ca"
    is_root: bool = len(root_key) == 64 and keccak256(root_key) == root_key_id
    assert is_root, "quote_chain: another root"


@internal
@view
def _is_certified(
    leaf: Bytes[certificates.MAX_DER], ca: Bytes[certificates.MAX_DER], root_key: Bytes[64]
) -> bool:
    """
    @dev Whether the root's key signed the CA, and the CA's the leaf.
    """
    lower: certificates.Certificate = certificates._read(leaf)
    upper: certificates.Certificate = certificates._read(ca)
    if not (lower.is_sound and upper.is_sound):
        return False
    has_precompile: bool = p256._has_precompile()
    x: uint256 = convert(slice(root_key, 0, 32), uint256)
    y: uint256 = convert(slice(root_key, 32, 32), uint256)
    if not p256._verifies(has_precompile, upper.signed, upper.r, upper.s, x, y):
        return False
    return p256._verifies(has_precompile, lower.signed, lower.r, lower.s, upper.x, upper.y)
