"""What oracles commit to, and what each sealed word between them is bound to; pure.

  c          keccak(TAG_COMMIT ‖ r ‖ order id ‖ signer)
  signed     keccak(TAG_COMMIT ‖ order id ‖ c ‖ keccak(enclave key))
  list       keccak of c ‖ signer ‖ keccak(enclave key) of all, in the order of the signers
  share      HPKE, info TAG_SHARE ‖ order id ‖ list ‖ sender ‖ receiver
  old key    HPKE, info TAG_OLD_KEY ‖ order id ‖ receiver

Source: docs/protocol/agents.md#delivery-oracle.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from offchain.agents.delivery import oracle_service
from offchain.agents.oracle_errors import OrderRefused
from offchain.agents.oracle_ports import Commitment
from offchain.agents.seal import SealBroken, SealInvalid, hpke_open, hpke_seal
from offchain.core.hashing import (
    TAG_AGENT_ORACLE_COMMIT,
    TAG_AGENT_ORACLE_OLD_KEY,
    TAG_AGENT_ORACLE_SHARE,
    Digest,
    keccak,
)


def commitment_of(secret: bytes, order_id: bytes, signer: bytes) -> Digest:
    """What stands for a secret until everybody has committed."""
    return keccak(TAG_AGENT_ORACLE_COMMIT, secret, order_id, signer)


def commitment_digest(order_id: bytes, commitment: bytes, key: bytes) -> Digest:
    """What an oracle signs of its commitment."""
    return keccak(TAG_AGENT_ORACLE_COMMIT, order_id, commitment, keccak(key))


def list_digest(commitments: Sequence[Commitment]) -> Digest:
    """All commitments of an order, in its signers' order."""
    return keccak(*(one.commitment + one.signer + keccak(one.key) for one in commitments))


def share_info(order_id: bytes, listed: bytes, sender: bytes, receiver: bytes) -> bytes:
    return TAG_AGENT_ORACLE_SHARE + order_id + listed + sender + receiver


def old_key_info(order_id: bytes, receiver: bytes) -> bytes:
    return TAG_AGENT_ORACLE_OLD_KEY + order_id + receiver


def oracle_subject(operator_id: int) -> bytes:
    """Whom a relayer's question about an operator's oracle is to: the end of its service id."""
    return oracle_service(operator_id)[12:]


def seal_to(plain: bytes, key: bytes, info: bytes) -> bytes:
    """HPKE to an enclave's key, readable in one place only. Raises: OrderRefused."""
    try:
        return hpke_seal(plain, key, info)
    except SealInvalid as error:
        raise OrderRefused(part="key") from error


def open_sealed(sealed: bytes, secret: X25519PrivateKey, info: bytes) -> bytes:
    """Raises: OrderRefused when it was not sealed to this key for this place."""
    try:
        return hpke_open(sealed, secret, info)
    except SealBroken as error:
        raise OrderRefused(part="sealed") from error
